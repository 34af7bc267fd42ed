//! Errors as `application/problem+json` (RFC 9457).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value};

/// `Content-Type` of a problem.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// An error as the client sees it. Not stored by caches unless `cache_control` says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// Status of the response.
    pub status: StatusCode,
    /// What kind of problem, a stable word for machines, e.g. `source_invalid`; `type` is `/problems/{slug}`.
    pub slug: &'static str,
    /// The kind in words, the same for every occurrence.
    pub title: &'static str,
    /// This occurrence in words; never holds secrets or internal paths.
    pub detail: String,
    /// When to try again; whole seconds, rounded up.
    pub retry_after: Option<Duration>,
    /// `Cache-Control`; `no-store` by default, a short lifetime for negative caching.
    pub cache_control: HeaderValue,
    /// Further members of the JSON object; those named above win over equal names here.
    pub extra: Map<String, Value>,
    /// Further headers.
    pub headers: HeaderMap,
}

impl Problem {
    /// A problem of kind `slug` that no cache stores.
    pub fn new(
        status: StatusCode,
        slug: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            slug,
            title,
            detail: detail.into(),
            retry_after: None,
            cache_control: HeaderValue::from_static("no-store"),
            extra: Map::new(),
            headers: HeaderMap::new(),
        }
    }

    /// 404 with nothing more to say.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Not found", "there is nothing at this address")
    }

    /// 400 because of the client's request.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", "Bad request", detail)
    }

    /// 500, our fault; the detail belongs into the log, not here.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", "the server failed")
    }

    /// 503 with a time to come back.
    pub fn unavailable(detail: impl Into<String>, retry_after: Duration) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Unavailable", detail);
        problem.with_retry_after(retry_after)
    }

    /// Says when to try again.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Lets caches keep the problem as `cache_control` says.
    #[must_use]
    pub fn with_cache_control(mut self, cache_control: HeaderValue) -> Self {
        self.cache_control = cache_control;
        self
    }

    /// Adds a member to the JSON object.
    #[must_use]
    pub fn with_extra(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extra.insert(name.into(), value.into());
        self
    }

    /// `Retry-After` in whole seconds, rounded up.
    pub(crate) fn retry_after_value(&self) -> Option<HeaderValue> {
        let after = self.retry_after?;
        let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
        Some(HeaderValue::from(seconds))
    }

    /// The JSON text; `request_id` becomes `instance`, so that a report can be found in the log.
    pub fn to_json(&self, request_id: Option<&str>) -> Bytes {
        let mut object = self.extra.clone();
        let mut set = |name: &str, value: Value| object.insert(name.to_owned(), value);
        set("type", format!("/problems/{}", self.slug).into());
        set("title", self.title.into());
        set("status", self.status.as_u16().into());
        set("detail", self.detail.as_str().into());
        if let Some(id) = request_id {
            set("instance", format!("urn:request:{id}").into());
        }
        Bytes::from(Value::Object(object).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_named_members_win_over_extra_ones() {
        let problem =
            Problem::new(StatusCode::BAD_GATEWAY, "source_invalid", "Invalid source", "box `moov`…")
                .with_extra("offset", 17)
                .with_extra("status", 200);
        let json: Value = serde_json::from_slice(&problem.to_json(Some("abc"))).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "/problems/source_invalid", "title": "Invalid source", "status": 502,
                "detail": "box `moov`…", "offset": 17, "instance": "urn:request:abc",
            })
        );
    }

    #[test]
    fn retry_after_rounds_up_to_whole_seconds() {
        for (after_ms, seconds) in [(0, "0"), (1, "1"), (1000, "1"), (1001, "2")] {
            let problem = Problem::unavailable("full", Duration::from_millis(after_ms));
            assert_eq!(problem.retry_after_value().unwrap(), seconds);
        }
        assert_eq!(Problem::not_found().retry_after_value(), None);
    }
}
