//! A profile for speedscope (speedscope.app): the CPU time of the target by stack.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A function in a stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StackFrame {
    /// Its name.
    pub function: String,
    /// Its file or module; empty if unknown.
    pub module: String,
}

/// A stack with the time that was spent in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedStack {
    /// The functions, the outermost first.
    pub frames: Vec<StackFrame>,
    /// CPU time in nanoseconds.
    pub ns: u64,
}

const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";
/// A stack needs a frame to be shown.
const NO_STACK: &str = "[no stack]";

/// The document; stacks with equal beginnings stand side by side if they are sorted.
pub fn document(title: &str, stacks: &[WeightedStack]) -> Value {
    let mut ids: BTreeMap<StackFrame, usize> = BTreeMap::new();
    let mut frames = Vec::new();
    let mut id_of = |frame: &StackFrame| {
        if let Some(&id) = ids.get(frame) {
            return id;
        }
        let id = frames.len();
        frames.push(match frame.module.is_empty() {
            true => json!({ "name": frame.function }),
            false => json!({ "name": frame.function, "file": frame.module }),
        });
        ids.insert(frame.clone(), id);
        id
    };
    let none = StackFrame { function: NO_STACK.to_owned(), module: String::new() };
    let mut samples: Vec<Vec<usize>> = Vec::with_capacity(stacks.len());
    for stack in stacks {
        samples.push(match stack.frames.is_empty() {
            true => vec![id_of(&none)],
            false => stack.frames.iter().map(&mut id_of).collect(),
        });
    }
    let weights: Vec<u64> = stacks.iter().map(|stack| stack.ns).collect();
    let end: u64 = weights.iter().sum();
    json!({
        "$schema": SCHEMA,
        "exporter": concat!("uringbench ", env!("CARGO_PKG_VERSION")),
        "name": title,
        "activeProfileIndex": 0,
        "shared": { "frames": frames },
        "profiles": [{
            "type": "sampled",
            "name": "CPU time",
            "unit": "nanoseconds",
            "startValue": 0,
            "endValue": end,
            "samples": samples,
            "weights": weights,
        }],
    })
}
