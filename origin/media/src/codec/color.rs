//! Colour as code points, and the video range a playlist states.
//!
//! Spec: code points are Rec. ITU-T H.273 (ISO/IEC 23091-2); the `colr` box is ISO/IEC 14496-12 clause 12.1.5;
//! VIDEO-RANGE is draft-pantos-hls-rfc8216bis clause 4.4.6.2.

/// Code point of "unspecified" for primaries, transfer and matrix.
pub const UNSPECIFIED: u16 = 2;

/// How numbers become colours: H.273 code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Color {
    /// `colour_primaries`: 1 BT.709, 9 BT.2020, 2 unspecified.
    pub primaries: u16,
    /// `transfer_characteristics`: 1 BT.709, 16 PQ, 18 HLG, 2 unspecified.
    pub transfer: u16,
    /// `matrix_coefficients`: 1 BT.709, 9 BT.2020 non-constant luminance, 2 unspecified.
    pub matrix: u16,
    /// Whether samples use the full range of values (`video_full_range_flag`).
    pub full_range: bool,
}

/// Why a `colr` payload was refused; the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("colr: {len} bytes, {needed} needed")]
pub struct ColorError {
    /// How many bytes the payload has.
    pub len: usize,
    /// How many its colour type needs.
    pub needed: usize,
}

impl Color {
    /// Reads the payload of a `colr` box. `None` for colour types without code points (ICC profiles).
    /// The QuickTime form `nclc` has no range flag and means video range.
    pub fn parse_colr(payload: &[u8]) -> Result<Option<Self>, ColorError> {
        let len = payload.len();
        let short = |needed| ColorError { len, needed };
        let kind = payload.first_chunk::<4>().ok_or_else(|| short(4))?;
        let full_range = match kind {
            b"nclx" => payload.get(10).ok_or_else(|| short(11))? & 0x80 != 0,
            b"nclc" => false,
            _ => return Ok(None),
        };
        let points: [u8; 6] =
            payload.get(4..10).and_then(|points| points.try_into().ok()).ok_or_else(|| short(10))?;
        let [p0, p1, t0, t1, m0, m1] = points;
        Ok(Some(Self {
            primaries: u16::from_be_bytes([p0, p1]),
            transfer: u16::from_be_bytes([t0, t1]),
            matrix: u16::from_be_bytes([m0, m1]),
            full_range,
        }))
    }

    /// The payload of a `colr` box of type `nclx`.
    #[must_use]
    pub const fn write_nclx(&self) -> [u8; 11] {
        let [p0, p1] = self.primaries.to_be_bytes();
        let [t0, t1] = self.transfer.to_be_bytes();
        let [m0, m1] = self.matrix.to_be_bytes();
        let range = if self.full_range { 0x80 } else { 0 };
        [b'n', b'c', b'l', b'x', p0, p1, t0, t1, m0, m1, range]
    }

    /// The video range its transfer characteristics mean.
    #[must_use]
    pub const fn video_range(&self) -> VideoRange {
        match self.transfer {
            16 => VideoRange::Pq,
            18 => VideoRange::Hlg,
            _ => VideoRange::Sdr,
        }
    }
}

/// The value of VIDEO-RANGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum VideoRange {
    /// Standard dynamic range, also where nothing is stated.
    #[default]
    Sdr,
    /// Hybrid log-gamma, BT.2100.
    Hlg,
    /// Perceptual quantizer, SMPTE ST 2084 and BT.2100.
    Pq,
}

impl VideoRange {
    /// The word a playlist uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sdr => "SDR",
            Self::Hlg => "HLG",
            Self::Pq => "PQ",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nclx_round_trips_with_its_range() {
        let payload = b"nclx\x00\x05\x00\x06\x00\x06\x80";
        let color = Color { primaries: 5, transfer: 6, matrix: 6, full_range: true };
        assert_eq!(Color::parse_colr(payload), Ok(Some(color)));
        assert_eq!(&color.write_nclx(), payload);
    }

    #[test]
    fn nclc_means_video_range() {
        let color = Color { primaries: 1, transfer: 1, matrix: 6, full_range: false };
        assert_eq!(Color::parse_colr(b"nclc\x00\x01\x00\x01\x00\x06"), Ok(Some(color)));
    }

    #[test]
    fn icc_profiles_have_no_code_points_and_short_payloads_are_refused() {
        assert_eq!(Color::parse_colr(b"prof1234"), Ok(None));
        assert_eq!(Color::parse_colr(b"ncl"), Err(ColorError { len: 3, needed: 4 }));
        assert_eq!(
            Color::parse_colr(b"nclx\x00\x01\x00\x01\x00\x01"),
            Err(ColorError { len: 10, needed: 11 })
        );
        assert_eq!(Color::parse_colr(b"nclc\x00\x01\x00\x01\x00"), Err(ColorError { len: 9, needed: 10 }));
    }

    #[test]
    fn transfer_decides_the_video_range() {
        let range =
            |transfer| Color { primaries: 9, transfer, matrix: 9, full_range: false }.video_range().as_str();
        let words = [1, 2, 14, 15, 16, 17, 18].map(range);
        assert_eq!(words, ["SDR", "SDR", "SDR", "SDR", "PQ", "SDR", "HLG"]);
    }
}
