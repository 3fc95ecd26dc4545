//! A chunked body, against a plain reading of the RFC.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    uringbench_core_fuzz::chunked(input);
});
