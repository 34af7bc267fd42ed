//! Slabs in any order of allocating, filling, sharing, cutting and dropping: what a handle shows is what was
//! written for it, and memory stays within its limit.
//!
//! Input: operations of four bytes, a code and three numbers.

use std::collections::VecDeque;

use rillcast_sys::page::page_bytes;
use rillcast_sys::slab::{AllocateError, Filling, SlabLimits, SlabRange, Slabs};

const MEMORY_PAGES: usize = 24;
const SLAB_PAGES: usize = 8;
/// Operations of one input.
const MAX_OPERATIONS: usize = 256;

/// Byte `at` of what was written under `number`.
fn byte_of(number: u8, at: usize) -> u8 {
    u8::try_from(at % 251).expect("a remainder") ^ number.wrapping_mul(29)
}

/// A shared range, and which bytes of what it is.
struct Held {
    range: SlabRange,
    number: u8,
    start: usize,
}

impl Held {
    fn check(&self) {
        let bytes = self.range.as_ref();
        assert_eq!(bytes.len(), self.range.len());
        // Every byte of a page shows an overlap as well as one of it and its neighbours' ends.
        for at in (0..bytes.len()).step_by(509).chain(bytes.len().checked_sub(1)) {
            let found = bytes.get(at).copied();
            assert_eq!(found, Some(byte_of(self.number, self.start + at)), "range {} byte {at}", self.number);
        }
    }
}

struct Model {
    slabs: Slabs,
    filling: VecDeque<Filling>,
    held: VecDeque<Held>,
    number: u8,
}

/// Runs the operations in `data`.
pub fn run(data: &[u8]) {
    let page = page_bytes();
    let limits = SlabLimits { memory_bytes: MEMORY_PAGES * page, slab_bytes: SLAB_PAGES * page };
    let Ok(slabs) = Slabs::new(limits) else { return };
    let mut model = Model { slabs, filling: VecDeque::new(), held: VecDeque::new(), number: 0 };
    for operation in data.as_chunks::<4>().0.iter().take(MAX_OPERATIONS) {
        model.apply(*operation);
    }
    model.held.iter().for_each(Held::check);
    let Model { slabs, filling, held, .. } = model;
    drop((filling, held));
    slabs.reclaim();
    let usage = slabs.usage();
    assert_eq!((usage.used_bytes, usage.lost_bytes), (0, 0), "all comes back");
}

impl Model {
    fn apply(&mut self, [code, a, b, c]: [u8; 4]) {
        let wide = usize::from(u16::from_le_bytes([a, b]));
        match code % 8 {
            0 | 1 => self.allocate(wide % ((SLAB_PAGES + 1) * page_bytes())),
            2 => self.fill_and_share(),
            3 => drop(self.filling.pop_back()),
            4 => drop(self.held.pop_front()),
            5 => drop(self.held.pop_back()),
            6 => self.part(wide, usize::from(c) * 64),
            _ => self.slabs.reclaim(),
        }
    }

    fn allocate(&mut self, len: usize) {
        match self.slabs.allocate(len) {
            Ok(mut filling) => {
                assert!(filling.as_mut_slice().iter().all(|byte| *byte == 0), "a range begins as zeros");
                assert_eq!(filling.as_mut_slice().len(), len);
                self.filling.push_back(filling);
            }
            Err(AllocateError::Empty) => assert_eq!(len, 0),
            Err(AllocateError::TooLong { .. }) => assert!(len > SLAB_PAGES * page_bytes()),
            Err(AllocateError::Full { used_bytes, memory_bytes, .. }) => assert!(used_bytes <= memory_bytes),
            // The machine's fault.
            Err(AllocateError::System(_)) => {}
        }
        assert!(self.slabs.usage().used_bytes <= MEMORY_PAGES * page_bytes());
    }

    fn fill_and_share(&mut self) {
        let Some(mut filling) = self.filling.pop_front() else { return };
        self.number = self.number.wrapping_add(1);
        for (at, byte) in filling.as_mut_slice().iter_mut().enumerate() {
            *byte = byte_of(self.number, at);
        }
        self.held.push_back(Held { range: filling.share(), number: self.number, start: 0 });
    }

    /// Cuts a part out of the range shared first, which then comes last.
    fn part(&mut self, start: usize, len: usize) {
        let Some(whole) = self.held.pop_front() else { return };
        whole.check();
        let part = whole.range.part(start, len);
        assert_eq!(part.is_some(), start + len <= whole.range.len());
        if let Some(range) = part {
            self.held.push_back(Held { range, number: whole.number, start: whole.start + start });
        }
        self.held.push_back(whole);
    }
}
