//! What a server says is wrong, where it says so in a form that is known (RFC 9457, application/problem+json).

use http::{HeaderMap, header};

/// Largest body that is read for it.
const MAX_BYTES: usize = 64 << 10;

/// Title and detail of a problem; `None` for any other answer.
pub(super) fn words(headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?.split(';').next()?.trim();
    if !kind.eq_ignore_ascii_case("application/problem+json") || body.len() > MAX_BYTES {
        return None;
    }
    let problem: serde_json::Value = serde_json::from_slice(body).ok()?;
    let said = ["title", "detail"].into_iter().filter_map(|member| problem.get(member)?.as_str());
    let said: Vec<&str> = said.collect();
    (!said.is_empty()).then(|| said.join(": "))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(kind: &'static str, body: &str, expected: Option<&str>) {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
        assert_eq!(words(&headers, body.as_bytes()).as_deref(), expected, "{kind} {body}");
    }

    #[test]
    fn title_and_detail_are_the_words() {
        const KIND: &str = "application/problem+json";
        let both = r#"{"title":"No","status":422,"detail":"it is short"}"#;
        check(KIND, both, Some("No: it is short"));
        check("Application/Problem+JSON; charset=utf-8", both, Some("No: it is short"));
        check("text/html", both, None);
        check(KIND, r#"{"title":7,"detail":"it is short"}"#, Some("it is short"));
        for nothing in ["", "{", "[]", "{}", "7", r#""title""#] {
            check(KIND, nothing, None);
        }
        assert_eq!(words(&HeaderMap::new(), both.as_bytes()), None);
        let most = format!("{both}{}", " ".repeat(MAX_BYTES - both.len()));
        check(KIND, &most, Some("No: it is short"));
        check(KIND, &format!("{most} "), None);
    }
}
