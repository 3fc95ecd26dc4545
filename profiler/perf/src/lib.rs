//! Events of the kernel's perf subsystem and the rings they are written to.
//!
//! This crate opens, reads and closes; what the bytes of a record mean is the profiler's. The
//! `unsafe` of it stands in `kernel`.
