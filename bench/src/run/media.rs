//! The served folder: the corpus as ffmpeg wrote it, the same media with segments in one piece, and a
//! long file; all by link.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};

use crate::corpus::Corpus;
use crate::process;
use crate::progress::Progress;
use crate::rig::{Rig, TemporaryFolder};

/// What the long file is called in the served folder.
pub(super) const LONG_NAME: &str = "long.mp4";
/// Rewriting the whole corpus takes less than this, or something is wrong.
const OPTIMIZE_LIMIT: Duration = Duration::from_secs(300);

/// The served folder.
#[derive(Debug)]
pub(super) struct Media {
    served: TemporaryFolder,
    /// Files with every video frame in a chunk of its own.
    pub(super) interleaved: Vec<String>,
    /// The same media, each segment in one piece; by name in the order of `interleaved`.
    pub(super) contiguous: Vec<String>,
    /// The two-hour files outside the folder: index in front, index at the end.
    pub(super) long: (PathBuf, PathBuf),
}

impl Media {
    /// Makes what is missing of the corpus, and links it.
    ///
    /// # Errors
    /// When ffmpeg or the server's `optimize` fails, or the disk.
    pub(super) fn prepare(
        corpus: &Corpus,
        long: (PathBuf, PathBuf),
        rig: &Rig,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let served = rig.fresh_folder("served")?;
        for name in &corpus.names {
            fs::hard_link(corpus.folder.join(name), served.path().join(name))?;
        }
        fs::hard_link(&long.0, served.path().join(LONG_NAME))?;
        let contiguous = contiguous(corpus, rig, served.path(), progress)?;
        Ok(Self { served, interleaved: corpus.names.clone(), contiguous, long })
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        self.served.path()
    }

    /// All files but the long one.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let names = self.interleaved.iter().chain(&self.contiguous);
        names.map(|name| self.folder().join(name)).collect()
    }
}

/// Rewrites the corpus with `rillcast optimize`; the files live in the served folder only.
fn contiguous(corpus: &Corpus, rig: &Rig, served: &Path, progress: &Progress) -> anyhow::Result<Vec<String>> {
    progress.tell("rewriting the corpus with each segment in one piece");
    let folder = rig.fresh_folder("contiguous")?;
    let mut command = rig.launch.command(&["optimize"])?;
    command.args(corpus.names.iter().map(|name| corpus.folder.join(name)));
    command.arg("-o").arg(folder.path());
    let log = rig.scratch.join("optimize.log");
    process::run_to_end("rillcast optimize", command, &log, OPTIMIZE_LIMIT)?;
    let mut names = Vec::with_capacity(corpus.names.len());
    for name in &corpus.names {
        let from = folder.path().join(name);
        let to = format!("c-{name}");
        fs::rename(&from, served.join(&to)).with_context(|| anyhow!("{} was not written", from.display()))?;
        names.push(to);
    }
    Ok(names)
}
