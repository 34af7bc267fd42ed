//! What the control plane says, out of a file: in force at the next request, and after a restart.

use std::fs;

use crate::client::{Answer, get, wait_until};
use crate::films::film;
use crate::pair::{PRIVATE, Pair};

/// After every token of a test has ended, microseconds since 1970.
const LATER: u64 = 4_102_444_800_000_000;

#[test]
fn a_token_opens_a_film_until_it_is_revoked_also_after_a_restart_and_no_log_shows_it() {
    let mut pair = Pair::new(&film(4), "");
    let master = format!("/vod/{PRIVATE}/master.m3u8");
    let [revoked, kept] = ["s-1", "s-2"].map(|session| pair.token(session));
    let with = |token: &str, path: &str| format!("/t/{token}{path}");
    assert_eq!(pair.get(&master).json()["type"], "/problems/token_missing");
    for path in [master.clone(), pair.address(".m4s")] {
        let direct = get(pair.origin.address(), &path);
        assert_eq!(pair.get(&path).status, 401, "{path}");
        for token in [&revoked, &kept] {
            let answer = pair.get(&with(token, &path));
            assert_eq!((answer.status, &answer.body), (200, &direct.body), "{path}");
        }
    }

    let words = format!(r#""kind":"revoke","what":"session","id":"s-1","until_us":{LATER}"#);
    pair.order(&format!(r#"{{"v":1,"seq":1,{words}}}"#));
    wait_until("the order is in force", || pair.get(&with(&revoked, &master)).status == 401);
    assert_eq!(pair.get(&with(&revoked, &master)).json()["type"], "/problems/token_revoked");
    assert_eq!(pair.get(&with(&kept, &master)).status, 200);

    // Nobody tells the next process, but the file that the last one has left.
    pair.restart(|folder| fs::remove_file(folder.join("orders.jsonl")).expect("ours"));
    assert_eq!(pair.get(&with(&revoked, &master)).json()["type"], "/problems/token_revoked");
    assert_eq!(pair.get(&with(&kept, &master)).status, 200);

    let logs = pair.into_logs();
    assert!(logs.contains("master.m3u8"), "requests are logged");
    for token in [&revoked, &kept] {
        let (_, signature) = token.rsplit_once('.').expect("a signature");
        let (_, claims) = token.split_once('.').expect("claims");
        assert!(!logs.contains(signature) && !logs.contains(claims), "a log shows a token");
    }
}

#[test]
fn an_order_to_purge_makes_the_edge_fetch_anew() {
    let pair = Pair::new(&film(4), "");
    let token = pair.token("s");
    let segment = pair.address(".m4s");
    let address = format!("/t/{token}{segment}");
    let before = pair.get(&address);
    // Ours is the last: the origin has said what it did before.
    let hit = |answer: &Answer| {
        assert_eq!(answer.status, 200, "it has the film, and is not refused");
        let mut members = answer.headers.iter().filter(|(name, _)| name == "cache-status");
        members.next_back().is_some_and(|(_, value)| value.contains("; hit"))
    };
    assert_eq!((before.status, hit(&before)), (200, false));

    pair.library.replace(PRIVATE, &film(6));
    wait_until("it is kept, because nobody has told the edge", || hit(&pair.get(&address)));
    pair.order(r#"{"v":1,"seq":1,"kind":"purge","what":"prefix","prefix":"/vod/private/film.mp4/"}"#);
    wait_until("the segment is fetched anew", || !hit(&pair.get(&address)));
    let master = format!("/vod/{PRIVATE}/master.m3u8");
    let old = format!(
        "/~{}/",
        segment.split("/~").nth(1).and_then(|rest| rest.split('/').next()).expect("a revision")
    );
    let answer = pair.get(&format!("/t/{token}{master}"));
    assert_eq!(answer.body, get(pair.origin.address(), &master).body);
    assert!(!answer.text().contains(&old), "it is another film");
}

#[test]
fn a_key_comes_and_goes_by_order() {
    let pair = Pair::new(&film(2), "");
    pair.rillcast(&["keys", "new", "--file", "other.json", "--algorithm", "hs256"]);
    let sign = ["token", "sign", "--keys", "other.json", "--path", "/vod/private/"];
    let address = format!("/t/{}/vod/{PRIVATE}/master.m3u8", pair.rillcast(&sign));
    assert_eq!(pair.get(&address).json()["type"], "/problems/token_key_unknown");

    let keys = fs::read(pair.at("other.json")).expect("it was made");
    let keys: serde_json::Value = serde_json::from_slice(&keys).expect("JSON");
    let keys = keys["keys"].as_array().expect("keys");
    let active = keys.iter().find(|key| key["state"] == "active").expect("an active one");
    let (kid, secret) = (&active["kid"], &active["secret"]);
    let jwk = format!(r#"{{"kty":"oct","k":{secret}}}"#);
    pair.order(&format!(
        r#"{{"v":1,"seq":1,"kind":"key","change":"upsert","kid":{kid},"state":"active","jwk":{jwk}}}"#
    ));
    wait_until("the key is trusted", || pair.get(&address).status == 200);
    pair.order(&format!(r#"{{"v":1,"seq":2,"kind":"key","change":"remove","kid":{kid}}}"#));
    wait_until("the key is gone", || pair.get(&address).status == 401);
    let logs = pair.into_logs();
    assert!(!logs.contains(secret.as_str().expect("a text")), "a log shows a key");
}
