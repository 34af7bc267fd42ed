//! The origin behind the caches that are measured: it answers as a script says, counts what it is asked, and knows when
//! it answered.
//!
//! A thread a connection, HTTP/1.1 with keep-alive, GET only: a cache in front of it asks little. What it says of
//! freshness lasts longer than any run, and `Age` has as many digits at the end of a run as at its beginning, so that
//! answers have the same length throughout: a client that counts TLS records can tell them by it.

use std::io::{self, BufRead, BufReader, ErrorKind, IoSlice, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use bytes::Bytes;

use crate::measure;

/// Longest request line or field taken.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// What an origin answers.
pub(crate) trait Script: Send + Sync + 'static {
    /// The answer to a GET of `target` (path and query); nothing is a 404. It may take its time.
    fn answer(&self, target: &str) -> Option<Scripted>;
}

/// An answer with status 200.
#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    /// Further header fields, each with its line end.
    pub(crate) fields: String,
    /// The body.
    pub(crate) body: Bytes,
}

/// A running origin. Dropping it ends it; connections end with the cache that opened them.
#[derive(Debug)]
pub(crate) struct Origin {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
}

/// What it was asked.
#[derive(Debug, Default)]
struct Seen {
    requests: AtomicU64,
    /// When it began the first answer since it was last told to forget.
    answered: Mutex<Option<Instant>>,
}

impl Origin {
    /// Starts one that follows `script`, on core `core`.
    ///
    /// # Errors
    /// When there is no port or no thread.
    pub(crate) fn start(script: Arc<impl Script>, core: usize) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let (seen, stop) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
        let (counts, told) = (Arc::clone(&seen), Arc::clone(&stop));
        // Threads inherit the core that they are started on.
        let accept = move || {
            for stream in listener.incoming().flatten() {
                if told.load(Ordering::Relaxed) {
                    return;
                }
                let (script, counts) = (Arc::clone(&script), Arc::clone(&counts));
                let serve = move || {
                    // Whoever asked sees a broken connection, and says so.
                    let _ = serve(&stream, script.as_ref(), &counts);
                };
                // Without a thread the connection is closed, which its cache reports.
                let _ = thread::Builder::new().name("origin".to_owned()).spawn(serve);
            }
        };
        measure::on_core(core, || thread::Builder::new().name("origin-accept".to_owned()).spawn(accept))??;
        Ok(Self { address, seen, stop })
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> u64 {
        self.seen.requests.load(Ordering::Relaxed)
    }

    /// When it began the first answer since the last call; each call forgets.
    pub(crate) fn take_answered(&self) -> Option<Instant> {
        self.seen.answered.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts; if it is gone, all the better.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: &TcpStream, script: &impl Script, seen: &Seen) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(target) = read_request(&mut reader)? {
        seen.requests.fetch_add(1, Ordering::Relaxed);
        let answer = script.answer(&target);
        seen.answered.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(measure::now);
        match answer {
            Some(Scripted { fields, body }) => {
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{fields}\r\n");
                write_both(stream, head.as_bytes(), &body)?;
            }
            None => (&*stream).write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        }
    }
    Ok(())
}

/// The target of the next request; nothing when the connection ended between two.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let Some(first) = read_line(reader)? else { return Ok(None) };
    while read_line(reader)?.is_some_and(|line| !line.is_empty()) {}
    let mut words = first.split(' ');
    match (words.next(), words.next()) {
        (Some("GET"), Some(target)) => Ok(Some(target.to_owned())),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "not a GET")),
    }
}

fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let count = io::Read::take(&mut *reader, LINE_BYTES_MAX as u64).read_line(&mut line)?;
    Ok((count > 0).then(|| line.trim_end().to_owned()))
}

/// Head and body with one call where they fit: two would cost the reader a wait of its own.
fn write_both(mut stream: &TcpStream, head: &[u8], body: &[u8]) -> io::Result<()> {
    let written = stream.write_vectored(&[IoSlice::new(head), IoSlice::new(body)])?;
    stream.write_all(head.get(written..).unwrap_or_default())?;
    stream.write_all(body.get(written.saturating_sub(head.len())..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::{Client, FetchError};

    struct Echo;

    impl Script for Echo {
        fn answer(&self, target: &str) -> Option<Scripted> {
            let body = Bytes::copy_from_slice(target.strip_prefix("/echo/")?.as_bytes());
            Some(Scripted { fields: "X-Kind: echo\r\n".to_owned(), body })
        }
    }

    #[test]
    fn an_origin_follows_its_script_and_counts() {
        let core = measure::Cores::of_this_machine().unwrap().client;
        let origin = Origin::start(Arc::new(Echo), core).unwrap();
        assert!(origin.take_answered().is_none());
        let mut client = Client::new(origin.address);
        assert_eq!(client.text("/echo/one?x=1").unwrap(), "one?x=1");
        assert_eq!(client.text("/echo/two").unwrap(), "two");
        let refused = client.text("/else").unwrap_err();
        assert!(matches!(refused, FetchError::Status { status: 404, .. }), "{refused}");
        assert_eq!(origin.requests(), 3);
        assert!(origin.take_answered().is_some());
        assert!(origin.take_answered().is_none(), "taken");
    }
}
