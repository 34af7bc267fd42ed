//! Feeds libFuzzer's inputs to `rillcast_fuzz::codec::esds`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::codec::esds(data));
