//! Reads answers: each body becomes facts at once and is dropped.

use std::sync::Arc;

use super::{Audit, Job, Target, entry};
use crate::boxes::fragment::{self, Extent};
use crate::boxes::{self, Note, Notes};
use crate::fetch::Response;
use crate::playlist::{self, Playlist};
use crate::presentation::{PartRead, Role, SegmentRead, Stream};
use crate::report::Place;
use crate::rules::http::{self, Seen};

/// Bytes kept of a text segment.
const TEXT_BYTES_MAX: usize = 512;

impl Audit {
    /// Judges the answer as HTTP, then reads its body.
    pub(super) fn take(&mut self, job: &Job, response: &Response) {
        let kind = job.target.kind(&self.presentation);
        if let Target::Probe(probe) = &job.target {
            let seen = self.seen.iter().find(|seen| seen.url == job.url);
            http::judge_probe(*probe, seen, &job.url, response, &mut self.ledger);
            return;
        }
        self.ledger.checked(16);
        if matches!(job.target, Target::Entry)
            && let Some((line, message)) = entry::refusal(response)
        {
            self.ledger.error(line, &job.url, Place::Whole, message);
            return;
        }
        if self.options.http {
            http::judge(kind, &job.url, response, &mut self.ledger);
        }
        if !(200..300).contains(&response.status) {
            let message = format!("is listed, but answers with {}", entry::status(response));
            self.ledger.error(16, &job.url, Place::Whole, message);
            return;
        }
        let body = match job.range {
            Some(range) => http::ranged(range, &job.url, response, &mut self.ledger),
            None => &response.body,
        };
        if body.len() as u64 > job.target.max_bytes() {
            self.ledger.gap(format!("{}: {} bytes are too many to read", job.url, body.len()));
            return;
        }
        let is_probed = match &job.target {
            // One a playlist, and the same one in whatever order answers come.
            Target::Segment { index, .. } => *index == 0,
            Target::Entry | Target::Playlist(_) | Target::Init { .. } => true,
            _ => false,
        };
        if is_probed && job.range.is_none() && !self.seen.iter().any(|seen| seen.url == job.url) {
            self.seen.push(Seen::new(kind, &job.url, response));
        }
        self.read(job, response, body);
    }

    fn read(&mut self, job: &Job, response: &Response, body: &[u8]) {
        match job.target {
            Target::Entry => self.read_entry(&job.url, response, body),
            Target::Playlist(stream) => self.read_playlist(stream, &job.url, response, body),
            Target::Delta(stream) => {
                if let Some(Playlist::Media(list)) = playlist::parse(body, &job.url, &mut self.ledger)
                    && let Some(stream) = self.presentation.streams.get_mut(stream)
                {
                    stream.delta = Some(*list);
                }
            }
            Target::Init { stream, map } => {
                let mut notes = Notes::default();
                let init = boxes::init::parse(body, &mut notes);
                self.ledger.counts.init_segments += 1;
                self.ledger.checked(38);
                // A broken box is line 40 in a segment; in an init segment it is line 38.
                for note in &mut notes.0 {
                    note.line = if note.line == 40 { 38 } else { note.line };
                }
                self.note(&job.url, notes.0);
                let stream = self.presentation.streams.get_mut(stream);
                if let Some(slot) = stream.and_then(|stream| stream.inits.get_mut(map)) {
                    *slot = Some(Arc::new(init));
                }
            }
            Target::Segment { stream, index } => self.read_segment(stream, index, job, body),
            Target::Part { stream, segment, part } => self.read_part(stream, segment, part, job, body),
            Target::Probe(_) => {}
        }
    }

    fn read_entry(&mut self, url: &str, response: &Response, body: &[u8]) {
        let base = base_of(url, response);
        match playlist::parse(body, url, &mut self.ledger) {
            Some(Playlist::Multivariant(list)) => {
                self.ledger.counts.playlists += 1;
                self.presentation.multivariant = Some((base, list));
            }
            Some(Playlist::Media(list)) => {
                self.ledger.counts.playlists += 1;
                let mut stream = Stream::new(url.to_owned(), Role::Only);
                stream.base = base;
                stream.inits = vec![None; list.maps.len()];
                stream.playlist = Some(*list);
                self.presentation.streams.push(stream);
            }
            None => {}
        }
    }

    fn read_playlist(&mut self, at: usize, url: &str, response: &Response, body: &[u8]) {
        match playlist::parse(body, url, &mut self.ledger) {
            Some(Playlist::Media(list)) => {
                self.ledger.counts.playlists += 1;
                if let Some(stream) = self.presentation.streams.get_mut(at) {
                    stream.base = base_of(url, response);
                    stream.inits = vec![None; list.maps.len()];
                    stream.playlist = Some(*list);
                }
            }
            Some(Playlist::Multivariant(_)) => {
                let message = "a multivariant playlist lists another multivariant playlist";
                self.ledger.error(1, url, Place::Whole, message);
            }
            None => {}
        }
    }

    fn read_segment(&mut self, at: usize, index: usize, job: &Job, body: &[u8]) {
        self.ledger.counts.segments += 1;
        let Some(stream) = self.presentation.streams.get_mut(at) else { return };
        let is_iframe = stream.is_iframe();
        let Some(list) = &stream.playlist else { return };
        let Some(segment) = list.segments.get(index) else { return };
        let mut fragment = None;
        let mut notes = Notes::default();
        if segment.sealed {
            self.ledger.gap(format!("{}: segments encrypted with AES-128", stream.url));
        } else if !fragment::looks_like_mp4(body) && segment.map.is_none() {
            let text = body.get(..body.len().min(TEXT_BYTES_MAX)).map(String::from_utf8_lossy);
            stream.first_text = stream.first_text.take().or_else(|| text.map(|text| text.into_owned()));
            self.ledger.gap(format!("{}: segments that are not fMP4", stream.url));
        } else if segment.map.is_none() {
            let message = "fMP4 segment without an EXT-X-MAP before it";
            self.ledger.error(11, &stream.url, Place::Line(segment.line), message);
        } else if let Some(init) = stream.init_of(index).filter(|init| !init.tracks.is_empty()) {
            let extent = if is_iframe { Extent::IFrame } else { Extent::Segment };
            fragment = Some(fragment::parse(body, init, extent, &mut notes));
            let is_no_fragment = fragment.as_ref().is_some_and(|fragment| fragment.moofs == 0);
            if is_iframe && is_no_fragment {
                // The range is wrong, not the file it cuts.
                notes.0.iter_mut().for_each(|note| note.line = 32);
            }
            for line in if is_iframe { &[32][..] } else { &[36, 37, 38, 40] } {
                self.ledger.checked(*line);
            }
        }
        let size = body.len() as u64;
        stream.segments.push(SegmentRead { index, url: job.url.clone(), size, fragment });
        self.note(&job.url, notes.0);
    }

    fn read_part(&mut self, at: usize, segment: Option<usize>, part: usize, job: &Job, body: &[u8]) {
        self.ledger.counts.segments += 1;
        let Some(stream) = self.presentation.streams.get_mut(at) else { return };
        let mut notes = Notes::default();
        // An open segment continues with the map of the last closed one.
        let last = stream.playlist.as_ref().and_then(|list| list.segments.len().checked_sub(1));
        let Some(init) = segment.or(last).and_then(|index| stream.init_of(index)) else { return };
        let fragment = fragment::parse(body, init, Extent::Part, &mut notes);
        stream.parts.push(PartRead { segment, part, fragment });
        self.note(&job.url, notes.0);
    }

    fn note(&mut self, url: &str, notes: Vec<Note>) {
        for note in notes {
            match note.severity {
                crate::report::Severity::Error => self.ledger.error(note.line, url, note.place, note.message),
                crate::report::Severity::Warning => {
                    self.ledger.warning(note.line, url, note.place, note.message);
                }
            }
        }
    }

    /// Puts what was read into playlist order, whatever order the answers came in.
    pub(super) fn sort_reads(&mut self) {
        for stream in &mut self.presentation.streams {
            stream.segments.sort_by_key(|read| read.index);
            stream.parts.sort_by_key(|read| (read.segment.unwrap_or(usize::MAX), read.part));
        }
    }
}

fn base_of(url: &str, response: &Response) -> String {
    if response.final_url.is_empty() { url.to_owned() } else { response.final_url.clone() }
}
