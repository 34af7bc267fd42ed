//! What the edge reads of requests and responses before it caches anything: keys, lifetimes, players' words.

pub mod cache_control;
pub mod cache_key;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rillcast_edge::observe::cmcd::{Cmcd, MAX_ID_BYTES, MAX_RATE_KBPS, MAX_TIME_MS};

/// CMCD: everything is bounded, and means the same in a header as in a query.
pub fn cmcd(data: &[u8]) {
    let query = format!("a=1&CMCD={}&b=2", percent_encode(data, NON_ALPHANUMERIC));
    let cmcd = Cmcd::of(Some(&query), &HeaderMap::new()).expect("the parameter is there");
    let rates = [
        cmcd.bitrate_kbps,
        cmcd.top_bitrate_kbps,
        cmcd.measured_throughput_kbps,
        cmcd.requested_throughput_kbps,
    ];
    assert!(rates.into_iter().flatten().all(|rate| rate <= MAX_RATE_KBPS));
    let times = [cmcd.buffer_length_ms, cmcd.deadline_ms, cmcd.duration_ms, cmcd.live_latency_ms];
    assert!(times.into_iter().flatten().all(|time| time <= MAX_TIME_MS));
    for id in [&cmcd.session_id, &cmcd.content_id].into_iter().flatten() {
        assert!(
            (1..=MAX_ID_BYTES).contains(&id.len())
                && !id.contains(|c: char| c.is_ascii_control() || c == '"')
        );
    }
    assert!(usize::try_from(cmcd.ignored).expect("a few") <= data.len() + 1);
    if let Ok(value) = HeaderValue::from_bytes(data) {
        let headers = HeaderMap::from_iter([(HeaderName::from_static("cmcd-request"), value)]);
        assert_eq!(Cmcd::of(Some("a=1"), &headers), Some(cmcd));
    }
}
