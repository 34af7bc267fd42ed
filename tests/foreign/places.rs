//! A database of places that MaxMind's own writer has written (`countries.pl`): what a downloaded one is made with.

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use rillcast_edge::admission::geo::Places;

use crate::client::send;
use crate::films::{Library, film};
use crate::harness::server::Server;
use crate::harness::tools;

/// Where addresses are.
const TRUTH: [(&str, Option<&str>); 12] = [
    ("198.51.100.0", Some("AT")),
    ("198.51.100.127", Some("AT")),
    ("198.51.100.128", Some("CH")),
    ("198.51.100.254", Some("CH")),
    ("198.51.100.255", Some("LI")),
    ("198.51.101.0", None),
    ("198.51.99.255", None),
    ("203.0.113.5", None),
    ("127.0.0.1", None),
    ("0.0.0.0", None),
    ("255.255.255.255", None),
    ("::ffff:198.51.100.1", Some("AT")),
];
/// The same of those that only databases of version 6 know.
const TRUTH_6: [(&str, Option<&str>); 9] = [
    ("2001:db8::", Some("AT")),
    ("2001:db8::1", Some("LI")),
    ("2001:db8::2", Some("AT")),
    ("2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", Some("AT")),
    ("2001:db8:8000::", Some("CH")),
    ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Some("CH")),
    ("2001:db9::", None),
    ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", None),
    // 6to4: the database says that these lie where their version 4 address does.
    ("2002:c633:6480::1", Some("CH")),
];

/// Whether the writer is there.
fn present() -> bool {
    let mut probe = Command::new("perl");
    let probe = probe.args(["-MMaxMind::DB::Writer::Tree", "-e1"]).stderr(Stdio::null()).status();
    let is_there = probe.is_ok_and(|status| status.success());
    if !is_there {
        tools::skip("no MaxMind::DB::Writer: Debian has it as libmaxmind-db-writer-perl");
    }
    is_there
}

fn written(folder: &Path, version: u8, record: u8) -> std::path::PathBuf {
    let file = folder.join(format!("{version}-{record}.mmdb"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/countries.pl");
    let mut perl = Command::new("perl");
    let status = perl.arg(script).arg(&file).args([version.to_string(), record.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "version {version}, records of {record}");
    file
}

#[test]
fn a_database_of_every_make_says_where_addresses_are() {
    if !present() {
        return;
    }
    let folder = tempfile::tempdir().expect("a writable place for temporary files");
    for (version, record) in [(4, 24), (6, 24), (6, 28), (6, 32)] {
        let places = Places::open(written(folder.path(), version, record)).expect("a database");
        let country = |address: &str| {
            let address: IpAddr = address.parse().expect("an address");
            places.country(address).map(|country| country.to_string())
        };
        for (address, expected) in TRUTH {
            assert_eq!(country(address).as_deref(), expected, "{address}, {version}, {record}");
        }
        for (address, expected) in TRUTH_6 {
            let expected = expected.filter(|_| version == 6);
            assert_eq!(country(address).as_deref(), expected, "{address}, {version}, {record}");
        }
        for (third, last) in (0..=255).flat_map(|third| [0, 63, 64, 255].map(|last| (third, last))) {
            let expected = if third % 2 == 1 { "FR" } else { "IT" };
            let address = format!("10.20.{third}.{last}");
            assert_eq!(country(&address).as_deref(), Some(expected), "{address}, {version}, {record}");
        }
    }
}

#[test]
fn rules_of_countries_hold_with_a_database_that_is_not_ours() {
    if !present() {
        return;
    }
    let library = Library::new();
    library.put("a.mp4", &film(2));
    let database = written(library.outer(), 6, 28);
    let config = library.outer().join("geo.toml");
    let text = format!(
        "[http]\ntrusted_proxies = [\"127.0.0.1\"]\n[edge.geo]\ndatabase = \"{}\"\nallow = [\"AT\", \"LI\"]\n",
        database.display()
    );
    fs::write(&config, text).expect("writable");
    let server = Server::start_with(&library.media(), &["--config", &config.to_string_lossy()]);
    for (address, country) in TRUTH.into_iter().chain(TRUTH_6) {
        let expected = if country.is_some_and(|country| country != "CH") { 200 } else { 403 };
        let fields = [("x-forwarded-for", address)];
        let answer = send(server.address(), "GET", "/vod/a.mp4/master.m3u8", &fields);
        assert_eq!(answer.status, expected, "{address}: {}", answer.text());
    }
}
