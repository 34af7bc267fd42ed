use proptest::prelude::*;

use super::*;

#[test]
fn equal_values_cost_nothing() {
    let column = Column::constant(7, 4_000_000_000);
    assert_eq!(column.get(3_999_999_999), Some(7));
    assert_eq!(column.get(4_000_000_000), None);
    assert_eq!(column.memory_bytes(), 0);
    let mut column = ColumnBuilder::new();
    column.push_run(1, 1000);
    column.extend([1; 1000].into_iter());
    let column = column.finish();
    assert_eq!((column.memory_bytes(), column.len(), column.as_constant()), (0, 2000, Some(1)));
}

/// How rows are appended.
#[derive(Debug, Clone)]
enum Append {
    One(u64),
    Run(u64, usize),
    Many(Vec<u64>),
    Rows(Vec<u64>),
    Words(Vec<u32>),
}

fn any_value() -> impl Strategy<Value = u64> {
    prop_oneof![Just(5u64), 0..300u64, (0..8u32).prop_map(|bytes| u64::MAX >> (8 * bytes)), any::<u64>()]
}

fn any_append() -> impl Strategy<Value = Append> {
    prop_oneof![
        any_value().prop_map(Append::One),
        (any_value(), 0..200usize).prop_map(|(value, count)| Append::Run(value, count)),
        proptest::collection::vec(any_value(), 0..200).prop_map(Append::Many),
        (any_value(), 0..200usize).prop_map(|(value, count)| Append::Many(vec![value; count])),
        proptest::collection::vec(any_value(), 0..3 * BLOCK).prop_map(Append::Rows),
        proptest::collection::vec(any_value(), BLOCK..=BLOCK).prop_map(Append::Rows),
        proptest::collection::vec(
            (0..5u32).prop_flat_map(|bytes| 0..=u32::MAX.checked_shr(8 * bytes).unwrap_or(0)),
            0..5 * BLOCK
        )
        .prop_map(Append::Words),
    ]
}

/// The column so appended, and its rows.
fn appended(appends: &[Append]) -> (Column, Vec<u64>) {
    let (mut column, mut rows) = (ColumnBuilder::new(), Vec::new());
    // Too many, too few or none at all: what is expected is not what comes of it.
    column.expect(appends.len() * 70 % 300);
    for append in appends {
        match append {
            Append::One(value) => {
                column.push(*value);
                rows.push(*value);
            }
            Append::Run(value, count) => {
                column.push_run(*value, *count);
                rows.extend(std::iter::repeat_n(*value, *count));
            }
            Append::Many(values) => {
                column.extend(values.iter().copied());
                rows.extend(values);
            }
            Append::Rows(values) => {
                column.extend_rows(values);
                rows.extend(values);
            }
            Append::Words(values) => {
                column.extend_words(values.iter().copied());
                rows.extend(values.iter().map(|value| u64::from(*value)));
            }
        }
        assert_eq!(column.len(), rows.len());
    }
    (column.finish(), rows)
}

fn encoded(column: &Column) -> Vec<u8> {
    let mut bytes = Vec::new();
    column.encode(&mut bytes);
    bytes
}

proptest! {
    #[test]
    fn a_column_is_the_values_appended(appends in proptest::collection::vec(any_append(), 0..12), start in 0..300usize) {
        let (column, rows) = appended(&appends);
        prop_assert_eq!(&column.iter_from(0).collect::<Vec<_>>(), &rows);
        let from = rows.get(start..).unwrap_or_default();
        prop_assert_eq!(&column.iter_from(start).collect::<Vec<_>>(), from);
        prop_assert_eq!(column.iter_from(start).len(), from.len());
        let got: Vec<u64> = (0..=rows.len()).map_while(|index| column.get(index)).collect();
        prop_assert_eq!(&got, &rows);
        prop_assert_eq!(column.last(), rows.last().copied());
        let mut walk = column.iter_from(start);
        let mut sliced = Vec::new();
        while let some @ [_, ..] = walk.next_rows(37) { sliced.extend_from_slice(some); }
        prop_assert_eq!(&sliced, from);
        let mut runs = Vec::new();
        column.each_run(|value, count| runs.push((value, count)));
        prop_assert!(runs.iter().all(|(_, count)| *count > 0));
        prop_assert!(runs.windows(2).all(|pair| pair[0].0 != pair[1].0));
        let again = runs.into_iter().flat_map(|(value, count)| std::iter::repeat_n(value, count as usize));
        prop_assert_eq!(&again.collect::<Vec<_>>(), &rows);
        let sum = rows.iter().skip(start).fold(0u64, |sum, value| sum.saturating_add(*value));
        prop_assert_eq!(column.sum(start..usize::MAX), sum);
        prop_assert_eq!(&column, &rows.iter().copied().collect::<Column>(), "the same bytes however appended");
    }

    #[test]
    fn count_at_most_splits_a_rising_column(mut values in proptest::collection::vec(0..1000u64, 0..300), limit in 0..1000u64) {
        values.sort_unstable();
        let column: Column = values.iter().copied().collect();
        prop_assert_eq!(column.count_at_most(limit), values.iter().filter(|value| **value <= limit).count());
    }

    #[test]
    fn encoded_columns_are_taken_from_the_front(
        one in proptest::collection::vec(any_append(), 0..6), two in proptest::collection::vec(any_append(), 0..6)
    ) {
        let (one, two) = (appended(&one).0, appended(&two).0);
        let bytes = [encoded(&one), encoded(&two), vec![9, 9]].concat();
        let mut rest = Bytes::from(bytes);
        prop_assert_eq!(&Column::decode(&mut rest).unwrap(), &one);
        prop_assert_eq!(&Column::decode(&mut rest).unwrap(), &two);
        prop_assert_eq!(&rest[..], &[9, 9]);
    }

    #[test]
    fn damaged_columns_do_no_harm(
        appends in proptest::collection::vec(any_append(), 0..6), keep in 0.0..1.2f64,
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let mut bytes = encoded(&appended(&appends).0);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        if let Ok(column) = Column::decode(&mut Bytes::from(bytes)) {
            let rows = column.iter_from(0).take(1000).count();
            prop_assert_eq!(rows, column.len().min(1000));
            column.get(column.len() / 2);
            prop_assert!(column.count_at_most(1000) <= column.len());
            prop_assert_eq!(&Column::decode(&mut Bytes::from(encoded(&column))).unwrap(), &column);
        }
    }
}

#[test]
fn each_damage_has_its_name() {
    let good = encoded(&(0..100).map(|n| n * n).collect());
    let decode = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Column::decode(&mut bytes.into()).map(|column| column.len())
    };
    assert_eq!(decode(&|_| {}), Ok(100));
    let len = good.len() as u64;
    assert_eq!(decode(&|bytes| bytes.truncate(23)), Err(ColumnError::Short { need: 24, left: 23 }));
    assert_eq!(
        decode(&|bytes| bytes.truncate(good.len() - 1)),
        Err(ColumnError::Short { need: len, left: len - 1 })
    );
    assert_eq!(decode(&|bytes| bytes[0] = 200), Err(ColumnError::Blocks { rows: 200, bytes: 32 }));
    assert_eq!(decode(&|bytes| bytes[16] = 0), Err(ColumnError::Blocks { rows: 100, bytes: 0 }));
    // The second block's width, and where it starts.
    assert_eq!(decode(&|bytes| bytes[24 + 16 + 12] = 9), Err(ColumnError::Outside { block: 1 }));
    assert_eq!(decode(&|bytes| bytes[24 + 16 + 9] = 1), Err(ColumnError::Outside { block: 1 }));
    let rows = |rows: u64| {
        let mut bytes = encoded(&Column::new());
        bytes[..8].copy_from_slice(&rows.to_le_bytes());
        Column::decode(&mut bytes.into()).map(|column| column.len() as u64)
    };
    assert_eq!(rows(MAX_ROWS), Ok(MAX_ROWS));
    assert_eq!(rows(MAX_ROWS + 1), Err(ColumnError::TooLong { rows: MAX_ROWS + 1 }));
}
