//! Feeds libFuzzer's inputs to `rillcast_fuzz::bodies::body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::bodies::body(data));
