//! Everything a peer could use too much of, and how much of it there is.

use std::time::Duration;

/// Smallest `header_bytes` that works: hyper's own smallest buffer.
pub(crate) const HEADER_BYTES_FLOOR: usize = 8 * 1024;

/// Limits of the server. Each has a default that suits an edge of two cores and 16 GiB.
///
/// File bytes queued in user space: at most three times `read_buffer_bytes` on an HTTP/1 connection, whatever its
/// client does; on an HTTP/2 one `read_buffers_per_connection × read_buffer_bytes` and, for each further stream, five
/// small buffers of 16 KiB. Bytes in memory are shared with whoever gave them and not counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at the same time, on all cores. One more is closed as soon as it is accepted.
    pub connections: usize,
    /// Connections open at the same time from one IPv4 address or one IPv6 /64; trusted proxies are exempt.
    pub connections_per_client: usize,
    /// Bytes of a request's head: 431 beyond. At least 8 KiB.
    pub header_bytes: usize,
    /// Header fields of a request: 431 beyond.
    pub header_fields: usize,
    /// Bytes of path and query: 414 beyond.
    pub target_bytes: usize,
    /// Time for the PROXY header and the TLS handshake together.
    pub handshake_time: Duration,
    /// Time from the first byte of a head (or from the start of the connection) to its last.
    pub header_time: Duration,
    /// Time a connection may stay open without a request.
    pub idle_time: Duration,
    /// Time in which a client that is being sent something must take some of it: any bytes that its side acknowledges.
    /// The kernel is asked four times within it; what was taken before the first question does not count.
    pub send_stall_time: Duration,
    /// Streams open at the same time on one HTTP/2 connection; the protocol suggests 100 or more.
    pub http2_streams: u32,
    /// Bytes of one read of a file, and of hyper's own buffers. 64 KiB measured fastest, 128 KiB 5 % behind.
    pub read_buffer_bytes: usize,
    /// File buffers of that size one connection may have queued; beyond, its streams read into small ones.
    pub read_buffers_per_connection: usize,
    /// File buffers one core keeps for reuse.
    pub read_buffers_idle: usize,
    /// Bytes the kernel may hold that it has not sent (`TCP_NOTSENT_LOWAT`); at least 1 MiB once file bytes have left a
    /// connection without being read, because those are the page cache's own.
    pub unsent_kernel_bytes: u32,
    /// Threads of one core that wait for disks and compress.
    pub blocking_threads: usize,
    /// Connections the kernel queues before we accept them, a listener and core.
    pub accept_backlog: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_client: 256,
            header_bytes: 32 * 1024,
            header_fields: 100,
            target_bytes: 8 * 1024,
            handshake_time: Duration::from_secs(10),
            header_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(75),
            send_stall_time: Duration::from_secs(30),
            http2_streams: 128,
            read_buffer_bytes: 64 * 1024,
            read_buffers_per_connection: 8,
            read_buffers_idle: 256,
            unsent_kernel_bytes: 128 * 1024,
            blocking_threads: 16,
            accept_backlog: 1024,
        }
    }
}
