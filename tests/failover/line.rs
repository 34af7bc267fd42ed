//! A TCP proxy that can do to its connections what networks do: carry, refuse, end, or say nothing more.
//!
//! ```text
//!  who connects ─▶ address of the line ─▶ the first of its targets that lets it in
//!                        │
//!                        ├─ open          carries everything
//!                        ├─ hold_after(n) carries n bytes of answers more, then nothing, in either direction: a
//!                        │                network that swallows what it is given
//!                        └─ refuse        resets what is open and lets nobody in
//! ```

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// Bytes that are carried at once.
const PIECE_BYTES: usize = 16 << 10;

/// A listening address in front of others. Dropping it ends its connections.
pub(crate) struct Line {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<thread::JoinHandle<()>>,
}

/// What a line has carried so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Carried {
    /// Connections that reached a target.
    pub(crate) connections: u64,
    /// Of these, those that did not reach the first one.
    pub(crate) diverted: u64,
    /// Bytes of answers.
    pub(crate) bytes: u64,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    targets: Vec<SocketAddr>,
    is_refusing: bool,
    /// Bytes of answers that are still carried; all without.
    left: Option<usize>,
    /// Pumps that have something to carry and may not.
    held: usize,
    open: Vec<Weak<Pair>>,
    carried: Carried,
}

/// Both ends of a connection. They are closed when nobody carries between them any more.
struct Pair {
    near: TcpStream,
    far: TcpStream,
    /// Whether its end is a reset, so that nobody sends a proper end first.
    is_reset: AtomicBool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Request,
    Answer,
}

impl Line {
    /// A line at a free port of 127.0.0.`host` to the first of `targets` that lets it in.
    pub(crate) fn new(host: u8, targets: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, host), 0)).expect("a free port");
        let shared = Arc::new(Shared::default());
        shared.lock().targets = targets;
        let address = listener.local_addr().expect("it is bound");
        let accepting = Some(accept(listener, Arc::clone(&shared)));
        Self { address, shared, accepting }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on new connections go to `target`.
    pub(crate) fn lead_to(&self, target: SocketAddr) {
        self.shared.lock().targets = vec![target];
    }

    /// Carries everything, also what was held, and lets everybody in.
    pub(crate) fn open(&mut self) {
        self.shared.change(|state| (state.left, state.is_refusing) = (None, false));
        if self.accepting.is_none() {
            // The port is its own: nobody else was given it in the meantime on this address.
            let listener = TcpListener::bind(self.address).expect("the port was ours");
            self.accepting = Some(accept(listener, Arc::clone(&self.shared)));
        }
    }

    /// Carries so many bytes of answers more, over all its connections, and then nothing.
    pub(crate) fn hold_after(&self, bytes: usize) {
        self.shared.change(|state| state.left = Some(bytes));
    }

    /// Whether bytes of an answer wait for it to be opened.
    pub(crate) fn is_holding(&self) -> bool {
        let state = self.shared.lock();
        state.held > 0 && state.left == Some(0)
    }

    /// Resets what is open; whoever connects is refused by the kernel.
    pub(crate) fn refuse(&mut self) {
        self.shared.change(|state| state.is_refusing = true);
        self.shared.reset_all();
        if let Some(accepting) = self.accepting.take() {
            // Wakes it, so that it sees that it is over and closes the socket.
            drop(TcpStream::connect(self.address));
            accepting.join().expect("it does not panic");
        }
    }

    pub(crate) fn carried(&self) -> Carried {
        self.shared.lock().carried
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.refuse();
    }
}

/// Lets connections in until the line refuses.
fn accept(listener: TcpListener, shared: Arc<Shared>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        while let Ok((near, _)) = listener.accept() {
            if shared.lock().is_refusing {
                break;
            }
            let shared = Arc::clone(&shared);
            thread::spawn(move || carry(&shared, near));
        }
    })
}

/// Carries what comes on `near` until both directions are over.
fn carry(shared: &Arc<Shared>, near: TcpStream) {
    let Some(far) = shared.reach() else {
        // As if it had not been let in.
        let _ = set_socket_linger(&near, Some(Duration::ZERO));
        return;
    };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let pair = Arc::new(Pair { near, far, is_reset: AtomicBool::new(false) });
    if !shared.admit(&pair) {
        pair.reset();
        return;
    }
    let (other, shared_too) = (Arc::clone(&pair), Arc::clone(shared));
    let answers = thread::spawn(move || pump(&shared_too, &other, Way::Answer));
    pump(shared, &pair, Way::Request);
    answers.join().expect("it does not panic");
}

fn pump(shared: &Shared, pair: &Pair, way: Way) {
    let (mut from, mut to) = match way {
        Way::Request => (&pair.near, &pair.far),
        Way::Answer => (&pair.far, &pair.near),
    };
    let mut buffer = vec![0; PIECE_BYTES];
    let outcome = loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(read) => read,
            Err(error) => break Err(error),
        };
        let mut rest = buffer.get(..read).unwrap_or_default();
        while let Some((now, later)) = rest.split_at_checked(shared.may_pass(way, rest.len())) {
            if now.is_empty() || pair.is_reset() || to.write_all(now).is_err() {
                return pair.reset();
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
    };
    // An end is passed on as an end, and a reset as a reset.
    match outcome {
        Ok(()) if pair.is_reset() => {}
        Ok(()) => drop(to.shutdown(Shutdown::Write)),
        Err(_) => pair.reset(),
    }
}

impl Pair {
    /// Both sides get a reset as soon as the pumps have let go of it, which this makes them do.
    fn reset(&self) {
        self.is_reset.store(true, Ordering::SeqCst);
        for end in [&self.near, &self.far] {
            // Both fail only where there is no connection any more.
            let _ = set_socket_linger(end, Some(Duration::ZERO));
            let _ = end.shutdown(Shutdown::Read);
        }
    }

    fn is_reset(&self) -> bool {
        self.is_reset.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// A connection to the first target that lets us in.
    fn reach(&self) -> Option<TcpStream> {
        let targets = self.lock().targets.clone();
        let (place, far) = targets
            .iter()
            .enumerate()
            .find_map(|(place, target)| Some((place, TcpStream::connect(target).ok()?)))?;
        let mut state = self.lock();
        state.carried.connections += 1;
        state.carried.diverted += u64::from(place > 0);
        Some(far)
    }

    fn admit(&self, pair: &Arc<Pair>) -> bool {
        let mut state = self.lock();
        state.open.retain(|pair| pair.strong_count() > 0);
        state.open.push(Arc::downgrade(pair));
        !state.is_refusing
    }

    fn reset_all(&self) {
        let open = std::mem::take(&mut self.lock().open);
        for pair in open.iter().filter_map(Weak::upgrade) {
            pair.reset();
        }
    }

    /// Waits until some of `len` bytes may pass, and says how many; none when the line refuses.
    fn may_pass(&self, way: Way, len: usize) -> usize {
        let mut state = self.lock();
        let is_answer = way == Way::Answer;
        if state.left == Some(0) && !state.is_refusing {
            state.held += usize::from(is_answer);
            state = self
                .changed
                .wait_while(state, |state| state.left == Some(0) && !state.is_refusing)
                .expect("nobody panics with it");
            state.held -= usize::from(is_answer);
        }
        if state.is_refusing {
            return 0;
        }
        if !is_answer {
            return len;
        }
        let now = state.left.map_or(len, |left| left.min(len));
        state.left = state.left.map(|left| left - now);
        state.carried.bytes += u64::try_from(now).expect("it fits");
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A peer that answers each connection's first byte with `answer` and closes.
    fn answering(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if stream.read_exact(&mut [0]).is_ok() {
                    let _ = stream.write_all(answer);
                }
            }
        });
        address
    }

    fn ask(line: &Line) -> TcpStream {
        let mut stream = TcpStream::connect(line.address()).unwrap();
        stream.write_all(b"?").unwrap();
        stream
    }

    #[test]
    fn it_holds_after_so_many_bytes_and_goes_on_when_it_is_opened() {
        let mut line = Line::new(31, vec![answering(b"0123456789")]);
        line.hold_after(4);
        let mut stream = ask(&line);
        let mut start = [0; 4];
        stream.read_exact(&mut start).unwrap();
        while !line.is_holding() {
            thread::yield_now();
        }
        line.open();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!((&start, rest.as_slice()), (b"0123", b"456789".as_slice()));
        assert_eq!(line.carried().bytes, 10);
    }

    #[test]
    fn a_line_that_refuses_resets_what_is_open_and_can_be_opened_again() {
        let mut line = Line::new(31, vec![answering(b"0123456789")]);
        line.hold_after(4);
        let mut stream = ask(&line);
        stream.read_exact(&mut [0; 4]).unwrap();
        line.refuse();
        assert!(stream.read(&mut [0]).is_err(), "a reset, not an end");
        assert!(TcpStream::connect(line.address()).is_err());
        line.open();
        let mut all = Vec::new();
        ask(&line).read_to_end(&mut all).unwrap();
        assert_eq!(all, b"0123456789");
    }

    #[test]
    fn it_leads_to_the_next_target_where_the_first_is_gone() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let line = Line::new(31, vec![gone, answering(b"x")]);
        ask(&line).read_exact(&mut [0]).unwrap();
        let Carried { connections, diverted, .. } = line.carried();
        assert_eq!((connections, diverted), (1, 1));
    }
}
