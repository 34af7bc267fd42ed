//! Conditional requests, and 304.

use super::*;

fn asked_with(stored: &str) -> HeaderMap {
    let mut request = HeaderMap::new();
    let added = add_conditions(&headers(stored), &mut request);
    assert_eq!(added, !request.is_empty());
    request
}

#[test]
fn rfc_9111_4_3_1_we_ask_with_the_validators_that_we_have() {
    let modified = date(-100);
    for (stored, tag, since) in [
        (String::new(), None, None),
        ("etag: \"a\"".to_owned(), Some("\"a\""), None),
        ("etag: W/\"a\"".to_owned(), Some("W/\"a\""), None),
        (format!("last-modified: {modified}"), None, Some(&*modified)),
        (format!("etag: \"a\"\nlast-modified: {modified}"), Some("\"a\""), Some(&*modified)),
        // What is no validator is not sent back.
        ("etag: a\nlast-modified: yesterday".to_owned(), None, None),
        ("etag: \"a\", \"b\"".to_owned(), None, None),
        ("etag: \"a\"\netag: \"b\"".to_owned(), None, None),
    ] {
        let request = asked_with(&stored);
        assert_eq!(request.get(header::IF_NONE_MATCH).map(|v| v.to_str().unwrap()), tag, "{stored:?}");
        assert_eq!(request.get(header::IF_MODIFIED_SINCE).map(|v| v.to_str().unwrap()), since, "{stored:?}");
    }
}

#[test]
fn rfc_9111_3_2_a_304_brings_news_but_does_not_describe_the_body() {
    let stored = headers(
        "etag: \"a\"\ncontent-type: video/mp4\ncontent-length: 9\ncache-control: max-age=1\nage: 70\n\
         date: Sun, 06 Nov 1994 08:00:00 GMT\nx-kept: 1\nx-two: 1\nx-two: 2",
    );
    let news = headers(
        "etag: W/\"a\"\ncontent-type: text/html\ncontent-length: 0\ncontent-encoding: gzip\n\
         content-range: bytes 0-1/2\ncache-control: max-age=60\nx-two: 3\nx-new: 4\n\
         connection: x-hop\nx-hop: 5\nkeep-alive: timeout=5\ntransfer-encoding: chunked",
    );
    let expected = headers(
        "etag: \"a\"\ncontent-type: video/mp4\ncontent-length: 9\ncache-control: max-age=60\nx-kept: 1\n\
         x-two: 3\nx-new: 4",
    );
    assert_eq!(freshen(&stored, &news), Ok(expected));
    let dated = headers("date: Sun, 06 Nov 1994 08:49:37 GMT\nage: 3");
    let updated = freshen(&stored, &dated).unwrap();
    assert_eq!(updated.get(header::AGE).unwrap(), "3");
    assert_eq!(updated.get(header::DATE).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(updated.get(header::CACHE_CONTROL).unwrap(), "max-age=1", "what is not said again stays");
}

#[test]
fn rfc_9111_4_3_4_a_304_about_something_else_changes_nothing() {
    let modified = |offset| format!("last-modified: {}", date(offset));
    for (stored, news, expected) in [
        ("etag: \"a\"".to_owned(), "etag: \"b\"".to_owned(), Err(NotOurs::EntityTag)),
        ("etag: \"a\"".to_owned(), "etag: W/\"a\"".to_owned(), Ok(())),
        ("etag: \"a\"".to_owned(), String::new(), Ok(())),
        (modified(0), modified(0), Ok(())),
        (modified(0), modified(1), Err(NotOurs::LastModified)),
        (modified(0), String::new(), Ok(())),
        // The tag is the better witness.
        (format!("etag: \"a\"\n{}", modified(0)), format!("etag: \"a\"\n{}", modified(1)), Ok(())),
        (format!("etag: \"a\"\n{}", modified(0)), modified(1), Err(NotOurs::LastModified)),
    ] {
        assert_eq!(freshen(&headers(&stored), &headers(&news)).map(drop), expected, "{stored:?} {news:?}");
    }
}

#[test]
fn a_stored_response_lives_again_after_a_304() {
    let stored = headers("etag: \"a\"\ncache-control: max-age=60\nage: 59");
    let updated = freshen(&stored, &headers("etag: \"a\"")).unwrap();
    let later = noon() + s(1000);
    let exchange = Exchange {
        status: StatusCode::OK,
        headers: &updated,
        requested: later,
        received: later,
        credentials: Credentials::None,
    };
    let Verdict::Store(lifetime) = evaluate(&exchange, &Policy::default()) else { panic!("passed") };
    assert_eq!(
        (lifetime.state(later + s(59)), lifetime.state(later + s(60))),
        (State::Fresh, State::Expired)
    );
}

#[test]
fn rfc_9110_7_6_1_fields_of_the_connection_are_not_stored() {
    let all = headers(
        "connection: close, X-Mine\nx-mine: 1\nkeep-alive: timeout=5\nte: trailers\ntrailer: x\n\
         transfer-encoding: chunked\nupgrade: h2c\nproxy-authenticate: Basic\ncontent-type: video/mp4\n\
         link: a\nlink: b",
    );
    assert_eq!(without_connection_fields(&all), headers("content-type: video/mp4\nlink: a\nlink: b"));
}
