//! Writes the fixture's MP4 files byte by byte.

/// One video or audio track of the fixture.
#[derive(Clone, Copy)]
pub(crate) struct TrackSpec {
    pub(crate) timescale: u32,
    /// Ticks of one sample.
    pub(crate) sample_ticks: u32,
    /// (width, height, profile, level) of AVC, or nothing for AAC.
    pub(crate) video: Option<(u16, u16, u8, u8)>,
    /// Constant composition offset.
    pub(crate) shift: i32,
}

pub(crate) fn boxed(fourcc: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = (u32::try_from(body.len() + 8).expect("fixture boxes are small")).to_be_bytes().to_vec();
    out.extend_from_slice(fourcc);
    out.extend_from_slice(body);
    out
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn visual_entry((width, height, profile, level): (u16, u16, u8, u8)) -> Vec<u8> {
    let mut body = vec![0; 6];
    body.extend_from_slice(&[0, 1]);
    body.extend_from_slice(&[0; 16]);
    body.extend_from_slice(&width.to_be_bytes());
    body.extend_from_slice(&height.to_be_bytes());
    body.extend_from_slice(&words(&[0x0048_0000, 0x0048_0000, 0]));
    body.extend_from_slice(&[0, 1]);
    body.extend_from_slice(&[0; 32]);
    body.extend_from_slice(&[0, 24, 0xff, 0xff]);
    let sps = [0x67, profile, 0, level, 0xac];
    let mut config = vec![1, profile, 0, level, 0xff, 0xe1, 0, 5];
    config.extend_from_slice(&sps);
    config.extend_from_slice(&[1, 0, 2, 0x68, 0xee]);
    body.extend(boxed(b"avcC", &config));
    boxed(b"avc1", &body)
}

fn audio_entry(rate: u32) -> Vec<u8> {
    let mut body = vec![0; 6];
    body.extend_from_slice(&[0, 1]);
    body.extend_from_slice(&[0; 8]);
    body.extend_from_slice(&[0, 2, 0, 16, 0, 0, 0, 0]);
    body.extend_from_slice(&(rate << 16).to_be_bytes());
    let specific = [5, 2, 0x11, 0x90];
    let mut decoder = vec![4, 17, 0x40, 0x15];
    decoder.extend_from_slice(&[0; 11]);
    decoder.extend_from_slice(&specific);
    let mut es = vec![0, 0, 0, 0, 3, 25, 0, 1, 0];
    es.extend_from_slice(&decoder);
    es.extend_from_slice(&[6, 1, 2]);
    body.extend(boxed(b"esds", &es));
    boxed(b"mp4a", &body)
}

/// An init segment. Its trak holds a `free` box shaped as an `edts` that trims 1024 ticks, and a second
/// one whose list has two edits, so that a test can bring either to life by renaming it.
pub(crate) fn init(track: &TrackSpec) -> Vec<u8> {
    let mut out = boxed(b"ftyp", b"iso6\0\0\0\0iso6cmfc");
    let mut mvhd = words(&[0, 0, 0, 1000, 0, 0x0001_0000, 0x0100_0000, 0, 0]);
    mvhd.extend_from_slice(&[0; 64]);
    let mut tkhd = words(&[7, 0, 0, 1, 0, 0]);
    tkhd.extend_from_slice(&[0; 60]);
    let mdhd = words(&[0, 0, 0, track.timescale, 0, 0x55c4_0000]);
    let mut hdlr = words(&[0, 0]);
    hdlr.extend_from_slice(if track.video.is_some() { b"vide" } else { b"soun" });
    hdlr.extend_from_slice(&[0; 13]);
    let mut stsd = words(&[0, 1]);
    stsd.extend(track.video.map_or_else(|| audio_entry(track.timescale), visual_entry));
    let stbl = boxed(b"stbl", &boxed(b"stsd", &stsd));
    let mdia = [boxed(b"mdhd", &mdhd), boxed(b"hdlr", &hdlr), boxed(b"minf", &stbl)].concat();
    let one = boxed(b"elst", &words(&[0, 1, 0, 1024, 0x0001_0000]));
    let two = boxed(b"elst", &words(&[0, 2, 500, u32::MAX, 0x0001_0000, 0, 0, 0x0001_0000]));
    let trak =
        [boxed(b"tkhd", &tkhd), boxed(b"free", &one), boxed(b"skip", &two), boxed(b"mdia", &mdia)].concat();
    let trex = boxed(b"trex", &words(&[0, 1, 1, track.sample_ticks, 0, 0x0101_0000]));
    let moov = [boxed(b"mvhd", &mvhd), boxed(b"trak", &trak), boxed(b"mvex", &trex)].concat();
    out.extend(boxed(b"moov", &moov));
    out
}

/// Size of each sample: the first of a segment is the big one.
pub(crate) fn sample_size(track: &TrackSpec, at: u32, big: usize) -> usize {
    match (track.video, at) {
        (Some(_), 0) => big,
        (Some(_), _) => big / 8,
        (None, _) => big,
    }
}

/// One moof and its mdat: `count` samples from decode time `start`.
pub(crate) fn fragment(track: &TrackSpec, start: u64, count: u32, big: usize, sync: bool) -> Vec<u8> {
    uneven_fragment(track, start, &vec![track.sample_ticks; count as usize], big, sync)
}

/// The same with a duration for each sample.
pub(crate) fn uneven_fragment(
    track: &TrackSpec,
    start: u64,
    ticks: &[u32],
    big: usize,
    sync: bool,
) -> Vec<u8> {
    let count = u32::try_from(ticks.len()).expect("fixture fragments are short");
    let sizes: Vec<usize> =
        (0..count).map(|at| sample_size(track, u32::from(!sync || at > 0), big)).collect();
    let tfhd = words(&[0x0002_0000, 1]);
    let mut tfdt = words(&[0x0100_0000]);
    tfdt.extend_from_slice(&start.to_be_bytes());
    let first_flags = if sync || track.video.is_none() { 0x0200_0000 } else { 0x0101_0000 };
    let rest_flags = if track.video.is_some() { 0x0101_0000 } else { 0x0200_0000 };
    let mut trun = words(&[0x0100_0f01, count, 0]);
    for (at, (size, ticks)) in sizes.iter().zip(ticks).enumerate() {
        let flags = if at == 0 { first_flags } else { rest_flags };
        let size = u32::try_from(*size).expect("fixture samples are small");
        trun.extend(words(&[*ticks, size, flags]));
        trun.extend_from_slice(&track.shift.to_be_bytes());
    }
    let traf = |trun: &[u8]| {
        let inside = [boxed(b"tfhd", &tfhd), boxed(b"tfdt", &tfdt), boxed(b"trun", trun)].concat();
        let inside = [boxed(b"mfhd", &words(&[0, 1])), boxed(b"traf", &inside)].concat();
        boxed(b"moof", &inside)
    };
    let offset = u32::try_from(traf(&trun).len() + 8).expect("fixture boxes are small");
    trun[8..12].copy_from_slice(&offset.to_be_bytes());
    let mut data = Vec::new();
    for (at, size) in sizes.iter().enumerate() {
        let mut sample = vec![0xa5; *size];
        if track.video.is_some() {
            let length = u32::try_from(*size - 4).expect("fixture samples are small");
            sample[..4].copy_from_slice(&length.to_be_bytes());
            sample[4] = if at == 0 && sync { 0x65 } else { 0x41 };
        }
        data.extend(sample);
    }
    [traf(&trun), boxed(b"mdat", &data)].concat()
}

pub(crate) fn styp() -> Vec<u8> {
    boxed(b"styp", b"msdh\0\0\0\0msdhcmfc")
}
