//! Compiles a scenario file to a plan or its mistakes. Start with the files in `tests` and
//! `scenarios`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    uringbench_scenario_fuzz::scenario(&String::from_utf8_lossy(input));
});
