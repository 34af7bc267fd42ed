//! A second reader of fragments (ISO/IEC 14496-12 §8.8): as small as it can be, and strict.

/// A media segment of one `moof` and one `mdat`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fragment {
    /// `mfhd`.
    pub sequence: u32,
    /// Track id of `tfhd`.
    pub track: u32,
    /// `tfdt`.
    pub decode_time: u64,
    /// The samples of `trun`, defaults applied.
    pub samples: Vec<FragmentSample>,
}

/// A sample of a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentSample {
    /// Ticks.
    pub duration: u32,
    /// Sample flags (§8.8.3.1).
    pub flags: u32,
    /// Presentation less decode time.
    pub composition: i32,
    /// First byte in the segment.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
}

impl FragmentSample {
    /// Whether it is no `sample_is_non_sync_sample`.
    pub const fn sync(&self) -> bool {
        self.flags & 0x1_0000 == 0
    }
}

impl Fragment {
    /// Reads a segment; the samples must fill its `mdat` exactly.
    ///
    /// # Panics
    /// If it is anything else.
    pub fn read(segment: &[u8]) -> Self {
        let mut fragment = Self::default();
        let top = children(segment);
        let [(b"moof", moof), (b"mdat", mdat)] = top.as_slice() else { panic!("moof and mdat: {top:?}") };
        assert_eq!(moof.start, 8, "no bytes before the moof");
        for (name, place) in children(&segment[moof.clone()]) {
            let inside = &segment[moof.start + place.start..moof.start + place.end];
            match name {
                b"mfhd" => fragment.sequence = Fields(&inside[4..]).u32(),
                b"traf" => fragment.read_track(inside),
                other => panic!("{} in a moof", other.escape_ascii()),
            }
        }
        let mut at = mdat.start;
        for sample in &fragment.samples {
            assert_eq!(sample.offset, at, "samples lie one after the other in the mdat");
            at += sample.size;
        }
        assert_eq!(at, mdat.end, "and fill it");
        fragment
    }

    /// When the fragment after this one has to start.
    pub fn end(&self) -> u64 {
        self.decode_time + self.samples.iter().map(|sample| u64::from(sample.duration)).sum::<u64>()
    }

    fn read_track(&mut self, traf: &[u8]) {
        let (mut duration, mut flags) = (None, None);
        for (name, place) in children(traf) {
            let mut fields = Fields(&traf[place]);
            let head = fields.u32();
            let (version, present) = (head >> 24, head & 0xff_ffff);
            match name {
                b"tfhd" => {
                    assert_eq!(present & !0x28, 0x2_0000, "default-base-is-moof, and known fields");
                    self.track = fields.u32();
                    duration = (present & 0x08 != 0).then(|| fields.u32());
                    flags = (present & 0x20 != 0).then(|| fields.u32());
                }
                b"tfdt" => {
                    assert_eq!(version, 1);
                    self.decode_time = (u64::from(fields.u32()) << 32) | u64::from(fields.u32());
                }
                b"trun" => {
                    assert_eq!(version, 1);
                    self.read_run(present, &mut fields, duration, flags);
                }
                other => panic!("{} in a traf", other.escape_ascii()),
            }
            assert!(fields.0.is_empty(), "{} has no bytes left", name.escape_ascii());
        }
    }

    fn read_run(&mut self, present: u32, fields: &mut Fields<'_>, duration: Option<u32>, flags: Option<u32>) {
        let count = fields.u32();
        assert_eq!(present & 0x201, 0x201, "data offset and sizes are there");
        let mut offset = fields.u32() as usize;
        let first = (present & 0x004 != 0).then(|| fields.u32());
        for number in 0..count {
            let mut optional = |bit| (present & bit != 0).then(|| fields.u32());
            let own_duration = optional(0x100);
            let size = optional(0x200).expect("checked") as usize;
            let own_flags = optional(0x400);
            let composition = optional(0x800).map_or(0, u32::cast_signed);
            let first = first.filter(|_| number == 0);
            self.samples.push(FragmentSample {
                duration: own_duration.or(duration).expect("a duration for every sample"),
                flags: first.or(own_flags).or(flags).expect("flags for every sample"),
                composition,
                offset,
                size,
            });
            offset += size;
        }
    }
}

/// The boxes side by side in `bytes`: code and place of the payload.
fn children(bytes: &[u8]) -> Vec<(&[u8; 4], std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let size = Fields(&bytes[at..]).u32() as usize;
        assert!(size >= 8 && at + size <= bytes.len(), "a box of {size} bytes at {at}");
        let name = bytes[at + 4..].first_chunk::<4>().expect("checked");
        found.push((name, at + 8..at + size));
        at += size;
    }
    found
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn u32(&mut self) -> u32 {
        let (head, rest) = self.0.split_first_chunk::<4>().expect("four bytes");
        self.0 = rest;
        u32::from_be_bytes(*head)
    }
}
