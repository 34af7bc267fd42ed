//! Faults on purpose: what a test makes of single reads. Outside tests there are none.

use std::{fmt::Debug, io};

use tokio::sync::oneshot;

/// One call to the system that is about to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// First byte, from the start of the file.
    pub offset: u64,
    /// Bytes.
    pub len: usize,
    /// Whether it goes past the page cache.
    pub is_direct: bool,
}

/// What becomes of an attempt.
#[derive(Debug)]
pub enum Fault {
    /// Nothing out of the ordinary.
    None,
    /// It fails, and the system is not asked.
    Error(io::ErrorKind),
    /// It fails with this number of the system's.
    Errno(i32),
    /// It reads so many bytes at most.
    Short(usize),
    /// It is made once the other end says so, or is dropped.
    Hold(oneshot::Receiver<()>),
    /// The disk thread dies.
    Die,
}

/// Decides what becomes of attempts; asked on the disk thread.
pub trait Faults: Debug + Send + Sync {
    /// What the system says when a ring is made, in place of making one.
    fn refuse_uring(&self) -> Option<io::Error> {
        None
    }

    /// What the system says when buffers are registered, in place of registering them.
    fn refuse_registration(&self) -> Option<io::Error> {
        None
    }

    /// What becomes of `attempt`.
    fn decide(&self, attempt: Attempt) -> Fault;
}
