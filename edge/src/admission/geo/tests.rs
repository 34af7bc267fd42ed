//! Countries out of databases that the test writes itself.

mod database;

use std::fs;
use std::net::IpAddr;

use self::database::{Value, write};
use super::*;

fn entry(country: &str) -> Value {
    Value::Map(vec![("country", Value::Map(vec![("iso_code", Value::Text(country.to_owned()))]))])
}

pub(in crate::admission) fn countries(networks: &[(&str, u8, &str)]) -> Vec<u8> {
    let networks: Vec<_> =
        networks.iter().map(|(address, len, country)| (*address, *len, entry(country))).collect();
    write("Test-Country", &networks)
}

pub(in crate::admission) fn place(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("countries.mmdb");
    fs::write(&path, bytes).expect("written");
    (folder, path)
}

fn at(places: &Places, address: &str) -> Option<String> {
    let address: IpAddr = address.parse().expect("an address");
    places.country(address).map(|country| country.to_string())
}

#[test]
fn an_address_is_in_the_country_of_its_longest_network() {
    let bytes = countries(&[
        ("192.0.2.0", 24, "AT"),
        ("198.51.100.0", 25, "CH"),
        ("198.51.100.128", 25, "de"),
        ("2001:db8::", 32, "FR"),
    ]);
    let (_folder, path) = place(&bytes);
    let places = Places::open(&path).expect("a database");
    let table = [
        ("192.0.2.1", Some("AT")),
        ("::ffff:192.0.2.1", Some("AT")),
        ("192.0.3.1", None),
        ("198.51.100.127", Some("CH")),
        ("198.51.100.128", Some("DE")),
        ("2001:db8:1::1", Some("FR")),
        ("2001:db9::1", None),
        ("127.0.0.1", None),
    ];
    for (address, country) in table {
        assert_eq!(at(&places, address).as_deref(), country, "{address}");
    }
}

#[test]
fn databases_that_say_it_shorter_are_understood_and_words_are_no_countries() {
    let short = |text: &str| Value::Map(vec![("country_code", Value::Text(text.to_owned()))]);
    let odd = Value::Map(vec![("country", Value::Text("Austria".to_owned()))]);
    let networks =
        [("192.0.2.0", 24, short("LI")), ("198.51.100.0", 24, short("LIE")), ("203.0.113.0", 24, odd)];
    let (_folder, path) = place(&write("Other", &networks));
    let places = Places::open(&path).expect("a database");
    assert_eq!(at(&places, "192.0.2.9").as_deref(), Some("LI"));
    assert_eq!((at(&places, "198.51.100.9"), at(&places, "203.0.113.9")), (None, None));
}

#[test]
fn a_file_put_in_place_is_read_and_a_bad_one_changes_nothing() {
    let (folder, path) = place(&countries(&[("192.0.2.0", 24, "AT")]));
    let places = Places::open(&path).expect("a database");
    assert!(!places.refresh().expect("the same"));
    let put = |bytes: &[u8]| {
        let next = folder.path().join("next");
        fs::write(&next, bytes).expect("written");
        fs::rename(&next, &path).expect("renamed");
    };
    put(b"half a download");
    let error = places.refresh().expect_err("no database").to_string();
    assert!(error.contains("countries.mmdb") && error.contains("unpacked"), "{error}");
    assert_eq!(at(&places, "192.0.2.1").as_deref(), Some("AT"));
    put(&countries(&[("192.0.2.0", 24, "CH")]));
    assert!(places.refresh().expect("a database"));
    assert_eq!(at(&places, "192.0.2.1").as_deref(), Some("CH"));
    fs::remove_file(&path).expect("removed");
    places.refresh().expect_err("no file");
    assert_eq!(at(&places, "192.0.2.1").as_deref(), Some("CH"));
}

#[test]
fn what_cannot_be_used_says_what_to_do() {
    let missing = Places::open("/nowhere/countries.mmdb").expect_err("no file").to_string();
    assert!(missing.contains("/nowhere/countries.mmdb") && missing.contains("GeoLite2-Country"), "{missing}");
    let numbers = Value::Map(vec![("autonomous_system_number", Value::Number(64_500))]);
    let (_folder, path) = place(&write("Test-ASN", &[("192.0.2.0", 24, numbers)]));
    let other = Places::open(&path).expect_err("no countries").to_string();
    assert!(other.contains("`Test-ASN`") && other.contains("names no country"), "{other}");
    let (_folder, path) = place(&write("Test-Country", &[]));
    assert!(matches!(Places::open(&path), Err(GeoError::NoCountries { .. })));
}

#[test]
fn a_database_cut_or_flipped_anywhere_is_refused_or_answers_something() {
    let bytes = countries(&[("192.0.2.0", 28, "AT"), ("2001:db8::", 33, "FR")]);
    let (_folder, path) = place(&bytes);
    let probe = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("written");
        if let Ok(places) = Places::open(&path) {
            at(&places, "192.0.2.1");
            at(&places, "2001:db8::1");
        }
    };
    for len in (0..bytes.len()).step_by(7) {
        probe(&bytes[..len]);
        let mut flipped = bytes.clone();
        flipped[len] ^= 0x21;
        probe(&flipped);
    }
}

#[test]
fn a_country_has_two_letters() {
    assert_eq!(Country::new("at").map(|country| country.to_string()).as_deref(), Some("AT"));
    for wrong in ["", "A", "AUT", "A1", "é"] {
        assert_eq!(Country::new(wrong), None, "{wrong}");
    }
}
