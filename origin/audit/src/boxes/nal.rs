//! Looks for a random access picture among the NAL units of one sample.

use super::{Cursor, FourCc};
use crate::limits::NALS_MAX;

/// What the first slice of a sample says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// IDR, or in HEVC any IRAP picture.
    Random,
    /// Some other picture.
    Dependent,
    /// No picture found, or the format is not one of length-prefixed NAL units.
    Unknown,
    /// Lengths do not add up to the sample.
    Broken,
}

/// Reads the length-prefixed NAL units of `sample`. `whole` says that the sample is all there.
pub(crate) fn access(sample: &[u8], format: FourCc, nal_length: u8, whole: bool) -> Access {
    let hevc = match &format {
        b"avc1" | b"avc3" => false,
        b"hvc1" | b"hev1" => true,
        _ => return Access::Unknown,
    };
    let mut cursor = Cursor::new(sample);
    let mut found = Access::Unknown;
    for _ in 0..NALS_MAX {
        if cursor.rest().is_empty() {
            return found;
        }
        let length = match nal_length {
            1 => cursor.u8().map(u32::from),
            2 => cursor.u16().map(u32::from),
            _ => cursor.u32(),
        };
        let unit =
            length.and_then(|length| usize::try_from(length).ok()).and_then(|length| cursor.take(length));
        let Some(unit) = unit else {
            return if whole { Access::Broken } else { found };
        };
        if found == Access::Unknown {
            found = unit.first().map_or(Access::Unknown, |byte| picture(*byte, hevc));
        }
    }
    found
}

/// Rec. ITU-T H.264 table 7-1; H.265 table 7-1 (16 to 23 are IRAP).
fn picture(header: u8, hevc: bool) -> Access {
    if hevc {
        match (header >> 1) & 0x3f {
            16..=21 => Access::Random,
            0..=9 => Access::Dependent,
            _ => Access::Unknown,
        }
    } else {
        match header & 0x1f {
            5 => Access::Random,
            1..=4 => Access::Dependent,
            _ => Access::Unknown,
        }
    }
}
