use std::collections::BTreeSet;

use rillcast_edge::admission::territory::RULES_MAX;

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
    full.edge.upstream = vec![raw::RawUpstream::full()];
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

/// The example of an edge is one that starts, as far as a file alone can tell.
#[test]
fn the_example_of_an_edge_has_all_that_an_edge_needs() {
    let config = parse(include_str!("../../config/edge.toml")).expect("the example is valid");
    let EdgeConfig { far, tokens, orders, events, countries, territory, .. } = config.edge;
    let (upstreams, _) = far.expect("upstreams");
    assert_eq!(upstreams.upstreams.len(), 3);
    let jwks = tokens.jwks.expect("a key set");
    assert_eq!((&*jwks.origin, &*jwks.target), ("https://issuer.example", "/.well-known/jwks.json"));
    assert!(orders.is_some_and(|orders| orders.state.is_some()) && events.is_some() && countries.is_some());
    assert!(!territory.is_empty());
}

#[test]
fn mistakes_say_where_they_are() {
    let cases = [
        ("[http]\nworker = 3", "unknown field `worker`"),
        ("[htpp]\n", "unknown field `htpp`"),
        ("[http]\ntrusted_proxies = [\"10.0.0.0/33\"]", "http.trusted_proxies cannot be used: `10.0.0.0/33`"),
        ("[http]\ncors_origins = [\"player.example\"]", "http.cors_origins: `player.example`"),
        ("[http]\nlistener = []", "nothing to listen on"),
        ("[[http.listener]]\naddress = \"127.0.0.1:1\"\nkey = \"k\"", "give both or none"),
        ("[[http.listener]]\naddress = \"localhost\"", "invalid socket address"),
        ("[origin]\nopen_assets = 0", "origin.open_assets is 0: it must be 1 to 1000000"),
        ("[edge.orders]\nsource = \"ftp://h/orders\"", "edge.orders.source: `ftp://h/orders`"),
        ("[edge.orders]\nsource = \"https://h/orders?x\"", "without query"),
        ("[edge.orders]\nsource = \"f\"\nsecret_file = \"s\"", "edge.orders.secret_file goes with"),
        ("[edge.events]\nurl = \"control.example\"\ndirectory = \"d\"", "edge.events.url: `control.example`"),
        ("[edge.events]\ndirectory = \"d\"", "edge.events.directory goes with edge.events.url"),
        ("[edge.geo]\nallow = [\"AT\"]", "there is no database"),
        ("[[edge.geo.rule]]\npaths = [\"/vod/\"]\ndeny = [\"AT\"]", "name one in edge.geo.database"),
        ("[edge.geo]\ndatabase = \"d\"\ndeny = [\"UK\"]", "`UK` is the code of no country"),
        ("[edge.geo]\ndatabase = \"d\"\nallow = [\"AT\"]\ndeny = [\"CH\"]", "`allow` and `deny` at once"),
        ("[edge.geo]\nunknown = \"maybe\"", "unknown variant `maybe`"),
        ("[[edge.geo.rule]]\npaths = [\"/vod/\"]", "one without countries"),
        ("[[edge.geo.rule]]\nallow = [\"AT\"]", "give `paths` or `environment`"),
        ("[[edge.geo.rule]]\npaths = [\"vod\"]\nallow = [\"AT\"]", "`vod` is no folder"),
        ("[edge.tokens]\njwks = \"issuer.example/keys\"", "edge.tokens.jwks: `issuer.example/keys`"),
        ("[edge.tokens]\njwks = \"http://issuer.example/keys\"", "edge.tokens.jwks_allow_http = true"),
        ("[edge.tokens]\njwks = \"http://localhost.example/keys\"", "is fetched in clear"),
        ("[edge.tokens]\njwks = \"http://[2001:db8::1]:80/keys\"", "is fetched in clear"),
        ("[edge.tokens]\njwks = \"https:///keys\"", "edge.tokens.jwks: `https:///keys`"),
        ("[log]\nlevel = \"a=b=c\"", "log.level"),
        ("[log]\nformat = \"xml\"", "unknown variant `xml`"),
    ];
    for (text, expected) in cases {
        let message = format!("{:#}", anyhow::Error::from(parse(text).expect_err(text)));
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn a_key_set_in_clear_is_this_machines_own_or_allowed() {
    for text in [
        "jwks = \"http://127.0.0.1:1/keys\"",
        "jwks = \"http://127.8.0.1/keys\"",
        "jwks = \"http://[::1]:1/keys\"",
        "jwks = \"http://LOCALHOST/keys\"",
        "jwks = \"http://issuer.example/keys\"\njwks_allow_http = true",
    ] {
        assert!(parse(&format!("[edge.tokens]\n{text}")).is_ok(), "{text}");
    }
}

#[test]
fn there_may_be_so_many_rules_of_countries_and_no_more() {
    let rules = |count: usize| {
        let rule = "[[edge.geo.rule]]\nenvironment = \"a\"\nallow = [\"AT\"]\n";
        parse(&format!("[edge.geo]\ndatabase = \"d\"\n{}", rule.repeat(count)))
    };
    assert!(rules(RULES_MAX).is_ok());
    let error = rules(RULES_MAX + 1).expect_err("one too many");
    let message = format!("{:#}", anyhow::Error::from(error));
    assert!(message.contains("edge.geo: too many rules: 257 rules") && message.contains("256 are the limit"));
}

/// Each number at its bounds is taken, and one past them is not, by its own name.
#[test]
fn numbers_have_bounds() {
    let mut example: toml::Table = ALL_IN_ONE.parse().expect("the example parses");
    let mut seen = 0;
    for key in numbers(&mut example, "", &mut |_, _| ()) {
        let with = |value: i64| {
            let mut table = example.clone();
            numbers(&mut table, "", &mut |name, number| {
                if name == key {
                    *number = value;
                }
            });
            toml::Value::Table(table).try_into::<RawConfig>().ok().map(|raw| bounds::check(&raw))
        };
        // Where the type itself ends first, the file is refused as it is read.
        let bounds_of = [i64::MAX, i64::from(u32::MAX)].into_iter().find_map(|value| match with(value) {
            Some(Err(ConfigError::OutOfBounds { key: name, least, most, .. })) => Some((name, least, most)),
            _ => None,
        });
        let (name, least, most) = bounds_of.unwrap_or_else(|| panic!("{key} has no bounds"));
        assert_eq!(name, key);
        let (least, most) = (i64::try_from(least).expect("small"), i64::try_from(most).expect("small"));
        for (value, is_taken) in [(least, true), (most, true), (least - 1, false), (most + 1, false)] {
            assert_eq!(matches!(with(value), Some(Ok(()))), is_taken, "{key} = {value}");
        }
        seen += 1;
    }
    assert!(seen > 20);
}

/// The names of all numbers in `table`, each shown to `visit` to look at or change.
fn numbers(table: &mut toml::Table, prefix: &str, visit: &mut dyn FnMut(&str, &mut i64)) -> Vec<String> {
    let mut names = Vec::new();
    for (key, value) in table {
        let name = format!("{prefix}{key}");
        match value {
            toml::Value::Integer(number) => {
                visit(&name, number);
                names.push(name);
            }
            toml::Value::Table(inner) => names.extend(numbers(inner, &format!("{name}."), visit)),
            _ => {}
        }
    }
    names
}
