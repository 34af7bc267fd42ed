//! Writing boxes (ISO/IEC 14496-12 §4.2): sizes are filled in when a box is closed.

/// Appends boxes to a buffer.
#[derive(Debug, Default)]
pub(super) struct BoxWriter {
    bytes: Vec<u8>,
}

impl BoxWriter {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// A box whose payload `fill` writes.
    pub(super) fn nest(&mut self, fourcc: &[u8; 4], fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.u32(0);
        self.raw(fourcc);
        fill(self);
        let size = u32::try_from(self.bytes.len() - start).expect("headers stay below 4 GiB");
        self.set_u32(start, size);
    }

    /// A full box (§4.2.2): version and flags first.
    pub(super) fn full(&mut self, fourcc: &[u8; 4], version: u8, flags: u32, fill: impl FnOnce(&mut Self)) {
        self.nest(fourcc, |w| {
            w.u32((u32::from(version) << 24) | (flags & 0x00ff_ffff));
            fill(w);
        });
    }

    #[inline]
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn zeros(&mut self, count: usize) {
        self.bytes.resize(self.bytes.len() + count, 0);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn i16(&mut self, value: i16) {
        self.raw(&value.to_be_bytes());
    }

    #[inline]
    pub(super) fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    #[inline]
    pub(super) fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.raw(&value.to_be_bytes());
    }

    /// Where the next byte goes.
    pub(super) const fn position(&self) -> usize {
        self.bytes.len()
    }

    /// Overwrites the four bytes at `position`, which were written before.
    pub(super) fn set_u32(&mut self, position: usize, value: u32) {
        if let Some(place) = self.bytes.get_mut(position..position + 4) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// Overwrites the eight bytes at `position`, which were written before.
    pub(super) fn set_u64(&mut self, position: usize, value: u64) {
        if let Some(place) = self.bytes.get_mut(position..position + 8) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    }
}
