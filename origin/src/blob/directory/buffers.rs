//! Memory that is read into, used again.
//!
//! To open an asset, its index is read in pieces of up to a megabyte, each of which is of no use a moment later. Memory
//! that the process never touched before costs more than the read that fills it: the kernel clears it first, and
//! on a virtual machine the host may have to find it. So a few large buffers are kept, and lent to reads.

use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a buffer that is kept: as many as a demuxer asks for at once.
const KEPT_BYTES: usize = 1 << 20;
/// Reads of fewer bytes get memory of their own.
const LENT_BYTES_MIN: usize = 64 << 10;
/// Buffers that are kept while nobody reads: one for each asset that is parsed at a time, on few threads.
const MAX_KEPT: usize = 4;

/// The buffers of a store.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    idle: Mutex<Vec<Box<[u8]>>>,
}

/// Some bytes to read into. Those of a buffer that is kept go back when this is dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    memory: Box<[u8]>,
    len: usize,
    home: Option<Arc<Buffers>>,
}

impl Buffers {
    /// `len` bytes, of any content.
    pub(super) fn take(self: &Arc<Self>, len: usize) -> Buffer {
        if !(LENT_BYTES_MIN..=KEPT_BYTES).contains(&len) {
            return Buffer { memory: vec![0; len].into(), len, home: None };
        }
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let memory = idle.unwrap_or_else(|| vec![0; KEPT_BYTES].into());
        Buffer { memory, len, home: Some(Arc::clone(self)) }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self.memory.get(..self.len).unwrap_or_default()
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(..self.len).unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(home) = self.home.take() else { return };
        let mut idle = home.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_KEPT {
            idle.push(std::mem::take(&mut self.memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(buffers: &Buffers) -> usize {
        buffers.idle.lock().unwrap().len()
    }

    #[test]
    fn what_is_lent_has_the_length_asked_for_and_comes_back() {
        let buffers = Arc::new(Buffers::default());
        let mut buffer = buffers.take(LENT_BYTES_MIN);
        assert_eq!((buffer.as_ref().len(), buffer.as_mut().len()), (LENT_BYTES_MIN, LENT_BYTES_MIN));
        let place = buffer.as_ref().as_ptr();
        assert_eq!(kept(&buffers), 0);
        drop(buffer);
        assert_eq!(kept(&buffers), 1);
        let again = buffers.take(KEPT_BYTES);
        assert_eq!((again.as_ref().as_ptr(), again.as_ref().len(), kept(&buffers)), (place, KEPT_BYTES, 0));
    }

    #[test]
    fn only_so_many_of_one_size_are_kept() {
        let buffers = Arc::new(Buffers::default());
        let lent: Vec<Buffer> = (0..=MAX_KEPT).map(|_| buffers.take(KEPT_BYTES)).collect();
        drop(lent);
        assert_eq!(kept(&buffers), MAX_KEPT);
        let buffers = Arc::new(Buffers::default());
        for len in [0, 1, LENT_BYTES_MIN - 1, KEPT_BYTES + 1] {
            assert_eq!(buffers.take(len).as_ref().len(), len);
        }
        assert_eq!(kept(&buffers), 0);
    }
}
