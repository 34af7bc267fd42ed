//! Bytes and playlists over HTTP, as little as a test needs.

use std::io::{Read, Write};
use std::net::TcpStream;

/// The body behind an `http://` URL.
///
/// # Panics
/// When the answer is not 200 with a length.
pub(crate) fn get(url: &str) -> Vec<u8> {
    let rest = url.strip_prefix("http://").expect("the tests speak plaintext HTTP");
    let (host, path) = rest.split_once('/').expect("a path");
    let mut stream = TcpStream::connect(host).expect("the server listens");
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers and closes");
    let head_end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let body = answer.split_off(head_end);
    let head = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(head.starts_with("http/1.1 200 "), "{url}: {head}");
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{url}: {head}");
    body
}

/// A playlist as text.
pub(crate) fn text(url: &str) -> String {
    String::from_utf8(get(url)).expect("playlists are UTF-8")
}

/// URLs of the media playlists of a multivariant playlist, each once, variants first; no I-frame playlists.
pub(crate) fn renditions(master_url: &str) -> Vec<String> {
    let master = text(master_url);
    let variants = master.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let media = master.lines().filter(|line| line.starts_with("#EXT-X-MEDIA:TYPE=AUDIO"));
    let mut found: Vec<String> = Vec::new();
    for uri in variants.chain(media.filter_map(|line| quoted(line, "URI"))) {
        let url = join(master_url, uri);
        if !found.contains(&url) {
            found.push(url);
        }
    }
    found
}

/// URL of the init segment and those of the segments of a media playlist.
pub(crate) fn segments(playlist_url: &str) -> (String, Vec<String>) {
    let playlist = text(playlist_url);
    let map = playlist.lines().find(|line| line.starts_with("#EXT-X-MAP:"));
    let map = map.and_then(|line| quoted(line, "URI")).expect("an EXT-X-MAP");
    let segments = playlist.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    (join(playlist_url, map), segments.map(|uri| join(playlist_url, uri)).collect())
}

/// The quoted value of an attribute.
fn quoted<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(&format!("{name}=\""))?.1.split('"').next()
}

/// A relative reference without dots, from the URL it stands in.
fn join(from: &str, uri: &str) -> String {
    assert!(!uri.contains("://") && !uri.starts_with('/'), "{uri} is not relative");
    format!("{}/{uri}", from.rsplit_once('/').expect("a path").0)
}
