//! The one place where the edge understands a playlist: blocking requests of LL-HLS wait here.
//!
//! ```text
//!  ?_HLS_msn=120&_HLS_part=3 ─▶ Directives ─┐
//!                                           ├─ decide ─▶ Now         ask for it as for any URL
//!  #EXTM3U … (bytes)         ─▶ Facts ──────┘            Wait(…)     Holds: one upstream wait a playlist
//!                                                        Impossible  400, here and at once
//! ```
//!
//! The specification is draft-pantos-hls-rfc8216bis §6.2.5.2. Where it leaves open what a position means, ours is: the
//! live edge is the end of the last listed part; a part past the last one of a complete segment is part 0 of the next;
//! what is old is answered with the playlist as it is; a playlist that has ended, or does not block, ignores directives.
//!
//! Deciding is pure: bytes in, values out. [`Holds`] adds waiting.

mod directives;
mod facts;
mod hint;
mod holds;
#[cfg(test)]
mod tests;

pub use directives::{Directives, Skip};
pub use facts::{Facts, MAX_HINT_BYTES, MAX_PLAYLIST_BYTES, NotMedia};
pub use holds::{Failure, HintedPart, HoldError, HoldLimits, Holds, Refresh, Update};

use std::{fmt, time::Duration};

/// Segments that may be asked for ahead of the last one listed (§6.2.5.2).
const ADVANCE_SEGMENTS: u64 = 2;
/// The Advance Part Limit covers this time, and is this many parts if they last a second or longer.
const ADVANCE_SECONDS: u64 = 3;
/// A request is held for this many target durations (§6.2.5.2).
const HOLD_TARGETS: u32 = 3;

/// A place in a live playlist: a whole segment, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Media sequence number of the segment.
    pub msn: u64,
    /// Number of the part within it, from 0; `None` for the whole of it.
    pub part: Option<u64>,
}

impl Position {
    /// `query` of a playlist with the directives that ask for this position, in the order of keys.
    pub fn in_query(&self, query: Option<&str>) -> String {
        let mut text = String::new();
        for pair in query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
            text.push_str(pair);
            text.push('&');
        }
        text.push_str(&self.to_string());
        text
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "_HLS_msn={}", self.msn)?;
        self.part.map_or(Ok(()), |part| write!(f, "&_HLS_part={part}"))
    }
}

/// What to do with a request that carries directives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// What it asks for is there, or no longer, or never to be waited for: ask for its URL.
    Now,
    /// It is to wait until this is listed.
    Wait(Position),
}

/// Why a request is answered with 400. The client's fault, always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Impossible {
    /// No number, or one too great for any playlist.
    #[error("{0} is not a decimal number")]
    Number(&'static str),
    /// The same directive twice.
    #[error("{0} is there twice")]
    Twice(&'static str),
    /// A part of nothing.
    #[error("_HLS_part is there without _HLS_msn")]
    PartAlone,
    /// A segment too far ahead.
    #[error(
        "_HLS_msn is {asked}, and the last segment is {last}: at most {ADVANCE_SEGMENTS} more can be asked for"
    )]
    SegmentTooFar {
        /// What was asked for.
        asked: u64,
        /// Media sequence number of the last whole segment.
        last: u64,
    },
    /// A part too far ahead.
    #[error("_HLS_part is {asked}, and {limit} parts ahead are the most that can be asked for")]
    PartTooFar {
        /// What was asked for.
        asked: u64,
        /// The Advance Part Limit of the playlist.
        limit: u64,
    },
}

/// Decides what a request with `directives` for a playlist with these `facts` has to wait for.
///
/// # Errors
/// [`Impossible::SegmentTooFar`] and [`Impossible::PartTooFar`].
pub fn decide(facts: &Facts, directives: &Directives) -> Result<Decision, Impossible> {
    let Some(asked) = directives.position else { return Ok(Decision::Now) };
    if !facts.is_live() {
        return Ok(Decision::Now);
    }
    let open = facts.next_msn;
    if asked.msn < open {
        return Ok(decide_complete(facts, asked));
    }
    if asked.msn.saturating_sub(open) >= ADVANCE_SEGMENTS {
        let last = open.saturating_sub(1);
        return Err(Impossible::SegmentTooFar { asked: asked.msn, last });
    }
    // Without parts there is nothing to wait for but whole segments.
    let (Some(part), Some(part_target)) = (asked.part, facts.part_target) else {
        return Ok(Decision::Wait(Position { msn: asked.msn, part: None }));
    };
    let listed = if asked.msn == open { facts.open_parts } else { 0 };
    if part < listed {
        return Ok(Decision::Now);
    }
    let limit = advance_part_limit(part_target);
    if part.saturating_sub(listed) >= limit {
        return Err(Impossible::PartTooFar { asked: part, limit });
    }
    Ok(Decision::Wait(asked))
}

/// The segment is complete: only a part past its last one can be missing, for that is the first of the next.
fn decide_complete(facts: &Facts, asked: Position) -> Decision {
    let is_last = asked.msn.checked_add(1) == Some(facts.next_msn);
    let is_past_its_parts = match (asked.part, facts.last_parts) {
        (Some(part), parts @ 1..) => part >= parts,
        // Its parts are listed no longer, or it never had any.
        _ => false,
    };
    if is_last && is_past_its_parts && facts.open_parts == 0 {
        return Decision::Wait(Position { msn: facts.next_msn, part: Some(0) });
    }
    Decision::Now
}

/// How many parts ahead of the last may be asked for (§6.2.5.2).
fn advance_part_limit(part_target: Duration) -> u64 {
    let advance = Duration::from_secs(ADVANCE_SECONDS).as_nanos();
    if part_target >= Duration::from_secs(1) {
        return ADVANCE_SECONDS;
    }
    u64::try_from(advance.div_ceil(part_target.as_nanos().max(1))).unwrap_or(u64::MAX)
}

impl Facts {
    /// Whether requests can wait for more of it.
    pub fn is_live(&self) -> bool {
        self.can_block && !self.has_ended
    }

    /// What comes next: the position that the one upstream wait for the playlist asks for.
    pub fn next(&self) -> Position {
        Position { msn: self.next_msn, part: self.part_target.map(|_| self.open_parts) }
    }

    /// How long a request may be held.
    pub fn hold_time(&self) -> Duration {
        self.target_duration.saturating_mul(HOLD_TARGETS)
    }
}
