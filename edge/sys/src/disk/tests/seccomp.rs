//! A kernel that refuses io_uring for real: by a seccomp filter, as containers have it.

use std::io::Write;

use super::*;

const ONE: usize = 4096;

/// What was logged in this process.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Sink;

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Has the kernel answer `io_uring_setup` with `errno`, for this thread and those that it starts, for ever.
fn forbid_uring(errno: i32) {
    let code = |parts: &[u32]| u16::try_from(parts.iter().fold(0, |all, part| all | part)).unwrap();
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let setup = u32::try_from(libc::SYS_io_uring_setup).unwrap();
    let refuse = libc::SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap();
    let mut steps = [
        // The number of the call is the first word of what a filter sees.
        step(code(&[libc::BPF_LD, libc::BPF_W, libc::BPF_ABS]), 0, 0, 0),
        step(code(&[libc::BPF_JMP, libc::BPF_JEQ, libc::BPF_K]), 0, 1, setup),
        step(code(&[libc::BPF_RET, libc::BPF_K]), 0, 0, refuse),
        step(code(&[libc::BPF_RET, libc::BPF_K]), 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: u16::try_from(steps.len()).unwrap(), filter: steps.as_mut_ptr() };
    // SAFETY: changes a flag of the calling thread; takes no pointer.
    let unprivileged = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(unprivileged, 0);
    // SAFETY: `program` and the `len` steps that it points to live until the call returns; the kernel copies them.
    let filtered =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(filtered, 0, "{}", io::Error::last_os_error());
}

#[test]
fn a_filter_that_refuses_io_uring_costs_the_ring_and_nothing_else() {
    let _set_before = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Sink).try_init();
    let bytes = content(3 * ONE);
    // EPERM and ENOSYS: what container runtimes answer.
    for (errno, word) in [(1, "seccomp"), (38, "Linux 5.6")] {
        let (bytes, file) = (bytes.clone(), file_of(&bytes));
        let in_filter = move || {
            forbid_uring(errno);
            let pool = pool();
            let auto = reader(DiskWay::Auto, &pool, None).unwrap();
            assert_eq!((auto.way(), auto.is_registered()), (DiskWay::Threads, false));
            let read = auto.read(&file, 100, ONE, pool.try_take(0).unwrap(), Priority::Viewer);
            assert_eq!(block_on(read).unwrap().bytes, bytes[100..100 + ONE]);
            let asked_for = DiskConfig { way: DiskWay::Uring, ..DiskConfig::default() };
            let refused = DiskReader::start(&asked_for, &pool).unwrap_err();
            assert!(refused.to_string().contains(word), "{refused}");
        };
        // Of its own, because a filter is never taken off.
        std::thread::spawn(in_filter).join().unwrap();
        let log = String::from_utf8(LOG.lock().clone()).unwrap();
        let told =
            log.lines().find(|line| line.contains("the system refuses io_uring") && line.contains(word));
        assert!(told.is_some_and(|line| line.contains("WARN")), "{log}");
    }
}
