//! The answer to the URL that was asked for: whether it gives anything to audit.

use crate::fetch::Response;
use crate::ledger::quote_up_to;
use crate::limits::{PLAYLIST_BYTES_MAX, PROBLEM_BYTES_MAX, PROBLEM_CHARS_MAX};
use crate::playlist;

/// Why `response` gives nothing to audit, with the line that says so; `None` when it is a playlist, however broken.
pub(super) fn refusal(response: &Response) -> Option<(u16, String)> {
    if !(200..300).contains(&response.status) {
        let problem = problem(response).map(|words| format!(": {words}")).unwrap_or_default();
        let status = response.status;
        return Some((16, format!("cannot be loaded: it answers with status {status}{problem}")));
    }
    let len = response.body.len() as u64;
    if len > PLAYLIST_BYTES_MAX {
        return Some((
            16,
            format!("cannot be loaded: {len} bytes are more than the {PLAYLIST_BYTES_MAX} read"),
        ));
    }
    playlist::refusal(&response.body).map(|message| (1, message))
}

/// What the server says is wrong, where it says so in a form that is known (RFC 9457).
fn problem(response: &Response) -> Option<String> {
    let kind = response.header("content-type")?.split(';').next()?.trim();
    if !kind.eq_ignore_ascii_case("application/problem+json") || response.body.len() > PROBLEM_BYTES_MAX {
        return None;
    }
    let problem: serde_json::Value = serde_json::from_slice(&response.body).ok()?;
    let said = ["title", "detail"].into_iter().filter_map(|member| problem.get(member)?.as_str());
    let said: Vec<String> = said.map(|text| quote_up_to(text, PROBLEM_CHARS_MAX)).collect();
    (!said.is_empty()).then(|| said.join(": "))
}
