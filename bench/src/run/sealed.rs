//! O8: TLS 1.3 with AES-128-GCM. The load client shakes hands and asks like any client, but counts the
//! records of the answers instead of opening them; before that, everything is decrypted and compared once.
//! HTTP/2 is measured with h2load, which does decrypt: it limits, and only CPU figures mean something.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, bail};
use toml::Value;

use super::Stage;
use super::plain::segments;
use crate::fetch::Client;
use crate::h2;
use crate::load::{Request, Tls};
use crate::measured::{Pair, Paired};
use crate::progress::Progress;
use crate::rig::Findings;
use crate::scenario::{Scenario, Side, sized};
use crate::server::{Ours, Setup};
use crate::truth::{self, Piece};

/// Room in memory for the hot set, beyond the bytes that shall be in it.
const SPARE_MIB: u64 = 512;

/// One way to keep what is sent.
struct Row {
    key: &'static str,
    h2_key: &'static str,
    title: &'static str,
    hot: bool,
}

const ROWS: [Row; 2] = [
    Row {
        key: "O8-hot",
        h2_key: "O8-h2-hot",
        title: "video segments over TLS, hot set in memory",
        hot: true,
    },
    Row {
        key: "O8-page-cache",
        h2_key: "O8-h2-page-cache",
        title: "video segments over TLS, from the page cache",
        hot: false,
    },
];

/// All rows of O8.
pub(super) fn measure(
    stage: &Stage<'_>,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let pieces = segments(&stage.truth.contiguous, |asset| &asset.video);
    let (rig, nginx) = (stage.rig, stage.nginx);
    progress.tell("O8: comparing every answer of nginx over TLS");
    let mut client = Client::over_tls(nginx.tls, &rig.identity.client);
    let nginx_lengths = truth::check("nginx TLS", &mut client, pieces.iter())?;
    let total: u64 = pieces.iter().map(|piece| piece.bytes).sum();
    let playlist = stage.truth.contiguous.first().context("no assets")?.media.plain.clone();
    let opening = Request::get(&playlist.path, false, playlist.bytes);
    for row in &ROWS {
        let mib = if row.hot { total / (1 << 20) + SPARE_MIB } else { 0 };
        let keys = [("delivery.hot_set_mib", Value::Integer(i64::try_from(mib)?))];
        let setup = Setup { tls: Some(&rig.identity), keys: &keys, ..Setup::plain(stage.media.folder()) };
        let ours = rig.server(&setup)?;
        progress.tell(&format!("{}: comparing every answer of rillcast over TLS", row.key));
        let our_lengths = warm(stage, &ours, &pieces, row.hot)?;
        let scenario = Scenario {
            key: row.key,
            title: row.title,
            peer: Side {
                name: "nginx TLS",
                process: &nginx.process,
                address: nginx.tls,
                requests: sized(&pieces, &nginx_lengths),
                tls: Some(Tls { client: &rig.identity.client, opening: opening.clone() }),
            },
            ours: Side {
                name: "rillcast",
                process: &ours.process,
                address: ours.tls,
                requests: sized(&pieces, &our_lengths),
                tls: Some(Tls { client: &rig.identity.client, opening: opening.clone() }),
            },
            others: Vec::new(),
        };
        findings.paired.push(scenario.measure(rig.cores, rig.pace, progress)?);
        findings.paired.push(over_h2(stage, row, &scenario, progress)?);
    }
    Ok(())
}

/// Everything asked for until the server has it where it wants it; compared each time.
fn warm(
    stage: &Stage<'_>,
    ours: &Ours,
    pieces: &[Piece],
    hot: bool,
) -> anyhow::Result<HashMap<(String, bool), u64>> {
    let mut client = Client::over_tls(ours.tls, &stage.rig.identity.client);
    let lengths = truth::check("rillcast TLS", &mut client, pieces.iter())?;
    // A hot set takes what was asked for before; from it, everything is compared again.
    if hot {
        truth::check("rillcast TLS", &mut client, pieces.iter())?;
        truth::check("rillcast TLS", &mut client, pieces.iter())?;
    }
    Ok(lengths)
}

/// The same bytes over HTTP/2, many streams a connection.
fn over_h2(
    stage: &Stage<'_>,
    row: &Row,
    scenario: &Scenario<'_>,
    progress: &mut Progress,
) -> anyhow::Result<Paired> {
    let rig = stage.rig;
    let requests = if rig.quick { 120 } else { 1500 };
    let pieces = segments(&stage.truth.contiguous, |asset| &asset.video);
    let mean = pieces.iter().map(|piece| piece.bytes).sum::<u64>() / (pieces.len() as u64).max(1);
    let mut pairs = Vec::new();
    for number in 1..=rig.pace.pairs {
        let mut run = |side: &Side<'_>| -> anyhow::Result<_> {
            progress.tell(&format!("{}: {}, run {number} of {}", row.h2_key, side.name, rig.pace.pairs));
            let load = h2::Load { address: side.address, pid: side.process.pid(), pieces: &pieces, requests };
            let measured = h2::run(&load, &rig.scratch, rig.cores.client)?;
            side.process.clear_log();
            progress.spent(h2_time(requests));
            Ok(measured)
        };
        let (peer, ours) = (run(&scenario.peer)?, run(&scenario.ours)?);
        pairs.push(Pair::new(peer, ours));
    }
    if pairs.is_empty() {
        bail!("no runs");
    }
    Ok(Paired {
        key: row.h2_key.to_owned(),
        title: format!("{}, HTTP/2, {} x {} streams", row.title, h2::CONNECTIONS, h2::STREAMS),
        peer: "nginx TLS".to_owned(),
        urls: pieces.len(),
        body_bytes_mean: mean,
        connections: h2::CONNECTIONS,
        pairs,
        others: Vec::new(),
    })
}

/// About how long that many requests take.
fn h2_time(requests: usize) -> Duration {
    Duration::from_millis(3 * requests as u64)
}

/// Time of all rows.
pub(super) fn time(pace: crate::scenario::Pace, quick: bool) -> Duration {
    let requests = if quick { 120 } else { 1500 };
    let runs = u32::try_from(2 * pace.pairs).unwrap_or(u32::MAX);
    2 * (pace.scenario_time() + runs * h2_time(requests))
}
