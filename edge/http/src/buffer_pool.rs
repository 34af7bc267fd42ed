//! Reused read buffers, one pool a core.
//!
//! A buffer travels inside the `Bytes` of a body frame and comes home when the transport has let go of it, so the
//! number of buffers outstanding is the number of file bytes queued in user space. Each connection may hold a
//! limited number; a body that wants one more waits until the socket has drained.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A pool of buffers of one size.
#[derive(Debug)]
pub(crate) struct BufferPool {
    buffer_bytes: usize,
    /// Buffers kept for reuse; more are freed.
    idle_max: usize,
    idle: Mutex<Vec<Box<[u8]>>>,
    outstanding: AtomicUsize,
}

impl BufferPool {
    /// A pool of buffers of `buffer_bytes`, keeping at most `idle_max` that nobody uses.
    pub(crate) fn new(buffer_bytes: usize, idle_max: usize) -> Arc<Self> {
        Arc::new(Self { buffer_bytes, idle_max, idle: Mutex::default(), outstanding: AtomicUsize::new(0) })
    }

    /// Buffers in use: being read into, or queued for a socket.
    pub(crate) fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }

    fn take(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> PooledBuffer {
        let idle = self.idle.lock().pop();
        let bytes = idle.unwrap_or_else(|| vec![0; self.buffer_bytes].into_boxed_slice());
        self.outstanding.fetch_add(1, Ordering::Relaxed);
        PooledBuffer { bytes, filled: 0, pool: Arc::clone(self), _permit: permit }
    }

    fn put_back(&self, bytes: Box<[u8]>) {
        self.outstanding.fetch_sub(1, Ordering::Relaxed);
        let mut idle = self.idle.lock();
        if idle.len() < self.idle_max {
            idle.push(bytes);
        }
    }
}

/// What one connection may take from a pool.
#[derive(Debug, Clone)]
pub(crate) struct BufferBudget {
    pool: Arc<BufferPool>,
    permits: Arc<Semaphore>,
}

/// A wait for a buffer.
pub(crate) type BufferWait = Pin<Box<dyn Future<Output = PooledBuffer>>>;

impl BufferBudget {
    /// At most `buffers` at a time.
    pub(crate) fn new(pool: &Arc<BufferPool>, buffers: usize) -> Self {
        Self { pool: Arc::clone(pool), permits: Arc::new(Semaphore::new(buffers)) }
    }

    /// A buffer now, if the connection may have one.
    pub(crate) fn try_take(&self) -> Option<PooledBuffer> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok()?;
        Some(self.pool.take(permit))
    }

    /// A buffer as soon as the connection may have one; in the order of asking.
    pub(crate) fn take(&self) -> BufferWait {
        let budget = self.clone();
        Box::pin(async move {
            let permit = budget.permits.acquire_owned().await.expect("a budget is never closed");
            budget.pool.take(permit)
        })
    }
}

/// A buffer on its way out. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct PooledBuffer {
    bytes: Box<[u8]>,
    /// Bytes from the front that hold something.
    filled: usize,
    pool: Arc<BufferPool>,
    _permit: OwnedSemaphorePermit,
}

impl PooledBuffer {
    /// The first `len` bytes, or all, to read into.
    pub(crate) fn room(&mut self, len: u64) -> &mut [u8] {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.bytes.len());
        self.bytes.get_mut(..len).expect("the length was just limited")
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
        self.pool.put_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_connection_gets_its_share_and_waits_for_more() {
        let pool = BufferPool::new(16, 8);
        let budget = BufferBudget::new(&pool, 2);
        let first = budget.try_take().unwrap().freeze(3);
        let second = budget.try_take().unwrap();
        assert!(budget.try_take().is_none());
        let mut waiting = budget.take();
        assert!((&mut waiting).now_or_never().is_none());
        assert_eq!((first.len(), pool.outstanding()), (3, 2));
        drop(first);
        assert!((&mut waiting).now_or_never().is_some());
        drop(second);
        assert_eq!(pool.outstanding(), 0);
        // Another connection has its own share.
        assert!(BufferBudget::new(&pool, 1).try_take().is_some());
    }

    #[test]
    fn idle_buffers_are_reused_up_to_the_limit() {
        let pool = BufferPool::new(16, 1);
        let budget = BufferBudget::new(&pool, 2);
        let (one, two) = (budget.try_take().unwrap(), budget.try_take().unwrap());
        drop((one, two));
        assert_eq!(pool.idle.lock().len(), 1);
    }
}
