//! Bits of a byte slice, most significant first: the descriptors u(n), ue(v) and se(v).
//!
//! Sits below `codec`; knows no codec. Every read is checked against the end of the slice and reports the
//! bit where it stood, so a refusal can be found in a hex dump. A failed read does not move the reader.
//!
//! Invariant: `at_bit <= bit_len`.
//!
//! Spec: Rec. ITU-T H.264 clauses 7.2 and 9.1, H.265 clauses 7.2 and 9.2 (the same codes);
//! emulation prevention is H.264 clause 7.4.1 and H.265 clause 7.4.2.

use std::borrow::Cow;

/// The longest NAL unit `unescape_rbsp` accepts, in bytes. `avcC` and `hvcC` store parameter sets with 16-bit
/// lengths, so nothing longer can be one.
pub const MAX_RBSP_BYTES: usize = 65_535;

/// Why bits could not be read; the peer's fault in every variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BitsError {
    /// The data end inside a value.
    #[error("bit {at_bit}: {wanted} bits needed, {left} left")]
    End {
        /// Where the value starts, in bits from the start of the slice.
        at_bit: usize,
        /// How many bits the value needs at least.
        wanted: usize,
        /// How many are left.
        left: usize,
    },
    /// An Exp-Golomb code with more than 31 leading zeros, which no field of a conforming stream has.
    #[error("bit {at_bit}: Exp-Golomb code does not fit 32 bits")]
    GolombTooLong {
        /// Where the code starts, in bits from the start of the slice.
        at_bit: usize,
    },
    /// Whole bytes were asked for between byte borders.
    #[error("bit {at_bit}: not at a byte border")]
    Unaligned {
        /// Where the reader stands.
        at_bit: usize,
    },
    /// The NAL unit is longer than `MAX_RBSP_BYTES`.
    #[error("NAL unit of {len} bytes, limit {MAX_RBSP_BYTES}")]
    RbspTooLong {
        /// Its length in bytes.
        len: usize,
    },
}

impl BitsError {
    /// The bit the error points at, from the start of the slice; 0 for an over-long NAL unit.
    #[must_use]
    pub const fn at_bit(&self) -> usize {
        match *self {
            Self::End { at_bit, .. } | Self::GolombTooLong { at_bit } | Self::Unaligned { at_bit } => at_bit,
            Self::RbspTooLong { .. } => 0,
        }
    }

    /// A stable name of the reason for logs and machine-readable answers.
    #[must_use]
    pub const fn slug(&self) -> &'static str {
        match self {
            Self::End { .. } => "truncated",
            Self::GolombTooLong { .. } => "golomb-too-long",
            Self::Unaligned { .. } => "unaligned",
            Self::RbspTooLong { .. } => "nal-too-long",
        }
    }
}

/// Reads bits of a byte slice. One step a bit: meant for parameter sets and records, not for slices of video.
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at_bit: usize,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at_bit: 0 }
    }

    /// The same place in the same bytes, which now end before byte `end` (if they do not end earlier).
    #[must_use]
    pub fn up_to(&self, end: usize) -> Self {
        let bytes = self.bytes.get(..end).unwrap_or(self.bytes);
        Self { bytes, at_bit: self.at_bit.min(bytes.len().saturating_mul(8)) }
    }

    /// Bits read so far.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at_bit
    }

    /// Bits left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len().saturating_mul(8).saturating_sub(self.at_bit)
    }

    /// Whether the next bit is the first of a byte.
    #[must_use]
    pub const fn is_aligned(&self) -> bool {
        self.at_bit & 7 == 0
    }

    /// Moves to the next byte border, if not at one.
    pub fn byte_align(&mut self) {
        // The border behind the last byte exists, so this cannot leave the slice.
        self.at_bit = self.at_bit.next_multiple_of(8);
    }

    /// One flag, u(1).
    pub fn flag(&mut self) -> Result<bool, BitsError> {
        let byte = self.bytes.get(self.at_bit >> 3).ok_or_else(|| self.end(1))?;
        let mask = 0x80_u8 >> (self.at_bit & 7);
        self.at_bit = self.at_bit.saturating_add(1);
        Ok(byte & mask != 0)
    }

    /// u(width) with `width` at most 32. The width is the caller's, never the peer's.
    pub fn u32(&mut self, width: u32) -> Result<u32, BitsError> {
        assert!(width <= 32, "callers pass constant or checked widths");
        self.ensure(width)?;
        let mut value = 0_u32;
        for _ in 0..width {
            value = value.wrapping_shl(1) | u32::from(self.flag()?);
        }
        Ok(value)
    }

    /// u(width) with `width` at most 16.
    pub fn u16(&mut self, width: u32) -> Result<u16, BitsError> {
        assert!(width <= 16, "callers pass constant or checked widths");
        Ok(u16::try_from(self.u32(width)?).expect("at most 16 bits were read"))
    }

    /// u(width) with `width` at most 8.
    pub fn u8(&mut self, width: u32) -> Result<u8, BitsError> {
        assert!(width <= 8, "callers pass constant or checked widths");
        Ok(u8::try_from(self.u32(width)?).expect("at most 8 bits were read"))
    }

    /// ue(v), H.264 clause 9.1: 0 to 2^32 - 2.
    pub fn ue(&mut self) -> Result<u32, BitsError> {
        let start = self.at_bit;
        let read = self.golomb();
        if read.is_err() {
            self.at_bit = start;
        }
        read
    }

    /// se(v), H.264 clause 9.1.1: 1, -1, 2, -2, … for the codes 1, 2, 3, 4, ….
    pub fn se(&mut self) -> Result<i32, BitsError> {
        let code = self.ue()?;
        let magnitude = i32::try_from(code.div_ceil(2)).expect("half of at most 2^32 - 2 fits 31 bits");
        Ok(if code & 1 == 1 { magnitude } else { magnitude.wrapping_neg() })
    }

    /// Passes over `bits` bits.
    pub fn skip(&mut self, bits: u32) -> Result<(), BitsError> {
        let wanted = self.ensure(bits)?;
        self.at_bit = self.at_bit.saturating_add(wanted);
        Ok(())
    }

    /// The next `len` whole bytes; the reader must stand at a byte border.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], BitsError> {
        if !self.is_aligned() {
            return Err(BitsError::Unaligned { at_bit: self.at_bit });
        }
        let wanted = len.saturating_mul(8);
        let rest = self.bytes.get(self.at_bit >> 3..).unwrap_or_default();
        let taken = rest.get(..len).ok_or_else(|| self.end(wanted))?;
        self.at_bit = self.at_bit.saturating_add(wanted);
        Ok(taken)
    }

    fn golomb(&mut self) -> Result<u32, BitsError> {
        let start = self.at_bit;
        let mut zeros = 0_u32;
        while !self.flag()? {
            zeros = zeros.saturating_add(1);
            if zeros > 31 {
                return Err(BitsError::GolombTooLong { at_bit: start });
            }
        }
        let base = 1_u32.wrapping_shl(zeros).wrapping_sub(1);
        Ok(base.wrapping_add(self.u32(zeros)?))
    }

    fn ensure(&self, bits: u32) -> Result<usize, BitsError> {
        let wanted = usize::try_from(bits).unwrap_or(usize::MAX);
        if wanted > self.remaining() { Err(self.end(wanted)) } else { Ok(wanted) }
    }

    const fn end(&self, wanted: usize) -> BitsError {
        BitsError::End { at_bit: self.at_bit, wanted, left: self.remaining() }
    }
}

/// A NAL unit without its emulation prevention bytes: each 0x03 behind two zero bytes is dropped.
/// Borrows when there is none. The header bytes stay. Cost: one pass, at most one allocation of the input's size.
pub fn unescape_rbsp(nal: &[u8]) -> Result<Cow<'_, [u8]>, BitsError> {
    if nal.len() > MAX_RBSP_BYTES {
        return Err(BitsError::RbspTooLong { len: nal.len() });
    }
    if !nal.windows(3).any(|three| three == [0, 0, 3]) {
        return Ok(Cow::Borrowed(nal));
    }
    let mut rbsp = Vec::with_capacity(nal.len());
    let mut zeros = 0_u8;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros.saturating_add(1) } else { 0 };
        rbsp.push(byte);
    }
    Ok(Cow::Owned(rbsp))
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod writer;
