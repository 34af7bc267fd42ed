//! What is written in the files.

use crate::tree::{File, Tree};

/// The crates that take bytes and times and give bytes and events back.
const PURE: [&str; 2] = ["origin/media/src/", "origin/audit/src/"];

/// What only an impure crate writes.
const WORLD: [&str; 9] = [
    "std::fs",
    "std::net",
    "std::thread",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime",
    "async fn",
    ".await",
];

// The next three are written in halves, so that this file does not break its own rules.

/// The lint attribute that says nothing when it is no longer needed.
const SILENCER: &str = concat!("al", "low(");

/// Words that mark unfinished work.
const LOOSE_ENDS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Where a path into somebody's own folder begins.
const HOMES: [&str; 3] = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];

/// The lines that break a rule, as `path:line: text`.
fn lines<'a>(files: impl Iterator<Item = &'a File>, breaks: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        let broken = file.text.lines().enumerate().filter(|(_, line)| breaks(line));
        found.extend(broken.map(|(index, line)| format!("{}:{}: {}", file.path, index + 1, line.trim())));
    }
    found
}

/// Files that people write: code, and what stands beside it. Golden files and lock files are written by programs.
fn written(tree: &Tree) -> impl Iterator<Item = &File> {
    let extensions = ["rs", "ts", "mjs", "js", "css", "html", "sh", "toml", "md", "json", "sql"];
    tree.files.iter().filter(move |file| {
        let by_hand = file.is(&extensions) || ["Makefile", "run"].contains(&file.name());
        by_hand && file.name() != "package-lock.json" && !file.below("golden") && !file.below("corpus")
    })
}

/// Attributes that allow a lint instead of expecting it.
pub(crate) fn silenced_lints(tree: &Tree) -> Vec<String> {
    let rust = tree.files.iter().filter(|file| file.is(&["rs"]));
    lines(rust, |line| {
        let code = line.trim_start();
        let attribute = code.starts_with("#[") || code.starts_with("#![");
        let arguments = code.split_once('[').map_or("", |(_, arguments)| arguments);
        attribute
            && (arguments.starts_with(SILENCER)
                || arguments.starts_with("cfg_attr") && arguments.contains(SILENCER))
    })
}

/// Marks of unfinished work without the number of an issue behind them, as in `…(#12)`.
pub(crate) fn loose_ends(tree: &Tree) -> Vec<String> {
    lines(written(tree), |line| LOOSE_ENDS.iter().any(|word| has_loose_end(line, word)))
}

fn has_loose_end(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let (before, rest) = line.split_at(at);
        let after = rest.strip_prefix(word).unwrap_or_default();
        let in_a_word = |neighbour: Option<char>| neighbour.is_some_and(|letter| letter.is_alphanumeric());
        let whole = !in_a_word(before.chars().next_back()) && !in_a_word(after.chars().next());
        let issue = after.strip_prefix("(#").and_then(|rest| rest.split_once(')'));
        let numbered = issue.is_some_and(|(number, _)| number.parse::<u32>().is_ok());
        whole && !numbered
    })
}

/// Tabs, spaces at the end of a line, carriage returns, and a wrong end of the file.
pub(crate) fn untidy_lines(tree: &Tree) -> Vec<String> {
    // A recipe in a Makefile begins with a tab: make asks for it.
    let tab = |file: &File, line: &str| {
        line.trim_start_matches('\t').contains('\t') || (line.starts_with('\t') && file.name() != "Makefile")
    };
    let mut found = Vec::new();
    for file in written(tree) {
        let untidy = |line: &str| line.ends_with([' ', '\t', '\r']) || tab(file, line);
        // Not `lines()`: it takes a carriage return for part of the line's end.
        let broken = file.text.split('\n').enumerate().filter(|(_, line)| untidy(line));
        found.extend(broken.map(|(index, _)| format!("{}:{}", file.path, index + 1)));
        let ends_well = file.text.ends_with('\n') && !file.text.ends_with("\n\n");
        if !ends_well && !file.text.is_empty() {
            found.push(format!("{}: its end", file.path));
        }
    }
    found
}

/// Uses of files, sockets, threads, clocks and async in crates that promise to have none; their tests may read files.
pub(crate) fn impurities(tree: &Tree) -> Vec<String> {
    let is_pure = |file: &&File| PURE.iter().any(|folder| file.path.starts_with(folder));
    let is_test = |file: &File| file.name() == "tests.rs" || file.below("tests");
    let pure = tree.files.iter().filter(is_pure).filter(|file| file.is(&["rs"]) && !is_test(file));
    lines(pure, |line| !line.trim_start().starts_with("//") && WORLD.iter().any(|word| line.contains(word)))
}

/// Paths into somebody's own folder.
pub(crate) fn home_paths(tree: &Tree) -> Vec<String> {
    lines(written(tree), |line| HOMES.iter().any(|home| line.contains(home)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one text, under `path`.
    fn tree(path: &str, text: &str) -> Tree {
        Tree::of(&[(path, text)])
    }

    #[test]
    fn a_silenced_lint_is_found() {
        let silent = format!("#[{SILENCER}dead_code)]\n#![{SILENCER}x)]\n  #[cfg_attr(test, {SILENCER}x)]\n");
        assert_eq!(silenced_lints(&tree("a.rs", &silent)).len(), 3);
        let fine = format!("#[expect(dead_code, reason = \"r\")]\n// says #[{SILENCER}x)]\n");
        assert!(silenced_lints(&tree("a.rs", &fine)).is_empty());
    }

    #[test]
    fn a_loose_end_is_found_unless_it_names_an_issue() {
        for word in LOOSE_ENDS {
            assert_eq!(
                loose_ends(&tree("a.rs", &format!("ok\n// {word}: later"))),
                [format!("a.rs:2: // {word}: later")]
            );
            assert_eq!(loose_ends(&tree("a.rs", &format!("{word}(#soon)"))).len(), 1);
            assert!(loose_ends(&tree("a.rs", &format!("{word}(#12) x{word} {word}1"))).is_empty());
        }
    }

    #[test]
    fn untidy_white_space_is_found() {
        let text = "fine\nspace \n\ttab\nmid\tdle\ncarriage\r\nno end";
        assert_eq!(
            untidy_lines(&tree("a.rs", text)),
            ["a.rs:2", "a.rs:3", "a.rs:4", "a.rs:5", "a.rs: its end"]
        );
        assert_eq!(untidy_lines(&tree("a.md", "two\n\n")), ["a.md: its end"]);
        assert!(untidy_lines(&tree("Makefile", "all:\n\ttrue\n")).is_empty());
        assert!(untidy_lines(&tree("a/golden/b.json", "x \n")).is_empty());
    }

    #[test]
    fn io_in_a_pure_crate_is_found() {
        let text = "use std::fs;\n// no std::fs here\n";
        assert_eq!(
            impurities(&tree("origin/media/src/plan.rs", text)),
            ["origin/media/src/plan.rs:1: use std::fs;"]
        );
        assert!(impurities(&tree("origin/media/src/plan/tests.rs", text)).is_empty());
        assert!(impurities(&tree("origin/src/blob.rs", text)).is_empty());
    }

    #[test]
    fn a_path_into_a_home_is_found() {
        assert_eq!(home_paths(&tree("README.md", &format!("cd {}ada/rillcast\n", HOMES[0]))).len(), 1);
        assert!(home_paths(&tree("README.md", "cd rillcast\n")).is_empty());
    }
}
