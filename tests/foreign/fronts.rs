//! Caches of others in front of an edge, as an operator has them who pays a CDN.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::client::{Answer, get, send, wait_until};
use crate::daemon::{Daemon, program};
use crate::films::{crawl, film, heavy_film};
use crate::harness::tools;
use crate::pair::{PRIVATE, Pair};

/// nginx as its manual has it, which says what its cache did.
fn cache(behind: &str, address: &str, folder: &std::path::Path) -> String {
    format!(
        "proxy_cache_path {}/cache keys_zone=films:8m;\n\
         server {{ listen {address};\n\
         location / {{ proxy_pass http://{behind}; proxy_http_version 1.1; proxy_set_header Connection \"\";\n\
         proxy_cache films; proxy_cache_lock on; add_header X-Front $upstream_cache_status always; }}\n\
         }}",
        folder.display()
    )
}

/// nginx that fetches pieces.
fn slices(behind: &str, address: &str, folder: &std::path::Path) -> String {
    format!(
        "proxy_cache_path {}/cache keys_zone=films:8m;\n\
         server {{ listen {address};\n\
         location / {{ slice 64k; proxy_cache films; proxy_cache_key $uri$slice_range;\n\
         proxy_set_header Range $slice_range; proxy_cache_valid 200 206 1h; proxy_http_version 1.1;\n\
         proxy_pass http://{behind}; add_header X-Front $upstream_cache_status always; }}\n\
         }}",
        folder.display()
    )
}

/// What a program makes of `bytes`, which must be fewer than a pipe holds.
pub(crate) fn through(mut program: Command, args: &[&str], bytes: &[u8]) -> Vec<u8> {
    let child = program.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("it is everywhere");
    child.stdin.take().expect("a pipe").write_all(bytes).expect("it reads");
    child.wait_with_output().expect("it ends").stdout
}

pub(crate) fn gunzip(bytes: &[u8]) -> Vec<u8> {
    through(Command::new("gzip"), &["-dc"], bytes)
}

/// A pair whose film is open to all, and everything there is of the film as its origin has it.
fn open_pair(film: &[u8]) -> (Pair, Vec<(String, Answer)>) {
    let pair = Pair::new(film, "");
    pair.library.put("open.mp4", film);
    let found = crawl(&pair.origin, "/vod/open.mp4/master.m3u8");
    (pair, found)
}

/// What a cache told that stood on the way, oldest first.
pub(crate) fn cache_status(answer: &Answer) -> Vec<&str> {
    let fields = answer.headers.iter().filter(|(name, _)| name == "cache-status");
    fields.map(|(_, value)| value.as_str()).collect()
}

#[test]
fn nginx_in_front_has_the_same_bytes_at_every_range_and_keeps_what_it_may() {
    if !tools::present(&[&program("nginx")]) {
        return;
    }
    let (pair, found) = open_pair(&film(6));
    let front = Daemon::nginx(|address, folder| cache(pair.edge().address(), address, folder));
    for (path, truth) in &found {
        let first = get(front.address(), path);
        assert_eq!((first.status, first.header("x-front")), (200, "MISS"), "{path}");
        let second = get(front.address(), path);
        assert_eq!(second.header("x-front"), "HIT", "{path}: {:?}", second.headers);
        for answer in [&first, &second] {
            assert_eq!(answer.body, truth.body, "{path}");
            for name in ["etag", "content-type", "cache-control"] {
                assert_eq!(answer.header(name), truth.header(name), "{path}: {name}");
            }
            assert!(!answer.header("age").is_empty(), "{path}: {:?}", answer.headers);
            // The origin's member, then the edge's, however the cache in between writes them.
            let told = cache_status(answer).join(", ");
            assert!(told.contains("fwd=") || told.contains("hit"), "{path}: {told}");
        }
        let tag = first.header("etag");
        let unchanged = send(front.address(), "GET", path, &[("if-none-match", tag)]);
        assert_eq!((unchanged.status, unchanged.body.len()), (304, 0), "{path}");
        let head = send(front.address(), "HEAD", path, &[]);
        assert_eq!(
            (head.status, head.header("content-length")),
            (200, truth.body.len().to_string().as_str())
        );
    }
    let (path, truth) = found.iter().max_by_key(|(_, answer)| answer.body.len()).expect("there are some");
    check_ranges(front.address(), path, &truth.body);
}

/// Every form of a range against the whole.
pub(crate) fn check_ranges(address: &str, path: &str, whole: &[u8]) {
    let len = whole.len();
    for (range, expected) in [
        ("bytes=0-0", 0..1),
        ("bytes=0-", 0..len),
        ("bytes=-1", len - 1..len),
        ("bytes=100-299", 100..300),
        (&format!("bytes={}-", len - 7), len - 7..len),
        (&format!("bytes=5-{}", len * 2), 5..len),
    ] {
        let part = send(address, "GET", path, &[("range", range)]);
        assert_eq!((part.status, &*part.body), (206, &whole[expected.clone()]), "{range}");
        let told = format!("bytes {}-{}/{len}", expected.start, expected.end - 1);
        assert_eq!(part.header("content-range"), told, "{range}");
    }
    let beyond = send(address, "GET", path, &[("range", &format!("bytes={len}-"))]);
    assert_eq!((beyond.status, beyond.header("content-range")), (416, format!("bytes */{len}").as_str()));
    let other = send(address, "GET", path, &[("range", "bytes=0-9"), ("if-range", "\"another\"")]);
    assert_eq!((other.status, &*other.body), (200, whole), "a part of something else is no use");
}

#[test]
fn nginx_that_fetches_pieces_puts_together_what_the_origin_has() {
    if !tools::present(&[&program("nginx")]) {
        return;
    }
    let (pair, found) = open_pair(&heavy_film());
    let front = Daemon::nginx(|address, folder| slices(pair.edge().address(), address, folder));
    let (path, truth) = found.iter().max_by_key(|(_, answer)| answer.body.len()).expect("there are some");
    assert!(truth.body.len() > 4 << 20, "many pieces");
    // From the middle first: the edge has nothing of it yet.
    let (from, to) = (truth.body.len() / 2, truth.body.len() / 2 + 200_000);
    let part = send(front.address(), "GET", path, &[("range", &format!("bytes={from}-{}", to - 1))]);
    assert_eq!((part.status, part.body == truth.body[from..to]), (206, true));
    for (path, truth) in &found {
        let whole = get(front.address(), path);
        assert_eq!((whole.status, whole.body == truth.body), (200, true), "{path}");
    }
    check_ranges(front.address(), path, &truth.body);
}

#[test]
fn nginx_in_front_keeps_codings_apart() {
    if !tools::present(&[&program("nginx")]) {
        return;
    }
    // A short playlist is not worth compressing.
    let (pair, found) = open_pair(&film(60));
    let front = Daemon::nginx(|address, folder| cache(pair.edge().address(), address, folder));
    let mut compressed = 0;
    for (path, truth) in found.iter().filter(|(path, _)| path.ends_with(".m3u8")) {
        let ask = |coding: &str| send(front.address(), "GET", path, &[("accept-encoding", coding)]);
        for turn in ["MISS", "HIT"] {
            let (plain, packed) = (ask("identity"), ask("gzip"));
            assert_eq!((plain.header("x-front"), plain.header("content-encoding")), (turn, ""), "{path}");
            assert_eq!(plain.body, truth.body, "{path}");
            if packed.header("content-encoding") == "gzip" {
                compressed += 1;
                assert_eq!(packed.header("x-front"), turn, "{path}");
                assert_eq!(gunzip(&packed.body), truth.body, "{path}");
                assert_ne!(packed.header("etag"), plain.header("etag"), "{path}");
            } else {
                assert_eq!(packed.body, truth.body, "{path}");
            }
            for answer in [&plain, &packed] {
                assert_eq!(answer.header("vary"), "Accept-Encoding", "{path}");
            }
        }
    }
    assert!(compressed > 0, "one of them is worth it");
}

/// What a cache in front must not give to the next who asks, whoever was admitted before.
fn check_private(pair: &Pair, front: &str, token: &str) {
    for path in [format!("/vod/{PRIVATE}/master.m3u8"), pair.address(".m4s")] {
        assert_eq!(get(front, &path).status, 401, "{path}");
        for field in
            [("cookie", format!("rillcast_token={token}")), ("authorization", format!("Bearer {token}"))]
        {
            let field = (field.0, field.1.as_str());
            for turn in 0..2 {
                let admitted = send(front, "GET", &path, &[field]);
                assert_eq!((admitted.status, admitted.body.is_empty()), (200, false), "{path}, {turn}");
                let lifetime = admitted.header("cache-control");
                assert!(lifetime.starts_with("private") && !lifetime.contains("public"), "{lifetime}");
                let stranger = get(front, &path);
                assert_eq!(stranger.status, 401, "{path}: {} lets strangers in", field.0);
                assert_eq!(stranger.header("cache-control"), "no-store");
            }
        }
        for _ in 0..2 {
            let exchanged = get(front, &format!("{path}?token={token}"));
            assert_eq!((exchanged.status, exchanged.header("cache-control")), (302, "no-store"));
            assert_eq!(exchanged.header("location"), format!("/t/{token}{path}"));
            assert_eq!(exchanged.header("referrer-policy"), "no-referrer");
        }
    }
}

/// What a token in the path opens ends with the token, so that a cache that nobody tells must not have it.
fn check_revoked(pair: &Pair, front: &str, token: &str) {
    let path = format!("/t/{token}{}", pair.address(".m4s"));
    assert_eq!((get(front, &path).status, get(front, &path).status), (200, 200));
    pair.order(r#"{"v":1,"seq":1,"kind":"revoke","what":"session","id":"s","until_us":4102444800000000}"#);
    wait_until("the edge knows", || pair.get(&path).status == 401);
    assert_eq!(get(front, &path).status, 401, "the cache in front knows it too");
}

#[test]
fn nginx_in_front_gives_to_nobody_what_a_token_opened_for_another() {
    if !tools::present(&[&program("nginx")]) {
        return;
    }
    let pair = Pair::new(&film(4), "");
    let front = Daemon::nginx(|address, folder| cache(pair.edge().address(), address, folder));
    let token = pair.token("s");
    check_private(&pair, front.address(), &token);
    check_revoked(&pair, front.address(), &token);
}

#[test]
fn varnish_in_front_has_the_same_bytes_and_ages_and_gives_away_nothing() {
    if !tools::present(&[&program("varnishd")]) {
        return;
    }
    let pair = Pair::new(&film(6), "");
    pair.library.put("open.mp4", &film(6));
    let front = Daemon::varnish(pair.edge().address());
    let found = crawl(&pair.origin, "/vod/open.mp4/master.m3u8");
    for (path, truth) in &found {
        for _ in 0..2 {
            let answer = get(front.address(), path);
            assert_eq!((answer.status, &answer.body), (200, &truth.body), "{path}");
            assert!(answer.header("age").parse::<u64>().is_ok(), "{path}: {:?}", answer.headers);
            // It asks for what is compressed, and unpacks that for us.
            let tag = answer.header("etag");
            let unchanged = send(front.address(), "GET", path, &[("if-none-match", tag)]);
            assert_eq!(unchanged.status, 304, "{path}");
        }
    }
    let (path, truth) = found.iter().max_by_key(|(_, answer)| answer.body.len()).expect("there are some");
    let part = send(front.address(), "GET", path, &[("range", "bytes=100-299")]);
    assert_eq!((part.status, &*part.body), (206, &truth.body[100..300]));
    let token = pair.token("s");
    check_private(&pair, front.address(), &token);
    check_revoked(&pair, front.address(), &token);
}
