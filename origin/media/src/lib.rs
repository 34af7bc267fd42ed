//! Media knowledge, pure: containers, codecs, segments and playlists.
//!
//! Nothing here reads a file, opens a socket, asks a clock or starts a thread. Bytes and numbers
//! come in, bytes and descriptions of bytes go out:
//!
//! ```text
//!  moov bytes ─demux─▶ Movie (columns) ─▶ Timeline [Clip{movie, range}] ─plan─▶ SegmentPlan ─span(n)─▶ [Sample<Extent>] ─package─▶ Slices (header + extents)
//!                                               └───────────────────────────────┴──▶ Presentation ─manifest─▶ playlist text
//! ```
//!
//! | stage | module | makes |
//! |---|---|---|
//! | what is in the file | [`demux`] | [`movie::Movie`] |
//! | what of it is shown, and when | [`timeline`] | [`timeline::Timeline`] |
//! | where it is cut | [`plan`] | [`plan::SegmentPlan`] |
//! | what the bytes of a segment are | [`package`] | [`slice::Slices`] |
//! | what a playlist says | [`presentation`], [`manifest`] | text |
//! | all that is known, kept in a file | [`index`] | bytes and back |
//!
//! Invariants: the same sources, policy and [`revision::FORMAT_VERSION`] give the same bytes on
//! every machine; input from outside never panics, hangs or takes memory beyond a named limit.
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::cast_sign_loss)
)]

pub mod bits;
pub mod codec;
pub mod column;
mod cursor;
pub mod demux;
pub mod fourcc;
pub mod index;
pub mod layout;
pub mod manifest;
pub mod movie;
pub mod package;
pub mod plan;
pub mod presentation;
pub mod revision;
pub mod sample;
pub mod slice;
pub mod time;
pub mod timeline;
