//! What the heap of V8 may hold while it is read.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    uringbench_profiler_fuzz::v8(input);
});
