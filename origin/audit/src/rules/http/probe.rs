//! Answers to the questions asked beyond playing: compression, HEAD, odd ranges, an absent object.

use std::io::Read;

use super::{END_BYTES, Probe, RangeProbe, Seen};
use crate::fetch::Response;
use crate::ledger::{Ledger, quote};
use crate::limits::PLAYLIST_BYTES_MAX;
use crate::report::Place;

/// Judges the answer to `probe` about the document `seen` (absent for an absent object).
pub(crate) fn judge_probe(
    probe: Probe,
    seen: Option<&Seen>,
    url: &str,
    response: &Response,
    ledger: &mut Ledger,
) {
    match (probe, seen) {
        (Probe::Missing, _) => missing(url, response, ledger),
        (Probe::Gzip, Some(seen)) => gzip(seen, response, ledger),
        (Probe::Head, Some(seen)) => head(seen, response, ledger),
        (Probe::Range(range), Some(seen)) => {
            ledger.checked(46);
            if let Err(message) = range_answer(range, seen, response) {
                let place = Place::Header("Range".to_owned());
                ledger.error(46, &seen.url, place, format!("`{}`: {message}", range.field()));
            }
        }
        (_, None) => {}
    }
}

fn missing(url: &str, response: &Response, ledger: &mut Ledger) {
    if !(400..500).contains(&response.status) {
        let message = format!("an object that cannot exist is answered with status {}", response.status);
        ledger.error(47, url, Place::Whole, message);
    } else {
        super::cors(url, response, ledger);
    }
}

fn gzip(seen: &Seen, response: &Response, ledger: &mut Ledger) {
    ledger.checked(44);
    let coding = response.header("content-encoding").unwrap_or_default();
    let place = |name: &str| Place::Header(name.to_owned());
    if !coding.eq_ignore_ascii_case("gzip") {
        let message = format!("is `{}` although gzip is accepted", quote(coding));
        ledger.error(44, &seen.url, place("Content-Encoding"), message);
        return;
    }
    if !response.lists("vary", "accept-encoding") && !response.lists("vary", "*") {
        ledger.error(44, &seen.url, place("Vary"), "does not list Accept-Encoding");
    } else if !seen.response.lists("vary", "accept-encoding") && !seen.response.lists("vary", "*") {
        let message = "lists Accept-Encoding only on the compressed answer: caches will mix them";
        ledger.error(44, &seen.url, place("Vary"), message);
    }
    let mut text = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(response.body.as_slice()).take(PLAYLIST_BYTES_MAX);
    let is_whole = reader.read_to_end(&mut text).is_ok();
    // A live playlist may have moved on between the two answers.
    let ended = seen.text.as_ref().is_some_and(|text| contains(text, b"#EXT-X-ENDLIST"));
    let differs = ended && seen.text.as_ref().is_some_and(|plain| *plain != text);
    if !is_whole || differs {
        let message = "the compressed body does not decode to the plain one";
        ledger.error(44, &seen.url, place("Content-Encoding"), message);
    }
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

fn head(seen: &Seen, response: &Response, ledger: &mut Ledger) {
    ledger.checked(46);
    let get = &seen.response;
    if response.status != get.status {
        let message = format!("status {} to HEAD, {} to GET", response.status, get.status);
        ledger.error(46, &seen.url, Place::Whole, message);
        return;
    }
    // A live playlist may have moved on; its length and validators may differ then.
    let is_playlist_in_motion = seen
        .text
        .as_ref()
        .is_some_and(|text| !contains(text, b"#EXT-X-ENDLIST") && contains(text, b"#EXTINF"));
    let lasting = ["content-type", "cache-control", "accept-ranges", "vary", "access-control-allow-origin"];
    let changing = ["content-length", "etag", "last-modified"];
    let changing = changing.iter().filter(|_| !is_playlist_in_motion);
    for name in lasting.iter().chain(changing) {
        let (on_get, on_head) = (get.header(name), response.header(name));
        if on_get != on_head {
            let message = format!(
                "is `{}` on HEAD, `{}` on GET",
                quote(on_head.unwrap_or("absent")),
                quote(on_get.unwrap_or("absent"))
            );
            ledger.error(46, &seen.url, Place::Header((*name).to_owned()), message);
        }
    }
}

/// What is wrong with the answer to a range request, in words.
fn range_answer(probe: RangeProbe, seen: &Seen, response: &Response) -> Result<(), String> {
    let length = seen.length;
    let status = response.status;
    let content_range = response.header("content-range").unwrap_or_default();
    let expect = |value: &str| {
        if content_range.eq_ignore_ascii_case(value) {
            Ok(())
        } else {
            Err(format!("Content-Range is `{}`, not `{value}`", quote(content_range)))
        }
    };
    let partial = || if status == 206 { Ok(()) } else { Err(format!("status {status}, not 206")) };
    let last = length.saturating_sub(1);
    match probe {
        RangeProbe::Open => {
            partial()?;
            expect(&format!("bytes 0-{last}/{length}"))?;
            let agrees = response.body.len() as u64 == length
                && response.body.starts_with(&seen.front)
                && response.body.ends_with(&seen.back);
            if agrees { Ok(()) } else { Err("body differs from that of GET".to_owned()) }
        }
        RangeProbe::Suffix => {
            partial()?;
            expect(&format!("bytes {}-{last}/{length}", length.saturating_sub(END_BYTES as u64)))?;
            if response.body == seen.back {
                Ok(())
            } else {
                Err("body is not the end of the whole".to_owned())
            }
        }
        RangeProbe::Beyond(_) => {
            if status != 416 {
                return Err(format!("status {status}, not 416"));
            }
            expect(&format!("bytes */{length}"))
        }
        RangeProbe::Several => {
            let kind = response.header("content-type").unwrap_or_default();
            let multipart = status == 206 && kind.to_ascii_lowercase().starts_with("multipart/byteranges");
            let whole = status == 200 && response.body.len() as u64 == length;
            let joined = status == 206 && content_range == format!("bytes 0-2/{length}");
            let refused = status == 416;
            let right = multipart || whole || joined || refused;
            if right { Ok(()) } else { Err(format!("status {status} is neither a refusal nor right")) }
        }
    }
}
