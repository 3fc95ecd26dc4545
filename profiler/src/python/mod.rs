//! An interpreter's frames: the Python functions that ran while the kernel sampled native code.
//!
//! `sampler` reads the Python stacks of the target's processes from outside, never pausing them
//! (py-spy's non-blocking mode), with times of the kernel's clock. `repair` completes partial
//! readings. `merge` inserts them into the native stacks of the same thread after the run, when
//! frames have names: native samples show how much time was spent, Python samples in which
//! function. All but `sampler` and `process` is pure.

mod merge;
mod process;
mod repair;
mod sampler;
mod stacks;
#[cfg(test)]
mod tests;

pub use merge::{Fit, Fits, FramePart, Merged, Merger, is_eval_loop, merge};
pub use process::{PythonFailure, is_python};
pub use repair::{Repairs, repair};
pub use sampler::{PythonCounts, PythonRecording, PythonSampler, PythonSettings};
pub use stacks::{PythonFrame, PythonSample, PythonStack, PythonStackId, PythonStacks};
