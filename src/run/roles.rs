//! The roles as the configuration wants them.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use prometheus::Registry;
use rillcast_edge::admission::authorize::Gate;
use rillcast_edge::admission::protect::Protection;
use rillcast_edge::control::events::sender::Sink;
use rillcast_edge::edge::{Edge, Source};
use rillcast_edge::far::FarEdge;
use rillcast_edge::observe::metrics::EdgeMetrics;
use rillcast_edge::upstream::{UpstreamMetrics, Upstreams};
use rillcast_origin::Origin;
use rillcast_origin::blob::directory::DirectoryStore;
use rillcast_origin::index::Indexes;

use super::time_of_day;
use crate::config::Config;
use crate::front::NearOrigin;

/// The edge role, and behind it what it has its responses from; `sink` is told what sessions do.
pub(super) fn edge(
    config: &Config,
    gate: Gate,
    sink: Option<Sink>,
    registry: &Registry,
) -> anyhow::Result<Edge<NearOrigin>> {
    let metrics = EdgeMetrics::register(registry).context("cannot register metrics")?;
    let background = tokio::runtime::Handle::current();
    let source = match &config.edge.far {
        None => Source::Near(NearOrigin(Arc::new(origin(config)?))),
        Some((upstreams, far)) => {
            let figures = UpstreamMetrics::register(registry).context("cannot register metrics")?;
            let upstreams = Upstreams::new(upstreams, &figures, time_of_day)
                .context("cannot set up the upstreams: see [[edge.upstream]]")?;
            let far = FarEdge::new(far.clone(), upstreams, metrics.clone(), time_of_day, background)
                .context("no memory for a cache: see edge.cache_mib, and whether memfd_create is allowed")?;
            Source::Far(Box::new(far))
        }
    };
    let protection = Protection::new(config.edge.limits.clone(), metrics.clone(), (gate.monotonic)());
    let edge = Edge::new(gate, protection, source, metrics);
    Ok(match sink {
        Some(sink) => edge.with_beats(sink),
        None => edge,
    })
}

/// The origin role.
fn origin(config: &Config) -> anyhow::Result<Origin> {
    let media = &config.media;
    let store = DirectoryStore::new(media).map_err(|error| no_store(error, media))?;
    let background = tokio::runtime::Handle::current();
    Ok(Origin::new(Arc::new(store), indexes(config)?, background, config.assets))
}

/// The stored indexes that `config` asks for.
fn indexes(config: &Config) -> anyhow::Result<Indexes> {
    if let Some(advice) = config.index.advice() {
        tracing::warn!("{advice}");
    }
    let Some(settings) = config.index.settings(&config.media) else { return Ok(Indexes::off()) };
    Indexes::start(settings, tokio::runtime::Handle::current()).context("cannot start the thread for indexes")
}

/// Says what to do next about a media directory that cannot be served.
fn no_store(error: std::io::Error, media: &Path) -> anyhow::Error {
    use std::io::ErrorKind;
    let media = media.display();
    // EPERM is no permission of a file, which would be EACCES: it is what older container runtimes answer.
    let is_call_refused = error.kind() == ErrorKind::Unsupported
        || error.raw_os_error() == Some(rustix::io::Errno::PERM.raw_os_error());
    let advice = match error.kind() {
        _ if is_call_refused => format!(
            "cannot look up files beneath `{media}`: the system call openat2 is missing (Linux before 5.6) or \
             forbidden (a container's seccomp profile that does not know it)"
        ),
        ErrorKind::NotFound => {
            format!("no media directory `{media}`: make it, or name another with --media DIR")
        }
        ErrorKind::NotADirectory => {
            format!("no media directory `{media}`, it is a file: name the one it is in with --media DIR")
        }
        _ => format!(
            "cannot open the media directory `{media}`: see its permissions, or name another with --media DIR"
        ),
    };
    anyhow::Error::new(error).context(advice)
}
