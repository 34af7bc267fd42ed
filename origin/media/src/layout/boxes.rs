//! Walking over boxes that are in memory, so that every byte of them can be written again.

use crate::demux::FormatError;
use crate::fourcc::FourCc;

/// A box in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct BoxRef<'a> {
    pub(super) fourcc: FourCc,
    /// Its first byte in the source.
    pub(super) offset: u64,
    /// Size and code, as written: 8 bytes, or 16 where the size takes 64 bits.
    pub(super) header: &'a [u8],
    pub(super) payload: &'a [u8],
}

impl<'a> BoxRef<'a> {
    /// The boxes inside.
    pub(super) fn children(&self) -> Children<'a> {
        Children::new(self.payload, self.payload_offset())
    }

    /// First byte of the payload in the source.
    pub(super) const fn payload_offset(&self) -> u64 {
        self.offset.saturating_add(self.header.len() as u64)
    }
}

/// The boxes in a payload, in order, and then what is left of it.
#[derive(Debug, Clone)]
pub(super) struct Children<'a> {
    rest: &'a [u8],
    offset: u64,
}

impl<'a> Children<'a> {
    /// The boxes in `payload`, which begins at `offset` of the source.
    pub(super) const fn new(payload: &'a [u8], offset: u64) -> Self {
        Self { rest: payload, offset }
    }

    /// What follows the last box: fewer than eight bytes, or a list that QuickTime ended with zeros.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next box; `None` at the end.
    ///
    /// # Errors
    /// [`FormatError::BoxTooSmall`], [`FormatError::BoxOverrun`].
    pub(super) fn next(&mut self) -> Result<Option<BoxRef<'a>>, FormatError> {
        let Some((small, code)) = number::<4>(self.rest, 0).zip(number::<4>(self.rest, 4)) else {
            return Ok(None);
        };
        let (fourcc, offset) = (FourCc(code), self.offset);
        let (size, header_len) = match u32::from_be_bytes(small) {
            0 => return Ok(None),
            1 => match number::<8>(self.rest, 8) {
                Some(large) => (u64::from_be_bytes(large), 16),
                None => return Ok(None),
            },
            size => (u64::from(size), 8),
        };
        let left = self.rest.len() as u64;
        if size < header_len as u64 {
            return Err(FormatError::BoxTooSmall { fourcc, offset, size });
        }
        let whole = usize::try_from(size).ok().and_then(|size| self.rest.split_at_checked(size));
        let Some((whole, rest)) = whole else {
            return Err(FormatError::BoxOverrun { fourcc, offset, size, left });
        };
        let (header, payload) = whole.split_at(header_len);
        self.rest = rest;
        self.offset = offset.saturating_add(size);
        Ok(Some(BoxRef { fourcc, offset, header, payload }))
    }
}

/// The `N` bytes at `at`, if they are there.
pub(super) fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk::<N>().copied()
}

/// The 32-bit number at `at`, if it is there.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    number::<4>(bytes, at).map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(bytes: &[u8]) -> (Vec<(String, usize)>, usize) {
        let mut children = Children::new(bytes, 100);
        let mut found = Vec::new();
        while let Some(child) = children.next().expect("whole boxes") {
            found.push((child.fourcc.text(), child.payload.len()));
        }
        (found, children.rest().len())
    }

    #[test]
    fn boxes_of_both_sizes_are_walked_and_what_is_left_is_kept() {
        let mut bytes = b"\0\0\0\x0aabcd..".to_vec();
        bytes.extend(b"\0\0\0\x01wide\0\0\0\0\0\0\0\x13...");
        let two = vec![("abcd".to_owned(), 2), ("wide".to_owned(), 3)];
        assert_eq!(walk(&bytes), (two.clone(), 0));
        bytes.extend([0; 4]);
        assert_eq!(walk(&bytes), (two.clone(), 4));
        bytes.extend(*b"abcdefgh");
        assert_eq!(walk(&bytes), (two, 12), "a size of zero ends the list");
    }

    #[test]
    fn a_size_that_cannot_be_is_an_error_with_its_place() {
        let small = Children::new(b"\0\0\0\x07abcd", 100).next();
        assert!(matches!(small, Err(FormatError::BoxTooSmall { offset: 100, size: 7, .. })));
        let large = Children::new(b"\0\0\0\x09abcd", 100).next();
        assert!(matches!(large, Err(FormatError::BoxOverrun { offset: 100, size: 9, left: 8, .. })));
    }
}
