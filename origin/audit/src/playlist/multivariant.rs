//! Multivariant playlists: variants, I-frame variants, renditions.

use super::attributes::Attributes;
use super::lexer::Line;
use crate::ledger::Ledger;
use crate::limits::ENTRIES_MAX;
use crate::report::Place;

/// A multivariant playlist as read.
#[derive(Debug, Default)]
pub(crate) struct Multivariant {
    pub(crate) version: Option<u64>,
    pub(crate) independent_segments: bool,
    /// EXT-X-STREAM-INF with its URI line.
    pub(crate) variants: Vec<Variant>,
    /// EXT-X-I-FRAME-STREAM-INF.
    pub(crate) iframes: Vec<Variant>,
    /// EXT-X-MEDIA.
    pub(crate) renditions: Vec<Rendition>,
    /// Uses EXT-X-DEFINE.
    pub(crate) defines: bool,
}

/// One variant, of either sort.
#[derive(Debug)]
pub(crate) struct Variant {
    /// Playlist line of the tag.
    pub(crate) line: u32,
    pub(crate) uri: String,
    pub(crate) attributes: Attributes,
}

/// TYPE of an EXT-X-MEDIA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RenditionKind {
    Audio,
    Video,
    Subtitles,
    ClosedCaptions,
}

impl RenditionKind {
    /// The attribute of EXT-X-STREAM-INF that names a group of this kind, which is also the TYPE.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Audio => "AUDIO",
            Self::Video => "VIDEO",
            Self::Subtitles => "SUBTITLES",
            Self::ClosedCaptions => "CLOSED-CAPTIONS",
        }
    }

    pub(crate) const ALL: [Self; 4] = [Self::Audio, Self::Video, Self::Subtitles, Self::ClosedCaptions];
}

/// One EXT-X-MEDIA.
#[derive(Debug)]
pub(crate) struct Rendition {
    pub(crate) line: u32,
    pub(crate) kind: RenditionKind,
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) uri: Option<String>,
    pub(crate) attributes: Attributes,
}

impl Rendition {
    fn from(line: u32, attributes: &Attributes) -> Option<Self> {
        let kind =
            RenditionKind::ALL.into_iter().find(|kind| attributes.text("TYPE") == Some(kind.word()))?;
        Some(Self {
            line,
            kind,
            group: attributes.text("GROUP-ID")?.to_owned(),
            name: attributes.text("NAME")?.to_owned(),
            uri: attributes.text("URI").map(str::to_owned),
            attributes: attributes.clone(),
        })
    }
}

impl Multivariant {
    pub(super) fn read(lines: &[Line<'_>], url: &str, ledger: &mut Ledger) -> Self {
        let mut list = Self::default();
        let mut open: Option<(u32, Attributes)> = None;
        for line in lines {
            match line {
                Line::Tag { number, name, value, attributes } => {
                    if open.is_some() {
                        let message = "EXT-X-STREAM-INF is not followed by a URI line";
                        ledger.error(1, url, Place::Line(*number), message);
                        open = None;
                    }
                    match *name {
                        "EXT-X-STREAM-INF" => open = Some((*number, attributes.clone())),
                        _ => list.take_tag(*number, name, value, attributes),
                    }
                }
                Line::Uri { number, text } => match open.take() {
                    Some((line, attributes)) => {
                        list.variants.push(Variant { line, uri: (*text).to_owned(), attributes });
                    }
                    None => {
                        let message = "URI line without EXT-X-STREAM-INF before it";
                        ledger.error(1, url, Place::Line(*number), message);
                    }
                },
            }
        }
        if let Some((number, _)) = open {
            ledger.error(1, url, Place::Line(number), "EXT-X-STREAM-INF is not followed by a URI line");
        }
        let longest = list.variants.len().max(list.iframes.len()).max(list.renditions.len());
        if longest > ENTRIES_MAX {
            ledger.gap(format!("{url}: entries after the first {ENTRIES_MAX}"));
            list.variants.truncate(ENTRIES_MAX);
            list.iframes.truncate(ENTRIES_MAX);
            list.renditions.truncate(ENTRIES_MAX);
        }
        if list.variants.is_empty() {
            ledger.error(1, url, Place::Whole, "lists no variant");
        }
        list
    }

    fn take_tag(&mut self, number: u32, name: &str, value: &str, attributes: &Attributes) {
        match name {
            "EXT-X-VERSION" => self.version = value.parse().ok(),
            "EXT-X-INDEPENDENT-SEGMENTS" => self.independent_segments = true,
            "EXT-X-DEFINE" => self.defines = true,
            "EXT-X-MEDIA" => self.renditions.extend(Rendition::from(number, attributes)),
            "EXT-X-I-FRAME-STREAM-INF" => {
                if let Some(uri) = attributes.text("URI") {
                    let uri = uri.to_owned();
                    self.iframes.push(Variant { line: number, uri, attributes: attributes.clone() });
                }
            }
            _ => {}
        }
    }

    /// Lowest EXT-X-VERSION this playlist needs (§8).
    pub(crate) fn version_needed(&self) -> u64 {
        let mut needed = if self.defines { 8 } else { 1 };
        for rendition in &self.renditions {
            let service =
                rendition.attributes.text("INSTREAM-ID").is_some_and(|id| id.starts_with("SERVICE"));
            needed = needed.max(if service { 7 } else { 1 });
        }
        for variant in self.variants.iter().chain(&self.iframes) {
            let required = variant.attributes.items.iter().any(|(name, _)| name.starts_with("REQ-"));
            needed = needed.max(if required { 12 } else { 1 });
        }
        needed
    }

    /// Renditions of `kind` in `group`, in order.
    pub(crate) fn group<'a>(
        &'a self,
        kind: RenditionKind,
        group: &'a str,
    ) -> impl Iterator<Item = &'a Rendition> {
        self.renditions.iter().filter(move |rendition| rendition.kind == kind && rendition.group == group)
    }
}
