//! What is taken of an issuer, up to its limits.

use std::time::SystemTime;

use rillcast_edge::upstream::Trust;
use rillcast_token::limits::KEYS_MAX;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// What comes of a fetch that is answered so, and how many connections were made for it.
async fn fetched(answer: &[u8]) -> (anyhow::Result<KeySet>, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let config = JwksConfig {
        origin: format!("http://{address}"),
        target: "/keys".to_owned(),
        trust: Trust::WebRoots,
    };
    let url = KeySetUrl::new(&config, &Registry::new()).expect("a URL");
    let mut connections = 0;
    let serve = async {
        loop {
            let (mut socket, _) = listener.accept().await.expect("it listens");
            connections += 1;
            let mut asked = [0; 4096];
            let _ = socket.read(&mut asked).await;
            // Who has read enough goes away.
            let _ = socket.write_all(answer).await;
        }
    };
    let result = tokio::select! {
        fetched = url.fetch() => fetched,
        () = serve => unreachable!("it serves for ever"),
    };
    (result, connections)
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// A set of so many keys.
fn set(count: usize) -> String {
    let key = |number: usize| {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"k{number}","x":"{x}"}}"#)
    };
    format!(r#"{{"keys":[{}]}}"#, (0..count).map(key).collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn a_set_may_have_so_many_bytes_and_so_many_keys_and_no_more() {
    let padded = |bytes: usize| {
        let set = set(1);
        let blanks = " ".repeat(bytes - set.len());
        set + &blanks
    };
    assert_eq!(fetched(&ok(&padded(KEY_SET_BYTES_MAX))).await.0.expect("as long as may be").len(), 1);
    let error = fetched(&ok(&padded(KEY_SET_BYTES_MAX + 1))).await.0.expect_err("one more").to_string();
    assert!(error.contains("more than 262144 bytes"), "{error}");
    assert_eq!(fetched(&ok(&set(KEYS_MAX))).await.0.expect("as many as may be").len(), KEYS_MAX);
    let error = fetched(&ok(&set(KEYS_MAX + 1))).await.0.expect_err("one more").to_string();
    assert!(error.contains("more than 256 keys"), "{error}");
}

#[tokio::test]
async fn no_redirect_is_followed_and_nothing_but_200_is_a_set() {
    for status in
        ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "404 Not Found", "204 No Content"]
    {
        let answer = format!("HTTP/1.1 {status}\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n");
        let (result, connections) = fetched(answer.as_bytes()).await;
        let error = result.expect_err(status).to_string();
        assert!(error.contains(&status[..3]) && connections == 1, "{error}, {connections} connections");
    }
    for wrong in ["", "{}", "[]", "<html>", r#"{"keys":[{"kty":"oct","kid":"k","k":"c2VjcmV0"}]}"#] {
        let error = fetched(&ok(wrong)).await.0.expect_err(wrong).to_string();
        assert!(!error.contains("c2VjcmV0"), "{error}");
    }
}

#[test]
fn keys_are_awaited_from_the_first_fetch_until_a_set_has_come() {
    let keyring = Arc::new(Keyring::new(None, SystemTime::UNIX_EPOCH).expect("a key of our own"));
    let config = JwksConfig {
        origin: "http://127.0.0.1:1".to_owned(),
        target: "/keys".to_owned(),
        trust: Trust::WebRoots,
    };
    assert!(!keyring.awaited().is());
    let (following, _first) =
        KeySetUrl::new(&config, &Registry::new()).expect("a URL").following(Arc::clone(&keyring));
    assert!(keyring.awaited().is());
    keyring.set(KeySource::Orders, KeySet::default());
    assert!(keyring.awaited().is(), "those of others are not awaited");
    keyring.set(KeySource::Jwks, KeySet::default());
    assert!(!keyring.awaited().is());
    drop(following);
}
