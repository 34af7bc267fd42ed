//! The rules of the house, held by `cargo test`: who may depend on whom, how files are named, how long they may be.
//!
//! Each rule is a function over data that returns what breaks it, so that it can be shown a bad example; the tests at the foot
//! of its module do that. Here each rule meets the real tree, and its message says how to mend what it found.
//!
//! - [`crates`]: the manifests. The table of allowed edges is there.
//! - [`layout`]: where files are and what they are called.
//! - [`sources`]: what is written in them.
//! - [`tree`]: reading the tree, the only part that touches the disk.

#[path = "architecture/crates.rs"]
mod crates;
#[path = "architecture/layout.rs"]
mod layout;
#[path = "architecture/sources.rs"]
mod sources;
#[path = "architecture/tree.rs"]
mod tree;

use tree::Tree;

/// Fails with every finding of a rule and with the way to mend it.
#[track_caller]
fn holds(findings: &[String], mend: &str) {
    assert!(findings.is_empty(), "{} found:\n  {}\n{mend}", findings.len(), findings.join("\n  "));
}

#[test]
fn crates_depend_downward_only() {
    holds(
        &crates::forbidden_edges(&crates::read()),
        "Turn the dependency round, or move the code down. A new edge or crate needs a decision (decisions/NNNN-title.md) \
         and a line in ALLOWED of tests/architecture/crates.rs.",
    );
}

#[test]
fn pure_crates_use_listed_dependencies_only() {
    holds(
        &crates::foreign_dependencies(&crates::read()),
        "Do without, or put the code where I/O is at home (origin, edge/http). A new entry in ONLY needs a decision.",
    );
}

#[test]
fn versions_are_written_once() {
    holds(
        &crates::own_versions(&Tree::read()),
        "Put the version into [workspace.dependencies] of the root Cargo.toml and write `name.workspace = true` here.",
    );
}

#[test]
fn every_crate_takes_the_workspace_lints() {
    holds(
        &crates::missing_lints(&Tree::read()),
        "Write `[lints]` with `workspace = true` into the manifest; only rillcast-sys has a table of its own, \
         and only there `unsafe` may stand.",
    );
}

#[test]
fn every_manifest_is_a_member() {
    holds(
        &crates::strangers(&Tree::read(), &crates::read()),
        "Add the folder to `members` in the root Cargo.toml: what is no member is neither built nor tested.",
    );
}

#[test]
fn names_are_nouns_of_the_field() {
    holds(
        &layout::banned_names(&Tree::read()),
        "Name the file after what it holds, with a word of the field; if no word fits, it holds several things: split it.",
    );
}

#[test]
fn modules_are_a_file_beside_a_folder() {
    holds(
        &layout::misplaced_modules(&Tree::read()),
        "Write foo.rs beside foo/; mod.rs is for the control domains in src/ and for tests/harness.",
    );
}

#[test]
fn no_file_is_too_long() {
    holds(
        &layout::long_files(&Tree::read()),
        "Split the file along its nouns: 150 lines are usual, 450 call for a second look, 800 are the end.",
    );
}

#[test]
fn every_fuzz_target_has_a_corpus() {
    holds(
        &layout::fuzz_gaps(&Tree::read()),
        "Keep seeds of each target in fuzz/corpus/TARGET/, so that `cargo test` replays them; remove corpora without a target.",
    );
}

#[test]
fn every_decision_has_a_status() {
    holds(
        &layout::decisions_without_status(&Tree::read()),
        "Name it decisions/NNNN-title.md and give it a line `Status: proposed.`, `Status: accepted.` or \
         `Status: superseded by NNNN.`",
    );
}

#[test]
fn every_golden_file_is_compared() {
    holds(
        &layout::unused_golden_files(&Tree::read()),
        "Name the file in the test that compares it, or remove it: a golden file nobody reads proves nothing.",
    );
}

#[test]
fn lints_are_expected_not_allowed() {
    holds(
        &sources::silenced_lints(&Tree::read()),
        "Write #[expect(lint, reason = \"…\")]: it tells when it is no longer needed.",
    );
}

#[test]
fn no_work_is_left_without_an_issue() {
    holds(
        &sources::loose_ends(&Tree::read()),
        "Do it now, or open an issue and write its number: `…(#12)` behind the word.",
    );
}

#[test]
fn white_space_is_clean() {
    holds(
        &sources::untidy_lines(&Tree::read()),
        "Use spaces, none at the end of a line, and end the file with one newline.",
    );
}

#[test]
fn pure_crates_touch_no_world() {
    holds(
        &sources::impurities(&Tree::read()),
        "These crates take bytes and times and give bytes back. Do the I/O, waiting and clock reading in the caller.",
    );
}

#[test]
fn no_path_names_a_home() {
    holds(
        &sources::home_paths(&Tree::read()),
        "Paths are relative to the repository, or come from the environment: nobody else has this folder.",
    );
}
