//! Feeds libFuzzer's inputs to `rillcast_fuzz::cache_rules::cmcd`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::cache_rules::cmcd(data));
