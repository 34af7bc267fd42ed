//! The media that is served: H.264 and AAC in MP4 as ffmpeg writes it, made here, kept between runs.
//!
//! Encoding an hour of video would take an hour, so a short base is encoded once and looped by
//! stream copy. The base lasts 32 s: a whole number of GOPs (2 s) and of AAC frames (1024 samples at
//! 48 kHz), so that loops join without a gap. ffmpeg interleaves so that nearly every video frame is a
//! chunk of its own: the hard case of an origin that serves files as they lie.
//!
//! ```text
//!  corpus/base/1920x1080-5000k.mp4            encoded once
//!  corpus/6x600s-1920x1080-5000k/f0.mp4 …     a media folder: loops of it, index in front
//!  corpus/long/front.mp4, end.mp4             2 h at a low rate, index in front and at the end
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{self, ProcessError};

/// Length of the encoded base.
const BASE_S: u32 = 32;
/// ffmpeg gets this long for one file.
const FFMPEG_LIMIT: Duration = Duration::from_secs(300);
/// Length of the long files.
pub(crate) const LONG_S: u32 = 7200;
/// Most files of a corpus.
pub(crate) const FILES_MAX: u32 = 64;
/// Longest file of a corpus, in seconds.
pub(crate) const FILE_S_MAX: u32 = 7200;

/// Why there is no corpus.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CorpusError {
    /// ffmpeg failed or is not there.
    #[error("making {path}: {source}")]
    Ffmpeg { path: PathBuf, source: ProcessError },
    /// A folder or file could not be written.
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// How much media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Number of files.
    pub(crate) files: u32,
    /// Length of the first; each further one is a GOP longer, so that no two have the same index.
    pub(crate) file_s: u32,
    /// Video bit rate.
    pub(crate) video_kbps: u32,
}

impl Shape {
    /// Six files of ten minutes: 600 segments.
    pub(crate) const FULL: Self = Self { files: 6, file_s: 600, video_kbps: 5000 };
    /// Two files of three minutes.
    pub(crate) const QUICK: Self = Self { files: 2, file_s: 180, video_kbps: 5000 };
}

/// A media folder.
#[derive(Debug, Clone)]
pub(crate) struct Corpus {
    /// The folder, nothing else in it.
    pub(crate) folder: PathBuf,
    /// Names of its files.
    pub(crate) names: Vec<String>,
}

/// The corpus of `shape` below `home`; what is missing is made, and `tell` says what.
///
/// # Errors
/// [`CorpusError`].
pub(crate) fn prepare(home: &Path, shape: Shape, tell: &mut dyn FnMut(&str)) -> Result<Corpus, CorpusError> {
    let picture = Picture { size: "1920x1080", kbps: shape.video_kbps, noise: 12 };
    let base = base(home, picture, tell)?;
    let Shape { files, file_s, .. } = shape;
    let folder = home.join(format!("{files}x{file_s}s-{}", picture.name()));
    let names: Vec<String> = (0..files).map(|number| format!("f{number}.mp4")).collect();
    for (number, name) in (0u32..).zip(&names) {
        make(&folder.join(name), tell, |ffmpeg, target| {
            let length = (file_s + 2 * number).to_string();
            repeat(ffmpeg, &base, &length).args(["-movflags", "+faststart"]).arg(target);
        })?;
    }
    Ok(Corpus { folder, names })
}

/// The two-hour files: index in front, index at the end.
///
/// # Errors
/// [`CorpusError`].
pub(crate) fn prepare_long(
    home: &Path,
    tell: &mut dyn FnMut(&str),
) -> Result<(PathBuf, PathBuf), CorpusError> {
    let base = base(home, Picture { size: "320x180", kbps: 100, noise: 2 }, tell)?;
    let folder = home.join("long");
    let (front, end) = (folder.join("front.mp4"), folder.join("end.mp4"));
    let length = LONG_S.to_string();
    make(&end, tell, |ffmpeg, target| {
        repeat(ffmpeg, &base, &length).arg(target);
    })?;
    make(&front, tell, |ffmpeg, target| {
        repeat(ffmpeg, &base, &length).args(["-movflags", "+faststart"]).arg(target);
    })?;
    Ok((front, end))
}

/// What the base shows.
#[derive(Debug, Clone, Copy)]
struct Picture {
    size: &'static str,
    kbps: u32,
    /// Strength of the noise that keeps the rate up.
    noise: u32,
}

impl Picture {
    fn name(self) -> String {
        format!("{}-{}k", self.size, self.kbps)
    }
}

fn base(home: &Path, picture: Picture, tell: &mut dyn FnMut(&str)) -> Result<PathBuf, CorpusError> {
    let path = home.join("base").join(format!("{}.mp4", picture.name()));
    let Picture { size, kbps, noise } = picture;
    let video = format!("testsrc2=s={size}:r=30,noise=alls={noise}:allf=t");
    let rate = format!("{kbps}k");
    make(&path, tell, |ffmpeg, target| {
        ffmpeg.args(["-f", "lavfi", "-i", &video]);
        ffmpeg.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]);
        ffmpeg.args(["-t", &BASE_S.to_string(), "-c:v", "libx264", "-preset", "ultrafast"]);
        ffmpeg.args(["-profile:v", "high", "-pix_fmt", "yuv420p", "-bf", "3", "-sc_threshold", "0"]);
        ffmpeg.args(["-g", "60", "-keyint_min", "60", "-b:v", &rate, "-maxrate", &rate, "-bufsize", &rate]);
        ffmpeg.args(["-c:a", "aac", "-b:a", "128k", "-ac", "2"]).arg(target);
    })?;
    Ok(path)
}

fn repeat<'a>(
    ffmpeg: &'a mut std::process::Command,
    base: &Path,
    length_s: &str,
) -> &'a mut std::process::Command {
    ffmpeg.args(["-stream_loop", "-1", "-i"]).arg(base).args(["-t", length_s, "-c", "copy"])
}

/// Makes `path` by ffmpeg unless it is there; a file that is there is whole, because it got its name last.
fn make(
    path: &Path,
    tell: &mut dyn FnMut(&str),
    arguments: impl FnOnce(&mut std::process::Command, &Path),
) -> Result<(), CorpusError> {
    if path.exists() {
        return Ok(());
    }
    let failed = |source| CorpusError::Io { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder).map_err(failed)?;
    tell(&format!("making {}", path.display()));
    // Beside the folder, because the folder is served.
    let scratch = path.with_file_name("..").join("making.mp4");
    let mut ffmpeg = process::command("ffmpeg");
    ffmpeg.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]);
    arguments(&mut ffmpeg, &scratch);
    process::run_to_end("ffmpeg", ffmpeg, &scratch.with_extension("log"), FFMPEG_LIMIT)
        .map_err(|source| CorpusError::Ffmpeg { path: path.to_owned(), source })?;
    fs::rename(&scratch, path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_exists_is_not_made_again() {
        let home = tempfile::tempdir().unwrap();
        let shape = Shape { files: 2, file_s: 8, video_kbps: 700 };
        let folder = home.path().join("2x8s-1920x1080-700k");
        for (at, name) in [("base", "1920x1080-700k.mp4"), ("2x8s-1920x1080-700k", "f0.mp4")] {
            fs::create_dir_all(home.path().join(at)).unwrap();
            fs::write(home.path().join(at).join(name), b"x").unwrap();
        }
        fs::write(folder.join("f1.mp4"), b"x").unwrap();
        let mut told = Vec::new();
        let corpus = prepare(home.path(), shape, &mut |line| told.push(line.to_owned())).unwrap();
        assert_eq!(
            (corpus.folder, corpus.names, told),
            (folder, vec!["f0.mp4".into(), "f1.mp4".into()], vec![])
        );
    }

    #[test]
    fn a_failed_making_leaves_no_file_behind() {
        let home = tempfile::tempdir().unwrap();
        let target = home.path().join("base/x.mp4");
        // ffmpeg fails on an input that is not there, and so does a machine without ffmpeg.
        let error = make(&target, &mut |_| {}, |ffmpeg, scratch| {
            ffmpeg.args(["-i", "/no/such/file.mp4"]).arg(scratch);
        });
        assert!(matches!(error, Err(CorpusError::Ffmpeg { .. })));
        assert!(!target.exists());
    }
}
