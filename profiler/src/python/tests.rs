//! Merges and repairs of artificial stacks with known results.

use proptest::prelude::*;
use uringbench_core::time::Timestamp;

use super::*;
use crate::sample::{Sample, SampleKind};
use crate::stack::{Location, Marker, ModuleId, StackId, StackTable};

const LOOP: Location = code(0xe);

const fn code(address: u64) -> Location {
    Location::Code { module: ModuleId(0), address }
}

const TRAMPOLINE: Location = Location::Anonymous { pid: 1, address: 0xf };

fn part(location: Location) -> Option<FramePart> {
    match location {
        LOOP => Some(FramePart::Loop),
        TRAMPOLINE => Some(FramePart::Trampoline),
        _ => None,
    }
}

/// Root first; a name with `>` in front is an entry.
fn python(stacks: &mut PythonStacks, frames: &str) -> PythonStackId {
    let leaf_first = frames.split_whitespace().rev().map(|name| PythonFrame {
        name: name.trim_start_matches('>').to_owned(),
        is_entry: name.starts_with('>'),
    });
    stacks.intern(leaf_first).expect("the table is not full")
}

/// Root first: `L` for the loop, `P` for a trampoline to it, `T` for the truncation, a digit for
/// other code, `k` for the kernel.
fn native(table: &mut StackTable, frames: &str) -> StackId {
    table.intern(frames.chars().map(|frame| match frame {
        'L' => LOOP,
        'P' => TRAMPOLINE,
        'T' => Location::Marker(Marker::Truncated),
        'k' => Location::Kernel(1),
        digit => code(u64::from(digit.to_digit(10).expect("a digit"))),
    }))
}

fn shown(table: &StackTable, stack: StackId) -> String {
    let frames = table.root_first(stack).into_iter().map(|frame| match table.location(frame) {
        LOOP => "L".to_owned(),
        Location::Marker(_) => "T".to_owned(),
        Location::Kernel(_) => "k".to_owned(),
        Location::Named(name) => table.name_text(name).to_owned(),
        Location::Code { address, .. } | Location::Inlined { address, .. } => address.to_string(),
        Location::Anonymous { .. } => "P".to_owned(),
    });
    frames.collect::<Vec<_>>().join(" ")
}

fn sample(time: u64, tid: u32, stack: StackId) -> Sample {
    let kind = SampleKind::Cpu;
    Sample { time: Timestamp(time * 1_000_000), cpu: 0, pid: 1, tid, kind, weight: 1, stack }
}

fn reading(time: u64, tid: u32, stack: PythonStackId) -> PythonSample {
    PythonSample { time: Timestamp(time * 1_000_000), pid: 1, tid, stack }
}

#[test]
fn runs_stand_where_the_loop_did() {
    for (native_stack, python_stack, expected, fit) in [
        ("01L2L3k", ">a b >c", "0 1 a b 2 c 3 k", Fit::Merged),
        ("01L2L3k", ">a b", "0 1 a b 2 L 3 k", Fit::Forced),
        ("01L2", ">a b >c d", "0 1 a b 2", Fit::Forced),
        ("T2L3L4", ">a >b x >c", "T a 2 b x 3 c 4", Fit::Merged),
        ("T2L3L4", ">c", "T 2 L 3 c 4", Fit::Forced),
        ("TL", ">a >b", "T a b", Fit::Merged),
        ("L", ">a b", "a b", Fit::Merged),
        ("012k", ">a b", "0 1 2 k", Fit::Native),
        // Trampolines have the same functions as the runs of their loops.
        ("0PL1PL2", ">a >b", "0 a 1 b 2", Fit::Merged),
        ("0PL1PL2", ">a", "0 a 1 P L 2", Fit::Forced),
        // Frames above the first entry are a run as well.
        ("0L1L", "a >b", "0 a 1 b", Fit::Merged),
    ] {
        let (mut table, mut stacks) = (StackTable::default(), PythonStacks::default());
        let native_stack = native(&mut table, native_stack);
        let python_stack = python(&mut stacks, python_stack);
        let merged = merge(&mut table, native_stack, stacks.stack(python_stack), &part);
        assert_eq!((shown(&table, merged.stack).as_str(), merged.fit), (expected, fit));
    }
}

#[test]
fn a_sample_takes_the_stack_that_fits_then_the_one_that_is_near() {
    let (mut table, mut stacks) = (StackTable::default(), PythonStacks::default());
    let [flat, deep] = ["0L1", "0L1L2"].map(|frames| native(&mut table, frames));
    let handler = python(&mut stacks, ">main >handler");
    let other = python(&mut stacks, ">main >other");
    let idle = python(&mut stacks, ">main poll");
    let readings = vec![
        reading(1000, 1, handler),
        reading(1010, 1, idle),
        reading(1300, 1, other),
        reading(1010, 2, other),
    ];
    let mut merger = Merger::new(&stacks, readings);
    for (time, tid, native_stack, expected, fit) in [
        (1003, 1, deep, "0 main 1 handler 2", Fit::Merged),
        // 1 ms from `idle`, which cannot have run; 9 ms from `handler`, which can.
        (1009, 1, deep, "0 main 1 handler 2", Fit::Near),
        (1009, 1, flat, "0 main poll 1", Fit::Merged),
        (1290, 1, deep, "0 main 1 other 2", Fit::Near),
        (1011, 2, flat, "0 main 1", Fit::Forced),
        // No sample of thread 3, but of another one that is not a main thread.
        (1012, 3, deep, "0 main 1 other 2", Fit::Near),
        (3000, 1, deep, "0 L 1 L 2", Fit::Unmatched),
        (1003, 3, flat, "0 L 1", Fit::Unmatched),
    ] {
        let merged = merger.merge(&mut table, &sample(time, tid, native_stack), &part);
        assert_eq!((shown(&table, merged.stack).as_str(), merged.fit), (expected, fit), "{time}");
    }
    let fits = Fits { native: 0, merged: 2, near: 3, forced: 1, unmatched: 2 };
    assert_eq!(merger.fits(), fits);
}

#[test]
fn a_stack_read_in_part_gets_its_callers_back() {
    let mut stacks = PythonStacks::default();
    let readings = [
        ">main_loop >task >app >route >handler",
        ">main_loop >task >app >route >handler",
        ">main_loop >task >app >app >route >render",
        ">main_loop >task >app >route >handler",
        // Its outermost frame is in two complete stacks; more of its frames are in the rarer one.
        ">app >route >render escape",
        ">elsewhere >leaf",
    ];
    let readings = readings.map(|frames| python(&mut stacks, frames));
    let mut samples = readings.map(|stack| reading(0, 1, stack));
    let repairs = repair(&mut stacks, &mut samples);
    assert_eq!(repairs, Repairs { repaired: 1, partial: 1 });
    let repaired = stacks.stack(samples[4].stack);
    let names: Vec<_> = repaired.root_first().map(|frame| frame.name.as_str()).collect();
    assert_eq!(names, ["main_loop", "task", "app", "app", "route", "render", "escape"]);
    assert!(!repaired.is_partial());
    assert!(stacks.stack(samples[5].stack).is_partial());
    assert_eq!(samples.map(|sample| sample.stack)[..4], readings[..4]);
}

#[test]
fn what_lacks_outer_frames_is_held_at_the_inner_end() {
    let (mut table, mut stacks) = (StackTable::default(), PythonStacks::default());
    let native_stack = native(&mut table, "0L1L2L3");
    let whole = python(&mut stacks, ">main poll");
    let partial = python(&mut stacks, ">route >handler");
    let mut samples =
        vec![reading(1000, 1, whole), reading(1001, 1, whole), reading(1002, 1, partial)];
    assert_eq!(repair(&mut stacks, &mut samples).partial, 1);
    let mut merger = Merger::new(&stacks, samples);
    let merged = merger.merge(&mut table, &sample(1000, 1, native_stack), &part);
    assert_eq!(shown(&table, merged.stack), "0 L 1 route 2 handler 3");
    assert_eq!(merged.fit, Fit::Near);
}

#[test]
fn the_loop_is_told_by_its_name() {
    for name in ["_PyEval_EvalFrameDefault", "_PyEval_EvalFrameDefault.cold", "PyEval_EvalFrameEx"]
    {
        assert!(is_eval_loop(name), "{name}");
    }
    for name in ["PyEval_EvalCode", "_PyEval_Vector", "_PyEval_EvalFrameDefaults", ""] {
        assert!(!is_eval_loop(name), "{name}");
    }
}

#[test]
fn trampolines_are_told_by_their_name_and_kind() {
    let name = |function: &str, kind| crate::stack::FrameName {
        function: function.to_owned(),
        module: String::new(),
        kind,
    };
    use crate::stack::FrameKind::{Jit, Native};
    assert_eq!(FramePart::of(&name("py::handler:/srv/app.py", Jit)), Some(FramePart::Trampoline));
    assert_eq!(FramePart::of(&name("py::handler:/srv/app.py", Native)), None);
    assert_eq!(FramePart::of(&name("_PyEval_EvalFrameDefault", Native)), Some(FramePart::Loop));
}

proptest! {
    /// Native frames keep their order and their innermost one whatever is merged into them, and a
    /// Python frame never appears twice.
    #[test]
    fn native_frames_survive_every_merge(
        native_stack in "T?[0-9L]{1,20}",
        entries in prop::collection::vec(any::<bool>(), 1..20),
    ) {
        let (mut table, mut stacks) = (StackTable::default(), PythonStacks::default());
        let native_stack = native(&mut table, &native_stack);
        let frames = entries.iter().enumerate().map(|(at, &is_entry)| PythonFrame {
            name: format!("f{at}"),
            is_entry,
        });
        let python = stacks.intern(frames).expect("the table is not full");
        let merged = merge(&mut table, native_stack, stacks.stack(python), &part);
        let located = |stack| -> Vec<Location> {
            table.root_first(stack).into_iter().map(|frame| table.location(frame)).collect()
        };
        let is_native = |location: &Location| {
            !matches!(location, Location::Named(_)) && *location != LOOP
        };
        let (before, after) = (located(native_stack), located(merged.stack));
        prop_assert_eq!(
            before.iter().copied().filter(is_native).collect::<Vec<_>>(),
            after.iter().copied().filter(is_native).collect::<Vec<_>>()
        );
        let mut python: Vec<_> = after.iter().filter(|l| matches!(l, Location::Named(_))).collect();
        let count = python.len();
        python.sort();
        python.dedup();
        prop_assert_eq!(python.len(), count);
        if before.last() != Some(&LOOP) {
            prop_assert_eq!(before.last(), after.last());
        }
    }
}
