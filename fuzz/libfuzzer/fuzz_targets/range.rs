//! Feeds libFuzzer's inputs to `rillcast_fuzz::http::range`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::http::range(data));
