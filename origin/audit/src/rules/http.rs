//! What answers must look like as HTTP: lines 22 and 43 to 47 of the checklist.

mod probe;

pub(crate) use probe::judge_probe;

use crate::fetch::Response;
use crate::ledger::{Ledger, quote};
use crate::report::Place;

/// Origin named in every request, so that the answers carry CORS fields.
pub(crate) const ORIGIN: &str = "https://audit.invalid";
/// Playlists shorter than this may go uncompressed: they fit one packet either way.
pub(crate) const GZIP_WORTHWHILE_BYTES: u64 = 256;
/// Segments shorter than this are not asked for ranges.
pub(crate) const RANGE_BYTES_MIN: u64 = 64;
/// An object that no presentation has.
pub(crate) const MISSING: &str = "no-such-object-of-an-audit.m4s";
/// Bytes kept of each end of a body, to compare ranges with.
const END_BYTES: usize = 32;

/// What a response is the answer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Entry,
    Playlist,
    Init,
    /// fMP4 segment or part.
    Segment,
    /// Segment without init: MPEG-TS, packed audio or WebVTT.
    Foreign,
    Probe,
}

/// A question about a document already read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    Gzip,
    Head,
    Range(RangeProbe),
    Missing,
}

/// The edge cases of ranges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RangeProbe {
    /// `0-`.
    Open,
    /// The last bytes.
    Suffix,
    /// From the length on: not satisfiable.
    Beyond(u64),
    /// Two ranges.
    Several,
}

impl RangeProbe {
    pub(crate) fn all(length: u64) -> [Self; 4] {
        [Self::Open, Self::Suffix, Self::Beyond(length), Self::Several]
    }

    /// Value of the Range field.
    pub(crate) fn field(self) -> String {
        match self {
            Self::Open => "bytes=0-".to_owned(),
            Self::Suffix => format!("bytes=-{END_BYTES}"),
            Self::Beyond(length) => format!("bytes={length}-"),
            Self::Several => "bytes=0-0,2-2".to_owned(),
        }
    }
}

/// What is remembered of an answer that probes will be compared with.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    pub(crate) final_url: String,
    pub(crate) redirects: u32,
    pub(crate) length: u64,
    front: Vec<u8>,
    back: Vec<u8>,
    /// Playlists only: the text, to compare a compressed answer with.
    text: Option<Vec<u8>>,
    response: Response,
}

impl Seen {
    pub(crate) fn new(kind: Kind, url: &str, response: &Response) -> Self {
        let body = &response.body;
        let is_text = [Kind::Entry, Kind::Playlist].contains(&kind);
        let final_url =
            if response.final_url.is_empty() { url.to_owned() } else { response.final_url.clone() };
        Self {
            kind,
            url: url.to_owned(),
            final_url,
            redirects: response.redirects,
            length: body.len() as u64,
            front: body.get(..END_BYTES.min(body.len())).unwrap_or_default().to_vec(),
            back: body.get(body.len().saturating_sub(END_BYTES)..).unwrap_or_default().to_vec(),
            text: is_text.then(|| body.clone()),
            response: Response { body: Vec::new(), ..response.clone() },
        }
    }
}

/// Judges the answer to a plain request.
pub(crate) fn judge(kind: Kind, url: &str, response: &Response, ledger: &mut Ledger) {
    ledger.checked(45);
    let allowed = u32::from(kind == Kind::Entry);
    if response.redirects > allowed {
        let message = format!("was redirected {} times", response.redirects);
        ledger.error(45, url, Place::Header("Location".to_owned()), message);
    }
    cors(url, response, ledger);
    if (200..300).contains(&response.status) {
        content_type(kind, url, response, ledger);
        expose(url, response, ledger);
    }
}

fn content_type(kind: Kind, url: &str, response: &Response, ledger: &mut Ledger) {
    ledger.checked(43);
    let value = response.header("content-type").unwrap_or_default();
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let allowed: &[&str] = match kind {
        Kind::Entry | Kind::Playlist => &["application/vnd.apple.mpegurl"],
        Kind::Init | Kind::Segment => &["video/mp4", "audio/mp4"],
        Kind::Foreign => match path.rsplit('.').next().unwrap_or_default() {
            "ts" => &["video/mp2t"],
            "aac" => &["audio/aac"],
            "vtt" | "webvtt" => &["text/vtt"],
            _ => return,
        },
        Kind::Probe => return,
    };
    let essence = value.split(';').next().unwrap_or_default().trim();
    if !allowed.iter().any(|one| one.eq_ignore_ascii_case(essence)) {
        let message = format!("is `{}`, not {}", quote(value), allowed.join(" or "));
        ledger.error(43, url, Place::Header("Content-Type".to_owned()), message);
    }
}

/// Access-Control-Allow-Origin must let the asking page read the answer, errors too.
pub(super) fn cors(url: &str, response: &Response, ledger: &mut Ledger) {
    ledger.checked(47);
    let allowed = response.header("access-control-allow-origin").unwrap_or_default();
    if allowed != "*" && allowed != ORIGIN {
        let message = format!("is `{}` on status {}", quote(allowed), response.status);
        ledger.error(47, url, Place::Header("Access-Control-Allow-Origin".to_owned()), message);
    }
}

fn expose(url: &str, response: &Response, ledger: &mut Ledger) {
    const FIELD: &str = "Access-Control-Expose-Headers";
    if response.lists(FIELD, "*") {
        return;
    }
    let mut wanted = vec!["Content-Length", "Content-Range", "Date", "Age"];
    wanted.extend(["CMSD-Static", "CMSD-Dynamic"].iter().filter(|name| response.header(name).is_some()));
    let missing: Vec<&str> = wanted.into_iter().filter(|name| !response.lists(FIELD, name)).collect();
    if !missing.is_empty() {
        ledger.error(47, url, Place::Header(FIELD.to_owned()), format!("leaves out {}", missing.join(", ")));
    }
}

/// The bytes of `range` out of the answer; an answer that is not 206 with the right Content-Range is a
/// finding, and what can be cut out of a 200 is still read.
pub(crate) fn ranged<'a>(
    range: (u64, u64),
    url: &str,
    response: &'a Response,
    ledger: &mut Ledger,
) -> &'a [u8] {
    ledger.checked(22);
    let (first, last) = range;
    let place = || Place::Header("Content-Range".to_owned());
    if response.status != 206 {
        let message = format!("a range is answered with status {}", response.status);
        ledger.error(22, url, place(), message);
        let from = usize::try_from(first).unwrap_or(usize::MAX).min(response.body.len());
        let to = usize::try_from(last.saturating_add(1)).unwrap_or(usize::MAX).min(response.body.len());
        return response.body.get(from..to).unwrap_or_default();
    }
    let value = response.header("content-range").unwrap_or_default();
    let expected = format!("bytes {first}-{last}/");
    let length = last.saturating_sub(first).saturating_add(1);
    if !value.starts_with(&expected) || response.body.len() as u64 != length {
        let message =
            format!("is `{}` with {} bytes, asked {first}-{last}", quote(value), response.body.len());
        ledger.error(22, url, place(), message);
    }
    &response.body
}
