//! What lets the page see what is private: tokens for those who may have them without asking.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, header};
use rillcast_edge::admission::private_paths::PrivatePaths;
use rillcast_http::{Networks, Request};
use rillcast_token::{Claims, Grants, NumericDate, sign};

/// What browsers say of the page that asks (Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// How long a token of the page is good: an evening.
const LIFE: Duration = Duration::from_secs(12 * 3600);

/// Signs tokens for the page.
pub(crate) struct Pass {
    pub(crate) grants: Arc<Grants>,
    pub(crate) private: PrivatePaths,
    pub(crate) sign_for: Networks,
}

/// Where something is played.
pub(super) enum Address {
    /// By everybody.
    Public(String),
    /// By whoever has this address.
    Signed(String),
    /// Not by this client.
    Withheld,
}

impl Pass {
    /// Where the one who asks plays what is at `path`, a file in a folder of its own such as
    /// `/vod/film.mp4/master.m3u8`.
    pub(super) fn address(&self, path: String, request: &Request) -> Address {
        if !self.private.contain(&path) {
            return Address::Public(path);
        }
        let is_trusted = self.sign_for.contains(request.client.ip) && is_our_page(request);
        let Some((folder, _)) = path.rsplit_once('/').filter(|_| is_trusted) else {
            return Address::Withheld;
        };
        let until = request.received.checked_add(LIFE).unwrap_or(request.received);
        let claims =
            Claims { paths: vec![format!("{folder}/")], exp: NumericDate::of(until), ..Claims::default() };
        let keys = self.grants.keys();
        let signed = keys.signer(rillcast_token::claims::DEFAULT_ENVIRONMENT).map(|key| sign(&claims, key));
        match signed {
            Some(Ok(token)) => Address::Signed(format!("/t/{token}{path}")),
            Some(Err(error)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the page's token cannot be signed"
                );
                Address::Withheld
            }
            // Public keys only: others sign.
            None => Address::Withheld,
        }
    }
}

/// Whether `request` comes from our own page, or from no page. Another page may read our answers, and its visitor is
/// trusted, so that it would read tokens with them.
fn is_our_page(request: &Request) -> bool {
    let field = |name: HeaderName| request.headers.get(name).map(HeaderValue::as_bytes);
    let site = field(SEC_FETCH_SITE);
    let is_same_site =
        field(header::ORIGIN).is_none() && matches!(site, None | Some(b"same-origin" | b"none"));
    // A name that somebody else has made to mean this machine is a page of theirs (DNS rebinding).
    is_same_site
        && (!request.client.ip.is_loopback() || is_this_machine(field(header::HOST).unwrap_or_default()))
}

/// Whether `host` is an address, or the one name that is always this machine.
fn is_this_machine(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let name =
        host.rsplit_once(':').map_or(host, |(name, port)| if port.ends_with(']') { host } else { name });
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fields: &[(&'static str, &'static str)], client: &str, expected: bool) {
        let mut request = Request::internal("/library.json", std::time::UNIX_EPOCH).expect("a path");
        request.client.ip = client.parse().expect("an address");
        for (name, value) in fields {
            request.headers.insert(*name, HeaderValue::from_static(value));
        }
        assert_eq!(is_our_page(&request), expected, "{fields:?} from {client}");
    }

    #[test]
    fn our_page_and_no_page_are_trusted_and_others_are_not() {
        for host in ["127.0.0.1:8080", "localhost", "localhost:1", "[::1]:8080", "[::1]", "LOCALHOST:80"] {
            check(&[("host", host)], "127.0.0.1", true);
        }
        check(&[("host", "localhost"), ("sec-fetch-site", "same-origin")], "::1", true);
        check(&[("host", "localhost"), ("sec-fetch-site", "cross-site")], "::1", false);
        check(&[("host", "localhost"), ("origin", "https://evil.example")], "127.0.0.1", false);
        check(&[("host", "evil.example")], "127.0.0.1", false);
        check(&[("host", "evil.example:8080"), ("sec-fetch-site", "same-origin")], "127.0.0.1", false);
        check(&[], "127.0.0.1", false);
        check(&[("host", "media.lan")], "10.1.2.3", true);
    }
}
