//! What the cache did for a request, in a header (RFC 9211) and in a word.
//!
//! ```text
//!  Cache-Status: rillcast; hit; ttl=40
//!  Cache-Status: rillcast; fwd=uri-miss; fwd-status=200; stored; ttl=60
//!  Cache-Status: rillcast; fwd=stale; fwd-status=502; detail=stale_if_error
//! ```
//!
//! The words of [`Outcome`] label log lines and metrics: there are as many as there are variants, and no more.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use rillcast_http::Fields;

/// The field.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Our name in it.
const NAME: &str = "rillcast";

/// Where a response came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// From the cache, fresh.
    Hit,
    /// From the cache, stale, while a new one is fetched.
    Stale,
    /// From the cache, stale, because no new one could be had.
    StaleIfError,
    /// From the cache, after the upstream had said that it is still good.
    Revalidated,
    /// From an upstream; what was here was stale.
    Expired,
    /// From an upstream; there was nothing here.
    Miss,
    /// From an upstream; there was another variant here.
    VariantMiss,
    /// From a fill that another request had begun.
    Collapsed,
    /// From an upstream, past the cache.
    Bypass,
    /// From the origin in this process, which nothing is copied from.
    Direct,
    /// Made here: a refusal, a redirect, an error of our own.
    Local,
}

impl Outcome {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 11] = [
        Self::Hit,
        Self::Stale,
        Self::StaleIfError,
        Self::Revalidated,
        Self::Expired,
        Self::Miss,
        Self::VariantMiss,
        Self::Collapsed,
        Self::Bypass,
        Self::Direct,
        Self::Local,
    ];

    /// Where it stands in [`Self::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// A stable word for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::StaleIfError => "stale_if_error",
            Self::Revalidated => "revalidated",
            Self::Expired => "expired",
            Self::Miss => "miss",
            Self::VariantMiss => "variant_miss",
            Self::Collapsed => "collapsed",
            Self::Bypass => "bypass",
            Self::Direct => "direct",
            Self::Local => "local",
        }
    }

    /// Whether no upstream had to be waited for: what a hit ratio counts.
    pub const fn is_hit(self) -> bool {
        matches!(self, Self::Hit | Self::Stale)
    }

    /// How the field begins (§2.1, §2.2); `None` where it must not be sent.
    const fn parameter(self) -> Option<&'static str> {
        Some(match self {
            Self::Hit | Self::Stale => "hit",
            Self::StaleIfError | Self::Revalidated | Self::Expired => "fwd=stale",
            Self::Miss => "fwd=uri-miss",
            Self::VariantMiss => "fwd=vary-miss",
            // Why the other request went on is its own affair: `miss` says no more than that.
            Self::Collapsed => "fwd=miss",
            Self::Bypass | Self::Direct => "fwd=bypass",
            Self::Local => return None,
        })
    }
}

/// What the cache did for one request. Fill in what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStatus {
    /// Where the response came from.
    pub outcome: Outcome,
    /// Seconds for which it stays fresh; negative if it is stale (§2.4).
    pub ttl: Option<i64>,
    /// What the upstream answered, if it was asked (§2.3).
    pub forward_status: Option<StatusCode>,
    /// The response was, or is being, stored (§2.5).
    pub stored: bool,
    /// One more word, e.g. why the response is not stored: letters, digits and underscores (§2.8).
    pub detail: Option<&'static str>,
}

impl CacheStatus {
    /// That of an outcome of which nothing else is known.
    pub const fn new(outcome: Outcome) -> Self {
        Self { outcome, ttl: None, forward_status: None, stored: false, detail: None }
    }

    /// The field, if there is one.
    pub fn to_fields(&self) -> Fields {
        self.to_value().map(|value| (CACHE_STATUS, value)).into_iter().collect()
    }

    /// The member of the list that is ours; `None` for responses that no origin has made (§2).
    pub fn to_value(&self) -> Option<HeaderValue> {
        let mut text = String::with_capacity(112);
        text.push_str(NAME);
        text.push_str("; ");
        text.push_str(self.outcome.parameter()?);
        if let Some(status) = self.forward_status {
            text.push_str("; fwd-status=");
            text.push_str(status.as_str());
        }
        if self.outcome == Outcome::Collapsed {
            text.push_str("; collapsed");
        }
        if self.stored {
            text.push_str("; stored");
        }
        if let Some(ttl) = self.ttl {
            text.push_str("; ttl=");
            let _infallible = write!(text, "{}", bounded(ttl));
        }
        let detail = self.detail.or(match self.outcome {
            Outcome::Stale => Some("stale_while_revalidate"),
            Outcome::StaleIfError => Some("stale_if_error"),
            Outcome::Direct => Some("in_process"),
            _ => None,
        });
        if let Some(detail) = detail.filter(|word| is_token(word)) {
            text.push_str("; detail=");
            text.push_str(detail);
        }
        Some(HeaderValue::from_maybe_shared(Bytes::from(text)).expect("visible ASCII is a header value"))
    }

    /// Adds our member behind those of caches nearer to the origin, which are kept.
    pub fn append_to(&self, headers: &mut HeaderMap) {
        if let Some(value) = self.to_value() {
            headers.append(CACHE_STATUS, value);
        }
    }
}

/// An integer of a structured field has at most fifteen digits (RFC 8941 §3.3.1).
fn bounded(seconds: i64) -> i64 {
    const MAX: i64 = 999_999_999_999_999;
    seconds.clamp(-MAX, MAX)
}

/// Whether `word` may stand without quotes (RFC 8941 §3.3.4).
fn is_token(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_alphabetic())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: CacheStatus, expected: Option<&str>) {
        assert_eq!(status.to_value().as_ref().map(|value| value.to_str().unwrap()), expected);
    }

    #[test]
    fn the_field_says_what_rfc_9211_has_words_for() {
        let ok = Some(StatusCode::OK);
        let of = CacheStatus::new;
        for (status, expected) in [
            (CacheStatus { ttl: Some(40), ..of(Outcome::Hit) }, "rillcast; hit; ttl=40"),
            (
                CacheStatus { ttl: Some(-3), ..of(Outcome::Stale) },
                "rillcast; hit; ttl=-3; detail=stale_while_revalidate",
            ),
            (
                CacheStatus { ttl: Some(60), stored: true, forward_status: ok, ..of(Outcome::Miss) },
                "rillcast; fwd=uri-miss; fwd-status=200; stored; ttl=60",
            ),
            (
                CacheStatus { forward_status: ok, detail: Some("no_store"), ..of(Outcome::Miss) },
                "rillcast; fwd=uri-miss; fwd-status=200; detail=no_store",
            ),
            (
                CacheStatus { forward_status: Some(StatusCode::NOT_MODIFIED), ..of(Outcome::Revalidated) },
                "rillcast; fwd=stale; fwd-status=304",
            ),
            (
                CacheStatus { forward_status: Some(StatusCode::BAD_GATEWAY), ..of(Outcome::StaleIfError) },
                "rillcast; fwd=stale; fwd-status=502; detail=stale_if_error",
            ),
            (of(Outcome::Expired), "rillcast; fwd=stale"),
            (of(Outcome::VariantMiss), "rillcast; fwd=vary-miss"),
            (of(Outcome::Collapsed), "rillcast; fwd=miss; collapsed"),
            (of(Outcome::Bypass), "rillcast; fwd=bypass"),
            (of(Outcome::Direct), "rillcast; fwd=bypass; detail=in_process"),
        ] {
            check(status, Some(expected));
        }
    }

    #[test]
    fn what_we_make_ourselves_has_no_cache_status() {
        check(CacheStatus::new(Outcome::Local), None);
        let mut headers = HeaderMap::new();
        CacheStatus::new(Outcome::Local).append_to(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn what_cannot_stand_in_a_structured_field_is_bounded_or_left_out() {
        let with = |ttl, detail| CacheStatus {
            ttl: Some(ttl),
            detail: Some(detail),
            ..CacheStatus::new(Outcome::Hit)
        };
        check(with(i64::MAX, "a b"), Some("rillcast; hit; ttl=999999999999999"));
        check(with(i64::MIN, "\"\r\n"), Some("rillcast; hit; ttl=-999999999999999"));
        check(with(0, ""), Some("rillcast; hit; ttl=0"));
        check(with(0, "a_1"), Some("rillcast; hit; ttl=0; detail=a_1"));
    }

    #[test]
    fn members_of_other_caches_stay_in_front() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_STATUS, HeaderValue::from_static("Shield; hit"));
        CacheStatus::new(Outcome::Miss).append_to(&mut headers);
        let members: Vec<_> =
            headers.get_all(CACHE_STATUS).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(members, ["Shield; hit", "rillcast; fwd=uri-miss"]);
    }

    #[test]
    fn each_outcome_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Outcome::ALL.map(Outcome::as_str).into();
        assert_eq!(words.len(), Outcome::ALL.len());
        assert!(Outcome::ALL.into_iter().enumerate().all(|(at, outcome)| outcome.index() == at));
        let hits: Vec<_> = Outcome::ALL.into_iter().filter(|outcome| outcome.is_hit()).collect();
        assert_eq!(hits, [Outcome::Hit, Outcome::Stale]);
    }
}
