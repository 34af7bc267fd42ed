//! The audit's own playlist reader: text → tags → a multivariant or a media playlist.
//!
//! It reads as leniently as a player and complains as strictly as the draft
//! (draft-pantos-hls-rfc8216bis §4): every departure is a finding, and what can still be read is
//! handed on, so that one slip does not hide the next. Foreign text never panics; lines, their length
//! and attributes are bounded (`limits`).

pub(crate) mod attributes;
mod grammar;
pub(crate) mod lexer;
mod media;
mod multivariant;

pub(crate) use media::{Map, MediaPlaylist, Part};
pub(crate) use multivariant::{Multivariant, Rendition, RenditionKind, Variant};

use crate::ledger::Ledger;
use crate::report::Place;
use grammar::Home;
use lexer::Line;

/// A playlist of either kind.
#[derive(Debug)]
pub(crate) enum Playlist {
    Media(Box<MediaPlaylist>),
    Multivariant(Multivariant),
}

/// Reads `body`, fetched from `url`.
///
/// `None` when the text is no playlist at all (not UTF-8, no tag of either kind); the ledger says why.
/// Cost: O(bytes).
pub(crate) fn parse(body: &[u8], url: &str, ledger: &mut Ledger) -> Option<Playlist> {
    ledger.checked(1);
    let text = lexer::decode(body, url, ledger)?;
    let lines = lexer::lines(text, url, ledger);
    ledger.checked(24);
    match kind(&lines, url, ledger)? {
        Home::Multivariant => Some(Playlist::Multivariant(Multivariant::read(&lines, url, ledger))),
        Home::Media | Home::Both => Some(Playlist::Media(Box::new(MediaPlaylist::read(&lines, url, ledger)))),
    }
}

/// Decides the kind by the first tag that belongs to one kind only; the other kind's tags are findings.
fn kind(lines: &[Line<'_>], url: &str, ledger: &mut Ledger) -> Option<Home> {
    let mut kind: Option<Home> = None;
    for line in lines {
        let Line::Tag { number, name, .. } = line else { continue };
        let Some(rule) = grammar::rule(name) else { continue };
        match kind {
            _ if rule.home == Home::Both => {}
            None => kind = Some(rule.home),
            Some(first) if first != rule.home => {
                let message = format!("{name} does not belong in this kind of playlist");
                ledger.error(1, url, Place::Line(*number), message);
            }
            Some(_) => {}
        }
    }
    if kind.is_none() {
        let message = "has neither a tag of a media playlist nor one of a multivariant playlist";
        ledger.error(1, url, Place::Whole, message);
    }
    kind
}
