//! A server's bytes to a reader of Redis replies, split in every way.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    uringbench_core_fuzz::resp(input);
});
