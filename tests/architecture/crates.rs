//! Who may depend on whom, read from the manifests.
//!
//! Edges point downward only. Two walls matter most: the edge knows no media, and the origin knows neither viewers' tokens nor
//! the edge's cache; both follow from the table, and a test below says so for every path through it.

use crate::tree::{File, Tree};
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};

/// Our crates and what each may depend on, lowest first. Some are not written yet: their walls stand already.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("rillcast-media", &[]),
    ("rillcast-token", &[]),
    ("rillcast-sys", &[]),
    ("rillcast-audit", &[]),
    ("rillcast-fixtures", &[]),
    ("rillcast-ingest", &["rillcast-media"]),
    ("rillcast-http", &["rillcast-sys"]),
    ("rillcast-origin", &["rillcast-http", "rillcast-media", "rillcast-ingest"]),
    ("rillcast-edge", &["rillcast-http", "rillcast-token"]),
    ("rillcast", &BELOW_THE_BINARY),
    ("rillcast-bench", &BELOW_THE_TOOLS),
    ("rillcast-fuzz", &BELOW_THE_TOOLS),
];

/// What the composition root joins. System calls are reached through `rillcast-http`, which makes them safe.
const BELOW_THE_BINARY: [&str; 7] = [
    "rillcast-audit",
    "rillcast-edge",
    "rillcast-http",
    "rillcast-ingest",
    "rillcast-media",
    "rillcast-origin",
    "rillcast-token",
];

/// Load clients and fuzz targets may look at any crate, at sample media too, but nothing looks at them.
const BELOW_THE_TOOLS: [&str; 10] = [
    "rillcast",
    "rillcast-audit",
    "rillcast-edge",
    "rillcast-fixtures",
    "rillcast-http",
    "rillcast-ingest",
    "rillcast-media",
    "rillcast-origin",
    "rillcast-sys",
    "rillcast-token",
];

/// Crates that any test may use: sample media, and the auditor, which judges what packagers and servers made.
const TEST_ONLY: [&str; 2] = ["rillcast-audit", "rillcast-fixtures"];

/// The foreign crates that a pure crate may use (tests excepted).
const ONLY: [(&str, &[&str]); 2] =
    [("rillcast-media", &["bytes", "sha2", "thiserror"]), ("rillcast-audit", &["flate2", "serde"])];

/// Foreign crates that belong to the outermost layer: libraries return errors of their own.
const OUTERMOST: [&str; 1] = ["anyhow"];
const OUTERMOST_CRATES: [&str; 3] = ["rillcast", "rillcast-bench", "rillcast-fuzz"];

/// One dependency as declared.
#[derive(Debug)]
pub(crate) struct Edge {
    from: String,
    to: String,
    in_tests: bool,
}

/// The members of the workspace.
#[derive(Debug)]
pub(crate) struct Crates {
    edges: Vec<Edge>,
    /// Folder of each member from the root, empty for the root package.
    folders: BTreeMap<String, String>,
}

/// Asks cargo, without the network: declared dependencies need no resolution.
pub(crate) fn read() -> Crates {
    let root = env!("CARGO_MANIFEST_DIR");
    let metadata = MetadataCommand::new()
        .manifest_path(format!("{root}/Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo, which runs this test, can read the manifests");
    let mut crates = Crates { edges: Vec::new(), folders: BTreeMap::new() };
    for package in metadata.workspace_packages() {
        let from = package.name.to_string();
        let folder = package.manifest_path.parent().map_or("", |folder| folder.as_str());
        let folder = folder.strip_prefix(root).unwrap_or(folder).trim_start_matches('/');
        crates.folders.insert(from.clone(), folder.to_owned());
        crates.edges.extend(package.dependencies.iter().map(|dependency| Edge {
            from: from.clone(),
            to: dependency.name.clone(),
            in_tests: dependency.kind == DependencyKind::Development,
        }));
    }
    crates
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    ALLOWED.iter().find(|(from, _)| *from == name).map(|(_, to)| *to)
}

fn ours(name: &str) -> bool {
    name == "rillcast" || name.starts_with("rillcast-")
}

/// Edges between our crates that the table does not have, and crates it does not know.
pub(crate) fn forbidden_edges(crates: &Crates) -> Vec<String> {
    let unknown = crates.folders.keys().filter(|name| allowed(name).is_none());
    let unknown = unknown.map(|name| format!("{name} is not in the table"));
    let upward = crates.edges.iter().filter(|edge| ours(&edge.to) && !may_depend(edge));
    let upward = upward.map(|edge| {
        format!("{} depends on {}{}", edge.from, edge.to, if edge.in_tests { " in its tests" } else { "" })
    });
    unknown.chain(upward).collect()
}

/// Tests may also use the test crates, except that the auditor is tested without us: it is a second implementation.
fn may_depend(edge: &Edge) -> bool {
    let listed = allowed(&edge.from).is_some_and(|to| to.contains(&edge.to.as_str()));
    listed || (edge.in_tests && edge.from != "rillcast-audit" && TEST_ONLY.contains(&edge.to.as_str()))
}

/// Foreign dependencies of pure crates outside their list, and of libraries that belong to the binary.
pub(crate) fn foreign_dependencies(crates: &Crates) -> Vec<String> {
    let unwanted = |edge: &&Edge| {
        let listed = ONLY.iter().find(|(name, _)| *name == edge.from);
        let outside_list = listed.is_some_and(|(_, only)| !only.contains(&edge.to.as_str()));
        let too_low =
            OUTERMOST.contains(&edge.to.as_str()) && !OUTERMOST_CRATES.contains(&edge.from.as_str());
        !edge.in_tests && !ours(&edge.to) && (outside_list || too_low)
    };
    crates.edges.iter().filter(unwanted).map(|edge| format!("{} depends on {}", edge.from, edge.to)).collect()
}

/// Manifests in the tree that no workspace builds: not members, and not the root of a workspace themselves.
pub(crate) fn strangers(tree: &Tree, crates: &Crates) -> Vec<String> {
    let members: BTreeSet<&str> = crates.folders.values().map(String::as_str).collect();
    let stranger = |(file, table): &(&File, toml::Table)| {
        !table.contains_key("workspace") && !members.contains(file.folder())
    };
    manifests(tree).filter(stranger).map(|(file, _)| file.path.clone()).collect()
}

/// Members without the lints of the workspace, and a workspace that does not forbid `unsafe`.
pub(crate) fn missing_lints(tree: &Tree) -> Vec<String> {
    manifests(tree).filter_map(|(file, table)| lint_fault(file, &table)).collect()
}

fn lint_fault(file: &File, table: &toml::Table) -> Option<String> {
    let own_workspace = table.contains_key("workspace");
    let unsafe_code = table.get("workspace").and_then(|workspace| workspace.get("lints"));
    let unsafe_code = unsafe_code.and_then(|lints| lints.get("rust")?.get("unsafe_code")?.as_str());
    if file.path == "Cargo.toml" && unsafe_code != Some("forbid") {
        return Some("Cargo.toml does not forbid unsafe_code for the workspace".to_owned());
    }
    let name = table.get("package").and_then(|package| package.get("name")?.as_str());
    let taken = table.get("lints").and_then(|lints| lints.get("workspace")?.as_bool()) == Some(true);
    let own_table = table.get("lints").is_some_and(|lints| lints.get("rust").is_some());
    let exempt = (name == Some("rillcast-sys") && own_table) || (own_workspace && file.path != "Cargo.toml");
    (!taken && !exempt).then(|| format!("{} does not take the workspace's lints", file.path))
}

/// Dependencies of members whose version stands in the member instead of the root.
pub(crate) fn own_versions(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (file, table) in manifests(tree) {
        if table.contains_key("workspace") && file.path != "Cargo.toml" {
            continue;
        }
        let target_tables =
            table.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
        let tables = target_tables.filter_map(toml::Value::as_table).chain([&table]);
        for (name, value) in tables.flat_map(declared) {
            if value.get("workspace").and_then(toml::Value::as_bool) != Some(true) {
                found.push(format!("{}: {name}", file.path));
            }
        }
    }
    found
}

fn declared(table: &toml::Table) -> impl Iterator<Item = (&String, &toml::Value)> {
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    sections.into_iter().filter_map(|section| table.get(section)?.as_table()).flatten()
}

fn manifests(tree: &Tree) -> impl Iterator<Item = (&File, toml::Table)> {
    let files = tree.files.iter().filter(|file| file.name() == "Cargo.toml");
    files.map(|file| (file, file.text.parse().expect("cargo has read this manifest before us")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crates(edges: &[(&str, &str, bool)]) -> Crates {
        let edge = |(from, to, in_tests): &(&str, &str, bool)| Edge {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
            in_tests: *in_tests,
        };
        let edges: Vec<Edge> = edges.iter().map(edge).collect();
        let folders = edges.iter().map(|edge| (edge.from.clone(), edge.from.clone())).collect();
        Crates { edges, folders }
    }

    /// Everything `name` reaches through the table.
    fn reach(name: &'static str) -> BTreeSet<&'static str> {
        let mut found = BTreeSet::new();
        let mut open = vec![name];
        while let Some(next) = open.pop() {
            for below in allowed(next).expect("every name in the table has a row") {
                if found.insert(*below) {
                    open.push(below);
                }
            }
        }
        found
    }

    #[test]
    fn the_table_has_no_cycle() {
        for (name, _) in ALLOWED {
            assert!(!reach(name).contains(name), "{name} reaches itself");
        }
    }

    #[test]
    fn the_table_keeps_the_edge_free_of_media_and_the_origin_free_of_viewers() {
        let edge = reach("rillcast-edge");
        for media in ["rillcast-media", "rillcast-ingest", "rillcast-origin", "rillcast-audit"] {
            assert!(!edge.contains(media) && !reach("rillcast-http").contains(media), "{media}");
        }
        let origin = reach("rillcast-origin");
        assert!(!origin.contains("rillcast-edge") && !origin.contains("rillcast-token"));
    }

    #[test]
    fn an_upward_edge_is_found() {
        let found = forbidden_edges(&crates(&[
            ("rillcast-edge", "rillcast-media", false),
            ("rillcast-media", "rillcast-audit", true),
            ("rillcast-media", "rillcast-audit", false),
            ("rillcast-audit", "rillcast-media", true),
            ("rillcast-origin", "rillcast-media", false),
        ]));
        let expected = [
            "rillcast-edge depends on rillcast-media",
            "rillcast-media depends on rillcast-audit",
            "rillcast-audit depends on rillcast-media in its tests",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_crate_outside_the_table_is_found() {
        assert_eq!(
            forbidden_edges(&crates(&[("rillcast-glue", "bytes", false)])),
            ["rillcast-glue is not in the table"]
        );
    }

    #[test]
    fn a_foreign_crate_in_a_pure_one_is_found() {
        let found = foreign_dependencies(&crates(&[
            ("rillcast-media", "tokio", false),
            ("rillcast-media", "bytes", false),
            ("rillcast-media", "mp4", true),
            ("rillcast-http", "anyhow", false),
            ("rillcast-bench", "anyhow", false),
        ]));
        assert_eq!(found, ["rillcast-media depends on tokio", "rillcast-http depends on anyhow"]);
    }

    #[test]
    fn a_manifest_outside_the_workspace_is_found() {
        let tree = Tree::of(&[
            ("left/Cargo.toml", "[package]\nname = \"left\""),
            ("own/Cargo.toml", "[workspace]"),
            ("rillcast-http/Cargo.toml", ""),
        ]);
        assert_eq!(strangers(&tree, &crates(&[("rillcast-http", "bytes", false)])), ["left/Cargo.toml"]);
    }

    #[test]
    fn missing_lints_are_found() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace.lints.rust]\nunsafe_code = \"warn\"\n[lints]\nworkspace = true"),
            ("a/Cargo.toml", "[package]\nname = \"a\"\n[lints]\nworkspace = false"),
            ("b/Cargo.toml", "[package]\nname = \"b\"\n[lints]\nworkspace = true"),
            ("c/Cargo.toml", "[package]\nname = \"c\"\n[lints.rust]\nunsafe_code = \"warn\""),
            (
                "edge/sys/Cargo.toml",
                "[package]\nname = \"rillcast-sys\"\n[lints.rust]\nunsafe_code = \"warn\"",
            ),
        ]);
        let expected = [
            "Cargo.toml does not forbid unsafe_code for the workspace",
            "a/Cargo.toml does not take the workspace's lints",
            "c/Cargo.toml does not take the workspace's lints",
        ];
        assert_eq!(missing_lints(&tree), expected);
    }

    #[test]
    fn a_version_in_a_member_is_found() {
        let tree = Tree::of(&[(
            "a/Cargo.toml",
            "[dependencies]\nbytes = \"1\"\nhttp = { version = \"1\" }\nhyper.workspace = true\n\
             [target.'cfg(unix)'.dev-dependencies]\nrustix = \"1\"",
        )]);
        assert_eq!(
            own_versions(&tree),
            ["a/Cargo.toml: rustix", "a/Cargo.toml: bytes", "a/Cargo.toml: http"]
        );
    }
}
