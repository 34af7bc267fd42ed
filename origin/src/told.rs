//! What the operator was told already: what cannot be served or listed is worth one warning, not one a request.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::asset_path::AssetPath;
use crate::blob::{Stamp, Unlisted};

/// Paths that are remembered; one that falls out is told of again.
const MAX_TOLD: u64 = 4096;

/// How long a failure to read that was told of is not told of again.
const QUIET: Duration = Duration::from_secs(60);

/// Why a path is not served, and of which content that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Complaint {
    reason: &'static str,
    edition: Option<Stamp>,
}

/// What was said of late.
#[derive(Debug)]
pub(crate) struct Told {
    /// One a path.
    complaints: Cache<AssetPath, Complaint>,
    /// What could not be read within [`QUIET`], and what the system said.
    failures: Cache<(AssetPath, Option<i32>), ()>,
    /// What the last listing left out.
    unlisted: Mutex<Unlisted>,
}

impl Told {
    pub(crate) fn new() -> Self {
        let policy = EvictionPolicy::lru();
        let complaints = Cache::builder().max_capacity(MAX_TOLD).eviction_policy(policy.clone()).build();
        let failures =
            Cache::builder().max_capacity(MAX_TOLD).eviction_policy(policy).time_to_live(QUIET).build();
        Self { complaints, failures, unlisted: Mutex::default() }
    }

    /// Whether this is worth a warning: nothing, or something else, was said of `path` before. Of many who ask at once,
    /// one is told yes.
    pub(crate) fn is_news(&self, path: &AssetPath, reason: &'static str, edition: Option<Stamp>) -> bool {
        let complaint = Complaint { reason, edition };
        let replaced = self.complaints.entry_by_ref(path);
        replaced.or_insert_with_if(|| complaint.clone(), |before| *before != complaint).is_fresh()
    }

    /// Whether this failure to read is worth a line: the same was not told of `path` for a while.
    pub(crate) fn is_news_of_failure(&self, path: &AssetPath, error: &io::Error) -> bool {
        self.failures.entry((path.clone(), error.raw_os_error())).or_insert(()).is_fresh()
    }

    /// Whether a listing leaves out something, and something else than the one before it.
    pub(crate) fn is_news_of_listing(&self, unlisted: &Unlisted) -> bool {
        let mut before = self.unlisted.lock().unwrap_or_else(PoisonError::into_inner);
        let is_other = *before != *unlisted;
        before.clone_from(unlisted);
        is_other && unlisted.count > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_news_once_for_each_edition_reason_and_path() {
        let told = Told::new();
        let [one, other] = ["a.mp4", "b.mp4"].map(|path| AssetPath::new(path).expect("a clean path"));
        let editions = [None, Some(Stamp([1; 5])), Some(Stamp([2; 5]))];
        for path in [&one, &other] {
            for edition in editions {
                for reason in ["a link", "a folder"] {
                    assert!(told.is_news(path, reason, edition), "{path} {reason} {edition:?}");
                    assert!(!told.is_news(path, reason, edition), "{path} {reason} {edition:?} again");
                }
            }
        }
        // What was said of one path leaves the other's alone.
        assert!(!told.is_news(&one, "a folder", editions[2]));
    }

    #[test]
    fn a_failure_is_news_once_for_each_path_and_cause() {
        let told = Told::new();
        let [one, other] = ["a.mp4", "b.mp4"].map(|path| AssetPath::new(path).expect("a clean path"));
        for path in [&one, &other] {
            for number in [5, 24] {
                let error = io::Error::from_raw_os_error(number);
                assert!(told.is_news_of_failure(path, &error), "{path} {error}");
                assert!(!told.is_news_of_failure(path, &error), "{path} {error} again");
            }
        }
    }

    #[test]
    fn what_a_listing_leaves_out_is_news_once_until_it_is_something_else() {
        let told = Told::new();
        let of = |paths: &[&str]| {
            let mut unlisted = Unlisted::default();
            paths.iter().for_each(|path| unlisted.add((*path).to_owned(), "a link"));
            unlisted
        };
        let listings = [
            (of(&[]), false),
            (of(&["b"]), true),
            (of(&["b"]), false),
            (of(&["a"]), true),
            (of(&["b", "a"]), true),
            (of(&["a", "c"]), false),
            (of(&[]), false),
            (of(&["b"]), true),
        ];
        for (unlisted, is_news) in listings {
            assert_eq!(told.is_news_of_listing(&unlisted), is_news, "{unlisted:?}");
        }
    }
}
