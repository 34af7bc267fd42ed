//! The small boxes of the index: each read from its whole payload.

use crate::cursor::Cursor;
use crate::demux::FormatError;
use crate::fourcc::FourCc;
use crate::movie::Edit;
use crate::time::Timescale;

/// Compatible brands that are kept.
const MAX_BRANDS: usize = 32;
/// Entries of an edit list.
pub(super) const MAX_EDITS: u64 = 4096;

/// Whether a file may start with this box; else its bytes are something other than MP4.
pub(super) fn may_start_a_file(fourcc: FourCc) -> bool {
    let starts: [&[u8; 4]; 13] = [
        b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"uuid", b"udta", b"junk",
        b"moof", b"sidx",
    ];
    starts.contains(&&fourcc.0)
}

/// `ftyp` (§4.3): the major brand, then the compatible ones.
pub(super) fn read_brands(cursor: &mut Cursor<'_>) -> Result<Vec<FourCc>, FormatError> {
    let mut brands = vec![cursor.fourcc()?];
    cursor.u32()?;
    while cursor.rest().len() >= 4 && brands.len() < MAX_BRANDS {
        brands.push(cursor.fourcc()?);
    }
    Ok(brands)
}

/// `mvhd` (§8.2.2): the timescale of edit durations.
pub(super) fn read_movie_timescale(cursor: &mut Cursor<'_>, offset: u64) -> Result<Timescale, FormatError> {
    let (version, _) = cursor.version_and_flags()?;
    cursor.u32_or_u64(version)?;
    cursor.u32_or_u64(version)?;
    read_timescale(cursor, offset, *b"mvhd")
}

fn read_timescale(cursor: &mut Cursor<'_>, offset: u64, fourcc: [u8; 4]) -> Result<Timescale, FormatError> {
    let reason = "the timescale is zero";
    Timescale::new(cursor.u32()?).ok_or(FormatError::Field { fourcc: FourCc(fourcc), offset, reason })
}

/// What `tkhd` says (§8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TrackHeader {
    pub(super) id: u32,
    pub(super) enabled: bool,
    pub(super) matrix: [i32; 9],
    /// Width and height of the picture as 16.16 fixed point.
    pub(super) size: (u32, u32),
}

/// `tkhd` (§8.3.2).
pub(super) fn read_track_header(cursor: &mut Cursor<'_>) -> Result<TrackHeader, FormatError> {
    let (version, flags) = cursor.version_and_flags()?;
    cursor.u32_or_u64(version)?;
    cursor.u32_or_u64(version)?;
    let id = cursor.u32()?;
    cursor.skip(4)?;
    cursor.u32_or_u64(version)?;
    cursor.skip(8 + 2 + 2 + 2 + 2)?;
    let mut matrix = [0; 9];
    for cell in &mut matrix {
        *cell = cursor.i32()?;
    }
    Ok(TrackHeader { id, enabled: flags & 1 == 1, matrix, size: (cursor.u32()?, cursor.u32()?) })
}

/// What `mdhd` says (§8.4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MediaHeader {
    pub(super) timescale: Timescale,
    pub(super) language: String,
}

/// `mdhd` (§8.4.2); a Macintosh language code is below 0x400.
pub(super) fn read_media_header(cursor: &mut Cursor<'_>, offset: u64) -> Result<MediaHeader, FormatError> {
    let (version, _) = cursor.version_and_flags()?;
    cursor.u32_or_u64(version)?;
    cursor.u32_or_u64(version)?;
    let timescale = read_timescale(cursor, offset, *b"mdhd")?;
    cursor.u32_or_u64(version)?;
    let code = cursor.u16()?;
    let language =
        if code < 0x400 || code == 0x7fff { mac_language(code).to_owned() } else { iso_language(code) };
    Ok(MediaHeader { timescale, language })
}

/// Three letters of five bits each (ISO 639-2/T), `und` when they are no letters.
fn iso_language(code: u16) -> String {
    let letter =
        |shift: u16| char::from(u8::try_from((code >> shift) & 31).unwrap_or(0).saturating_add(0x60));
    let letters = [letter(10), letter(5), letter(0)];
    if letters.iter().all(char::is_ascii_lowercase) { letters.iter().collect() } else { "und".to_owned() }
}

/// The Macintosh language codes that are met (QuickTime File Format, Language Code Values).
const fn mac_language(code: u16) -> &'static str {
    match code {
        0 => "eng",
        1 => "fra",
        2 => "deu",
        3 => "ita",
        4 => "nld",
        5 => "swe",
        6 => "spa",
        7 => "dan",
        8 => "por",
        9 => "nor",
        10 => "heb",
        11 => "jpn",
        12 => "ara",
        13 => "fin",
        14 => "ell",
        17 => "tur",
        19 => "zho",
        21 => "hin",
        22 => "tha",
        23 => "kor",
        25 => "pol",
        26 => "hun",
        32 => "rus",
        _ => "und",
    }
}

/// `elng` (§8.4.6): an extended language tag, if it is one.
pub(super) fn read_extended_language(cursor: &mut Cursor<'_>) -> Result<Option<String>, FormatError> {
    cursor.version_and_flags()?;
    let text = cursor.rest().split(|byte| *byte == 0).next().unwrap_or_default();
    let sane = (2..=35).contains(&text.len())
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    Ok(sane.then(|| text.iter().map(|byte| char::from(*byte)).collect()))
}

/// `hdlr` (§8.4.3): the handler type.
pub(super) fn read_handler(cursor: &mut Cursor<'_>) -> Result<FourCc, FormatError> {
    cursor.version_and_flags()?;
    cursor.u32()?;
    cursor.fourcc()
}

/// `elst` (§8.6.6).
pub(super) fn read_edits(cursor: &mut Cursor<'_>, offset: u64) -> Result<Vec<Edit>, FormatError> {
    let (version, _) = cursor.version_and_flags()?;
    let count = u64::from(cursor.u32()?);
    let entry_bytes = if version == 1 { 20 } else { 12 };
    let left = cursor.rest().len() as u64;
    let fourcc = FourCc(*b"elst");
    if count.saturating_mul(entry_bytes) > left {
        return Err(FormatError::TableOverrun { fourcc, offset, entries: count, entry_bytes, left });
    }
    if count > MAX_EDITS {
        let what = "entries of an edit list";
        return Err(FormatError::Limit { what, value: count, limit: MAX_EDITS, offset });
    }
    let mut edits = Vec::new();
    for _ in 0..count {
        let duration = cursor.u32_or_u64(version)?;
        let media_time = if version == 1 { cursor.i64()? } else { i64::from(cursor.i32()?) };
        let rate = cursor.i32()?;
        if media_time < -1 {
            return Err(FormatError::Field { fourcc, offset, reason: "a negative media time" });
        }
        edits.push(Edit { duration, media_time: (media_time >= 0).then_some(media_time), rate });
    }
    Ok(edits)
}

/// `dref` (§8.7.2): whether an entry points to another file (flag 1 is not set).
pub(super) fn refers_elsewhere(cursor: &mut Cursor<'_>) -> Result<bool, FormatError> {
    cursor.version_and_flags()?;
    cursor.u32()?;
    while let Some((_, mut entry)) = cursor.child()? {
        let (_, flags) = entry.version_and_flags()?;
        if flags & 1 == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The rotation that the matrix of `tkhd` asks for, clockwise in degrees; 0 for any other transformation.
pub(super) const fn rotation(matrix: &[i32; 9]) -> u16 {
    match [matrix[0], matrix[1], matrix[3], matrix[4]] {
        [0, 0x1_0000, -0x1_0000, 0] => 90,
        [-0x1_0000, 0, 0, -0x1_0000] => 180,
        [0, -0x1_0000, 0x1_0000, 0] => 270,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages() {
        let packed =
            |text: &[u8; 3]| text.iter().fold(0u16, |code, byte| (code << 5) | u16::from(byte - 0x60));
        for (code, expected) in
            [(packed(b"deu"), "deu"), (packed(b"und"), "und"), (0x400, "und"), (0xffff, "und")]
        {
            assert_eq!(iso_language(code), expected);
        }
        assert_eq!((mac_language(11), mac_language(0x7fff)), ("jpn", "und"));
    }

    #[test]
    fn a_time_before_the_media_is_refused() {
        let mut payload = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 9];
        payload.extend((-2i32).to_be_bytes());
        payload.extend([0, 1, 0, 0]);
        let mut cursor = Cursor::new(&payload, 100, FourCc::new(b"elst"));
        let expected =
            FormatError::Field { fourcc: FourCc::new(b"elst"), offset: 92, reason: "a negative media time" };
        assert_eq!(read_edits(&mut cursor, 92), Err(expected));
    }
}
