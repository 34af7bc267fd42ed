//! What to ask for in each phase.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Audit, Job, Target};
use crate::boxes::init::Init;
use crate::limits::{INITS_MAX, PLAYLISTS_MAX, SEGMENTS_MAX};
use crate::location;
use crate::playlist::attributes::ByteRange;
use crate::playlist::{Map, MediaPlaylist, RenditionKind};
use crate::presentation::{Role, Stream};
use crate::rules::http::{self, Kind, Probe, RangeProbe};

impl Audit {
    /// Media playlists of a multivariant playlist, each URL once.
    pub(super) fn plan_playlists(&mut self) {
        let Some((url, list)) = self.presentation.multivariant.take() else { return };
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        for variant in &list.variants {
            let stream = self.stream_for(&url, &variant.uri, variant.line, Role::Variant, &mut known);
            self.presentation.variant_streams.push(stream);
        }
        for rendition in &list.renditions {
            let role = Role::Rendition(rendition.kind);
            let stream = rendition
                .uri
                .as_ref()
                .and_then(|uri| self.stream_for(&url, uri, rendition.line, role, &mut known));
            self.presentation.rendition_streams.push(stream);
        }
        for iframe in &list.iframes {
            let stream = self.stream_for(&url, &iframe.uri, iframe.line, Role::IFrame, &mut known);
            self.presentation.iframe_streams.push(stream);
        }
        self.presentation.multivariant = Some((url, list));
    }

    fn stream_for(
        &mut self,
        base: &str,
        uri: &str,
        line: u32,
        role: Role,
        known: &mut BTreeMap<String, usize>,
    ) -> Option<usize> {
        let Some(url) = location::resolve(base, uri) else {
            self.unresolved(base, line, uri);
            return None;
        };
        if let Some(at) = known.get(&url) {
            return Some(*at);
        }
        let at = self.presentation.streams.len();
        if at >= PLAYLISTS_MAX {
            self.ledger.gap(format!("playlists after the first {PLAYLISTS_MAX}"));
            return None;
        }
        known.insert(url.clone(), at);
        self.presentation.streams.push(Stream::new(url.clone(), role));
        self.queue.push_back(Job { target: Target::Playlist(at), url, range: None });
        Some(at)
    }

    /// Init segments, each once per playlist.
    pub(super) fn plan_inits(&mut self) {
        for stream in 0..self.presentation.streams.len() {
            let Some(list) = self.presentation.streams.get(stream).and_then(|s| s.playlist.as_ref()) else {
                continue;
            };
            let maps = list.maps.clone();
            let mut known: BTreeSet<MapKey<'_>> = BTreeSet::new();
            for (at, map) in maps.iter().enumerate() {
                if !known.insert(key(map)) {
                    continue;
                }
                self.inits_planned += 1;
                if self.inits_planned > INITS_MAX {
                    self.ledger.gap(format!("init segments after the first {INITS_MAX}"));
                    return;
                }
                let target = Target::Init { stream, map: at };
                self.queue_child(stream, &map.uri, map.line, span(map.range), target);
            }
        }
    }

    /// Gives repeated EXT-X-MAP tags the init segment of their first appearance.
    pub(super) fn share_inits(&mut self) {
        for stream in &mut self.presentation.streams {
            let Some(list) = &stream.playlist else { continue };
            let mut known: BTreeMap<MapKey<'_>, Arc<Init>> = BTreeMap::new();
            for (map, slot) in list.maps.iter().zip(&mut stream.inits) {
                match slot {
                    Some(init) => {
                        known.insert(key(map), Arc::clone(init));
                    }
                    None => *slot = known.get(&key(map)).map(Arc::clone),
                }
            }
        }
    }

    /// Segments, parts and delta updates.
    pub(super) fn plan_segments(&mut self) {
        for stream in 0..self.presentation.streams.len() {
            let Some(owner) = self.presentation.streams.get_mut(stream) else { continue };
            let (role, url) = (owner.role, owner.url.clone());
            // The list is taken out for the loop, because queueing needs the whole machine.
            let Some(list) = owner.playlist.take() else { continue };
            self.plan_stream(stream, role, &list);
            if !list.ended && skips(&list) {
                let url = location::with_query(&url, "_HLS_skip=YES");
                self.queue.push_back(Job { target: Target::Delta(stream), url, range: None });
            }
            if let Some(owner) = self.presentation.streams.get_mut(stream) {
                owner.playlist = Some(list);
            }
        }
    }

    fn plan_stream(&mut self, stream: usize, role: Role, list: &MediaPlaylist) {
        let count = list.segments.len();
        let text = role == Role::Rendition(RenditionKind::Subtitles) && list.maps.is_empty();
        let wanted = if text { Some(1) } else { self.options.max_segments_per_rendition };
        let (front, back) = match wanted {
            Some(max) if max < count => (max - max / 2, max / 2),
            _ => (count, 0),
        };
        if front + back < count && !text {
            let message =
                format!("{}: {} of {count} segments (sampled)", self.url_of(stream), count - front - back);
            self.ledger.gap(message);
        }
        for (index, segment) in list.segments.iter().enumerate() {
            if segment.gap || (index >= front && index < count - back) {
                continue;
            }
            if !self.has_room() {
                return;
            }
            let target = Target::Segment { stream, index };
            self.queue_child(stream, &segment.uri, segment.line, span(segment.range), target);
        }
        let closed = list.segments.iter().enumerate().map(|(at, segment)| (Some(at), &segment.parts));
        for (segment, parts) in closed.chain([(None, &list.open_parts)]) {
            for (part, listed) in parts.iter().enumerate().filter(|(_, part)| !part.gap) {
                if !self.has_room() {
                    return;
                }
                let target = Target::Part { stream, segment, part };
                self.queue_child(stream, &listed.uri, listed.line, span(listed.range), target);
            }
        }
    }

    fn has_room(&mut self) -> bool {
        self.segments_planned += 1;
        if self.segments_planned > SEGMENTS_MAX {
            self.ledger.gap(format!("segments after the first {SEGMENTS_MAX}"));
        }
        self.segments_planned <= SEGMENTS_MAX
    }

    fn url_of(&self, stream: usize) -> &str {
        self.presentation.streams.get(stream).map_or("", |stream| stream.url.as_str())
    }

    /// HTTP questions about documents already read.
    pub(super) fn plan_probes(&mut self) {
        if !self.options.http || self.seen.is_empty() {
            return;
        }
        let mut push = |probe, url: &str| {
            self.queue.push_back(Job { target: Target::Probe(probe), url: url.to_owned(), range: None });
        };
        for seen in &self.seen {
            if seen.kind == Kind::Entry && seen.redirects > 0 {
                continue;
            }
            push(Probe::Head, &seen.url);
            if [Kind::Entry, Kind::Playlist].contains(&seen.kind)
                && seen.length >= http::GZIP_WORTHWHILE_BYTES
            {
                push(Probe::Gzip, &seen.url);
            }
            if [Kind::Segment, Kind::Foreign].contains(&seen.kind) && seen.length > http::RANGE_BYTES_MIN {
                for range in RangeProbe::all(seen.length) {
                    push(Probe::Range(range), &seen.url);
                }
            }
        }
        if let Some(url) =
            self.seen.first().and_then(|seen| location::resolve(&seen.final_url, http::MISSING))
        {
            push(Probe::Missing, &url);
        }
    }
}

/// What makes two EXT-X-MAP tags the same.
type MapKey<'a> = (&'a str, Option<(u64, Option<u64>)>);

fn key(map: &Map) -> MapKey<'_> {
    (&map.uri, map.range.map(|range| (range.length, range.offset)))
}

/// First and last byte of a range; an empty range asks for its first byte.
fn span(range: Option<ByteRange>) -> Option<(u64, u64)> {
    let range = range?;
    let first = range.offset.unwrap_or(0);
    Some((first, first.saturating_add(range.length.max(1)).saturating_sub(1)))
}

fn skips(list: &MediaPlaylist) -> bool {
    list.server_control.as_ref().is_some_and(|(_, control)| control.value("CAN-SKIP-UNTIL").is_some())
}
