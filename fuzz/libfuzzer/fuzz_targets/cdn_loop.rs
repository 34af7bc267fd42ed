//! Feeds libFuzzer's inputs to `rillcast_fuzz::upstream::cdn_loop`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| rillcast_fuzz::upstream::cdn_loop(data));
