//! What becomes of a read of a page that is not to be had: the handler of SIGBUS.
//!
//! A handler may interrupt anything, so it takes no lock and allocates nothing: it walks a list of regions that
//! only ever grows, and makes system calls. Regions are used again, so the list is as long as there were maps at
//! the same time.
//!
//! signal-safety(7), sigaction(2), mmap(2).

use std::io;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::page::page_bytes;

/// The addresses of one map.
#[derive(Debug, Default)]
pub(super) struct Region {
    start: AtomicUsize,
    /// One past the last; zero when the region is not in use.
    end: AtomicUsize,
    damaged: AtomicBool,
    next: AtomicPtr<Self>,
}

impl Region {
    pub(super) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::SeqCst)
    }

    fn holds(&self, address: usize) -> bool {
        let end = self.end.load(Ordering::SeqCst);
        let start = self.start.load(Ordering::SeqCst);
        // Read again: between the two loads the region may have been given to another map.
        address >= start && address < end && end == self.end.load(Ordering::SeqCst)
    }
}

/// All regions there ever were, newest first; never freed.
static REGIONS: AtomicPtr<Region> = AtomicPtr::new(null_mut());
/// Those not in use.
static FREE: Mutex<Vec<&'static Region>> = Mutex::new(Vec::new());
/// What handled SIGBUS before us.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();
/// Bytes of a page, known before the first fault.
static PAGE: AtomicUsize = AtomicUsize::new(0);

/// Puts `len` bytes at `start` under the handler's care.
pub(super) fn register(start: usize, len: usize) -> &'static Region {
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let region = free.unwrap_or_else(append);
    region.damaged.store(false, Ordering::SeqCst);
    region.start.store(start, Ordering::SeqCst);
    // Whole pages are mapped, and may fault.
    region.end.store(start.saturating_add(len), Ordering::SeqCst);
    region
}

/// Takes `region` off the handler's care.
pub(super) fn release(region: &'static Region) {
    region.end.store(0, Ordering::SeqCst);
    FREE.lock().unwrap_or_else(PoisonError::into_inner).push(region);
}

fn append() -> &'static Region {
    let region: &'static Region = Box::leak(Box::default());
    let mut first = REGIONS.load(Ordering::SeqCst);
    loop {
        region.next.store(first, Ordering::SeqCst);
        let own = std::ptr::from_ref(region).cast_mut();
        match REGIONS.compare_exchange(first, own, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => return region,
            Err(newer) => first = newer,
        }
    }
}

/// Installs the handler, once.
///
/// # Errors
/// The system's error; then nothing may be mapped.
pub(super) fn install() -> io::Result<()> {
    static INSTALLED: Mutex<bool> = Mutex::new(false);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *installed {
        return Ok(());
    }
    PAGE.store(page_bytes(), Ordering::SeqCst);
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_fault;
    // SAFETY: all zeros are a value of every field: no flags, an empty mask, no restorer.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    // On the thread's own signal stack: Rust gives each thread one, and the fault may be in deep recursion.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: both point to values of the right type that live through the call; the handler is one that may be
    // called at any time (`on_fault`).
    if unsafe { libc::sigaction(libc::SIGBUS, &raw const action, &raw mut before) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // A second install cannot come: the lock is held, and the flag says so from here on.
    let _ = BEFORE.set(before);
    *installed = true;
    Ok(())
}

/// Handles SIGBUS: a page of one of our maps is replaced by zeros, any other fault goes to who had it before.
extern "C" fn on_fault(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a pointer to a record that is valid until we return.
    let info = unsafe { &*info };
    // SAFETY: for SIGBUS the record has an address; of one that a process sent us, this reads its number.
    let address = unsafe { info.si_addr() }.addr();
    if !replace_page(address) {
        give_back();
    }
}

/// Puts a page of zeros at `address` if it lies in a map of ours.
fn replace_page(address: usize) -> bool {
    let Some(region) = find(address) else { return false };
    // Before the page: who sees its zeros sees the mark.
    region.damaged.store(true, Ordering::SeqCst);
    let bytes = PAGE.load(Ordering::SeqCst);
    let page = address - address % bytes;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    let at = std::ptr::without_provenance_mut(page);
    // SAFETY: errno belongs to the thread; its address is valid for as long as the thread runs.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above.
    let kept = unsafe { *errno };
    // SAFETY: the page lies in a map that is in use, because who reads it holds it, and a map is made of whole
    // pages; so nothing but bytes of that map is replaced, by bytes that may be read just so.
    let mapped = unsafe { libc::mmap(at, bytes, libc::PROT_READ, flags, -1, 0) };
    // SAFETY: as above. The code that was interrupted keeps the error it was about to look at.
    unsafe { *errno = kept };
    mapped != libc::MAP_FAILED
}

fn find(address: usize) -> Option<&'static Region> {
    let mut next = REGIONS.load(Ordering::SeqCst);
    // SAFETY: every pointer in the list is null or of a region that was leaked, so it is valid for ever.
    while let Some(region) = unsafe { next.as_ref() } {
        if region.holds(address) {
            return Some(region);
        }
        next = region.next.load(Ordering::SeqCst);
    }
    None
}

/// Lets who handled SIGBUS before have it: the read is made again when we return, and faults again.
fn give_back() {
    // SAFETY: all zeros are the default action.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    let before = BEFORE.get().unwrap_or(&default);
    // SAFETY: the action is one that was in force, or the default; the call is allowed in a handler.
    unsafe { libc::sigaction(libc::SIGBUS, std::ptr::from_ref(before), null_mut()) };
}
