//! Real media files outside the repository: `RILLCAST_CORPUS`, else `../shared/corpus` beside the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::tools;

/// One file of the corpus.
pub(crate) struct Entry {
    /// Its name below the corpus directory, which is its name below `/vod/` too.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// What `rillcast inspect --json` says of it.
    pub(crate) facts: Value,
}

impl Entry {
    pub(crate) fn playable(&self) -> bool {
        self.facts["playable"] == true
    }
}

/// The corpus directory; `None`, after a message, where there is none and nobody demands one.
pub(crate) fn dir() -> Option<PathBuf> {
    let dir = tools::variable("RILLCAST_CORPUS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus"), PathBuf::from);
    if dir.is_dir() {
        return Some(dir);
    }
    tools::skip(&format!("no corpus at {} (RILLCAST_CORPUS names another directory)", dir.display()));
    None
}

/// The MP4 files of the corpus by name; `None` as in [`dir`].
pub(crate) fn files() -> Option<Vec<Entry>> {
    let dir = dir()?;
    let entries = std::fs::read_dir(&dir).expect("the corpus can be listed");
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the corpus can be listed").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "mp4"));
    paths.sort();
    assert!(!paths.is_empty(), "no MP4 file in {}", dir.display());
    Some(paths.into_iter().map(inspect).collect())
}

/// What `rillcast inspect` says of any file.
pub(crate) fn inspect(path: PathBuf) -> Entry {
    let output = Command::new(env!("CARGO_BIN_EXE_rillcast")).args(["inspect", "--json"]).arg(&path).output();
    let output = output.expect("the binary was built for this test");
    let facts = serde_json::from_slice(&output.stdout).expect("--json prints JSON");
    let name = path.file_name().expect("it was listed in a directory").to_string_lossy().into_owned();
    Entry { name, path, facts }
}
