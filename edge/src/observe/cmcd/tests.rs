use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn of_query(query: &str) -> Option<Cmcd> {
    Cmcd::of(Some(query), &HeaderMap::new())
}

/// What is read from members that are not encoded.
fn of(members: &str) -> Cmcd {
    let encoded = percent_encoding::utf8_percent_encode(members, percent_encoding::NON_ALPHANUMERIC);
    of_query(&format!("CMCD={encoded}")).unwrap()
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

#[test]
fn a_query_of_version_1_is_read() {
    let query = "a=1&CMCD=bl%3D2100%2Cbr%3D3200%2Cbs%2Ccid%3D%22faec%22%2Cd%3D4004%2Cdl%3D18600%2Cmtp%3D25400%2C\
        nor%3D%22..%252F300kbps%252Fsegment35.m4v%22%2Cnrr%3D%2212323-48763%22%2Cot%3Dv%2Cpr%3D1.08%2C\
        rtp%3D15000%2Csf%3Dh%2Csid%3D%226e2fb550-c457%22%2Cst%3Dl%2Csu%2Ctb%3D6000%2Cv%3D1&b=2";
    let expected = Cmcd {
        version: Version::One,
        object_type: Some(ObjectType::Video),
        streaming_format: Some(StreamingFormat::Hls),
        stream_type: Some(StreamType::Live),
        startup: true,
        buffer_starved: true,
        bitrate_kbps: Some(3200),
        top_bitrate_kbps: Some(6000),
        measured_throughput_kbps: Some(25_400),
        requested_throughput_kbps: Some(15_000),
        buffer_length_ms: Some(2100),
        deadline_ms: Some(18_600),
        duration_ms: Some(4004),
        session_id: Some("6e2fb550-c457".into()),
        content_id: Some("faec".into()),
        ..Cmcd::default()
    };
    assert_eq!(of_query(query), Some(expected));
}

#[test]
fn figures_of_version_2_may_be_lists_by_media() {
    let cmcd = of(
        "v=2,br=(3200;v 128;a),bl=(2100;v 800;a),bs=(?0;v ?1;a),mtp=(5000),ltc=2500,msd=310,bsd=(40;a 90;v),\
        sta=r,st=ll,cs=\"x,y\",com.example-key=1,ts=1700000000000,dl=(900 700)",
    );
    let expected = Cmcd {
        version: Version::Two,
        stream_type: Some(StreamType::LowLatency),
        player_state: Some(PlayerState::Rebuffering),
        buffer_starved: true,
        bitrate_kbps: Some(3200),
        measured_throughput_kbps: Some(5000),
        buffer_length_ms: Some(800),
        deadline_ms: Some(700),
        live_latency_ms: Some(2500),
        start_delay_ms: Some(310),
        starvation_ms: Some(90),
        ..Cmcd::default()
    };
    assert_eq!(cmcd, expected);
    assert_eq!(of("v=3").version, Version::Later);
}

#[test]
fn headers_are_read_when_the_query_says_nothing() {
    let headers = headers(&[
        ("cmcd-object", "br=3200, ot=av"),
        ("cmcd-request", "bl=2100"),
        ("cmcd-request", "mtp=100"),
        ("cmcd-status", "bs"),
        ("cmcd-session", "sid=\"a, b\""),
    ]);
    let cmcd = Cmcd::of(Some("a=1"), &headers).unwrap();
    assert_eq!(
        (cmcd.bitrate_kbps, cmcd.object_type, cmcd.buffer_length_ms, cmcd.measured_throughput_kbps),
        (Some(3200), Some(ObjectType::Muxed), Some(2100), Some(100))
    );
    assert_eq!((cmcd.buffer_starved, cmcd.session_id.as_deref(), cmcd.ignored), (true, Some("a, b"), 0));
    let cmcd = Cmcd::of(Some("CMCD=br%3D1"), &headers).unwrap();
    assert_eq!((cmcd.bitrate_kbps, cmcd.buffer_length_ms), (Some(1), None));
    assert_eq!(Cmcd::of(Some("a=1&cmcd=br%3D1&XCMCD=1&CMCDX=1"), &HeaderMap::new()), None);
    assert_eq!(Cmcd::of(None, &HeaderMap::new()), None);
    assert_eq!(of_query("CMCD="), Some(Cmcd::default()));
}

#[test]
fn booleans_have_several_spellings() {
    for (member, expected) in [
        ("bs", true),
        ("bs=?1", true),
        ("bs=true", true),
        ("bs=?0", false),
        ("bs=false", false),
        ("bs=?1;x=1", true),
        ("bs,bs=?0", false),
    ] {
        let cmcd = of(member);
        assert_eq!((cmcd.buffer_starved, cmcd.ignored), (expected, 0), "{member}");
    }
}

#[test]
fn garbage_is_left_out_and_counted() {
    for garbage in [
        "br=",
        "br",
        "br=-1",
        "br=1.5",
        "br=x",
        "br=1e3",
        "br=(",
        "br=()",
        "br=(1",
        "br=(1 x)",
        "br=\"1\"",
        "br=4294967296",
        "br=99999999999999999999",
        "ot=V",
        "ot",
        "ot=\"v\"",
        "ot=vv",
        "sf=x",
        "st=x",
        "sta=",
        "v=0",
        "v=10",
        "su=2",
        "sid=abc",
        "sid=\"",
        "sid=\"\"",
        "sid=\"a\\\"b\"",
        "sid=\"a\u{e9}\"",
        "sid",
        "=1",
        "%=1",
        "\u{1}",
        "b r=1",
    ] {
        let cmcd = of(&format!("{garbage},tb=7"));
        // An open quote swallows what follows it.
        let tb = if garbage == "sid=\"" { None } else { Some(7) };
        let expected = Cmcd { top_bitrate_kbps: tb, ignored: 1, ..Cmcd::default() };
        assert_eq!(cmcd, expected, "{garbage:?}");
    }
    assert_eq!(of(",, ,tb=7,"), Cmcd { top_bitrate_kbps: Some(7), ..Cmcd::default() });
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let rate = |rate: u32| of(&format!("br={rate}"));
    assert_eq!(rate(MAX_RATE_KBPS).bitrate_kbps, Some(MAX_RATE_KBPS));
    assert_eq!((rate(MAX_RATE_KBPS + 1).bitrate_kbps, rate(MAX_RATE_KBPS + 1).ignored), (None, 1));
    let time = |time: u32| of(&format!("bl={time}"));
    assert_eq!(time(MAX_TIME_MS).buffer_length_ms, Some(MAX_TIME_MS));
    assert_eq!((time(MAX_TIME_MS + 1).buffer_length_ms, time(MAX_TIME_MS + 1).ignored), (None, 1));
    let id = |len: usize| of(&format!("sid=\"{}\"", "a".repeat(len)));
    assert_eq!(id(MAX_ID_BYTES).session_id.unwrap().len(), MAX_ID_BYTES);
    assert_eq!((id(MAX_ID_BYTES + 1).session_id, id(MAX_ID_BYTES + 1).ignored), (None, 1));
    let members = |count: usize| of(&format!("{}br=5", "su,".repeat(count - 1)));
    assert_eq!((members(MAX_MEMBERS).bitrate_kbps, members(MAX_MEMBERS).ignored), (Some(5), 0));
    assert_eq!((members(MAX_MEMBERS + 1).bitrate_kbps, members(MAX_MEMBERS + 1).ignored), (None, 1));
    let bytes = |len: usize| of(&format!("{}tb=77", ",".repeat(len - 5)));
    assert_eq!((bytes(MAX_BYTES).top_bitrate_kbps, bytes(MAX_BYTES).ignored), (Some(77), 0));
    assert_eq!((bytes(MAX_BYTES + 1).top_bitrate_kbps, bytes(MAX_BYTES + 1).ignored), (None, 1));
    let long = "x".repeat(MAX_BYTES);
    let headers = headers(&[("cmcd-object", &long), ("cmcd-status", "bs")]);
    let cmcd = Cmcd::of(None, &headers).unwrap();
    assert_eq!((cmcd.buffer_starved, cmcd.ignored), (false, 1), "the limit is that of all fields");
}

#[test]
fn words_are_few_and_different() {
    fn check<T: Copy>(all: &[T], word: impl Fn(T) -> &'static str, token: impl Fn(T) -> &'static str) {
        let words: std::collections::BTreeSet<_> = all.iter().map(|one| word(*one)).collect();
        let tokens: std::collections::BTreeSet<_> = all.iter().map(|one| token(*one)).collect();
        assert_eq!((words.len(), tokens.len()), (all.len(), all.len()));
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }
    check(ObjectType::ALL, ObjectType::as_str, ObjectType::token);
    check(StreamingFormat::ALL, StreamingFormat::as_str, StreamingFormat::token);
    check(StreamType::ALL, StreamType::as_str, StreamType::token);
    check(PlayerState::ALL, PlayerState::as_str, PlayerState::token);
}

proptest! {
    #[test]
    fn whatever_comes_is_bounded(members in "((br|bl|mtp|sid|ot|bs|x)(=[0-9(); \"va?]{0,8})?,?){0,12}|[ -~]{0,60}") {
        let cmcd = of(&members);
        prop_assert!(cmcd.bitrate_kbps.is_none_or(|rate| rate <= MAX_RATE_KBPS));
        prop_assert!(cmcd.buffer_length_ms.is_none_or(|time| time <= MAX_TIME_MS));
        prop_assert!(cmcd.session_id.is_none_or(|id| id.len() <= MAX_ID_BYTES));
        prop_assert!(cmcd.ignored as usize <= members.len() + 1);
    }
}
