//! The kernel, by hand: what the data plane needs and safe Rust cannot say. The only crate with `unsafe`.
//!
//! Each block of `unsafe` says why it is sound. Nothing here knows HTTP or media; nothing of ours lies below.

pub mod address_space;
pub mod buffers;
pub mod disk;
pub mod huge_pages;
pub mod kernel_tls;
pub mod map;
pub mod page;
pub mod residency;
pub mod send_queue;
pub mod slab;
pub mod token;
pub mod voluntary_switches;
pub mod zero_copy;
