//! `traf`: tfhd, tfdt and trun of one moof, turned into placed samples.

use super::{Fragment, GLIMPSE_MS, Sample, TrackRun};
use crate::boxes::init::{Defaults, Init, Track};
use crate::boxes::{Mp4Box, Notes, find};
use crate::limits::SAMPLES_MAX;

/// sample_is_non_sync_sample.
const NON_SYNC: u32 = 0x0001_0000;

/// Where the samples of the next `trun` begin and how time stands.
struct Position {
    data: u64,
    time: u64,
}

/// Reads every track fragment of `moof` into `fragment`; returns its samples in file order of the runs.
pub(super) fn read(
    moof: &Mp4Box<'_>,
    init: &Init,
    fragment: &mut Fragment,
    notes: &mut Notes,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    let children = moof.children(notes);
    if find(&children, *b"mfhd").is_none() {
        notes.error(40, moof.offset, moof.fourcc, "has no mfhd");
    }
    for traf in children.iter().filter(|b| b.fourcc == *b"traf") {
        if track_fragment(traf, moof, init, fragment, &mut samples, notes).is_none() {
            notes.error(40, traf.offset, traf.fourcc, "tfhd or trun is missing or too short");
        }
    }
    if samples.is_empty() {
        notes.error(40, moof.offset, moof.fourcc, "has no sample");
    }
    samples
}

fn track_fragment(
    traf: &Mp4Box<'_>,
    moof: &Mp4Box<'_>,
    init: &Init,
    fragment: &mut Fragment,
    samples: &mut Vec<Sample>,
    notes: &mut Notes,
) -> Option<()> {
    let children = traf.children(notes);
    let tfhd = find(&children, *b"tfhd")?;
    let (id, defaults) = header(&tfhd, init, notes)?;
    let Some(track) = init.track(id) else {
        notes.error(40, tfhd.offset, tfhd.fourcc, format!("track {id} is not in the init segment"));
        return Some(());
    };
    if track.entry.protected {
        let has = |fourcc| children.iter().any(|b| b.fourcc == fourcc);
        let located = has(*b"saiz") && has(*b"saio");
        if !located && !has(*b"senc") {
            notes.error(40, traf.offset, traf.fourcc, "protected track without senc or saiz and saio");
        }
    }
    let start = match find(&children, *b"tfdt").and_then(|b| b.full()) {
        Some((version, _, mut cursor)) => cursor.sized(version),
        None => None,
    };
    if start.is_none() {
        notes.error(36, traf.offset, traf.fourcc, "has no tfdt");
    }
    let known = fragment.track(id).map(|run| run.start.saturating_add(run.duration));
    let mut position = Position { data: moof.offset, time: start.or(known).unwrap_or(0) };
    if let (Some(expected), Some(start)) = (known, start)
        && expected != start
    {
        let message = format!("tfdt is {start}, the fragment before ends at {expected}");
        notes.error(36, traf.offset, *b"tfdt", message);
    }
    let mut any = false;
    for trun in children.iter().filter(|b| b.fourcc == *b"trun") {
        any = true;
        run(trun, moof, track, defaults, &mut position, fragment, samples, notes)?;
    }
    any.then_some(())
}

/// Track id and the defaults in force, from `tfhd`.
fn header(tfhd: &Mp4Box<'_>, init: &Init, notes: &mut Notes) -> Option<(u32, Defaults)> {
    let (_, flags, mut cursor) = tfhd.full()?;
    let id = cursor.u32()?;
    let mut defaults = init.track(id).map(|track| track.defaults).unwrap_or_default();
    if flags & 0x01 != 0 || flags & 0x02_0000 == 0 {
        let message = format!("flags {flags:#08x}: default-base-is-moof and no base-data-offset wanted");
        notes.error(40, tfhd.offset, tfhd.fourcc, message);
    }
    if flags & 0x01 != 0 {
        cursor.u64()?;
    }
    if flags & 0x02 != 0 {
        cursor.u32()?;
    }
    if flags & 0x08 != 0 {
        defaults.duration = cursor.u32()?;
    }
    if flags & 0x10 != 0 {
        defaults.size = cursor.u32()?;
    }
    if flags & 0x20 != 0 {
        defaults.flags = cursor.u32()?;
    }
    Some((id, defaults))
}

#[expect(clippy::too_many_arguments, reason = "one run touches the box, its defaults and four outputs")]
fn run(
    trun: &Mp4Box<'_>,
    moof: &Mp4Box<'_>,
    track: &Track,
    defaults: Defaults,
    position: &mut Position,
    fragment: &mut Fragment,
    samples: &mut Vec<Sample>,
    notes: &mut Notes,
) -> Option<()> {
    let (version, flags, mut cursor) = trun.full()?;
    let count = cursor.u32()?;
    if flags & 0x01 != 0 {
        let offset = i64::from(cursor.i32()?);
        position.data = moof.offset.checked_add_signed(offset)?;
    }
    let first_flags = if flags & 0x04 != 0 { Some(cursor.u32()?) } else { None };
    for at in 0..count {
        if samples.len() >= SAMPLES_MAX {
            notes.error(40, trun.offset, trun.fourcc, format!("more than {SAMPLES_MAX} samples"));
            break;
        }
        let duration = if flags & 0x100 != 0 { cursor.u32()? } else { defaults.duration };
        let size = u64::from(if flags & 0x200 != 0 { cursor.u32()? } else { defaults.size });
        let own_flags = if flags & 0x400 != 0 { cursor.u32()? } else { defaults.flags };
        let sample_flags = first_flags.filter(|_| at == 0).unwrap_or(own_flags);
        let shift = match (flags & 0x800 != 0, version) {
            (false, _) => 0,
            (true, 0) => i64::from(cursor.u32()?),
            (true, _) => i64::from(cursor.i32()?),
        };
        let claims_sync = sample_flags & NON_SYNC == 0;
        let first = fragment.track(track.id).is_none();
        samples.push(Sample { offset: position.data, size, track: track.id, first, claims_sync });
        let presented = i64::try_from(position.time).unwrap_or(i64::MAX).saturating_add(shift);
        count_sample(fragment, track, position.time, u64::from(duration), presented, claims_sync);
        position.data = position.data.saturating_add(size);
        position.time = position.time.saturating_add(u64::from(duration));
    }
    Some(())
}

fn count_sample(
    fragment: &mut Fragment,
    track: &Track,
    time: u64,
    duration: u64,
    presented: i64,
    sync: bool,
) {
    let id = track.id;
    let sync = u64::from(sync);
    let second = u64::from(track.timescale);
    let steady = duration.saturating_mul(1000) >= second.saturating_mul(GLIMPSE_MS) && duration < second;
    let steady_duration = if steady { duration } else { 0 };
    match fragment.tracks.iter_mut().find(|run| run.id == id) {
        Some(run) => {
            run.duration = run.duration.saturating_add(duration);
            run.samples += 1;
            run.steady_samples += u64::from(steady);
            run.steady_duration = run.steady_duration.saturating_add(steady_duration);
            run.longest = run.longest.max(duration);
            run.shortest = run.shortest.min(duration);
            run.first_presented = run.first_presented.min(presented);
            run.sync_samples += sync;
        }
        None => fragment.tracks.push(TrackRun {
            id,
            start: time,
            duration,
            samples: 1,
            steady_samples: u64::from(steady),
            steady_duration,
            longest: duration,
            shortest: duration,
            first_presented: presented,
            first_sample_presented: presented,
            starts_sync: sync == 1,
            sync_samples: sync,
        }),
    }
}
