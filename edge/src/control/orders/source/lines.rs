//! Lines out of bytes that come in pieces, of bounded length.

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A whole line; a `\r` before its end is part of the end.
    Whole(Vec<u8>),
    /// A line over the limit: what was kept of it, up to one byte past the limit. The rest was dropped as it came.
    TooLong {
        /// Its first bytes.
        head: Vec<u8>,
    },
}

/// Cuts bytes into lines. A line whose end has not come is kept, up to the limit.
#[derive(Debug)]
pub struct Lines {
    pending: Vec<u8>,
    /// Bytes at the front of `pending` that were given out.
    used: usize,
    /// Bytes from `used` on in which no line end is.
    searched: usize,
    limit: usize,
    /// The line at the front is over the limit, and its end has not come.
    dropping: bool,
    taken: u64,
}

impl Lines {
    /// Lines of up to `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { pending: Vec::new(), used: 0, searched: 0, limit, dropping: false, taken: 0 }
    }

    /// Changes the limit for lines to come.
    pub const fn limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes of all lines given out, with their ends.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Adds bytes. To be called when [`Self::next_line`] has nothing left, or memory grows by what is pushed.
    pub fn push(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.used.min(self.pending.len()));
        self.used = 0;
        self.pending.extend_from_slice(bytes);
    }

    /// The next line whose end has come; a longer one than the limit once its end has come.
    pub fn next_line(&mut self) -> Option<Line> {
        let rest = self.pending.get(self.used..)?;
        let found = rest.get(self.searched..)?.iter().position(|byte| *byte == b'\n');
        let Some(found) = found else {
            self.searched = rest.len();
            self.drop_overlong();
            return None;
        };
        let end = self.searched.saturating_add(found);
        let mut line = rest.get(..end)?.to_vec();
        self.taken = self.taken.saturating_add(end as u64).saturating_add(1);
        self.used = self.used.saturating_add(end).saturating_add(1);
        self.searched = 0;
        if std::mem::take(&mut self.dropping) || line.len() > self.limit.saturating_add(1) {
            line.truncate(self.limit.saturating_add(1));
            return Some(Line::TooLong { head: line });
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.len() > self.limit { Some(Line::TooLong { head: line }) } else { Some(Line::Whole(line)) }
    }

    /// Forgets what will not be needed of a line that is too long already.
    fn drop_overlong(&mut self) {
        let keep = self.used.saturating_add(self.limit).saturating_add(2);
        let Some(over) = self.pending.len().checked_sub(keep).filter(|over| *over > 0) else { return };
        self.dropping = true;
        self.pending.truncate(keep);
        self.taken = self.taken.saturating_add(over as u64);
        self.searched = self.pending.len().saturating_sub(self.used);
    }
}
