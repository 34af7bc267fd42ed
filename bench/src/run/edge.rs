//! E1 to E5: caches in front of an origin that is scripted, ours beside nginx, Varnish and Traffic Server.
//!
//! ```text
//!  load ─▶ rillcast ───────▶ origin ┐
//!       ─▶ nginx ──────────▶ origin ├ the same objects; each cache has an origin of its own, which counts
//!       ─▶ Varnish ────────▶ origin │ what that cache asked
//!       ─▶ Traffic Server ─▶ origin ┘
//! ```
//!
//! Before a hit is timed, every object is got twice from every cache, and hashed: as it is fetched, and as it was kept.
//! While hits are timed no origin may be asked for anything.

pub(super) mod guarded;
pub(super) mod herd;
pub(super) mod hits;
pub(super) mod live;
pub(super) mod profiling;
pub(super) mod sealed;

use std::sync::Arc;

use anyhow::{Context, bail};
use toml::{Table, Value};

use super::yardstick;
use crate::cache_peer::{self, CachePeer, ROOM_MIB};
use crate::fetch::Client;
use crate::measured::Paired;
use crate::objects::{self, Kind, Objects};
use crate::peer;
use crate::progress::Progress;
use crate::rig::{Findings, Rig};
use crate::run::yardstick::YARDSTICK;
use crate::scenario::{Pace, Scenario};
use crate::scripted::Origin;
use crate::server::{Ours, Setup};
use crate::tokens::Issuer;
use crate::truth::{self, Piece};

/// What the sections of E1 to E4 work with.
#[derive(Debug)]
pub(super) struct Caches<'a> {
    rig: &'a Rig,
    objects: Arc<Objects>,
    issuer: Issuer,
    ours: Fronted<Ours>,
    nginx: Fronted<CachePeer>,
    /// Those that are installed.
    others: Vec<Fronted<CachePeer>>,
}

/// A cache and the origin behind it.
#[derive(Debug)]
struct Fronted<S> {
    cache: S,
    origin: Origin,
}

/// The name of ours in the report.
const OURS: &str = "rillcast";

impl<'a> Caches<'a> {
    /// Starts all caches, each in front of an origin of its own.
    ///
    /// # Errors
    /// When ours or nginx does not start.
    pub(super) fn start(rig: &'a Rig, progress: &Progress) -> anyhow::Result<Self> {
        progress.tell("starting the caches");
        let objects = Arc::new(Objects::make());
        let core = rig.cores.server;
        let origin = || Origin::start(Arc::clone(&objects), rig.cores.client);
        let issuer = Issuer::make(&rig.scratch, &guarded::ALGORITHMS)?;
        let first = origin()?;
        let ours = Fronted { cache: start_ours(rig, &first, &issuer)?, origin: first };
        let first = origin()?;
        let nginx = cache_peer::start_nginx(first.address, &rig.scratch, &rig.identity, core)?;
        let nginx = Fronted { cache: nginx, origin: first };
        let mut others = Vec::new();
        for (name, start) in [
            (cache_peer::VARNISH, cache_peer::start_varnish as fn(_, _, _) -> _),
            (cache_peer::TRAFFIC_SERVER, cache_peer::start_traffic_server),
        ] {
            let origin = origin()?;
            match start(origin.address, &rig.scratch, core) {
                Ok(Some(cache)) => others.push(Fronted { cache, origin }),
                Ok(None) => progress.tell(&format!("{name} is not installed, and is left out")),
                Err(error) => progress.tell(&format!("{name} does not start, and is left out: {error}")),
            }
        }
        Ok(Self { rig, objects, issuer, ours, nginx, others })
    }

    /// How long and how often.
    pub(super) fn pace(&self) -> Pace {
        self.rig.pace
    }

    /// The peers, the yardstick first.
    fn peers(&self) -> impl Iterator<Item = &Fronted<CachePeer>> {
        std::iter::once(&self.nginx).chain(&self.others)
    }

    /// Has every cache get and keep all objects of `kind`, and compares them. One that gives something else is left out,
    /// but for ours and the yardstick: then nothing would be measured.
    fn fill(
        &self,
        kind: Kind,
        progress: &Progress,
    ) -> anyhow::Result<(Vec<Piece>, Vec<&Fronted<CachePeer>>)> {
        let pieces = self.objects.pieces(kind);
        progress.tell(&format!("comparing every answer of {OURS}, fetched and kept"));
        self.ours.fill(OURS, &mut Client::new(self.ours.cache.address), &pieces)?;
        let mut good = Vec::new();
        for peer in self.peers() {
            let name = peer.cache.name;
            progress.tell(&format!("comparing every answer of {name}, fetched and kept"));
            match peer.fill(name, &mut Client::new(peer.cache.large), &pieces) {
                Ok(()) => good.push(peer),
                Err(error) if name == cache_peer::NGINX => return Err(error),
                Err(error) => progress.tell(&format!("{name} is left out: {error:#}")),
            }
        }
        Ok((pieces, good))
    }

    /// Times `scenario`; ours and nginx must answer all of it themselves.
    fn measure(
        &self,
        scenario: &Scenario<'_>,
        pace: Pace,
        progress: &mut Progress,
    ) -> anyhow::Result<Paired> {
        let asked = || (self.ours.origin.requests(), self.nginx.origin.requests());
        let before = asked();
        let paired = scenario.measure(self.rig.cores, pace, progress)?;
        let after = asked();
        for (name, before, after) in [(OURS, before.0, after.0), (cache_peer::NGINX, before.1, after.1)] {
            if after > before {
                bail!("{}: {name} asked its origin {} times for what it had", paired.key, after - before);
            }
        }
        Ok(paired)
    }
}

impl<S> Fronted<S> {
    fn fill(&self, name: &'static str, client: &mut Client, pieces: &[Piece]) -> anyhow::Result<()> {
        truth::check(name, client, pieces.iter()).with_context(|| format!("{name}, fetching"))?;
        truth::check(name, client, pieces.iter()).with_context(|| format!("{name}, from its cache"))?;
        Ok(())
    }
}

fn start_ours(rig: &Rig, origin: &Origin, issuer: &Issuer) -> anyhow::Result<Ours> {
    let keys = [
        ("http.workers", Value::Integer(1)),
        ("edge.upstream", upstream(origin)),
        ("edge.cache_mib", Value::Integer(i64::from(ROOM_MIB))),
        ("edge.tokens.private", Value::Array(vec![Value::String(objects::GUARDED.prefix())])),
        ("edge.tokens.keys", Value::String(issuer.file.display().to_string())),
    ];
    Ok(rig.server(&Setup::edge(&rig.identity, &keys))?)
}

/// `origin` as the only upstream.
fn upstream(origin: &Origin) -> Value {
    let url = Value::String(format!("http://{}", origin.address));
    Value::Array(vec![Value::Table(Table::from_iter([("url".to_owned(), url)]))])
}

/// Measures `rows` scenarios, each made when its turn comes.
fn measure_rows<'a>(
    caches: &Caches<'_>,
    rows: usize,
    scenario: impl Fn(usize, &Progress) -> anyhow::Result<Scenario<'a>>,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    ensure_yardstick(caches.rig, progress, findings)?;
    for row in 0..rows {
        let scenario = scenario(row, progress)?;
        findings.paired.push(caches.measure(&scenario, caches.rig.pace, progress)?);
    }
    Ok(())
}

/// Finds how fast nginx is here, where no other section has.
fn ensure_yardstick(rig: &Rig, progress: &mut Progress, findings: &mut Findings) -> anyhow::Result<()> {
    if findings.figures.iter().any(|figure| figure.key == YARDSTICK) {
        return Ok(());
    }
    let root = rig.fresh_folder("yardstick")?;
    let nginx = peer::start(root.path(), &rig.scratch, &rig.identity, rig.cores.server)?;
    findings.figures.push(yardstick::measure(rig, &nginx, root.path(), progress)?);
    Ok(())
}
