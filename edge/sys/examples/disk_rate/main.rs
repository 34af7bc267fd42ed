//! What a read costs, each way: `cargo run --release -p rillcast-sys --example disk_rate -- DIRECTORY [READ_BYTES]`.
//!
//! Reads all files of the directory once, in pieces in random order, with 4, 16 and 64 reads under way, and prints
//! the rate and the CPU seconds of the whole process for a gigabyte (10⁹ bytes). The same driver asks each way; the
//! raw io_uring crate, which the server does not use, stands beside for decision 0002.

#![expect(clippy::print_stdout, reason = "the figures are what this is run for")]

mod raw;

use std::{
    error::Error,
    fs::File,
    io,
    num::NonZeroUsize,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rillcast_sys::{
    buffers::{BufferLimits, BufferPool},
    disk::{DiskConfig, DiskFile, DiskLimits, DiskReader, DiskWay, Priority},
};
use tokio::task::LocalSet;

use self::raw::RawReader;

const DEPTHS: [usize; 3] = [4, 16, 64];

/// One read of the list.
type Slot = (Arc<DiskFile>, u64);

/// What is measured.
enum Reader {
    Ours(DiskReader, bool),
    Raw(RawReader),
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("disk_rate DIRECTORY [READ_BYTES]")?;
    let read_bytes: usize = arguments.next().map_or(Ok(1_572_864), |bytes| bytes.parse())?;
    let slots = slots(Path::new(&directory), read_bytes)?;
    println!("{} reads of {read_bytes} bytes", slots.len());
    println!("{:<34} {:>5} {:>7} {:>9}", "way", "depth", "GB/s", "CPU-s/GB");
    for depth in DEPTHS {
        for name in [
            "tokio-uring, direct",
            "raw io-uring, direct",
            "threads, direct",
            "tokio-uring, page cache",
            "threads, page cache",
        ] {
            let (took, cpu) = measure(name, depth, read_bytes, &slots)?;
            let gigabytes = slots.len() as f64 * read_bytes as f64 / 1e9;
            let (rate, cost) = (gigabytes / took.as_secs_f64(), cpu.as_secs_f64() / gigabytes);
            println!("{name:<34} {depth:>5} {rate:>7.2} {cost:>9.4}");
        }
    }
    Ok(())
}

/// All pieces of all files, in an order that is random and the same each time.
fn slots(directory: &Path, read_bytes: usize) -> Result<Vec<Slot>, Box<dyn Error>> {
    let mut slots = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let file = File::open(entry?.path())?;
        let (len, step) = (file.metadata()?.len(), u64::try_from(read_bytes)?);
        let file = Arc::new(DiskFile::new(file));
        slots.extend((0..len / step).map(|number| (Arc::clone(&file), number * step)));
    }
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for at in (1..slots.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        slots.swap(at, usize::try_from(state >> 33)? % (at + 1));
    }
    Ok(slots)
}

fn measure(
    name: &str,
    depth: usize,
    read_bytes: usize,
    slots: &[Slot],
) -> Result<(Duration, Duration), Box<dyn Error>> {
    for (file, _) in slots {
        rustix::fs::fadvise(file.file(), 0, None, rustix::fs::Advice::DontNeed)?;
    }
    let number = |number| NonZeroUsize::new(number).ok_or("zero");
    let limits = BufferLimits { buffer_bytes: number(read_bytes)?, buffers: number(depth)?, waiting: 0 };
    let pool = BufferPool::new(limits)?;
    let ours = |way| {
        let limits = DiskLimits { depth: number(depth)?, ..DiskLimits::default() };
        let reader = DiskReader::start(&DiskConfig { way, limits, faults: None }, &pool)?;
        Ok::<_, Box<dyn Error>>(Reader::Ours(reader, name.ends_with("page cache")))
    };
    let reader = match name.split(',').next() {
        Some("tokio-uring") => ours(DiskWay::Uring)?,
        Some("threads") => ours(DiskWay::Threads)?,
        _ => Reader::Raw(RawReader::start(depth, &pool)?),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (began, cpu_before) = (now(), cpu());
    LocalSet::new().block_on(&runtime, read_all(&reader, &pool, depth, read_bytes, slots))?;
    Ok((now() - began, cpu() - cpu_before))
}

/// `depth` readers, each with a part of the list.
async fn read_all(
    reader: &Reader,
    pool: &BufferPool,
    depth: usize,
    read_bytes: usize,
    slots: &[Slot],
) -> io::Result<()> {
    let next = std::cell::Cell::new(0);
    let one = async || {
        while let Some((file, offset)) = slots.get(next.get()) {
            next.set(next.get() + 1);
            let read = reader.read(pool, file, *offset, read_bytes).await?;
            assert_eq!(read, read_bytes, "every piece is whole");
        }
        Ok::<_, io::Error>(())
    };
    futures_util::future::try_join_all((0..depth).map(|_| one())).await?;
    Ok(())
}

impl Reader {
    async fn read(
        &self,
        pool: &BufferPool,
        file: &Arc<DiskFile>,
        offset: u64,
        len: usize,
    ) -> io::Result<usize> {
        let take = || pool.try_take(0).ok_or(io::ErrorKind::OutOfMemory);
        match self {
            Self::Ours(reader, false) => {
                let done = reader.read(file, offset, len, take()?, Priority::Viewer).await;
                done.map(|done| held(&done.bytes)).map_err(io::Error::other)
            }
            Self::Ours(reader, true) => {
                let done = reader.warm(file, offset, len, Priority::Viewer).await;
                done.map(|done| done.len).map_err(io::Error::other)
            }
            Self::Raw(reader) => reader.read(file, offset, len, take()?).await.map(|bytes| held(&bytes)),
        }
    }
}

/// Stands for sending: the bytes are ours until here.
fn held(bytes: &Bytes) -> usize {
    std::hint::black_box(bytes).len()
}

/// User and system time of the process.
fn cpu() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "this measures")]
fn now() -> Instant {
    Instant::now()
}
