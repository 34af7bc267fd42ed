//! Feeds libFuzzer's inputs to `rillcast_fuzz::cache_rules::cache_control::run`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::cache_rules::cache_control::run(data));
