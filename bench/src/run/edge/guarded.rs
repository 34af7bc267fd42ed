//! E2: what is in the cache already, small, with a valid token on every request, and never the same token soon. nginx
//! answers the same without one: what a token costs it is in no configuration that Debian has.

use std::time::Duration;

use anyhow::{Context, bail};
use rillcast_token::Algorithm;

use super::{Caches, OURS, measure_rows};
use crate::fetch::{Client, FetchError};
use crate::measure;
use crate::objects::GUARDED;
use crate::progress::Progress;
use crate::rig::Findings;
use crate::scenario::{Pace, Scenario, Side, requests};
use crate::truth::{self, Piece};

/// Tokens of each algorithm, all in turn.
const TOKENS: usize = 10_000;
/// New tokens from one address: the server checks at most 256 signatures at once for one.
const TOKENS_A_SOURCE: usize = 200;
/// Time in which an address shows its new tokens: the server checks at most 4000 signatures a second for all.
const SOURCE_TIME: Duration = Duration::from_millis(65);
/// Key, title and algorithm of each row.
const ROWS: [(&str, &str, Algorithm); 3] = [
    ("E2-eddsa", "objects of 10 kB in the cache, 10,000 tokens (EdDSA)", Algorithm::EdDSA),
    ("E2-es256", "objects of 10 kB in the cache, 10,000 tokens (ES256)", Algorithm::ES256),
    ("E2-hs256", "objects of 10 kB in the cache, 10,000 tokens (HS256)", Algorithm::HS256),
];
/// What tokens are signed with.
pub(super) const ALGORITHMS: [Algorithm; 3] = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::HS256];

/// E2.
pub(in crate::run) fn measure(
    caches: &Caches<'_>,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let scenario = |row: usize, progress: &Progress| scenario(caches, row, progress);
    measure_rows(caches, ROWS.len(), scenario, progress, findings)
}

/// Row `row`, once both caches have all objects and ours has seen all tokens.
pub(super) fn scenario<'a>(
    caches: &'a Caches<'_>,
    row: usize,
    progress: &Progress,
) -> anyhow::Result<Scenario<'a>> {
    let (key, title, algorithm) = ROWS.get(row).copied().context("no such row")?;
    let (ours, nginx) = (&caches.ours.cache, &caches.nginx.cache);
    let pieces = caches.objects.pieces(GUARDED);
    let first = pieces.first().context("no objects")?;
    match Client::new(ours.address).get(&first.path, false, |_| Ok(())) {
        Err(FetchError::Status { status: 401, .. }) => {}
        Err(error) => return Err(error.into()),
        Ok(_) => bail!("{} needs no token, so that nothing would be measured", first.path),
    }
    progress.tell(&format!("{key}: comparing every answer of {}, fetched and kept", nginx.name));
    caches.nginx.fill(nginx.name, &mut Client::new(nginx.small), &pieces)?;
    // As many requests as tokens; the objects go round.
    let pieces: Vec<Piece> = pieces.iter().cycle().take(TOKENS).cloned().collect();
    let tokens = caches.issuer.sign(algorithm, &GUARDED.prefix(), TOKENS)?;
    let with_token = |(piece, token): (&Piece, &String)| piece.below(&format!("/t/{token}"));
    let guarded: Vec<Piece> = pieces.iter().zip(&tokens).map(with_token).collect();
    progress.tell(&format!("{key}: comparing every answer of {OURS}, with every token"));
    introduce(caches, &guarded, row * TOKENS.div_ceil(TOKENS_A_SOURCE))?;
    let side = |name, process, address, requests| Side { name, process, address, requests, tls: None };
    let peer = side(nginx.name, &nginx.process, nginx.small, requests(&pieces));
    let ours = side(OURS, &ours.process, ours.address, requests(&guarded));
    Ok(Scenario { key, title, peer, ours, others: Vec::new() })
}

/// About how long all rows take.
pub(in crate::run) fn time(pace: Pace) -> Duration {
    (pace.scenario_time() + Duration::from_secs(5)) * 3
}

/// Shows every token once, from addresses from number `source` on, at a pace at which the server checks them; then once
/// more, so that every body is compared as it comes with a token that is known.
fn introduce(caches: &Caches<'_>, pieces: &[Piece], source: usize) -> anyhow::Result<()> {
    let address = caches.ours.cache.address;
    let mut due = measure::now();
    for (number, pieces) in pieces.chunks(TOKENS_A_SOURCE).enumerate() {
        std::thread::sleep(due.saturating_duration_since(measure::now()));
        due += SOURCE_TIME;
        let mut client = Client::from_source(address, source + number);
        truth::check(OURS, &mut client, pieces.iter())?;
    }
    truth::check(OURS, &mut Client::new(address), pieces.iter())?;
    Ok(())
}
