use proptest::prelude::*;

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

/// First samples of chunks; their bytes or why they are wrong; whether they are in order.
type Walked = (Vec<u64>, Result<u64, TableError>, bool);

/// What [`Chunks::read`] says, found chunk by chunk and sample by sample.
fn walked(
    runs: &[(u64, u64)],
    offsets: &[u64],
    sizes: &[u64],
    source_len: u64,
) -> Result<Walked, TableError> {
    let chunks = offsets.len() as u64;
    let (mut counts, mut reason) = (Vec::new(), "the first run does not start at chunk 1");
    for (number, (first, per_chunk)) in (0..).zip(runs) {
        let end = runs.get(number + 1).map_or(chunks + 1, |next| next.0);
        let run = number as u64;
        if number == 0 && *first != 1 {
            return Err(TableError::ChunkRun { run, reason });
        }
        reason = "runs do not rise, or pass the last chunk";
        if end <= *first || end > chunks + 1 {
            return Err(TableError::ChunkRun { run, reason });
        }
        if *per_chunk == 0 {
            return Err(TableError::ChunkRun { run, reason: "chunks without samples" });
        }
        counts.extend((*first..end).map(|_| *per_chunk));
    }
    let count: u64 = counts.iter().sum();
    if count != sizes.len() as u64 {
        return Err(TableError::Count { table: "stsc", count, samples: sizes.len() as u64 });
    }
    let (mut firsts, mut next, mut total, mut last_end, mut in_order) = (Vec::new(), 0, 0, 0, true);
    let mut wrong = None;
    for (offset, count) in offsets.iter().zip(counts) {
        firsts.push(next);
        let (mut end, mut len) = (*offset, 0);
        for sample in next..next + count {
            let size = sizes[sample as usize];
            (end, len) = (end + size, len + size);
            let outside = TableError::Outside { sample, end, source_len };
            let fault = if size == 0 { Some(TableError::Empty { sample }) } else { None };
            wrong = wrong.or(fault).or_else(|| (end > source_len).then_some(outside));
        }
        total += len;
        wrong = wrong.or_else(|| (total > source_len).then_some(TableError::Overlap { offset: *offset }));
        (in_order, last_end, next) = (in_order && *offset >= last_end, end, next + count);
    }
    Ok((firsts, wrong.map_or(Ok(total), Err), in_order))
}

/// Runs as so many chunks of so many samples each.
fn any_runs() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let run = prop_oneof![4 => (Just(1), 1..3u64), 2 => (1..90u64, 1..4u64), 1 => (1..3u64, 1..400u64)];
    proptest::collection::vec(run, 1..120)
}

proptest! {
    #[test]
    fn chunks_are_what_a_walk_of_each_sample_finds(
        runs in any_runs(),
        size in prop_oneof![Just(0..9u64), Just(1..9), Just(7..8), Just(1..70_000)],
        (gap, swap) in (0..3u64, any::<Option<proptest::sample::Index>>()),
        (lie, wrong, short) in (any::<proptest::sample::Index>(), 0..9u64, 0..40u64),
        seed in any::<u64>(),
    ) {
        let chunks: u64 = runs.iter().map(|(chunks, _)| chunks).sum();
        let mut number = seed;
        let mut next = || { number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99); number >> 33 };
        let samples: u64 = runs.iter().map(|(chunks, each)| chunks * each).sum();
        let sizes: Vec<u64> = (0..samples).map(|_| size.start + next() % (size.end - size.start)).collect();
        let mut first = 1;
        let mut of_chunks: Vec<(u64, u64)> = runs
            .iter()
            .map(|(chunks, each)| { let run = (first, *each); first += chunks; run })
            .collect();
        let (mut offsets, mut at, mut sample) = (Vec::new(), 5, 0usize);
        for (chunks, each) in &runs {
            for _ in 0..*chunks {
                offsets.push(at);
                at += gap + sizes[sample..sample + *each as usize].iter().sum::<u64>();
                sample += *each as usize;
            }
        }
        if let Some(swap) = swap {
            let at = swap.index(offsets.len());
            offsets.swap(0, at);
        }
        // Now and then a run is wrong, or the file too short.
        let at = lie.index(of_chunks.len());
        match wrong {
            0 => of_chunks[at].0 += 1,
            1 => of_chunks[at].1 = 0,
            2 => of_chunks[at].0 = chunks + 5,
            3 => of_chunks[at].1 += 300,
            _ => {}
        }
        let source_len = if wrong == 4 { at as u64 * 3 } else { at.max(sample) as u64 * 70_000 + 5 - short.min(5) };
        let column = |values: &mut dyn Iterator<Item = u64>| values.collect::<Column>();
        let found = Chunks::read(
            (&column(&mut of_chunks.iter().map(|run| run.0)), &column(&mut of_chunks.iter().map(|run| run.1))),
            &column(&mut offsets.iter().copied()),
            &column(&mut sizes.iter().copied()),
            source_len,
        );
        let found = found.map(|found| (found.firsts.iter_from(0).collect::<Vec<_>>(), found.extents, found.in_order));
        let mut walked = walked(&of_chunks, &offsets, &sizes, source_len);
        // Whether chunks are in order is of no meaning where they are wrong.
        if let (Ok(found), Ok(walked)) = (&found, &mut walked) && walked.1.is_err() {
            walked.2 = found.2;
        }
        prop_assert_eq!(found, walked);
    }

    #[test]
    fn runs_are_the_same_one_by_one_and_together(
        pieces in proptest::collection::vec(
            proptest::collection::vec((prop_oneof![4 => Just(1u32), 2 => 0..12u32, 1 => 0..300u32], 0..4u32), 0..400),
            1..4,
        ),
        most in prop_oneof![Just(1u64 << 20), 0..5000u64],
    ) {
        let (mut one_by_one, mut together) = (Runs::new(most), Runs::new(most));
        for piece in &pieces {
            piece.iter().for_each(|(count, value)| one_by_one.push(*count, u64::from(*value)));
            together.extend(piece.iter().map(|(count, value)| [*count, *value]));
        }
        let samples = pieces.iter().flatten().map(|(count, _)| *count as usize).sum();
        let [one_by_one, together] = [one_by_one, together].map(|runs| runs.finish("ctts", samples, None));
        prop_assert_eq!(&one_by_one, &together);
        if samples as u64 <= most {
            prop_assert_eq!(one_by_one.map(|column| column.len()), Ok(samples));
        }
    }

    #[test]
    fn a_run_measures_what_its_rows_come_to(
        durations in proptest::collection::vec((1..200u32, 0..3u64), 1..6),
        compositions in proptest::collection::vec((1..200u32, 0..3u64), 1..6),
        cuts in proptest::collection::vec(1..150usize, 1..9),
    ) {
        let samples: u32 = durations.iter().map(|run| run.0).sum();
        let runs = |pairs: &[(u32, u64)], bias: u64| {
            let mut runs = Runs::new(1 << 20);
            let mut left = samples;
            for (count, value) in pairs {
                runs.push(left.min(*count), bias + value * 500);
                left -= left.min(*count);
            }
            runs
        };
        let mut sizes = ColumnBuilder::new();
        sizes.push_run(3, samples as usize);
        let tables = RawTables {
            sizes,
            durations: runs(&durations, 1),
            compositions: runs(&compositions, COMPOSITION_BIAS - 500),
            sync: None,
            chunk_offsets: column([8]),
            run_first_chunks: column([1]),
            run_samples: column([samples.into()]),
        };
        let table = SampleTable::build(tables, 1 << 20).expect("consistent");
        let mut measurer = Measurer::new(&table, 0);
        let mut first = 0;
        for count in cuts {
            let rows: Vec<_> = table.rows(first..first + count).collect();
            let Some(found) = measurer.next(count) else {
                prop_assert!(rows.is_empty());
                break;
            };
            let last = rows.iter().max_by_key(|row| row.pts()).expect("not empty");
            let all = |of: fn(&SampleRow) -> i64| {
                (rows.iter().map(of).min().expect("not empty"), rows.iter().map(of).max().expect("not empty"))
            };
            let ticks = all(|row| row.duration.into());
            prop_assert_eq!(found.durations, (ticks.0 as u64, ticks.1 as u64));
            prop_assert_eq!(found.compositions, all(|row| row.composition_offset.into()));
            prop_assert_eq!(found.first_pts, all(SampleRow::pts).0);
            prop_assert_eq!(found.presented_end, last.pts() + i64::from(last.duration));
            prop_assert_eq!(found.decoded, (rows[0].dts, table.dts(first + rows.len())));
            first += rows.len();
        }
    }
}
