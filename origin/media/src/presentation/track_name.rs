//! The name of a track in URLs: `v1`, `a2`.

use std::fmt;
use std::str::FromStr;

use crate::movie::TrackKind;

/// A track's name: its kind and its id in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackName {
    /// Video or audio.
    pub kind: TrackKind,
    /// Track id in the source.
    pub id: u32,
}

/// Text that is no track name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a track name: `v` or `a` and a number are expected")]
pub struct TrackNameError;

impl fmt::Display for TrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.kind {
            TrackKind::Video => 'v',
            TrackKind::Audio => 'a',
        };
        write!(f, "{letter}{}", self.id)
    }
}

impl FromStr for TrackName {
    type Err = TrackNameError;

    fn from_str(text: &str) -> Result<Self, TrackNameError> {
        let (kind, digits) = if let Some(digits) = text.strip_prefix('v') {
            (TrackKind::Video, digits)
        } else if let Some(digits) = text.strip_prefix('a') {
            (TrackKind::Audio, digits)
        } else {
            return Err(TrackNameError);
        };
        let id: u32 = digits.parse().map_err(|_| TrackNameError)?;
        let name = Self { kind, id };
        // One track has one name: no sign, no leading zeros.
        if name.to_string() == text { Ok(name) } else { Err(TrackNameError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_are_canonical() {
        for text in ["v1", "a4294967295", "v0"] {
            assert_eq!(text.parse::<TrackName>().map(|name| name.to_string()), Ok(text.to_owned()));
        }
        for bad in ["", "v", "v01", "v+1", "x1", "a4294967296", "1", "v1 "] {
            assert_eq!(bad.parse::<TrackName>(), Err(TrackNameError), "{bad}");
        }
    }
}
