//! Feeds libFuzzer's inputs to `rillcast_fuzz::names::track_name`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::names::track_name(data));
