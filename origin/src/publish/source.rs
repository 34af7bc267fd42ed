//! The file that is read: its identity, and all that is known of it but its media.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rillcast_media::demux::Demux;
use rillcast_media::demux::mp4::Mp4Reader;
use rillcast_media::index::Edition;
use rillcast_media::layout::{Frame, Survey, Surveying};
use rillcast_media::plan::{Policy, SegmentPlan};
use rillcast_media::timeline::Timeline;
use rustix::fs::OFlags;

use super::PublishError;
use crate::vod::asset::Refusal;

/// What tells one content of a file from another. The change time cannot be set, so a file that was changed in
/// place and given its old times back is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity(pub(super) [i128; 7]);

impl Identity {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self([
            meta.dev().into(),
            meta.ino().into(),
            meta.len().into(),
            meta.mtime().into(),
            meta.mtime_nsec().into(),
            meta.ctime().into(),
            meta.ctime_nsec().into(),
        ])
    }
}

/// The file that is read.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: File,
    /// Where it is, links followed.
    pub(super) path: PathBuf,
    pub(super) meta: Metadata,
    pub(super) content: Content,
}

/// All that is known of a file but its media.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) frame: Frame,
    pub(super) timeline: Timeline,
    pub(super) plan: SegmentPlan,
}

impl Source {
    /// Opens the file at `path`, following links, and reads all but its media.
    pub(super) fn open(path: &Path, policy: Policy) -> Result<Self, PublishError> {
        let path = path.canonicalize().map_err(|error| of_open(error, path))?;
        // Not blocking: opening a pipe would wait for its writer.
        let flags = i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag of open(2)");
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(&path);
        let file = opened.map_err(|error| of_open(error, &path))?;
        let meta = file.metadata().map_err(|error| of_open(error, &path))?;
        if meta.is_dir() {
            return Err(PublishError::Directory);
        }
        if !meta.is_file() {
            return Err(PublishError::NotRegular);
        }
        let content = Content::read(&file, &path, meta.len(), policy)?;
        Ok(Self { file, path, meta, content })
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::of(&self.meta)
    }

    /// Whether the open file still is what it was.
    pub(super) fn check_unchanged(&self) -> Result<(), PublishError> {
        let now = self.file.metadata().map_err(PublishError::io("looking at", &self.path))?;
        if Identity::of(&now) == self.identity() { Ok(()) } else { Err(PublishError::SourceChanged) }
    }
}

impl Content {
    /// Reads all but the media of a file of `len` bytes.
    pub(super) fn read(file: &File, path: &Path, len: u64, policy: Policy) -> Result<Self, PublishError> {
        let mut reader = Mp4Reader::new(len);
        let movie = loop {
            match reader.poll().map_err(Refusal::from)? {
                Demux::Ready(movie) => break *movie,
                Demux::Need(range) => reader.supply(range.start, read_some(file, path, range)?),
            }
        };
        let (Edition { timeline, plan, .. }, _) = Edition::new(movie, policy).map_err(Refusal::from)?;
        let mut survey = Survey::new(len);
        let frame = loop {
            match survey.poll()? {
                Surveying::Ready(frame) => break *frame,
                Surveying::Need(range) => survey.supply(range.start, &read_some(file, path, range)?),
            }
        };
        Ok(Self { frame, timeline, plan })
    }
}

/// What a demuxer asks for: at most a mebibyte.
fn read_some(file: &File, path: &Path, range: std::ops::Range<u64>) -> Result<Bytes, PublishError> {
    let len = usize::try_from(range.end.saturating_sub(range.start)).expect("at most MAX_NEED_BYTES");
    let mut buffer = vec![0; len];
    read_at(file, path, &mut buffer, range.start)?;
    Ok(buffer.into())
}

/// Fills `buffer` with the bytes at `offset`.
pub(super) fn read_at(file: &File, path: &Path, buffer: &mut [u8], offset: u64) -> Result<(), PublishError> {
    file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
        // It had these bytes when it was opened.
        io::ErrorKind::UnexpectedEof => PublishError::SourceChanged,
        _ => PublishError::io("reading", path)(error),
    })
}

fn of_open(error: io::Error, path: &Path) -> PublishError {
    match error.kind() {
        io::ErrorKind::NotFound => PublishError::Missing,
        io::ErrorKind::PermissionDenied => PublishError::Denied,
        _ => PublishError::io("opening", path)(error),
    }
}
