//! Codec configuration records and the RFC 6381 strings that name them.

use super::sample_entry::SampleEntry;
use super::{Cursor, Mp4Box, Notes, name};

/// Fills in what `config` says: codec string, NAL length, presence of parameter sets.
pub(super) fn describe(entry: &mut SampleEntry, config: &Mp4Box<'_>, notes: &mut Notes) {
    let described = match &config.fourcc {
        b"avcC" => avc(entry, config, notes),
        b"hvcC" => hevc(entry, config, notes),
        b"esds" => esds(config),
        b"av1C" => av1(config),
        b"vpcC" => vp9(entry, config),
        b"dOps" => Some("Opus".to_owned()),
        b"dfLa" => Some("fLaC".to_owned()),
        b"dac3" => Some("ac-3".to_owned()),
        b"dec3" => Some("ec-3".to_owned()),
        _ => None,
    };
    if described.is_none() {
        notes.error(38, config.offset, config.fourcc, "configuration record cannot be read");
    }
    entry.codec = described;
}

/// ISO/IEC 14496-15 §5.3.3.1.
fn avc(entry: &mut SampleEntry, config: &Mp4Box<'_>, notes: &mut Notes) -> Option<String> {
    let mut cursor = Cursor::new(config.body);
    cursor.u8()?;
    let (profile, compatibility, level) = (cursor.u8()?, cursor.u8()?, cursor.u8()?);
    entry.nal_length = Some((cursor.u8()? & 3) + 1);
    let sps_count = cursor.u8()? & 0x1f;
    let mut sps_agrees = true;
    for _ in 0..sps_count {
        let length = usize::from(cursor.u16()?);
        let sps = cursor.take(length)?;
        sps_agrees &= sps.get(1..4) == Some(&[profile, compatibility, level]);
    }
    let pps_count = cursor.u8()?;
    if sps_count == 0 || pps_count == 0 {
        let message = format!("holds {sps_count} SPS and {pps_count} PPS: parameter sets belong in the init");
        notes.error(37, config.offset, config.fourcc, message);
    }
    if !sps_agrees {
        let message = "profile, compatibility and level differ between avcC and its SPS";
        notes.error(38, config.offset, config.fourcc, message);
    }
    Some(format!("{}.{profile:02x}{compatibility:02x}{level:02x}", name(entry.format)))
}

/// ISO/IEC 14496-15 §8.3.3.1 and annex E.
fn hevc(entry: &mut SampleEntry, config: &Mp4Box<'_>, notes: &mut Notes) -> Option<String> {
    let mut cursor = Cursor::new(config.body);
    cursor.u8()?;
    let general = cursor.u8()?;
    let compatibility = cursor.u32()?.reverse_bits();
    let constraints = cursor.take(6)?;
    let level = cursor.u8()?;
    cursor.take(8)?;
    entry.nal_length = Some((cursor.u8()? & 3) + 1);
    let arrays = cursor.u8()?;
    let mut kinds = Vec::new();
    for _ in 0..arrays {
        let kind = cursor.u8()? & 0x3f;
        for _ in 0..cursor.u16()? {
            let length = usize::from(cursor.u16()?);
            cursor.take(length)?;
            kinds.push(kind);
        }
    }
    // VPS, SPS, PPS.
    if ![32, 33, 34].iter().all(|kind| kinds.contains(kind)) {
        notes.error(37, config.offset, config.fourcc, "hvcC lacks VPS, SPS or PPS");
    }
    let space = ["", "A", "B", "C"].get(usize::from(general >> 6)).copied().unwrap_or_default();
    let tier = if general & 0x20 == 0 { 'L' } else { 'H' };
    let mut text =
        format!("{}.{space}{}.{compatibility:X}.{tier}{level}", name(entry.format), general & 0x1f);
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    for byte in constraints.iter().take(used) {
        text.push_str(&format!(".{byte:X}"));
    }
    Some(text)
}

/// ISO/IEC 14496-1 §7.2.6: ES_Descriptor { DecoderConfigDescriptor { DecoderSpecificInfo } }.
fn esds(config: &Mp4Box<'_>) -> Option<String> {
    let (_, _, cursor) = config.full()?;
    let mut es = descriptor(cursor, 3)?;
    es.take(2)?;
    let flags = es.u8()?;
    if flags & 0x80 != 0 {
        es.take(2)?;
    }
    if flags & 0x40 != 0 {
        let length = usize::from(es.u8()?);
        es.take(length)?;
    }
    if flags & 0x20 != 0 {
        es.take(2)?;
    }
    let mut decoder = descriptor(es, 4)?;
    let object_type = decoder.u8()?;
    if object_type != 0x40 {
        return Some(format!("mp4a.{object_type:02X}"));
    }
    decoder.take(12)?;
    let mut specific = descriptor(decoder, 5)?;
    let first = specific.u8()?;
    let audio_object_type = match first >> 3 {
        31 => 32 + (((first & 7) << 3) | (specific.u8()? >> 5)),
        plain => plain,
    };
    Some(format!("mp4a.40.{audio_object_type}"))
}

/// The payload of the next descriptor when its tag is `tag`.
fn descriptor(mut cursor: Cursor<'_>, tag: u8) -> Option<Cursor<'_>> {
    if cursor.u8()? != tag {
        return None;
    }
    let mut length = 0_usize;
    for _ in 0..4 {
        let byte = cursor.u8()?;
        length = (length << 7) | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return cursor.take(length).map(Cursor::new);
        }
    }
    None
}

/// AV1 in ISO-BMFF §2.3 and §5: `av01.P.LLT.DD`.
fn av1(config: &Mp4Box<'_>) -> Option<String> {
    let mut cursor = Cursor::new(config.body);
    cursor.u8()?;
    let (profile_level, flags) = (cursor.u8()?, cursor.u8()?);
    let tier = if flags & 0x80 == 0 { 'M' } else { 'H' };
    let depth = match (flags & 0x40 != 0, flags & 0x20 != 0) {
        (false, _) => 8,
        (true, false) => 10,
        (true, true) => 12,
    };
    Some(format!("av01.{}.{:02}{tier}.{depth:02}", profile_level >> 5, profile_level & 0x1f))
}

/// VP codec ISO media file format binding: `vp09.PP.LL.DD`.
fn vp9(entry: &SampleEntry, config: &Mp4Box<'_>) -> Option<String> {
    let (_, _, mut cursor) = config.full()?;
    let (profile, level, depth) = (cursor.u8()?, cursor.u8()?, cursor.u8()? >> 4);
    Some(format!("{}.{profile:02}.{level:02}.{depth:02}", name(entry.format)))
}

/// Whether the string `declared` in CODECS names `measured`.
///
/// Hexadecimal case of AVC and the optional tail of AV1 and VP9 do not matter; an AAC stream may be
/// declared as HE-AAC, because its SBR may be signalled implicitly.
pub(crate) fn same(declared: &str, measured: &str) -> bool {
    if declared.starts_with("avc") || declared.starts_with("hvc") || declared.starts_with("hev") {
        return declared.eq_ignore_ascii_case(measured);
    }
    if declared.starts_with("av01.") || declared.starts_with("vp09.") {
        return declared == measured || declared.strip_prefix(measured).is_some_and(|t| t.starts_with('.'));
    }
    declared == measured || (measured == "mp4a.40.2" && ["mp4a.40.5", "mp4a.40.29"].contains(&declared))
}

#[cfg(test)]
mod tests {
    use super::{describe, same};
    use crate::boxes::sample_entry::SampleEntry;
    use crate::boxes::{FourCc, Mp4Box, Notes};

    /// Codec string of a configuration record, and the checklist lines it breaks.
    fn check(format: FourCc, fourcc: FourCc, body: &[u8]) -> (Option<String>, Vec<u16>) {
        let mut entry = SampleEntry { format, ..SampleEntry::default() };
        let mut notes = Notes::default();
        describe(&mut entry, &Mp4Box { fourcc, offset: 0, header: 8, body, overrun: 0 }, &mut notes);
        (entry.codec, notes.0.iter().map(|note| note.line).collect())
    }

    /// hvcC of Main 4.1 with the given parameter sets.
    fn hevc(kinds: &[u8]) -> Vec<u8> {
        let mut body = vec![1, 1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 123];
        body.extend([0xf0, 0, 0xfc, 0xfd, 0xf8, 0xf8, 0, 0, 0x0f, u8::try_from(kinds.len()).expect("few")]);
        for kind in kinds {
            body.extend([0x80 | kind, 0, 1, 0, 2, 0, 0]);
        }
        body
    }

    #[test]
    fn codec_strings_are_those_of_rfc_6381() {
        let named = |text: &str| (Some(text.to_owned()), Vec::new());
        assert_eq!(check(*b"hvc1", *b"hvcC", &hevc(&[32, 33, 34])), named("hvc1.1.6.L123.B0"));
        assert_eq!(check(*b"hvc1", *b"hvcC", &hevc(&[33, 34])).1, [37]);
        assert_eq!(check(*b"av01", *b"av1C", &[0x81, 0x08, 0x4c, 0]), named("av01.0.08M.10"));
        assert_eq!(check(*b"vp09", *b"vpcC", &[1, 0, 0, 0, 0, 31, 0x80]), named("vp09.00.31.08"));
        let esds = [
            0, 0, 0, 0, 3, 22, 0, 1, 0, 4, 17, 0x40, 0x15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 2, 0x29, 0x90,
        ];
        assert_eq!(check(*b"mp4a", *b"esds", &esds), named("mp4a.40.5"));
        for at in 0..esds.len() {
            assert_eq!(check(*b"mp4a", *b"esds", &esds[..at]).1, [38], "cut at {at}");
        }
    }

    #[test]
    fn declared_and_measured_strings_are_compared_as_players_do() {
        for (declared, measured) in [
            ("avc1.64001F", "avc1.64001f"),
            ("mp4a.40.5", "mp4a.40.2"),
            ("av01.0.08M.10.0.110", "av01.0.08M.10"),
        ] {
            assert!(same(declared, measured), "{declared}");
        }
        for (declared, measured) in [
            ("avc1.64001e", "avc1.64001f"),
            ("mp4a.40.2", "mp4a.40.5"),
            ("hev1.1.6.L123.B0", "hvc1.1.6.L123.B0"),
        ] {
            assert!(!same(declared, measured), "{declared}");
        }
    }
}
