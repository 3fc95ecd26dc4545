//! Samples of a running target, and conclusions from them.
//!
//! `record` decodes the kernel's records, `code` turns addresses into stacks and names, `profile`
//! stores samples and selects views of them, `python` adds an interpreter's frames, `timeline`
//! reads procfs, `runtime` recognises garbage collectors by their files, `statistics` and `leak`
//! compute verdicts. `session` joins them to a sidecar that runs beside a load, `analysis` computes
//! the figures of a recording, and `soak` reports whether the target leaks. `capabilities` tries
//! what this machine allows. Everything but `session`, `capabilities`, `soak`, `python`, `runtime`
//! and the readers of `timeline` and `code` is pure: bytes and times come as arguments. This crate
//! does not know the engine.

pub mod analysis;
pub mod capabilities;
pub mod code;
pub mod export;
pub mod leak;
pub mod page_faults;
pub mod profile;
pub mod python;
pub mod record;
pub mod runtime;
pub mod sample;
pub mod selector;
pub mod session;
pub mod soak;
pub mod stack;
pub mod statistics;
pub mod timeline;
