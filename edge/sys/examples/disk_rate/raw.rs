//! The raw io_uring crate behind the same question: one thread, one ring, registered buffers and no runtime.

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::AsRawFd as _,
    sync::{Arc, mpsc},
};

use bytes::Bytes;
use raw_io_uring::{IoUring, opcode, types::Fd};
use rillcast_sys::{
    buffers::{Buffer, BufferPool},
    disk::DiskFile,
};
use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::oneshot;

/// The completion that says that somebody asks.
const WOKEN: u64 = u64::MAX;

struct Request {
    file: Arc<File>,
    offset: u64,
    len: usize,
    buffer: Buffer,
    answer: oneshot::Sender<io::Result<Bytes>>,
}

/// A handle on the thread.
pub(crate) struct RawReader {
    requests: mpsc::SyncSender<Request>,
    wake: File,
    direct: parking_lot::Mutex<std::collections::HashMap<i32, Arc<File>>>,
}

impl RawReader {
    pub(crate) fn start(depth: usize, pool: &BufferPool) -> io::Result<Self> {
        let (requests, asked) = mpsc::sync_channel(depth * 2);
        let wake = File::from(eventfd(0, EventfdFlags::CLOEXEC)?);
        let woken = wake.try_clone()?;
        // Taken once to learn where they are.
        let mut all: Vec<Buffer> = std::iter::from_fn(|| pool.try_take(0)).collect();
        let places = all.iter_mut().map(|buffer| buffer.bytes_mut().as_mut_ptr().expose_provenance());
        let places: Vec<usize> = places.collect();
        let pool = pool.clone();
        std::thread::spawn(move || serve(depth, &asked, &woken, &pool, &places).expect("the ring works"));
        Ok(Self { requests, wake, direct: Default::default() })
    }

    pub(crate) async fn read(
        &self,
        file: &Arc<DiskFile>,
        offset: u64,
        len: usize,
        buffer: Buffer,
    ) -> io::Result<Bytes> {
        let file = Arc::clone(self.direct.lock().entry(file.file().as_raw_fd()).or_insert_with(|| {
            let path = format!("/proc/self/fd/{}", file.file().as_raw_fd());
            let flags = rustix::fs::OFlags::DIRECT | rustix::fs::OFlags::CLOEXEC;
            let opened = rustix::fs::open(path, flags, rustix::fs::Mode::empty());
            Arc::new(File::from(opened.expect("the file opens for direct reads")))
        }));
        let (answer, coming) = oneshot::channel();
        let request = Request { file, offset, len, buffer, answer };
        self.requests.send(request).map_err(io::Error::other)?;
        (&self.wake).write_all(&1_u64.to_ne_bytes())?;
        coming.await.map_err(io::Error::other)?
    }
}

fn serve(
    depth: usize,
    asked: &mpsc::Receiver<Request>,
    woken: &File,
    pool: &BufferPool,
    places: &[usize],
) -> io::Result<()> {
    let mut ring = IoUring::new(u32::try_from(depth * 2).unwrap_or(256).max(8))?;
    let vectors = places.iter().map(|place| libc_iovec(*place, pool.buffer_bytes()));
    let vectors: Vec<_> = vectors.collect();
    // SAFETY: the pool, which we hold, owns the memory; nothing is written to it before a request says so.
    unsafe { ring.submitter().register_buffers(&vectors) }?;
    let mut count = [0_u8; 8];
    let mut running: Vec<Option<Request>> = (0..depth * 2).map(|_| None).collect();
    let mut is_armed = false;
    let mut is_over = false;
    while !is_over || running.iter().any(Option::is_some) {
        if !is_armed && !is_over {
            let entry = opcode::Read::new(Fd(woken.as_raw_fd()), count.as_mut_ptr(), 8).build();
            // SAFETY: `count` and `woken` outlive the ring, which is dropped first.
            unsafe { ring.submission().push(&entry.user_data(WOKEN)) }.map_err(io::Error::other)?;
            is_armed = true;
        }
        loop {
            match asked.try_recv() {
                Ok(request) => begin(&mut ring, &mut running, places, request)?,
                Err(mpsc::TryRecvError::Empty) => break,
                Err(mpsc::TryRecvError::Disconnected) => {
                    is_over = true;
                    break;
                }
            }
        }
        if is_over && running.iter().all(Option::is_none) {
            break;
        }
        ring.submit_and_wait(1)?;
        for completion in ring.completion() {
            if completion.user_data() == WOKEN {
                is_armed = false;
                continue;
            }
            let slot = usize::try_from(completion.user_data()).ok().and_then(|at| running.get_mut(at));
            let Some(request) = slot.and_then(Option::take) else { continue };
            let read = usize::try_from(completion.result());
            let read = read.map_err(|_| io::Error::from_raw_os_error(-completion.result()));
            drop(request.answer.send(read.map(|read| request.buffer.freeze(0..read))));
        }
    }
    Ok(())
}

fn begin(
    ring: &mut IoUring,
    running: &mut [Option<Request>],
    places: &[usize],
    mut request: Request,
) -> io::Result<()> {
    let free = running.iter().position(Option::is_none).ok_or(io::ErrorKind::OutOfMemory)?;
    let len = u32::try_from(request.len).map_err(io::Error::other)?;
    let address = request.buffer.bytes_mut().as_mut_ptr();
    let index = places.iter().position(|place| *place == address.addr()).ok_or(io::ErrorKind::NotFound)?;
    let index = u16::try_from(index).map_err(io::Error::other)?;
    let file = Fd(request.file.as_raw_fd());
    let entry = opcode::ReadFixed::new(file, address, len, index).offset(request.offset);
    let entry = entry.build().user_data(u64::try_from(free).map_err(io::Error::other)?);
    if let Some(slot) = running.get_mut(free) {
        *slot = Some(request);
    }
    // SAFETY: the request, kept in `running` until its completion, owns the buffer and the file.
    unsafe { ring.submission().push(&entry) }.map_err(io::Error::other)
}

fn libc_iovec(place: usize, len: usize) -> libc::iovec {
    libc::iovec { iov_base: std::ptr::with_exposed_provenance_mut(place), iov_len: len }
}
