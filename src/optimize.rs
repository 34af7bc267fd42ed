//! `rillcast optimize FILE…`: lays files out so that each segment is one piece of them.
//!
//! What happens to a file is in [`rillcast_origin::publish`]; here are what is said of it, the progress
//! bar, and the exit code. A file that fails does not keep the next from its turn.

mod progress;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::bail;
use rillcast_media::layout::LayoutError;
use rillcast_origin::publish::{Options, Outcome, PublishError, Report, lay_out};

use self::progress::Bar;
use crate::cli::OptimizeArgs;
use crate::inspect;

const AS_IT_LIES: &str =
    "it is served as it lies; remuxed it may lose that box: ffmpeg -i FILE -map 0 -c copy NEW.mp4";

/// What the command came to; the worst of all files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Every file is laid out.
    Done,
    /// A file is refused; the message says why.
    Refused,
    /// A file could not be read or written.
    Failed,
}

impl Exit {
    /// The exit code of the process.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Failed => 2,
        }
    }
}

/// Lays the files out in order; says what was done on `out`, and what was not on `err`.
///
/// # Errors
/// Those of writing, and an output that cannot be meant.
pub(crate) fn run(args: &OptimizeArgs, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let directory = args.output.as_deref().is_some_and(Path::is_dir);
    if let Some(output) = args.output.as_deref().filter(|_| args.files.len() > 1 && !directory) {
        bail!("{} is no directory, and several files are to be written: make it first", output.display());
    }
    let mut exit = Exit::Done;
    for path in &args.files {
        let options = Options {
            output: output_of(args, directory, path),
            force: args.force,
            dry_run: args.dry_run,
            ..Options::default()
        };
        let bar = Bar::new(path);
        let result = lay_out(path, &options, &mut |progress| bar.at(progress));
        drop(bar);
        let name = inspect::printable(&path.display().to_string());
        match result {
            Ok(report) => say(&name, (path, options.output.is_some()), &report, out, err)?,
            Err(error) => {
                exit = exit.max(if error.is_refusal() { Exit::Refused } else { Exit::Failed });
                let advice = advice(&error).map_or_else(String::new, |advice| format!("; {advice}"));
                let message = inspect::printable(&error.to_string());
                writeln!(err, "rillcast optimize: {name}: {message}{advice}")?;
            }
        }
    }
    out.flush()?;
    Ok(exit)
}

/// The file to write for `path`; in a directory it has the name of the source.
fn output_of(args: &OptimizeArgs, directory: bool, path: &Path) -> Option<PathBuf> {
    let output = args.output.as_ref()?;
    match path.file_name().filter(|_| directory) {
        Some(name) => Some(output.join(name)),
        None => Some(output.clone()),
    }
}

fn advice(error: &PublishError) -> Option<&'static str> {
    match error {
        PublishError::Refused(refusal) => inspect::advice(refusal),
        PublishError::Layout(LayoutError::Unmovable { .. } | LayoutError::Shared { .. }) => Some(AS_IT_LIES),
        _ => None,
    }
}

fn say(
    name: &str,
    (given, elsewhere): (&Path, bool),
    report: &Report,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<()> {
    let Report { outcome, path, revision, before, old_bytes, new_bytes, index_first, .. } = report;
    let pieces = before.average();
    let index = if *index_first { "" } else { ", index moved to the front" };
    let change = format!("{pieces:.1} pieces a segment -> 1{index}; {old_bytes} -> {new_bytes} bytes");
    let linked = std::fs::symlink_metadata(given).is_ok_and(|meta| meta.is_symlink());
    let place = if linked || elsewhere {
        format!(" -> {}", inspect::printable(&path.display().to_string()))
    } else {
        String::new()
    };
    match outcome {
        Outcome::InPlace => writeln!(out, "{name}: segment-contiguous already; nothing to do"),
        Outcome::Would => writeln!(out, "{name}{place}: would be: {change}; revision {revision} stays"),
        Outcome::Written { resumed_bytes, attributes_kept } => {
            let resumed = match resumed_bytes {
                0 => String::new(),
                bytes => format!("; went on after {bytes} bytes of an earlier run"),
            };
            writeln!(out, "{name}{place}: {change}; revision {revision} as before{resumed}")?;
            if !attributes_kept {
                writeln!(
                    err,
                    "rillcast optimize: {name}: owner or extended attributes could not be kept: set them anew"
                )?;
            }
            Ok(())
        }
    }
}
