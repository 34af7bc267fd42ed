//! What a viewer's `Cache-Control` is allowed to say.

use http::{HeaderMap, header};

/// Whether the request wants nothing that is not here (RFC 9111 §5.2.1.7): answer 504 rather than ask an upstream.
///
/// It is the only directive of a request that counts. The others are advice that a cache may leave aside (§5.2.1).
/// `no-cache`, `no-store`, `max-age=0` and `Pragma` are left aside because players and browsers send them with
/// every reload, and each would be a request to the origin that anybody can cause at will; what is fresh is right by
/// the origin's own word. `max-stale` is because the origin says how stale a response may be used, `min-fresh` because
/// no player sends it.
pub fn only_if_cached(request: &HeaderMap) -> bool {
    let mut fields = request.get_all(header::CACHE_CONTROL).iter();
    fields.any(|field| {
        let mut elements = field.as_bytes().split(|byte| *byte == b',');
        elements.any(|element| element.trim_ascii().eq_ignore_ascii_case(b"only-if-cached"))
    })
}
