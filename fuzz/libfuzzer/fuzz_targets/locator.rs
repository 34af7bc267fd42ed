//! Feeds libFuzzer's inputs to `rillcast_fuzz::urls::locator`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::urls::locator(data));
