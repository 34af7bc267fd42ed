//! What an edge tells of requests: in the log, in figures, and to the control plane.

use rillcast_edge::control::events::event::Sums;
use rillcast_http::LineFormat;
use rillcast_token::{Claims, NumericDate};

use crate::{
    harness::origin::{Act, Asked, Then},
    house::{Answer, House, beats, claims},
};

fn script(asked: &Asked) -> Act {
    let line = asked.line();
    if line.contains("/broken") {
        return Act::silent(Then::Close);
    }
    let how = if line.contains("/own") { "private" } else { "max-age=60" };
    Act::respond(200, &format!("Cache-Control: {how}\r\nContent-Type: video/mp4\r\n"), b"1234567")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_says_what_the_cache_did_and_why_nothing_was_kept() {
    let house = House::new(LineFormat::Text, script);
    let late = Claims { exp: NumericDate::new(1000).unwrap(), ..claims(&["/vod/"]) };
    let late = format!("/t/{}/vod/a", house.token(&late));
    let good = house.token(&claims(&["/vod/"]));
    let table = [
        ("/open/a".to_owned(), 200, "cache=\"miss\""),
        ("/open/a".to_owned(), 200, "cache=\"hit\""),
        ("/open/own".to_owned(), 200, "cache=\"bypass\" detail=\"private\""),
        ("/open/broken".to_owned(), 502, "cache=\"local\" detail=\"upstream_unreachable\""),
        ("/open/a.m3u8?_HLS_msn=x".to_owned(), 400, "cache=\"local\" detail=\"impossible_directive\""),
        ("/vod/a".to_owned(), 401, "cache=\"local\" detail=\"token_missing\""),
        (late, 401, "cache=\"local\" detail=\"token_expired\""),
        (format!("/t/{good}/open/a"), 403, "cache=\"local\" detail=\"token_path\""),
        (format!("/vod/a?token={good}"), 302, "cache=\"local\""),
        (format!("/t/{good}/vod/a"), 200, "cache=\"miss\""),
    ];
    for (nth, (target, status, words)) in table.iter().enumerate() {
        let answer = house.get(target, &[]);
        assert_eq!(answer.status, *status, "{target}: {answer:?}");
        house.wait_for_fills(1);
        let line = house.lines(nth + 1)[nth].clone();
        assert!(line.ends_with(&format!(" {words}\n")), "{words} in {line}");
    }
    assert_eq!(house.figure("rillcast_edge_requests_total{cache=\"local\"}"), 6);
    assert_eq!(house.figure("rillcast_edge_requests_total{cache=\"miss\"}"), 2);
    for code in ["token_missing", "token_expired", "token_path"] {
        assert_eq!(house.figure(&format!("rillcast_edge_refused_total{{code=\"{code}\"}}")), 1, "{code}");
    }
    house.close(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_players_say_is_counted_in_words_of_closed_sets() {
    let house = House::new(LineFormat::Json, script);
    let in_query = "/open/a?CMCD=bl%3D2100%2Cbr%3D3200%2Cbs%2Cmtp%3D25400%2Cot%3Dv%2Csf%3Dh%2Cst%3Dv";
    assert_eq!(house.get(in_query, &[]).status, 200);
    let fields = [("CMCD-Request", "su,mtp=800"), ("CMCD-Session", "v=2,sf=h,st=ll,sid=\"me\"")];
    assert_eq!(house.get("/open/a", &fields).status, 200);
    house.get("/open/a", &[("CMCD-Object", "ot=everything,br=-1,=,%%%")]);
    house.get("/open/a?CMCD=", &[]);
    house.get("/open/a", &[("CMCD-Status", &"x,".repeat(2000))]);
    house.get("/open/a?cmcd=bs", &[]);
    house.get("/vod/a?CMCD=bs", &[]);
    for (series, expected) in [
        ("requests_total{format=\"hls\",stream=\"vod\",version=\"1\"}", 1),
        ("requests_total{format=\"hls\",stream=\"low_latency\",version=\"2\"}", 1),
        ("requests_total{format=\"unsaid\",stream=\"unsaid\",version=\"1\"}", 3),
        ("objects_total{object=\"video\"}", 1),
        ("objects_total{object=\"unsaid\"}", 4),
        ("startups_total", 1),
        // What is refused says nothing.
        ("stalls_total", 1),
        ("bitrate_bits_per_second_count", 1),
        ("bitrate_bits_per_second_sum", 3_200_000),
        ("throughput_bits_per_second_count", 2),
        ("buffer_seconds_bucket{le=\"2\"}", 0),
        ("buffer_seconds_bucket{le=\"4\"}", 1),
    ] {
        assert_eq!(house.figure(&format!("rillcast_cmcd_{series}")), expected, "{series}");
    }
    assert!(house.figure("rillcast_cmcd_ignored_total") >= 4);
    let figures = house.figures();
    assert!(!["everything", "\"me\"", "sid"].iter().any(|word| figures.contains(word)));
    // One object, whatever players say of themselves.
    assert_eq!(house.origin.count(), 2, "{:?}", house.origin.asked());
    house.close(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_told_of_with_what_it_watched_and_what_came_of_it() {
    let house = House::new(LineFormat::Text, script);
    let claims = Claims { env: Some("tenant".to_owned()), ..claims(&["/vod/a", "/vod/b/"]) };
    let front = format!("/t/{}", house.token(&claims));
    let get = |path: &str| -> Answer { house.get(&format!("{front}{path}"), &[]) };
    assert_eq!(get("/vod/a/1?CMCD=su").status, 200);
    house.wait_for_fills(1);
    assert_eq!(get("/vod/a/1?CMCD=bs").status, 200);
    assert_eq!(get("/vod/a/broken").status, 502);
    assert_eq!(get("/vod/b/1").status, 200);
    // Neither is a session's: one is refused, and the other needs no token.
    assert_eq!((get("/vod/c").status, house.get("/open/a", &[]).status), (403, 200));
    let failure = house.lines(6).iter().find(|line| line.contains("status=502")).unwrap().clone();
    let failed_bytes = failure.split(" bytes=").nth(1).unwrap().split(' ').next().unwrap().parse::<u64>();
    let events = house.close(4).await;
    let mut by_asset = std::collections::BTreeMap::<String, Sums>::new();
    for beat in beats(&events) {
        assert_eq!(beat.session.as_ref().unwrap().as_str(), "s-1");
        assert_eq!(beat.environment.as_ref().unwrap().as_str(), "tenant");
        assert!(beat.from_us <= beat.to_us && beat.from_us.0 > 0);
        by_asset.entry(beat.asset.as_ref().unwrap().as_str().to_owned()).or_default().add(&beat.sums);
    }
    let film =
        Sums { requests: 3, hits: 1, failures: 1, bytes: 14 + failed_bytes.unwrap(), startups: 1, stalls: 1 };
    let other = Sums { requests: 1, bytes: 7, ..Sums::default() };
    assert_eq!(by_asset, [("/vod/a".to_owned(), film), ("/vod/b/".to_owned(), other)].into());
}
