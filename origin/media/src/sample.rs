//! One coded frame: its times, its flags, and its payload, read or not.

use bytes::Bytes;

use crate::slice::{Slice, Slices};

/// One sample of a track (ISO/IEC 14496-12 §3.1.12) with a payload of kind `D`:
/// `Sample<Slice>` is still in its source, or made (VOD); `Sample<Bytes>` was read (live, encryption).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample<D> {
    /// Decode time in ticks of the track, on the output timeline (offset included).
    pub dts: i64,
    /// Time to the next sample's decode time, in ticks.
    pub duration: u32,
    /// Presentation time less decode time, in ticks; may be negative.
    pub composition_offset: i32,
    /// Whether decoding can start here.
    pub sync: bool,
    /// The coded bytes.
    pub payload: D,
}

impl<D> Sample<D> {
    /// Presentation time in ticks.
    pub fn pts(&self) -> i64 {
        self.dts.saturating_add(i64::from(self.composition_offset))
    }
}

/// The composition offset of a sample decoded at `dts` and presented at `pts`; saturates.
pub(crate) fn composition_offset(dts: i64, pts: i64) -> i32 {
    let offset = pts.saturating_sub(dts);
    i32::try_from(offset).unwrap_or(if offset < 0 { i32::MIN } else { i32::MAX })
}

/// What a packager needs to know of a payload: how long it is, and how to put it into a body.
pub trait Payload {
    /// Length in bytes.
    fn len(&self) -> u64;
    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Appends the payload to `body` without copying it.
    fn push_to(&self, body: &mut Slices);
}

impl Payload for Slice {
    #[inline]
    fn len(&self) -> u64 {
        Self::len(self)
    }

    #[inline]
    fn push_to(&self, body: &mut Slices) {
        match self {
            Self::Extent(extent) => body.push_extent(*extent),
            Self::Mem(_) => body.push(self.clone()),
        }
    }
}

impl Payload for Bytes {
    fn len(&self) -> u64 {
        Self::len(self) as u64
    }

    fn push_to(&self, body: &mut Slices) {
        body.push(Slice::Mem(self.clone()));
    }
}

/// What the samples of a run have in common: it decides which fields a fragment has to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Commons {
    /// Samples.
    pub count: usize,
    /// Bytes of all payloads.
    pub bytes: u64,
    /// The duration of every sample, if it is the same.
    pub duration: Option<u32>,
    /// Whether the first sample is a sync sample.
    pub first_sync: bool,
    /// Whether the samples after the first are sync samples, if they are all alike.
    pub rest_sync: Option<bool>,
    /// Whether any composition offset is not zero.
    pub has_composition: bool,
}

impl Commons {
    /// Takes the next sample in: its duration, composition offset, sync flag and payload length.
    pub fn push(&mut self, duration: u32, composition_offset: i32, sync: bool, bytes: u64) {
        match self.count {
            0 => (self.duration, self.first_sync, self.rest_sync) = (Some(duration), sync, Some(sync)),
            1 => self.rest_sync = Some(sync),
            _ => self.rest_sync = self.rest_sync.filter(|rest| *rest == sync),
        }
        self.duration = self.duration.filter(|common| *common == duration);
        self.has_composition |= composition_offset != 0;
        self.bytes = self.bytes.saturating_add(bytes);
        self.count = self.count.saturating_add(1);
    }

    /// That of `samples`.
    pub fn of<D: Payload>(samples: impl Iterator<Item = Sample<D>>) -> Self {
        let mut commons = Self::default();
        for sample in samples {
            commons.push(sample.duration, sample.composition_offset, sample.sync, sample.payload.len());
        }
        commons
    }
}
