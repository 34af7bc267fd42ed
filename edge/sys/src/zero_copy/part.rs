//! A part of a run, being sent from its front.

use std::sync::Arc;

use super::SendError;
use crate::token::{Rest, Run, Source};

/// Bytes `at..end` of a run.
#[derive(Debug)]
pub(super) struct Part<'a, F> {
    run: &'a Run<F>,
    at: usize,
    end: usize,
    /// Whether other bytes follow this part at once.
    has_more: bool,
}

impl<'a, F: Source> Part<'a, F> {
    /// `len` bytes of `run` from byte `at`; whoever asks has made sure that they lie in it.
    pub(super) fn new(run: &'a Run<F>, at: usize, len: usize, has_more: bool) -> Self {
        Self { run, at, end: at.saturating_add(len).min(run.len()), has_more }
    }

    /// Bytes left.
    pub(super) fn len(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// Whether bytes follow the next `len` at once.
    pub(super) fn has_more_behind(&self, len: usize) -> bool {
        self.has_more || len < self.len()
    }

    /// `len` more bytes are sent.
    pub(super) fn advance(&mut self, len: usize) {
        self.at = self.at.saturating_add(len).min(self.end);
    }

    /// The piece the part begins in, as far as it belongs to the part; `None` at the end.
    pub(super) fn first(&self) -> Option<Rest<'a, F>> {
        self.piece_behind(0)
    }

    /// The piece behind the next `len` bytes.
    pub(super) fn piece_behind(&self, len: usize) -> Option<Rest<'a, F>> {
        let left = self.len().checked_sub(len).filter(|left| *left > 0)?;
        let piece = self.run.rest(self.at.checked_add(len)?)?;
        Some(Rest { len: piece.len.min(left), ..piece })
    }

    /// Asks every file of the part whether it is unchanged; one that follows itself is asked once.
    pub(super) fn check_files(&self) -> Result<(), SendError> {
        let mut asked: Option<&Arc<F>> = None;
        for file in self.run.files(self.at, self.end) {
            if asked.is_none_or(|asked| !Arc::ptr_eq(asked, file)) && !file.is_unchanged()? {
                return Err(SendError::Changed);
            }
            asked = Some(file);
        }
        Ok(())
    }
}

impl<F> Rest<'_, F> {
    /// The error of a file that ends where this piece begins.
    pub(super) fn truncated(&self) -> SendError {
        let missing = u64::try_from(self.len).unwrap_or(u64::MAX);
        SendError::Truncated { offset: self.offset, missing }
    }
}
