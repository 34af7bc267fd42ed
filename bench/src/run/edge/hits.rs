//! E1 and E2: what is in the cache already, plaintext.

use std::time::Duration;

use super::{Caches, Fronted, OURS, ensure_yardstick};
use crate::cache_peer::CachePeer;
use crate::objects::{self, Kind};
use crate::progress::Progress;
use crate::rig::Findings;
use crate::scenario::{Pace, Scenario, Side, requests};
use crate::truth::Piece;

/// Connections of the second row of E1.
const CROWD: usize = 512;

/// E1: large objects, few connections and many.
pub(in crate::run) fn measure_large(
    caches: &Caches<'_>,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let scenario = large(caches, progress)?;
    let pace = caches.rig.pace;
    findings.paired.push(caches.measure(&scenario, pace, progress)?);
    let crowd = Scenario { key: "E1-hit-512", title: "objects of 1.5 MB in the cache, a crowd", ..scenario };
    findings.paired.push(caches.measure(&crowd, Pace { connections: CROWD, ..pace }, progress)?);
    Ok(())
}

/// E1, once all caches have all objects.
pub(super) fn large<'a>(caches: &'a Caches<'_>, progress: &Progress) -> anyhow::Result<Scenario<'a>> {
    let (pieces, peers) = caches.fill(objects::LARGE, progress)?;
    let names = ("E1-hit", "objects of 1.5 MB in the cache");
    Ok(scenario(caches, names, objects::LARGE, (&pieces, &peers)))
}

/// E2 without tokens: what they are added to.
pub(in crate::run) fn measure_small(
    caches: &Caches<'_>,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    ensure_yardstick(caches.rig, progress, findings)?;
    let (pieces, peers) = caches.fill(objects::SMALL, progress)?;
    let names = ("E2-plain", "objects of 10 kB in the cache, no token");
    let scenario = scenario(caches, names, objects::SMALL, (&pieces, &peers));
    findings.paired.push(caches.measure(&scenario, caches.rig.pace, progress)?);
    Ok(())
}

/// About how long E1 takes: two rows on four servers, and what fills them.
pub(in crate::run) fn time_large(pace: Pace) -> Duration {
    pace.scenario_time() * 4 + Duration::from_secs(20)
}

/// About how long E2 takes.
pub(in crate::run) fn time_small(pace: Pace) -> Duration {
    pace.scenario_time() * 2
}

/// The same requests to ours and to `peers`, the yardstick first.
fn scenario<'a>(
    caches: &'a Caches<'_>,
    (key, title): (&'static str, &'static str),
    kind: Kind,
    (pieces, peers): (&[Piece], &[&'a Fronted<CachePeer>]),
) -> Scenario<'a> {
    let side =
        |name, process, address| Side { name, process, address, requests: requests(pieces), tls: None };
    let mut peers = peers.iter().map(|peer| {
        let cache = &peer.cache;
        side(cache.name, &cache.process, if kind == objects::LARGE { cache.large } else { cache.small })
    });
    let ours = &caches.ours.cache;
    let nginx = peers.next().expect("nginx is the first of the peers");
    let others = peers.collect();
    Scenario { key, title, peer: nginx, ours: side(OURS, &ours.process, ours.address), others }
}
