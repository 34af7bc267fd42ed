//! What the kernel still holds of what a connection was given to send.

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd},
};

/// Bytes given to the TCP `socket` that its peer has not yet acknowledged (`SIOCOUTQ`): what `ss` calls Send-Q. It
/// falls whenever the peer takes something, long before the socket becomes writable again.
///
/// Cost: a system call that looks at two numbers.
///
/// # Errors
/// What the kernel says: the descriptor is no socket with a send queue, or it listens.
pub fn unacknowledged_bytes(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open while it is borrowed. The request (`SIOCOUTQ` has the number of `TIOCOUTQ`) writes
    // one `int` to the address it is given, which is that of `bytes`, alive and not otherwise used until it returns.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    u64::try_from(bytes).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        io::{Read as _, Write as _},
        net::{Ipv4Addr, TcpListener, TcpStream},
        os::fd::AsFd as _,
    };

    use super::*;

    #[test]
    fn it_holds_what_was_written_until_the_peer_takes_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        let held = || unacknowledged_bytes(ours.as_fd()).unwrap();
        assert_eq!(held(), 0);
        ours.set_nonblocking(true).unwrap();
        let mut written = 0;
        while let Ok(bytes) = (&ours).write(&[7; 64 << 10]) {
            written += bytes as u64;
        }
        let full = held();
        assert!(full > 0 && full <= written, "{full} of {written}");
        let mut buffer = vec![0; 64 << 10];
        let mut taken = 0;
        while taken < written {
            taken += theirs.read(&mut buffer).unwrap() as u64;
            assert!(held() <= written, "nothing was written since");
        }
        // The last acknowledgement may be under way.
        while held() > 0 {
            std::thread::yield_now();
        }
        ours.flush().unwrap();
        assert!(unacknowledged_bytes(listener.as_fd()).is_err(), "a listener sends nothing");
        assert!(unacknowledged_bytes(File::open("/dev/null").unwrap().as_fd()).is_err());
    }
}
