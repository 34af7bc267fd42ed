//! Feeds libFuzzer's inputs to `rillcast_fuzz::live_hold::directives`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::live_hold::directives(data));
