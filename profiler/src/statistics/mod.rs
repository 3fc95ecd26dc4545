//! Conclusions from samples, and their confidence.
//!
//! `spike` finds the slow parts of a run and the functions that are over-represented in them,
//! `per_request` computes the cost of each function with an interval, `difference` compares two
//! such profiles, `overhead` measures the cost of the profiler itself. All take counts and weights;
//! `profile` selects the samples, `uringbench_core::statistics` does the arithmetic.

pub mod difference;
pub mod overhead;
pub mod per_request;
pub mod spike;
