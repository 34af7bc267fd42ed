//! Feeds libFuzzer's inputs to `rillcast_fuzz::index::run`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::index::run(data));
