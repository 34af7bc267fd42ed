//! One function for each parser of foreign bytes: it takes any bytes, and must neither panic nor run
//! away; what it asserts besides is the parser's contract.
//!
//! ```text
//!  libfuzzer/fuzz_targets/mp4.rs ─┐
//!                                 ├─▶ rillcast_fuzz::mp4::run(&[u8])
//!  tests/replay.rs  corpus/mp4/* ─┘      (stable, in ordinary CI)
//! ```
//!
//! A new target: a function here, a line in [`TARGETS`], a file in `libfuzzer/fuzz_targets/` with
//! its `[[bin]]`, and a folder in `corpus/` that is not empty. `run.sh TARGET SECONDS` fuzzes it.

pub mod audit;
pub mod bodies;
pub mod cache_rules;
pub mod codec;
pub mod edge_cache;
mod fields;
pub mod http;
pub mod index;
pub mod layout;
pub mod live_hold;
pub mod mp4;
pub mod mp4_cuts;
pub mod names;
pub mod orders;
pub mod slabs;
pub mod token;
pub mod tokens;
pub mod upstream;
pub mod urls;

/// A target: its name, which is that of its corpus, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("mp4", mp4::run),
    ("mp4_cuts", mp4_cuts::run),
    ("layout", layout::run),
    ("index", index::run),
    ("avc_config", codec::avc_config),
    ("hevc_config", codec::hevc_config),
    ("aac_config", codec::aac_config),
    ("esds", codec::esds),
    ("nal_units", codec::nal_units),
    ("revision", names::revision),
    ("track_name", names::track_name),
    ("range", http::range),
    ("accept_encoding", http::accept_encoding),
    ("network", http::network),
    ("proxy_protocol", http::proxy_protocol::run),
    ("client_address", http::client_address::run),
    ("conditions", http::conditions::run),
    ("respond", http::respond::run),
    ("content_range", upstream::content_range),
    ("cdn_loop", upstream::cdn_loop),
    ("edge_cache", edge_cache::run),
    ("locator", urls::locator),
    ("asset_path", urls::asset_path),
    ("audit", audit::run),
    ("body", bodies::body),
    ("slices", bodies::slices),
    ("slabs", slabs::run),
    ("tokens", tokens::run),
    ("orders", orders::orders),
    ("event_segment", orders::event_segment),
    ("cache_key", cache_rules::cache_key::run),
    ("cache_control", cache_rules::cache_control::run),
    ("cmcd", cache_rules::cmcd),
    ("directives", live_hold::directives),
    ("playlist_facts", live_hold::playlist_facts),
    ("token", token::run),
];
