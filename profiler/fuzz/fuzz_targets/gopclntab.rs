//! What a Go program's table of functions may hold.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    uringbench_profiler_fuzz::gopclntab(input);
});
