//! Header blocks of HTTP/2, with and without the memo.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    uringbench_core_fuzz::hpack_decode(input);
});
