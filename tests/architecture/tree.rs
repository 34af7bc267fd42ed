//! The tree as data: every text file that people write, with its path.

use std::fs;
use std::path::Path;

/// Folders that are made, not written, wherever they lie.
const MADE: [&str; 4] = [".git", "node_modules", "target", "dist"];

/// The same by path: elsewhere these names are ours (`origin/media` is a crate).
const MADE_PATHS: [&str; 4] = [".tools", "media", "bench/report", "bench/corpus"];

/// One file: its path from the root, with `/`, and its text (empty when it is not UTF-8).
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) size_bytes: u64,
}

impl File {
    /// The last part of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// The folder, without a slash at its end; empty at the root.
    pub(crate) fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// Whether the name ends in one of `extensions`.
    pub(crate) fn is(&self, extensions: &[&str]) -> bool {
        self.name().rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    /// Whether one of the folders above it is called `name`.
    pub(crate) fn below(&self, name: &str) -> bool {
        self.folder().split('/').any(|part| part == name)
    }
}

/// All files, ordered by path.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

impl Tree {
    /// The repository this test was built from.
    pub(crate) fn read() -> Self {
        let mut files = Vec::new();
        walk(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut files);
        files.sort_by(|a: &File, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// A tree for a bad example: paths with texts.
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
            size_bytes: text.len() as u64,
        };
        Self { files: files.iter().map(file).collect() }
    }

    /// Whether there is a file at `path`.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.path == path)
    }

    /// The files in which people write code.
    pub(crate) fn code(&self) -> impl Iterator<Item = &File> {
        self.files
            .iter()
            .filter(|file| file.is(&["rs", "ts", "mjs", "js", "css", "html", "sh"]) && !file.below("golden"))
    }
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository can be listed") {
        let entry = entry.expect("a folder of the repository can be listed");
        let name = entry.file_name().into_string().expect("file names are UTF-8");
        let kind = entry.file_type().expect("a file of the repository has a type");
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if kind.is_dir() {
            let made = MADE.contains(&name.as_str()) || MADE_PATHS.contains(&path.as_str());
            if !made {
                walk(&entry.path(), &path, files);
            }
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).expect("a file of the repository can be read");
            let size_bytes = bytes.len() as u64;
            files.push(File { path, text: String::from_utf8(bytes).unwrap_or_default(), size_bytes });
        }
    }
}

#[test]
fn the_tree_is_seen() {
    let tree = Tree::read();
    assert!(
        tree.has("Cargo.toml") && tree.has("origin/media/src/lib.rs") && tree.has("tests/architecture.rs")
    );
    assert!(!tree.files.iter().any(|file| file.below("node_modules") || file.path.starts_with("target/")));
}
