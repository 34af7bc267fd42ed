//! Live playlists at the edge: held here, one upstream wait each, answered from what came of it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};

use crate::{
    harness::origin::{Act, Asked, Origin, Then},
    world::World,
};

const PART_MS: u64 = 200;
const PARTS: u64 = 5;

/// A live stream at an origin that began when the test did: a part every 200 ms, five a segment.
#[derive(Clone)]
struct Stream {
    start: Instant,
    /// How often the origin held a request, by what was asked.
    waits: Arc<Mutex<Vec<String>>>,
}

impl Stream {
    /// The playlist when so many parts are there.
    fn playlist(parts: u64, is_delta: bool) -> String {
        let mut text = String::from(
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-VERSION:9\n#EXT-X-PART-INF:PART-TARGET=0.2\n\
             #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6,CAN-SKIP-UNTIL=6\n#EXT-X-MEDIA-SEQUENCE:0\n",
        );
        if is_delta {
            text.push_str("#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n");
        }
        for part in 0..parts {
            let (msn, number) = (part / PARTS, part % PARTS);
            if !is_delta || msn > 0 {
                text.push_str(&format!("#EXT-X-PART:DURATION=0.2,URI=\"{msn}.{number}.m4s\"\n"));
                if number + 1 == PARTS {
                    text.push_str(&format!("#EXTINF:1,\n{msn}.m4s\n"));
                }
            }
        }
        let (msn, number) = (parts / PARTS, parts % PARTS);
        text.push_str(&format!("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{msn}.{number}.m4s\"\n"));
        text
    }

    fn parts_now(&self) -> u64 {
        // Six are there from the beginning.
        u64::try_from(self.start.elapsed().as_millis()).unwrap() / PART_MS + 6
    }

    fn answer(&self, asked: &Asked) -> Act {
        let target = asked.line().trim_start_matches("GET ").to_owned();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let value = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse::<u64>().ok())
        };
        let media = "Cache-Control: max-age=60\r\nContent-Type: video/mp4\r\n";
        if let Some(name) = path.strip_suffix(".m4s") {
            let (msn, number) = name.trim_start_matches('/').split_once('.').unwrap();
            let part = msn.parse::<u64>().unwrap() * PARTS + number.parse::<u64>().unwrap();
            return if part < self.parts_now() {
                Act::respond(200, media, name.as_bytes())
            } else {
                Act::respond(404, "Cache-Control: no-store\r\n", b"")
            };
        }
        let wanted = value("_HLS_msn").map(|msn| msn * PARTS + value("_HLS_part").unwrap_or(PARTS - 1) + 1);
        let parts = wanted.unwrap_or(0).max(self.parts_now());
        let due = self.start + Duration::from_millis((parts - 6) * PART_MS);
        let wait = due.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            self.waits.lock().unwrap().push(target.clone());
        }
        let fields = if wanted.is_some() {
            "Cache-Control: max-age=60\r\nContent-Type: application/vnd.apple.mpegurl\r\n"
        } else {
            "Cache-Control: max-age=0\r\nContent-Type: application/vnd.apple.mpegurl\r\n"
        };
        Act::respond(200, fields, Self::playlist(parts, query.contains("_HLS_skip")).as_bytes()).after(wait)
    }

    fn world() -> (World, Origin, Self) {
        let stream = Self { start: Instant::now(), waits: Arc::default() };
        let playing = stream.clone();
        let (world, origin) = World::of(move |asked| playing.answer(asked));
        (world, origin, stream)
    }

    fn waits(&self) -> Vec<String> {
        self.waits.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_viewers_of_the_next_part_are_one_wait() {
    let (world, _origin, stream) = Stream::world();
    // Part 1 of segment 1 is the next of the six that are there.
    let all = futures_util::future::join_all((0..1000).map(|number| {
        let skip = if number % 2 == 0 { "" } else { "&_HLS_skip=YES" };
        let world = &world;
        async move { world.get(&format!("/live.m3u8?_HLS_msn=1&_HLS_part=1{skip}")).await }
    }))
    .await;
    assert_eq!(stream.start.elapsed().as_millis() / 10, 20, "as soon as it is there");
    for (number, got) in all.iter().enumerate() {
        assert_eq!(got.status, 200);
        assert_eq!(got.text(), Stream::playlist(7, number % 2 == 1), "{number}");
        assert_eq!(got.field("age"), "0");
    }
    // Who waits for the next part then is not known before they have gone.
    let waits = stream.waits();
    assert!(waits[0] == "/live.m3u8?_HLS_msn=1&_HLS_part=1" && waits.len() <= 2, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn viewers_who_ask_again_and_again_keep_one_wait_a_part() {
    let (world, origin, stream) = Stream::world();
    let viewers = (0..50).map(|_| async {
        for part in 6..16 {
            let (msn, number) = (part / PARTS, part % PARTS);
            let got = world.get(&format!("/live.m3u8?_HLS_msn={msn}&_HLS_part={number}")).await;
            assert_eq!((got.status, got.text()), (200, Stream::playlist(part + 1, false).as_str()));
        }
    });
    futures_util::future::join_all(viewers).await;
    assert_eq!(stream.waits().len(), 10);
    // The first look at the playlist, and perhaps one wait for what nobody asks for any more.
    assert!(origin.count() <= 13, "{:?}", origin.asked());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_is_refused_at_once_and_what_is_old_is_answered_at_once() {
    let (world, _origin, stream) = Stream::world();
    for (query, status) in [
        ("_HLS_part=1", 400),
        ("_HLS_msn=x", 400),
        ("_HLS_msn=1&_HLS_msn=1", 400),
        ("_HLS_msn=3", 400),
        ("_HLS_msn=1&_HLS_part=40", 400),
        ("_HLS_msn=0", 200),
        ("_HLS_msn=0&_HLS_part=3", 200),
        ("_HLS_msn=1&_HLS_part=0", 200),
        ("_HLS_skip=YES", 200),
    ] {
        let got = world.get(&format!("/live.m3u8?{query}")).await;
        assert_eq!(got.status, status, "{query}: {got:?}");
        if status == 400 {
            assert!(got.text().contains("impossible_directive"), "{query}");
        }
        assert_eq!(stream.parts_now(), 6, "{query} takes no time");
    }
}

#[tokio::test(start_paused = true)]
async fn an_announced_part_is_waited_for_and_another_that_is_to_come_is_not() {
    let (world, _origin, stream) = Stream::world();
    let waiting = world.get("/live.m3u8?_HLS_msn=1&_HLS_part=1");
    let hinted = async {
        // Once the playlist is known.
        sleep(Duration::from_millis(50)).await;
        let unannounced = world.get("/1.3.m4s").await;
        assert_eq!((unannounced.status, stream.parts_now()), (404, 6));
        world.get("/1.1.m4s").await
    };
    let (playlist, part) = tokio::join!(waiting, hinted);
    assert_eq!((playlist.status, part.status, part.text()), (200, 200, "/1.1"));
    assert_eq!(stream.parts_now(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_stalls_is_503_after_three_target_durations() {
    let stalled = Stream::playlist(6, false);
    let (world, origin) = World::of(move |asked| {
        let playlist =
            Act::respond(200, "Cache-Control: max-age=0\r\nContent-Type: text/plain\r\n", stalled.as_bytes());
        if asked.line().contains("_HLS_msn") { Act::silent(Then::Hang) } else { playlist }
    });
    let start = Instant::now();
    let (one, two) = tokio::join!(
        world.get("/live.m3u8?_HLS_msn=1&_HLS_part=1"),
        world.get("/live.m3u8?_HLS_msn=1&_HLS_part=1")
    );
    assert_eq!((one.status, two.status), (503, 503), "{one:?}");
    assert_eq!(start.elapsed().as_secs(), 3);
    assert_eq!(origin.asked().iter().filter(|asked| asked.line().contains("_HLS_msn")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_failure_of_the_wait_reaches_all_who_wait() {
    let playlist = Stream::playlist(6, false);
    let (world, _origin) = World::of(move |asked| {
        if asked.line().contains("_HLS_msn") {
            return Act::silent(Then::Close).after(Duration::from_millis(100));
        }
        Act::respond(200, "Cache-Control: max-age=0\r\nContent-Type: text/plain\r\n", playlist.as_bytes())
    });
    let viewers = (0..20).map(|_| world.get("/live.m3u8?_HLS_msn=1&_HLS_part=1"));
    let all = timeout(Duration::from_secs(2), futures_util::future::join_all(viewers)).await.unwrap();
    assert!(all.iter().all(|got| got.status == 502), "{:?}", all[0]);
}
