//! What is said at the start: where the server is, or why there is none.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::Context;
use rillcast_http::{Listener, StartError};

/// Says what to do next about a server that does not start.
pub(super) fn with_advice(error: StartError) -> anyhow::Error {
    use std::io::ErrorKind;
    let advice = match &error {
        StartError::Listen { source, .. } if source.kind() == ErrorKind::AddrInUse => {
            "cannot start: the port is taken; another address goes with --listen ADDR:PORT"
        }
        StartError::Listen { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            "cannot start: ports below 1024 want CAP_NET_BIND_SERVICE; another goes with --listen ADDR:PORT"
        }
        StartError::Listen { .. } => "cannot start: is the address this machine's? See `ip address`",
        StartError::Disk(_) => "cannot start: see `disk` and `disk_buffer_mib` of [delivery]",
        StartError::Tls { .. } => "cannot start: see `certificate` and `key` of the listener",
        StartError::Core { .. } => "cannot start: see `ulimit -u` and the memory left",
    };
    anyhow::Error::new(error).context(advice)
}

/// Prints where the page is, for people and for scripts that wait for it.
pub(super) fn announce(listeners: &[Listener], addresses: &[SocketAddr]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    for (listener, address) in listeners.iter().zip(addresses) {
        let scheme = if listener.tls.is_some() { "https" } else { "http" };
        writeln!(out, "rillcast is ready: {scheme}://{address}/")?;
    }
    out.flush().context("cannot write to standard output")
}
