//! Feeds libFuzzer's inputs to `rillcast_fuzz::codec::nal_units`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::codec::nal_units(data));
