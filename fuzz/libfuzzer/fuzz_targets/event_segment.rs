//! Feeds libFuzzer's inputs to `rillcast_fuzz::orders::event_segment`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::orders::event_segment(data));
