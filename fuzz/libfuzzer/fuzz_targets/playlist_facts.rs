//! Feeds libFuzzer's inputs to `rillcast_fuzz::live_hold::playlist_facts`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::live_hold::playlist_facts(data));
