//! Where indexes of files are kept.

use std::env;
use std::path::{Path, PathBuf};

use rillcast_origin::index::{IndexSettings, Place};

use super::MIB;
use super::raw::{RawIndex, RawOrigin};

/// Where indexes of files are kept, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexConfig {
    kept: Kept,
    limit_bytes: u64,
    packed_audio: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    At(Place),
    Off,
    /// Meant to be in the cache directory, but nothing says where that is.
    Nowhere,
}

impl IndexConfig {
    /// The settings for the files in `root`; none when there are no indexes.
    pub(crate) fn settings(&self, root: &Path) -> Option<IndexSettings> {
        let Kept::At(place) = &self.kept else { return None };
        let (limit_bytes, packed_audio) = (self.limit_bytes, self.packed_audio);
        Some(IndexSettings { place: place.clone(), root: root.to_owned(), limit_bytes, packed_audio })
    }

    /// What to tell the operator about indexes that are meant to be and are not.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        let advice = "no cache directory is known, so files are parsed whenever they are opened: name one in \
                      origin.index_dir, or set XDG_CACHE_HOME (CacheDirectory= in systemd)";
        (self.kept == Kept::Nowhere).then_some(advice)
    }
}

/// Types what the file says.
pub(super) fn check(raw: &RawOrigin) -> IndexConfig {
    let kept = match raw.index {
        RawIndex::Off => Kept::Off,
        RawIndex::Beside => Kept::At(Place::Beside),
        RawIndex::Cache if raw.index_dir.as_os_str().is_empty() => {
            cache_folder().map_or(Kept::Nowhere, |folder| Kept::At(Place::Cache(folder.join("index"))))
        }
        RawIndex::Cache => Kept::At(Place::Cache(raw.index_dir.clone())),
    };
    IndexConfig { kept, limit_bytes: raw.index_mib.saturating_mul(MIB), packed_audio: raw.packed_audio }
}

/// Our cache directory: systemd's, else that of the user (XDG Base Directory Specification).
fn cache_folder() -> Option<PathBuf> {
    let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("CACHE_DIRECTORY")
        .or_else(|| absolute("XDG_CACHE_HOME").map(|folder| folder.join("rillcast")))
        .or_else(|| absolute("HOME").map(|folder| folder.join(".cache/rillcast")))
}
