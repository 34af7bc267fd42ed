//! Runs of extents and slabs as address tokens: the way over plain HTTP/1.1.
//!
//! A body is looked at in windows of at most 2 MiB, so that what is known of the page cache is fresh when the bytes
//! are sent. A window becomes a token as far as it is in memory and large enough to be worth it.

use std::time::Instant;

use bytes::Bytes;
use rillcast_sys::token::{RUN_BYTES_MAX, RUN_PIECES_MAX, Run};

use crate::{
    body::Sources,
    body_source::{BodySource, SourceFile},
    socket::zero_copy::Outlet,
};

/// Fewest bytes of a token: less leaves faster from memory, in one write with what is around it.
const TOKEN_BYTES_MIN: u64 = 64 << 10;
/// Fewest bytes an extent of a token has on average. At 400 to 1000 bytes reading and splicing cost the same, at 2000
/// splicing costs two thirds, at 8000 half.
const EXTENT_BYTES_MIN: u64 = 1 << 10;

/// What to do with the front of a body.
pub(super) enum Advice {
    /// Send this token.
    Token(Bytes),
    /// Read so many bytes before you ask again.
    Read(u64),
}

/// Takes a token's worth from the front of `sources`, as far as it is in memory; or nothing.
pub(super) fn advise(sources: &mut Sources, outlet: &Outlet, now: Instant) -> Advice {
    let window = take_window(sources);
    let len = window.iter().map(BodySource::len).fold(0, u64::saturating_add);
    if !is_worthwhile(len, window.len()) {
        give_back(sources, window, 0);
        return Advice::Read(len);
    }
    let run = resident_run(&window, now);
    let resident = u64::try_from(run.len()).unwrap_or(u64::MAX);
    if resident < TOKEN_BYTES_MIN {
        give_back(sources, window, 0);
        // Past the first byte that is not in memory.
        return Advice::Read(resident.saturating_add(1));
    }
    let token = outlet.issue(run);
    give_back(sources, window, token.as_ref().map_or(0, |_| resident));
    token.map_or(Advice::Read(len), Advice::Token)
}

/// The extents and slabs at the front of `sources`: as many as make a run.
fn take_window(sources: &mut Sources) -> Vec<BodySource> {
    let (mut window, mut len) = (Vec::new(), 0);
    while window.len() < RUN_PIECES_MAX
        && len < RUN_BYTES_MAX
        && let Some(source) = sources.next_tokenable()
    {
        len = len.saturating_add(usize::try_from(source.len()).unwrap_or(usize::MAX));
        window.push(source);
    }
    window
}

fn is_worthwhile(bytes: u64, extents: usize) -> bool {
    let extents = u64::try_from(extents).unwrap_or(u64::MAX);
    bytes >= TOKEN_BYTES_MIN && bytes >= extents.saturating_mul(EXTENT_BYTES_MIN)
}

/// The front of `window` that is in memory.
fn resident_run(window: &[BodySource], now: Instant) -> Run<SourceFile> {
    let mut run = Run::default();
    for source in window {
        let taken = match source {
            BodySource::File(extent) => {
                let room = u64::try_from(RUN_BYTES_MAX.saturating_sub(run.len())).unwrap_or(u64::MAX);
                let wanted = extent.len().min(room);
                let resident = extent.file().resident_len(extent.offset(), wanted, now);
                run.push(extent.file(), extent.offset(), resident)
            }
            BodySource::Slab(range) => run.push_slab(range),
            BodySource::Mem(_) | BodySource::Growing(_) => 0,
        };
        if u64::try_from(taken).unwrap_or(u64::MAX) < source.len() {
            break;
        }
    }
    run
}

/// Puts what `window` holds behind its first `taken` bytes back in front of `sources`.
fn give_back(sources: &mut Sources, window: Vec<BodySource>, taken: u64) {
    let mut end = window.iter().map(BodySource::len).fold(0, u64::saturating_add);
    for source in window.into_iter().rev() {
        let start = end.saturating_sub(source.len());
        if end <= taken {
            break;
        }
        sources.give_back_rest(source, taken.saturating_sub(start));
        end = start;
    }
}
