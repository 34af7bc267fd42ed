//! The answer to the URL that was asked for: whether it gives anything to audit.

use crate::fetch::Response;
use crate::ledger::quote_up_to;
use crate::limits::{PLAYLIST_BYTES_MAX, PROBLEM_CHARS_MAX};
use crate::playlist;

/// Why `response` gives nothing to audit, with the line that says so; `None` when it is a playlist, however broken.
pub(super) fn refusal(response: &Response) -> Option<(u16, String)> {
    if !(200..300).contains(&response.status) {
        return Some((16, format!("cannot be loaded: it answers with {}", status(response))));
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

/// The status of an answer, with what the server says of it.
pub(super) fn status(response: &Response) -> String {
    let words = response.problem.as_ref().map(|words| format!(": {}", quote_up_to(words, PROBLEM_CHARS_MAX)));
    format!("status {}{}", response.status, words.unwrap_or_default())
}
