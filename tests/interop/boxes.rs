//! Times and edit lists out of ISO boxes, read without a line of the server's own reader.
//!
//! It trusts its input: files of the corpus, and segments that other tests have looked at. ISO/IEC 14496-12.

/// The boxes directly inside `bytes`, as type and payload.
pub(crate) fn children(bytes: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while rest.len() >= 8 {
        let kind = [rest[4], rest[5], rest[6], rest[7]];
        let (header, size) = match u32_at(rest, 0) {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(u64_at(rest, 8)).expect("a file of the corpus fits the memory")),
            size => (8, size as usize),
        };
        found.push((kind, &rest[header..size]));
        rest = &rest[size..];
    }
    found
}

/// The boxes at a path such as `["moov", "trak"]`.
pub(crate) fn all<'a>(bytes: &'a [u8], path: &[&str]) -> Vec<&'a [u8]> {
    let mut level = vec![bytes];
    for kind in path {
        let inside = level.into_iter().flat_map(children);
        level = inside.filter(|(found, _)| found == kind.as_bytes()).map(|(_, payload)| payload).collect();
    }
    level
}

/// When a track of a plain file is shown, as its edit list says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    /// The track's number in the file.
    pub(crate) id: u64,
    /// `soun` or `vide` or another handler.
    pub(crate) handler: [u8; 4],
    /// Media time that is shown first, in ticks of the track.
    pub(crate) media_time: i64,
    /// Empty time before it, in seconds.
    pub(crate) lead_s: f64,
}

/// One entry for each track of a file, in its order; edit lists are those of one part.
pub(crate) fn tracks(file: &[u8]) -> Vec<Shown> {
    let movie_ticks_per_s = f64::from(timescale(all(file, &["moov", "mvhd"])[0]));
    let of_track = |track: &&[u8]| {
        let handler = all(track, &["mdia", "hdlr"])[0];
        let header = all(track, &["tkhd"])[0];
        let mut shown = Shown {
            id: u64::from(u32_at(header, if header[0] == 1 { 20 } else { 12 })),
            handler: handler[8..12].try_into().expect("four bytes"),
            media_time: 0,
            lead_s: 0.0,
        };
        let mut parts = 0;
        for (duration, media_time) in all(track, &["edts", "elst"]).into_iter().flat_map(edits) {
            if media_time < 0 {
                shown.lead_s += duration as f64 / movie_ticks_per_s;
            } else {
                shown.media_time = media_time;
                parts += 1;
            }
        }
        assert!(parts <= 1, "an edit list of {parts} parts has no one shift");
        shown
    };
    all(file, &["moov", "trak"]).iter().map(of_track).collect()
}

/// Duration in movie ticks and media time of each edit.
fn edits(list: &[u8]) -> Vec<(u64, i64)> {
    let long = list[0] == 1;
    let entries = list[8..].chunks_exact(if long { 20 } else { 12 });
    let read = |entry: &[u8]| {
        if long {
            (u64_at(entry, 0), u64_at(entry, 8).cast_signed())
        } else {
            (u64::from(u32_at(entry, 0)), i64::from(u32_at(entry, 4).cast_signed()))
        }
    };
    entries.map(read).collect()
}

/// Timescale of an `mvhd` or `mdhd`.
pub(crate) fn timescale(header: &[u8]) -> u32 {
    u32_at(header, if header[0] == 1 { 20 } else { 12 })
}

/// Decode and presentation time of each sample of a CMAF segment, in ticks. `trun` must give durations.
pub(crate) fn sample_times(segment: &[u8]) -> Vec<(i64, i64)> {
    let mut times = Vec::new();
    for fragment in all(segment, &["moof", "traf"]) {
        let tfdt = all(fragment, &["tfdt"])[0];
        let start = if tfdt[0] == 1 { u64_at(tfdt, 4) } else { u64::from(u32_at(tfdt, 4)) };
        let default_duration = default_duration(all(fragment, &["tfhd"])[0]);
        let mut decode = i64::try_from(start).expect("a time of a test");
        for run in all(fragment, &["trun"]) {
            let flags = u32_at(run, 0) & 0xff_ffff;
            let mut at = 8 + [0x1, 0x4].iter().filter(|flag| flags & **flag != 0).count() * 4;
            for _ in 0..u32_at(run, 4) {
                let mut field = |flag: u32| {
                    let present = flags & flag != 0;
                    let value = present.then(|| u32_at(run, at));
                    at += if present { 4 } else { 0 };
                    value
                };
                let duration = field(0x100).or(default_duration).expect("a duration in trun or tfhd");
                field(0x200);
                field(0x400);
                let offset = i64::from(field(0x800).unwrap_or(0).cast_signed());
                times.push((decode, decode + offset));
                decode += i64::from(duration);
            }
        }
    }
    times
}

fn default_duration(tfhd: &[u8]) -> Option<u32> {
    let flags = u32_at(tfhd, 0) & 0xff_ffff;
    let skipped = [(0x1, 8), (0x2, 4)].iter().filter(|(flag, _)| flags & flag != 0).map(|(_, size)| size);
    (flags & 0x8 != 0).then(|| u32_at(tfhd, 8 + skipped.sum::<usize>()))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
