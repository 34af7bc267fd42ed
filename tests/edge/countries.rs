//! Where viewers are: by rules of the operator, and by what tokens say.

#[path = "../../edge/src/admission/geo/tests/database.rs"]
mod database;

use std::fs;

use self::database::{Value, write};
use crate::client::{Answer, send};
use crate::films::{Library, film};
use crate::harness::server::Server;
use crate::pair::{PRIVATE, Pair};

const GERMAN: &str = "203.0.113.1";
const AUSTRIAN: &str = "192.0.2.1";
const SWISS: &str = "198.51.100.1";
const NOWHERE: &str = "10.0.0.1";

/// A configuration that believes what a proxy on this machine tells, with a database and these keys of `[edge.geo]`.
fn configured(keys: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a writable place for temporary files");
    let entry = |code: &str| {
        let country = Value::Map(vec![("iso_code", Value::Text(code.to_owned()))]);
        Value::Map(vec![("country", country)])
    };
    let networks =
        [("192.0.2.0", 24, entry("AT")), ("198.51.100.0", 24, entry("CH")), ("203.0.113.0", 24, entry("DE"))];
    let file = folder.path().join("countries.mmdb");
    fs::write(&file, write("Test-Country", &networks)).expect("writable");
    let geo = format!("[edge.geo]\ndatabase = \"{}\"\n{keys}", file.display());
    (folder, format!("[http]\ntrusted_proxies = [\"127.0.0.1\"]\n{geo}"))
}

/// An edge so configured, and its origin.
fn pair(keys: &str) -> (tempfile::TempDir, Pair) {
    let (folder, config) = configured(keys);
    (folder, Pair::new(&film(2), &config))
}

/// What `client` gets of an edge, whose page is of another origin.
fn get(pair: &Pair, client: &str, path: &str) -> Answer {
    ask(pair.edge(), client, path)
}

/// What `client` gets of a server.
fn ask(server: &Server, client: &str, path: &str) -> Answer {
    let fields = [("x-forwarded-for", client), ("origin", "https://player.example")];
    send(server.address(), "GET", path, &fields)
}

fn assert_refused(answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.json()["type"].as_str()), (403, Some(&*format!("/problems/{code}"))));
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("access-control-allow-origin"), "*");
}

#[test]
fn countries_are_allowed_everywhere_and_by_folder_and_the_unknown_are_refused() {
    let (_folder, pair) =
        pair("deny = [\"CH\"]\n[[edge.geo.rule]]\npaths = [\"/vod/private/\"]\nallow = [\"CH\", \"AT\"]\n");
    let private = format!("/t/{}/vod/{PRIVATE}/master.m3u8", pair.token("s"));
    assert_eq!(get(&pair, AUSTRIAN, &private).status, 200);
    for client in [SWISS, NOWHERE] {
        assert_refused(&get(&pair, client, &private), "country_not_allowed");
        // The token comes first, and operations need no country.
        assert_eq!(get(&pair, client, &format!("/vod/{PRIVATE}/master.m3u8")).status, 401);
        assert_eq!(get(&pair, client, "/healthz").status, 200);
    }
    let figures = send(pair.edge().address(), "GET", "/metrics", &[]);
    let refused = "rillcast_edge_refused_total{code=\"country_not_allowed\"} 2";
    assert!(figures.text().contains(refused), "{}", figures.text());
    assert!(pair.into_logs().contains("detail=\"country_not_allowed\""));
}

#[test]
fn in_one_process_the_page_and_its_list_are_for_the_allowed_too_and_the_list_names_what_they_may_see() {
    let library = Library::new();
    library.put("open.mp4", &film(2));
    library.put("alpine/film.mp4", &film(2));
    let (_folder, config) =
        configured("deny = [\"DE\"]\n[[edge.geo.rule]]\npaths = [\"/vod/alpine/\"]\nallow = [\"CH\"]\n");
    let file = library.outer().join("all.toml");
    fs::write(&file, config).expect("writable");
    let server = Server::start_with(&library.media(), &["--config", &file.to_string_lossy()]);
    for path in ["/", "/library.json", "/vod/open.mp4/master.m3u8", "/nothing-here"] {
        for client in [GERMAN, NOWHERE] {
            assert_refused(&ask(&server, client, path), "country_not_allowed");
        }
    }
    for client in [GERMAN, NOWHERE] {
        assert_eq!(ask(&server, client, "/healthz").status, 200);
        assert_eq!(ask(&server, client, "/readyz").status, 200);
    }
    for (client, titles) in [(SWISS, vec!["alpine/film.mp4", "open.mp4"]), (AUSTRIAN, vec!["open.mp4"])] {
        assert_eq!(ask(&server, client, "/").status, 200);
        assert_eq!(ask(&server, client, "/nothing-here").status, 404);
        let list = ask(&server, client, "/library.json");
        // What one client may see must not be kept for the next.
        assert_eq!((list.status, list.header("cache-control")), (200, "no-store"));
        let listed: Vec<_> = list.json()["assets"].as_array().expect("assets").to_vec();
        let mut paths: Vec<_> = listed.iter().filter_map(|asset| asset["path"].as_str()).collect();
        paths.sort_unstable();
        assert_eq!(paths, titles);
        let seen = ask(&server, client, "/vod/alpine/film.mp4/master.m3u8").status;
        assert_eq!(seen, if titles.len() == 2 { 200 } else { 403 });
    }
}

#[test]
fn a_token_is_good_in_its_countries_and_nowhere_else() {
    let (_folder, pair) = pair("");
    let sign = ["token", "sign", "--keys", "keys.json", "--path", "/vod/private/", "--country", "AT"];
    let address = format!("/t/{}/vod/{PRIVATE}/master.m3u8", pair.rillcast(&sign));
    assert_eq!(get(&pair, AUSTRIAN, &address).status, 200);
    for client in [SWISS, NOWHERE] {
        assert_refused(&get(&pair, client, &address), "token_country");
    }
    assert_eq!(get(&pair, AUSTRIAN, &address).status, 200, "the token is as good as before");
}

#[test]
fn without_a_database_no_edge_starts_that_has_lists_of_countries() {
    let folder = tempfile::tempdir().expect("a writable place for temporary files");
    let config = folder.path().join("edge.toml");
    for (geo, words) in [
        ("allow = [\"AT\"]", "name one in edge.geo.database"),
        ("allow = [\"AT\"]\ndatabase = \"/nowhere/c.mmdb\"", "It is a file that you provide"),
    ] {
        fs::write(&config, format!("[edge.geo]\n{geo}\n")).expect("writable");
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_rillcast"));
        let output = command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(&config).output();
        let output = output.expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "{geo}: {said}");
    }
}
