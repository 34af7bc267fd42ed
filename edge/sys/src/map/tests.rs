use std::io::Write;

use super::*;

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a place for temporary files");
    file.write_all(bytes).expect("room for a few pages");
    file
}

#[test]
fn a_map_is_the_bytes_of_the_file() {
    let bytes: Vec<u8> = (0..3 * 4096 + 17u32).map(|number| number.to_le_bytes()[0] ^ 0x5a).collect();
    let file = file_of(&bytes);
    let map = Map::of(&file, bytes.len()).expect("a file can be mapped");
    assert_eq!(map.as_ref(), bytes);
    assert_eq!(Map::of(&file, 5).expect("a part too").as_ref(), &bytes[..5]);
    assert!(!map.is_damaged());
}

#[test]
fn nothing_and_more_than_there_is_are_refused() {
    let file = file_of(b"12345");
    for len in [0, 6, usize::MAX] {
        assert_eq!(Map::of(&file, len).expect_err("refused").kind(), io::ErrorKind::InvalidInput, "{len}");
    }
}

#[test]
fn a_file_that_is_replaced_or_removed_stays_as_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("one");
    std::fs::write(&path, [1; 9000]).expect("written");
    let map = Map::of(&File::open(&path).expect("opened"), 9000).expect("mapped");
    std::fs::write(folder.path().join("two"), [2; 10]).expect("written");
    std::fs::rename(folder.path().join("two"), &path).expect("renamed");
    assert!(map.as_ref().iter().all(|byte| *byte == 1));
    assert!(!map.is_damaged());
}

#[test]
fn a_file_cut_short_reads_as_zeros_and_says_so() {
    let page = crate::page::page_bytes();
    let file = file_of(&vec![7; 4 * page]);
    let (map, other) = (Map::of(&file, 4 * page).expect("mapped"), file_of(&vec![9; page]));
    let other = Map::of(&other, page).expect("mapped");
    file.set_len(page as u64).expect("cut");
    assert!(!map.is_damaged(), "nothing was read yet");
    let sum: u64 = map.as_ref().iter().map(|byte| u64::from(*byte)).sum();
    assert_eq!(sum, 7 * page as u64, "one page is left, three are zeros");
    assert!(map.is_damaged());
    assert!(!other.is_damaged(), "each map has its own mark");
    assert_eq!(other.as_ref()[0], 9);
}

#[test]
fn a_region_is_used_again_without_its_mark() {
    let page = crate::page::page_bytes();
    for _ in 0..3 {
        let file = file_of(&vec![7; 2 * page]);
        let map = Map::of(&file, 2 * page).expect("mapped");
        assert!(!map.is_damaged());
        file.set_len(0).expect("cut");
        assert_eq!(map.as_ref()[page], 0);
        assert!(map.is_damaged());
    }
}

#[test]
fn many_threads_may_read_one_that_is_cut() {
    let page = crate::page::page_bytes();
    let file = file_of(&vec![7; 64 * page]);
    let map = Map::of(&file, 64 * page).expect("mapped");
    file.set_len(0).expect("cut");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                assert!(map.as_ref().iter().all(|byte| *byte == 0));
                assert!(map.is_damaged());
            });
        }
    });
}

/// Runs this very test again in a child, where it faults outside our maps.
#[test]
fn a_fault_that_is_not_ours_ends_the_process_as_before() {
    const CHILD: &str = "RILLCAST_MAP_FAULT";
    if std::env::vars_os().any(|(name, _)| name == CHILD) {
        let file = file_of(&[1; 10]);
        let _ours = Map::of(&file, 10).expect("mapped");
        // A read that faults is made again for each handler in turn; so is the signal here.
        for _ in 0..4 {
            // SAFETY: a signal to ourselves.
            unsafe { libc::raise(libc::SIGBUS) };
        }
        unreachable!("SIGBUS ends a process");
    }
    let own = std::env::current_exe().expect("this test");
    let name = "map::tests::a_fault_that_is_not_ours_ends_the_process_as_before";
    let status = std::process::Command::new(own)
        .args([name, "--exact"])
        .env(CHILD, "1")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .expect("the child runs");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGBUS));
}
