//! Whether the kernel could do TLS's record layer. Nothing uses it: the answer is for operators, and for the day when
//! machines that have it are many enough to be worth a second path.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::AsRawFd as _,
};

/// Asks the kernel for TLS on a connection of our own over the loopback. Loads the kernel's module where there is one.
///
/// # Errors
/// Why it is not to be had: [`io::ErrorKind::NotFound`] from a kernel without it.
pub fn probe() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let socket = TcpStream::connect(listener.local_addr()?)?;
    let name = b"tls";
    let len = libc::socklen_t::try_from(name.len()).expect("three bytes");
    // SAFETY: the descriptor is open while `socket` lives; the kernel reads `len` bytes from `name`, which has them.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_TCP, libc::TCP_ULP, name.as_ptr().cast(), len)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_agrees_with_the_list_of_the_kernel() {
        let answer = probe();
        let listed = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_ulp").unwrap_or_default();
        let is_listed = listed.split_whitespace().any(|name| name == "tls");
        assert_eq!(answer.is_ok(), is_listed, "{answer:?} {listed}");
    }
}
