//! Feeds libFuzzer's inputs to `rillcast_fuzz::tokens::run`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::tokens::run(data));
