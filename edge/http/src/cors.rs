//! What players on other origins need (Fetch standard, "CORS protocol"): permission on every answer, errors too, the
//! headers they measure with, and an answer to preflights.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// Response headers that scripts may read beyond the safelisted ones.
const EXPOSED: &str = "Content-Length, Content-Range, Accept-Ranges, Date, Age, ETag, Retry-After, \
                       X-Request-Id, CMSD-Static, CMSD-Dynamic";
/// Request headers that scripts may send beyond the safelisted ones.
const ALLOWED_HEADERS: &str = "Range, If-Range, If-None-Match, If-Modified-Since, Authorization, Content-Type, \
                               Cache-Control, Pragma, X-Request-Id, CMCD-Object, CMCD-Request, CMCD-Session, \
                               CMCD-Status";
const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Which pages may read our answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Allowed origins.
    pub origins: AllowedOrigins,
    /// How long a browser may remember the answer to a preflight; whole seconds.
    pub max_age: Duration,
}

/// A set of origins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Every page: `*`, the same bytes for all, kindest to caches.
    Any,
    /// These, compared byte by byte, e.g. `https://player.example`. Answers carry `Vary: Origin`.
    List(Vec<HeaderValue>),
}

impl Default for Cors {
    fn default() -> Self {
        // Two hours is what Chromium keeps at most.
        Self { origins: AllowedOrigins::Any, max_age: Duration::from_secs(7200) }
    }
}

impl Cors {
    /// Adds permission to the headers of an answer to a request with this `Origin`.
    pub(crate) fn permit(&self, origin: Option<&HeaderValue>, response: &mut HeaderMap) {
        self.permit_all(response);
        self.permit_listed(origin, response);
    }

    /// The part of [`Self::permit`] that is the same for every request: what is kept may keep it.
    pub(crate) fn permit_all(&self, response: &mut HeaderMap) {
        if self.origins == AllowedOrigins::Any {
            write_permission(HeaderValue::from_static("*"), response);
        }
    }

    /// The part of [`Self::permit`] that depends on who asks.
    pub(crate) fn permit_listed(&self, origin: Option<&HeaderValue>, response: &mut HeaderMap) {
        let AllowedOrigins::List(list) = &self.origins else { return };
        response.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin.filter(|origin| list.contains(origin)) {
            write_permission(origin.clone(), response);
        }
    }

    /// Adds to the headers of an answer to a preflight, which have their permission already, which of `methods` and
    /// which headers a page may use.
    pub(crate) fn answer_preflight(&self, methods: &[Method], response: &mut HeaderMap) {
        if response.remove(header::ACCESS_CONTROL_EXPOSE_HEADERS).is_some() {
            response.insert(header::ACCESS_CONTROL_ALLOW_METHODS, method_list(methods));
            response.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(ALLOWED_HEADERS));
            response.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(self.max_age.as_secs()));
        }
    }
}

fn write_permission(allowed: HeaderValue, response: &mut HeaderMap) {
    response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed.clone());
    response.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    response.insert(TIMING_ALLOW_ORIGIN, allowed);
    // Pages that isolate themselves (COEP) load media only with this.
    response.entry(RESOURCE_POLICY).or_insert(HeaderValue::from_static("cross-origin"));
}

/// Whether a request is a preflight rather than a plain `OPTIONS`.
pub(crate) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Methods as a list, for `Allow` and `Access-Control-Allow-Methods`.
pub(crate) fn method_list(methods: &[Method]) -> HeaderValue {
    let names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    HeaderValue::try_from(names.join(", ")).expect("method names are tokens")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permitted(cors: &Cors, origin: Option<&'static str>) -> HeaderMap {
        let mut response = HeaderMap::new();
        cors.permit(origin.map(HeaderValue::from_static).as_ref(), &mut response);
        response
    }

    #[test]
    fn any_origin_is_a_star_for_everyone() {
        for origin in [None, Some("https://a.example")] {
            let response = permitted(&Cors::default(), origin);
            assert_eq!(response[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
            assert!(!response.contains_key(header::VARY));
            let exposed = response[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
            for name in
                ["Content-Length", "Content-Range", "Date", "Age", "ETag", "CMSD-Static", "CMSD-Dynamic"]
            {
                assert!(exposed.contains(name), "{name}");
            }
        }
    }

    #[test]
    fn a_list_reflects_its_members_only_and_always_varies() {
        let list = AllowedOrigins::List(vec![HeaderValue::from_static("https://a.example")]);
        let cors = Cors { origins: list, ..Cors::default() };
        for (origin, allowed) in [
            (Some("https://a.example"), true),
            (Some("https://a.example.evil"), false),
            (Some("http://a.example"), false),
            (Some("null"), false),
            (None, false),
        ] {
            let response = permitted(&cors, origin);
            assert_eq!(response.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), allowed, "{origin:?}");
            assert_eq!(response[header::VARY], "Origin");
        }
    }

    #[test]
    fn a_preflight_of_a_page_that_is_not_listed_learns_nothing() {
        let cors = Cors { origins: AllowedOrigins::List(Vec::new()), ..Cors::default() };
        let mut response = permitted(&cors, Some("https://a.example"));
        cors.answer_preflight(&[Method::GET], &mut response);
        assert_eq!(response.keys().collect::<Vec<_>>(), [header::VARY]);
    }

    #[test]
    fn a_preflight_learns_methods_headers_and_age() {
        let mut response = HeaderMap::new();
        let cors = Cors::default();
        cors.permit(None, &mut response);
        cors.answer_preflight(&[Method::GET, Method::HEAD], &mut response);
        assert_eq!(response[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(!response.contains_key(header::ACCESS_CONTROL_EXPOSE_HEADERS));
        assert_eq!(response[header::ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD");
        assert_eq!(response[header::ACCESS_CONTROL_MAX_AGE], "7200");
        assert!(response[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap().contains("Range"));
    }
}
