//! What a viewer of a film asks for, in order, and what it must get.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::http::Client;

/// The multivariant playlist of a film.
pub(crate) fn master(name: &str) -> String {
    format!("/vod/{name}/master.m3u8")
}

/// Every path of a film that a player of its first variant asks for, and the bytes of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Film {
    /// Playlists and init segments, which come first.
    pub(crate) start: Vec<String>,
    /// The segments, of picture and sound, by their number.
    pub(crate) steps: Vec<Vec<String>>,
    truth: BTreeMap<String, Vec<u8>>,
}

impl Film {
    /// As `origin` has it.
    pub(crate) fn of(origin: SocketAddr, name: &str) -> Self {
        let mut client = Client::new(origin);
        let mut film = Self { start: Vec::new(), steps: Vec::new(), truth: BTreeMap::new() };
        let master = master(name);
        let text = film.fetch(&mut client, &master);
        film.start.push(master.clone());
        let variant = text.lines().find(|line| !line.is_empty() && !line.starts_with('#'));
        let sound = text.lines().filter(|line| line.starts_with("#EXT-X-MEDIA:TYPE=AUDIO")).find_map(uri);
        for playlist in [variant, sound].into_iter().flatten().map(|uri| resolve(&master, uri)) {
            let text = film.fetch(&mut client, &playlist);
            let map = text.lines().find(|line| line.starts_with("#EXT-X-MAP:")).and_then(uri);
            let map = resolve(&playlist, map.expect("an init segment"));
            film.fetch(&mut client, &map);
            let segments = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            for (number, segment) in segments.map(|uri| resolve(&playlist, uri)).enumerate() {
                film.fetch(&mut client, &segment);
                if film.steps.len() <= number {
                    film.steps.push(Vec::new());
                }
                film.steps[number].push(segment);
            }
            film.start.extend([playlist, map]);
        }
        film
    }

    fn fetch(&mut self, client: &mut Client, path: &str) -> String {
        let answer = client.get(path).expect("an origin that nothing ails");
        assert_eq!(answer.status, 200, "{path}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        self.truth.insert(path.to_owned(), answer.body);
        text
    }

    /// The bytes of `path`.
    pub(crate) fn bytes(&self, path: &str) -> &[u8] {
        self.truth.get(path).map_or(&[], Vec::as_slice)
    }
}

/// The value of an attribute `URI`.
fn uri(line: &str) -> Option<&str> {
    line.split_once("URI=\"")?.1.split('"').next()
}

/// The path that `uri` means in the playlist at `from`.
fn resolve(from: &str, uri: &str) -> String {
    format!("{}/{uri}", from.rsplit_once('/').expect("an absolute path").0)
}
