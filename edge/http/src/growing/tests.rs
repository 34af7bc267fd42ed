use std::{
    future::Future as _,
    pin::pin,
    sync::atomic::AtomicUsize,
    task::{Context, Wake},
};

use futures_util::{FutureExt as _, task::noop_waker_ref};
use proptest::prelude::*;
use rillcast_sys::slab::SlabLimits;

use super::*;
use crate::body_source::BodySource;

fn slabs(memory_bytes: usize) -> Slabs {
    Slabs::new(SlabLimits { memory_bytes, slab_bytes: memory_bytes }).unwrap()
}

fn media(len: usize) -> Bytes {
    (0..=250_u8).cycle().take(len).collect()
}

fn append(writer: &mut GrowingWriter, bytes: &[u8]) {
    let mut bytes = Bytes::copy_from_slice(bytes);
    writer.append(&mut bytes).unwrap();
    assert!(bytes.is_empty());
}

/// What a reader sees until it has to wait, and how it ended if it did.
fn read(part: &mut GrowingPart) -> (Vec<u8>, Option<Result<(), Broken>>) {
    let cx = &mut Context::from_waker(noop_waker_ref());
    let mut all = Vec::new();
    loop {
        match part.poll_next(cx) {
            Poll::Pending => return (all, None),
            Poll::Ready(None) => return (all, Some(Ok(()))),
            Poll::Ready(Some(Err(why))) => return (all, Some(Err(why))),
            Poll::Ready(Some(Ok(BodySource::Mem(bytes)))) => all.extend_from_slice(&bytes),
            Poll::Ready(Some(Ok(BodySource::Slab(range)))) => all.extend_from_slice(range.as_ref()),
            Poll::Ready(Some(Ok(other))) => panic!("{other:?}"),
        }
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn followers_read_what_is_there_and_are_woken_by_more_and_by_the_end() {
    let (mut writer, growing) = Growing::new(Keeping::Slabs(slabs(1 << 20)), Some(200_000));
    let bytes = media(200_000);
    let (mut early, count) = (GrowingPart::whole(growing.clone()), Arc::new(Count::default()));
    let waker = Waker::from(Arc::clone(&count));
    assert!(early.poll_next(&mut Context::from_waker(&waker)).is_pending());
    append(&mut writer, &bytes[..1000]);
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    append(&mut writer, &bytes[1000..150_000]);
    assert_eq!(count.0.load(Ordering::Relaxed), 1, "woken once for each time it waits");
    assert_eq!(read(&mut early), (bytes[..150_000].to_vec(), None));
    let mut late = GrowingPart::whole(growing.clone()).cut(140_000, 160_000);
    assert_eq!(read(&mut late), (bytes[140_000..150_000].to_vec(), None));
    append(&mut writer, &bytes[150_000..]);
    assert_eq!(read(&mut late), (bytes[150_000..160_000].to_vec(), Some(Ok(()))));
    assert_eq!(writer.finish(), Growth::Complete);
    assert_eq!(read(&mut early), (bytes[150_000..].to_vec(), Some(Ok(()))));
    assert!(growing.body().read_blocking(1 << 20).unwrap() == bytes);
}

#[tokio::test]
async fn a_body_that_is_arriving_is_collected_when_it_is_there() {
    let (mut writer, growing) = Growing::new(Keeping::Slabs(slabs(1 << 20)), None);
    let bytes = media(200_000);
    append(&mut writer, &bytes[..150_000]);
    let mut collecting = Box::pin(growing.body().range(100_000..u64::MAX).collect(100_000));
    assert!((&mut collecting).now_or_never().is_none());
    append(&mut writer, &bytes[150_000..]);
    writer.finish();
    assert!(collecting.await.unwrap() == bytes[100_000..]);
    let too_long = growing.body().collect(199_999).await.unwrap_err();
    assert_eq!(too_long.kind(), std::io::ErrorKind::FileTooLarge);
    let (writer, growing) = Growing::new(Keeping::Memory, None);
    writer.break_off(Broken::Upstream("reset"));
    assert_eq!(growing.body().collect(10).await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_short_body_ends_in_one_piece_of_memory_and_a_longer_one_in_slabs() {
    for (len, declared, in_memory) in [
        (MEMORY_BYTES_MAX, None, true),
        (MEMORY_BYTES_MAX, Some(MEMORY_BYTES_MAX), true),
        (MEMORY_BYTES_MAX + 1, None, false),
        (MEMORY_BYTES_MAX + 1, Some(MEMORY_BYTES_MAX + 1), false),
        (3_000_000, None, false),
        (9_000_000, Some(9_000_000), false),
    ] {
        let (mut writer, growing) = Growing::new(Keeping::Slabs(slabs(16 << 20)), declared);
        let bytes = media(usize::try_from(len).unwrap());
        if len % 2 == 0 {
            writer.prepare().unwrap();
        }
        bytes.chunks(10_007).for_each(|chunk| append(&mut writer, chunk));
        assert_eq!((writer.finish(), growing.len()), (Growth::Complete, Some(len)));
        let body = growing.body();
        assert_eq!(body.as_memory().is_some(), in_memory, "{len}");
        assert_eq!(
            body.sources().all(|source| matches!(source, BodySource::Slab(_))),
            !in_memory,
            "{len}: no byte is left behind in memory"
        );
        assert!(body.read_blocking(16 << 20).unwrap() == bytes, "{len}");
    }
}

#[test]
fn what_ends_before_or_after_its_length_is_never_complete() {
    let short = || Growing::new(Keeping::Memory, Some(10));
    let (mut writer, growing) = short();
    append(&mut writer, b"123456789");
    assert_eq!(writer.finish(), Growth::Broken(Broken::Upstream("short")));
    let (read, end) = read(&mut GrowingPart::whole(growing));
    assert_eq!((&read[..], end), (&b"123456789"[..], Some(Err(Broken::Upstream("short")))));

    let (mut writer, growing) = short();
    append(&mut writer, b"1234567890");
    let error = writer.append(&mut Bytes::from_static(b"1"));
    assert!(matches!(error, Err(AppendError::TooLong { declared: 10 })));
    drop(writer);
    assert_eq!(growing.growth(), Growth::Broken(Broken::Abandoned), "a writer that dies says so");
}

#[test]
fn a_writer_that_finds_no_room_goes_on_where_it_was() {
    let slabs = slabs(4 << 20);
    let taken = slabs.allocate((4 << 20) - (100 << 10)).unwrap();
    let (mut writer, growing) = Growing::new(Keeping::Slabs(slabs), None);
    let bytes = media(300_000);
    append(&mut writer, &bytes[..60_000]);
    let mut more = bytes.slice(60_000..);
    assert!(matches!(writer.append(&mut more), Err(AppendError::NoRoom(_))));
    assert_eq!(more.len(), 240_000);
    drop(taken);
    writer.append(&mut more).unwrap();
    writer.finish();
    assert!(growing.body().read_blocking(1 << 20).unwrap() == bytes);
}

#[test]
fn a_long_body_is_refused_room_before_anything_of_it_is_told() {
    let slabs = slabs(1 << 20);
    let taken = slabs.allocate(1000 << 10).unwrap();
    let (mut writer, growing) = Growing::new(Keeping::Slabs(slabs), Some(MEMORY_BYTES_MAX + 1));
    assert!(writer.prepare().is_err());
    drop(taken);
    writer.prepare().unwrap();
    assert_eq!(growing.arrived(), 0);
}

#[test]
fn a_window_holds_the_writer_up_and_lets_go_of_what_was_taken() {
    let (mut writer, growing) = Growing::new(Keeping::Window(1000), None);
    let mut reader = GrowingPart::whole(growing);
    for _ in 0..10 {
        append(&mut writer, &[7; 600]);
        assert_eq!(writer.room().now_or_never(), Some(true), "room for a little more");
        append(&mut writer, &[7; 600]);
        assert_eq!(writer.room().now_or_never(), None);
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        {
            let mut waiting = pin!(writer.room());
            assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(read(&mut reader).0.len(), 1200);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }
    assert_eq!(writer.shared.state.lock().pieces.held(), 0);
    drop(reader);
    assert_eq!(writer.room().now_or_never(), Some(false), "all readers have gone");
}

#[test]
fn a_part_far_behind_the_window_is_reached() {
    let (mut writer, growing) = Growing::new(Keeping::Window(1000), Some(100_000));
    let mut reader = GrowingPart::whole(growing).cut(99_000, 99_010);
    for _ in 0..100 {
        append(&mut writer, &[7; 1000]);
        let got = read(&mut reader).0;
        let is_last = writer.arrived() == 100_000;
        assert_eq!(
            (got.len(), is_last || writer.room().now_or_never() == Some(true)),
            (if is_last { 10 } else { 0 }, true)
        );
    }
}

#[test]
fn a_reader_that_has_gone_is_not_kept() {
    let (writer, growing) = Growing::new(Keeping::Memory, None);
    for _ in 0..3 {
        let mut parts: Vec<_> = (0..100).map(|_| GrowingPart::whole(growing.clone())).collect();
        for part in &mut parts {
            // Polled often, as by a connection with many streams, it waits once.
            assert_eq!(read(part), (Vec::new(), None));
            assert_eq!(read(part), (Vec::new(), None));
        }
        assert_eq!(writer.shared.state.lock().waiting.len(), 100);
    }
    assert_eq!(writer.shared.state.lock().waiting.len(), 0);
}

proptest! {
    #[test]
    fn any_part_is_the_bytes_of_the_whole_however_they_came(
        chunks in prop::collection::vec(1..90_000_usize, 1..12),
        is_declared: bool,
        from: u64,
        to: u64,
        reads in prop::collection::vec(any::<bool>(), 12),
    ) {
        let bytes = media(chunks.iter().sum());
        let len = bytes.len() as u64;
        let (mut writer, growing) = Growing::new(Keeping::Slabs(slabs(8 << 20)), is_declared.then_some(len));
        let (from, to) = (from % (len + 1), to % (len + 1));
        let (from, to) = (from.min(to), from.max(to));
        let mut part = GrowingPart::whole(growing).cut(from, to);
        let (mut got, mut at) = (Vec::new(), 0);
        for (chunk, read_now) in chunks.iter().zip(reads) {
            append(&mut writer, &bytes[at..at + chunk]);
            at += chunk;
            if read_now {
                got.extend(read(&mut part).0);
            }
        }
        prop_assert_eq!(writer.finish(), Growth::Complete);
        let (rest, end) = read(&mut part);
        got.extend(rest);
        prop_assert_eq!(end, Some(Ok(())));
        prop_assert!(got == bytes[usize::try_from(from).unwrap()..usize::try_from(to).unwrap()]);
    }
}
