//! A whole body, described: an ordered list of sources, each with the offset where it ends.
//!
//! Length and any byte range cost arithmetic only; nothing is read. Adjacent extents of one open file join on push,
//! so that a segment whose samples lie together is one extent however many samples it has.
//!
//! Invariant: `parts[i].end > parts[i-1].end`; no part is empty; the last end is the length.

mod sources;

use std::{future::poll_fn, io, ops::Range, os::unix::fs::FileExt as _, sync::Arc};

use bytes::{Bytes, BytesMut};
use rillcast_sys::slab::SlabRange;

pub(crate) use self::sources::Sources;
use crate::{
    body_source::{BodySource, FileExtent, SourceFile},
    growing::GrowingPart,
};

/// A response body as a list of [`BodySource`]s.
#[derive(Debug, Clone, Default)]
pub struct Body {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    /// Offset of the first byte behind this part, from the start of the body.
    end: u64,
    source: BodySource,
}

impl Body {
    /// A body of no bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `source`; an empty one changes nothing.
    pub fn push(&mut self, source: impl Into<BodySource>) {
        let source = source.into();
        if source.is_empty() {
            return;
        }
        assert!(!self.is_open(), "nothing follows an open end");
        let end = self.len().saturating_add(source.len());
        if let (Some(Part { end: last_end, source: BodySource::File(last) }), BodySource::File(next)) =
            (self.parts.last_mut(), &source)
            && let Some(joined) = last.joined(next)
        {
            *last = joined;
            *last_end = end;
            return;
        }
        self.parts.push(Part { end, source });
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.end)
    }

    /// Whether it ends where nobody knows yet. Its length is then that of the longest body there can be, and it is sent
    /// without one.
    pub fn is_open(&self) -> bool {
        matches!(self.parts.last(), Some(Part { source: BodySource::Growing(part), .. }) if part.is_open())
    }

    /// Whether it has no byte.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The sources in order; none is empty.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = &BodySource> {
        self.parts.iter().map(|part| &part.source)
    }

    /// The bytes of `range`, described. What reaches past the end is cut off.
    ///
    /// Cost: O(log parts + parts in the range), one allocation; nothing is read.
    #[must_use]
    pub fn range(&self, range: Range<u64>) -> Self {
        let (from, to) = (range.start, range.end.min(self.len()));
        let mut cut = Self::new();
        if from >= to {
            return cut;
        }
        let first = self.parts.partition_point(|part| part.end <= from);
        for part in self.parts.iter().skip(first) {
            let part_start = part.end.saturating_sub(part.source.len());
            if part_start >= to {
                break;
            }
            let start = from.saturating_sub(part_start);
            let end = to.min(part.end).saturating_sub(part_start);
            cut.push(part.source.cut(start, end));
        }
        cut
    }

    /// The bytes themselves when all lie in memory in one piece (an empty body counts); what compression needs.
    pub fn as_memory(&self) -> Option<Bytes> {
        match self.parts.as_slice() {
            [] => Some(Bytes::new()),
            [Part { source: BodySource::Mem(bytes), .. }] => Some(bytes.clone()),
            _ => None,
        }
    }

    /// Reads the whole body, blocking: for jobs and tests, never on a data-plane core.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] when the body is longer than `limit_bytes`; the system's error, or
    /// [`io::ErrorKind::UnexpectedEof`] for a file that became shorter; [`io::ErrorKind::Unsupported`] for a body that is
    /// still arriving.
    pub fn read_blocking(&self, limit_bytes: usize) -> io::Result<Bytes> {
        let len = usize::try_from(self.len()).ok().filter(|len| *len <= limit_bytes);
        let len = len.ok_or(io::ErrorKind::FileTooLarge)?;
        let mut all = BytesMut::with_capacity(len);
        for source in self.sources() {
            match source {
                BodySource::Mem(bytes) => all.extend_from_slice(bytes),
                BodySource::Slab(range) => all.extend_from_slice(range.as_ref()),
                BodySource::Growing(_) => return Err(io::ErrorKind::Unsupported.into()),
                BodySource::File(extent) => {
                    let start = all.len();
                    let len = usize::try_from(extent.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
                    all.resize(start.saturating_add(len), 0);
                    let room = all.get_mut(start..).expect("the buffer was just made longer");
                    extent.file().file().read_exact_at(room, extent.offset())?;
                }
            }
        }
        Ok(all.freeze())
    }

    /// Waits for the whole body, in one piece of memory: what is arriving is waited for, files are read, blocking. For
    /// jobs and tests.
    ///
    /// # Errors
    /// As [`Self::read_blocking`]; [`io::ErrorKind::UnexpectedEof`] also for a body that breaks off.
    pub async fn collect(self, limit_bytes: usize) -> io::Result<Bytes> {
        let mut sources = self.into_sources();
        let mut all = BytesMut::new();
        while let Some(mut source) = sources.next() {
            let taken = match &mut source {
                BodySource::Growing(part) => match poll_fn(|cx| part.poll_next(cx)).await {
                    None => continue,
                    Some(Err(why)) => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why.reason())),
                    Some(Ok(arrived)) => {
                        sources.give_back(source);
                        Self::from_source(arrived)
                    }
                },
                _ => Self::from_source(source),
            };
            let left = limit_bytes.saturating_sub(all.len());
            all.extend_from_slice(&taken.read_blocking(left)?);
        }
        Ok(all.freeze())
    }

    fn from_source(source: BodySource) -> Self {
        let mut body = Self::new();
        body.push(source);
        body
    }

    /// The first file among the sources, if any.
    pub(crate) fn first_file(&self) -> Option<&FileExtent> {
        self.sources().find_map(|source| match source {
            BodySource::File(extent) => Some(extent),
            BodySource::Mem(_) | BodySource::Slab(_) | BodySource::Growing(_) => None,
        })
    }

    /// Whether it begins with what others may wait for, too.
    pub(crate) fn is_growing(&self) -> bool {
        matches!(self.parts.first(), Some(Part { source: BodySource::Growing(_), .. }))
    }

    /// Whether any of it has yet to be read.
    pub(crate) fn has_file(&self) -> bool {
        self.first_file().is_some()
    }

    /// Whether every file among the sources still is what it was when it was opened. An `fstat` for each; a file
    /// that comes back after another counts again.
    pub(crate) fn is_unchanged(&self) -> io::Result<bool> {
        let mut last: Option<&Arc<SourceFile>> = None;
        for source in self.sources() {
            let BodySource::File(extent) = source else { continue };
            let file = extent.file();
            if last.is_some_and(|last| Arc::ptr_eq(last, file)) {
                continue;
            }
            if !file.is_unchanged()? {
                return Ok(false);
            }
            last = Some(file);
        }
        Ok(true)
    }

    /// The sources, to be taken from the front.
    pub(crate) fn into_sources(self) -> Sources {
        Sources::new(self.parts)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        let mut body = Self::new();
        body.push(bytes);
        body
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<SlabRange> for Body {
    fn from(range: SlabRange) -> Self {
        let mut body = Self::new();
        body.push(range);
        body
    }
}

impl From<GrowingPart> for Body {
    fn from(part: GrowingPart) -> Self {
        let mut body = Self::new();
        body.push(part);
        body
    }
}

impl From<FileExtent> for Body {
    fn from(extent: FileExtent) -> Self {
        let mut body = Self::new();
        body.push(extent);
        body
    }
}

#[cfg(test)]
mod tests;
