//! O7: segments of many files that are not in the page cache, 64 connections, each asked for once.
//!
//! Each round: the disk by itself (direct reads of several depths, the best of which counts; no server), nginx with
//! threads and direct reads, ours.
//! Ours is started anew each time, because it remembers what was touched, and has its indexes open.

use std::time::Duration;

use anyhow::{Context, bail};

use super::Stage;
use super::plain::{nginx_side, our_side, segments};
use crate::blocked::Watch;
use crate::drive::{self, Rates};
use crate::fetch::Client;
use crate::figure::{Figure, Unit};
use crate::load::Span;
use crate::measure;
use crate::measured::Measured;
use crate::profile::{Job, Looker};
use crate::progress::Progress;
use crate::rig::Findings;
use crate::scenario::{Side, requests};
use crate::server::Setup;
use crate::truth::{Asset, Piece};

/// A run takes less, or has failed.
const LIMIT: Duration = Duration::from_secs(120);
/// Files of which more is in memory were not forgotten, and nothing can be measured.
const RESIDENT_SHARE_MAX: f64 = 0.02;
/// The values of all rounds.
#[derive(Default)]
struct Rounds {
    disk: Vec<Rates>,
    nginx: Vec<Measured>,
    ours: Vec<Measured>,
    blocked: Vec<f64>,
}

/// O7.
pub(super) fn measure(
    stage: &Stage<'_>,
    progress: &mut Progress,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let files = stage.media.files();
    let mut rounds = Rounds::default();
    for number in 1..=stage.rig.pace.pairs {
        let tell = |who: &str| {
            progress
                .tell(&format!("O7: {who}, files not in memory, run {number} of {}", stage.rig.pace.pairs));
        };
        tell("the disk by itself");
        forget(stage, &files)?;
        rounds.disk.push(drive::rates(&files).context("reading the files directly")?);
        tell("nginx, threads and direct reads");
        rounds.nginx.push(nginx(stage, |side| once(stage, side))?);
        tell("rillcast");
        let (run, blocked) = ours(stage, |side| {
            let watch = measure::on_core(stage.rig.cores.client, || Watch::begin(side.process.pid()))??;
            let measured = once(stage, side);
            let blocked = watch.end();
            Ok((measured?, blocked))
        })?;
        rounds.ours.push(run);
        rounds.blocked.push(blocked);
    }
    findings.figures.extend(rounds.figures());
    Ok(())
}

/// The functions that take the CPU of one such run.
pub(super) fn profile(stage: &Stage<'_>, looker: &mut Looker<'_>) -> anyhow::Result<Job> {
    let connections = stage.rig.pace.connections;
    let mut look =
        |side: &Side<'_>| Ok(looker.look_at_functions(side, connections, Span::Once { limit: LIMIT }));
    let (peer, ours) = (nginx(stage, &mut look)?, ours(stage, &mut look)?);
    Ok(Job { key: looker.key.to_owned(), peer, ours })
}

fn nginx<T>(stage: &Stage<'_>, run: impl FnOnce(&Side<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let interleaved = segments(&stage.truth.interleaved, |asset| &asset.video);
    // Where both layouts give the same bytes they are one file for nginx, and are asked for once.
    let contiguous = segments(&stage.truth.contiguous, |asset| &asset.video);
    let others =
        contiguous.into_iter().filter(|piece| !interleaved.iter().any(|other| other.has_bytes_of(piece)));
    let pieces: Vec<Piece> = interleaved.iter().cloned().chain(others).collect();
    let files: Vec<_> =
        pieces.iter().map(|piece| stage.truth.root.path().join(piece.path.trim_start_matches('/'))).collect();
    forget(stage, &files)?;
    run(&nginx_side(stage.nginx, stage.nginx.direct, requests(&pieces)))
}

fn ours<T>(stage: &Stage<'_>, run: impl FnOnce(&Side<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let ours = stage.rig.server(&Setup::plain(stage.media.folder()))?;
    let assets = || stage.truth.interleaved.iter().chain(&stage.truth.contiguous);
    let mut client = Client::new(ours.address);
    for asset in assets() {
        client.text(&asset.media.plain.path)?;
    }
    forget(stage, &stage.media.files())?;
    let all: Vec<Asset> = assets().cloned().collect();
    run(&our_side(&ours, requests(&segments(&all, |asset| &asset.video))))
}

fn once(stage: &Stage<'_>, side: &Side<'_>) -> anyhow::Result<Measured> {
    let outcome = side.run(stage.rig.pace.connections, Span::Once { limit: LIMIT }, stage.rig.cores)?;
    let measured = Measured::of(&outcome);
    stage.check(&format!("O7, {}", side.name), &measured)?;
    Ok(measured)
}

fn forget(stage: &Stage<'_>, files: &[std::path::PathBuf]) -> anyhow::Result<()> {
    drive::forget(files)?;
    let share = drive::resident_share(files, &stage.rig.scratch)?.unwrap_or(0.0);
    if share > RESIDENT_SHARE_MAX {
        bail!("{:.0} % of the files stay in memory whatever the kernel is told", share * 100.0);
    }
    Ok(())
}

impl Rounds {
    fn figures(self) -> Vec<Figure> {
        let rates = |runs: &[Measured]| runs.iter().map(|run| run.mb_per_s).collect::<Vec<f64>>();
        let costs = |runs: &[Measured]| runs.iter().map(|run| run.cpu_s_per_gb).collect::<Vec<f64>>();
        let disk = "the disk itself";
        let best: Vec<f64> = self.disk.iter().map(|rates| rates.best).collect();
        let sequential = self.disk.iter().map(|rates| rates.sequential).collect();
        let mut figures = vec![
            Figure::alone("O7-disk", "segments from a cold page cache", Unit::MbPerS, rates(&self.ours))
                .beside(disk, best.clone()),
            Figure::alone(
                "O7-nginx",
                "the same by nginx, threads and direct reads",
                Unit::MbPerS,
                rates(&self.nginx),
            )
            .beside(disk, best.clone()),
            Figure::alone(
                "O7-sequential",
                "the disk itself, files read from beginning to end",
                Unit::MbPerS,
                sequential,
            )
            .beside("the best of the disk", best),
            Figure::alone(
                "O7-cpu",
                "CPU for segments from a cold page cache",
                Unit::SPerGb,
                costs(&self.ours),
            )
            .beside("nginx, threads and direct reads", costs(&self.nginx)),
        ];
        let title = "share of the time that a core waited for a disk";
        figures.push(Figure::alone("O7-blocked", title, Unit::Share, self.blocked));
        figures
    }
}
