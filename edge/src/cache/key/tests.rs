use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn target(path: &str, query: Option<&str>) -> Result<String, KeyError> {
    Key::of(&KeyRules::default(), "", path, query).map(|key| key.target().to_owned())
}

fn check(path: &str, query: Option<&str>, expected: &str) {
    assert_eq!(target(path, query).as_deref(), Ok(expected), "{path:?} {query:?}");
}

#[test]
fn triplets_of_unreserved_characters_are_decoded_and_digits_are_upper_case() {
    for (path, canonical) in [
        ("/", "/"),
        ("/vod/film.mp4/~1.ab/v1/3.m4s", "/vod/film.mp4/~1.ab/v1/3.m4s"),
        ("/%61%5A%30%2d%2E%5f%7E", "/aZ0-._~"),
        ("/a%2fb%c3%a9", "/a%2Fb%C3%A9"),
        ("/a%2Fb%C3%A9", "/a%2Fb%C3%A9"),
        ("/caf\u{e9}%41", "/caf\u{e9}A"),
        // Decoded once, never twice.
        ("/%2561", "/%2561"),
        ("/%25%36%31", "/%2561"),
        ("//a///b/", "//a///b/"),
    ] {
        check(path, None, canonical);
    }
}

#[test]
fn what_rfc_3986_does_not_call_equal_stays_apart() {
    for (a, b) in [
        ("/a/b", "/a%2Fb"),
        ("/a", "/A"),
        ("/a", "/a/"),
        ("/a", "//a"),
        ("/a+b", "/a%20b"),
        ("/a;b", "/a%3Bb"),
        ("/{a}", "/%7Ba%7D"),
        ("/a?b", "/a%3Fb"),
    ] {
        let of = |text: &str| {
            let (path, query) =
                text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
            Key::of(&KeyRules::default(), "", path, query).unwrap()
        };
        assert_ne!(of(a), of(b));
    }
}

#[test]
fn dot_segments_are_refused_in_every_disguise() {
    for path in [
        "/..",
        "/.",
        "/a/../b",
        "/a/./b",
        "/a/%2e%2e/b",
        "/a/.%2E",
        "/a/..%2fb",
        "/a%2f../b",
        "/a\\..\\b",
        "/a%5c..%5Cb",
        "/a/..%5cb",
    ] {
        assert_eq!(target(path, None), Err(KeyError::DotSegment), "{path}");
    }
    for path in ["/...", "/a/..b", "/a/b..", "/.a", "/a.", "/a..%2Fb", "/%252e%252e/b"] {
        check(path, None, path);
    }
}

#[test]
fn malformed_targets_are_refused_and_the_place_is_named() {
    let (in_path, in_query) = (Part::Path, Part::Query);
    for (path, query, error) in [
        ("", None, KeyError::NotAbsolute),
        ("*", None, KeyError::NotAbsolute),
        ("a/b", None, KeyError::NotAbsolute),
        ("/a%", None, KeyError::Percent { at: 2, part: in_path }),
        ("/a%4", None, KeyError::Percent { at: 2, part: in_path }),
        ("/a%4g", None, KeyError::Percent { at: 2, part: in_path }),
        ("/a%+4", None, KeyError::Percent { at: 2, part: in_path }),
        ("/\u{e9}%\u{e9}", None, KeyError::Percent { at: 3, part: in_path }),
        ("/a b", None, KeyError::Byte { at: 2, part: in_path }),
        ("/a?b", None, KeyError::Byte { at: 2, part: in_path }),
        ("/a#b", None, KeyError::Byte { at: 2, part: in_path }),
        ("/a\r\nb", None, KeyError::Byte { at: 2, part: in_path }),
        ("/", Some("a=1&b=%zz"), KeyError::Percent { at: 6, part: in_query }),
        ("/", Some("&&a#"), KeyError::Byte { at: 3, part: in_query }),
    ] {
        assert_eq!(target(path, query), Err(error), "{path:?} {query:?}");
    }
}

#[test]
fn tokens_figures_of_players_and_marks_of_campaigns_are_taken_out() {
    for query in [
        "token=eyJ.x.y",
        "access_token=1",
        "%74oken=1",
        "CMCD=br%3D3200",
        "utm_source=a&utm_medium=b&gclid=1&fbclid=2&_ga=3",
        "&&",
        "",
    ] {
        check("/a", Some(query), "/a");
    }
    check("/a", Some("token=1&t=5&CMCD=x"), "/a?t=5");
    check("/a", Some("Token=1&tokens=2&ga=3"), "/a?Token=1&ga=3&tokens=2");
}

#[test]
fn the_rest_is_sorted_by_name_and_equal_names_keep_their_order() {
    for (query, kept) in [
        ("b=2&a=1", "/p?a=1&b=2"),
        ("b=2&a=9&b=1&a=0", "/p?a=9&a=0&b=2&b=1"),
        ("_HLS_part=3&_HLS_msn=120&_HLS_skip=YES&z=1", "/p?_HLS_msn=120&_HLS_part=3&_HLS_skip=YES&z=1"),
        ("a&a=&=x&b?", "/p?=x&a&a=&b?"),
        ("%62=1&a=%7e%2f", "/p?a=~%2F&b=1"),
        ("a-=1&a=2", "/p?a=2&a-=1"),
    ] {
        check("/p", Some(query), kept);
    }
}

#[test]
fn an_operator_names_what_is_taken_out_but_directives_stay() {
    let rules = KeyRules::new(["session", "x_*", "_*", "caf%c3%a9"]).unwrap();
    let of = |query| Key::of(&rules, "", "/p", Some(query)).unwrap().target().to_owned();
    assert_eq!(of("session=1&sessions=2&x_=3&x_y=4&x=5&_HLS_msn=6&_a=7"), "/p?_HLS_msn=6&sessions=2&x=5");
    assert_eq!(of("utm_source=1&caf%C3%A9=2"), "/p?utm_source=1");
    assert_eq!(of("token=1"), "/p", "tokens are taken out in any case");
    for name in ["", "*", "a*b", "a**", "a=b", "a&b", "a b", "%4"] {
        assert_eq!(KeyRules::new([name]).unwrap_err(), KeyRulesError::Name(name.to_owned()));
    }
    KeyRules::new(vec!["a"; MAX_IGNORED]).unwrap();
    assert_eq!(KeyRules::new(vec!["a"; MAX_IGNORED + 1]).unwrap_err(), KeyRulesError::TooMany);
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let rules = KeyRules::default();
    let params = |count: usize| vec!["a=1"; count].join("&");
    assert!(target("/p", Some(&params(MAX_PARAMETERS))).is_ok());
    assert_eq!(target("/p", Some(&params(MAX_PARAMETERS + 1))), Err(KeyError::TooManyParameters));
    let tokens = vec!["token=1"; MAX_PARAMETERS + 1].join("&");
    assert_eq!(target("/p", Some(&tokens)), Err(KeyError::TooManyParameters));

    let path = |len: usize| format!("/{}", "a".repeat(len - 1));
    assert!(target(&path(MAX_TARGET_BYTES), None).is_ok());
    assert_eq!(target(&path(MAX_TARGET_BYTES + 1), None), Err(KeyError::TooLong));
    assert!(target(&path(MAX_TARGET_BYTES - 4), Some("a=1")).is_ok());
    assert_eq!(target(&path(MAX_TARGET_BYTES - 3), Some("a=1")), Err(KeyError::TooLong));
    // It is what is kept that counts.
    assert!(target(&path(MAX_TARGET_BYTES), Some("token=1")).is_ok());
    assert!(target(&"/%61".repeat(MAX_TARGET_BYTES / 2), None).is_ok());
    assert!(Prefix::of("", &path(MAX_TARGET_BYTES)).is_ok());
    assert_eq!(Prefix::of("", &path(MAX_TARGET_BYTES + 1)), Err(KeyError::TooLong));

    let environment = |len: usize| Key::of(&rules, &"e".repeat(len), "/", None);
    assert_eq!(environment(MAX_ENVIRONMENT_BYTES).unwrap().environment().len(), MAX_ENVIRONMENT_BYTES);
    assert_eq!(environment(MAX_ENVIRONMENT_BYTES + 1), Err(KeyError::Environment));
    for name in ["a/b", "a b", "\u{e9}", "a\0"] {
        assert_eq!(Key::of(&rules, name, "/", None), Err(KeyError::Environment), "{name:?}");
    }
}

#[test]
fn all_who_wait_for_a_playlist_have_its_key_in_common() {
    let rules = KeyRules::default();
    for (query, plain) in [
        (Some("_HLS_msn=7&_HLS_part=2&_HLS_skip=YES"), None),
        (Some("_HLS_msn=8&z=1&a=2&token=x"), Some("a=2&z=1")),
        (Some("_HLS_vary=1&_hls=2"), Some("_hls=2")),
        (None, None),
    ] {
        let asked = Asked::of(&rules, "acme", "/live/a.m3u8", query).unwrap();
        let key = rules.without_directives(&asked);
        assert_eq!(key, Key::of(&rules, "acme", "/live/a.m3u8", plain).unwrap());
        assert_eq!((key.path(), key.query()), ("/live/a.m3u8", plain));
    }
    let asked = Asked::of(&rules, "", "/a", Some("b=1&_HLS_msn=2")).unwrap();
    assert_eq!(asked.query(), Some("_HLS_msn=2&b=1"));
}

#[test]
fn environments_never_share_a_key() {
    let rules = KeyRules::default();
    let keys = ["", "a", "ab", "a.b"].map(|environment| Key::of(&rules, environment, "/x", None).unwrap());
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(key.target(), "/x");
        for other in &keys[at + 1..] {
            assert_ne!(key, other);
            assert_ne!(key.key_hash(), other.key_hash());
        }
    }
}

#[test]
fn a_table_is_asked_without_making_a_key() {
    let rules = KeyRules::default();
    let mut table = HashMap::with_hasher(CarriedHash);
    table.insert(Key::of(&rules, "acme", "/vod/a", Some("b=1&a=2")).unwrap(), 7);
    let path = "/vod/a".to_owned();
    let asked = Asked::of(&rules, "acme", &path, Some("a=2&token=3&b=1")).unwrap();
    assert_eq!(table.get(&asked as &dyn Named), Some(&7));
    let asked = Asked::of(&rules, "", &path, Some("a=2&b=1")).unwrap();
    assert_eq!(table.get(&asked as &dyn Named), None);
    let asked = Asked::of(&rules, "acme", &path, Some("token=1")).unwrap();
    assert!(matches!(asked.target, Cow::Borrowed(_)), "nothing is kept, so nothing is copied");
    assert_eq!(asked.path(), "/vod/a");
}

#[test]
fn hashes_are_keyed_by_the_rules() {
    let (one, two) = (KeyRules::default(), KeyRules::default());
    let hash = |rules: &KeyRules| Key::of(rules, "", "/a", None).unwrap().key_hash();
    assert_eq!(hash(&one), hash(&one.clone()));
    assert_ne!(hash(&one), hash(&two), "two seeds of 64 bits");
}

#[test]
fn every_edge_takes_a_key_to_the_same_upstream() {
    let affinity = |path: &str| Key::of(&KeyRules::default(), "", path, None).unwrap().affinity();
    // Another value would move keys of all edges at once: it would empty every shield.
    assert_eq!([affinity("/a"), affinity("/a")], [16_326_299_927_694_043_141; 2]);
    assert_ne!(affinity("/a"), affinity("/b"));
}

#[test]
fn a_prefix_covers_what_begins_alike_in_its_environment() {
    let rules = KeyRules::default();
    let prefix = Prefix::of("acme", "/vod/fil%6d").unwrap();
    for (environment, path, query, covered) in [
        ("acme", "/vod/film", None, true),
        ("acme", "/vod/film.mp4/master.m3u8", None, true),
        ("acme", "/vod/film", Some("_HLS_msn=3"), true),
        ("acme", "/vod/fil", None, false),
        ("", "/vod/film", None, false),
        ("acm", "/vod/film", None, false),
        ("acme", "/x/vod/film", None, false),
    ] {
        let key = Key::of(&rules, environment, path, query).unwrap();
        assert_eq!(prefix.covers(&key), covered, "{key:?}");
        let is_there = path.starts_with("/vod/film");
        assert_eq!(Prefix::everywhere("/vod/fil%6d").unwrap().covers(&key), is_there, "{key:?}");
    }
    assert!(Prefix::of("", "/").unwrap().covers(&Key::of(&rules, "", "/a", None).unwrap()));
    assert_eq!(Prefix::of("", "vod"), Err(KeyError::NotAbsolute));
    assert_eq!(Prefix::of("", "/a%2"), Err(KeyError::Percent { at: 2, part: Part::Path }));
}

/// What RFC 3986 §6.2.2 says two texts have in common when they are equal: characters, and triplets by value.
fn meaning(text: &str) -> Vec<(u8, bool)> {
    let (mut rest, mut out) = (text.as_bytes(), Vec::new());
    while let [byte, after @ ..] = rest {
        if *byte == b'%' {
            let value = u8::from_str_radix(std::str::from_utf8(&after[..2]).unwrap(), 16).unwrap();
            let unreserved = value.is_ascii_alphanumeric() || b"-._~".contains(&value);
            out.push((value, !unreserved));
            rest = &after[2..];
        } else {
            out.push((*byte, false));
            rest = after;
        }
    }
    out
}

proptest! {
    #[test]
    fn keys_are_equal_exactly_when_paths_mean_the_same(
        a in "/([a-c./]|%2[EeFf]|%6[1-3]|%[cC]3){0,6}",
        b in "/([a-c./]|%2[EeFf]|%6[1-3]|%[cC]3){0,6}",
    ) {
        let (of_a, of_b) = (target(&a, None), target(&b, None));
        if let (Ok(of_a), Ok(of_b)) = (of_a, of_b) {
            prop_assert_eq!(of_a == of_b, meaning(&a) == meaning(&b));
            prop_assert_eq!(meaning(&of_a), meaning(&a));
        }
    }

    #[test]
    fn the_canonical_form_is_its_own(path in "/([a-d.~/%]|%[0-9a-fA-F]{2}|[\u{20}-\u{ff}]){0,12}", query in "(([a-d=&]|%[0-9a-fA-F]{2}|token=|_HLS_msn=|utm_x){0,12})?") {
        if let Ok(once) = target(&path, Some(&query)) {
            let (path, query) = once.split_once('?').map_or((&*once, None), |(path, query)| (path, Some(query)));
            prop_assert_eq!(target(path, query).unwrap(), once.clone());
            prop_assert!(!once.contains("?token=") && !once.contains("&token="));
        }
    }
}
