//! Bodies that break: the rest is had where it is the same, and an error where it is not. In memory.

use std::{collections::VecDeque, sync::Mutex, time::Duration};

use proptest::prelude::*;
use rillcast_edge::upstream::{UpstreamError, UpstreamsConfig, config::RESUME_EARNED_BYTES, error::Break};

use crate::{
    harness::{
        object::{Cut, Object},
        origin::{Act, Asked, Origin, Then, Town},
    },
    setting::{Setting, config, demand, read, with_header},
};

const LEN: usize = 1000;
const CUT: Cut = Cut { at: 400, then: Then::Close };

fn object() -> Object {
    Object::tagged(LEN, "\"one\"")
}

/// `a` is asked first, `b` second.
fn two_upstreams() -> UpstreamsConfig {
    let mut config = config(&["a", "b"]);
    config.upstreams[1].tier = 1;
    config
}

/// A town whose `a` breaks off its first answer and does `then` afterwards, and whose `b` does `other`.
fn broken(
    first: Object,
    then: impl Fn(&Asked) -> Act + Send + Sync + 'static,
    other: impl Fn(&Asked) -> Act + Send + Sync + 'static,
) -> (Town, Origin, Origin) {
    let town = Town::default();
    let a = Origin::new(move |asked| if asked.nth == 0 { first.act(asked, Some(CUT)) } else { then(asked) });
    let b = Origin::new(other);
    town.settle("a", &a);
    town.settle("b", &b);
    (town, a, b)
}

#[tokio::test(start_paused = true)]
async fn the_rest_comes_from_the_same_upstream() {
    for is_chunked in [false, true] {
        let whole = Object { is_chunked, ..object() };
        let rest = whole.clone();
        let never = |_: &Asked| Act::silent(Then::Close);
        let (town, a, b) = broken(whole.clone(), move |asked| rest.act(asked, None), never);
        let setting = Setting::new(&town, &two_upstreams());
        let conditional = with_header(demand("/v"), "if-none-match", "\"zero\"");
        let mut response = setting.upstreams.fetch(conditional).await.unwrap();
        let (bytes, end) = read(&mut response).await;
        end.unwrap();
        assert!(bytes == whole.bytes);
        assert_eq!(response.body.expected_len(), Some(LEN as u64));
        let asked = &a.asked()[1];
        assert_eq!((asked.line(), asked.field("range")), ("GET /v", Some("bytes=400-")));
        assert_eq!((asked.field("if-range"), asked.field("if-none-match")), (Some("\"one\""), None));
        assert_eq!((a.count(), b.count()), (2, 0));
        assert_eq!(setting.figure("rillcast_upstream_resumes_total", "resumed,a"), 1.0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_part_is_asked_for_to_its_end() {
    let whole = object();
    let never = |_: &Asked| Act::silent(Then::Close);
    let (town, a, _) = broken(whole.clone(), move |asked| whole.act(asked, None), never);
    let ranged = with_header(demand("/v"), "range", "bytes=100-799");
    let mut response = Setting::new(&town, &two_upstreams()).upstreams.fetch(ranged).await.unwrap();
    assert_eq!(response.status, 206);
    let (bytes, end) = read(&mut response).await;
    end.unwrap();
    assert!(bytes == object().bytes[100..800]);
    assert_eq!(a.asked()[1].field("range"), Some("bytes=400-799"));
}

/// An answer with a name.
type Named = (&'static str, fn(&Asked) -> Act);

/// What the next answers of `a` may be that do not go on where the body broke off.
fn no_continuations() -> Vec<Named> {
    vec![
        ("closed", |_| Act::silent(Then::Close)),
        ("another edition, whole", |_| Object::tagged(LEN, "\"two\"").act_whole()),
        ("the same, but whole", |_| object().act_whole()),
        ("gone", |_| Act::respond(404, "", b"")),
        ("unable", |_| Act::respond(503, "", b"")),
        ("a part of another edition", |asked| Part { fields: "ETag: \"two\"\r\n", ..Part::of(asked) }.act()),
        ("a part of no edition", |asked| Part { fields: "", ..Part::of(asked) }.act()),
        ("a part of a weak edition", |asked| Part { fields: "ETag: W/\"one\"\r\n", ..Part::of(asked) }.act()),
        ("a part with two tags", |asked| {
            Part { fields: "ETag: \"one\"\r\nETag: \"two\"\r\n", ..Part::of(asked) }.act()
        }),
        ("a part that is compressed", |asked| {
            Part { fields: "ETag: \"one\"\r\nContent-Encoding: gzip\r\n", ..Part::of(asked) }.act()
        }),
        ("a part that starts early", |asked| {
            let part = Part::of(asked);
            Part { first: part.first.checked_sub(1).unwrap_or(LEN), ..part }.act()
        }),
        ("a part that starts late", |asked| {
            let part = Part::of(asked);
            Part { first: part.first + 1, ..part }.act()
        }),
        ("a part that ends early", |asked| Part { end: LEN - 1, ..Part::of(asked) }.act()),
        ("a part of a longer whole", |asked| Part { complete: "1001", ..Part::of(asked) }.act()),
        ("a part of an unknown whole", |asked| Part { complete: "*", ..Part::of(asked) }.act()),
        ("a part of another length", |asked| {
            let part = Part::of(asked);
            Part { len: (LEN - part.first).saturating_sub(1), ..part }.act()
        }),
        ("a part that does not say which", |_| Act::respond(206, "ETag: \"one\"\r\n", &[255; 600])),
        ("several parts", |_| {
            Act::respond(206, "ETag: \"one\"\r\nContent-Type: Multipart/Byteranges; boundary=x\r\n", b"--x--")
        }),
    ]
}

/// A part of which all bytes are wrong: whoever delivers them is found out.
struct Part {
    fields: &'static str,
    first: usize,
    end: usize,
    complete: &'static str,
    len: usize,
}

impl Part {
    /// What would be right, but for its bytes.
    fn of(asked: &Asked) -> Self {
        let first = asked.range(LEN).map_or(LEN, |range| range.start);
        Self { fields: "ETag: \"one\"\r\n", first, end: LEN, complete: "1000", len: usize::MAX }
    }

    /// Of the last byte and of the first one there is no part that starts later or earlier.
    fn act(&self) -> Act {
        let Self { fields, first, end, complete, len } = self;
        if first >= end {
            return Act::respond(416, fields, b"");
        }
        let head = format!("{fields}Content-Range: bytes {first}-{}/{complete}\r\n", end - 1);
        Act::respond(206, &head, &vec![255; (*len).min(end - first)])
    }
}

impl Object {
    fn act_whole(&self) -> Act {
        Act::respond(200, &self.fields, &self.bytes)
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_go_on_where_it_broke_off_is_not_delivered_but_the_next_upstream_asked() {
    for (name, act) in no_continuations() {
        let (town, a, b) = broken(object(), act, |asked| object().act(asked, None));
        let mut response = Setting::new(&town, &two_upstreams()).get("/v").await.unwrap();
        let (bytes, end) = read(&mut response).await;
        assert!(end.is_ok() && bytes == object().bytes, "{name}");
        assert_eq!((a.count(), b.count()), (2, 1), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_continuation_the_error_is_told_after_right_bytes() {
    for (name, act) in no_continuations() {
        let (town, a, b) = broken(object(), act, act);
        let mut response = Setting::new(&town, &two_upstreams()).get("/v").await.unwrap();
        let (bytes, end) = read(&mut response).await;
        assert!(bytes == object().bytes[..400], "{name}");
        assert!(
            matches!(end, Err(UpstreamError::Broken { received: 400, expected: Some(1000), .. })),
            "{name}"
        );
        // Three attempts to go on, alternately.
        assert_eq!((a.count(), b.count()), (3, 1), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_edition_is_told_as_such() {
    let two = |asked: &Asked| Object::tagged(LEN, "\"two\"").act(asked, None);
    let (town, _, _) = broken(object(), two, two);
    let mut response = Setting::new(&town, &two_upstreams()).get("/v").await.unwrap();
    let (_, end) = read(&mut response).await;
    assert!(matches!(end, Err(UpstreamError::Broken { why: Break::Changed, .. })));
}

#[tokio::test(start_paused = true)]
async fn bodies_without_a_strong_validator_are_not_asked_for_again() {
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    for fields in [
        String::new(),
        "ETag: W/\"one\"\r\n".to_owned(),
        "ETag: one\r\n".to_owned(),
        "ETag: \"one\"\r\nETag: \"one\"\r\n".to_owned(),
        "ETag: \"one\"\r\nContent-Encoding: br\r\n".to_owned(),
        "ETag: \"one\"\r\nAccept-Ranges: none\r\n".to_owned(),
        "Last-Modified: Sun, 06 Nov 1994 08:48:37 GMT\r\n".to_owned(),
        format!("{date}Last-Modified: Sun, 06 Nov 1994 08:48:38 GMT\r\n"),
        format!("{date}Last-Modified: Sun, 06 Nov 1994 08:49:38 GMT\r\n"),
        format!("{date}Last-Modified: yesterday\r\n"),
        format!("{date}ETag: W/\"one\"\r\nLast-Modified: Sun, 06 Nov 1994 08:48:37 GMT\r\n"),
    ] {
        let whole = Object { fields: fields.clone(), ..object() };
        let rest = whole.clone();
        let (town, a, b) = broken(whole, move |asked| rest.act(asked, None), |_| Act::ok(b""));
        let mut response = Setting::new(&town, &two_upstreams()).get("/v").await.unwrap();
        let (bytes, end) = read(&mut response).await;
        assert!(end.is_err() && bytes == object().bytes[..400], "{fields}");
        assert_eq!((a.count(), b.count()), (1, 0), "{fields}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_date_is_a_validator_for_the_same_upstream_only() {
    let modified = "Sun, 06 Nov 1994 08:48:37 GMT";
    let fields = format!("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nLast-Modified: {modified}\r\n");
    let dated = Object { fields, validator: modified.to_owned(), ..object() };
    for is_well in [true, false] {
        let rest = dated.clone();
        let (town, a, b) = broken(
            dated.clone(),
            move |asked| if is_well { rest.act(asked, None) } else { Act::silent(Then::Close) },
            |_| panic!("another upstream's dates say nothing"),
        );
        let mut response = Setting::new(&town, &two_upstreams()).get("/v").await.unwrap();
        let (bytes, end) = read(&mut response).await;
        assert_eq!((end.is_ok(), bytes == object().bytes), (is_well, is_well));
        assert_eq!((a.count(), b.count()), (if is_well { 2 } else { 4 }, 0));
        assert_eq!(a.asked()[1].field("if-range"), Some(modified));
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_resumptions_are_made_than_allowed() {
    for resumes_max in [0, 1, 5] {
        // A byte more each time, so that none of them is in vain.
        let origin = Origin::new(|asked| {
            let cut = Cut { at: asked.nth + 1, then: Then::Close };
            object().act(asked, Some(cut))
        });
        let town = Town::default();
        town.settle("a", &origin);
        let mut config = config(&["a"]);
        config.retry.resumes_max = resumes_max;
        let mut response = Setting::new(&town, &config).get("/v").await.unwrap();
        let (bytes, end) = read(&mut response).await;
        assert!(end.is_err());
        let asked = usize::try_from(resumes_max).unwrap() + 1;
        assert_eq!((bytes.len(), origin.count()), (asked, asked));
    }
}

#[tokio::test(start_paused = true)]
async fn silence_in_a_body_is_a_break_like_any_other() {
    let silent = Object::tagged(LEN, "\"one\"");
    let town = Town::default();
    let origin = Origin::new(move |asked| {
        silent.act(asked, (asked.nth == 0).then_some(Cut { at: 400, then: Then::Hang }))
    });
    town.settle("a", &origin);
    let mut response = Setting::new(&town, &config(&["a"])).get("/v").await.unwrap();
    let start = tokio::time::Instant::now();
    let (bytes, end) = read(&mut response).await;
    assert!(end.is_ok() && bytes == object().bytes);
    assert_eq!(start.elapsed().as_secs(), Duration::from_secs(10).as_secs());
}

#[tokio::test(start_paused = true)]
async fn after_silence_another_upstream_is_asked_first() {
    let silent = Origin::new(|asked| object().act(asked, Some(Cut { at: 400, then: Then::Hang })));
    let b = Origin::new(|asked| object().act(asked, None));
    let town = Town::default();
    town.settle("a", &silent);
    town.settle("b", &b);
    let mut response = Setting::new(&town, &two_upstreams()).get("/v").await.unwrap();
    let start = tokio::time::Instant::now();
    let (bytes, end) = read(&mut response).await;
    assert!(end.is_ok() && bytes == object().bytes);
    assert_eq!((silent.count(), b.count()), (1, 1));
    assert_eq!(start.elapsed().as_secs(), 2, "it is waited for once, and not for long");
}

#[tokio::test(start_paused = true)]
async fn in_silence_one_that_was_left_alone_is_asked_as_soon_as_it_may_be() {
    let silent = Origin::new(|asked| object().act(asked, Some(Cut { at: 400, then: Then::Hang })));
    let b = Origin::new(|asked| match asked.nth {
        0 => Act::silent(Then::Close),
        _ => object().act(asked, None),
    });
    let town = Town::default();
    town.settle("a", &silent);
    town.settle("b", &b);
    // `b` is asked first, fails, and is left alone for three seconds.
    let mut config = two_upstreams();
    (config.upstreams[0].tier, config.upstreams[1].tier) = (1, 0);
    let passive = &mut config.upstreams[1].passive;
    (passive.failures_in_a_row, passive.out_first) = (1, Duration::from_secs(3));
    let mut response = Setting::new(&town, &config).get("/v").await.unwrap();
    let start = tokio::time::Instant::now();
    let (bytes, end) = read(&mut response).await;
    assert!(end.is_ok() && bytes == object().bytes);
    assert_eq!((silent.count(), b.count(), start.elapsed().as_secs()), (1, 2, 4));
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_waited_for_where_no_length_says_that_there_is_more_or_nobody_else_has_it() {
    let pause = Duration::from_secs(5);
    let head = "HTTP/1.1 200 OK\r\nETag: \"one\"\r\n";
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nlol\r\n");
    let long = format!("{head}Content-Length: 6\r\n\r\nlol");
    for (start, rest, has_other) in [(&chunked, "3\r\nlol\r\n0\r\n\r\n", true), (&long, "lol", false)] {
        let (start, town) = (start.clone(), Town::default());
        let a = Origin::new(move |_| Act::say(start.clone()).and(pause, rest));
        let b = Origin::new(|_| Act::silent(Then::Close));
        town.settle("a", &a);
        town.settle("b", &b);
        let config = if has_other { two_upstreams() } else { config(&["a"]) };
        let mut response = Setting::new(&town, &config).get("/v").await.unwrap();
        let (bytes, end) = read(&mut response).await;
        assert!(end.is_ok() && bytes == b"lollol", "{rest:?}: {end:?}");
        assert_eq!((a.count(), b.count()), (1, 0));
    }
}

/// What becomes of a body of 3 MiB whose every transfer breaks off after `stretch` bytes, where one resumption in vain
/// is allowed; and the requests that took.
async fn stretches(stretch: usize) -> (bool, usize) {
    let whole = Object::tagged(3 << 20, "\"one\"");
    let len = whole.bytes.len();
    let origin = Origin::new(move |asked| {
        let start = asked.range(len).map_or(0, |range| range.start);
        let cut = Cut { at: start + stretch, then: Then::Close };
        whole.act(asked, (start + stretch < len).then_some(cut))
    });
    let town = Town::default();
    town.settle("a", &origin);
    let mut config = config(&["a"]);
    config.retry.resumes_max = 1;
    let mut response = Setting::new(&town, &config).get("/v").await.unwrap();
    let (bytes, end) = read(&mut response).await;
    assert_eq!(end.is_ok(), bytes.len() == len);
    (end.is_ok(), origin.count())
}

#[tokio::test(start_paused = true)]
async fn a_body_is_gone_on_with_as_long_as_each_attempt_earns_the_next() {
    let earned = usize::try_from(RESUME_EARNED_BYTES).unwrap();
    assert_eq!(stretches(earned).await, (true, 3));
    assert_eq!(stretches(earned / 2).await, (false, 3));
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_is_left_alone_is_asked_for_the_rest_where_no_other_has_it() {
    let gone = |_: &Asked| Act::silent(Then::Close);
    let (town, a, b) = broken(object(), gone, |asked| match asked.nth {
        0 => Act::silent(Then::Close),
        _ => object().act(asked, None),
    });
    // `b` is asked first, fails, and is left alone from then on.
    let mut config = two_upstreams();
    config.upstreams[1].passive.failures_in_a_row = 1;
    config.upstreams[1].tier = 0;
    config.upstreams[0].tier = 1;
    let setting = Setting::new(&town, &config);
    let mut response = setting.get("/v").await.unwrap();
    let (bytes, end) = read(&mut response).await;
    assert!(end.is_ok() && bytes == object().bytes);
    assert_eq!((a.count(), b.count()), (2, 2));
}

/// What an origin does with one request.
#[derive(Debug, Clone)]
enum Step {
    Whole,
    CutAt(usize, Then),
    No(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let then = prop_oneof![Just(Then::Close), Just(Then::Reset), Just(Then::Hang)];
    prop_oneof![
        1 => Just(Step::Whole),
        4 => (0..=LEN, then).prop_map(|(at, then)| Step::CutAt(at, then)),
        1 => (0..no_continuations().len()).prop_map(Step::No),
    ]
}

/// Plays `steps` in turn on two upstreams; what is delivered, and whether it is said to be whole.
fn play(steps: Vec<Step>, is_chunked: bool, resumes_max: u32) -> Option<(Vec<u8>, bool)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let whole = Object { is_chunked, ..object() };
        let steps = Mutex::new(VecDeque::from(steps));
        let origin = Origin::new(move |asked| match steps.lock().unwrap().pop_front() {
            Some(Step::CutAt(at, then)) => whole.act(asked, Some(Cut { at, then })),
            Some(Step::No(which)) if asked.field("range").is_some() => no_continuations()[which].1(asked),
            _ => whole.act(asked, None),
        });
        let town = Town::default();
        town.settle("a", &origin);
        town.settle("b", &origin);
        let mut config = two_upstreams();
        config.retry.resumes_max = resumes_max;
        let mut response = Setting::new(&town, &config).get("/v").await.ok()?;
        let (bytes, end) = read(&mut response).await;
        Some((bytes, end.is_ok()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_sequence_of_breaks_gives_exactly_the_bytes_or_an_error(
        steps in prop::collection::vec(step(), 0..12), is_chunked: bool,
    ) {
        if let Some((bytes, is_whole)) = play(steps, is_chunked, 8) {
            let expected = object().bytes;
            prop_assert!(expected.starts_with(&bytes), "wrong bytes among {}", bytes.len());
            prop_assert!(!is_whole || bytes.len() == LEN);
            // Of chunks, all bytes may have come without it being known.
            prop_assert!(is_whole || is_chunked || bytes.len() < LEN);
        }
    }

    #[test]
    fn breaks_within_the_limit_are_never_seen(
        cuts in prop::collection::vec(0..LEN, 0..8), is_chunked: bool,
    ) {
        let steps = cuts.into_iter().map(|at| Step::CutAt(at, Then::Close)).collect();
        let (bytes, is_whole) = play(steps, is_chunked, 8).unwrap();
        prop_assert!(is_whole && bytes == object().bytes);
    }
}
