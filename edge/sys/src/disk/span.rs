//! Rounding a range out to an alignment, and trimming what was read back to it. Arithmetic only.

use std::ops::Range;

/// A range of a file as it is read: rounded out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// First byte that is read, from the start of the file.
    pub(super) start: u64,
    /// Bytes before the first that was asked for.
    lead: usize,
    /// Bytes asked for.
    wanted: usize,
    /// Bytes that are read at most.
    pub(super) room: usize,
}

impl Span {
    /// `wanted` bytes from byte `offset`, begun and ended at multiples of `align`; `None` when it would be longer
    /// than `capacity`, or past the end of numbers.
    pub(super) fn rounded(offset: u64, wanted: usize, align: usize, capacity: usize) -> Option<Self> {
        let align = align.max(1);
        let lead = usize::try_from(offset.checked_rem(u64::try_from(align).ok()?)?).ok()?;
        let room = lead.checked_add(wanted)?.checked_next_multiple_of(align)?;
        let start = offset.checked_sub(u64::try_from(lead).ok()?)?;
        start.checked_add(u64::try_from(room).ok()?)?;
        (room <= capacity).then_some(Self { start, lead, wanted, room })
    }

    /// How many bytes from the start are enough.
    pub(super) fn enough(&self) -> usize {
        self.lead.saturating_add(self.wanted)
    }

    /// What was asked for, among the first `read` bytes.
    pub(super) fn asked(&self, read: usize) -> Range<usize> {
        self.lead.min(read)..self.enough().min(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_range_is_rounded_out_and_trimmed_back() {
        let span = Span::rounded(5000, 100, 4096, 8192).unwrap();
        assert_eq!(span, Span { start: 4096, lead: 904, wanted: 100, room: 4096 });
        assert_eq!(span.asked(4096), 904..1004);
        // The file ended in the middle of what was asked for, and before it.
        assert_eq!(span.asked(950), 904..950);
        assert_eq!(span.asked(10), 10..10);
    }

    #[test]
    fn what_fits_exactly_fits_and_one_byte_more_does_not() {
        assert!(Span::rounded(4096, 8192, 4096, 8192).is_some());
        assert!(Span::rounded(4096, 8193, 4096, 8192).is_none());
        assert!(Span::rounded(4095, 8192, 4096, 8192).is_none());
        assert!(Span::rounded(u64::MAX, 2, 1, 8192).is_none());
        assert!(Span::rounded(u64::MAX - 10, 5, 4096, 8192).is_none());
        assert!(Span::rounded(0, usize::MAX, 4096, usize::MAX).is_none());
    }

    proptest! {
        #[test]
        fn what_was_asked_is_inside_what_is_read(
            offset in 0..u64::MAX >> 1, wanted in 0..1_usize << 20, power in 0..13_u32,
        ) {
            let align = 1_usize << power;
            let span = Span::rounded(offset, wanted, align, usize::MAX).unwrap();
            prop_assert_eq!(span.start % align as u64, 0);
            prop_assert_eq!(span.room % align, 0);
            let asked = span.asked(span.room);
            prop_assert_eq!(span.start + asked.start as u64, offset);
            prop_assert_eq!(asked.len(), wanted);
            prop_assert!(span.room < wanted + 2 * align);
        }
    }
}
