//! Services beside the edge: an issuer's key set, and a control plane that takes events.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::client::wait_until;
use crate::films::film;
use crate::pair::{PRIVATE, Pair};
use crate::service::Service;

/// A new issuer in `folder`: its key set, and a token of it.
fn issuer(folder: &tempfile::TempDir, name: &str) -> (String, String) {
    let run = |args: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rillcast"));
        let output = command.args(args.split(' ')).current_dir(folder.path()).output().expect("it starts");
        assert!(output.status.success(), "{args}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    run(&format!("keys new --file {name}"));
    let token = run(&format!("token sign --keys {name} --path /vod/private/"));
    (run(&format!("keys jwks --file {name}")), token)
}

#[test]
fn an_issuers_keys_are_fetched_at_the_start_and_for_a_key_that_nobody_knows() {
    let folder = tempfile::tempdir().expect("a writable place for temporary files");
    let (first, second) = (issuer(&folder, "first.json"), issuer(&folder, "second.json"));
    let service = Service::answering(first.0);
    let pair = Pair::new(&film(2), &format!("jwks = \"{}\"", service.url("/keys?of=all")));
    let address = |token: &str| format!("/t/{token}/vod/{PRIVATE}/master.m3u8");
    assert!(service.heard()[0].starts_with("GET /keys?of=all HTTP/1.1\r\n"));
    assert_eq!(pair.get(&address(&first.1)).status, 200, "they were there before the first request");

    service.answer(second.0);
    assert_eq!(pair.get(&address(&second.1)).json()["type"], "/problems/token_key_unknown");
    wait_until("the new key is known", || pair.get(&address(&second.1)).status == 200);
    assert_eq!(pair.get(&address(&first.1)).status, 401, "the old one is gone from the set");
    assert_eq!(pair.get(&address(&pair.token("s"))).status, 200, "the file's keys are trusted besides");
    assert_eq!(service.heard().len(), 2, "strangers do not make it ask again and again");
}

#[test]
fn an_issuer_that_is_slow_delays_no_start_and_its_tokens_are_told_to_come_again() {
    let folder = tempfile::tempdir().expect("a writable place for temporary files");
    let (keys, token) = issuer(&folder, "keys.json");
    let service = Service::silent();
    // Whether it starts at all is the question: nobody answers.
    let pair = Pair::new(&film(2), &format!("jwks = \"{}\"", service.url("/keys")));
    let address = |token: &str| format!("/t/{token}/vod/{PRIVATE}/master.m3u8");
    let early = pair.get(&address(&token));
    assert_eq!((early.status, &early.json()["type"]), (503, &"/problems/token_keys_awaited".into()));
    assert_eq!((early.header("retry-after"), early.header("cache-control")), ("2", "no-store"));
    assert_eq!(pair.get(&address(&pair.token("s"))).status, 200, "a key of the file is known");
    service.answer(keys);
    wait_until("the keys have come", || pair.get(&address(&token)).status == 200);
    let (_, stranger) = issuer(&folder, "other.json");
    let late = pair.get(&address(&stranger));
    assert_eq!((late.status, &late.json()["type"]), (401, &"/problems/token_key_unknown".into()));
}

#[test]
fn what_sessions_did_waits_on_disk_and_arrives_with_the_secret() {
    let service = Service::answering(String::new());
    let folder = tempfile::tempdir().expect("a writable place for temporary files");
    let secret = folder.path().join("secret");
    fs::write(&secret, "hunter2\n").expect("writable");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("ours");
    let queue = folder.path().join("queue");
    let events = format!(
        "[edge.events]\nurl = \"{}\"\nsecret_file = \"{}\"\ndirectory = \"{}\"",
        service.url("/events"),
        secret.display(),
        queue.display()
    );
    let mut pair = Pair::new(&film(2), &events);
    let token = pair.token("evening-42");
    assert_eq!(pair.get(&format!("/t/{token}/vod/{PRIVATE}/master.m3u8")).status, 200);
    // What the process knew when it was told to stop is sent by the next.
    pair.restart(|_| assert!(fs::read_dir(&queue).expect("it was made").count() > 1, "a batch waits"));
    let has_come = |request: &String| {
        request.starts_with("POST /events HTTP/1.1\r\n")
            && request.contains("authorization: Bearer hunter2\r\n")
            && request.contains(r#""session":"evening-42""#)
    };
    wait_until("the batch arrives", || service.heard().iter().any(has_come));
    assert!(!pair.into_logs().contains("hunter2"), "a log shows the secret");
}
