use super::*;
use crate::body::Body;

const KIB: u64 = 1024;

/// A file of `len` bytes that count up, in blocks of 251.
fn file(len: u64) -> Arc<SourceFile> {
    let mut on_disk = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut on_disk, &content(0, len)).unwrap();
    Arc::new(SourceFile::open(on_disk.path()).unwrap())
}

fn content(from: u64, len: u64) -> Vec<u8> {
    (from..from + len).map(|at| (at % 251) as u8).collect()
}

fn extent(file: &Arc<SourceFile>, offset: u64, len: u64) -> FileExtent {
    FileExtent::new(Arc::clone(file), offset, len).unwrap()
}

fn sources(list: Vec<BodySource>) -> Sources {
    let mut body = Body::new();
    for source in list {
        body.push(source);
    }
    body.into_sources()
}

fn range(piece: &Piece) -> (u64, u64) {
    (piece.span.start, piece.span.end)
}

/// All that is left, with extents as (offset, length).
fn rest(mut sources: Sources) -> Vec<Result<(u64, u64), Bytes>> {
    let mut rest = Vec::new();
    while let Some(source) = sources.next() {
        rest.push(match source {
            BodySource::File(extent) => Ok((extent.offset(), extent.len())),
            BodySource::Mem(bytes) => Err(bytes),
            BodySource::Slab(_) | BodySource::Growing(_) => unreachable!("none was put in"),
        });
    }
    rest
}

#[test]
fn neighbours_with_small_gaps_are_one_piece_and_wide_gaps_end_it() {
    let file = file(300 * KIB);
    let mut from = sources(vec![
        extent(&file, 0, 20 * KIB).into(),
        extent(&file, 21 * KIB, 20 * KIB).into(),
        extent(&file, 41 * KIB + GAP_BYTES_MAX, 10).into(),
        extent(&file, 42 * KIB + 2 * GAP_BYTES_MAX, 10).into(),
    ]);
    let piece = Piece::take(&mut from).unwrap();
    assert_eq!(range(&piece), (0, 41 * KIB + GAP_BYTES_MAX + 10));
    assert_eq!(rest(from), [Ok((42 * KIB + 2 * GAP_BYTES_MAX, 10))]);
}

#[test]
fn what_lies_before_or_in_another_file_is_another_piece() {
    let (one, other) = (file(100 * KIB), file(100 * KIB));
    let mut from = sources(vec![
        extent(&one, 50 * KIB, KIB).into(),
        extent(&one, 10 * KIB, KIB).into(),
        extent(&other, 12 * KIB, KIB).into(),
    ]);
    let ranges: Vec<_> = std::iter::from_fn(|| Piece::take(&mut from)).map(|piece| range(&piece)).collect();
    assert_eq!(ranges, [(50, 51), (10, 11), (12, 13)].map(|(start, end)| (start * KIB, end * KIB)));
}

#[test]
fn pieces_end_at_multiples_of_their_size_and_fit_a_buffer() {
    let len = 4 * PIECE_BYTES;
    let file = file(len);
    for start in [0, 1, PIECE_BYTES - PIECE_BYTES / 4, PIECE_BYTES - PIECE_BYTES / 4 + 1, PIECE_BYTES - 1] {
        let mut from = sources(vec![extent(&file, start, len - start).into()]);
        let piece = Piece::take(&mut from).unwrap();
        let (_, end) = range(&piece);
        assert_eq!(end % PIECE_BYTES, 0);
        assert!(end - start >= PIECE_BYTES / 4);
        assert!(end - start / 4096 * 4096 <= super::super::BUFFER_BYTES, "{start} rounded down, to {end}");
        assert_eq!(rest(from), [Ok((end, len - end))]);
    }
}

#[test]
fn what_is_in_memory_between_extents_stays_between_them() {
    let file = file(100 * KIB);
    let head = Bytes::from_static(b"head");
    let mut from = sources(vec![
        head.clone().into(),
        extent(&file, 0, 10 * KIB).into(),
        head.clone().into(),
        extent(&file, 11 * KIB, 10 * KIB).into(),
    ]);
    let piece = Piece::take(&mut from).unwrap();
    assert_eq!(range(&piece), (0, 21 * KIB));
    let read = Bytes::from(content(0, 21 * KIB));
    piece.give_back_read(&read, &mut from).unwrap();
    let got: Vec<Bytes> = rest(from).into_iter().map(Result::unwrap_err).collect();
    let expected = [head.to_vec(), content(0, 10 * KIB), head.to_vec(), content(11 * KIB, 10 * KIB)].concat();
    assert_eq!(got.concat(), expected);
    assert!(got.iter().any(|bytes| bytes.as_ptr() == read.as_ptr()), "large extents are not copied");
}

#[test]
fn small_extents_are_copied_together_and_let_the_buffer_go() {
    let file = file(100 * KIB);
    let mut from = sources((0..50).map(|number| extent(&file, number * 1000, 300).into()).collect());
    let piece = Piece::take(&mut from).unwrap();
    let read = Bytes::from(content(0, 49 * 1000 + 300));
    piece.give_back_read(&read, &mut from).unwrap();
    let got = rest(from);
    let expected: Vec<u8> = (0..50).flat_map(|number| content(number * 1000, 300)).collect();
    assert_eq!(got, [Err(expected.into())]);
    assert!(read.is_unique(), "nobody holds on to the buffer");
}

#[test]
fn what_was_not_read_is_not_made_up() {
    let file = file(100 * KIB);
    let mut from = sources(vec![extent(&file, 0, 10 * KIB).into(), extent(&file, 11 * KIB, KIB).into()]);
    let piece = Piece::take(&mut from).unwrap();
    let missing = piece.give_back_read(&Bytes::from(content(0, 12 * KIB - 1)), &mut from).unwrap_err();
    assert_eq!((missing.offset(), missing.len()), (11 * KIB, KIB));
    assert_eq!(rest(from), []);
}

#[test]
fn a_piece_given_back_is_as_if_never_taken() {
    let file = file(100 * KIB);
    let list = || {
        vec![Bytes::from_static(b"a").into(), extent(&file, 5, 10 * KIB).into(), extent(&file, 0, 3).into()]
    };
    let mut from = sources(list());
    Piece::take(&mut from).unwrap().give_back(&mut from);
    assert_eq!(rest(from), rest(sources(list())));
    let mut none = sources(vec![Bytes::from_static(b"no file").into()]);
    assert!(Piece::take(&mut none).is_none());
    assert_eq!(rest(none).len(), 1);
}

#[test]
fn as_many_sources_as_may_make_a_piece_and_not_one_more() {
    let file = file(100 * KIB);
    let many = u64::try_from(SOURCES_MAX).unwrap() + 1;
    let mut from = sources((0..many).map(|number| extent(&file, number * 2, 1).into()).collect());
    assert_eq!(Piece::take(&mut from).unwrap().sources.len(), SOURCES_MAX);
    assert_eq!(rest(from).len(), 1);
}
