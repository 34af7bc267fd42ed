//! Feeds libFuzzer's inputs to `rillcast_fuzz::upstream::content_range`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::upstream::content_range(data));
