//! A server's bytes to an HTTP/2 client, split in every way.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    uringbench_core_fuzz::h2_machine(input);
});
