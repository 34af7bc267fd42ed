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

#[cfg(test)]
mod tests {
    use super::{Access, access};

    #[test]
    fn random_access_pictures_are_known_by_their_nal_type() {
        let hevc = |kind: u8| [0, 0, 0, 2, kind << 1, 1];
        for (kind, expected) in
            [(19, Access::Random), (21, Access::Random), (1, Access::Dependent), (32, Access::Unknown)]
        {
            assert_eq!(access(&hevc(kind), *b"hvc1", 4, true), expected, "{kind}");
        }
        // A delimiter before the slice does not count, an IDR after a dependent slice neither.
        assert_eq!(access(&[0, 1, 9, 0, 1, 0x65], *b"avc1", 2, true), Access::Random);
        assert_eq!(access(&[1, 0x41, 1, 0x65], *b"avc1", 1, true), Access::Dependent);
        assert_eq!(access(&[0, 0, 0, 9, 0x65], *b"avc1", 4, true), Access::Broken);
        assert_eq!(access(&[0, 0, 0, 9, 0x65], *b"avc1", 4, false), Access::Unknown);
        assert_eq!(access(&[0, 0, 0, 1, 0x65], *b"av01", 4, true), Access::Unknown);
    }
}
