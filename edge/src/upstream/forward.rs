//! Header fields on their way through us: what concerns one connection only stays behind (RFC 9110 §7.6).

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        CONNECTION, CONTENT_LENGTH, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
        TRANSFER_ENCODING, UPGRADE, USER_AGENT, VIA,
    },
};
use rillcast_http::{RequestId, request_id::X_REQUEST_ID};

use super::cdn_loop::{CDN_LOOP, LoopName};

/// What we say to have passed a message on.
const PSEUDONYM: HeaderValue = HeaderValue::from_static("1.1 rillcast");
const AGENT: HeaderValue = HeaderValue::from_static(concat!("rillcast/", env!("CARGO_PKG_VERSION")));

/// Fields that concern one connection, whether or not `Connection` names them.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Removes what concerns one connection only, by name and as `Connection` says.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// The fields of a request to any upstream, but for `Host`.
pub(super) fn outgoing(mut headers: HeaderMap, id: &RequestId, node: &LoopName) -> HeaderMap {
    remove_hop_by_hop(&mut headers);
    // No request of ours has a body, and each upstream has a name of its own.
    for name in [HOST, CONTENT_LENGTH, EXPECT] {
        headers.remove(name);
    }
    headers.append(VIA, PSEUDONYM);
    headers.append(CDN_LOOP, node.to_header_value());
    headers.insert(X_REQUEST_ID, id.to_header_value());
    headers.entry(USER_AGENT).or_insert(AGENT);
    headers
}

#[cfg(test)]
mod tests {
    use http::header::{ACCEPT_ENCODING, COOKIE, ETAG};

    use super::*;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn what_concerns_one_connection_stays_behind() {
        let mut passed = headers(&[
            ("connection", "close, X-Private"),
            ("connection", "etag2 ,,\u{e9}"),
            ("x-private", "1"),
            ("etag2", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("trailer", "x"),
            ("upgrade", "h2c"),
            ("proxy-authenticate", "Basic"),
            ("etag", "\"a\""),
            ("content-length", "5"),
        ]);
        remove_hop_by_hop(&mut passed);
        let left = headers(&[("etag", "\"a\""), ("content-length", "5")]);
        assert_eq!(passed, left);
    }

    #[test]
    fn a_request_says_who_passed_it_on() {
        let given = headers(&[
            ("via", "2 other"),
            ("cdn-loop", "other"),
            ("x-request-id", "forged"),
            ("host", "viewer.example"),
            ("content-length", "3"),
            ("accept-encoding", "br"),
        ]);
        let sent = outgoing(given, &RequestId::INTERNAL, &LoopName::new("n1").unwrap());
        let all = |name: HeaderName| {
            sent.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(all(VIA), ["2 other", "1.1 rillcast"]);
        assert_eq!(all(CDN_LOOP), ["other", "rillcast-n1"]);
        assert_eq!(all(X_REQUEST_ID), ["internal"]);
        assert_eq!(all(ACCEPT_ENCODING), ["br"]);
        assert!([HOST, CONTENT_LENGTH, COOKIE, ETAG].iter().all(|name| !sent.contains_key(name)));
        assert!(sent[USER_AGENT].to_str().unwrap().starts_with("rillcast/"));
    }
}
