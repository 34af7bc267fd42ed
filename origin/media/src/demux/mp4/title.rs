//! The title that an author gave a track, such as `Director's commentary`, out of its user data.
//!
//! ```text
//!  trak ─ udta ┬ name                       the text, nothing else            FFmpeg, QuickTime
//!              ├ ©nam                       length, language, text; again     QuickTime
//!              └ meta ─ ilst ─ ©nam ─ data  kind of data, locale, the text    GStreamer, iTunes
//! ```
//!
//! The first of these that holds text counts. The name in `hdlr` is no title: writers put their own
//! there (`SoundHandler`). User data decide nothing of what is played, so whatever is wrong with
//! them, the track has no title and the file is none the worse.
//!
//! QuickTime File Format Specification, User Data Atoms; ISO/IEC 14496-12 §8.10.1.

use crate::cursor::Cursor;
use crate::fourcc::FourCc;

/// Bytes of user data that are looked at; writers put large things (covers) behind small ones.
pub(super) const MAX_USER_DATA_BYTES: u64 = 64 << 10;
/// Bytes of a title that are kept, as UTF-8.
pub(super) const MAX_TITLE_BYTES: usize = 256;

/// The title in the payload of `udta`, or in the first bytes of it.
pub(super) fn read(user_data: &[u8]) -> Option<String> {
    let [mut plain, mut international, mut item] = [None, None, None];
    let mut boxes = Cursor::new(user_data, 0, FourCc(*b"udta"));
    while let Ok(Some((fourcc, payload))) = boxes.child() {
        match &fourcc.0 {
            b"name" => plain = plain.or_else(|| text(payload.rest())),
            b"\xa9nam" => international = international.or_else(|| read_international(payload)),
            b"meta" => item = item.or_else(|| read_item(payload)),
            _ => {}
        }
    }
    plain.or(international).or(item)
}

/// A list of texts, each with its length and language: the first that is one.
fn read_international(mut list: Cursor<'_>) -> Option<String> {
    while let (Ok(length), Ok(_language)) = (list.u16(), list.u16()) {
        let title = text(list.bytes(usize::from(length)).ok()?);
        if title.is_some() {
            return title;
        }
    }
    None
}

/// The title among the items of a `meta` box.
fn read_item(mut meta: Cursor<'_>) -> Option<String> {
    const UTF_8: u32 = 1;
    meta.version_and_flags().ok()?;
    let mut data = child(child(child(meta, b"ilst")?, b"\xa9nam")?, b"data")?;
    let (_, kind) = data.version_and_flags().ok()?;
    data.skip(4).ok()?;
    if kind == UTF_8 { text(data.rest()) } else { None }
}

fn child<'a>(mut parent: Cursor<'a>, code: &[u8; 4]) -> Option<Cursor<'a>> {
    while let Ok(Some((fourcc, payload))) = parent.child() {
        if fourcc.0 == *code {
            return Some(payload);
        }
    }
    None
}

/// Text up to its first zero byte, cut to [`MAX_TITLE_BYTES`]; what is no UTF-8 is replaced. `None`
/// if nothing of it can be read.
fn text(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let letters = bytes.utf8_chunks().flat_map(|chunk| {
        let damage = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
        chunk.valid().chars().chain(damage)
    });
    let mut title = String::new();
    for letter in letters.skip_while(|letter| letter.is_whitespace()) {
        if title.len() + letter.len_utf8() > MAX_TITLE_BYTES {
            break;
        }
        title.push(letter);
    }
    title.truncate(title.trim_end().len());
    let readable = |letter: char| !letter.is_control() && letter != char::REPLACEMENT_CHARACTER;
    title.chars().any(readable).then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A box of `payload`.
    fn of(code: &[u8; 4], payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len() + 8).expect("small");
        [&size.to_be_bytes(), code.as_slice(), payload].concat()
    }

    fn item(kind: u8, title: &[u8]) -> Vec<u8> {
        let data = of(b"data", &[&[0, 0, 0, kind, 0, 0, 0, 0], title].concat());
        let list = of(b"ilst", &[of(b"\xa9too", &data), of(b"\xa9nam", &data)].concat());
        of(b"meta", &[vec![0; 4], of(b"hdlr", &[0; 25]), list].concat())
    }

    fn international(title: &[u8]) -> Vec<u8> {
        let length = u16::try_from(title.len()).expect("small").to_be_bytes();
        of(b"\xa9nam", &[&[0, 0, 0x55, 0xc4], length.as_slice(), &[0x55, 0xc4], title].concat())
    }

    #[test]
    fn each_place_is_read_and_the_plain_one_counts_first() {
        let title = |user_data: &[Vec<u8>]| read(&user_data.concat());
        assert_eq!(title(&[of(b"name", b"Plain")]).as_deref(), Some("Plain"));
        assert_eq!(title(&[international(b"Long")]).as_deref(), Some("Long"));
        assert_eq!(title(&[item(1, b"Item")]).as_deref(), Some("Item"));
        let all = [item(1, b"Item"), international(b"Long"), of(b"name", b""), of(b"name", b"Plain")];
        assert_eq!(title(&all).as_deref(), Some("Plain"));
        assert_eq!(title(&all[..3]).as_deref(), Some("Long"));
        // A picture is no text, and four zero bytes end the list.
        assert_eq!(title(&[item(13, b"Item")]), None);
        assert_eq!(title(&[vec![0; 4], of(b"name", b"Plain")]), None);
    }

    #[test]
    fn what_is_not_text_is_replaced_and_nothing_but_that_is_no_title() {
        for (bytes, expected) in [
            (b"Caf\x8e noir".as_slice(), Some("Caf\u{fffd} noir")),
            (b"  two words \n\0rest", Some("two words")),
            (b"one\ntwo", Some("one\ntwo")),
            (b"\xe2\x82", None),
            (b"\xfe\xff\0A\0B", None),
            (b" \x01\x02 ", None),
            (b"\0hidden", None),
            (b"", None),
        ] {
            assert_eq!(text(bytes).as_deref(), expected);
        }
    }

    #[test]
    fn a_title_is_cut_between_letters() {
        let at_limit = "x".repeat(MAX_TITLE_BYTES);
        assert_eq!(text(at_limit.as_bytes()), Some(at_limit.clone()));
        assert_eq!(text(format!("{at_limit}y").as_bytes()), Some(at_limit));
        let cut = text("ä€".repeat(1000).as_bytes()).expect("text");
        assert_eq!(cut.len(), MAX_TITLE_BYTES - 1);
        assert_eq!(text(&[0xff; 4 << 10].map(|byte| byte)), None);
        let damaged = text(&[b"x".as_slice(), &[0xff; 4 << 10]].concat()).expect("text");
        assert_eq!((damaged.len(), damaged.chars().count()), (1 + 85 * 3, 86));
    }

    #[test]
    fn broken_user_data_have_no_title_and_no_error() {
        let whole = [item(1, b"Item"), international(b"Long"), of(b"name", b"Plain")].concat();
        for len in 0..whole.len() {
            let cut = read(&whole[..len]);
            assert!(cut.is_none_or(|title| ["Item", "Long"].contains(&title.as_str())), "{len} bytes");
        }
        for (at, byte) in (0..whole.len()).flat_map(|at| [(at, 0), (at, 1), (at, 0xff)]) {
            let mut bad = whole.clone();
            bad[at] = byte;
            assert!(read(&bad).is_none_or(|title| title.len() <= MAX_TITLE_BYTES));
        }
    }
}
