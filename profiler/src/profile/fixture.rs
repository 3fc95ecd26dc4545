//! Profiles for tests, from stacks written by hand.
//!
//! A stack is written from its root, with frames separated by `;`. A frame is `function!module#n`:
//! module and number are optional; the number makes a second place in the same function. The suffix
//! gives the kind as in a flame graph's lines: `_[k]` kernel, `_[i]` interpreted, `_[j]` JIT; a
//! function in brackets is a marker, any other is native.

use uringbench_core::time::Timestamp;

use super::{Clock, Facts, Profile, SampleLog};
use crate::sample::{Sample, SampleKind};
use crate::stack::{FrameKind, FrameName, Location, StackId, StackTable};

/// A sample: time, kind, stack, weight.
pub(super) type Written<'a> = (u64, SampleKind, &'a str, u64);

/// A recording of 10 s with these samples, all of process 7.
pub(super) fn profile(samples: &[Written<'_>]) -> Profile {
    let mut profile = Profile {
        stacks: StackTable::default(),
        names: Vec::new(),
        samples: SampleLog::in_file(tempfile::tempfile().unwrap()),
        facts: Facts {
            start: Timestamp(0),
            end: Timestamp(10_000_000_000),
            clock: Clock::CpuClock,
            hz: 99,
            records: 1_000,
            lost: 0,
            throttled: 0,
            coverage: Some(1.0),
            unwound: Some(1.0),
            notes: Vec::new(),
        },
    };
    for &(time, kind, stack, weight) in samples {
        let stack = intern(&mut profile, stack);
        let sample = Sample { time: Timestamp(time), cpu: 0, pid: 7, tid: 7, kind, weight, stack };
        profile.samples.push(&sample).unwrap();
    }
    profile
}

/// The id of a stack written by hand.
pub(super) fn intern(profile: &mut Profile, stack: &str) -> StackId {
    let frames: Vec<_> = stack
        .split(';')
        .filter(|frame| !frame.is_empty())
        .map(|frame| Location::Named(profile.stacks.name(frame)))
        .collect();
    let id = profile.stacks.intern(frames);
    for &location in &profile.stacks.locations()[profile.names.len()..] {
        let Location::Named(name) = location else { unreachable!("only those are made here") };
        profile.names.push(frame_name(profile.stacks.name_text(name)));
    }
    id
}

/// The name of a frame written by hand.
pub(super) fn frame_name(frame: &str) -> FrameName {
    let text = frame.split('#').next().unwrap_or(frame);
    let (text, module) = text.split_once('!').unwrap_or((text, ""));
    let kinds =
        [("_[k]", FrameKind::Kernel), ("_[i]", FrameKind::Interpreted), ("_[j]", FrameKind::Jit)];
    let is_marker = text.starts_with('[');
    let other = if is_marker { FrameKind::Marker } else { FrameKind::Native };
    let (function, kind) = kinds
        .into_iter()
        .find_map(|(suffix, kind)| Some((text.strip_suffix(suffix)?, kind)))
        .unwrap_or((text, other));
    FrameName { function: function.into(), module: module.into(), kind }
}
