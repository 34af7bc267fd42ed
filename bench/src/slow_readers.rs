//! Readers that take ten bytes a second: what they cost the server in memory, and the others in throughput.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::load::connection::connect;
use crate::load::{Outcome, Request};
use crate::measure::{self, Cores};
use crate::measured::Measured;
use crate::scenario::{Pace, Side};

/// How many.
const READERS: usize = 512;
/// Each takes one byte so often.
const EVERY: Duration = Duration::from_millis(100);
/// Readers from one loopback address.
const READERS_A_SOURCE: usize = 100;
/// Addresses of the readers begin here, apart from those of the load.
const FIRST_SOURCE: usize = 100;
/// The server gets this long to fill their buffers before anything is measured.
const SETTLING: Duration = Duration::from_secs(1);

/// A load alone, and the same load beside slow readers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SlowReaders {
    /// Who was measured.
    pub(crate) server: String,
    /// How many slow readers.
    pub(crate) readers: usize,
    /// The load alone.
    pub(crate) alone: Measured,
    /// The load beside them.
    pub(crate) beside: Measured,
    /// Resident memory of the server before they came, and with them there, in megabytes.
    pub(crate) resident_mb: (f64, f64),
    /// Slow readers whose connection had ended by the end.
    pub(crate) lost: usize,
}

/// Measures `side` alone and beside slow readers of the first of its requests.
///
/// # Errors
/// When connections cannot be opened.
pub(crate) fn measure(side: &Side<'_>, pace: Pace, cores: Cores) -> io::Result<SlowReaders> {
    let load =
        || side.run(pace.connections, pace.span(), cores).map(|outcome: Outcome| Measured::of(&outcome));
    let resident_mb = || measure::usage(side.process.pid()).resident_bytes as f64 / 1e6;
    let alone = load()?;
    let before_mb = resident_mb();
    let request = side.requests.first().ok_or(io::ErrorKind::InvalidInput)?;
    let crowd = measure::on_core(cores.client, || Crowd::gather(side.address, request))??;
    thread::sleep(SETTLING);
    let with_mb = resident_mb();
    let beside = load()?;
    Ok(SlowReaders {
        server: side.name.to_owned(),
        readers: READERS,
        alone,
        beside,
        resident_mb: (before_mb, with_mb),
        lost: crowd.dismiss(),
    })
}

/// The slow readers, reading in a thread of their own.
struct Crowd {
    stop: Arc<AtomicBool>,
    reading: JoinHandle<usize>,
}

impl Crowd {
    fn gather(address: SocketAddr, request: &Request) -> io::Result<Self> {
        let mut readers = Vec::with_capacity(READERS);
        for number in 0..READERS {
            let mut stream = connect(address, FIRST_SOURCE + number / READERS_A_SOURCE)?;
            // The kernel's least: what they leave must wait at the server, not here.
            rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 1)?;
            stream.write_all(&request.wire)?;
            stream.set_nonblocking(true)?;
            readers.push(stream);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let asked_to_stop = Arc::clone(&stop);
        let reading = thread::spawn(move || {
            while !asked_to_stop.load(Ordering::Relaxed) {
                thread::sleep(EVERY);
                readers.retain_mut(|stream| match stream.read(&mut [0]) {
                    Ok(count) => count > 0,
                    Err(error) => error.kind() == io::ErrorKind::WouldBlock,
                });
            }
            READERS - readers.len()
        });
        Ok(Self { stop, reading })
    }

    /// Ends them; how many had been cut off.
    fn dismiss(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.reading.join().unwrap_or(READERS)
    }
}
