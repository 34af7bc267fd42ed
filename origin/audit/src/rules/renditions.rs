//! EXT-X-MEDIA and its groups: lines 29, 30 and 33.

use std::collections::BTreeSet;

use crate::ledger::{Ledger, quote};
use crate::playlist::{Multivariant, Rendition, RenditionKind};
use crate::presentation::Presentation;
use crate::report::Place;

pub(super) fn check(presentation: &Presentation, ledger: &mut Ledger) {
    let Some((url, list)) = &presentation.multivariant else { return };
    if !list.renditions.is_empty() {
        ledger.checked(29);
    }
    for rendition in &list.renditions {
        member(url, rendition, ledger);
    }
    references(url, list, ledger);
    for kind in RenditionKind::ALL {
        groups(url, list, kind, ledger);
    }
    captions(url, list, ledger);
}

/// One tag on its own.
fn member(url: &str, rendition: &Rendition, ledger: &mut Ledger) {
    let attributes = &rendition.attributes;
    let place = || Place::Line(rendition.line);
    let mut error = |line: u16, message: &str| ledger.error(line, url, place(), message);
    let kind = rendition.kind;
    if kind != RenditionKind::Video && attributes.value("LANGUAGE").is_none() {
        error(if kind == RenditionKind::Subtitles { 33 } else { 29 }, "EXT-X-MEDIA has no LANGUAGE");
    }
    if attributes.is_yes("DEFAULT") && attributes.text("AUTOSELECT") == Some("NO") {
        error(29, "DEFAULT=YES with AUTOSELECT=NO");
    }
    if attributes.value("FORCED").is_some() && kind != RenditionKind::Subtitles {
        error(29, "FORCED belongs to subtitles only");
    }
    match (kind, &rendition.uri) {
        (RenditionKind::ClosedCaptions, Some(_)) => error(30, "closed captions have no URI"),
        (RenditionKind::Subtitles, None) => error(33, "subtitles without URI"),
        _ => {}
    }
    let channel = attributes.value("INSTREAM-ID").is_some();
    if (kind == RenditionKind::ClosedCaptions) != channel {
        error(30, "INSTREAM-ID stands on closed captions, always and only");
    }
}

/// Every group named by a variant exists.
fn references(url: &str, list: &Multivariant, ledger: &mut Ledger) {
    for variant in &list.variants {
        for kind in RenditionKind::ALL {
            let Some(value) = variant.attributes.value(kind.word()) else { continue };
            if !value.quoted || list.group(kind, &value.text).next().is_some() {
                continue;
            }
            let line = match kind {
                RenditionKind::ClosedCaptions => 30,
                RenditionKind::Subtitles => 33,
                RenditionKind::Audio | RenditionKind::Video => 29,
            };
            let message = format!("{} group `{}` does not exist", kind.word(), quote(&value.text));
            ledger.error(line, url, Place::Line(variant.line), message);
        }
    }
}

/// Groups of one kind have the same members in the same order; names are unique; one default at most.
fn groups(url: &str, list: &Multivariant, kind: RenditionKind, ledger: &mut Ledger) {
    let mut names: Vec<&str> = Vec::new();
    for rendition in list.renditions.iter().filter(|rendition| rendition.kind == kind) {
        if !names.contains(&rendition.group.as_str()) {
            names.push(&rendition.group);
        }
    }
    let members = |group: &str| -> Vec<(&str, Option<&str>)> {
        list.renditions
            .iter()
            .filter(|rendition| rendition.kind == kind && rendition.group == group)
            .map(|rendition| (rendition.name.as_str(), rendition.attributes.text("LANGUAGE")))
            .collect()
    };
    let first = names.first().map(|name| members(name)).unwrap_or_default();
    for group in names {
        let own = members(group);
        let place =
            list.group(kind, group).next().map_or(Place::Whole, |rendition| Place::Line(rendition.line));
        let unique: BTreeSet<&str> = own.iter().map(|(name, _)| *name).collect();
        let defaults = list.group(kind, group).filter(|member| member.attributes.is_yes("DEFAULT")).count();
        if unique.len() != own.len() {
            let message = format!("{} group `{}` has two members of one NAME", kind.word(), quote(group));
            ledger.error(29, url, place, message);
        } else if defaults > 1 {
            let message = format!("{} group `{}` has {defaults} defaults", kind.word(), quote(group));
            ledger.error(29, url, place, message);
        } else if own != first {
            let message =
                format!("{} group `{}` has other members than the first", kind.word(), quote(group));
            ledger.error(29, url, place, message);
        }
    }
}

/// CLOSED-CAPTIONS on every variant; NONE on all or on none.
fn captions(url: &str, list: &Multivariant, ledger: &mut Ledger) {
    ledger.checked(30);
    let none =
        |variant: &&crate::playlist::Variant| variant.attributes.text("CLOSED-CAPTIONS") == Some("NONE");
    let nones = list.variants.iter().filter(none).count();
    for variant in &list.variants {
        if variant.attributes.value("CLOSED-CAPTIONS").is_none() {
            let message = "says neither a CLOSED-CAPTIONS group nor NONE";
            ledger.error(30, url, Place::Line(variant.line), message);
        }
    }
    let declared = list.variants.iter().filter(|v| v.attributes.value("CLOSED-CAPTIONS").is_some()).count();
    if nones != 0 && nones != declared {
        ledger.error(30, url, Place::Whole, "CLOSED-CAPTIONS=NONE stands on some variants only");
    }
}
