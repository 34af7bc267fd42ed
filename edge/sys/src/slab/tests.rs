use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::fd::AsFd as _,
};

use super::*;

fn slabs(memory_pages: usize, slab_pages: usize) -> Slabs {
    let page = page::page_bytes();
    Slabs::new(SlabLimits { memory_bytes: memory_pages * page, slab_bytes: slab_pages * page }).unwrap()
}

fn filled(slabs: &Slabs, len: usize, byte: u8) -> SlabRange {
    let mut filling = slabs.allocate(len).unwrap();
    filling.as_mut_slice().fill(byte);
    filling.share()
}

#[test]
fn a_range_keeps_its_bytes_and_its_parts_share_them() {
    let slabs = slabs(16, 8);
    let page = page::page_bytes();
    let first = filled(&slabs, page + 1, 1);
    let second = filled(&slabs, 10, 2);
    assert_eq!(second.file_offset(), 2 * page as u64, "ranges begin at pages");
    assert!(first.as_ref().iter().all(|byte| *byte == 1) && second.as_ref() == [2; 10]);
    let part = first.part(page, 1).unwrap();
    assert_eq!((part.as_ref(), part.file_offset()), (&[1_u8][..], page as u64));
    assert_eq!(part.as_ref().as_ptr(), first.as_ref()[page..].as_ptr());
    assert!(first.part(page, 2).is_none() && first.part(1, usize::MAX).is_none());
    assert!(part.part(1, 0).is_some_and(|empty| empty.is_empty()));
}

#[test]
fn memory_is_given_to_the_limit_and_not_one_page_past_it() {
    let slabs = slabs(4, 4);
    let page = page::page_bytes();
    let held = [filled(&slabs, 3 * page, 1), filled(&slabs, page, 2)];
    assert!(
        matches!(slabs.allocate(1), Err(AllocateError::Full { used_bytes, .. }) if used_bytes == 4 * page)
    );
    assert!(matches!(slabs.allocate(4 * page + 1), Err(AllocateError::TooLong { .. })));
    assert!(matches!(slabs.allocate(0), Err(AllocateError::Empty)));
    drop(held);
    assert_eq!(slabs.usage().used_bytes, 4 * page, "released and not yet given back");
    slabs.reclaim();
    assert_eq!(slabs.usage(), SlabUsage { used_bytes: 0, slabs: 1, lost_bytes: 0 });
    assert_eq!(filled(&slabs, 4 * page, 3).len(), 4 * page);
}

#[test]
fn a_range_lives_as_long_as_any_handle_and_is_then_punched() {
    let slabs = slabs(2, 2);
    let page = page::page_bytes();
    let range = filled(&slabs, 2 * page, 7);
    let part = range.part(page, 1).unwrap();
    drop(range);
    assert!(slabs.allocate(1).is_err());
    let elsewhere = std::thread::spawn(move || part.as_ref() == [7]);
    assert!(elsewhere.join().unwrap());
    let mut again = slabs.allocate(2 * page).unwrap();
    assert!(again.as_mut_slice().iter().all(|byte| *byte == 0), "the old bytes are gone");
}

#[test]
fn handles_outlive_the_slabs_they_are_of() {
    let slabs = slabs(2, 2);
    let range = filled(&slabs, 100, 9);
    drop(slabs);
    assert_eq!(range.as_ref(), [9; 100]);
}

#[test]
fn a_filling_that_is_given_up_leaves_nothing() {
    let slabs = slabs(2, 2);
    drop(slabs.allocate(1).unwrap());
    slabs.reclaim();
    assert_eq!(slabs.usage().used_bytes, 0);
}

/// Ranges of all lengths come and go in no order; as long as they are within the memory, each finds a place.
#[test]
fn holes_between_ranges_do_not_keep_the_memory_from_being_used() {
    const MEMORY_PAGES: usize = 1024;
    let slabs = slabs(MEMORY_PAGES, 256);
    let page = page::page_bytes();
    let mut held: Vec<SlabRange> = Vec::new();
    let (mut seed, mut pages_held) = (1_u64, 0);
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for _ in 0..3000 {
        // Segments of one length mostly, as films have them, and now and then any length.
        let pages = if random(4) == 0 { 1 + random(200) } else { 60 };
        while pages_held + pages > MEMORY_PAGES {
            let range = held.swap_remove(random(held.len()));
            pages_held -= range.len() / page;
        }
        held.push(slabs.allocate(pages * page).unwrap().share());
        pages_held += pages;
    }
    assert!(slabs.usage().slabs <= 2 * MEMORY_PAGES / 256);
}

#[test]
fn a_slab_can_become_neither_shorter_nor_longer() {
    let file = SlabFile::new(2).unwrap();
    let page = u64::try_from(page::page_bytes()).unwrap();
    assert!(rustix::fs::ftruncate(file.as_fd(), page).is_err());
    assert!(rustix::fs::ftruncate(file.as_fd(), 3 * page).is_err());
    assert!(rustix::fs::ftruncate(file.as_fd(), 2 * page).is_ok());
}

/// Two ends of a connection; the reader has not read yet.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let writer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (writer, listener.accept().unwrap().0)
}

/// Puts `range` into the socket without copying it; the reader stalls, so that it stays there.
fn send(writer: &TcpStream, range: &SlabRange) {
    let mut offset = range.file_offset();
    let mut left = range.len();
    while left > 0 {
        left -= rustix::fs::sendfile(writer, range.file(), Some(&mut offset), left).unwrap();
    }
}

fn received(mut reader: TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    reader.read_exact(&mut bytes).unwrap();
    bytes
}

/// What the punched hole is for: the place is filled anew while a client that stalls has not read the old bytes.
#[test]
fn a_reader_that_stalls_gets_the_bytes_that_were_sent() {
    let slabs = slabs(8, 8);
    let len = 8 * page::page_bytes();
    let (writer, reader) = connection();
    let range = filled(&slabs, len, b'o');
    let place = range.file_offset();
    send(&writer, &range);
    drop(range);
    let again = filled(&slabs, len, b'n');
    assert_eq!(again.file_offset(), place, "the test needs the same place");
    assert!(received(reader, len) == vec![b'o'; len]);
}

#[test]
fn what_is_appended_can_be_read_at_once_and_stays_as_it_was() {
    let slabs = slabs(8, 8);
    let page = page::page_bytes();
    let mut range = slabs.allocate(page + 10).unwrap().append_only();
    assert!(range.written().is_empty());
    assert_eq!(range.append(b"first"), 5);
    let early = range.written();
    let place = early.file_offset();
    assert_eq!((range.append(&vec![b'x'; 2 * page]), range.filled(), range.room()), (page + 5, page + 10, 0));
    assert_eq!(range.append(b"more"), 0, "not one byte past the end");
    assert_eq!(early.as_ref(), b"first");
    let all = range.written();
    assert!(all.as_ref().starts_with(b"firstxxx") && all.len() == page + 10);
    assert_eq!(all.file_offset(), place);
    drop((range, early));
    slabs.reclaim();
    assert_eq!(slabs.usage().used_bytes, 2 * page, "one handle is enough");
    drop(all);
    slabs.reclaim();
    assert_eq!(slabs.usage().used_bytes, 0);
}

/// What a growing object does: a reader is sent what is there, and more is written behind it in the same page.
#[test]
fn a_reader_that_stalls_gets_what_was_there_when_more_is_appended() {
    let slabs = slabs(8, 8);
    let mut range = slabs.allocate(page::page_bytes()).unwrap().append_only();
    let (writer, reader) = connection();
    let mut expected = Vec::new();
    for letter in b'a'..b'k' {
        range.append(&[letter; 100]);
        send(&writer, &range.written());
        expected.extend((b'a'..=letter).flat_map(|letter| [letter; 100]));
    }
    drop(range);
    slabs.reclaim();
    assert!(received(reader, expected.len()) == expected);
}

/// The same on the bare mechanism, with the hole and without it: without, the wrong bytes arrive. If this test ever
/// fails, a kernel copies what `sendfile` sends, and the one above proves nothing there.
#[test]
fn without_the_hole_a_reader_that_stalls_gets_the_wrong_bytes() {
    let page = page::page_bytes();
    for (is_punched, arrives) in [(true, b'o'), (false, b'n')] {
        let file = SlabFile::new(8).unwrap();
        let (writer, reader) = connection();
        let write = |byte: u8| {
            let mut to: std::fs::File = file.as_fd().try_clone_to_owned().unwrap().into();
            io::Seek::rewind(&mut to).unwrap();
            to.write_all(&vec![byte; 8 * page]).unwrap();
        };
        write(b'o');
        let mut offset = 0;
        let sent = rustix::fs::sendfile(&writer, file.as_fd(), Some(&mut offset), 8 * page).unwrap();
        assert_eq!(sent, 8 * page);
        if is_punched {
            file.punch(Span { first: 0, pages: 8 }).unwrap();
        }
        write(b'n');
        assert!(received(reader, 8 * page) == vec![arrives; 8 * page], "punched: {is_punched}");
    }
}
