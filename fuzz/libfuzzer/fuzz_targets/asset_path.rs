//! Feeds libFuzzer's inputs to `rillcast_fuzz::urls::asset_path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::urls::asset_path(data));
