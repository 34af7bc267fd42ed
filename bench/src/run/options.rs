//! What `run` is told on the command line.

use std::path::PathBuf;

use anyhow::bail;

use crate::corpus::{self, Shape};
use crate::scenario::Pace;
use crate::server::Launch;
use crate::targets;

/// The section that belongs to no target.
pub(super) const FAIRNESS: &str = "fairness";
/// The section that is run when asked for.
pub(super) const PROFILE: &str = "profile";

/// What `run` is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Small corpus and short runs: under four minutes in all.
    #[arg(long)]
    pub(super) quick: bool,
    /// Only targets whose name is one of these, or `fairness`: `O2,O5`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The server to measure.
    #[arg(long, default_value = "target/release/rillcast")]
    server: PathBuf,
    /// Its configuration file; listeners and what a measurement is about are set by the rig.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Data-plane threads that it is told to use; its own choice without.
    #[arg(long)]
    workers: Option<u32>,
    /// Files of the corpus.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(corpus::FILES_MAX)))]
    files: Option<u32>,
    /// Length of each file in seconds.
    #[arg(long, value_parser = clap::value_parser!(u32).range(10..=i64::from(corpus::FILE_S_MAX)))]
    file_s: Option<u32>,
    /// Video bit rate of the corpus in kb/s.
    #[arg(long, value_parser = clap::value_parser!(u32).range(100..=50_000))]
    video_kbps: Option<u32>,
    /// Connections at once.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    connections: Option<u32>,
    /// nginx-vod-module as a dynamic module (.so) of the nginx that is installed: measured beside us.
    #[arg(long, env = "NGINX_VOD_MODULE")]
    pub(super) vod_module: Option<PathBuf>,
    /// Looks where the time goes, too: system calls (strace) and functions (perf), where they may.
    #[arg(long)]
    pub(super) profile: bool,
    /// Makes this run the baseline: writes `baseline.json` and `BASELINE.md`. Without it, a run fails when it
    /// is more than 15 % above the baseline (a quick run: 50 %).
    #[arg(long)]
    pub(super) write_baseline: bool,
}

impl Options {
    /// The same with nothing but the profile.
    pub(super) fn for_profile(&self) -> Self {
        Self { only: vec![PROFILE.to_owned()], profile: true, ..self.clone() }
    }

    pub(super) fn shape(&self) -> Shape {
        let shape = if self.quick { Shape::QUICK } else { Shape::FULL };
        Shape {
            files: self.files.unwrap_or(shape.files),
            file_s: self.file_s.unwrap_or(shape.file_s),
            video_kbps: self.video_kbps.unwrap_or(shape.video_kbps),
        }
    }

    pub(super) fn pace(&self) -> Pace {
        let pace = if self.quick { Pace::QUICK } else { Pace::FULL };
        let connections = self.connections.and_then(|count| usize::try_from(count).ok());
        Pace { connections: connections.unwrap_or(pace.connections), ..pace }
    }

    pub(super) fn launch(&self) -> Launch {
        let workers = self.workers.map(|count| ["--workers".to_owned(), count.to_string()]);
        Launch {
            program: self.server.clone(),
            config: self.config.clone(),
            arguments: workers.into_iter().flatten().collect(),
        }
    }

    /// Whether one of `keys` (targets, or scenarios of them) is asked for.
    pub(super) fn wants_any(&self, keys: &[&str]) -> bool {
        let is_of = |key: &str, only: &String| key.split('-').next() == Some(only) || key == only;
        self.only.is_empty() || keys.iter().any(|key| self.only.iter().any(|only| is_of(key, only)))
    }

    pub(super) fn check_only(&self) -> anyhow::Result<()> {
        let known =
            |only: &&String| ![FAIRNESS, PROFILE].contains(&only.as_str()) && !targets::is_target(only);
        if let Some(unknown) = self.only.iter().find(known) {
            bail!("--only {unknown}: there is no such target");
        }
        Ok(())
    }
}
