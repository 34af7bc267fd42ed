use std::{io::Write as _, os::unix::fs::FileExt as _};

use super::*;

/// Two windows and a bit.
const BYTES: usize = 2 * (8 << 20) + 5000;

fn byte(at: u64) -> u8 {
    (at ^ at >> 8 ^ at >> 16).to_le_bytes()[0]
}

fn file() -> File {
    let mut file = tempfile::tempfile().unwrap();
    let bytes: Vec<u8> = (0..BYTES as u64).map(byte).collect();
    file.write_all(&bytes).unwrap();
    file
}

fn copied(windows: &Windows, file: &File, offset: u64, len: usize) -> Option<Vec<u8>> {
    let mut room = vec![0; len];
    windows.at(file, BYTES as u64, offset)?.copy_to(offset, &mut room).then_some(room)
}

#[test]
fn every_range_inside_a_window_is_the_bytes_of_the_file() {
    let (file, windows) = (file(), Windows::default());
    let last = BYTES as u64 - 7;
    for offset in [0, 1, 4095, 4096, WINDOW_BYTES - 7, WINDOW_BYTES, 2 * WINDOW_BYTES + 1, last] {
        let want: Vec<u8> = (offset..offset + 7).map(byte).collect();
        assert_eq!(copied(&windows, &file, offset, 7), Some(want), "{offset}");
    }
}

#[test]
fn a_range_that_leaves_its_window_or_the_file_is_not_copied() {
    let (file, windows) = (file(), Windows::default());
    assert_eq!(copied(&windows, &file, WINDOW_BYTES - 7, 8), None);
    assert_eq!(copied(&windows, &file, BYTES as u64 - 7, 8), None);
    assert_eq!(copied(&windows, &file, BYTES as u64, 1), None);
    assert_eq!(copied(&windows, &file, u64::MAX, 1), None);
    let first = windows.at(&file, BYTES as u64, 0).unwrap();
    let mut room = [0; 1];
    assert!(!first.copy_to(WINDOW_BYTES, &mut room), "of the next");
    let second = windows.at(&file, BYTES as u64, WINDOW_BYTES).unwrap();
    assert!(!second.copy_to(WINDOW_BYTES - 1, &mut room), "of the one before");
}

#[test]
fn a_window_is_mapped_once_and_makes_room_for_another_of_its_slot() {
    let file = tempfile::tempfile().unwrap();
    let len = WINDOW_BYTES * (WINDOWS_PER_FILE as u64 + 1);
    file.set_len(len).unwrap();
    let windows = Windows::default();
    let at = |number: u64| windows.at(&file, len, number * WINDOW_BYTES + 3).unwrap();
    let first = at(0);
    assert!(Arc::ptr_eq(&first, &at(0)));
    assert!(!Arc::ptr_eq(&first, &at(1)));
    let gone = Arc::downgrade(&first);
    drop(first);
    let other = || windows.at(&file, len, WINDOWS_PER_FILE as u64 * WINDOW_BYTES + 3);
    assert!(other().is_none(), "the one that was there is in use");
    assert!(Arc::ptr_eq(&gone.upgrade().unwrap(), &at(0)), "kept for who comes next");
    assert!(other().is_none(), "and used again since");
    let next = other().expect("nobody wanted the one before meanwhile");
    assert!(gone.upgrade().is_none(), "it had the same slot");
    assert!(Arc::ptr_eq(&next, &other().unwrap()));
}

#[test]
fn a_file_has_a_slot_for_each_window_up_to_the_most() {
    let of_windows = |windows: u64| windows * WINDOW_BYTES;
    for (file_len, slots) in
        [(0, 1), (1, 1), (of_windows(1), 1), (of_windows(1) + 1, 2), (u64::MAX, WINDOWS_PER_FILE)]
    {
        assert_eq!(slots_for(file_len), slots, "{file_len}");
    }
}

#[test]
fn as_many_places_are_given_as_there_are_and_not_one_more() {
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    let mut places: Vec<Place> = (0..WINDOWS_MAX).map(|_| Place::take(&TAKEN).unwrap()).collect();
    assert!(Place::take(&TAKEN).is_none());
    places.pop();
    assert!(Place::take(&TAKEN).is_some());
    drop(places);
    assert_eq!(TAKEN.load(Ordering::Relaxed), 0);
}

#[test]
fn a_file_cut_short_damages_the_window_and_the_next_is_not_that_one() {
    let (file, windows) = (file(), Windows::default());
    assert!(copied(&windows, &file, 4096, 10).is_some());
    let window = windows.at(&file, BYTES as u64, 0).unwrap();
    file.set_len(WINDOW_BYTES / 2).unwrap();
    let mut room = [7; 10];
    assert!(window.copy_to(100, &mut room) && !window.is_damaged(), "what is left is as it was");
    assert!(window.copy_to(WINDOW_BYTES - 10, &mut room));
    assert_eq!((room, window.is_damaged()), ([0; 10], true));
    assert!(windows.at(&file, BYTES as u64, 0).is_none(), "there is no such window any more");
    file.set_len(BYTES as u64).unwrap();
    let again = windows.at(&file, BYTES as u64, 0).unwrap();
    assert!(!Arc::ptr_eq(&again, &window) && !again.is_damaged());
}

#[test]
fn what_is_written_in_place_is_seen_and_damages_nothing() {
    let (file, windows) = (file(), Windows::default());
    assert!(copied(&windows, &file, 50, 3).is_some());
    file.write_all_at(b"new", 50).unwrap();
    assert_eq!(copied(&windows, &file, 50, 3).unwrap(), b"new");
}

#[test]
fn a_file_system_that_does_not_map_is_asked_once() {
    // Says that it has a page of bytes, and cannot be mapped.
    let Ok(file) = File::open("/sys/kernel/uevent_seqnum") else { return };
    let windows = Windows::default();
    assert!(windows.at(&file, 10, 0).is_none());
    assert!(windows.is_refused.load(Ordering::Relaxed));
}

#[test]
fn a_file_that_is_too_short_now_is_tried_again() {
    let file = tempfile::tempfile().unwrap();
    let windows = Windows::default();
    assert!(windows.at(&file, 10, 0).is_none());
    file.set_len(10).unwrap();
    assert!(windows.at(&file, 10, 0).is_some());
}
