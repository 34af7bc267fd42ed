//! The PROXY header at the front of a connection, as it trickles in.

use rillcast_http::proxy_protocol::{ProxyError, ProxyHeader, V1_BYTES_MAX, V2_BYTES_MAX, parse};

/// The target: every prefix is parsed, shortest first. Once something is decided no further byte
/// changes it; a header lies inside the bytes it was read from and needs all of them; a reader never
/// waits for more than the longest header.
pub fn run(data: &[u8]) {
    let longest = V1_BYTES_MAX.max(V2_BYTES_MAX);
    let mut decided: Option<Result<ProxyHeader, ProxyError>> = None;
    for len in 0..=data.len().min(longest + 2) {
        let bytes = data.get(..len).expect("a prefix");
        let now = parse(bytes).transpose();
        match (&decided, &now) {
            (None, None) => assert!(len < longest, "waits for more than {longest} bytes"),
            (None, Some(Ok(header))) => {
                assert_eq!(header.len, len, "decided with the header's last byte");
                assert!(bytes[0] == b'\r' || is_plain_v1(bytes, *header), "a loosely written line");
            }
            (None, Some(Err(_))) => {}
            (Some(before), now) => {
                let now = now.expect("what was decided stays so");
                match (before, now) {
                    (
                        Err(ProxyError::TooLong { limit: before, .. }),
                        Err(ProxyError::TooLong { len, limit }),
                    ) => {
                        assert!(*before == limit && len >= limit);
                    }
                    (before, now) => assert_eq!(*before, now),
                }
            }
        }
        decided = decided.or(now);
    }
    if data.len() > longest + 2 {
        let whole = parse(data).transpose().expect("longer than any header");
        assert_eq!(whole.is_ok(), decided.is_some_and(|decided| decided.is_ok()));
    }
}

/// Whether the ports of a version 1 line are plain numbers (section 2.1 leaves no second spelling).
fn is_plain_v1(bytes: &[u8], header: ProxyHeader) -> bool {
    let Some(source) = header.source else { return true };
    let text = String::from_utf8_lossy(bytes);
    let words: Vec<_> = text.trim_end().split(' ').collect();
    let [_, _, _, _, source_port, destination_port] = words.as_slice() else { return false };
    let is_plain = |port: &str| port.parse::<u16>().is_ok_and(|number| number.to_string() == port);
    is_plain(source_port) && is_plain(destination_port) && source.port().to_string() == *source_port
}
