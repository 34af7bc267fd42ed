//! Feeds libFuzzer's inputs to `rillcast_fuzz::http::proxy_protocol::run`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::http::proxy_protocol::run(data));
