use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{
        fd::AsFd,
        unix::{fs::FileExt as _, net::UnixStream},
    },
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;
use crate::{
    address_space::{Access, AddressRange, AddressSpace},
    slab::{SlabLimits, Slabs},
    token::RUN_BYTES_MAX,
};

/// A file that says what a test wants about itself.
#[derive(Debug)]
struct Told {
    file: File,
    is_changed: AtomicBool,
}

impl AsFd for Told {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Source for Told {
    fn is_unchanged(&self) -> io::Result<bool> {
        Ok(!self.is_changed.load(Ordering::Relaxed))
    }
}

/// A file, its bytes, and a pair of sockets to send it through.
struct Stage {
    bytes: Vec<u8>,
    file: Arc<Told>,
    courier: Courier<Told>,
    pace: Pace,
    near: UnixStream,
    far: UnixStream,
}

impl Stage {
    fn new() -> Self {
        let bytes: Vec<u8> = (0..1_500_000_u32).map(|at| ((at / 7 + at / 65_537) % 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        let space = Arc::new(AddressSpace::reserve(8 * RUN_BYTES_MAX, Access::Fault).unwrap());
        let table = TokenTable::new(AddressRange::of(&space, 0, space.len()).unwrap(), 8);
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        Self {
            bytes,
            file: Arc::new(Told { file, is_changed: AtomicBool::new(false) }),
            courier: Courier::new(table),
            pace: Pace::default(),
            near,
            far,
        }
    }

    /// A token for these ranges, and the bytes it stands for.
    fn token(&self, pieces: &[(usize, usize)]) -> (Bytes, Vec<u8>) {
        let mut run = Run::default();
        let mut bytes = Vec::new();
        for &(offset, len) in pieces {
            assert_eq!(run.push(&self.file, offset as u64, len as u64), len);
            bytes.extend_from_slice(&self.bytes[offset..offset + len]);
        }
        (self.courier.issue(run).unwrap(), bytes)
    }

    fn send(&mut self, slices: &[&[u8]], allowance: usize) -> Result<Sent, SendError> {
        let slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
        self.courier.send(self.near.as_fd(), &slices, allowance, &mut self.pace)
    }

    /// Takes what is in the socket, at most `len` bytes.
    fn take(&mut self, len: usize) -> Vec<u8> {
        self.far.set_nonblocking(true).unwrap();
        let mut taken = vec![0; len];
        let mut filled = 0;
        while let Ok(read @ 1..) = self.far.read(&mut taken[filled..]) {
            filled += read;
        }
        taken.truncate(filled);
        taken
    }

    /// Sends all of `slices` as a connection does, with a reader that takes `gulp` bytes at a time.
    fn send_all(&mut self, slices: &[Bytes], allowance: usize, gulp: usize) -> Vec<u8> {
        let mut queue = slices.to_vec();
        let mut received = Vec::new();
        while !queue.is_empty() {
            let slices: Vec<Bytes> = queue.clone();
            let slices: Vec<&[u8]> = slices.iter().map(Bytes::as_ref).collect();
            let sent = self.send(&slices, allowance).unwrap();
            assert!(sent.bytes > 0 || sent.is_blocked, "a call that does nothing says why");
            let mut left = sent.bytes;
            while left > 0 {
                let step = left.min(queue[0].len());
                queue[0] = queue[0].slice(step..);
                left -= step;
                if queue[0].is_empty() {
                    queue.remove(0);
                }
            }
            received.extend(self.take(gulp));
        }
        loop {
            let more = self.take(gulp);
            if more.is_empty() {
                return received;
            }
            received.extend(more);
        }
    }
}

/// Pieces with gaps, of sizes around pages and far from them.
fn scattered() -> Vec<(usize, usize)> {
    let sizes = [1, 4095, 21_600, 540, 4096, 70_001, 13, 4097, 150_000];
    let mut at = 3;
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle().take(36) {
        pieces.push((at, *size));
        at += size + size % 541;
    }
    pieces
}

#[test]
fn what_is_sent_is_memory_and_file_bytes_in_order_at_any_pace() {
    for (allowance, gulp) in [(usize::MAX, 1 << 20), (100_000, 1 << 20), (usize::MAX, 5000), (1000, 300_000)]
    {
        let mut stage = Stage::new();
        let (scattered, scattered_bytes) = stage.token(&scattered());
        let (whole, whole_bytes) = stage.token(&[(77, 1_000_000)]);
        let (head, tail) = (Bytes::from_static(b"head"), Bytes::from(vec![9; 100_000]));
        let expected = [&b"head"[..], &scattered_bytes, &tail, b"head", &whole_bytes].concat();
        let slices = [head.clone(), scattered, tail, Bytes::new(), head, whole];
        assert!(stage.send_all(&slices, allowance, gulp) == expected, "{allowance} {gulp}");
    }
}

#[test]
fn slabs_are_sent_between_files_and_need_no_handle_afterwards() {
    let slabs = Slabs::new(SlabLimits { memory_bytes: 1 << 20, slab_bytes: 1 << 20 }).unwrap();
    let mut filling = slabs.allocate(300_000).unwrap();
    filling.as_mut_slice().iter_mut().zip((0..241).cycle()).for_each(|(byte, value)| *byte = value);
    let range = filling.share();
    let mut stage = Stage::new();
    let mut run = Run::default();
    assert_eq!(run.push(&stage.file, 500, 70_000), 70_000);
    assert_eq!(run.push_slab(&range.part(1000, 250_000).unwrap()), 250_000);
    assert_eq!(run.push(&stage.file, 9, 10), 10);
    let expected = [&stage.bytes[500..70_500], &range.as_ref()[1000..251_000], &stage.bytes[9..19]].concat();
    let token = stage.courier.issue(run).unwrap();
    drop(range);
    assert!(stage.send_all(&[token], usize::MAX, 100_000) == expected);
    slabs.reclaim();
    assert_eq!(slabs.usage().used_bytes, 0);
}

#[test]
fn a_full_socket_blocks_and_leaves_nothing_for_the_next_connection() {
    let mut stage = Stage::new();
    let (token, bytes) = stage.token(&scattered());
    let sent = stage.send(&[&token], usize::MAX).unwrap();
    assert!(sent.is_blocked && sent.bytes < bytes.len(), "{sent:?}");
    assert_eq!(sent.of_tokens, sent.bytes);
    // Another connection of this core, whose bytes must be its own.
    let (near, far) = UnixStream::pair().unwrap();
    let (first_near, first_far) =
        (std::mem::replace(&mut stage.near, near), std::mem::replace(&mut stage.far, far));
    stage.near.set_nonblocking(true).unwrap();
    let (other, other_bytes) = stage.token(&[(500, 10), (900, 20), (40_000, 30)]);
    assert!(stage.send_all(&[other], usize::MAX, 1000) == other_bytes);
    (stage.near, stage.far) = (first_near, first_far);
    let mut received = stage.take(1 << 20);
    assert_eq!(received.len(), sent.bytes);
    received.extend(stage.send_all(&[token.slice(sent.bytes..)], usize::MAX, 1 << 20));
    assert!(received == bytes);
}

#[test]
fn the_allowance_is_kept_to_the_byte() {
    let mut stage = Stage::new();
    let (token, bytes) = stage.token(&[(0, 10_000), (20_000, 10_000)]);
    let sent = stage.send(&[b"head", &token], 12_004).unwrap();
    assert_eq!(sent, Sent { bytes: 12_004, of_tokens: 12_000, is_blocked: false });
    assert!(stage.take(1 << 20)[4..] == bytes[..12_000]);
    assert_eq!(stage.send(&[&token], 0).unwrap(), Sent::default());
}

#[test]
fn a_changed_file_is_refused_before_a_byte_of_it_leaves() {
    for pieces in [&[(0, 10_000)][..], &[(0, 10_000), (20_000, 10_000)]] {
        let mut stage = Stage::new();
        let (token, _) = stage.token(pieces);
        stage.file.is_changed.store(true, Ordering::Relaxed);
        assert!(matches!(stage.send(&[&token], usize::MAX), Err(SendError::Changed)));
        assert!(stage.take(100).is_empty());
    }
}

#[test]
fn a_file_that_ends_early_is_an_error_that_says_where() {
    for pieces in
        [&[(5000, 10_000)][..], &[(0, 1000), (5000, 10_000)], &[(0, 1000), (5000, 10_000), (30_000, 5)]]
    {
        let mut stage = Stage::new();
        let (token, bytes) = stage.token(pieces);
        stage.file.file.set_len(6000).unwrap();
        let mut sent = 0;
        let error = loop {
            match stage.send(&[&token[sent..]], usize::MAX) {
                Ok(step) => sent += step.bytes,
                Err(error) => break error,
            }
        };
        assert!(
            matches!(error, SendError::Truncated { offset: 6000, missing: 9000 }),
            "{pieces:?}: {error:?}"
        );
        assert!(bytes.starts_with(&stage.take(1 << 20)), "{pieces:?}");
        // The core goes on.
        stage.file.file.write_all_at(&stage.bytes, 0).unwrap();
        let (fine, fine_bytes) = stage.token(&[(1, 2), (5, 6)]);
        assert_eq!(stage.send_all(&[fine], usize::MAX, 100), fine_bytes);
    }
}

#[test]
fn a_client_that_left_is_an_error_of_the_socket() {
    for pieces in [&[(0, 10_000)][..], &[(0, 10_000), (20_000, 10_000)]] {
        let mut stage = Stage::new();
        let (token, _) = stage.token(pieces);
        stage.far.shutdown(std::net::Shutdown::Both).unwrap();
        let error = stage.send(&[&token], usize::MAX).unwrap_err();
        assert!(
            matches!(&error, SendError::Io(error) if error.kind() == io::ErrorKind::BrokenPipe),
            "{error:?}"
        );
    }
}

#[test]
fn an_address_without_token_is_refused() {
    let mut stage = Stage::new();
    let (token, _) = stage.token(&[(0, 10)]);
    // SAFETY: the address is reserved for as long as the stage lives, and nobody reads it.
    let stale = unsafe { std::slice::from_raw_parts(token.as_ptr(), 10) };
    drop(token);
    assert!(matches!(stage.send(&[stale], usize::MAX), Err(SendError::NoToken)));
}

#[test]
fn an_empty_slice_that_outlives_its_token_is_passed_over() {
    let mut stage = Stage::new();
    let (token, _) = stage.token(&[(0, 100)]);
    let empty = token.slice(100..);
    drop(token);
    assert!(stage.courier.is_memory(&[IoSlice::new(&empty)]));
    let sent = stage.send(&[&empty, b"memory", &empty], usize::MAX).unwrap();
    assert_eq!((sent.bytes, sent.of_tokens), (6, 0));
    assert_eq!(stage.take(6), b"memory");
}
