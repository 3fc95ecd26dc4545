//! What rings may hold, decoded, ordered and followed.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    uringbench_profiler_fuzz::records(input);
});
