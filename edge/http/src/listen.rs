//! Listening sockets: one a core and address, all on one port (`SO_REUSEPORT`).

use std::{
    io,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::TcpStream;

use crate::{limits::Limits, networks::Networks, tls::TlsFiles};

/// One address to listen on.
#[derive(Debug, Clone)]
pub struct Listener {
    /// The address; port 0 takes a free one. `[::]` takes IPv4 too, unless another listener has its port there.
    pub address: SocketAddr,
    /// With these files, TLS; else plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Peers from these networks must begin with a PROXY header; empty when there is no such proxy.
    pub proxy_protocol_from: Networks,
}

impl Listener {
    /// Plain HTTP on `address`.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None, proxy_protocol_from: Networks::default() }
    }

    /// TLS on `address`.
    pub fn tls(address: SocketAddr, files: TlsFiles) -> Self {
        Self { tls: Some(files), ..Self::plain(address) }
    }
}

/// Binds `listener` once for each core; all sockets have the port of the first.
pub(crate) fn bind(
    listener: &Listener,
    all: &[Listener],
    cores: NonZeroUsize,
    limits: &Limits,
) -> io::Result<Vec<std::net::TcpListener>> {
    let mut address = listener.address;
    let takes_ipv4 = !all.iter().any(|other| {
        other.address.is_ipv4()
            && other.address.ip().is_unspecified()
            && other.address.port() == address.port()
    });
    if address.port() != 0 {
        // Sharing a port is meant for our own cores: another process on it is an error, not a second half of us.
        open(address, takes_ipv4, false, limits)?;
    }
    let mut sockets = Vec::with_capacity(cores.get());
    for _ in 0..cores.get() {
        let socket = open(address, takes_ipv4, true, limits)?;
        address = socket.local_addr()?;
        sockets.push(socket);
    }
    Ok(sockets)
}

fn open(
    address: SocketAddr,
    takes_ipv4: bool,
    shares_port: bool,
    limits: &Limits,
) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let IpAddr::V6(ip) = address.ip() {
        socket.set_only_v6(!(ip.is_unspecified() && takes_ipv4))?;
    }
    // Connections of a former process in TIME_WAIT must not keep us from starting.
    socket.set_reuse_address(true)?;
    if shares_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(limits.accept_backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Sets an accepted connection up: no waiting for full packets, and little that the kernel holds unsent.
pub(crate) fn tune(stream: &TcpStream, limits: &Limits) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_notsent_lowat(limits.unsent_kernel_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cores_share_one_port_and_another_server_does_not() {
        let limits = Limits::default();
        let mut listener = Listener::plain("127.0.0.1:0".parse().unwrap());
        let cores = NonZeroUsize::new(3).unwrap();
        let sockets = bind(&listener, &[], cores, &limits).unwrap();
        let port = sockets[0].local_addr().unwrap().port();
        assert!(sockets.iter().all(|socket| socket.local_addr().unwrap().port() == port));
        listener.address.set_port(port);
        assert_eq!(bind(&listener, &[], cores, &limits).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn the_ipv6_wildcard_takes_ipv4_unless_someone_else_does() {
        let limits = Limits::default();
        let six = Listener::plain("[::]:0".parse().unwrap());
        let sockets = bind(&six, &[], NonZeroUsize::MIN, &limits).unwrap();
        assert!(!SockRef::from(&sockets[0]).only_v6().unwrap());
        let four = Listener::plain("0.0.0.0:0".parse().unwrap());
        let sockets = bind(&six, &[four], NonZeroUsize::MIN, &limits).unwrap();
        assert!(SockRef::from(&sockets[0]).only_v6().unwrap());
    }
}
