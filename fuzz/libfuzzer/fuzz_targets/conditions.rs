//! Feeds libFuzzer's inputs to `rillcast_fuzz::http::conditions::run`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::http::conditions::run(data));
