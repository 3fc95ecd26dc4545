//! A stream of server-sent events, against a plain reading of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    uringbench_core_fuzz::events(input);
});
