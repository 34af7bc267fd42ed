//! A body as a description: bytes in memory and byte ranges of sources, in order, not yet read.
//!
//! [`Slices`] knows its length and can be cut anywhere by arithmetic, so `Content-Length`, `ETag`
//! and byte ranges cost nothing before the first media byte is read. (The idea is that of
//! moonfire-nvr's `slices.rs`.)
//!
//! Invariants: end offsets grow strictly; no slice is empty; neighbours that touch in one source
//! are one slice.

use std::ops::Range;

use bytes::Bytes;

/// Which source of an asset: an index into its list of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SourceIndex(pub u16);

/// A byte range of a source, not yet read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    /// The source that holds the bytes.
    pub source: SourceIndex,
    /// First byte.
    pub offset: u64,
    /// Bytes; `offset + len` was checked against the source's length when it was parsed.
    pub len: u64,
}

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slice {
    /// Bytes in memory.
    Mem(Bytes),
    /// Bytes of a source, not yet read.
    Extent(Extent),
}

impl Slice {
    /// Length in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Mem(bytes) => bytes.len() as u64,
            Self::Extent(extent) => extent.len,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The part of this slice in `range`, which lies inside it.
    fn part(&self, range: Range<u64>) -> Self {
        match self {
            Self::Mem(bytes) => {
                let at = |offset: u64| usize::try_from(offset).map_or(bytes.len(), |at| at.min(bytes.len()));
                Self::Mem(bytes.slice(at(range.start)..at(range.end)))
            }
            Self::Extent(extent) => Self::Extent(Extent {
                offset: extent.offset + range.start,
                len: range.end - range.start,
                ..*extent
            }),
        }
    }
}

/// A whole body, described: slices in order, each with its end offset.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slices {
    parts: Vec<(u64, Slice)>,
}

impl Slices {
    /// A body with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// A body with nothing in it, and room for `slices` and a head.
    pub(crate) fn with_capacity(slices: usize) -> Self {
        Self { parts: Vec::with_capacity(slices.saturating_add(1)) }
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.parts.last().map_or(0, |(end, _)| *end)
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The slices in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Slice> {
        self.parts.iter().map(|(_, slice)| slice)
    }

    /// Appends `slice`; an extent that continues the last one is joined to it, an empty one is dropped.
    pub fn push(&mut self, slice: Slice) {
        match slice {
            Slice::Extent(extent) => self.push_extent(extent),
            Slice::Mem(bytes) if bytes.is_empty() => {}
            Slice::Mem(bytes) => {
                let end = self.len().saturating_add(bytes.len() as u64);
                self.parts.push((end, Slice::Mem(bytes)));
            }
        }
    }

    /// Appends `next`, or joins it to the last extent if it continues that.
    #[inline]
    pub fn push_extent(&mut self, next: Extent) {
        if next.len == 0 {
            return;
        }
        let end = self.len().saturating_add(next.len);
        if let Some((last_end, Slice::Extent(last))) = self.parts.last_mut()
            && last.source == next.source
            && last.offset.checked_add(last.len) == Some(next.offset)
        {
            last.len = last.len.saturating_add(next.len);
            *last_end = end;
            return;
        }
        self.parts.push((end, Slice::Extent(next)));
    }

    /// Puts `head` in front of everything.
    ///
    /// Cost: O(slices).
    pub(crate) fn prepend(&mut self, head: Bytes) {
        if head.is_empty() {
            return;
        }
        let len = head.len() as u64;
        for (end, _) in &mut self.parts {
            *end = end.saturating_add(len);
        }
        self.parts.insert(0, (len, Slice::Mem(head)));
    }

    /// Appends all of `other`.
    pub fn append(&mut self, other: Self) {
        for (_, slice) in other.parts {
            self.push(slice);
        }
    }

    /// The bytes `range` of this body; what lies past the end is left out.
    ///
    /// Cost: O(log slices + slices in the range); no I/O, memory is shared.
    #[must_use]
    pub fn range(&self, range: Range<u64>) -> Self {
        let mut cut = Self::new();
        let end = range.end.min(self.len());
        let from = self.parts.partition_point(|(slice_end, _)| *slice_end <= range.start);
        for (slice_end, slice) in self.parts.iter().skip(from) {
            let slice_start = slice_end - slice.len();
            if slice_start >= end {
                break;
            }
            let first = range.start.saturating_sub(slice_start);
            let last = end.min(*slice_end) - slice_start;
            if first < last {
                cut.push(slice.part(first..last));
            }
        }
        cut
    }
}

impl From<Bytes> for Slices {
    fn from(bytes: Bytes) -> Self {
        let mut slices = Self::new();
        slices.push(Slice::Mem(bytes));
        slices
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn extent(source: u16, offset: u64, len: u64) -> Slice {
        Slice::Extent(Extent { source: SourceIndex(source), offset, len })
    }

    /// The body's bytes, reading source `s` as the bytes `(s * 31 + offset) as u8`.
    fn bytes_of(slices: &Slices) -> Vec<u8> {
        let mut all = Vec::new();
        for slice in slices.iter() {
            match slice {
                Slice::Mem(bytes) => all.extend_from_slice(bytes),
                Slice::Extent(e) => {
                    all.extend(
                        (e.offset..e.offset + e.len).map(|at| (u64::from(e.source.0) * 31 + at) as u8),
                    );
                }
            }
        }
        all
    }

    #[test]
    fn touching_extents_of_one_source_become_one() {
        let mut slices = Slices::new();
        for slice in
            [extent(0, 10, 5), extent(0, 15, 5), extent(1, 20, 5), extent(0, 25, 0), extent(0, 30, 1)]
        {
            slices.push(slice);
        }
        assert_eq!(
            slices.iter().cloned().collect::<Vec<_>>(),
            [extent(0, 10, 10), extent(1, 20, 5), extent(0, 30, 1)]
        );
        assert_eq!(slices.len(), 16);
    }

    fn any_slice() -> impl Strategy<Value = Slice> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(|bytes| Slice::Mem(bytes.into())),
            (0..3u16, 0..50u64, 0..20u64).prop_map(|(source, offset, len)| extent(source, offset, len)),
        ]
    }

    proptest! {
        #[test]
        fn concatenated_ranges_are_the_whole_body(
            parts in proptest::collection::vec(any_slice(), 0..20),
            mut cuts in proptest::collection::vec(0..400u64, 0..10),
        ) {
            let mut slices = Slices::new();
            for part in parts { slices.push(part); }
            cuts.extend([0, slices.len()]);
            cuts.sort_unstable();
            let mut again = Slices::new();
            for pair in cuts.windows(2) { again.append(slices.range(pair[0]..pair[1])); }
            prop_assert_eq!(again.len(), slices.len());
            prop_assert_eq!(bytes_of(&again), bytes_of(&slices));
        }
    }
}
