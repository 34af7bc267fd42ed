//! What every section of a run works with, and what they find.

use std::path::{Path, PathBuf};

use crate::fairness::Spread;
use crate::figure::Figure;
use crate::measure::Cores;
use crate::measured::Paired;
use crate::profile::Profile;
use crate::scenario::Pace;
use crate::server::{Launch, Ours, ServerError, Setup};
use crate::slow_readers::SlowReaders;
use crate::tls::Identity;

/// The place and the pace of a run.
#[derive(Debug)]
pub(crate) struct Rig {
    /// Configurations and logs; on the disk of the corpus.
    pub(crate) scratch: PathBuf,
    /// Who runs where.
    pub(crate) cores: Cores,
    /// How long and how often.
    pub(crate) pace: Pace,
    /// How our server is started.
    pub(crate) launch: Launch,
    /// The certificate of both servers.
    pub(crate) identity: Identity,
    /// Everything in small.
    pub(crate) quick: bool,
    /// nginx-vod-module, when one was named.
    pub(crate) vod_module: Option<PathBuf>,
}

/// What a run found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Scenarios with a peer.
    pub(crate) paired: Vec<Paired>,
    /// Other figures.
    pub(crate) figures: Vec<Figure>,
    /// How evenly connections were served.
    pub(crate) spreads: Vec<Spread>,
    /// What slow readers cost the others.
    pub(crate) slow_readers: Vec<SlowReaders>,
    /// Where the time goes, when asked.
    pub(crate) profile: Option<Profile>,
}

impl Rig {
    /// Our server as `setup` says.
    ///
    /// # Errors
    /// [`ServerError`].
    pub(crate) fn server(&self, setup: &Setup<'_>) -> Result<Ours, ServerError> {
        self.launch.start(setup, &self.scratch, self.cores.server)
    }

    /// An empty folder `name` in the scratch folder.
    ///
    /// # Errors
    /// When an older one cannot be removed, or it cannot be made.
    pub(crate) fn fresh_folder(&self, name: &str) -> std::io::Result<TemporaryFolder> {
        TemporaryFolder::make(&self.scratch.join(name))
    }
}

/// A folder that is removed with what is in it when done with.
#[derive(Debug)]
pub(crate) struct TemporaryFolder {
    path: PathBuf,
}

impl TemporaryFolder {
    fn make(path: &Path) -> std::io::Result<Self> {
        if path.exists() {
            std::fs::remove_dir_all(path)?;
        }
        std::fs::create_dir_all(path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // What stays behind is removed by the next run.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
