//! Tokens are secrets: whatever the edge writes, to logs, clients, upstreams, figures or the control plane, none of it
//! can be used as a token.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};

use rillcast_http::LineFormat;
use rillcast_token::{Algorithm, Claims, KeyFile, NumericDate, sign};
use tracing_subscriber::{Layer as _, filter::filter_fn, fmt::MakeWriter, layer::SubscriberExt as _};

use crate::{
    harness::origin::{Act, Asked, Then},
    house::{Answer, COOKIE, House, claims},
};

/// As many characters of a token in a row are a part of it.
const PART: usize = 12;

/// What this program writes into its log, at every level.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<u8>>>);

impl io::Write for Diary {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Diary {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Diary {
    /// The only one: a program has one log.
    fn open() -> Self {
        static DIARY: OnceLock<Diary> = OnceLock::new();
        let open = || {
            let diary = Self::default();
            let ours = filter_fn(|metadata| metadata.target().starts_with("rillcast"));
            let layer = tracing_subscriber::fmt::layer().with_writer(diary.clone()).with_filter(ours);
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();
            diary
        };
        DIARY.get_or_init(open).clone()
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn script(asked: &Asked) -> Act {
    if asked.line().contains("/broken") {
        return Act::silent(Then::Close);
    }
    Act::respond(200, "Cache-Control: max-age=60\r\nContent-Type: video/mp4\r\n", b"film")
}

/// Tokens of every kind: a good one, and those that are refused, each for another reason.
fn tokens(house: &House) -> Vec<(&'static str, String)> {
    let good = house.token(&claims(&["/vod/film/", "/open/"]));
    let late = Claims { exp: NumericDate::new(1000).unwrap(), ..claims(&["/vod/film/"]) };
    let mut strangers = KeyFile::default();
    strangers.add(Algorithm::EdDSA, None, std::time::UNIX_EPOCH).unwrap();
    let (front, signature) = good.rsplit_once('.').unwrap();
    let turned: String = signature.chars().rev().collect();
    vec![
        ("late", house.token(&late)),
        ("not for this", house.token(&claims(&["/vod/another/"]))),
        ("of a stranger", sign(&claims(&["/vod/film/"]), &strangers.records()[0]).unwrap()),
        ("forged", format!("{front}.{turned}")),
        ("unsigned", format!("{front}.")),
        ("cut off", front.to_owned()),
        ("no token", "a-secret-that-is-no-token-at-all".to_owned()),
        ("too long", format!("{front}.{}", "Qx7".repeat(1500))),
        ("good", good),
    ]
}

/// Asks in every way in which a token can come along; says what was answered, without where a redirect leads to: that
/// must have the token, which is the client's own.
fn ask_with(house: &House, token: &str) -> Vec<Answer> {
    let bearer = format!("Bearer {token}");
    let cookie = format!("a=b; {COOKIE}={token}; c=d");
    let page = format!("https://example.org/t/{token}/page?token={token}");
    let ways = [("Authorization", &*bearer), ("Cookie", &cookie), ("Referer", &page)];
    let mut answers = Vec::new();
    for path in ["/vod/film/a", "/vod/film/broken", "/open/a", "/open/broken"] {
        answers.push(house.get(&format!("/t/{token}{path}"), &[]));
        answers.push(house.get(&format!("/t/{token}{path}?token={token}&a=1"), &ways));
        answers.push(house.get(&format!("{path}?token={token}"), &[]));
        answers.push(house.get(&format!("{path}?a=1&access_token={token}&b=2"), &ways));
        answers.extend(ways.iter().map(|way| house.get(path, &[*way])));
    }
    answers.push(house.get(&format!("/t/{token}"), &[]));
    answers.push(house.get(&format!("/t/{token}/"), &[]));
    answers.push(house.get(&format!("//t/{token}/vod/film/a"), &[]));
    answers.push(house.ask("POST", &format!("/t/{token}/vod/film/a"), &ways));
    answers.push(house.ask("OPTIONS", &format!("/t/{token}/vod/film/a"), &ways));
    answers
}

/// Whether `text` has so much of `token` that it is a part of it.
fn part_of<'a>(token: &'a str, text: &str) -> Option<&'a str> {
    (0..=token.len().saturating_sub(PART)).map(|at| &token[at..at + PART]).find(|part| text.contains(part))
}

#[track_caller]
fn has_none(sink: &str, kind: &str, token: &str, text: &str) {
    if let Some(part) = part_of(token, text) {
        let line = text.lines().find(|line| line.contains(part)).unwrap_or(text);
        panic!("{sink} has {part} of the token that is {kind}: {line}");
    }
}

async fn no_token_is_written(format: LineFormat) {
    let diary = Diary::open();
    let house = House::new(format, script);
    let tokens = tokens(&house);
    let mut count = 0;
    for (kind, token) in &tokens {
        for Answer { head, body, .. } in ask_with(&house, token) {
            count += 1;
            let is_redirect = head.starts_with("HTTP/1.1 302");
            let shown = |line: &&str| !is_redirect || !line.to_lowercase().starts_with("location:");
            let head: Vec<&str> = head.lines().filter(shown).collect();
            has_none("the head of an answer", kind, token, &head.join("\n"));
            has_none("the body of an answer", kind, token, &body);
        }
    }
    let lines = house.lines(count).concat();
    let asked: String = house.origin.asked().iter().map(|asked| asked.head.clone()).collect();
    let (figures, kid) = (house.figures(), house.key().kid().to_owned());
    assert!(lines.contains(&format!("/t/{kid}.")), "the operator sees which key signed it");
    assert!(lines.contains("token_expired") && lines.contains("cache"), "{lines}");
    let events = house.close(1).await;
    let events = format!("{events:?}");
    let diary = diary.text();
    assert!(diary.contains("no response"), "what goes wrong is told of: {diary}");
    for (kind, token) in &tokens {
        has_none("the access log", kind, token, &lines);
        has_none("the log", kind, token, &diary);
        has_none("a request to the origin", kind, token, &asked);
        has_none("a figure", kind, token, &figures);
        has_none("an event", kind, token, &events);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sink_has_a_token_where_lines_are_text() {
    no_token_is_written(LineFormat::Text).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_sink_has_a_token_where_lines_are_json() {
    no_token_is_written(LineFormat::Json).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_stands_where_none_belongs_is_not_logged_either() {
    let diary = Diary::open();
    let house = House::new(LineFormat::Text, script);
    let token = house.token(&claims(&["/vod/film/"]));
    for target in [
        format!("/open/{token}"),
        format!("/open/{token}/broken"),
        format!("/t/{token}/vod/film/{token}/broken"),
        format!("/open/broken?jwt={token}"),
        format!("/open/broken?t={token}"),
        format!("/T/{token}/open/broken"),
        format!("/%74/{token}/open/broken"),
        format!("/t//{token}/open/broken"),
        format!("/open/%65{}/broken", &token[1..]),
        format!("/t/{token}/vod/film/%65%79{}/broken", &token[2..]),
        "/%74/a-secret-of-another-kind/a".to_owned(),
    ] {
        house.get(&target, &[]);
    }
    let lines = house.lines(11).concat();
    assert!(!lines.contains("another-kind"), "{lines}");
    has_none("the access log", "good", &token, &lines);
    has_none("the log", "good", &token, &diary.text());
    has_none("a figure", "good", &token, &house.figures());
    house.close(0).await;
}
