//! Feeds libFuzzer's inputs to `rillcast_fuzz::edge_cache::run`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::edge_cache::run(data));
