//! A response as the edge holds it: whole, or still arriving. Every viewer of it is answered from the same one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use http::{HeaderMap, HeaderName, StatusCode, header};
use rillcast_http::Growing;

use crate::cache::{
    freshness::{Lifetime, Reason},
    key::Key,
    purge::{Epoch, Standing, SurrogateId},
};

/// What a cache groups responses by, to purge them together.
pub(crate) const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
/// Most surrogate keys of one object that are heeded; an object with more is not stored.
pub(crate) const SURROGATE_KEYS_MAX: usize = 64;
/// Bytes an object costs beside its body and its text: tables, headers, handles.
const OVERHEAD_BYTES: u64 = 1024;

/// A response. Immutable but for its marks; what a 304 changes is another object with the same body.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) key: Key,
    pub(crate) status: StatusCode,
    /// End-to-end fields as the upstream sent them, without `Age`.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Growing,
    pub(crate) lifetime: Lifetime,
    /// Why only those who wait for it now may be answered from it; `None` where it is for all.
    pub(crate) unstored: Option<Reason>,
    pub(crate) marks: Marks,
    pub(crate) surrogates: Box<[SurrogateId]>,
}

/// What happens to an object after it was made.
#[derive(Debug)]
pub(crate) struct Marks {
    /// The epoch of purges in which its fill began.
    pub(crate) born: Epoch,
    /// The last epoch at which no purge meant it.
    checked: AtomicU64,
    /// A purge asked to have it validated before it is used again, or to use it no more without its origin.
    is_stale: AtomicBool,
    /// It may have been purged, and nobody here knows: it is used no more without its origin, whatever it says.
    is_doubtful: AtomicBool,
    /// Another has taken its place, or the cache has let go of it.
    is_gone: AtomicBool,
}

impl Marks {
    pub(crate) fn new(born: Epoch) -> Self {
        Self {
            born,
            checked: AtomicU64::new(born.number()),
            is_stale: AtomicBool::new(false),
            is_doubtful: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
        }
    }

    pub(crate) fn checked(&self) -> u64 {
        self.checked.load(Ordering::Acquire)
    }

    pub(crate) fn set_checked(&self, epoch: Epoch) {
        self.checked.fetch_max(epoch.number(), Ordering::AcqRel);
    }

    /// What purges up to the last one that was looked at left of it.
    pub(crate) fn standing(&self) -> Standing {
        if self.is_doubtful.load(Ordering::Acquire) {
            Standing::Doubtful
        } else if self.is_stale.load(Ordering::Acquire) {
            Standing::Stale
        } else {
            Standing::Valid
        }
    }

    pub(crate) fn set_stale(&self) {
        self.is_stale.store(true, Ordering::Release);
    }

    pub(crate) fn set_doubtful(&self) {
        self.is_doubtful.store(true, Ordering::Release);
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    pub(crate) fn set_gone(&self) {
        self.is_gone.store(true, Ordering::Release);
    }
}

impl Object {
    /// What it takes of the cache's memory, in bytes.
    pub(crate) fn weight_bytes(&self) -> u64 {
        let text: usize =
            self.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 64).sum();
        let text = u64::try_from(text.saturating_add(self.key.text_len())).unwrap_or(u64::MAX);
        // Slab ranges are whole pages.
        let body = self.body.arrived().div_ceil(4096).saturating_mul(4096);
        body.saturating_add(text).saturating_add(OVERHEAD_BYTES)
    }

    /// The same body with the fields and the lifetime that a 304 gave it.
    pub(crate) fn validated(
        &self,
        headers: HeaderMap,
        lifetime: Lifetime,
        unstored: Option<Reason>,
        born: Epoch,
    ) -> Arc<Self> {
        let surrogates = surrogates(&headers).unwrap_or_default();
        Arc::new(Self {
            key: self.key.clone(),
            status: self.status,
            headers,
            body: self.body.clone(),
            lifetime,
            unstored,
            marks: Marks::new(born),
            surrogates,
        })
    }

    /// Whether it may be kept.
    pub(crate) fn is_storable(&self) -> bool {
        self.unstored.is_none()
    }

    /// Its age at `now`, in whole seconds (RFC 9111 §4.2.3).
    pub(crate) fn age_s(&self, now: SystemTime) -> u64 {
        self.lifetime.age(now).as_secs()
    }

    /// Whether it is one of the kinds of text that clients take compressed.
    pub(crate) fn is_compressible(&self) -> bool {
        self.status == StatusCode::OK
            && !self.headers.contains_key(header::CONTENT_ENCODING)
            && self.headers.get(header::CONTENT_TYPE).is_some_and(is_text)
    }
}

/// Playlists, manifests and what pages are made of.
fn is_text(content_type: &http::HeaderValue) -> bool {
    let Ok(text) = content_type.to_str() else { return false };
    let essence = text.split(';').next().unwrap_or_default().trim();
    let (kind, subtype) = essence.split_once('/').unwrap_or_default();
    kind.eq_ignore_ascii_case("text")
        || ["vnd.apple.mpegurl", "x-mpegurl", "dash+xml", "json", "javascript", "xml", "svg+xml"]
            .iter()
            .any(|known| subtype.eq_ignore_ascii_case(known))
}

/// The surrogate keys that `headers` give; `None` when there are more than are heeded.
pub(crate) fn surrogates(headers: &HeaderMap) -> Option<Box<[SurrogateId]>> {
    let mut ids = Vec::new();
    for field in headers.get_all(SURROGATE_KEY) {
        for key in field.as_bytes().split(u8::is_ascii_whitespace).filter(|key| !key.is_empty()) {
            if ids.len() == SURROGATE_KEYS_MAX {
                return None;
            }
            ids.push(SurrogateId::of(key));
        }
    }
    Some(ids.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surrogate_keys_are_read_to_the_limit_and_not_one_past_it() {
        let of = |count: usize| {
            let field = (0..count).map(|number| format!("k{number}")).collect::<Vec<_>>().join("  ");
            surrogates(&HeaderMap::from_iter([(SURROGATE_KEY, field.parse().unwrap())])).map(|ids| ids.len())
        };
        assert_eq!(of(SURROGATE_KEYS_MAX), Some(SURROGATE_KEYS_MAX));
        assert_eq!(of(SURROGATE_KEYS_MAX + 1), None);
        assert_eq!(surrogates(&HeaderMap::new()).map(|ids| ids.len()), Some(0));
    }

    #[test]
    fn playlists_and_pages_are_text_and_media_is_not() {
        for (content_type, expected) in [
            ("application/vnd.apple.mpegurl", true),
            ("text/html; charset=utf-8", true),
            ("Application/DASH+XML", true),
            ("application/json", true),
            ("video/mp4", false),
            ("video/mp2t", false),
            ("application/octet-stream", false),
            ("image/jpeg", false),
        ] {
            assert_eq!(is_text(&content_type.parse().unwrap()), expected, "{content_type}");
        }
    }
}
