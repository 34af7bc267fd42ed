//! Publishing a file: laying it out so that every segment is one piece of it.
//!
//! The driver of [`rillcast_media::layout`]: what is described there is read, written, verified and
//! put in place here. It blocks, and belongs on a thread of its own.
//!
//! ```text
//!  source ─▶ describe ─▶ room ─▶ copy ─▶ head ─▶ read anew, compare every byte ─▶ attributes ─▶ rename
//!              │                  │        │            │
//!              └ refused:         └────────┴ killed:    └ different: thrown away
//!                nothing written      the next run goes on
//! ```
//!
//! Invariants: the target is the old file or the whole new one, at every moment, and after power
//! failed too; it is new only when every byte was read back and compared with the source; a source that
//! changed is not replaced. Transfers from the old file end undisturbed: they have it open.

mod error;
mod gather;
mod partial;
mod source;
mod target;

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rillcast_media::layout::{Contiguity, Rewrite};
use rillcast_media::plan::Policy;
use rillcast_media::revision::Revision;

pub use self::error::PublishError;
use self::gather::{Sink, gather};
use self::partial::{Partial, Progressed};
use self::source::{Content, Source};
use self::target::Target;

/// Bytes after which what was copied is put on the disk and noted: what an interrupted run loses at most.
pub const CHECKPOINT_BYTES: u64 = 64 << 20;

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where segments are cut: that of the origin that will serve the file.
    pub policy: Policy,
    /// The file to write; in place of the source without.
    pub output: Option<PathBuf>,
    /// Replace a file that is there, and one name of a file that has several.
    pub force: bool,
    /// Only say what would be done.
    pub dry_run: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { policy: Policy::VOD, output: None, force: false, dry_run: false }
    }
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Bytes done of this stage.
    pub done: u64,
    /// Bytes of this stage.
    pub total: u64,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Bytes are copied to the new file.
    Copying,
    /// Bytes of the new file are read back and compared.
    Verifying,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The file is laid out so already: nothing was done.
    InPlace,
    /// It would be written.
    Would,
    /// It was written.
    Written {
        /// Bytes that an earlier run had copied.
        resumed_bytes: u64,
        /// Whether owner and extended attributes are those of the source.
        attributes_kept: bool,
    },
}

/// What was done to a file, or would be.
#[derive(Debug, Clone)]
pub struct Report {
    /// What came of it.
    pub outcome: Outcome,
    /// The new file; the source where nothing was written.
    pub path: PathBuf,
    /// The name of what it shows: before and after.
    pub revision: Revision,
    /// Pieces of the source that segments are.
    pub before: Contiguity,
    /// Pieces of the new file that segments are.
    pub after: Contiguity,
    /// Whether the index of the source is before its media.
    pub index_first: bool,
    /// Bytes of the source.
    pub old_bytes: u64,
    /// Bytes of the new file.
    pub new_bytes: u64,
}

/// Lays the file at `path` out anew, and says how far it is as it goes.
///
/// Cost: reads the source twice and the new file once, writes it once; 36 MiB of buffers besides the
/// indexes. Room for a whole second file is needed until it ends.
///
/// # Errors
/// [`PublishError`]. The target is as it was.
pub fn lay_out(
    path: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, PublishError> {
    lay_out_noting(path, options, CHECKPOINT_BYTES, progress)
}

/// [`lay_out`] that notes how far it is every `checkpoint_bytes`.
fn lay_out_noting(
    path: &Path,
    options: &Options,
    checkpoint_bytes: u64,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, PublishError> {
    let source = Source::open(path, options.policy)?;
    let content = &source.content;
    let rewrite = Rewrite::new(&content.frame, &content.timeline, &content.plan)?;
    let revision = Revision::of(&content.timeline, options.policy);
    let before = Contiguity::of(&content.timeline, &content.plan);
    let mut report = Report {
        outcome: Outcome::InPlace,
        path: source.path.clone(),
        revision,
        before,
        after: Contiguity { extents: before.bodies, ..before },
        index_first: content.timeline.clips().first().is_some_and(|clip| clip.movie.layout.index_first),
        old_bytes: source.meta.len(),
        new_bytes: rewrite.len(),
    };
    if rewrite.is_in_place() && options.output.is_none() {
        report.new_bytes = report.old_bytes;
        if !options.dry_run {
            partial::discard_stale(&source.path);
        }
        return Ok(report);
    }
    let target = Target::of(&source, options)?;
    report.path.clone_from(&target.path);
    if options.dry_run {
        report.outcome = Outcome::Would;
        return Ok(report);
    }
    let job = Job { source: &source, rewrite: &rewrite, policy: options.policy, checkpoint_bytes };
    report.outcome = job.write(&target, progress)?;
    Ok(report)
}

/// One file to be written.
struct Job<'a> {
    source: &'a Source,
    rewrite: &'a Rewrite,
    policy: Policy,
    checkpoint_bytes: u64,
}

impl Job<'_> {
    fn write(&self, target: &Target, progress: &mut dyn FnMut(Progress)) -> Result<Outcome, PublishError> {
        let Self { source, rewrite, .. } = self;
        let revision = Revision::of(&source.content.timeline, self.policy).to_string();
        let (partial, progressed) = Partial::open(&target.path, source, rewrite, &revision)?;
        let head = rewrite.head().len() as u64;
        let from = match progressed {
            Progressed::Nothing => head,
            Progressed::To(copied) => copied,
            Progressed::Whole => rewrite.len(),
        };
        let done = self
            .copy(&partial, from, progress)
            .and_then(|()| self.verify(&partial, progress))
            .and_then(|()| target.take(source, &partial.file, &partial.path));
        let attributes_kept = done.inspect_err(|error| {
            // What another run cannot use is in nobody's way.
            if error.is_final() {
                partial.discard();
            }
        })?;
        Ok(Outcome::Written { resumed_bytes: from.saturating_sub(head), attributes_kept })
    }

    fn copy(
        &self,
        partial: &Partial,
        from: u64,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), PublishError> {
        let total = self.rewrite.len();
        if from < total {
            let mut writer = Writer { job: self, partial, total, noted: from, progress };
            gather(self.source, self.rewrite, from, &mut writer)?;
            partial.checkpoint(total)?;
        }
        // Only now the file is one: all that its index points to is on the disk.
        partial.write(0, self.rewrite.head())?;
        partial.sync()
    }

    /// Reads the new file as any player would, and compares all of it with the source.
    fn verify(&self, partial: &Partial, progress: &mut dyn FnMut(Progress)) -> Result<(), PublishError> {
        let total = self.rewrite.len();
        let written = Content::read(&partial.file, &partial.path, total, self.policy)?;
        let old = (&self.source.content.frame, &self.source.content.timeline);
        self.rewrite.confirm(old, (&written.frame, &written.timeline, &written.plan), self.policy)?;
        let mut comparer = Comparer { partial, total, block: Vec::new(), progress };
        comparer.take(0, self.rewrite.head())?;
        let compared = gather(self.source, self.rewrite, 0, &mut comparer);
        // A source that changed in the meantime differs for that reason.
        if matches!(compared, Err(PublishError::DifferentByte { .. })) {
            self.source.check_unchanged()?;
        }
        compared
    }
}

/// Writes the new file.
struct Writer<'a> {
    job: &'a Job<'a>,
    partial: &'a Partial,
    total: u64,
    /// What the record says.
    noted: u64,
    progress: &'a mut dyn FnMut(Progress),
}

impl Sink for Writer<'_> {
    fn take(&mut self, offset: u64, bytes: &[u8]) -> Result<(), PublishError> {
        self.partial.write(offset, bytes)?;
        let done = offset.saturating_add(bytes.len() as u64);
        if done.saturating_sub(self.noted) >= self.job.checkpoint_bytes {
            self.job.source.check_unchanged()?;
            self.partial.checkpoint(done)?;
            self.noted = done;
        }
        (self.progress)(Progress { stage: Stage::Copying, done, total: self.total });
        Ok(())
    }
}

/// Reads the new file back.
struct Comparer<'a> {
    partial: &'a Partial,
    total: u64,
    block: Vec<u8>,
    progress: &'a mut dyn FnMut(Progress),
}

impl Sink for Comparer<'_> {
    fn take(&mut self, offset: u64, bytes: &[u8]) -> Result<(), PublishError> {
        self.block.resize(bytes.len(), 0);
        let read = self.partial.file.read_exact_at(&mut self.block, offset);
        read.map_err(PublishError::io("reading", &self.partial.path))?;
        if self.block != bytes {
            let same = self.block.iter().zip(bytes).take_while(|(one, other)| one == other).count();
            return Err(PublishError::DifferentByte { offset: offset.saturating_add(same as u64) });
        }
        let done = offset.saturating_add(bytes.len() as u64);
        (self.progress)(Progress { stage: Stage::Verifying, done, total: self.total });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
