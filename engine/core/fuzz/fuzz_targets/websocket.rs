//! A stream of websockets, fed in every way there is.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    uringbench_core_fuzz::websocket(input);
});
