//! A server's bytes to a reader of PostgreSQL's answers and to an opening, split in every way.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    uringbench_core_fuzz::postgres(input);
});
