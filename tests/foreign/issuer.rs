//! An issuer whose keys and tokens are made by `jose`, as its users have it (`tests/interop/issuer.mjs`).

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::client::wait_until;
use crate::films::film;
use crate::harness::browser::scripts;
use crate::harness::tools;
use crate::pair::{PRIVATE, Pair};

/// The issuer as a process, which ends when this is dropped.
struct Issuer {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

/// What it has published, and signed with it.
struct Issued {
    url: String,
    tokens: Vec<(String, String)>,
    refused: Vec<(String, String)>,
}

impl Issuer {
    fn start() -> (Self, Issued) {
        let mut command = Command::new("node");
        command.arg(scripts().join("issuer.mjs")).args(["--path", "/vod/private/"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it was found");
        let output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut issuer = Self { input: child.stdin.take(), child, output };
        let issued = issuer.read();
        (issuer, issued)
    }

    /// New keys in place of the old ones.
    fn rotate(&mut self) -> Issued {
        let input = self.input.as_mut().expect("it is open until the end");
        input.write_all(b"rotate\n").expect("it reads");
        self.read()
    }

    fn read(&mut self) -> Issued {
        let line = self.output.next().expect("it goes on").expect("text");
        let said: Value = serde_json::from_str(&line).expect("JSON");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let tokens = said["keys"].as_array().expect("keys").iter();
        let refused = said["refused"].as_object().expect("tokens").iter();
        Issued {
            url: text(&said["url"]),
            tokens: tokens.map(|key| (text(&key["alg"]), text(&key["token"]))).collect(),
            refused: refused.map(|(why, token)| (why.clone(), text(token))).collect(),
        }
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        drop(self.input.take());
        // It ends with its input; a test that fails need not hear how.
        let _ = self.child.wait();
    }
}

#[test]
fn tokens_and_keys_of_another_maker_are_good_and_new_ones_are_fetched() {
    let packages = scripts().join("node_modules/jose");
    if !tools::present(&["node"]) {
        return;
    }
    if !packages.is_dir() {
        return tools::skip("no packages in tests/interop: `make interop-packages` installs them");
    }
    let (mut issuer, first) = Issuer::start();
    let pair = Pair::new(&film(2), &format!("jwks = \"{}\"", first.url));
    let status = |token: &str| pair.get(&format!("/t/{token}/vod/{PRIVATE}/master.m3u8")).status;
    assert_eq!(first.tokens.len(), 5);
    for (algorithm, token) in &first.tokens {
        let path = format!("/t/{token}/vod/{PRIVATE}/master.m3u8");
        let answer = pair.get(&path);
        assert_eq!(answer.status, 200, "{algorithm}: {}", answer.text());
        let elsewhere = pair.get(&format!("/t/{token}/vod/other/film.mp4/master.m3u8"));
        assert_eq!(elsewhere.json()["type"], "/problems/token_path", "{algorithm}");
    }
    let codes = |issued: &Issued| -> Vec<(String, String)> {
        let code = |token: &String| {
            let answer = pair.get(&format!("/t/{token}/vod/{PRIVATE}/master.m3u8"));
            assert!([401, 403].contains(&answer.status), "{answer:?}");
            answer.json()["type"].as_str().unwrap_or_default().replace("/problems/token_", "")
        };
        issued.refused.iter().map(|(why, token)| (why.clone(), code(token))).collect()
    };
    let expected = [
        ("a beginning that is to come", "not_yet_valid"),
        ("a key that is not published", "key_unknown"),
        ("a stranger's signature", "signature"),
        ("an algorithm that is not for tokens", "key_unknown"),
        ("an end that is over", "expired"),
        ("another kind of key than the id's", "algorithm"),
        ("no signature", "unsigned"),
        ("the public key as a shared secret", "algorithm_confusion"),
    ];
    let mut seen = codes(&first);
    seen.sort_unstable();
    let seen: Vec<_> = seen.iter().map(|(why, code)| (why.as_str(), code.as_str())).collect();
    assert_eq!(seen, expected);

    // Strangers have used up what may be fetched for unknown keys, so that this edge comes to know late and another at once.
    let second = issuer.rotate();
    let other = Pair::new(&film(2), &format!("jwks = \"{}\"", first.url));
    let third = issuer.rotate();
    let at_other = |token: &str| other.get(&format!("/t/{token}/vod/{PRIVATE}/master.m3u8")).status;
    for (algorithm, token) in &second.tokens {
        assert_eq!((status(token), at_other(token)), (401, 200), "{algorithm}");
    }
    for (algorithm, token) in &third.tokens {
        wait_until("the new keys are fetched", || at_other(token) == 200);
        assert_eq!(at_other(token), 200, "{algorithm}");
    }
    for (algorithm, token) in &second.tokens {
        assert_eq!(at_other(token), 401, "{algorithm}: its key is gone");
    }
}
