//! The configuration: a file as written ([`raw`]), then checked and typed ([`Config`]).
//!
//! `config/all-in-one.toml` names every key with its default; a test holds both together. A key that
//! is not known is an error, never ignored. Command line arguments win over the file.

mod bounds;
mod edge;
mod index;
mod raw;

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use rillcast_http::{
    AllowedOrigins, ClientHeader, ColdReadSettings, CompressionLimits, Cors, Delivery, DiskWay, HotSetLimits,
    Limits, Listener, Network, NetworkError, Networks, ServerConfig, TlsFiles, TrustedProxies,
};
use rillcast_origin::vod::assets::AssetLimits;

pub(crate) use self::edge::{
    EdgeConfig, EventsConfig, JwksConfig, OrdersConfig, OrdersFrom, Service, TokenConfig,
};
pub(crate) use self::index::IndexConfig;
use self::raw::{RawClientHeader, RawConfig, RawDelivery, RawDisk, RawHttp, RawLimits, RawListener};
use crate::cli::ServeArgs;

/// Bytes of a configuration file.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Fits whatever [`bounds`] lets through.
const MIB: u64 = 1 << 20;

/// A checked configuration.
#[derive(Debug)]
pub(crate) struct Config {
    /// The HTTP server.
    pub(crate) server: ServerConfig,
    /// The edge role.
    pub(crate) edge: EdgeConfig,
    /// Where media files are.
    pub(crate) media: PathBuf,
    /// What the origin keeps open.
    pub(crate) assets: AssetLimits,
    /// Where indexes of files are kept.
    pub(crate) index: IndexConfig,
    /// Who may read `/metrics`.
    pub(crate) metrics_from: Networks,
    /// How long connections get to finish when we stop.
    pub(crate) drain: Duration,
    /// How log lines look.
    pub(crate) log: LogConfig,
}

/// How log lines look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// Text or JSON.
    pub(crate) format: LogFormat,
    /// A filter such as `info` or `warn,rillcast_http=debug`.
    pub(crate) level: String,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why a configuration is not usable. The operator's fault; the message says where, and its source says more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is larger than {MAX_CONFIG_BYTES} bytes: not a configuration")]
    TooLarge { path: PathBuf },
    #[error("{path} cannot be used")]
    Syntax { path: PathBuf, source: Box<toml::de::Error> },
    #[error("{key} cannot be used")]
    Network { key: &'static str, source: NetworkError },
    #[error("http.cors_origins: `{origin}` is no origin such as https://player.example")]
    Origin { origin: String },
    #[error("http.listener {address}: certificate and key go together: give both or none")]
    HalfTls { address: SocketAddr },
    #[error("http.listener: there is none: nothing to listen on")]
    NoListener,
    #[error("log.level: `{level}` is no filter such as `info`")]
    Level { level: String },
    #[error("edge.ignored_parameters cannot be used")]
    Parameter { source: rillcast_edge::cache::key::KeyRulesError },
    #[error("edge.tokens.private cannot be used")]
    Private { source: rillcast_edge::admission::private_paths::PrivatePathError },
    #[error("{key}: a list of countries cannot be used")]
    Country { key: &'static str, source: rillcast_edge::admission::territory::NoCountry },
    #[error(
        "{key}: `allow` and `deny` at once: with `allow` all others are refused anyway, so give one of them"
    )]
    TwoCountryLists { key: &'static str },
    #[error("edge.geo.rule: one without countries: give `allow` or `deny`")]
    GeoRuleWithoutList,
    #[error(
        "edge.geo.rule: one for everything: give `paths` or `environment`, or put its countries in [edge.geo]"
    )]
    GeoRuleOfNothing,
    #[error("edge.geo.rule: a path cannot be used")]
    GeoPath { source: rillcast_edge::admission::private_paths::PrivatePathError },
    #[error("edge.geo: too many rules")]
    TooManyGeoRules { source: rillcast_edge::admission::territory::TooManyRules },
    #[error(
        "edge.geo: countries are listed, and there is no database to know them by: name one in edge.geo.database, such as GeoLite2-Country.mmdb"
    )]
    NoGeoDatabase,
    #[error("edge.tokens.cookie: `{name}` is no name of a cookie")]
    Cookie { name: String },
    #[error("{key}: `{url}` is no URL such as https://control.example/internal/v1, without query")]
    Service { key: &'static str, url: String },
    #[error(
        "edge.tokens.jwks: `{url}` is no http or https URL such as https://issuer.example/.well-known/jwks.json"
    )]
    Jwks { url: String },
    #[error(
        "edge.tokens.jwks: `{url}` is fetched in clear, and whoever is on the way could put keys of their own in it: use https, or \
         set edge.tokens.jwks_allow_http = true where the network is yours alone"
    )]
    JwksInClear { url: String },
    #[error(
        "edge.events.directory: name the folder in which events wait, or set STATE_DIRECTORY (StateDirectory= in systemd)"
    )]
    NoEventsFolder,
    #[error("edge.events.{key} goes with edge.events.url: without it there are no events")]
    EventsWithoutUrl { key: &'static str },
    #[error("edge.orders.secret_file goes with a source over HTTP: a file needs no secret")]
    SecretOfFile,
    #[error("{key} is {value}: it must be {least} to {most}")]
    OutOfBounds { key: &'static str, value: u64, least: u64, most: u64 },
}

impl Config {
    /// The configuration that `args` ask for.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub(crate) fn load(args: &ServeArgs) -> Result<Self, ConfigError> {
        let mut raw = match &args.config {
            Some(path) => read(path)?,
            None => RawConfig::default(),
        };
        if let Some(media) = &args.media {
            raw.origin.media.clone_from(media);
        }
        if let Some(workers) = args.workers {
            raw.http.workers = workers.get();
        }
        if !args.listen.is_empty() {
            raw.http.listener = args.listen.iter().copied().map(RawListener::plain).collect();
        }
        Self::check(raw)
    }

    /// The configuration in the file at `path`; the defaults without.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub(crate) fn of_file(path: Option<&Path>) -> Result<Self, ConfigError> {
        Self::check(path.map_or_else(|| Ok(RawConfig::default()), read)?)
    }

    fn check(raw: RawConfig) -> Result<Self, ConfigError> {
        bounds::check(&raw)?;
        let assets = AssetLimits {
            memory_bytes: raw.origin.asset_memory_mib * MIB,
            count: raw.origin.open_assets,
            idle: Duration::from_secs(raw.origin.asset_idle_s),
            notice: Duration::from_millis(raw.origin.notice_changes_ms),
        };
        if raw.log.level.parse::<tracing_subscriber::filter::EnvFilter>().is_err() {
            return Err(ConfigError::Level { level: raw.log.level });
        }
        Ok(Self {
            metrics_from: networks("ops.metrics_from", &raw.ops.metrics_from)?,
            drain: Duration::from_secs(raw.ops.drain_s),
            server: ServerConfig {
                delivery: delivery(&raw.delivery),
                hot_set: hot_set(&raw.delivery),
                cold_reads: cold_reads(&raw.delivery),
                ..server(&raw.http)?
            },
            edge: edge::check(&raw.edge)?,
            index: index::check(&raw.origin),
            media: raw.origin.media,
            assets,
            log: LogConfig { format: raw.log.format, level: raw.log.level },
        })
    }
}

fn read(path: &Path) -> Result<RawConfig, ConfigError> {
    let unreadable = |source| ConfigError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(unreadable)?.len() > MAX_CONFIG_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    toml::from_str(&text)
        .map_err(|source| ConfigError::Syntax { path: path.to_owned(), source: Box::new(source) })
}

fn networks(key: &'static str, texts: &[String]) -> Result<Networks, ConfigError> {
    let parsed = texts.iter().map(|text| text.parse::<Network>());
    parsed.collect::<Result<Networks, _>>().map_err(|source| ConfigError::Network { key, source })
}

fn server(raw: &RawHttp) -> Result<ServerConfig, ConfigError> {
    let mut listeners = Vec::new();
    for listener in &raw.listener {
        listeners.push(check_listener(listener)?);
    }
    if listeners.is_empty() {
        return Err(ConfigError::NoListener);
    }
    let mut config = ServerConfig::new(listeners);
    if let Some(workers) = NonZeroUsize::new(raw.workers) {
        config.cores = workers;
    }
    config.trusted_proxies = TrustedProxies {
        networks: networks("http.trusted_proxies", &raw.trusted_proxies)?,
        header: match raw.client_header {
            RawClientHeader::XForwardedFor => ClientHeader::XForwardedFor,
            RawClientHeader::Forwarded => ClientHeader::Forwarded,
        },
    };
    config.cors = cors(&raw.cors_origins)?;
    config.limits = limits(&raw.limits);
    config.compression = CompressionLimits {
        body_bytes_min: raw.compression.body_bytes_min,
        body_bytes_max: raw.compression.body_bytes_max,
        cache_bytes: raw.compression.cache_mib * MIB,
        workers: raw.compression.workers,
        queue: raw.compression.queue,
    };
    Ok(config)
}

fn check_listener(raw: &RawListener) -> Result<Listener, ConfigError> {
    let mut listener = match (&raw.certificate, &raw.key) {
        (Some(certificate), Some(key)) => Listener::tls(raw.address, TlsFiles::new(certificate, key)),
        (None, None) => Listener::plain(raw.address),
        _ => return Err(ConfigError::HalfTls { address: raw.address }),
    };
    listener.proxy_protocol_from = networks("http.listener.proxy_protocol_from", &raw.proxy_protocol_from)?;
    Ok(listener)
}

fn cors(origins: &[String]) -> Result<Cors, ConfigError> {
    if origins.iter().any(|origin| origin == "*") {
        return Ok(Cors::default());
    }
    let check = |origin: &String| {
        let has_scheme = origin.starts_with("https://") || origin.starts_with("http://");
        HeaderValue::from_str(origin).ok().filter(|_| has_scheme && !origin.ends_with('/'))
    };
    let checked = origins
        .iter()
        .map(|origin| check(origin).ok_or_else(|| ConfigError::Origin { origin: origin.clone() }));
    Ok(Cors { origins: AllowedOrigins::List(checked.collect::<Result<_, _>>()?), ..Cors::default() })
}

fn delivery(of: &RawDelivery) -> Delivery {
    Delivery { zero_copy: of.zero_copy, tokens_per_core: of.tokens_per_core, ..Delivery::default() }
}

fn hot_set(of: &RawDelivery) -> HotSetLimits {
    HotSetLimits { memory_bytes: of.hot_set_mib * MIB, ..HotSetLimits::default() }
}

fn cold_reads(of: &RawDelivery) -> ColdReadSettings {
    ColdReadSettings {
        disk: match of.disk {
            RawDisk::Auto => DiskWay::Auto,
            RawDisk::IoUring => DiskWay::Uring,
            RawDisk::Threads => DiskWay::Threads,
        },
        // Checked to be at least one.
        depth: NonZeroUsize::new(of.disk_depth).unwrap_or(NonZeroUsize::MIN),
        buffer_bytes: of.disk_buffer_mib * MIB,
        ..ColdReadSettings::default()
    }
}

fn limits(of: &RawLimits) -> Limits {
    Limits {
        connections: of.connections,
        connections_per_client: of.connections_per_client,
        header_bytes: of.header_bytes,
        header_fields: of.header_fields,
        target_bytes: of.target_bytes,
        handshake_time: Duration::from_secs(of.handshake_s),
        header_time: Duration::from_secs(of.header_s),
        idle_time: Duration::from_secs(of.idle_s),
        send_stall_time: Duration::from_secs(of.send_stall_s),
        http2_streams: of.http2_streams,
        read_buffer_bytes: of.read_buffer_bytes,
        read_buffers_per_connection: of.read_buffers_per_connection,
        read_buffers_idle: of.read_buffers_idle,
        unsent_kernel_bytes: of.unsent_kernel_bytes,
        blocking_threads: of.blocking_threads,
        accept_backlog: of.accept_backlog,
    }
}

#[cfg(test)]
mod tests;
