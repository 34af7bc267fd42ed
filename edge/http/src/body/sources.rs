//! The sources of a body, taken from the front, with what was taken too much given back.

use super::Part;
use crate::body_source::{BodySource, FileExtent};

/// What is left of a body.
pub(crate) struct Sources {
    /// Given back; the last is the next. None is empty.
    returned: Vec<BodySource>,
    rest: std::vec::IntoIter<Part>,
}

impl Sources {
    pub(super) fn new(parts: Vec<Part>) -> Self {
        Self { returned: Vec::new(), rest: parts.into_iter() }
    }

    pub(crate) fn next(&mut self) -> Option<BodySource> {
        self.returned.pop().or_else(|| self.rest.next().map(|part| part.source))
    }

    /// The next source when it is an extent.
    pub(crate) fn next_extent(&mut self) -> Option<FileExtent> {
        match self.next()? {
            BodySource::File(extent) => Some(extent),
            other => {
                self.give_back(other);
                None
            }
        }
    }

    /// The next source when a token can stand for it: an extent, or a part of a slab.
    pub(crate) fn next_tokenable(&mut self) -> Option<BodySource> {
        match self.next()? {
            source @ (BodySource::File(_) | BodySource::Slab(_)) => Some(source),
            other => {
                self.give_back(other);
                None
            }
        }
    }

    /// Puts `source` in front of all others; an empty one changes nothing.
    pub(crate) fn give_back(&mut self, source: impl Into<BodySource>) {
        let source = source.into();
        if !source.is_empty() {
            self.returned.push(source);
        }
    }

    /// Puts what is left of `source` behind its first `taken` bytes in front of all others.
    pub(crate) fn give_back_rest(&mut self, source: impl Into<BodySource>, taken: u64) {
        let source = source.into();
        let len = source.len();
        self.give_back(source.cut(taken.min(len), len));
    }
}
