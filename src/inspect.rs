//! `rillcast inspect FILE…`: what there is to know of a file before it is published.
//!
//! Nothing is served, written or decoded: the index of the file is read with the reader the origin
//! uses, cut by the policy the origin uses, and told in words or, for programs, in JSON.
//!
//! ```text
//!  FILE ─source─▶ Movie ─report─▶ Report ─┬─text─▶ lines for people
//!                   facts ┘  └ suspicious └─serde─▶ JSON
//! ```
//!
//! | part | does |
//! |---|---|
//! | [`source`] | the only I/O: reads what the demuxer asks for, with progress when it takes long |
//! | [`report`] | builds the [`report::Report`]: pure, from a `Movie` |
//! | [`facts`] | what is computed from samples and configurations |
//! | [`refusal`] | a stable name and a piece of advice for each way a file is refused |
//! | [`suspicious`] | what is allowed, but worth a look |
//! | [`text`] | the form for people |
//!
//! Invariants: no media data is read beyond what the demuxer asks for; a broken file is an answer,
//! not an error; the JSON field names and slugs are stable: scripts depend on them.

mod facts;
mod refusal;
mod report;
mod source;
mod suspicious;
mod text;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rillcast_media::index::EditionError;
use rillcast_origin::vod::asset::Refusal;

use self::report::Report;
use self::source::ReadError;
pub(crate) use self::text::printable;

/// What the command came to; the worst of all files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// Every file can be served.
    Playable,
    /// A file is refused; the answer says why.
    Refused,
    /// A file could not be read at all.
    Unreadable,
}

impl Exit {
    /// The exit code of the process.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Playable => 0,
            Self::Refused => 1,
            Self::Unreadable => 2,
        }
    }
}

/// Inspects `paths` in order and writes what it finds to `out`: text, or with `json` one object (an
/// array for several files). Files that cannot be read are told on `err`, in JSON on `out` as well.
///
/// # Errors
/// Only those of writing.
pub(crate) fn run(
    paths: &[PathBuf],
    json: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let mut exit = Exit::Playable;
    let mut reports = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        let report = inspect(path);
        exit = exit.max(exit_of(&report));
        if let Some(unreadable) = &report.unreadable {
            let (file, message) = (printable(&report.file), &unreadable.message);
            writeln!(err, "rillcast inspect: {file}: {message}")?;
        }
        if json {
            reports.push(report);
        } else if report.unreadable.is_none() {
            if number > 0 {
                writeln!(out)?;
            }
            text::write(&report, out)?;
        }
    }
    if json {
        match reports.as_slice() {
            [one] => serde_json::to_writer_pretty(&mut *out, one)?,
            several => serde_json::to_writer_pretty(&mut *out, several)?,
        }
        writeln!(out)?;
    }
    out.flush()?;
    Ok(exit)
}

/// What usually helps against a refusal.
pub(crate) fn advice(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::Format(error) => refusal::of_format(error).advice,
        Refusal::Edition(EditionError::Unplayable(error)) => refusal::of_movie(error).advice,
        Refusal::Edition(EditionError::Timeline(error)) => refusal::of_timeline(error).advice,
        Refusal::Edition(EditionError::Plan(error)) => refusal::of_plan(error).advice,
    }
}

fn inspect(path: &Path) -> Report {
    let file = path.display().to_string();
    match source::read(path) {
        Ok(read) => Report::of_movie(file, read.movie, read.read_bytes),
        Err(ReadError::Format(error)) => Report::refused(file, refusal::of_format(&error)),
        Err(ReadError::Unreadable(reason)) => Report::unreadable(file, &reason),
    }
}

const fn exit_of(report: &Report) -> Exit {
    match (report.playable, report.unreadable.is_some()) {
        (_, true) => Exit::Unreadable,
        (true, false) => Exit::Playable,
        (false, false) => Exit::Refused,
    }
}

#[cfg(test)]
mod tests;
