//! Address tokens and the courier in any order of use: what comes out of the socket is what a plain vector says, and
//! nothing is left when all is dropped.
//!
//! Input: operations of four bytes, a code and three numbers. The addresses end the process when they are read.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use rillcast_sys::address_space::{Access, AddressRange, AddressSpace};
use rillcast_sys::token::{RUN_BYTES_MAX, Run, Source, TokenTable};
use rillcast_sys::zero_copy::{Courier, Pace};

/// Tokens that may be alive.
const SLOTS: usize = 4;
/// Bytes of the file.
const FILE_BYTES: usize = 64 << 10;
/// Operations of one input.
const MAX_OPERATIONS: usize = 64;

/// A file nobody changes.
struct Still(std::fs::File);

impl AsFd for Still {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Source for Still {
    fn is_unchanged(&self) -> io::Result<bool> {
        Ok(true)
    }
}

fn content() -> &'static (Vec<u8>, Arc<Still>) {
    static CONTENT: OnceLock<(Vec<u8>, Arc<Still>)> = OnceLock::new();
    CONTENT.get_or_init(|| {
        let bytes: Vec<u8> =
            (0..FILE_BYTES).map(|at| u8::try_from((at / 3 + at / 251) % 251).expect("a remainder")).collect();
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(&bytes).expect("room for it");
        (bytes, Arc::new(Still(file)))
    })
}

/// A connection, and what must come out of it.
struct Scene {
    table: Arc<TokenTable<Still>>,
    courier: Courier<Still>,
    pace: Pace,
    near: UnixStream,
    far: UnixStream,
    /// The run being made, and its bytes.
    run: (Run<Still>, Vec<u8>),
    /// What is to be sent, each with its bytes.
    queue: Vec<(Bytes, Vec<u8>)>,
    sent: Vec<u8>,
    received: Vec<u8>,
}

/// Runs one input.
pub fn run(data: &[u8]) {
    let mut scene = Scene::new();
    for [code, a, b, c] in data.as_chunks::<4>().0.iter().take(MAX_OPERATIONS) {
        let [a, b, c] = [a, b, c].map(|part| usize::from(*part));
        match code % 8 {
            0 | 1 => scene.push_piece(a * 256 + b, if code % 8 == 0 { c } else { c * 97 }),
            2 => scene.issue(),
            3 => scene.queue.push((Bytes::from(vec![1; a]), vec![1; a])),
            4 => scene.cut(a, b),
            5 => scene.forget(a),
            6 => scene.send(a * 256 + b),
            _ => scene.receive(a * 256 + b),
        }
    }
    scene.end();
}

impl Scene {
    fn new() -> Self {
        let space = AddressSpace::reserve(SLOTS * RUN_BYTES_MAX, Access::Fault).expect("a few addresses");
        let space = Arc::new(space);
        let range = AddressRange::of(&space, 0, space.len()).expect("all of it");
        let table = TokenTable::new(range, SLOTS);
        let (near, far) = UnixStream::pair().expect("a pair of sockets");
        for end in [&near, &far] {
            end.set_nonblocking(true).expect("sockets can be asked not to wait");
        }
        Self {
            courier: Courier::new(Arc::clone(&table)),
            table,
            pace: Pace::default(),
            near,
            far,
            run: (Run::default(), Vec::new()),
            queue: Vec::new(),
            sent: Vec::new(),
            received: Vec::new(),
        }
    }

    fn push_piece(&mut self, offset: usize, len: usize) {
        let (bytes, file) = content();
        let piece = bytes.get(offset..).unwrap_or_default();
        let piece = piece.get(..len).unwrap_or(piece);
        let taken = self.run.0.push(file, offset as u64, piece.len() as u64);
        assert_eq!(taken, piece.len(), "a run has room for all of one input");
        self.run.1.extend_from_slice(piece);
    }

    fn issue(&mut self) {
        let (run, bytes) = std::mem::take(&mut self.run);
        let alive = self.table.alive();
        match self.courier.issue(run) {
            Some(token) => {
                assert_eq!((token.len(), self.table.alive()), (bytes.len(), alive + 1));
                self.queue.push((token, bytes));
            }
            None => assert!(bytes.is_empty() || alive == SLOTS),
        }
    }

    /// Replaces one slice by a part of it.
    fn cut(&mut self, at: usize, start: usize) {
        let count = self.queue.len().max(1);
        if let Some((slice, bytes)) = self.queue.get_mut(at % count) {
            let start = start.min(bytes.len());
            *slice = slice.slice(start..);
            bytes.drain(..start);
        }
    }

    /// Drops one slice.
    fn forget(&mut self, at: usize) {
        if !self.queue.is_empty() {
            self.queue.remove(at % self.queue.len());
        }
    }

    fn send(&mut self, allowance: usize) {
        let slices: Vec<_> = self.queue.iter().map(|(slice, _)| IoSlice::new(slice)).collect();
        let sent = self.courier.send(self.near.as_fd(), &slices, allowance, &mut self.pace);
        let mut left = sent.expect("files and socket are well").bytes;
        while left > 0 {
            let (slice, bytes) = self.queue.first_mut().expect("no more is sent than there was");
            let step = left.min(bytes.len());
            self.sent.extend(bytes.drain(..step));
            *slice = slice.slice(step..);
            left -= step;
            if bytes.is_empty() {
                self.queue.remove(0);
            }
        }
    }

    fn receive(&mut self, len: usize) {
        let mut room = vec![0; len];
        if let Ok(read) = self.far.read(&mut room) {
            self.received.extend_from_slice(&room[..read]);
        }
    }

    fn end(mut self) {
        self.queue.retain(|(_, bytes)| !bytes.is_empty());
        while !self.queue.is_empty() {
            self.send(usize::MAX);
            self.receive(1 << 20);
        }
        while self.received.len() < self.sent.len() {
            self.receive(1 << 20);
        }
        assert!(self.received == self.sent);
        assert_eq!(self.table.alive(), 0);
    }
}
