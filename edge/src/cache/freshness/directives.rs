//! Response directives: `Cache-Control` (RFC 9111 §5.2.2, RFC 5861, RFC 8246) and the fields that are meant for caches
//! like us (RFC 9213, and `Surrogate-Control` of the Edge Architecture Specification).

mod structured;

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

use crate::quoting::split_outside_quotes;

const CDN_CACHE_CONTROL: HeaderName = HeaderName::from_static("cdn-cache-control");
const SURROGATE_CONTROL: HeaderName = HeaderName::from_static("surrogate-control");

/// The largest number of seconds there is: greater ones count as this (§1.2.2).
const MAX_DELTA_SECONDS: u64 = 1 << 31;

/// What a response says about storing it. Durations that could not be read are zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Directives {
    pub(super) no_store: bool,
    pub(super) no_cache: bool,
    pub(super) private: bool,
    pub(super) public: bool,
    /// `must-revalidate` or `proxy-revalidate`: a shared cache has to obey both.
    pub(super) must_revalidate: bool,
    pub(super) must_understand: bool,
    pub(super) immutable: bool,
    pub(super) max_age: Option<Duration>,
    pub(super) s_maxage: Option<Duration>,
    pub(super) stale_while_revalidate: Option<Duration>,
    pub(super) stale_if_error: Option<Duration>,
    /// They come from a field that is meant for us, so that `Expires` does not count either.
    pub(super) targeted: bool,
}

/// The grammar of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Syntax {
    CacheControl,
    /// A dictionary (RFC 8941 §3.2), checked before.
    Structured,
    /// As `Cache-Control`, with `max-age=fresh+stale` and targets behind semicolons.
    Surrogate,
}

impl Directives {
    /// What the field that counts says.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        // One that is empty or malformed is as good as absent (RFC 9213 §2.1).
        if structured::is_dictionary(headers.get_all(CDN_CACHE_CONTROL)) {
            return Self { targeted: true, ..Self::read(headers, &CDN_CACHE_CONTROL, Syntax::Structured) };
        }
        // The field also tells what the content needs, and then says nothing of freshness.
        let surrogate = Self::read(headers, &SURROGATE_CONTROL, Syntax::Surrogate);
        if surrogate != Self::default() {
            return Self { targeted: true, ..surrogate };
        }
        Self::read(headers, &header::CACHE_CONTROL, Syntax::CacheControl)
    }

    fn read(headers: &HeaderMap, name: &HeaderName, syntax: Syntax) -> Self {
        let mut directives = Self::default();
        for field in headers.get_all(name) {
            let mut rest = field.as_bytes();
            while !rest.is_empty() {
                let (element, after) = split_element(rest);
                directives.take(element, syntax);
                rest = after;
            }
        }
        directives
    }

    fn take(&mut self, element: &[u8], syntax: Syntax) {
        let element = match syntax {
            Syntax::CacheControl => element,
            Syntax::Structured | Syntax::Surrogate => before_parameters(element),
        };
        let mut halves = element.splitn(2, |byte| *byte == b'=');
        let name = halves.next().unwrap_or_default().trim_ascii();
        let argument = halves.next().map(<[u8]>::trim_ascii);
        if syntax == Syntax::Structured && argument == Some(b"?0") {
            return;
        }
        let mut extension = None;
        let argument = match (syntax, argument) {
            (Syntax::Surrogate, Some(argument)) => {
                let mut halves = argument.splitn(2, |byte| *byte == b'+');
                let fresh = halves.next();
                extension = halves.next().map(|stale| delta_seconds(stale).unwrap_or_default());
                fresh
            }
            (_, argument) => argument,
        };
        let is = |word: &str| name.eq_ignore_ascii_case(word.as_bytes());
        let duration = || argument.and_then(|text| delta_seconds(unquoted(text))).unwrap_or_default();
        match () {
            () if is("no-store") => self.no_store = true,
            // With field names these forbid a little less; a cache may take them for the whole (§5.2.2.4, §5.2.2.7).
            () if is("no-cache") => self.no_cache = true,
            () if is("private") => self.private = true,
            () if is("public") => self.public = true,
            () if is("must-revalidate") || is("proxy-revalidate") => self.must_revalidate = true,
            () if is("must-understand") => self.must_understand = true,
            () if is("immutable") => self.immutable = true,
            () if is("max-age") => {
                keep_least(&mut self.max_age, duration());
                if let Some(stale) = extension {
                    keep_least(&mut self.stale_while_revalidate, stale);
                    keep_least(&mut self.stale_if_error, stale);
                }
            }
            () if is("s-maxage") => keep_least(&mut self.s_maxage, duration()),
            () if is("stale-while-revalidate") => keep_least(&mut self.stale_while_revalidate, duration()),
            () if is("stale-if-error") => keep_least(&mut self.stale_if_error, duration()),
            () => {}
        }
    }
}

/// Of two that contradict each other the more restrictive counts (§4.2.1 allows it).
fn keep_least(kept: &mut Option<Duration>, said: Duration) {
    *kept = Some(kept.map_or(said, |kept| kept.min(said)));
}

/// Digits as seconds (§1.2.2), however many there are.
pub(super) fn delta_seconds(digits: &[u8]) -> Option<Duration> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| {
        sum.saturating_mul(10).saturating_add(u64::from(digit.wrapping_sub(b'0'))).min(MAX_DELTA_SECONDS)
    };
    Some(Duration::from_secs(digits.iter().fold(0, add)))
}

/// The text without its quotes; senders should not write them around numbers, and some do (§5.2).
fn unquoted(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text)
}

/// Splits a list at its first comma outside quotes.
fn split_element(list: &[u8]) -> (&[u8], &[u8]) {
    split_outside_quotes(list, b',')
}

fn before_parameters(element: &[u8]) -> &[u8] {
    split_outside_quotes(element, b';').0
}
