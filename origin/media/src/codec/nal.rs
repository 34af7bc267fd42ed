//! The NAL units of one sample, each behind its length.
//!
//! ```text
//! | length | NAL unit bytes | length | NAL unit bytes | …      length: 1, 2 or 4 bytes, big endian
//! ```
//!
//! Spec: ISO/IEC 14496-15 clause 4.3.3 (the sample format both AVC and HEVC use).

use crate::codec::record::LengthSize;

/// A NAL unit within a sample's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nal<'a> {
    /// Where its first byte (the header, behind the length) stands, in bytes from the start of the payload.
    pub offset: usize,
    /// The NAL unit with header and emulation prevention bytes; never empty.
    pub bytes: &'a [u8],
}

/// Why a sample's payload is not a list of NAL units; the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NalError {
    /// The payload ends inside a length.
    #[error("byte {offset}: NAL unit length cut off, {left} bytes left")]
    LengthCut {
        /// Where the length starts, in bytes from the start of the payload.
        offset: usize,
        /// How many bytes are left.
        left: usize,
    },
    /// A NAL unit would reach past the payload's end.
    #[error("byte {offset}: NAL unit of {len} bytes, {left} left")]
    Overrun {
        /// Where the NAL unit starts, in bytes from the start of the payload.
        offset: usize,
        /// The length it claims, in bytes.
        len: usize,
        /// How many bytes are left.
        left: usize,
    },
}

impl NalError {
    /// A stable name of the reason for logs and machine-readable answers.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::LengthCut { .. } => "nal-length-cut",
            Self::Overrun { .. } => "nal-overrun",
        }
    }
}

/// The NAL units of `payload`, in order. Ends after the first error. Empty units carry nothing and are passed
/// over: some cameras write them. Cost: nothing is copied.
#[must_use]
pub const fn nal_units(payload: &[u8], length_size: LengthSize) -> NalUnits<'_> {
    NalUnits { payload, offset: 0, length_size }
}

/// Iterator of `nal_units`.
#[derive(Debug, Clone)]
pub struct NalUnits<'a> {
    payload: &'a [u8],
    offset: usize,
    length_size: LengthSize,
}

impl<'a> NalUnits<'a> {
    fn read(&mut self) -> Result<Option<Nal<'a>>, NalError> {
        loop {
            let rest = self.payload.get(self.offset..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(None);
            }
            let cut = NalError::LengthCut { offset: self.offset, left: rest.len() };
            let (length, rest) = rest.split_at_checked(self.length_size.bytes()).ok_or(cut)?;
            let len = length.iter().fold(0_usize, |len, byte| len.wrapping_shl(8) | usize::from(*byte));
            let offset = self.offset.saturating_add(length.len());
            let bytes = rest.get(..len).ok_or(NalError::Overrun { offset, len, left: rest.len() })?;
            self.offset = offset.saturating_add(len);
            if !bytes.is_empty() {
                return Ok(Some(Nal { offset, bytes }));
            }
        }
    }
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = Result<Nal<'a>, NalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read().transpose();
        if matches!(read, Some(Err(_))) {
            self.offset = self.payload.len();
        }
        read
    }
}

impl std::iter::FusedIterator for NalUnits<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(payload: &[u8], length_size: LengthSize) -> Vec<Result<Nal<'_>, NalError>> {
        nal_units(payload, length_size).collect()
    }

    #[test]
    fn offsets_point_at_the_header_byte() {
        let payload = [0, 0, 0, 2, 0x65, 9, 0, 0, 0, 1, 0x41];
        let expected = [Ok(Nal { offset: 4, bytes: &[0x65, 9] }), Ok(Nal { offset: 10, bytes: &[0x41] })];
        assert_eq!(all(&payload, LengthSize::Four), expected);
        assert_eq!(all(&[0, 1, 7], LengthSize::Two), [Ok(Nal { offset: 2, bytes: &[7] })]);
        assert_eq!(all(&[1, 7], LengthSize::One), [Ok(Nal { offset: 1, bytes: &[7] })]);
        assert_eq!(all(&[], LengthSize::Four), []);
    }

    #[test]
    fn empty_units_are_passed_over() {
        assert_eq!(all(&[0, 0, 1, 7, 0], LengthSize::One), [Ok(Nal { offset: 3, bytes: &[7] })]);
    }

    #[test]
    fn an_error_ends_the_list_and_says_where() {
        let overrun = NalError::Overrun { offset: 4, len: 3, left: 2 };
        assert_eq!(all(&[1, 7, 0, 3, 1, 1], LengthSize::One).len(), 2);
        assert_eq!(all(&[0, 0, 0, 3, 1, 1], LengthSize::Four), [Err(overrun)]);
        let cut = NalError::LengthCut { offset: 3, left: 1 };
        assert_eq!(all(&[0, 1, 7, 0], LengthSize::Two).last(), Some(&Err(cut)));
        let huge = NalError::Overrun { offset: 4, len: 0xffff_ffff, left: 1 };
        assert_eq!(all(&[0xff, 0xff, 0xff, 0xff, 0], LengthSize::Four), [Err(huge)]);
    }
}
