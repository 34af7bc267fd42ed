//! Micro benches of the media core: the steps between a file and an answer, without I/O.
//!
//! `open` is what the first playlist of a file costs: parsing, timeline, plan, presentation, revision,
//! and the texts. The others are its parts, and the headers of a segment of pictures and of one of sound.
//!
//! Times are the best of several repeats, because on a shared machine the fastest is the truest. Where
//! valgrind exists, instructions are counted too: two runs of callgrind with different counts, so that
//! their difference holds the work alone, without start and reading the file.

use std::fmt::Write;
use std::fs::File;
use std::hint::black_box;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rillcast_media::demux::{Demux, FormatError, mp4::Mp4Reader};
use rillcast_media::manifest::hls;
use rillcast_media::movie::{Movie, TrackKind};
use rillcast_media::package::cmaf;
use rillcast_media::plan::{PlanError, Policy, SegmentPlan};
use rillcast_media::presentation::{Presentation, Rendition};
use rillcast_media::revision::Revision;
use rillcast_media::timeline::{Timeline, TimelineError};

use crate::measure;
use crate::process;

/// Repeats of each bench.
const REPEATS: usize = 7;
/// A repeat lasts about this long.
const REPEAT_TIME: Duration = Duration::from_millis(100);
/// Most iterations of a repeat.
const ITERATIONS_MAX: u64 = 1_000_000;
/// Iterations under callgrind: few and more.
const COUNTED: (u64, u64) = (1, 3);
/// callgrind gets this long for one run.
const CALLGRIND_LIMIT: Duration = Duration::from_secs(60);

/// The benches, by name.
pub(crate) const NAMES: [&str; 9] =
    ["open", "moov-parse", "timeline", "plan", "presentation", "revision", "moof", "moof-audio", "playlist"];

/// Why a bench cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MicroError {
    /// The input file.
    #[error("reading the input: {0}")]
    Io(#[from] io::Error),
    /// It is no MP4 we can read.
    #[error("the input: {0}")]
    Format(#[from] FormatError),
    /// It has no timeline.
    #[error("the input: {0}")]
    Timeline(#[from] TimelineError),
    /// It has no plan.
    #[error("the input: {0}")]
    Plan(#[from] PlanError),
    /// It has no video.
    #[error("the input has no video track")]
    NoVideo,
    /// It has no audio.
    #[error("the input has no audio track")]
    NoAudio,
    /// There is no such bench.
    #[error("no bench {0:?}; there are {names}", names = NAMES.join(", "))]
    Unknown(String),
}

/// What the benches work on, all made once.
struct Input {
    source_len: u64,
    /// Every read that the demuxer asked for.
    reads: Vec<(u64, Bytes)>,
    movie: Arc<Movie>,
    timeline: Timeline,
    plan: SegmentPlan,
    presentation: Presentation,
    video: Rendition,
    /// Indexes of the first track of each kind.
    video_track: usize,
    audio_track: usize,
}

impl Input {
    fn read(path: &Path) -> Result<Self, MicroError> {
        let file = File::open(path)?;
        let source_len = file.metadata()?.len();
        let mut reads = Vec::new();
        let movie = demux(source_len, |offset, len| {
            let mut buffer = vec![0; len];
            file.read_exact_at(&mut buffer, offset)?;
            let bytes = Bytes::from(buffer);
            reads.push((offset, bytes.clone()));
            Ok(bytes)
        })?;
        let movie = Arc::new(movie);
        let timeline = Timeline::of_movie(&movie)?;
        let plan = SegmentPlan::new(&timeline, Policy::VOD)?;
        let presentation = Presentation::of_plan(&timeline, &plan);
        let video = presentation.of_kind(TrackKind::Video).next().ok_or(MicroError::NoVideo)?.clone();
        let audio = presentation.of_kind(TrackKind::Audio).next().ok_or(MicroError::NoAudio)?;
        let (video_track, audio_track) = (video.track, audio.track);
        Ok(Self { source_len, reads, movie, timeline, plan, presentation, video, video_track, audio_track })
    }

    /// One iteration of the bench `name`, number `iteration`.
    fn once(&self, name: &str, iteration: u64) -> Result<(), MicroError> {
        match name {
            "open" => self.open()?,
            "moov-parse" => drop(black_box(self.parse()?)),
            "timeline" => drop(black_box(Timeline::of_movie(black_box(&self.movie))?)),
            "plan" => drop(black_box(SegmentPlan::new(black_box(&self.timeline), Policy::VOD)?)),
            "presentation" => {
                black_box(Presentation::of_plan(black_box(&self.timeline), &self.plan));
            }
            "revision" => {
                black_box(Revision::of(black_box(&self.timeline), Policy::VOD));
            }
            "moof" => self.segment(self.video_track, iteration)?,
            "moof-audio" => self.segment(self.audio_track, iteration)?,
            "playlist" => {
                black_box(hls::media_playlist(black_box(&self.presentation), &self.video));
            }
            other => return Err(MicroError::Unknown(other.to_owned())),
        }
        Ok(())
    }

    fn parse(&self) -> Result<Movie, MicroError> {
        let mut reads = self.reads.iter();
        demux(self.source_len, |_, _| Ok(reads.next().map(|(_, bytes)| bytes.clone()).unwrap_or_default()))
    }

    /// All that lies between the bytes of an index and the first playlists.
    fn open(&self) -> Result<(), MicroError> {
        let timeline = Timeline::of_movie(&Arc::new(self.parse()?))?;
        let plan = SegmentPlan::new(&timeline, Policy::VOD)?;
        let presentation = Presentation::of_plan(&timeline, &plan);
        let revision = Revision::of(&timeline, Policy::VOD).to_string();
        black_box(hls::multivariant(&presentation, &revision));
        for rendition in &presentation.renditions {
            black_box(hls::media_playlist(&presentation, rendition));
        }
        Ok(())
    }

    /// The header of one segment of `track`.
    fn segment(&self, track: usize, iteration: u64) -> Result<(), MicroError> {
        let number = usize::try_from(iteration).unwrap_or(0) % self.plan.len().max(1);
        let span = self.plan.span(track, number)?;
        black_box(cmaf::segment_of_span(1, &self.timeline, track, &span));
        Ok(())
    }

    fn times(&self, name: &str, iterations: u64) -> Result<Duration, MicroError> {
        let start = measure::now();
        for iteration in 0..iterations {
            self.once(name, iteration)?;
        }
        Ok(start.elapsed())
    }
}

fn demux(
    source_len: u64,
    mut read: impl FnMut(u64, usize) -> io::Result<Bytes>,
) -> Result<Movie, MicroError> {
    let mut reader = Mp4Reader::new(source_len);
    loop {
        match reader.poll()? {
            Demux::Ready(movie) => return Ok(*movie),
            Demux::Need(range) => {
                let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
                reader.supply(range.start, read(range.start, len)?);
            }
        }
    }
}

/// Runs one bench a fixed number of times: the work that callgrind counts.
///
/// # Errors
/// [`MicroError`].
pub(crate) fn run_one(path: &Path, name: &str, iterations: u64) -> Result<(), MicroError> {
    Input::read(path)?.times(name, iterations.min(ITERATIONS_MAX)).map(|_| ())
}

/// Runs all benches over the file at `path` and returns their figures as a table; `scratch` is a
/// folder to write in, `core` the one to run on; `tell` hears what is done.
///
/// # Errors
/// [`MicroError`].
pub(crate) fn run_all(
    path: &Path,
    scratch: &Path,
    core: usize,
    tell: &dyn Fn(&str),
) -> Result<String, MicroError> {
    let input = Input::read(path)?;
    let mut table = format!("{:<12} {:>12} {:>16}\n", "bench", "best ns", "instructions");
    for name in NAMES {
        tell(&format!("{name}: time"));
        let best = measure::on_core(core, || best(&input, name))??;
        tell(&format!("{name}: instructions"));
        let counted = instructions(path, name, scratch);
        let counted = counted.map_or_else(|| "-".to_owned(), |count| count.to_string());
        writeln!(table, "{name:<12} {best:>12.0} {counted:>16}").expect("writing to a string");
    }
    Ok(table)
}

/// Nanoseconds of one iteration in the fastest repeat.
fn best(input: &Input, name: &str) -> Result<f64, MicroError> {
    let one = input.times(name, 1)?.max(Duration::from_nanos(1));
    let iterations = (REPEAT_TIME.as_nanos() / one.as_nanos()).clamp(1, u128::from(ITERATIONS_MAX));
    let iterations = u64::try_from(iterations).unwrap_or(ITERATIONS_MAX);
    let mut best = f64::INFINITY;
    for _ in 0..REPEATS {
        best = best.min(input.times(name, iterations)?.as_nanos() as f64 / iterations as f64);
    }
    Ok(best)
}

/// Instructions of one iteration, if valgrind is there to count them.
fn instructions(path: &Path, name: &str, scratch: &Path) -> Option<u64> {
    let collect = |iterations: u64| {
        let mut valgrind = process::command("/usr/bin/valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        valgrind.arg(std::env::current_exe().ok()?).arg("micro").arg("--input").arg(path);
        valgrind.args(["--one", name, "--iterations", &iterations.to_string()]);
        let log = scratch.join("callgrind.log");
        collected(&process::run_to_end("valgrind", valgrind, &log, CALLGRIND_LIMIT).ok()?)
    };
    let (few, more) = (collect(COUNTED.0)?, collect(COUNTED.1)?);
    more.checked_sub(few).map(|difference| difference / (COUNTED.1 - COUNTED.0))
}

/// The count in callgrind's last lines: `==7== Collected : 1234`.
fn collected(said: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.split_once("Collected :"))?;
    line.1.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrinds_count_is_found() {
        assert_eq!(collected("==7== Events    : Ir\n==7== Collected : 1234\n==7==\n"), Some(1234));
        assert_eq!(collected("no valgrind"), None);
    }
}
