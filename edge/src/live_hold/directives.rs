//! The delivery directives of a request (draft-pantos-hls-rfc8216bis §6.2.5).

use super::{Impossible, Position};

/// What a request for a playlist asks for besides the playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Directives {
    /// `_HLS_msn` and `_HLS_part`: what must be listed before the answer.
    pub position: Option<Position>,
    /// `_HLS_skip`: whether a delta will do. A playlist with it is another object, and nothing more to us.
    pub skip: Option<Skip>,
}

/// Which kind of delta is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// `YES`: without old segments.
    Segments,
    /// `v2`: without old segments and date ranges.
    DateRanges,
}

const MSN: &str = "_HLS_msn";
const PART: &str = "_HLS_part";
const SKIP: &str = "_HLS_skip";

impl Directives {
    /// Reads them from a query in canonical form; `None` when there are none. Other parameters are not looked at, nor
    /// are directives of later versions, which an origin may know.
    ///
    /// # Errors
    /// [`Impossible`], for what no playlist could answer.
    pub fn parse(query: &str) -> Result<Option<Self>, Impossible> {
        // Nearly no request has any.
        if !query.contains("_HLS_") {
            return Ok(None);
        }
        let (mut msn, mut part, mut skip) = (None, None, None);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                MSN => set(&mut msn, number(value, MSN)?, MSN)?,
                PART => set(&mut part, number(value, PART)?, PART)?,
                SKIP => set(&mut skip, value, SKIP)?,
                _ => {}
            }
        }
        let position = match (msn, part) {
            (None, Some(_)) => return Err(Impossible::PartAlone),
            (None, None) => None,
            (Some(msn), part) => Some(Position { msn, part }),
        };
        let skip = match skip {
            Some("YES") => Some(Skip::Segments),
            Some("v2") => Some(Skip::DateRanges),
            // A server that does not know the word answers with the whole playlist.
            _ => None,
        };
        Ok((position.is_some() || skip.is_some()).then_some(Self { position, skip }))
    }
}

fn set<T>(slot: &mut Option<T>, value: T, name: &'static str) -> Result<(), Impossible> {
    slot.replace(value).map_or(Ok(()), |_| Err(Impossible::Twice(name)))
}

fn number(text: &str, name: &'static str) -> Result<u64, Impossible> {
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_decimal).ok_or(Impossible::Number(name))
}
