//! E4: what is in the cache already, over TLS 1.3 with AES-128-GCM. The load client counts the records of the answers
//! instead of opening them; before that, everything is decrypted and compared.

use std::time::Duration;

use anyhow::Context;

use super::{Caches, OURS, measure_rows};
use crate::cache_peer::NGINX;
use crate::fetch::Client;
use crate::load::{Request, Tls};
use crate::objects::{self, Kind};
use crate::progress::Progress;
use crate::rig::Findings;
use crate::scenario::{Pace, Scenario, Side, sized};
use crate::truth;

/// Key, title and kind of each row.
pub(super) const ROWS: [(&str, &str, Kind); 2] = [
    ("E4-large", "objects of 1.5 MB in the cache, over TLS", objects::LARGE),
    ("E4-small", "objects of 10 kB in the cache, over TLS", objects::SMALL),
];

/// E4.
pub(in crate::run) fn measure(
    caches: &Caches<'_>,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let scenario = |row: usize, progress: &Progress| scenario(caches, row, progress);
    measure_rows(caches, ROWS.len(), scenario, progress, findings)
}

/// Row `row`, once both caches have all objects.
pub(super) fn scenario<'a>(
    caches: &'a Caches<'_>,
    row: usize,
    progress: &Progress,
) -> anyhow::Result<Scenario<'a>> {
    let (key, title, kind) = ROWS.get(row).copied().context("no such row")?;
    let (rig, ours, nginx) = (caches.rig, &caches.ours.cache, &caches.nginx.cache);
    let nginx_tls = nginx.tls.context("nginx speaks TLS")?;
    let pieces = caches.objects.pieces(kind);
    let opening = pieces.first().context("no objects")?;
    let opening = Request::get(&opening.path, false, opening.bytes);
    let side = |name, process, address| -> anyhow::Result<Side<'a>> {
        progress.tell(&format!("{key}: comparing every answer of {name} over TLS"));
        let mut client = Client::over_tls(address, &rig.identity.client);
        truth::check(name, &mut client, pieces.iter())?;
        // The second answer is one of the cache, whose head has the length that the load will see.
        let lengths = truth::check(name, &mut client, pieces.iter())?;
        let tls = Some(Tls { client: &rig.identity.client, opening: opening.clone() });
        Ok(Side { name, process, address, requests: sized(&pieces, &lengths), tls })
    };
    let peer = side(NGINX, &nginx.process, nginx_tls)?;
    let ours = side(OURS, &ours.process, ours.tls)?;
    Ok(Scenario { key, title, peer, ours, others: Vec::new() })
}

/// About how long both rows take.
pub(in crate::run) fn time(pace: Pace) -> Duration {
    pace.scenario_time() * 2
}
