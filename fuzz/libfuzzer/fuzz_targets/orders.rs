//! Feeds libFuzzer's inputs to `rillcast_fuzz::orders::orders`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::orders::orders(data));
