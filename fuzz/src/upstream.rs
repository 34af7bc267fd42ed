//! What upstreams answer, and what requests say of the way they came.

use http::{HeaderMap, HeaderValue};
use rillcast_edge::upstream::{
    LoopName,
    cdn_loop::{CDN_LOOP, NODES_MAX},
    content_range::ContentRange,
};
use rillcast_http::range;

const NODE: &str = "node-1";
const NAME: &[u8] = b"rillcast-node-1";

/// `Content-Range` of a 206: a part is never empty, lies within the whole, and means the same when it is written anew.
pub fn content_range(field: &[u8]) {
    let Some(ContentRange { part, complete }) = ContentRange::read(field) else { return };
    assert!(part.start < part.end && complete.is_none_or(|complete| part.end <= complete));
    assert!(field.is_ascii());
    let written = range::content_range(&part, complete.unwrap_or(u64::MAX));
    let again = ContentRange { part, complete: Some(complete.unwrap_or(u64::MAX)) };
    assert_eq!(ContentRange::read(written.as_bytes()), Some(again));
}

/// `CDN-Loop`, one field a line: without quotes it is what splitting finds, and with our name behind it a loop.
pub fn cdn_loop(lines: &[u8]) {
    let name = LoopName::new(NODE).expect("a name");
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append(CDN_LOOP, value);
    }
    let is_looping = name.is_looping(&headers);
    if !lines.contains(&b'"') {
        assert_eq!(is_looping, is_looping_by_splitting(lines));
    }
    headers.append(CDN_LOOP, HeaderValue::from_bytes(NAME).expect("a name is a header value"));
    assert!(name.is_looping(&headers));
}

fn is_looping_by_splitting(lines: &[u8]) -> bool {
    let elements = lines.split(|byte| *byte == b'\n' || *byte == b',');
    let names = elements.filter_map(|element| element.split(|byte| *byte == b';').next());
    let names: Vec<&[u8]> = names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()).collect();
    names.len() > NODES_MAX || names.iter().any(|name| name.eq_ignore_ascii_case(NAME))
}
