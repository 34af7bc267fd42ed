//! Files for tests: an MP4 writer that can write any shape, also wrong ones.
//!
//! Used by the unit and integration tests of `rillcast-media`, the seeds of the fuzz targets, and
//! the end-to-end tests. It knows nothing of the code under test.
//!
//! ```text
//!  Shape (tracks, samples, layout) ─file()─▶ File (tree of boxes) ─▶ change it: at, remove, push ─▶ bytes()
//! ```
//!
//! Every byte of a sample is a function of its track, number and place ([`Track::sample_bytes`]), so
//! a test that reads a sample back knows whether it is the right one.
#![expect(clippy::panic, reason = "made for tests: its panics are their assertions")]

mod annotate;
mod fragment;
mod node;
mod shape;
mod track;

pub use annotate::annotate;
pub use fragment::{Fragment, FragmentSample};
pub use node::{File, Node};
pub use shape::Shape;
pub use track::{AVC_RECORD, ESDS, Edit, HEVC_RECORD, Sample, SizeTable, Track, hex, packed_language};
