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

use crate::ledger::{Ledger, quote};
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
/// `None` when the text is no playlist at all; then why is the one finding. Cost: O(bytes).
pub(crate) fn parse(body: &[u8], url: &str, ledger: &mut Ledger) -> Option<Playlist> {
    ledger.checked(1);
    if let Some(message) = refusal(body) {
        ledger.error(1, url, Place::Whole, message);
        return None;
    }
    let text = lexer::decode(body, url, ledger)?;
    let lines = lexer::lines(text, url, ledger);
    ledger.checked(24);
    match kind(&lines, url, ledger)? {
        Home::Multivariant => Some(Playlist::Multivariant(Multivariant::read(&lines, url, ledger))),
        Home::Media | Home::Both => Some(Playlist::Media(Box::new(MediaPlaylist::read(&lines, url, ledger)))),
    }
}

/// Why `body` is no playlist at all (not UTF-8, no tag of either kind); `None` for one, however broken.
/// Cost: O(bytes).
pub(crate) fn refusal(body: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            let byte = error.valid_up_to();
            return Some(format!("this is not a playlist: it is not UTF-8 from byte {byte} on"));
        }
    };
    if text.lines().filter_map(lexer::tag).any(|(name, _)| is_telling(name)) {
        return None;
    }
    let Some(first) = text.lines().map(str::trim).find(|line| !line.is_empty()) else {
        return Some("this is not a playlist: it is empty".to_owned());
    };
    Some(format!(
        "this is not a playlist: it begins with `{}`, and no tag of a media or multivariant playlist is in it",
        quote(first)
    ))
}

/// Whether the tag `name` belongs in one kind of playlist only.
fn is_telling(name: &str) -> bool {
    grammar::rule(name).is_some_and(|rule| rule.home != Home::Both)
}

/// Decides the kind by the tags that belong to one kind only: the more frequent one, on a tie the first
/// met. The other kind's tags are findings.
fn kind(lines: &[Line<'_>], url: &str, ledger: &mut Ledger) -> Option<Home> {
    let telling = || {
        lines.iter().filter_map(|line| {
            let Line::Tag { number, name, .. } = line else { return None };
            let home = grammar::rule(name)?.home;
            (home != Home::Both).then_some((*number, *name, home))
        })
    };
    let Some((_, _, first)) = telling().next() else {
        let message = "the lines that are read have no tag of a media or multivariant playlist";
        ledger.error(1, url, Place::Whole, message);
        return None;
    };
    let of_first = telling().filter(|(_, _, home)| *home == first).count();
    let others = telling().count() - of_first;
    let kind = match (others > of_first, first) {
        (false, first) => first,
        (true, Home::Media) => Home::Multivariant,
        (true, _) => Home::Media,
    };
    for (number, name, _) in telling().filter(|(_, _, home)| *home != kind) {
        let message = format!("{name} does not belong in this kind of playlist");
        ledger.error(1, url, Place::Line(number), message);
    }
    Some(kind)
}
