//! What the memory of a Java process may hold while it is read.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    uringbench_profiler_fuzz::hotspot(input);
});
