use std::collections::BTreeSet;

use super::*;

const ALL_IN_ONE: &str = include_str!("../../config/all-in-one.toml");

fn parse(text: &str) -> Result<Config, ConfigError> {
    let raw = toml::from_str(text).map_err(|source| ConfigError::Syntax {
        path: PathBuf::from("test.toml"),
        source: Box::new(source),
    })?;
    Config::check(raw)
}

/// The keys of a table and of all tables in it.
fn keys(value: &toml::Value, into: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                into.insert(key.clone());
                keys(value, into);
            }
        }
        toml::Value::Array(values) => values.iter().for_each(|value| keys(value, into)),
        _ => {}
    }
}

#[test]
fn the_example_is_the_defaults() {
    let example: RawConfig = toml::from_str(ALL_IN_ONE).expect("the example parses");
    assert_eq!(example, RawConfig::default());
    Config::check(example).expect("the example is valid");
}

#[test]
fn the_example_names_every_key() {
    let mut full = RawConfig::default();
    for listener in &mut full.http.listener {
        (listener.certificate, listener.key) = (Some(PathBuf::from("c")), Some(PathBuf::from("k")));
    }
    let mut wanted = BTreeSet::new();
    keys(&toml::Value::try_from(&full).expect("serialises"), &mut wanted);
    let named = |key: &str| {
        ALL_IN_ONE.lines().any(|line| {
            let line = line.trim_start_matches("# ");
            line.starts_with(&format!("{key} =")) || line.contains(&format!("{key}]"))
        })
    };
    let missing: Vec<_> = wanted.iter().filter(|key| !named(key)).collect();
    assert!(missing.is_empty(), "config/all-in-one.toml does not name {missing:?}");
}

#[test]
fn mistakes_say_where_they_are() {
    let cases = [
        ("[http]\nworker = 3", "unknown field `worker`"),
        ("[htpp]\n", "unknown field `htpp`"),
        ("[http]\ntrusted_proxies = [\"10.0.0.0/33\"]", "http.trusted_proxies: `10.0.0.0/33`"),
        ("[http]\ncors_origins = [\"player.example\"]", "http.cors_origins: `player.example`"),
        ("[http]\nlistener = []", "nothing to listen on"),
        ("[[http.listener]]\naddress = \"127.0.0.1:1\"\nkey = \"k\"", "give both or none"),
        ("[[http.listener]]\naddress = \"localhost\"", "invalid socket address"),
        ("[origin]\nopen_assets = 0", "origin.open_assets must not be zero"),
        ("[log]\nlevel = \"a=b=c\"", "log.level"),
        ("[log]\nformat = \"xml\"", "unknown variant `xml`"),
    ];
    for (text, expected) in cases {
        let message = parse(text).expect_err(text).to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
}
