//! Compressed variants, made once and shared.
//!
//! A variant is made away from the data-plane cores, by one task however many requests wait for it, and kept in a
//! cache bounded in bytes. The key is the plain content itself, so a variant can never belong to other bytes.
//! When the queue of work is full the plain body is sent: compression is a kindness, not a duty.

use std::sync::Arc;

use bytes::Bytes;
use moka::future::Cache;
use tokio::sync::Semaphore;

use crate::coding::Coding;

/// Limits of compression; all have defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressionLimits {
    /// Bodies shorter than this, in bytes, are sent plain: one packet either way.
    pub body_bytes_min: usize,
    /// Bodies longer than this, in bytes, are sent plain.
    pub body_bytes_max: usize,
    /// Bytes of plain and compressed content held together.
    pub cache_bytes: u64,
    /// Bodies compressed at the same time.
    pub workers: usize,
    /// Bodies that may wait for a worker; beyond, they are sent plain.
    pub queue: usize,
}

impl Default for CompressionLimits {
    fn default() -> Self {
        Self { body_bytes_min: 256, body_bytes_max: 4 << 20, cache_bytes: 64 << 20, workers: 2, queue: 64 }
    }
}

/// Makes and keeps compressed variants. Cloning shares it.
#[derive(Debug, Clone)]
pub struct Compressor {
    variants: Cache<Key, Bytes>,
    /// Permits of work under way and waiting.
    admitted: Arc<Semaphore>,
    /// Permits of work under way.
    working: Arc<Semaphore>,
    limits: CompressionLimits,
}

/// The plain content and the coding; compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    plain: Bytes,
    coding: Coding,
}

/// Why there is no variant; the plain body is sent instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompressError {
    /// As many bodies as may wait are waiting.
    #[error("the compression queue is full")]
    QueueFull,
    /// The encoder failed or its thread died; our fault.
    #[error("the encoder failed")]
    Encoder,
}

impl Compressor {
    /// A compressor with an empty cache.
    pub fn new(limits: CompressionLimits) -> Self {
        let variants = Cache::builder()
            .max_capacity(limits.cache_bytes)
            .weigher(|key: &Key, variant: &Bytes| {
                u32::try_from(key.plain.len().saturating_add(variant.len())).unwrap_or(u32::MAX)
            })
            .build();
        let admitted = Arc::new(Semaphore::new(limits.workers.saturating_add(limits.queue)));
        Self { variants, admitted, working: Arc::new(Semaphore::new(limits.workers)), limits }
    }

    /// Whether a body of `len` bytes is compressed at all. Depends on the length only, so that an entity has the
    /// same variants each time.
    pub fn is_worthwhile(&self, len: usize) -> bool {
        (self.limits.body_bytes_min..=self.limits.body_bytes_max).contains(&len)
    }

    /// The variant of `plain` in `coding`, from the cache or made now.
    ///
    /// Must run inside a tokio runtime; the work itself is done on its blocking threads.
    ///
    /// # Errors
    /// See [`CompressError`]; nothing is remembered of a failure.
    pub async fn variant(&self, plain: &Bytes, coding: Coding) -> Result<Bytes, CompressError> {
        let key = Key { plain: plain.clone(), coding };
        let make = self.make(plain.clone(), coding);
        self.variants.try_get_with(key, make).await.map_err(|error| *error)
    }

    async fn make(&self, plain: Bytes, coding: Coding) -> Result<Bytes, CompressError> {
        let _admitted = self.admitted.try_acquire().map_err(|_| CompressError::QueueFull)?;
        let working =
            Arc::clone(&self.working).acquire_owned().await.map_err(|_| CompressError::QueueFull)?;
        let work = tokio::task::spawn_blocking(move || {
            let encoded = coding.encode(&plain);
            tracing::debug!(bytes = plain.len(), ?coding, "a body was compressed");
            // Held until the work is done, also when nobody waits for it any more.
            drop(working);
            encoded
        });
        let encoded = work.await.map_err(|_| CompressError::Encoder)?.map_err(|_| CompressError::Encoder)?;
        Ok(Bytes::from(encoded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Bytes {
        Bytes::from("#EXTINF:4.0,\nsegment.m4s\n".repeat(100))
    }

    #[tokio::test]
    async fn a_variant_is_made_once_and_shared() {
        let compressor = Compressor::new(CompressionLimits::default());
        let first = compressor.variant(&text(), Coding::Gzip).await.unwrap();
        // Another allocation with the same content finds the same bytes.
        let second = compressor.variant(&text(), Coding::Gzip).await.unwrap();
        assert_eq!(first.as_ptr(), second.as_ptr());
        let other = compressor.variant(&text(), Coding::Brotli).await.unwrap();
        assert_ne!(first, other);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_remembers_nothing() {
        let limits = CompressionLimits { workers: 1, queue: 0, ..CompressionLimits::default() };
        let compressor = Compressor::new(limits);
        let taken = Arc::clone(&compressor.admitted).try_acquire_owned().unwrap();
        assert_eq!(compressor.variant(&text(), Coding::Gzip).await, Err(CompressError::QueueFull));
        drop(taken);
        assert!(compressor.variant(&text(), Coding::Gzip).await.is_ok());
    }

    #[tokio::test]
    async fn the_cache_stays_within_its_bytes() {
        let limits = CompressionLimits { cache_bytes: 10_000, ..CompressionLimits::default() };
        let compressor = Compressor::new(limits);
        for number in 0..50 {
            let plain = Bytes::from(format!("{number}\n").repeat(500));
            compressor.variant(&plain, Coding::Gzip).await.unwrap();
        }
        compressor.variants.run_pending_tasks().await;
        assert!(compressor.variants.weighted_size() <= 10_000);
    }

    #[test]
    fn the_length_limits_are_inclusive() {
        let limits =
            CompressionLimits { body_bytes_min: 10, body_bytes_max: 20, ..CompressionLimits::default() };
        let compressor = Compressor::new(limits);
        let worthwhile: Vec<usize> = (0..30).filter(|len| compressor.is_worthwhile(*len)).collect();
        assert_eq!((worthwhile.first(), worthwhile.last()), (Some(&10), Some(&20)));
    }
}
