//! A sample table as bytes, for an index beside the source.
//!
//! ```text
//!  sizes │ durations │ composition │ 0, or 1 and sync samples │ chunk offsets │ chunk firsts │ marks │ ticks │ bytes
//! ```
//!
//! Columns are as in memory ([`Column::encode`]), so a table is read from a mapped file without a copy.
//! The index names its version and has a checksum; here it is only checked that nothing can go wrong by
//! reading: what bytes of another make say is nonsense, but inside the columns.

use bytes::{Buf, Bytes};

use super::{MARK, MAX_SAMPLES, SampleTable, SyncSamples};
use crate::column::{Column, ColumnError};

/// Why bytes are no sample table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoredTableError {
    /// One of its columns is none.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// They end between its columns.
    #[error("the bytes end inside a sample table")]
    Short,
    /// More samples than we accept.
    #[error("{samples} samples, limit {MAX_SAMPLES}")]
    TooMany {
        /// Samples it says it has.
        samples: u64,
    },
    /// Two columns of different length, or a sum that no table has.
    #[error("the {column} do not belong to a table of {samples} samples")]
    Disagree {
        /// What is wrong.
        column: &'static str,
        /// Samples of the table.
        samples: u64,
    },
}

impl SampleTable {
    /// Appends the table's bytes, as [`decode`](Self::decode) reads them.
    ///
    /// Cost: a copy of [`memory_bytes`](Self::memory_bytes).
    pub fn encode(&self, out: &mut Vec<u8>) {
        for column in [&self.sizes, &self.durations, &self.composition] {
            column.encode(out);
        }
        match &self.sync {
            SyncSamples::All => out.push(0),
            SyncSamples::Listed(list) => {
                out.push(1);
                list.encode(out);
            }
        }
        for column in [&self.chunk_offsets, &self.chunk_firsts, &self.marks] {
            column.encode(out);
        }
        out.extend_from_slice(&self.total_duration.to_le_bytes());
        out.extend_from_slice(&self.total_bytes.to_le_bytes());
    }

    /// Takes a table from the front of `bytes`, which its columns go on sharing.
    ///
    /// Cost: O(samples / 64); no row is read.
    ///
    /// # Errors
    /// [`StoredTableError`]; `bytes` is then of no more use.
    pub fn decode(bytes: &mut Bytes) -> Result<Self, StoredTableError> {
        let sizes = Column::decode(bytes)?;
        let durations = Column::decode(bytes)?;
        let composition = Column::decode(bytes)?;
        let sync = match bytes.try_get_u8().map_err(|_| StoredTableError::Short)? {
            0 => SyncSamples::All,
            _ => SyncSamples::Listed(Column::decode(bytes)?),
        };
        let (chunk_offsets, chunk_firsts) = (Column::decode(bytes)?, Column::decode(bytes)?);
        let marks = Column::decode(bytes)?;
        let total_duration = bytes.try_get_u64_le().map_err(|_| StoredTableError::Short)?;
        let total_bytes = bytes.try_get_u64_le().map_err(|_| StoredTableError::Short)?;
        let table = Self {
            sizes,
            durations,
            composition,
            sync,
            chunk_offsets,
            chunk_firsts,
            marks,
            total_duration,
            total_bytes,
        };
        table.checked()
    }

    /// The table, if its columns belong together.
    fn checked(self) -> Result<Self, StoredTableError> {
        let samples = self.len() as u64;
        if samples > MAX_SAMPLES {
            return Err(StoredTableError::TooMany { samples });
        }
        let listed = match &self.sync {
            SyncSamples::All => 0,
            SyncSamples::Listed(list) => list.len(),
        };
        let checks = [
            ("durations", self.durations.len() == self.len()),
            ("composition offsets", self.composition.len() == self.len()),
            ("sync samples", listed <= self.len()),
            ("chunks", self.chunk_offsets.len() == self.chunk_firsts.len() && self.chunks() <= self.len()),
            ("marks", self.marks.len() == self.len().div_ceil(MARK)),
            ("total duration", self.total_duration < 1 << 62),
        ];
        match checks.iter().find(|(_, holds)| !holds) {
            Some((column, _)) => Err(StoredTableError::Disagree { column, samples }),
            None => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rillcast_fixtures::{Shape, Track as Made};

    use super::*;
    use crate::demux::mp4::read_all;

    fn tables() -> Vec<SampleTable> {
        let tracks = vec![Made::avc(1, 25, 50, 200), Made::aac(2, 400)];
        let movie = read_all(&Shape::new(tracks).bytes().into()).expect("a good file");
        movie.tracks.into_iter().map(|track| track.samples).collect()
    }

    fn encoded(table: &SampleTable) -> Vec<u8> {
        let mut bytes = Vec::new();
        table.encode(&mut bytes);
        bytes
    }

    #[test]
    fn tables_are_taken_from_the_front() {
        let tables = tables();
        let mut bytes = Bytes::from(tables.iter().flat_map(encoded).chain([7]).collect::<Vec<u8>>());
        for table in &tables {
            assert_eq!(&SampleTable::decode(&mut bytes).expect("as encoded"), table);
        }
        assert_eq!(&bytes[..], [7]);
    }

    #[test]
    fn a_part_of_a_table_is_none() {
        let bytes = Bytes::from(encoded(&tables()[0]));
        for len in 0..bytes.len() {
            assert!(SampleTable::decode(&mut bytes.slice(..len)).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn each_disagreement_has_its_name() {
        let good = tables().swap_remove(0);
        let with = |change: &dyn Fn(&mut SampleTable)| {
            let mut table = good.clone();
            change(&mut table);
            SampleTable::decode(&mut encoded(&table).into()).map(|table| table.len())
        };
        let wrong = |column| Err(StoredTableError::Disagree { column, samples: 200 });
        let other = Column::constant(1, 201);
        assert_eq!(with(&|_| {}), Ok(200));
        assert_eq!(with(&|table| table.durations = other.clone()), wrong("durations"));
        assert_eq!(with(&|table| table.composition = other.clone()), wrong("composition offsets"));
        assert_eq!(with(&|table| table.sync = SyncSamples::Listed(other.clone())), wrong("sync samples"));
        assert_eq!(with(&|table| table.chunk_firsts = other.clone()), wrong("chunks"));
        assert_eq!(with(&|table| table.marks = Column::constant(0, 5)), wrong("marks"));
        assert_eq!(with(&|table| table.total_duration = 1 << 62), wrong("total duration"));
        let most = usize::try_from(MAX_SAMPLES).unwrap();
        let long = |samples| {
            move |table: &mut SampleTable| {
                table.sizes = Column::constant(1, samples);
                table.durations = Column::constant(1, samples);
                table.composition = Column::constant(1, samples);
                table.marks = Column::constant(0, samples.div_ceil(MARK));
            }
        };
        assert_eq!(with(&long(most)), Ok(most));
        assert_eq!(with(&long(most + 1)), Err(StoredTableError::TooMany { samples: MAX_SAMPLES + 1 }));
    }

    proptest! {
        #[test]
        fn damaged_tables_do_no_harm(
            track in 0..2usize,
            damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        ) {
            let mut bytes = encoded(&tables()[track]);
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let Ok(table) = SampleTable::decode(&mut bytes.into()) else { return Ok(()) };
            for start in [0, 1, 63, 150, table.len()] {
                let rows = table.rows(start..start + 300);
                prop_assert!(rows.count() <= 300);
                table.row(start);
                table.pts(start);
                table.sync_at_or_before(start);
                prop_assert!(table.first_at_or_after(start as i64 * 1000) <= table.len());
                table.sync_indexes(start..start + 300).for_each(|index| assert!(index < start + 300));
            }
            table.lasting(&(0..1000));
        }
    }
}
