//! O1, O2, O4, O5: plain HTTP from a warm page cache, in pairs beside nginx static; fairness with it.

use anyhow::bail;
use toml::Value;

use super::{Stage, yardstick};
use crate::fairness::Spread;
use crate::measured::Paired;
use crate::peer::Nginx;
use crate::progress::Progress;
use crate::rig::Findings;
use crate::scenario::{Scenario, Side, requests};
use crate::server::{Ours, Setup};
use crate::slow_readers;
use crate::truth::{Asset, Piece, Text};
use crate::vod::{Kind, Vod};

/// Bodies from here on go to the nginx port made for large ones.
const LARGE_BYTES: u64 = 512 * 1024;
/// Connections whose throughputs are compared.
const FAIRNESS_CONNECTIONS: [usize; 2] = [64, 512];

/// A scenario before the servers are known.
struct Job {
    key: &'static str,
    title: &'static str,
    pieces: Vec<Piece>,
    vod: Option<(Kind, Vec<String>)>,
}

/// O1, O2, O4 with the sidecar, O5, and the yardstick.
pub(super) fn measure(
    stage: &Stage<'_>,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    findings.figures.push(yardstick::measure(stage.rig, stage.nginx, stage.truth.root.path(), progress)?);
    let ours = stage.rig.server(&Setup::plain(stage.media.folder()))?;
    for job in jobs(stage).into_iter().filter(|job| stage.wants(job.key)) {
        findings.paired.push(job.measure(stage, &ours, progress)?);
    }
    Ok(())
}

/// O4 without the sidecar.
pub(super) fn measure_without_sidecar(
    stage: &Stage<'_>,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    // Packed audio is kept with the index, and not without.
    let keys = [("origin.index", Value::String("off".to_owned()))];
    let ours = stage.rig.server(&Setup { keys: &keys, ..Setup::plain(stage.media.folder()) })?;
    let job = Job {
        key: "O4-audio-interleaved",
        title: "audio segments out of interleaved sources",
        pieces: segments(&stage.truth.interleaved, |asset| &asset.audio),
        vod: Some((Kind::Audio, stage.media.interleaved.clone())),
    };
    if !job.pieces.is_empty() {
        findings.paired.push(job.measure(stage, &ours, progress)?);
    }
    Ok(())
}

/// The spread of throughputs, and slow readers.
pub(super) fn measure_fairness(
    stage: &Stage<'_>,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let (rig, pace) = (stage.rig, stage.rig.pace);
    let ours = rig.server(&Setup::plain(stage.media.folder()))?;
    let requests = requests(&segments(&stage.truth.interleaved, |asset| &asset.video));
    let sides = [nginx_side(stage.nginx, stage.nginx.large, requests.clone()), our_side(&ours, requests)];
    for connections in FAIRNESS_CONNECTIONS {
        for side in &sides {
            progress.tell(&format!("fairness: {}, {connections} connections", side.name));
            let outcome = side.run(connections, pace.span(), rig.cores)?;
            if let Some(error) = &outcome.first_error {
                bail!("{}, {connections} connections: {error}", side.name);
            }
            findings.spreads.push(Spread::of(side.name, &outcome));
            progress.spent(pace.run_time());
        }
    }
    for side in &sides {
        progress.tell(&format!("slow readers: {}", side.name));
        findings.slow_readers.push(slow_readers::measure(side, pace, rig.cores)?);
        progress.spent(2 * pace.run_time());
    }
    Ok(())
}

fn jobs(stage: &Stage<'_>) -> Vec<Job> {
    let (truth, names) = (stage.truth, &stage.media.interleaved);
    let long = std::slice::from_ref(&truth.long);
    let playlists = || Some((Kind::Playlist, names.clone()));
    let long_playlists = || Some((Kind::Playlist, vec![super::media::LONG_NAME.to_owned()]));
    let job = |key, title, pieces, vod| Job { key, title, pieces, vod };
    let list = vec![
        job(
            "O1-segment",
            "video segments of segment-contiguous files",
            segments(&truth.contiguous, |asset| &asset.video),
            Some((Kind::Video, stage.media.contiguous.clone())),
        ),
        job(
            "O2-segment",
            "video segments of interleaved sources",
            segments(&truth.interleaved, |asset| &asset.video),
            Some((Kind::Video, names.clone())),
        ),
        job(
            "O4-audio",
            "audio segments of interleaved sources, packed sidecar",
            segments(&truth.interleaved, |asset| &asset.audio),
            Some((Kind::Audio, names.clone())),
        ),
        job("O5-media-plain", "media playlists", plain(&truth.interleaved, |a| &a.media), playlists()),
        job("O5-media-gzip", "media playlists, gzip", gzip(&truth.interleaved, |a| &a.media), None),
        job("O5-long-plain", "media playlist of 2 h", plain(long, |a| &a.media), long_playlists()),
        job("O5-long-gzip", "media playlist of 2 h, gzip", gzip(long, |a| &a.media), None),
        job("O5-master-plain", "multivariant playlists", plain(&truth.interleaved, |a| &a.master), None),
        job("O5-master-gzip", "multivariant playlists, gzip", gzip(&truth.interleaved, |a| &a.master), None),
    ];
    list.into_iter().filter(|job| !job.pieces.is_empty()).collect()
}

/// The jobs that a profile looks at.
pub(super) const PROFILED: [&str; 5] =
    ["O1-segment", "O2-segment", "O4-audio", "O5-media-plain", "O5-master-plain"];

/// What a profile looks at: key, pieces, and whether they are large.
pub(super) fn profiled(stage: &Stage<'_>) -> Vec<(&'static str, Vec<Piece>, bool)> {
    let wanted = jobs(stage).into_iter().filter(|job| PROFILED.contains(&job.key));
    wanted.map(|job| (job.key, job.pieces.clone(), job.is_large())).collect()
}

impl Job {
    fn is_large(&self) -> bool {
        let total: u64 = self.pieces.iter().map(|piece| piece.bytes).sum();
        total / (self.pieces.len() as u64).max(1) >= LARGE_BYTES
    }

    fn measure(&self, stage: &Stage<'_>, ours: &Ours, progress: &mut Progress) -> anyhow::Result<Paired> {
        let scenario = self.scenario(stage, ours)?;
        Ok(scenario.measure(stage.rig.cores, stage.rig.pace, progress)?)
    }

    fn scenario<'a>(&self, stage: &'a Stage<'_>, ours: &'a Ours) -> anyhow::Result<Scenario<'a>> {
        let requests = requests(&self.pieces);
        let address = if self.is_large() { stage.nginx.large } else { stage.nginx.small };
        let peer = nginx_side(stage.nginx, address, requests.clone());
        let vod = stage.vod.as_ref().zip(self.vod.as_ref());
        let vod = vod.map(|(vod, (kind, names))| vod_side(vod, *kind, names)).transpose()?;
        let (ours, others) = (our_side(ours, requests), vod.into_iter().collect());
        Ok(Scenario { key: self.key, title: self.title, peer, ours, others })
    }
}

pub(super) fn segments(assets: &[Asset], pick: fn(&Asset) -> &Vec<Piece>) -> Vec<Piece> {
    assets.iter().flat_map(|asset| pick(asset).clone()).collect()
}

fn plain(assets: &[Asset], pick: fn(&Asset) -> &Text) -> Vec<Piece> {
    assets.iter().map(|asset| pick(asset).plain.clone()).collect()
}

fn gzip(assets: &[Asset], pick: fn(&Asset) -> &Text) -> Vec<Piece> {
    assets.iter().filter_map(|asset| pick(asset).gzip.clone()).collect()
}

pub(super) fn nginx_side(
    nginx: &Nginx,
    address: std::net::SocketAddr,
    requests: Vec<crate::load::Request>,
) -> Side<'_> {
    Side { name: "nginx static", process: &nginx.process, address, requests, tls: None }
}

pub(super) fn our_side(ours: &Ours, requests: Vec<crate::load::Request>) -> Side<'_> {
    Side { name: "rillcast", process: &ours.process, address: ours.address, requests, tls: None }
}

fn vod_side<'a>(vod: &'a Vod, kind: Kind, names: &[String]) -> anyhow::Result<Side<'a>> {
    let requests = crate::scenario::shuffled(vod.requests(names, kind)?);
    Ok(Side { name: "nginx-vod", process: &vod.process, address: vod.address, requests, tls: None })
}
