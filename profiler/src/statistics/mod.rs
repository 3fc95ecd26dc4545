//! What samples say, and how sure that is.
//!
//! `spike` finds the slow stretches of a run and the functions that are over-represented in them,
//! `per_request` puts a cost with an interval on each function, `difference` compares two such
//! profiles, `overhead` weighs the profiler itself. All take counts and weights; which samples go
//! into them is `profile`'s to cut, the arithmetic is `uringbench_core::statistics`.

pub mod difference;
pub mod overhead;
pub mod per_request;
pub mod spike;
