//! Read buffers, one pool a core.
//!
//! A buffer travels inside the `Bytes` of a body frame and comes home when the transport has let go of it, so the
//! bytes of the buffers outstanding are the file bytes queued in user space. A connection may hold a limited number
//! of large, reused buffers; beyond that its streams read into small ones. They never wait for each other: a client
//! that pauses eight videos must still get the ninth.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use parking_lot::Mutex;

/// Size of a buffer beyond a connection's share, in bytes: one HTTP/2 frame of the default size.
const SMALL_BUFFER_BYTES: usize = 16 * 1024;

/// A pool of buffers of one size.
#[derive(Debug)]
pub(crate) struct BufferPool {
    buffer_bytes: usize,
    /// Buffers kept for reuse; more are freed.
    idle_max: usize,
    idle: Mutex<Vec<Box<[u8]>>>,
    outstanding_bytes: AtomicUsize,
}

impl BufferPool {
    /// A pool of buffers of `buffer_bytes`, keeping at most `idle_max` that nobody uses.
    pub(crate) fn new(buffer_bytes: usize, idle_max: usize) -> Arc<Self> {
        Arc::new(Self {
            buffer_bytes,
            idle_max,
            idle: Mutex::default(),
            outstanding_bytes: AtomicUsize::new(0),
        })
    }

    /// Bytes of the buffers in use, large and small: being read into, or queued for a socket.
    pub(crate) fn outstanding_bytes(&self) -> usize {
        self.outstanding_bytes.load(Ordering::Relaxed)
    }
}

/// What one connection may take from a pool. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct BufferShare {
    pool: Arc<BufferPool>,
    large: Arc<AtomicUsize>,
    large_max: usize,
}

impl BufferShare {
    /// At most `large_max` large buffers at a time.
    pub(crate) fn new(pool: &Arc<BufferPool>, large_max: usize) -> Self {
        Self { pool: Arc::clone(pool), large: Arc::default(), large_max }
    }

    /// A buffer: large while the share lasts, else small.
    pub(crate) fn take(&self) -> PooledBuffer {
        let pool = &self.pool;
        // Only this core adds, so the count cannot pass the limit between the two steps.
        let is_large = self.large.load(Ordering::Relaxed) < self.large_max;
        let bytes = if is_large {
            self.large.fetch_add(1, Ordering::Relaxed);
            let idle = pool.idle.lock().pop();
            idle.unwrap_or_else(|| vec![0; pool.buffer_bytes].into_boxed_slice())
        } else {
            vec![0; SMALL_BUFFER_BYTES.min(pool.buffer_bytes)].into_boxed_slice()
        };
        pool.outstanding_bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        PooledBuffer { bytes, filled: 0, is_large, share: self.clone() }
    }
}

/// A buffer on its way out. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct PooledBuffer {
    bytes: Box<[u8]>,
    /// Bytes from the front that hold something.
    filled: usize,
    is_large: bool,
    share: BufferShare,
}

impl PooledBuffer {
    /// At most `len` bytes behind the first `filled`, to read into; none when it is full.
    pub(crate) fn room_from(&mut self, filled: usize, len: u64) -> &mut [u8] {
        let end = filled.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(self.bytes.len());
        self.bytes.get_mut(filled..end).unwrap_or_default()
    }

    /// The first `filled` bytes, without a copy.
    pub(crate) fn freeze(mut self, filled: usize) -> Bytes {
        self.filled = filled.min(self.bytes.len());
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for PooledBuffer {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.filled).expect("no more is filled than there is")
    }
}

impl Drop for PooledBuffer {
    fn drop(&mut self) {
        let pool = &self.share.pool;
        pool.outstanding_bytes.fetch_sub(self.bytes.len(), Ordering::Relaxed);
        if self.is_large {
            self.share.large.fetch_sub(1, Ordering::Relaxed);
            let mut idle = pool.idle.lock();
            if idle.len() < pool.idle_max {
                idle.push(std::mem::take(&mut self.bytes));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: usize = 64 * 1024;

    #[test]
    fn a_connection_gets_large_buffers_to_its_share_and_small_ones_beyond() {
        let pool = BufferPool::new(LARGE, 8);
        let share = BufferShare::new(&pool, 2);
        let first = share.take().freeze(3);
        let second = share.take();
        let third = share.take();
        assert_eq!((first.len(), second.bytes.len(), third.bytes.len()), (3, LARGE, SMALL_BUFFER_BYTES));
        assert_eq!(pool.outstanding_bytes(), 2 * LARGE + SMALL_BUFFER_BYTES);
        drop(first);
        assert_eq!(share.take().bytes.len(), LARGE);
        // Another connection has its own share.
        assert_eq!(BufferShare::new(&pool, 1).take().bytes.len(), LARGE);
        drop((second, third));
        assert_eq!(pool.outstanding_bytes(), 0);
    }

    #[test]
    fn large_buffers_are_kept_for_reuse_up_to_the_limit() {
        let pool = BufferPool::new(LARGE, 1);
        let share = BufferShare::new(&pool, 2);
        let taken = [share.take(), share.take(), share.take()];
        drop(taken);
        assert_eq!(pool.idle.lock().len(), 1);
    }
}
