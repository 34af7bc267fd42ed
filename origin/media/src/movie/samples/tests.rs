use super::raw::{COMPOSITION_BIAS, Runs};
use super::*;
use crate::column::ColumnBuilder;

const SOURCE_LEN: u64 = 350;

/// Five samples of 10, 20, 30, 40, 50 bytes in chunks of 2, 2 and 1 at 100, 200 and 300.
fn raw() -> RawTables {
    RawTables {
        sizes: column([10, 20, 30, 40, 50]),
        durations: runs([(2, 100), (3, 50)]),
        compositions: runs([(1, COMPOSITION_BIAS + 7), (1, COMPOSITION_BIAS - 3)]),
        sync: Some(column([4, 1, 4])),
        chunk_offsets: column([100, 200, 300]),
        run_first_chunks: column([1, 3]),
        run_samples: column([2, 1]),
    }
}

fn column<const N: usize>(values: [u64; N]) -> ColumnBuilder {
    let mut column = ColumnBuilder::new();
    column.extend(values.into_iter());
    column
}

fn runs<const N: usize>(pairs: [(u32, u64); N]) -> Runs {
    let mut runs = Runs::new(SOURCE_LEN);
    pairs.into_iter().for_each(|(count, value)| runs.push(count, value));
    runs
}

fn build(change: impl FnOnce(&mut RawTables)) -> Result<SampleTable, TableError> {
    let mut tables = raw();
    change(&mut tables);
    SampleTable::build(tables, SOURCE_LEN)
}

#[test]
fn rows_follow_the_tables() {
    let table = build(|_| {}).expect("consistent");
    let rows: Vec<_> = table
        .rows(0..9)
        .map(|r| (r.dts, r.duration, r.composition_offset, r.sync, r.offset, r.size))
        .collect();
    assert_eq!(
        rows,
        [
            (0, 100, 7, true, 100, 10),
            (100, 100, -3, false, 110, 20),
            (200, 50, 0, false, 200, 30),
            (250, 50, 0, true, 230, 40),
            (300, 50, 0, false, 300, 50),
        ]
    );
    for start in 0..5 {
        assert_eq!(table.row(start), table.rows(0..5).nth(start), "row {start} alone");
    }
    assert_eq!((table.total_duration(), table.total_bytes()), (350, 150));
    assert_eq!([0, 1, 100, 101, 349, 350].map(|dts| table.first_at_or_after(dts)), [0, 1, 1, 2, 5, 5]);
    assert_eq!([0, 2, 3, 4].map(|index| table.sync_at_or_before(index)), [0, 0, 3, 3]);
}

#[test]
fn each_lie_has_its_name() {
    let samples = 5;
    let cases: Vec<(Result<SampleTable, TableError>, TableError)> = vec![
        (
            build(|t| t.durations = runs([(2, 100), (2, 50)])),
            TableError::Count { table: "stts", count: 4, samples },
        ),
        (
            build(|t| t.compositions = runs([(5, 0), (1, 0)])),
            TableError::Count { table: "ctts", count: 6, samples },
        ),
        (build(|t| t.run_samples = column([2, 9])), TableError::Count { table: "stsc", count: 13, samples }),
        (
            build(|t| t.run_first_chunks = column([2, 3])),
            TableError::ChunkRun { run: 0, reason: "the first run does not start at chunk 1" },
        ),
        (
            build(|t| t.run_first_chunks = column([1, 5])),
            TableError::ChunkRun { run: 0, reason: "runs do not rise, or pass the last chunk" },
        ),
        (
            build(|t| t.run_samples = column([0, 1])),
            TableError::ChunkRun { run: 0, reason: "chunks without samples" },
        ),
        (build(|t| t.sync = Some(column([6]))), TableError::Sync { number: 6, samples }),
        (build(|t| t.sync = Some(column([0]))), TableError::Sync { number: 0, samples }),
        (
            build(|t| t.chunk_offsets = column([100, 200, 301])),
            TableError::Outside { sample: 4, end: 351, source_len: 350 },
        ),
        (build(|t| t.chunk_offsets = column([100, 129, 300])), TableError::Overlap { offset: 129 }),
        (build(|t| t.chunk_offsets = column([200, 100, 169])), TableError::Overlap { offset: 169 }),
        (build(|t| t.sizes = column([10, 0, 30, 40, 50])), TableError::Empty { sample: 1 }),
    ];
    for (result, expected) in cases {
        assert_eq!(result.expect_err("a lie"), expected);
    }
}

#[test]
fn chunks_may_be_out_of_order() {
    let table = build(|t| t.chunk_offsets = column([200, 100, 300])).expect("no overlap");
    assert_eq!(table.rows(1..4).map(|row| row.offset).collect::<Vec<_>>(), [210, 100, 130]);
}
