//! What a file of a JVM's counters may hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    uringbench_profiler_fuzz::hsperfdata(input);
});
