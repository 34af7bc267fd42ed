//! `rillcast keys` and `rillcast token` as operators and scripts meet them, and OpenSSL's opinion of what they make.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

#[expect(dead_code, reason = "this suite needs a part of the harness")]
mod harness;

use harness::tools;

fn folder() -> TempDir {
    TempDir::new().expect("a writable place for temporary files")
}

fn run(program: &str, folder: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    // One that does not read its input has closed it.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    child.wait_with_output().expect("it ends")
}

/// Exit code, standard output and standard error of `rillcast` with arguments split at blanks.
fn rillcast(folder: &Path, args: &str) -> (Option<i32>, String, String) {
    with_input(folder, args, "")
}

fn with_input(folder: &Path, args: &str, input: &str) -> (Option<i32>, String, String) {
    let args: Vec<_> = args.split(' ').collect();
    let Output { status, stdout, stderr } =
        run(env!("CARGO_BIN_EXE_rillcast"), folder, &args, input.as_bytes());
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// What a command prints that must succeed.
#[track_caller]
fn good(folder: &Path, args: &str) -> String {
    let (code, out, err) = rillcast(folder, args);
    assert_eq!(code, Some(0), "{args}: {err}");
    out.trim().to_owned()
}

/// The answer to a token that is judged by `keys`.
fn verify(folder: &Path, token: &str, more: &str) -> (Option<i32>, String) {
    let (code, out, _) = rillcast(folder, &format!("token verify {token} {more}"));
    (code, out.split(": ").take(2).collect::<Vec<_>>().join(": "))
}

#[test]
fn a_token_outlives_the_rotation_of_its_key() {
    let folder = folder();
    let at = folder.path();
    for algorithm in ["eddsa", "es256", "hs256"] {
        let file = format!("{algorithm}.json");
        good(at, &format!("keys new --file {file} --algorithm {algorithm}"));
        let mode = fs::metadata(at.join(&file)).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let sign = format!("token sign --keys {file} --path /vod/film.mp4/ --session s --expires 5m");
        let old = good(at, &sign);
        fs::write(at.join("public.json"), good(at, &format!("keys jwks --file {file}"))).expect("writable");
        let by_file = format!("--keys {file}");
        assert_eq!(verify(at, &old, &by_file).0, Some(0));
        good(at, &format!("keys rotate --file {file}"));
        let new = good(at, &sign);
        assert_eq!((verify(at, &old, &by_file).0, verify(at, &new, &by_file).0), (Some(0), Some(0)));
        if algorithm == "hs256" {
            assert_eq!(
                verify(at, &new, "--keys public.json"),
                (Some(1), "refused: token_key_unknown".to_owned())
            );
        } else {
            assert_eq!(verify(at, &new, "--keys public.json").0, Some(0), "the next key was published ahead");
        }
        good(at, &format!("keys rotate --file {file} --keep 0s"));
        let third = good(at, &format!("keys rotate --file {file} --keep 1d"));
        assert_eq!(third, "", "what was done is no output for scripts");
    }
    let left: Vec<_> =
        fs::read_dir(at).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left.len(), 4, "no temporary file is left: {left:?}");
}

#[test]
fn a_verdict_says_why_and_never_shows_the_token() {
    let folder = folder();
    let at = folder.path();
    good(at, "keys new --file keys.json");
    good(at, "keys new --file other.json");
    let token =
        good(at, "token sign --keys keys.json --path /vod/a/ --path /vod/b --ip 192.0.2.0/24 --country DE");
    for (token, more, verdict) in [
        (token.as_str(), "--keys keys.json --path /vod/a/x", None),
        (&token, "--keys keys.json --path /vod/b2", Some("token_path")),
        (&token, "--keys keys.json --path /vod/a/../x", Some("token_path")),
        (&token, "--keys keys.json --ip 192.0.2.7", None),
        (&token, "--keys keys.json --ip 198.51.100.7", Some("token_address")),
        (&token, "--keys other.json", Some("token_key_unknown")),
        (&token[..token.len() - 2], "--keys keys.json", Some("token_signature")),
        ("rubbish", "--keys keys.json", Some("token_malformed")),
        (
            &good(at, "token sign --keys keys.json --path / --expires 0s"),
            "--keys keys.json",
            Some("token_expired"),
        ),
    ] {
        let (code, out, err) = rillcast(at, &format!("token verify {token} {more}"));
        let expected = verdict.map_or_else(|| "good: ".to_owned(), |code| format!("refused: {code}: "));
        assert!(out.starts_with(&expected), "{more}: {out}");
        assert_eq!(code, Some(i32::from(verdict.is_some())));
        assert!(token == "rubbish" || !format!("{out}{err}").contains(&token[40..]));
    }
    let (code, out, _) = with_input(at, "token verify - --keys keys.json", &format!("{token}\n"));
    assert!(code == Some(0) && out.starts_with("good: "), "{out}");
}

#[test]
fn a_url_is_ready_to_play() {
    let folder = folder();
    let at = folder.path();
    good(at, "keys new --file keys.json");
    let sign = "token sign --keys keys.json --path /vod/film.mp4/ --url";
    let url = good(at, &format!("{sign} https://edge.example:8443/vod/film.mp4/master.m3u8?x=1"));
    let rest = url.strip_prefix("https://edge.example:8443/t/").expect("the token in front");
    let (token, rest) = rest.split_once('/').expect("a path after the token");
    assert_eq!(rest, "vod/film.mp4/master.m3u8?x=1");
    for given in [token, &url, &format!("/t/{token}/{rest}")] {
        assert_eq!(verify(at, given, "--keys keys.json").0, Some(0), "{given}");
    }
    let (code, out, err) = rillcast(at, &format!("{sign} https://edge.example/vod/other.mp4/master.m3u8"));
    assert!((code, out.as_str()) == (Some(2), "") && err.contains("--path"), "{err}");
}

#[test]
fn inspecting_never_says_that_a_token_is_good() {
    let folder = folder();
    let at = folder.path();
    good(at, "keys new --file keys.json");
    let token = good(at, "token sign --keys keys.json --path /vod/a/ --subject viewer");
    let forged = format!("{}.AAAA", token.rsplit_once('.').expect("a signature").0);
    for token in [&token, &forged] {
        let (code, out, err) = rillcast(at, &format!("token inspect {token}"));
        assert_eq!(code, Some(0));
        assert!(
            out.contains("\"sub\": \"viewer\"") && out.contains("ends 20") && !out.contains("good"),
            "{out}"
        );
        assert!(err.contains("nothing of this was verified"), "{err}");
    }
    let (code, out, err) = rillcast(at, "token inspect rubbish");
    assert!((code, out.as_str()) == (Some(1), "") && err.contains("no token"), "{err}");
}

#[test]
fn mistakes_are_told_with_what_to_do_and_change_nothing() {
    let folder = folder();
    let at = folder.path();
    good(at, "keys new --file keys.json --environment shop");
    let before = fs::read(at.join("keys.json")).expect("the file");
    for (args, words) in [
        ("keys new --file keys.json --environment shop", "keys rotate"),
        ("keys rotate --file keys.json --environment other", "keys new"),
        ("keys rotate --file none.json", "keys new"),
        ("keys jwks --file none.json", "keys new"),
        ("token sign --keys keys.json --path /a/", "keys new"),
        ("token sign --keys keys.json --environment shop --path a", "paths"),
        ("token sign --keys keys.json --environment shop --path /a/../b", "paths"),
        ("token sign --keys keys.json --environment shop --path /a --ip nowhere", "ip"),
        ("token sign --keys keys.json --environment shop --path /a --expires soon", "90s, 15m, 12h or 7d"),
        ("token sign --keys keys.json --environment shop", "--path"),
        ("token verify a.b.c --keys none.json", "none.json is not there"),
        ("keys new --file no/such/folder.json", "no/such"),
        ("keys new --file keys2.json --algorithm none", "eddsa, es256, rs256, hs256"),
    ] {
        let (code, out, err) = rillcast(at, args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args}: {err}");
        assert!(err.contains(words), "{args}: {err}");
    }
    assert_eq!(fs::read(at.join("keys.json")).expect("the file"), before);
    fs::write(at.join("bad.json"), r#"{"version":1,"keys":[{"secret":"c2VjcmV0"}]}"#).expect("writable");
    fs::set_permissions(at.join("bad.json"), fs::Permissions::from_mode(0o600)).expect("ours");
    let (code, _, err) = rillcast(at, "keys rotate --file bad.json");
    assert!(code == Some(2) && err.contains("no key file") && !err.contains("c2VjcmV0"), "{err}");
}

#[test]
fn a_key_file_that_others_can_read_is_refused_and_a_groups_stays_the_groups() {
    let folder = folder();
    let at = folder.path();
    good(at, "keys new --file keys.json");
    let mode =
        |mode| fs::set_permissions(at.join("keys.json"), fs::Permissions::from_mode(mode)).expect("ours");
    mode(0o644);
    for args in
        ["keys rotate --file keys.json", "token sign --keys keys.json --path /", "keys jwks --file keys.json"]
    {
        let (code, out, err) = rillcast(at, args);
        assert!((code, out.as_str()) == (Some(2), "") && err.contains("chmod 600"), "{err}");
    }
    mode(0o640);
    good(at, "keys rotate --file keys.json");
    let after = fs::metadata(at.join("keys.json")).expect("the file").permissions().mode();
    assert_eq!(after & 0o777, 0o640);
}

/// Base64url without padding, written once more.
fn decode(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = 0_u32;
    let mut decoded = Vec::new();
    for (at, digit) in text.bytes().enumerate() {
        let value = DIGITS.iter().position(|known| *known == digit).expect("base64url");
        bits = bits << 6 | u32::try_from(value).expect("six bits");
        if at % 4 > 0 {
            let shift = 6 - 2 * (at % 4);
            decoded.push(u8::try_from(bits >> shift & 0xff).expect("a byte"));
        }
    }
    decoded
}

fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let digit = |value: u32| char::from(DIGITS[usize::try_from(value & 63).expect("six bits")]);
    let three = |chunk: &[u8]| {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        [bits >> 18, bits >> 12, bits >> 6, bits]
            .map(digit)
            .into_iter()
            .take(chunk.len() + 1)
            .collect::<String>()
    };
    bytes.chunks(3).map(three).collect()
}

/// A key of ours as OpenSSL keeps it: `private.der` and `public.pem`; returns its id.
fn hand_to_openssl(at: &Path, file: &str) -> String {
    let keys: serde_json::Value =
        serde_json::from_slice(&fs::read(at.join(file)).expect("the file")).expect("JSON");
    let active = keys["keys"].as_array().and_then(|keys| keys.iter().find(|key| key["state"] == "active"));
    let active = active.expect("an active key");
    fs::write(at.join("private.der"), decode(active["secret"].as_str().expect("a text"))).expect("writable");
    openssl(at, &["pkey", "-inform", "DER", "-in", "private.der", "-out", "private.pem"]);
    openssl(at, &["pkey", "-in", "private.pem", "-pubout", "-out", "public.pem"]);
    active["kid"].as_str().expect("a text").to_owned()
}

#[track_caller]
fn openssl(at: &Path, args: &[&str]) {
    let output = run("openssl", at, args, b"");
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn openssl_agrees_on_our_signatures_and_we_on_its() {
    if !tools::present(&["openssl"]) {
        return;
    }
    let folder = folder();
    let at = folder.path();
    for (algorithm, name, check, make) in [
        (
            "rs256",
            "RS256",
            &["dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "message"][..],
            &["dgst", "-sha256", "-sign", "private.pem", "-out", "made", "message"][..],
        ),
        (
            "eddsa",
            "EdDSA",
            &[
                "pkeyutl",
                "-verify",
                "-pubin",
                "-inkey",
                "public.pem",
                "-rawin",
                "-in",
                "message",
                "-sigfile",
                "signature",
            ],
            &["pkeyutl", "-sign", "-inkey", "private.pem", "-rawin", "-in", "message", "-out", "made"],
        ),
    ] {
        let file = format!("{algorithm}.json");
        good(at, &format!("keys new --file {file} --algorithm {algorithm}"));
        let kid = hand_to_openssl(at, &file);
        let ours = good(at, &format!("token sign --keys {file} --path /vod/"));
        let (message, signature) = ours.rsplit_once('.').expect("a signature");
        fs::write(at.join("message"), message).expect("writable");
        fs::write(at.join("signature"), decode(signature)).expect("writable");
        openssl(at, check);

        let header = encode(format!(r#"{{"typ":"JWT","alg":"{name}","kid":"{kid}"}}"#).as_bytes());
        let payload = encode(br#"{"iss":"another issuer","exp":4102444800,"paths":["/vod/"]}"#);
        fs::write(at.join("message"), format!("{header}.{payload}")).expect("writable");
        openssl(at, make);
        let theirs =
            format!("{header}.{payload}.{}", encode(&fs::read(at.join("made")).expect("a signature")));
        fs::write(at.join("public.json"), good(at, &format!("keys jwks --file {file}"))).expect("writable");
        let (code, out) = verify(at, &theirs, "--keys public.json --path /vod/film.mp4/master.m3u8");
        assert_eq!(code, Some(0), "{algorithm}: {out}");
    }
}
