//! Names in URLs: one thing has one text.

use rillcast_media::presentation::TrackName;
use rillcast_media::revision::Revision;

/// A revision: text that is one is its canonical text.
pub fn revision(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(revision) = text.parse::<Revision>() {
        assert_eq!(revision.to_string(), text);
    }
}

/// A track name, likewise.
pub fn track_name(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(name) = text.parse::<TrackName>() {
        assert_eq!(name.to_string(), text);
    }
}
