use std::{io::Write as _, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::body_source::SourceFile;

/// An open file of `len` bytes counting up modulo 251; its name is gone at once, the inode stays.
fn counting_file(len: usize) -> Arc<SourceFile> {
    let mut file = tempfile::tempfile().unwrap();
    let bytes: Vec<u8> = (0..=250u8).cycle().take(len).collect();
    file.write_all(&bytes).unwrap();
    Arc::new(SourceFile::from_file(file).unwrap())
}

fn extent(file: &Arc<SourceFile>, offset: u64, len: u64) -> FileExtent {
    FileExtent::new(Arc::clone(file), offset, len).unwrap()
}

fn read(body: &Body) -> Bytes {
    body.read_blocking(1 << 20).unwrap()
}

#[test]
fn adjacent_extents_of_one_file_join_and_others_do_not() {
    let (one, other) = (counting_file(100), counting_file(100));
    let mut body = Body::new();
    for (file, offset, len, parts) in [
        (&one, 0, 10, 1),
        (&one, 10, 5, 1),
        (&one, 16, 4, 2), // A hole of one byte.
        (&other, 20, 4, 3),
        (&one, 24, 1, 4),
        (&one, 25, 0, 4), // Nothing to add.
    ] {
        body.push(extent(file, offset, len));
        assert_eq!(body.sources().len(), parts, "after {offset}+{len}");
    }
    body.push(Bytes::from_static(b"memory"));
    body.push(Bytes::from_static(b"never joins"));
    assert_eq!((body.sources().len(), body.len()), (6, 24 + 17));
}

#[test]
fn a_range_past_the_end_is_cut_and_an_inverted_one_is_empty() {
    let body = Body::from("0123456789");
    for (range, expected) in
        [(0..10, "0123456789"), (3..5, "34"), (9..99, "9"), (10..12, ""), (u64::MAX - 1..u64::MAX, "")]
    {
        assert_eq!(read(&body.range(range.clone())), expected, "{range:?}");
    }
    #[expect(clippy::reversed_empty_ranges, reason = "the inverted range is the case under test")]
    let inverted = body.range(7..3);
    assert!(inverted.is_empty());
}

#[test]
fn reading_all_has_a_limit() {
    let body = Body::from("0123456789");
    assert!(body.read_blocking(10).is_ok());
    assert_eq!(body.read_blocking(9).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}

proptest! {
    #[test]
    fn concatenated_ranges_equal_the_whole(
        pieces in prop::collection::vec((any::<bool>(), 0u64..300, 0u64..200), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let file = counting_file(500);
        let mut body = Body::new();
        for (in_memory, offset, len) in pieces {
            if in_memory {
                body.push(Bytes::from(vec![7u8; usize::try_from(len).unwrap()]));
            } else {
                body.push(extent(&file, offset, len));
            }
        }
        let whole = read(&body);
        prop_assert_eq!(u64::try_from(whole.len()).unwrap(), body.len());

        let mut bounds: Vec<u64> = cuts.iter().map(|cut| cut.index(whole.len() + 1) as u64).collect();
        bounds.extend([0, body.len()]);
        bounds.sort_unstable();
        let mut joined = Vec::new();
        for pair in bounds.windows(2) {
            joined.extend_from_slice(&read(&body.range(pair[0]..pair[1])));
        }
        prop_assert_eq!(joined, whole);
    }
}
