//! Blobs: stored bytes under a path. A directory and memory now, object stores later.
//!
//! The trait says more than a directory needs, because the others will: whether bytes are there yet
//! ([`Availability`]), and how urgent a read is ([`Priority`]).

pub mod directory;
pub mod memory;

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use rillcast_http::BodySource;

use crate::asset_path::AssetPath;

/// Entries of a listing.
pub const MAX_LISTED: usize = 10_000;

/// A place where blobs are.
pub trait BlobStore: Send + Sync + 'static {
    /// Opens the blob at `path`.
    fn open<'a>(&'a self, path: &'a AssetPath) -> BoxFuture<'a, Result<Arc<dyn Blob>, BlobError>>;

    /// The stamp of the blob at `path` as it is now, without opening it for good.
    fn stamp<'a>(&'a self, path: &'a AssetPath) -> BoxFuture<'a, Result<Stamp, BlobError>>;

    /// The blobs that look like media, sorted by path, at most [`MAX_LISTED`].
    fn list(&self) -> BoxFuture<'_, Result<Listing, BlobError>>;
}

/// An open blob. What was opened stays readable when the path is given to another blob.
pub trait Blob: Send + Sync + 'static {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether it has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What tells this content from another under the same path.
    fn stamp(&self) -> Stamp;

    /// Whether the open blob still is what it was when it was opened. Cheap.
    fn is_unchanged(&self) -> bool;

    /// Whether the bytes of `range` can be read.
    fn availability(&self, range: Range<u64>) -> Availability;

    /// Reads `range`: at least one byte of it, from its start; all of it where that costs no more.
    fn read(&self, range: Range<u64>, priority: Priority) -> BoxFuture<'_, Result<Bytes, BlobError>>;

    /// The bytes `offset..offset + len` as a part of a response, not read yet.
    ///
    /// # Errors
    /// [`BlobError::Outside`].
    fn body(&self, offset: u64, len: u64) -> Result<BodySource, BlobError>;
}

/// Whether bytes are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// They can be read now.
    Ready,
    /// They will come: a download in progress, a file that grows.
    Wait,
    /// They never will.
    Gone,
}

/// How urgent a read is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Read ahead, scans.
    Background,
    /// A viewer waits.
    Viewer,
}

/// Tells two contents under one path apart. Equal stamps mean equal bytes, as far as the store can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp(pub [u64; 5]);

/// One blob of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where it is.
    pub path: AssetPath,
    /// Its length.
    pub size_bytes: u64,
    /// When it last changed.
    pub modified: Option<SystemTime>,
}

/// What is in a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Sorted by path.
    pub blobs: Vec<Listed>,
    /// Whether there are more than are listed.
    pub truncated: bool,
    /// What looks like media and is left out, because no viewer could ask for it: the operator's to mend.
    pub unlisted: Unlisted,
}

/// Files, and folders that cannot be looked into, that a listing leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unlisted {
    /// How many.
    pub count: usize,
    /// The first by path, with the reason. The path is as the store has it: any character may be in it.
    pub first: Option<(String, String)>,
}

impl Unlisted {
    pub(crate) fn add(&mut self, path: String, reason: impl Into<String>) {
        self.count += 1;
        if self.first.as_ref().is_none_or(|(first, _)| path < *first) {
            self.first = Some((path, reason.into()));
        }
    }
}

/// Why a blob cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is none, or none that may be served. To a viewer the same.
    #[error("no such file")]
    NotFound,
    /// It leads out of the store, is no regular file, or we may not read it: the operator's to mend.
    #[error("not served: {reason}")]
    Forbidden {
        /// What it is.
        reason: &'static str,
        /// Which content of the path that was said of, where the store can tell.
        edition: Option<Stamp>,
    },
    /// Bytes past the end were asked for: our bug, or the blob shrank.
    #[error("bytes {offset}+{len} of a blob of {blob_len}")]
    Outside {
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
        /// Length of the blob.
        blob_len: u64,
    },
    /// The store failed; a retry may help.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
}
