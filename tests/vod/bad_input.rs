//! Files that are no movies: told apart from our failures, where they are broken, and logged once each.

use rillcast_fixtures::{Node, Shape, Track};

use super::client::{get, send};
use super::films::{Library, film};
use super::harness::server::Server;

const REFUSED: &str = "an asset was refused";

/// Asks for `name`, checks that it is refused as a source with a lifetime, and returns (slug, box, offset, detail).
fn refusal(server: &Server, name: &str) -> (String, String, u64, String) {
    let answer = send(server.address(), "GET", &format!("/vod/{name}/master.m3u8"), &[]);
    assert_eq!(answer.status, 422, "{name}: {answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json", "{name}");
    assert_eq!(answer.header("access-control-allow-origin"), "*", "{name}");
    assert!(["no-store", "public, max-age=1"].contains(&answer.header("cache-control")), "{name}");
    assert_eq!(answer.header("etag"), "", "{name}");
    let problem = answer.json();
    let text = |key: &str| problem[key].as_str().unwrap_or_default().to_owned();
    assert_eq!(problem["status"], 422, "{name}");
    assert!(text("instance").ends_with(answer.header("x-request-id")), "{name}");
    let slug = text("type").strip_prefix("/problems/").expect("a problem of ours").to_owned();
    let offset = problem["offset"].as_u64().unwrap_or_else(|| panic!("{name}: no offset in {problem}"));
    (slug, text("box"), offset, text("detail"))
}

#[test]
fn a_broken_file_says_which_box_and_where() {
    let library = Library::new();
    let whole = Shape::new(vec![Track::avc(1, 25, 50, 100)]);
    let tree = whole.file();
    let moov = tree.offset("moov");
    let tables = tree.offset("moov/trak/mdia/minf/stbl");
    let sizes = tree.offset("moov/trak/mdia/minf/stbl/stsz");
    let outside = {
        let mut file = tree.clone();
        file.at("moov").claims = Some(u32::MAX);
        file
    };
    let no_index = {
        let mut file = tree.clone();
        file.remove("moov");
        file
    };
    let tiny = {
        let mut file = tree.clone();
        file.at("moov").claims = Some(7);
        file
    };
    let long_table = {
        let mut file = tree.clone();
        file.at("moov/trak/mdia/minf/stbl/stsz").set_u32(8, 1_000_000);
        file
    };
    let far = {
        let mut file = tree;
        file.at("moov/trak/mdia/minf/stbl/stco").set_u32(8, u32::MAX - 1);
        file
    };
    let no_index_len = no_index.bytes().len() as u64;
    let cases = [
        ("empty.mp4", Vec::new(), "source_invalid", "", 0),
        ("text.mp4", b"Once upon a time there was no movie".to_vec(), "source_invalid", "", 0),
        ("one-byte.mp4", vec![0], "source_invalid", "", 0),
        ("no-index.mp4", no_index.bytes(), "source_invalid", "moov", no_index_len),
        ("outside.mp4", outside.bytes(), "source_invalid", "moov", moov),
        ("tiny.mp4", tiny.bytes(), "source_invalid", "moov", moov),
        ("long-table.mp4", long_table.bytes(), "source_invalid", "stsz", sizes),
        ("far.mp4", far.bytes(), "source_invalid", "stbl", tables),
    ];
    for (name, bytes, ..) in &cases {
        library.put(name, bytes);
    }
    let server = library.serve();
    for (name, _, slug, fourcc, offset) in &cases {
        let (got_slug, got_box, got_offset, detail) = refusal(&server, name);
        let got = (got_slug.as_str(), got_box.as_str(), got_offset);
        assert_eq!(got, (*slug, *fourcc, *offset), "{name}: {detail}");
    }
    for (name, ..) in &cases {
        refusal(&server, name);
        let lines = server.log().lines().filter(|line| line.contains(REFUSED) && line.contains(name)).count();
        assert_eq!(lines, 1, "{name}: one line a content, not one a request");
    }
}

#[test]
fn a_copy_cut_short_anywhere_is_refused_or_whole() {
    let library = Library::new();
    let whole = film(4);
    let shape = Shape { index_first: false, ..Shape::new(vec![Track::avc(1, 25, 50, 100)]) };
    let index_last = shape.bytes();
    let mut names = Vec::new();
    for (kind, bytes) in [("first", &whole), ("last", &index_last)] {
        for part in 0..40 {
            let name = format!("{kind}-{part}.mp4");
            library.put(&name, &bytes[..bytes.len() * part / 40]);
            names.push(name);
        }
        let name = format!("{kind}-all-but-one.mp4");
        library.put(&name, &bytes[..bytes.len() - 1]);
        names.push(name);
    }
    let server = library.serve();
    for name in &names {
        let (slug, _, offset, _) = refusal(&server, name);
        assert_eq!(slug, "source_invalid", "{name}");
        let len = std::fs::metadata(library.at(name)).expect("it is there").len();
        assert!(offset <= len, "{name}: byte {offset} of {len}");
    }
}

#[test]
fn a_correct_file_of_a_kind_we_do_not_serve_is_unsupported_not_broken() {
    let library = Library::new();
    library.put("text-only.mp4", &Shape::new(vec![Track::text(1, 5)]).bytes());
    let mut encrypted = Shape::new(vec![Track::avc(1, 25, 50, 100)]).file();
    encrypted.at("moov/trak/mdia/minf/stbl/stsd/avc1").fourcc = *b"encv";
    library.put("encrypted.mp4", &encrypted.bytes());
    let server = library.serve();
    for name in ["text-only.mp4", "encrypted.mp4"] {
        let answer = get(server.address(), &format!("/vod/{name}/master.m3u8"));
        assert_eq!(
            (answer.status, answer.json()["type"].as_str()),
            (422, Some("/problems/source_unsupported")),
            "{name}: {answer:?}"
        );
    }
}

#[test]
fn what_a_file_says_does_not_reach_the_terminal_of_the_operator() {
    let library = Library::new();
    library.put("escape.mp4", b"\x1b[2J\x1b]0;owned\x07\r\nINFO a line of my own");
    let mut boxes = Shape::new(vec![Track::avc(1, 25, 50, 10)]).file();
    boxes.nodes.insert(1, Node { claims: Some(3), ..Node::leaf(b"\x1b[2J", []) });
    library.put("boxes.mp4", &boxes.bytes());
    let server = library.serve();
    for name in ["escape.mp4", "boxes.mp4"] {
        refusal(&server, name);
    }
    let log = server.log();
    let bad: Vec<&str> = log.lines().filter(|line| line.contains(REFUSED) && line.contains('\x1b')).collect();
    assert!(bad.is_empty(), "{bad:?}");
    assert!(!log.lines().any(|line| line.starts_with("INFO a line")), "{log}");
}

#[test]
fn a_bad_file_harms_no_other_and_is_listed_all_the_same() {
    let (library, server) = Library::with("good.mp4", &film(2));
    library.put("bad.mp4", b"bad");
    refusal(&server, "bad.mp4");
    assert_eq!(get(server.address(), "/vod/good.mp4/master.m3u8").status, 200);
    let listed = get(server.address(), "/library.json").json();
    let paths: Vec<_> =
        listed["assets"].as_array().expect("a list").iter().map(|asset| &asset["path"]).collect();
    assert_eq!(paths, ["bad.mp4", "good.mp4"]);
}
