use std::fs::File;

use super::*;
use crate::address_space::{Access, AddressSpace};

/// A file that never changes.
#[derive(Debug)]
struct Still(File);

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

fn file() -> Arc<Still> {
    Arc::new(Still(tempfile::tempfile().unwrap()))
}

fn table(slots: usize) -> Arc<TokenTable<Still>> {
    let space = Arc::new(AddressSpace::reserve(slots * RUN_BYTES_MAX, Access::Fault).unwrap());
    TokenTable::new(AddressRange::of(&space, 0, space.len()).unwrap(), slots)
}

fn run_of(file: &Arc<Still>, offset: u64, len: u64) -> Run<Still> {
    let mut run = Run::default();
    run.push(file, offset, len);
    run
}

/// The file offset that the first byte of `bytes` stands for.
fn offset_of(table: &TokenTable<Still>, bytes: &[u8]) -> Option<u64> {
    match table.find(bytes) {
        Meaning::Run { run, at } => Some(run.rest(at).unwrap().offset),
        Meaning::Memory | Meaning::Nothing => None,
    }
}

#[test]
fn a_run_knows_what_each_of_its_bytes_is() {
    let (one, two) = (file(), file());
    let mut run = Run::default();
    for (file, offset, len) in [(&one, 1000, 10), (&two, 5, 1), (&one, 7, 0), (&one, 2000, 20)] {
        assert_eq!(run.push(file, offset, len) as u64, len);
    }
    assert_eq!((run.len(), run.pieces()), (31, 3));
    for (at, file, offset, len) in
        [(0, &one, 1000, 10), (9, &one, 1009, 1), (10, &two, 5, 1), (11, &one, 2000, 20), (30, &one, 2019, 1)]
    {
        let rest = run.rest(at).unwrap();
        assert!(matches!(rest.held, Held::File(held) if Arc::ptr_eq(held, file)), "{at}");
        assert_eq!((rest.offset, rest.len), (offset, len), "{at}");
    }
    assert!(run.rest(31).is_none());
    let files = |from, to| run.files(from, to).map(|file| Arc::ptr_eq(file, &one)).collect::<Vec<_>>();
    assert_eq!(files(0, 10), [true]);
    assert_eq!(files(9, 11), [true, false]);
    assert_eq!(files(10, 11), [false]);
    assert_eq!(files(0, 31), [true, false, true]);
}

#[test]
fn a_run_takes_what_it_can_hold_and_not_one_byte_or_piece_more() {
    let file = file();
    let mut run = run_of(&file, 0, 10);
    let room = RUN_BYTES_MAX - 10;
    assert_eq!(run.push(&file, 50, room as u64 + 1), room);
    assert_eq!(run.push(&file, 70, 1), 0);
    let mut run = Run::default();
    let taken = (0..RUN_PIECES_MAX as u64 + 1).map(|at| run.push(&file, 2 * at, 1)).sum::<usize>();
    assert_eq!((taken, run.pieces()), (RUN_PIECES_MAX, RUN_PIECES_MAX));
}

#[test]
fn a_token_and_its_slices_mean_their_bytes_until_the_last_is_dropped() {
    let (file, table) = (file(), table(4));
    let token = table.issue(run_of(&file, 1000, 100)).unwrap();
    let other = table.issue(run_of(&file, 5000, 100)).unwrap();
    let tail = token.slice(90..);
    assert_eq!(
        (token.len(), offset_of(&table, &token), offset_of(&table, &tail)),
        (100, Some(1000), Some(1090))
    );
    assert_eq!(offset_of(&table, &other), Some(5000));
    drop(token);
    assert_eq!((table.alive(), offset_of(&table, &tail)), (2, Some(1090)));
    drop(tail);
    assert_eq!(table.alive(), 1);
    drop(other);
    assert_eq!(table.alive(), 0);
    assert_eq!(Arc::strong_count(&file), 1, "files are let go");
}

#[test]
fn memory_is_memory_and_an_address_without_token_is_nothing() {
    let (file, table) = (file(), table(4));
    assert!(matches!(table.find(b"bytes"), Meaning::Memory));
    assert!(matches!(table.find(b""), Meaning::Memory));
    let token = table.issue(run_of(&file, 0, 100)).unwrap();
    let behind = table.range.slice(90, 11).unwrap();
    assert!(matches!(table.find(behind), Meaning::Nothing), "more than the token has");
    drop(token);
    assert!(matches!(table.find(table.range.slice(0, 1).unwrap()), Meaning::Nothing));
    assert!(matches!(table.find(table.range.slice(RUN_BYTES_MAX, 1).unwrap()), Meaning::Nothing));
}

#[test]
fn as_many_tokens_as_slots_and_not_one_more() {
    let (file, table) = (file(), table(3));
    let mut tokens: Vec<_> = (0..3).map(|at| table.issue(run_of(&file, at, 1)).unwrap()).collect();
    assert!(table.issue(run_of(&file, 9, 1)).is_none());
    drop(tokens.remove(1));
    tokens.push(table.issue(run_of(&file, 7, 1)).unwrap());
    assert!(table.issue(run_of(&file, 9, 1)).is_none());
    let offsets: Vec<_> = tokens.iter().map(|token| offset_of(&table, token).unwrap()).collect();
    assert_eq!(offsets, [0, 2, 7]);
}

#[test]
fn the_place_longest_free_is_used_first() {
    let (file, table) = (file(), table(3));
    let mut tokens: Vec<_> = (0..3).map(|at| table.issue(run_of(&file, at, 1)).unwrap()).collect();
    let address = |token: &Bytes| token.as_ptr().addr();
    let (first, last) = (address(&tokens[0]), address(&tokens[2]));
    tokens.pop();
    tokens.remove(0);
    assert_eq!(address(&table.issue(run_of(&file, 9, 1)).unwrap()), last);
    assert_eq!(address(&table.issue(run_of(&file, 9, 1)).unwrap()), first);
}

#[test]
fn an_empty_run_is_no_token() {
    assert!(table(1).issue(Run::default()).is_none());
}
