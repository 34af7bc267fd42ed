//! What the operator was told already: a file that cannot be served is worth one warning, not one a request.

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use crate::asset_path::AssetPath;
use crate::blob::Stamp;

/// Paths that are remembered; one that falls out is told of again.
const MAX_TOLD: u64 = 4096;

/// Why a path is not served, and of which content that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Complaint {
    reason: &'static str,
    edition: Option<Stamp>,
}

/// The complaints of late, one a path.
#[derive(Debug)]
pub(crate) struct Told(Cache<AssetPath, Complaint>);

impl Told {
    pub(crate) fn new() -> Self {
        let policy = EvictionPolicy::lru();
        Self(Cache::builder().max_capacity(MAX_TOLD).eviction_policy(policy).build())
    }

    /// Whether this is worth a warning: nothing, or something else, was said of `path` before. Of many who ask at once,
    /// one is told yes.
    pub(crate) fn is_news(&self, path: &AssetPath, reason: &'static str, edition: Option<Stamp>) -> bool {
        let complaint = Complaint { reason, edition };
        let replaced = self.0.entry_by_ref(path);
        replaced.or_insert_with_if(|| complaint.clone(), |before| *before != complaint).is_fresh()
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
}
