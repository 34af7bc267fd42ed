//! Heads, ranges, conditions and codings; the same bytes and names from every server.

use std::fs;
use std::process::Command;

use rillcast_fixtures::{Shape, Track};

use super::client::{Answer, get, send};
use super::films::{Library, crawl, film, first, uris};
use super::harness::{server::Server, tools};

const MASTER: &str = "/vod/a.mp4/master.m3u8";

fn is_entry(path: &str) -> bool {
    path.ends_with("master.m3u8")
}

#[test]
fn every_resource_has_its_type_lifetime_tag_and_permission() {
    let (_library, server) = Library::with("a.mp4", &film(6));
    let found = crawl(&server, MASTER);
    assert!(found.len() > 8, "{found:?}");
    for (path, answer) in &found {
        let expected = match path {
            path if path.ends_with(".m3u8") => "application/vnd.apple.mpegurl",
            path if path.contains("/a2/") => "audio/mp4",
            _ => "video/mp4",
        };
        assert_eq!(answer.header("content-type"), expected, "{path}");
        let lifetime =
            if is_entry(path) { "public, max-age=2" } else { "public, max-age=31536000, immutable" };
        assert_eq!(answer.header("cache-control"), lifetime, "{path}");
        assert!(answer.header("etag").starts_with('"'), "a strong tag for {path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        assert_eq!(answer.header("accept-ranges"), "bytes", "{path}");
        assert_eq!(answer.header("vary").contains("Accept-Encoding"), path.ends_with(".m3u8"), "{path}");
    }
    let mut tags: Vec<&str> = found.iter().map(|(_, answer)| answer.header("etag")).collect();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), found.len(), "each resource has a tag of its own");
}

#[test]
fn no_playlist_names_a_place() {
    let library = Library::new();
    library.put("deep/er/ä b%20c#1?.mp4", &film(6));
    let server = library.serve();
    let master = "/vod/deep/er/%C3%A4%20b%2520c%231%3F.mp4/master.m3u8";
    let found = crawl(&server, master);
    assert!(found.len() > 8);
    for (path, answer) in found.iter().filter(|(path, _)| path.ends_with(".m3u8")) {
        for uri in uris(answer.text()) {
            assert!(!uri.starts_with('/') && !uri.contains("//") && !uri.contains(".."), "{uri} in {path}");
        }
        for secret in ["/vod", "http", "deep", &library.outer().to_string_lossy()] {
            assert!(!answer.text().contains(secret), "{secret} in {path}");
        }
    }
}

#[test]
fn head_says_what_get_says_and_sends_nothing() {
    let (_library, server) = Library::with("a.mp4", &film(6));
    for (path, whole) in crawl(&server, MASTER) {
        let head = send(server.address(), "HEAD", &path, &[]);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.description(), whole.description(), "{path}");
        // A range counts for GET only.
        let head = send(server.address(), "HEAD", &path, &[("range", "bytes=0-3")]);
        assert_eq!(head.description(), whole.description(), "{path}");
    }
    let missing = get(server.address(), "/vod/none.mp4/master.m3u8");
    let head = send(server.address(), "HEAD", "/vod/none.mp4/master.m3u8", &[]);
    assert_eq!((head.status, head.header("content-type")), (404, missing.header("content-type")));
}

#[test]
fn only_reading_is_allowed() {
    let (_library, server) = Library::with("a.mp4", &film(2));
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = send(server.address(), method, MASTER, &[]);
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.header("allow").contains("GET"));
    }
}

fn range(server: &Server, path: &str, range: &str) -> Answer {
    send(server.address(), "GET", path, &[("range", range)])
}

#[test]
fn ranges_make_the_whole_again() {
    let (_library, server) = Library::with("a.mp4", &film(6));
    for (path, whole) in crawl(&server, MASTER).into_iter().skip(1) {
        let len = whole.body.len();
        for step in [1.max(len / 7), 1.max(len - 1), len] {
            let mut joined = Vec::new();
            for start in (0..len).step_by(step) {
                let end = (start + step).min(len);
                let part = range(&server, &path, &format!("bytes={start}-{}", end - 1));
                assert_eq!(part.status, 206, "{path}");
                assert_eq!(part.header("content-range"), format!("bytes {start}-{}/{len}", end - 1));
                assert_eq!(part.header("etag"), whole.header("etag"));
                joined.extend_from_slice(&part.body);
            }
            assert_eq!(joined, whole.body, "{path} in steps of {step}");
        }
        assert_eq!(range(&server, &path, "bytes=-1").body, whole.body[len - 1..], "{path}");
        assert_eq!(range(&server, &path, &format!("bytes=1-{}", u64::MAX)).body, whole.body[1..], "{path}");
        let past = range(&server, &path, &format!("bytes={len}-"));
        assert_eq!((past.status, past.header("content-range")), (416, format!("bytes */{len}").as_str()));
        let stale = [("range", "bytes=0-0"), ("if-range", "\"another\"")];
        assert_eq!(send(server.address(), "GET", &path, &stale).body, whole.body, "If-Range of another tag");
    }
}

#[test]
fn conditions_spare_the_body_on_entry_and_children() {
    let (_library, server) = Library::with("a.mp4", &film(6));
    for (path, whole) in crawl(&server, MASTER) {
        let tag = whole.header("etag").to_owned();
        for condition in [tag.clone(), format!("\"x\", {tag}"), format!("W/{tag}"), "*".to_owned()] {
            let answer = send(server.address(), "GET", &path, &[("if-none-match", &condition)]);
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{path} {condition}");
            for name in ["etag", "cache-control", "vary", "access-control-allow-origin"] {
                assert_eq!(answer.header(name), whole.header(name), "{name} of {path}");
            }
        }
        let other = send(server.address(), "GET", &path, &[("if-none-match", "\"x\"")]);
        assert_eq!((other.status, &other.body), (200, &whole.body));
        assert_eq!(send(server.address(), "GET", &path, &[("if-match", "\"x\"")]).status, 412);
    }
}

#[test]
fn playlists_are_compressed_for_who_wants_it_and_media_never() {
    let (library, server) = Library::with("a.mp4", &film(120));
    let playlist = first(&server, MASTER, "playlist.m3u8");
    let plain = get(server.address(), &playlist);
    let zipped = send(server.address(), "GET", &playlist, &[("accept-encoding", "gzip")]);
    assert_eq!((zipped.status, zipped.header("content-encoding")), (200, "gzip"));
    assert_ne!(zipped.header("etag"), plain.header("etag"));
    assert!(zipped.body.len() < plain.body.len());
    assert_eq!(unzip(&library, &zipped.body), plain.body);
    let tag = zipped.header("etag").to_owned();
    let again = [("accept-encoding", "gzip"), ("if-none-match", tag.as_str())];
    assert_eq!(send(server.address(), "GET", &playlist, &again).status, 304);
    let head = send(server.address(), "HEAD", &playlist, &[("accept-encoding", "gzip")]);
    assert_eq!(head.description(), zipped.description());
    let refused = send(server.address(), "GET", &playlist, &[("accept-encoding", "gzip;q=0, br;q=0")]);
    assert_eq!(refused.body, plain.body);
    let segment = first(&server, MASTER, "/0.m4s");
    let media = send(server.address(), "GET", &segment, &[("accept-encoding", "gzip, br")]);
    assert_eq!((media.header("content-encoding"), media.header("vary")), ("", ""));
}

/// Decompresses with the system's gzip: a second opinion.
fn unzip(library: &Library, bytes: &[u8]) -> Vec<u8> {
    let path = library.outer().join("body.gz");
    fs::write(&path, bytes).expect("writable");
    let output = Command::new("gzip").arg("-dc").arg(&path).output().expect("gzip is everywhere");
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// What two servers must agree on: every URL below the asset, its tag and its bytes.
fn facts(server: &Server, name: &str) -> Vec<(String, String, Vec<u8>)> {
    let prefix = format!("/vod/{name}/");
    let found = crawl(server, &format!("{prefix}master.m3u8"));
    let fact = |(path, answer): (String, Answer)| {
        let below = path.strip_prefix(&prefix).expect("children lie below").to_owned();
        (below, answer.header("etag").to_owned(), answer.body)
    };
    found.into_iter().map(fact).collect()
}

#[test]
fn copies_anywhere_have_the_same_names_tags_and_bytes() {
    let shape = Shape::new(vec![Track::avc(1, 25, 50, 150).with_b_frames(), Track::aac(2, 282)]);
    let (_first_library, first_server) = Library::with("a.mp4", &shape.bytes());
    let second_library = Library::new();
    second_library.put("other/name.mov", &shape.bytes());
    // Now, not long ago; and the index behind the media, with 64-bit offsets.
    fs::write(second_library.at("new.mp4"), shape.bytes()).expect("writable");
    let moved = Shape { index_first: false, wide_offsets: true, ..shape };
    second_library.put("moved.mp4", &moved.bytes());
    let second_server = second_library.serve();
    let expected = facts(&first_server, "a.mp4");
    assert!(expected.len() > 8);
    for name in ["other/name.mov", "new.mp4", "moved.mp4"] {
        assert_eq!(facts(&second_server, name), expected, "{name}");
    }
}

#[test]
fn a_file_made_ready_for_streaming_by_ffmpeg_has_the_same_names_tags_and_bytes() {
    if !tools::present(&["ffmpeg"]) {
        return;
    }
    let library = Library::new();
    let ffmpeg = |args: &str, to: &str| {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y"]).args(args.split(' ')).arg(to).current_dir(library.media());
        assert!(command.status().expect("ffmpeg starts").success(), "{args}");
    };
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48:r=25:d=5 -f lavfi -i sine=d=5 -c:v libx264 -preset ultrafast -bf 2 -g 50 -c:a aac",
        "plain.mp4",
    );
    ffmpeg("-i plain.mp4 -c copy -movflags +faststart", "fast.mp4");
    let (plain, fast) = (fs::read(library.at("plain.mp4")), fs::read(library.at("fast.mp4")));
    assert_ne!(plain.expect("written"), fast.expect("written"), "the index has moved");
    let server = library.serve();
    assert_eq!(facts(&server, "fast.mp4"), facts(&server, "plain.mp4"));
}
