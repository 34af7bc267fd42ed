//! Where files are and what they are called.

use crate::tree::{File, Tree};

/// Names that say nothing about what is inside.
const BANNED: [&str; 10] =
    ["utils", "util", "helpers", "helper", "common", "misc", "types", "manager", "managers", "base"];

/// Past this a file of code holds more than one thing.
const FILE_LINES_MAX: usize = 800;

/// The control domains: there four equal files in a folder are the point, and mod.rs is one of them.
const DOMAINS: [&str; 9] =
    ["auth", "catalog", "uploads", "live", "payments", "analytics", "discovery", "p2p", "compat"];

/// Folders whose .rs files cargo finds by itself: crate roots, or targets of their own.
const CARGO_FOLDERS: [&str; 6] = ["src", "src/bin", "tests", "benches", "examples", "fuzz_targets"];

/// Files and folders of code with a banned name.
pub(crate) fn banned_names(tree: &Tree) -> Vec<String> {
    let banned = |part: &str| BANNED.contains(&part.split('.').next().unwrap_or(part));
    let in_code = tree.code().filter(|file| file.path.split('/').any(banned));
    in_code.map(|file| file.path.clone()).collect()
}

/// Modules that are neither foo.rs beside foo/ nor one of the exceptions.
pub(crate) fn misplaced_modules(tree: &Tree) -> Vec<String> {
    let rust = tree.files.iter().filter(|file| file.is(&["rs"]));
    rust.filter(|file| misplaced(tree, file)).map(|file| file.path.clone()).collect()
}

fn misplaced(tree: &Tree, file: &File) -> bool {
    let folder = file.folder();
    if file.name() == "mod.rs" {
        // A tests/harness.rs would be a test of its own, so the harness is the one folder with a mod.rs there.
        let domain = folder.strip_prefix("src/").is_some_and(|name| DOMAINS.contains(&name));
        let harness = folder == "tests/harness" || folder.ends_with("/tests/harness");
        return !domain && !harness;
    }
    let is_crate_folder = |crate_folder: &str| tree.has(&join(crate_folder, "Cargo.toml"));
    let found_by_cargo = CARGO_FOLDERS
        .iter()
        .any(|name| folder == *name || folder.strip_suffix(&format!("/{name}")).is_some_and(is_crate_folder));
    let parents = [format!("{folder}.rs"), format!("{folder}/mod.rs"), format!("{folder}/main.rs")];
    let has_parent = parents.iter().any(|parent| tree.has(parent));
    !is_crate_folder(folder) && !found_by_cargo && !has_parent
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Files of code past the limit.
pub(crate) fn long_files(tree: &Tree) -> Vec<String> {
    let lines = tree.code().map(|file| (file, file.text.lines().count()));
    let long = lines.filter(|(_, lines)| *lines > FILE_LINES_MAX);
    long.map(|(file, lines)| format!("{}: {lines} lines", file.path)).collect()
}

/// Fuzz targets without a seed, and seeds without a target.
pub(crate) fn fuzz_gaps(tree: &Tree) -> Vec<String> {
    let targets: Vec<&str> = tree
        .files
        .iter()
        .filter(|file| file.folder() == "fuzz/libfuzzer/fuzz_targets")
        .filter_map(|file| file.name().strip_suffix(".rs"))
        .collect();
    if targets.is_empty() {
        return vec!["fuzz/libfuzzer/fuzz_targets holds no target".to_owned()];
    }
    let seeds = tree.files.iter().filter(|file| file.size_bytes > 0);
    let seeds: Vec<&str> =
        seeds.filter_map(|file| Some(file.path.strip_prefix("fuzz/corpus/")?.split_once('/')?.0)).collect();
    let bare = targets.iter().filter(|target| !seeds.contains(target));
    let bare = bare.map(|target| format!("{target} has no corpus"));
    let mut orphans: Vec<&str> = seeds.iter().copied().filter(|seed| !targets.contains(seed)).collect();
    orphans.dedup();
    bare.chain(orphans.iter().map(|orphan| format!("corpus {orphan} has no target"))).collect()
}

/// Decisions that do not say whether they hold, or have no number.
pub(crate) fn decisions_without_status(tree: &Tree) -> Vec<String> {
    let decisions = tree.files.iter().filter(|file| file.folder().rsplit('/').next() == Some("decisions"));
    let faulty = decisions.filter(|file| !(numbered(file) && file.text.lines().any(states)));
    faulty.map(|file| file.path.clone()).collect()
}

fn numbered(file: &File) -> bool {
    let (number, title) = file.name().split_once('-').unwrap_or_default();
    number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit()) && title.ends_with(".md")
}

fn states(line: &str) -> bool {
    let status = line.strip_prefix("Status: ").map(|status| status.trim_end_matches('.'));
    status.is_some_and(|status| {
        let successor = status.strip_prefix("superseded by ");
        let numbered = successor.is_some_and(|number| number.len() == 4 && number.parse::<u16>().is_ok());
        matches!(status, "proposed" | "accepted") || numbered
    })
}

/// Golden files whose name no test writes.
pub(crate) fn unused_golden_files(tree: &Tree) -> Vec<String> {
    let golden = tree.files.iter().filter(|file| file.below("golden"));
    let named = |file: &File| tree.code().any(|code| code.text.contains(file.name()));
    golden.filter(|file| !named(file)).map(|file| file.path.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_banned_name_is_found_in_files_and_folders() {
        let tree = Tree::of(&[
            ("a/src/utils.rs", ""),
            ("a/src/common/thing.rs", ""),
            ("a/src/types.test.ts", ""),
            ("a/src/movie.rs", ""),
            ("docs/common.md", ""),
        ]);
        assert_eq!(banned_names(&tree), ["a/src/utils.rs", "a/src/common/thing.rs", "a/src/types.test.ts"]);
    }

    #[test]
    fn a_misplaced_module_is_found() {
        let tree = Tree::of(&[
            ("Cargo.toml", ""),
            ("a/Cargo.toml", ""),
            ("a/build.rs", ""),
            ("a/src/lib.rs", ""),
            ("a/src/movie.rs", ""),
            ("a/src/movie/tests.rs", ""),
            ("a/src/plan/mod.rs", ""),
            ("a/src/lost/file.rs", ""),
            ("src/auth/mod.rs", ""),
            ("src/auth/store.rs", ""),
            ("src/page/mod.rs", ""),
            ("tests/harness/mod.rs", ""),
            ("a/tests/harness/mod.rs", ""),
            ("tests/vod.rs", ""),
        ]);
        assert_eq!(misplaced_modules(&tree), ["a/src/plan/mod.rs", "a/src/lost/file.rs", "src/page/mod.rs"]);
    }

    #[test]
    fn a_file_is_long_from_the_line_after_the_limit() {
        let at_limit = "\n".repeat(FILE_LINES_MAX);
        let past_it = "\n".repeat(FILE_LINES_MAX + 1);
        let tree = Tree::of(&[("a.rs", &at_limit), ("b.rs", &past_it), ("c.md", &past_it)]);
        assert_eq!(long_files(&tree), ["b.rs: 801 lines"]);
    }

    #[test]
    fn a_fuzz_target_without_a_corpus_is_found() {
        let tree = Tree::of(&[
            ("fuzz/libfuzzer/fuzz_targets/esds.rs", ""),
            ("fuzz/libfuzzer/fuzz_targets/mp4.rs", ""),
            ("fuzz/libfuzzer/fuzz_targets/nal.rs", ""),
            ("fuzz/corpus/mp4/one", "ftyp"),
            ("fuzz/corpus/nal/empty", ""),
            ("fuzz/corpus/old/one", "x"),
            ("fuzz/corpus/old/two", "y"),
        ]);
        assert_eq!(fuzz_gaps(&tree), ["esds has no corpus", "nal has no corpus", "corpus old has no target"]);
        assert_eq!(fuzz_gaps(&Tree::of(&[])).len(), 1, "targets that were moved away are not overlooked");
    }

    #[test]
    fn a_decision_without_a_status_is_found() {
        let tree = Tree::of(&[
            ("a/decisions/0001-good.md", "# Good\n\nStatus: accepted.\n"),
            ("a/decisions/0002-gone.md", "Status: superseded by 0001."),
            ("a/decisions/0003-vague.md", "Status: perhaps"),
            ("a/decisions/0004-none.md", "# None"),
            ("a/decisions/fifth.md", "Status: accepted"),
        ]);
        assert_eq!(
            decisions_without_status(&tree),
            ["a/decisions/0003-vague.md", "a/decisions/0004-none.md", "a/decisions/fifth.md"]
        );
    }

    #[test]
    fn a_golden_file_nobody_reads_is_found() {
        let tree = Tree::of(&[
            ("a/tests/golden/used.m3u8", ""),
            ("a/tests/golden/left.m3u8", ""),
            ("a/src/tests.rs", "include_str!(\"../tests/golden/used.m3u8\")"),
        ]);
        assert_eq!(unused_golden_files(&tree), ["a/tests/golden/left.m3u8"]);
    }
}
