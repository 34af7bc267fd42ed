//! Where an upstream sends those who ask elsewhere: within itself means within us.
//!
//! ```text
//!  asked at http://10.0.0.7:8081    Location: http://10.0.0.7:8081/new?x    ─▶    Location: /new?x
//! ```
//!
//! Servers like to write their own name into redirects. Viewers cannot reach it, must not know it, and would leave the
//! edge; what points elsewhere is left alone.

use http::{HeaderMap, HeaderName, HeaderValue, header, uri::Authority};

use super::config::{Address, port, without_brackets};

/// Fields that lead somewhere.
const FIELDS: [HeaderName; 2] = [header::LOCATION, header::CONTENT_LOCATION];

/// Makes what leads to the upstream at `address` itself lead to whoever is asked.
pub(super) fn make_ours(headers: &mut HeaderMap, address: &Address) {
    for name in &FIELDS {
        let Some(value) = headers.get(name) else { continue };
        if let Some(ours) = value.to_str().ok().and_then(|text| within(text, address)) {
            headers.insert(name, ours);
        }
    }
}

/// The path that `text` leads to, if that is at `address`.
fn within(text: &str, address: &Address) -> Option<HeaderValue> {
    let (scheme, rest) = text.split_once("://")?;
    let usual = match scheme.to_ascii_lowercase().as_str() {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    let authority: Authority = authority.parse().ok()?;
    let at = port(&authority, usual)?;
    let host = without_brackets(authority.host());
    let named = &address.authority;
    let is_named = without_brackets(named.host()).eq_ignore_ascii_case(host)
        // Perhaps it knows itself by the other scheme, at the port that goes with it.
        && named.port_u16().is_none_or(|port| port == at);
    let is_connected = address.host.eq_ignore_ascii_case(host) && address.port == at;
    if !is_named && !is_connected {
        return None;
    }
    // Two slashes would begin the name of a host.
    let dot = if rest.starts_with("//") { "/." } else { "" };
    let slash = if rest.starts_with('/') { "" } else { "/" };
    HeaderValue::from_str(&format!("{dot}{slash}{rest}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::config::UpstreamConfig;

    fn address(url: &str, host: Option<&str>) -> Address {
        let host = host.map(str::to_owned);
        Address::read(&UpstreamConfig { host, ..UpstreamConfig::new("o", url) }).expect("a good URL")
    }

    #[test]
    fn what_leads_to_the_upstream_itself_leads_to_us_and_nothing_else_does() {
        let plain = address("http://10.0.0.7:8081", None);
        let named = address("https://origin.internal", Some("media.example"));
        let six = address("http://[fd00::1]:80", None);
        for (at, said, expected) in [
            (&plain, "http://10.0.0.7:8081/new?x=1#y", "/new?x=1#y"),
            (&plain, "http://10.0.0.7:8081", "/"),
            (&plain, "HTTP://10.0.0.7:8081?x", "/?x"),
            (&plain, "http://10.0.0.7:8081//evil.example/a", "/.//evil.example/a"),
            (&plain, "http://10.0.0.7/new", "http://10.0.0.7/new"),
            (&plain, "http://10.0.0.70:8081/new", "http://10.0.0.70:8081/new"),
            (&plain, "http://10.0.0.7:8081@evil.example/", "http://10.0.0.7:8081@evil.example/"),
            (&plain, "ftp://10.0.0.7:8081/", "ftp://10.0.0.7:8081/"),
            (&plain, "//10.0.0.7:8081/new", "//10.0.0.7:8081/new"),
            (&plain, "/new", "/new"),
            (&plain, "new", "new"),
            (&named, "https://origin.internal/a", "/a"),
            (&named, "https://Origin.Internal:443/a", "/a"),
            (&named, "http://media.example/a", "/a"),
            (&named, "https://media.example/a", "/a"),
            (&named, "https://other.example/a", "https://other.example/a"),
            (&named, "https://origin.internal:8443/a", "https://origin.internal:8443/a"),
            (&six, "http://[fd00::1]/a", "/a"),
        ] {
            for name in FIELDS {
                let mut headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(said))]);
                make_ours(&mut headers, at);
                assert_eq!(headers[&name], expected, "{said}");
            }
        }
    }
}
