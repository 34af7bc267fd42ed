//! How often the calling thread gave its processor away because it had to wait.

use std::mem::MaybeUninit;

/// Times that the calling thread slept, since it began: for a disk, a lock, a socket. Being put aside for another thread
/// does not count, which tells one from the other. 0 where the kernel does not say.
///
/// Cost: a system call, less than a microsecond.
pub fn voluntary_switches() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` has room for the one `rusage` that the kernel writes, and lives until it has.
    let result = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    if result != 0 {
        return 0;
    }
    // SAFETY: it is made of integers, for which zeros are values too, and the call before has written it.
    let usage = unsafe { usage.assume_init() };
    u64::try_from(usage.ru_nvcsw).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn a_thread_that_waits_for_another_gives_way() {
        let (ask, asked) = sync_channel::<()>(0);
        let (answer, answered) = sync_channel(0);
        let other = std::thread::spawn(move || {
            while asked.recv().is_ok() {
                answer.send(()).unwrap();
            }
        });
        let before = voluntary_switches();
        // The two may now and then meet without sleeping; not for ever.
        while voluntary_switches() == before {
            ask.send(()).unwrap();
            answered.recv().unwrap();
        }
        drop(ask);
        other.join().unwrap();
    }
}
