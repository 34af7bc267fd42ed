//! Rules against countries out of a database that the test writes itself.

use super::*;
use crate::admission::geo::tests::{countries, place};

const AUSTRIAN: &str = "192.0.2.1";
const SWISS: &str = "198.51.100.1";
const NOWHERE: &str = "10.0.0.1";

fn listed(codes: &[&str]) -> Vec<Country> {
    codes.iter().map(|code| assigned(code).expect("a country")).collect()
}

fn only(codes: &[&str]) -> Rule {
    Rule { environment: None, folders: None, countries: Countries::Only(listed(codes)) }
}

fn all_but(codes: &[&str]) -> Rule {
    Rule { countries: Countries::AllBut(listed(codes)), ..only(&[]) }
}

fn in_folder(rule: Rule, folder: &str) -> Rule {
    Rule { folders: Some(PrivatePaths::new([folder]).expect("a folder")), ..rule }
}

fn territory(rules: impl Into<Vec<Rule>>, unknown: Unknown) -> Territory {
    Territory::new(rules, unknown).expect("few rules")
}

/// Whether clients in Austria, in Switzerland and nowhere may see `path` in `environment`.
fn seen(territory: &Territory, environment: &str, path: &str) -> [bool; 3] {
    let (_folder, file) = place(&countries(&[("192.0.2.0", 24, "AT"), ("198.51.100.0", 24, "CH")]));
    let places = Places::open(file).expect("a database");
    [AUSTRIAN, SWISS, NOWHERE].map(|client| {
        let client = client.parse().expect("an address");
        territory.check(Some(&places), client, environment, path).is_ok()
    })
}

#[test]
fn a_list_allows_only_these_or_all_but_these_and_says_what_to_do_with_the_unknown() {
    for (rule, unknown, expected) in [
        (only(&["AT"]), Unknown::Refused, [true, false, false]),
        (only(&["AT"]), Unknown::Allowed, [true, false, true]),
        (all_but(&["AT"]), Unknown::Refused, [false, true, false]),
        (all_but(&["AT"]), Unknown::Allowed, [false, true, true]),
        (only(&["at", "CH", "DE"]), Unknown::Refused, [true, true, false]),
    ] {
        let territory = territory([rule.clone()], unknown);
        assert_eq!(seen(&territory, "", "/vod/a"), expected, "{rule:?}, unknown {unknown:?}");
    }
    assert_eq!(seen(&Territory::default(), "", "/vod/a"), [true; 3]);
}

#[test]
fn all_rules_that_concern_a_request_must_agree_in_whichever_order() {
    let rules =
        [all_but(&["DE"]), in_folder(only(&["AT"]), "/vod/sport/"), in_folder(only(&["CH"]), "/vod/news/")];
    for rules in [rules.clone().to_vec(), rules.into_iter().rev().collect()] {
        let territory = territory(rules, Unknown::Allowed);
        for (path, expected) in [
            ("/vod/film", [true, true, true]),
            ("/vod/sport/final", [true, false, true]),
            ("/vod/news/today", [false, true, true]),
            // However it is written.
            ("/vod/%73port/final", [true, false, true]),
            ("/vod//sport/final", [true, false, true]),
            ("/vod/sports/final", [true, true, true]),
        ] {
            assert_eq!(seen(&territory, "", path), expected, "{path}");
        }
    }
}

#[test]
fn a_rule_of_an_environment_concerns_no_other_and_the_default_one_is_what_is_public() {
    let of = |name: &str| Rule { environment: Some(name.to_owned()), ..only(&["AT"]) };
    let acme = territory([of("acme")], Unknown::Refused);
    assert_eq!(seen(&acme, "acme", "/vod/a"), [true, false, false]);
    assert_eq!(seen(&acme, "other", "/vod/a"), [true; 3]);
    assert_eq!(seen(&acme, "", "/vod/a"), [true; 3]);
    let public = territory([of("default")], Unknown::Refused);
    assert_eq!(seen(&public, "", "/vod/a"), [true, false, false]);
    assert_eq!(seen(&public, "acme", "/vod/a"), [true; 3]);
    let both = territory([in_folder(of("acme"), "/live/")], Unknown::Refused);
    assert_eq!(seen(&both, "acme", "/vod/a"), [true; 3]);
    assert_eq!(seen(&both, "", "/live/a"), [true; 3]);
    assert_eq!(seen(&both, "acme", "/live/a"), [true, false, false]);
}

#[test]
fn a_refusal_is_a_403_that_nobody_keeps_and_names_the_country() {
    let (_folder, file) = place(&countries(&[("198.51.100.0", 24, "CH")]));
    let places = Places::open(file).expect("a database");
    let territory = territory([only(&["AT"])], Unknown::Refused);
    let refused = |client: &str| {
        let client = client.parse().expect("an address");
        *territory.check(Some(&places), client, "", "/vod/a").expect_err("not in Austria")
    };
    for (client, word) in [(SWISS, "CH"), ("::ffff:198.51.100.1", "CH"), (NOWHERE, "no known country")] {
        let problem = refused(client);
        assert_eq!((problem.status, problem.slug), (StatusCode::FORBIDDEN, "country_not_allowed"));
        assert_eq!(problem.cache_control, "no-store");
        assert!(problem.detail.contains(word), "{}", problem.detail);
    }
}

#[test]
fn a_code_that_is_not_assigned_is_no_country() {
    let assigned_codes: Vec<_> = ASSIGNED.split_ascii_whitespace().collect();
    assert_eq!(assigned_codes.len(), 250);
    assert!(assigned_codes.is_sorted_by(|one, next| one < next), "none stands there twice");
    assert!(assigned_codes.iter().all(|code| assigned(code).is_ok()));
    for wrong in ["UK", "EN", "XX", "EU", "A", "AUT", "", " AT"] {
        assert_eq!(assigned(wrong), Err(NoCountry { text: wrong.to_owned() }));
    }
}

#[test]
fn there_are_so_many_rules_and_one_more_is_refused_not_left_out() {
    let made = |count| Territory::new(vec![only(&["AT"]); count], Unknown::Refused);
    assert_eq!(made(RULES_MAX).expect("so many may be").rules.len(), RULES_MAX);
    let error = made(RULES_MAX + 1).expect_err("one too many");
    assert_eq!(error, TooManyRules { count: RULES_MAX + 1 });
    assert!(error.to_string().contains("257 rules") && error.to_string().contains("256 are the limit"));
}

#[test]
fn who_is_let_pass_is_told_whether_others_might_not_be() {
    let (_folder, file) = place(&countries(&[("192.0.2.0", 24, "AT")]));
    let places = Places::open(file).expect("a database");
    let territory = territory([in_folder(only(&["AT"]), "/vod/sport/")], Unknown::Allowed);
    let concerned = |client: &str, path| {
        let client = client.parse().expect("an address");
        territory.check(Some(&places), client, "", path).expect("it may be seen")
    };
    for client in [AUSTRIAN, NOWHERE] {
        assert!(concerned(client, "/vod/sport/final"));
        assert!(concerned(client, "/vod/%73port/final"));
        assert!(!concerned(client, "/vod/film"));
    }
}
