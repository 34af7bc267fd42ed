//! The version of something written: the one field that is believed of whatever version it is.

use serde::Deserialize;

#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

/// The number `v` of a JSON object, whatever else is in it.
pub(super) fn of(json: &[u8]) -> Result<u64, serde_json::Error> {
    serde_json::from_slice(json).map(|Versioned { v }| v)
}
