//! nginx behind an edge, with films as files: an origin that knows nothing of us.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::client::{Answer, get, send, wait_until};
use crate::daemon::{Daemon, program};
use crate::films::{Library, crawl, film, heavy_film};
use crate::fronts::{cache_status, check_ranges, gunzip};
use crate::harness::server::Server;
use crate::harness::tools;

/// What each folder says of how long its files are good, and how nginx packs them.
const FOLDERS: &str = "\
    location /vod/ { add_header Cache-Control 'public, max-age=600'; }\n\
    location /static/ { gzip_static on; gzip_vary on; add_header Cache-Control 'max-age=600'; }\n\
    location /packed/ { gzip on; gzip_vary on; gzip_proxied any; gzip_min_length 1; gzip_http_version 1.0;\n\
        gzip_types application/vnd.apple.mpegurl; add_header Cache-Control 'max-age=600'; }\n\
    location /check/ { add_header Cache-Control no-cache; }\n\
    location /own/ { add_header Cache-Control 'private, max-age=600'; }\n\
    location /never/ { add_header Cache-Control 'no-store'; }\n\
    location /untagged/ { etag off; add_header Last-Modified ''; add_header Cache-Control no-cache; }\n\
    location = /vod/private/old.m3u8 { return 302 /vod/private/new.m3u8; }";

/// nginx with a folder of files, and an edge in front of it.
struct House {
    nginx: Daemon,
    edge: Server,
    library: Library,
}

impl House {
    fn new() -> Self {
        let nginx = Daemon::nginx(|address, folder| {
            fs::create_dir_all(folder.join("www")).expect("writable");
            format!("server {{ listen {address}; root {}/www;\n{FOLDERS}\n}}", folder.display())
        });
        let library = Library::new();
        let at = |name: &str| library.outer().join(name).display().to_string();
        let mut keys = std::process::Command::new(env!("CARGO_BIN_EXE_rillcast"));
        let made = keys.args(["keys", "new", "--file", &at("keys.json")]).output();
        assert!(made.is_ok_and(|made| made.status.success()));
        let config = format!(
            "[log]\nlevel = \"debug\"\n[[edge.upstream]]\nurl = \"http://{}\"\n\
             [edge.tokens]\nprivate = [\"/vod/private/\"]\nkeys = \"{}\"\n",
            nginx.address(),
            at("keys.json")
        );
        fs::write(at("edge.toml"), config).expect("writable");
        let edge = Server::start_with(Path::new(&at("none")), &["--config", &at("edge.toml")]);
        Self { nginx, edge, library }
    }

    /// Puts a file where nginx finds it, in place of one that may be there.
    fn put(&self, path: &str, bytes: &[u8]) {
        let file = self.nginx.folder().join("www").join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().expect("a folder")).expect("writable");
        let new = file.with_extension("new");
        fs::write(&new, bytes).expect("writable");
        fs::rename(new, file).expect("writable");
    }

    fn get(&self, path: &str) -> Answer {
        get(self.edge.address(), path)
    }

    /// Asks until the answer is kept, which is somewhat later than it is given.
    fn get_kept(&self, path: &str) -> Answer {
        wait_until("it is kept", || is_hit(&self.get(path)));
        self.get(path)
    }

    /// What nginx was asked below `prefix`, each with its log's line.
    fn end(self, prefix: &str) -> Vec<(String, Value)> {
        let lines = self.nginx.end();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        let asked = lines.map(|line| {
            let path = line["request"].as_str().and_then(|request| request.split(' ').nth(1));
            (path.unwrap_or_default().to_owned(), line.clone())
        });
        asked.filter(|(path, _)| path.starts_with(prefix)).collect()
    }
}

fn is_hit(answer: &Answer) -> bool {
    cache_status(answer).last().is_some_and(|status| status.contains("; hit"))
}

/// Everything there is of a film, as our origin has it.
fn objects(film: &[u8]) -> Vec<(String, Answer)> {
    let (_library, origin) = Library::with("film.mp4", film);
    crawl(&origin, "/vod/film.mp4/master.m3u8")
}

#[test]
fn files_behind_nginx_are_fetched_once_and_given_whole_and_in_parts() {
    if !tools::present(&[&program("nginx")]) {
        return;
    }
    let house = House::new();
    let objects = objects(&heavy_film());
    for (path, object) in &objects {
        house.put(path, &object.body);
    }
    let (heavy, truth) = objects.iter().max_by_key(|(_, object)| object.body.len()).expect("there are some");
    let middle = truth.body.len() / 2;
    let range = format!("bytes={middle}-{}", middle + 99);
    let part = send(house.edge.address(), "GET", heavy, &[("range", &range)]);
    assert_eq!(
        (part.status, &*part.body),
        (206, &truth.body[middle..middle + 100]),
        "nothing was there before"
    );
    for (path, object) in &objects {
        let (first, kept) = (house.get(path), house.get_kept(path));
        for answer in [&first, &kept] {
            assert_eq!((answer.status, answer.body == object.body), (200, true), "{path}");
            assert!(answer.header("etag").starts_with('"'), "{path}: nginx's own tag");
            assert_eq!(answer.header("cache-control"), "public, max-age=600", "{path}");
            assert!(answer.header("age").parse::<u64>().is_ok_and(|age| age < 600), "{path}");
        }
        let tag = [("if-none-match", kept.header("etag"))];
        assert_eq!(send(house.edge.address(), "GET", path, &tag).status, 304, "{path}");
        let since = [("if-modified-since", kept.header("last-modified"))];
        assert_eq!(send(house.edge.address(), "GET", path, &since).status, 304, "{path}");
    }
    check_ranges(house.edge.address(), heavy, &truth.body);
    assert_eq!(house.get("/vod/nothing").status, 404);
    let asked = house.end("/vod/film.mp4");
    for (path, _) in &objects {
        assert_eq!(asked.iter().filter(|(of, _)| of == path).count(), 1, "{path} is fetched once");
    }
}

#[test]
fn what_nginx_has_packed_or_packs_itself_comes_in_the_coding_that_was_asked_for() {
    if !tools::present(&[&program("nginx")]) {
        return;
    }
    let house = House::new();
    let objects = objects(&film(120));
    let playlists = objects.iter().filter(|(path, _)| path.ends_with(".m3u8"));
    let (_, truth) = playlists.max_by_key(|(_, object)| object.body.len()).expect("there are some");
    let gzip = std::process::Command::new("gzip");
    let packed = crate::fronts::through(gzip, &["-c"], &truth.body);
    for folder in ["static", "packed"] {
        let path = format!("/{folder}/playlist.m3u8");
        house.put(&path, &truth.body);
        house.put("/static/playlist.m3u8.gz", &packed);
        for turn in 0..2 {
            for coding in ["gzip", "identity", "gzip, br;q=0.1", "br;q=0, gzip;q=0"] {
                let answer = send(house.edge.address(), "GET", &path, &[("accept-encoding", coding)]);
                assert_eq!(answer.status, 200, "{path}");
                let is_packed = answer.header("content-encoding") == "gzip";
                assert!(!is_packed || coding.starts_with("gzip"), "{path}: {coding} was asked for");
                assert!(answer.header("content-encoding").is_empty() || is_packed, "{path}: {coding}");
                let plain = if is_packed { gunzip(&answer.body) } else { answer.body.clone() };
                assert_eq!(plain, truth.body, "{path}, {coding}, {turn}");
                assert_eq!(
                    answer.header("vary"),
                    "Accept-Encoding",
                    "{path}, {coding}: {:?}",
                    answer.headers
                );
            }
        }
    }
}

#[test]
fn what_nginx_says_of_keeping_is_heeded() {
    if !tools::present(&[&program("nginx")]) {
        return;
    }
    let house = House::new();
    let folders = ["own", "never", "check", "untagged"];
    let path = |folder: &str| format!("/{folder}/list.m3u8");
    folders.iter().for_each(|folder| house.put(&path(folder), b"first"));
    for folder in folders {
        for _ in 0..3 {
            let answer = house.get(&path(folder));
            assert_eq!((answer.status, answer.text(), is_hit(&answer)), (200, "first", false), "{folder}");
        }
    }
    // Who comes before the fetch of the one before has quite ended shares what it brought, where all may have it.
    wait_until("nginx is asked whether it is the same", || {
        assert_eq!(house.get(&path("check")).text(), "first");
        house.nginx.access_log().contains("\"status\":\"304\"")
    });
    folders.iter().for_each(|folder| house.put(&path(folder), b"the second"));
    for folder in folders {
        wait_until("nothing old is given", || house.get(&path(folder)).text() == "the second");
    }
    let asked = house.end("/");
    let answers = |folder: &str, status: &str| {
        let of = asked.iter().filter(|(asked, line)| *asked == path(folder) && line["status"] == status);
        of.count()
    };
    for folder in ["own", "never"] {
        assert_eq!((answers(folder, "200"), answers(folder, "304")), (4, 0), "{folder}: asked each time");
    }
    assert!(answers("untagged", "200") >= 2 && answers("untagged", "304") == 0, "nothing to compare");
    assert!(answers("check", "200") == 2 && answers("check", "304") >= 1, "asked whether it is the same");
}

#[test]
fn no_token_comes_to_nginx_however_it_was_brought() {
    if !tools::present(&[&program("nginx")]) {
        return;
    }
    let house = House::new();
    for name in ["new.m3u8", "a.m4s", "b.m4s", "c.m4s"] {
        house.put(&format!("/vod/private/{name}"), b"bytes");
    }
    house.put("/vod/open.m4s", b"bytes");
    let mut sign = std::process::Command::new(env!("CARGO_BIN_EXE_rillcast"));
    let keys = house.library.outer().join("keys.json");
    let signed = sign.args(["token", "sign", "--path", "/vod/private/", "--keys"]).arg(keys).output();
    let token = String::from_utf8(signed.expect("it starts").stdout).expect("text").trim().to_owned();
    assert!(token.len() > 100, "{token}");
    let edge = house.edge.address();
    let page = format!("http://{edge}/t/{token}/vod/private/new.m3u8");
    let (cookie, bearer) = (format!("a=b; rillcast_token={token}"), format!("Bearer {token}"));
    for (path, field, status) in [
        (format!("/t/{token}/vod/private/new.m3u8"), ("referer", &*page), 200),
        ("/vod/private/a.m4s".to_owned(), ("cookie", &*cookie), 200),
        ("/vod/private/b.m4s".to_owned(), ("authorization", &*bearer), 200),
        (format!("/vod/private/c.m4s?token={token}"), ("accept", "*/*"), 302),
        // Where none is needed: it might have been meant for something else, and is still a token.
        (format!("/vod/open.m4s?token={token}"), ("referer", &*page), 200),
        (format!("/vod/open.m4s?access_token={token}&x=1"), ("cookie", &*cookie), 200),
        ("/vod/open.m4s?y=2".to_owned(), ("authorization", &*bearer), 200),
        (format!("/t/{token}/vod/private/old.m3u8"), ("referer", &*page), 302),
    ] {
        let answer = send(edge, "GET", &path, &[field]);
        assert_eq!(answer.status, status, "{} {}", field.0, path.replace(&token, "TOKEN"));
        // nginx says http://127.0.0.1:PORT/vod/private/new.m3u8, its own address, where no viewer has business.
        if path.contains("/old") {
            assert_eq!(answer.header("location"), format!("/t/{token}/vod/private/new.m3u8"));
        }
    }
    let asked = house.end("/");
    assert!(asked.len() >= 6, "{asked:?}");
    let (_, signature) = token.rsplit_once('.').expect("a signature");
    for (_, line) in &asked {
        assert!(!line.to_string().contains(signature), "nginx's log shows the token");
    }
}
