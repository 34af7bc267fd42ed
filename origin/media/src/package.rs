//! Segments as bodies: what the bytes of an init segment and of a media segment are.
//!
//! Clear CMAF needs only sample metadata: a header built here, then the samples' own extents. No
//! payload byte is read or copied. A packager that must see payload (MPEG-TS, encryption) takes
//! `Sample<Bytes>` instead; the type says that a read comes first.

mod boxes;
pub mod cmaf;
mod sample_entry;
