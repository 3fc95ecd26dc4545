//! From a recording, and the load during it, to figures.

use std::io;
use std::ops::Range;

use rustc_hash::FxHashMap;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::validity::Validity;
use uringbench_document::target::{
    Cpu, Function, OtherProcess, Process, ProfileReason, Python, SpikeFunction, SpikeStretch,
    Spikes, TargetFigures, WaitFunction, Waits,
};

use super::{Analysis, LoadRecord, blocks, counters};
use crate::profile::{OffCpuWait, Profile, Selection, View, Windows};
use crate::sample::SampleKind;
use crate::session::{Attachment, Recording, Toggled};
use crate::stack::{FrameKind, StackId};
use crate::statistics::per_request::{Work, per_request};
use crate::statistics::spike::{self, Contrasts, Extent, FunctionCount, SampleTotals};
use crate::timeline::reading::Reading;

/// Functions listed.
const FUNCTIONS_MAX: usize = 20;
/// Other processes listed.
const ELSEWHERE_MAX: usize = 5;
/// Functions listed for waits and spikes.
const CAUSES_MAX: usize = 10;
/// Seed of every resampling, so that results can be repeated.
pub(super) const SEED: u64 = 1;

/// The figures of `recording`, under `load` if there was one.
///
/// # Errors
/// If samples cannot be read back.
pub fn build(recording: &Recording, load: Option<&LoadRecord<'_>>) -> io::Result<Analysis> {
    let window = measured(recording, load);
    let in_window = sampled(recording, load, &window);
    let mut figures = of_attachment(recording);
    let mut spike_windows = Vec::new();
    if let Some(profile) = &recording.profile {
        of_health(profile, &mut figures);
        let cpu = Selection::of([SampleKind::Cpu]).within(in_window.clone());
        let blocked = Selection::of([SampleKind::Blocked]).within(in_window.clone());
        let views = profile.cut_all(&[cpu, blocked])?;
        let requests = load.map(|load| completed(load, &in_window));
        figures.samples = views[0].samples;
        figures.cpu = of_cpu(profile, &views[0], requests);
        figures.functions = functions(profile, &views[0]);
        figures.waits = waits(recording, profile, &views[1], load)?;
        if let Some(load) = load {
            price(profile, &steps(load), &in_window, &mut figures.functions)?;
            let found = spike::windows(load.intervals, load.start, load.spike);
            figures.spikes = Some(spikes(profile, load, &in_window, &found)?);
            spike_windows = found.windows;
        }
    }
    if let (Some(load), Some(counted)) = (load, &recording.counted) {
        figures.counters = counters::per_request(counted, load);
    }
    if recording.profile.is_some() && figures.samples == 0 {
        let readings = &recording.sampled.readings;
        figures.notes.push(without_samples(readings, &figures, &window));
    }
    figures.notes.extend(recording.notes.iter().cloned());
    Ok(Analysis { figures, window, sampled: in_window, spikes: spike_windows })
}

/// Why there is no sample, inferred from the CPU time that the scheduler accounts to the target.
fn without_samples(
    readings: &[Reading],
    figures: &TargetFigures,
    window: &Range<Timestamp>,
) -> String {
    let inside: Vec<_> = readings
        .iter()
        .filter(|reading| window.contains(&reading.time))
        .map(|reading| reading.target.accounted())
        .collect();
    let used = inside.last().zip(inside.first());
    let used = Nanos(used.map_or(0, |(last, first)| last.0.saturating_sub(first.0)));
    let length = window.end.since(window.start);
    let why = match figures.hz {
        _ if used == Nanos::ZERO => "it had nothing to do",
        Some(hz) if used.0 < 1_000_000_000 / u64::from(hz.max(1)) => {
            "that is less than the time between two samples: sample for longer"
        }
        _ if figures.is_user_only => {
            "only user code may be sampled here: run as root, or with kernel.perf_event_paranoid \
             at 1, to see the kernel's"
        }
        _ => "sample for longer, or more often with --profile-hz",
    };
    format!("no sample was taken; the target used {used} of CPU time in {length}: {why}")
}

fn measured(recording: &Recording, load: Option<&LoadRecord<'_>>) -> Range<Timestamp> {
    let measured = load.and_then(|load| load.windows.measured());
    measured.filter(|it| it.end > it.start).unwrap_or(recording.started..recording.ended)
}

/// The sampled part of `window`. If sampling was switched on and off, samples before the first
/// whole interval of a block, and after the last one, have no requests to be divided by.
fn sampled(
    recording: &Recording,
    load: Option<&LoadRecord<'_>>,
    window: &Range<Timestamp>,
) -> Windows {
    let whole = Windows::covering([window.clone()]);
    let Some(load) = load.filter(|_| !recording.toggled.is_empty()) else { return whole };
    let on = stretches(&recording.toggled, recording.started..recording.ended).within(&whole);
    let intervals = load.intervals.iter().map(|interval| {
        let start = load.start + interval.start;
        start..start + interval.length
    });
    Windows::covering(intervals.filter(|range| on.hold(range)))
}

/// The parts of `whole` in which sampling was on: at first, and as it was toggled.
fn stretches(toggled: &[Toggled], whole: Range<Timestamp>) -> Windows {
    let mut since = Some(whole.start);
    let mut on = Vec::new();
    for toggle in toggled {
        match (since, toggle.on) {
            (None, true) => since = Some(toggle.time),
            (Some(start), false) => {
                on.push(start..toggle.time);
                since = None;
            }
            _ => {}
        }
    }
    on.extend(since.map(|start| start..whole.end));
    Windows::covering(on)
}

fn completed(load: &LoadRecord<'_>, window: &Windows) -> u64 {
    let inside = load.intervals.iter().filter(|step| window.contains(load.start + step.start));
    inside.map(|step| step.completed).sum()
}

fn steps(load: &LoadRecord<'_>) -> Vec<(Timestamp, u64)> {
    load.intervals.iter().map(|step| (load.start + step.start, step.completed)).collect()
}

fn of_attachment(recording: &Recording) -> TargetFigures {
    let (mode, is_user_only, instead_of) = match &recording.attachment {
        Attachment::Sampling { mode, is_user_only, instead_of } => {
            (mode.key(), *is_user_only, instead_of.clone())
        }
        Attachment::ProcfsOnly(reasons) => ("procfs_only", false, reasons.clone()),
        Attachment::Unsampled => ("unsampled", false, Vec::new()),
    };
    let process = |(pid, name): &(u32, String)| Process { pid: *pid, name: name.clone() };
    let elsewhere = recording.elsewhere.iter().take(ELSEWHERE_MAX);
    TargetFigures {
        mode: mode.to_owned(),
        is_user_only,
        instead_of,
        lost: recording.tally.lost,
        throttled: recording.tally.throttled,
        processes: recording.processes.iter().map(process).collect(),
        elsewhere: elsewhere
            .map(|(name, nanos)| OtherProcess { name: name.clone(), seconds: seconds(*nanos) })
            .collect(),
        python: recording.python.as_ref().map(|(counts, fits)| Python {
            processes: counts.processes.clone(),
            readings: counts.readings,
            failed: counts.failed,
            merged: fits.merged,
            near: fits.near,
            forced: fits.forced,
            unmatched: fits.unmatched,
        }),
        ..TargetFigures::default()
    }
}

pub(super) fn of_health(profile: &Profile, figures: &mut TargetFigures) {
    let health = profile.health();
    let validity = match health.validity {
        Validity::Valid => "valid",
        Validity::Suspect => "suspect",
        Validity::Invalid => "invalid",
    };
    figures.validity = Some(validity.to_owned());
    let reasons = health.reasons.into_iter();
    figures.reasons = reasons
        .map(|reason| ProfileReason { code: reason.code.to_owned(), message: reason.message })
        .collect();
    figures.clock = Some(profile.facts.clock.word().to_owned());
    figures.hz = Some(profile.facts.hz);
    figures.coverage = profile.facts.coverage;
    figures.unwound = profile.facts.unwound;
}

pub(super) fn of_cpu(profile: &Profile, view: &View, requests: Option<u64>) -> Cpu {
    let kernel: u64 = view
        .weights
        .iter()
        .filter(|(stack, _)| leaf_kind(profile, **stack) == Some(FrameKind::Kernel))
        .map(|(_, weight)| weight)
        .sum();
    let requests = requests.filter(|&requests| requests > 0);
    Cpu {
        seconds: seconds(view.total),
        kernel_share: (view.total > 0).then(|| kernel as f64 / view.total as f64),
        us_per_request: requests.map(|requests| view.total as f64 / 1e3 / requests as f64),
    }
}

fn leaf_kind(profile: &Profile, stack: StackId) -> Option<FrameKind> {
    profile.stacks.leaf_first(stack).next().map(|frame| profile.name(frame).kind)
}

pub(super) fn functions(profile: &Profile, view: &View) -> Vec<Function> {
    let total = view.total.max(1) as f64;
    let shares = view.functions(profile).into_iter().take(FUNCTIONS_MAX);
    shares
        .map(|share| Function {
            function: share.name,
            module: share.module,
            self_share: share.self_weight as f64 / total,
            total_share: share.total_weight as f64 / total,
            us_per_request: None,
        })
        .collect()
}

/// Adds a cost per request to each of the functions. `steps` are the start of each interval of the
/// load and the requests completed in it.
pub(super) fn price(
    profile: &Profile,
    steps: &[(Timestamp, u64)],
    windows: &Windows,
    functions: &mut [Function],
) -> io::Result<()> {
    let work = work(profile, steps, windows, functions)?;
    let costs = per_request(&work, functions.len(), SEED);
    for function in functions {
        let key = key(&function.function, &function.module);
        let cost = costs.iter().find(|cost| cost.function == key);
        function.us_per_request = cost.map(|cost| cost.us_per_request.into());
    }
    Ok(())
}

/// The CPU time of these functions themselves, for each interval of the load.
fn work(
    profile: &Profile,
    steps: &[(Timestamp, u64)],
    windows: &Windows,
    functions: &[Function],
) -> io::Result<Work> {
    let index_of: FxHashMap<(&str, &str), usize> = functions
        .iter()
        .enumerate()
        .map(|(index, f)| ((f.function.as_str(), f.module.as_str()), index))
        .collect();
    let blocks = blocks::of_leaves(profile, steps, windows, functions.len(), |name| {
        index_of.get(&(name.function.as_str(), name.module.as_str())).copied()
    })?;
    let functions = functions.iter().map(|f| key(&f.function, &f.module)).collect();
    Ok(Work { functions, blocks })
}

fn key(function: &str, module: &str) -> String {
    format!("{function}\u{0}{module}")
}

fn waits(
    recording: &Recording,
    profile: &Profile,
    view: &View,
    load: Option<&LoadRecord<'_>>,
) -> io::Result<Option<Waits>> {
    if recording.waits.intervals == 0 {
        return Ok(None);
    }
    let for_work: u64 = view
        .weights
        .iter()
        .filter(|(stack, _)| profile.wait(**stack) == OffCpuWait::ForWork)
        .map(|(_, weight)| weight)
        .sum();
    let mut by_function: FxHashMap<String, u64> = FxHashMap::default();
    for (&stack, &weight) in &view.weights {
        if profile.wait(stack) == OffCpuWait::Blocked {
            *by_function.entry(waiter(profile, stack)).or_default() += weight;
        }
    }
    let mut functions: Vec<WaitFunction> = by_function
        .into_iter()
        .map(|(function, nanos)| WaitFunction { function, seconds: seconds(nanos) })
        .collect();
    functions.sort_by(|a, b| b.seconds.total_cmp(&a.seconds).then(a.function.cmp(&b.function)));
    functions.truncate(CAUSES_MAX);
    let blocked_in_flight_s = match load {
        Some(load) => Some(blocked_in_flight(profile, load)?),
        None => None,
    };
    Ok(Some(Waits {
        blocked_s: recording.waits.blocked.as_secs_f64(),
        preempted_s: recording.waits.preempted.as_secs_f64(),
        timed_s: recording.waits_timed.as_secs_f64(),
        intervals: recording.waits.intervals,
        for_work_share: (view.total > 0).then(|| for_work as f64 / view.total as f64),
        blocked_in_flight_s,
        functions,
    }))
}

fn blocked_in_flight(profile: &Profile, load: &LoadRecord<'_>) -> io::Result<f64> {
    let busy = load.intervals.iter().filter(|step| step.in_flight > 0 || step.completed > 0);
    let busy = Windows::covering(busy.map(|step| {
        let from = load.start + step.start;
        from..from + step.length
    }));
    let view = profile.cut(&Selection::of([SampleKind::Blocked]).within(busy))?;
    let blocked =
        view.weights.iter().filter(|(stack, _)| profile.wait(**stack) == OffCpuWait::Blocked);
    Ok(seconds(blocked.map(|(_, weight)| weight).sum()))
}

/// The innermost function of a stack that is the program's own code: not the kernel, not the C
/// library.
fn waiter(profile: &Profile, stack: StackId) -> String {
    let is_own = |kind: FrameKind, module: &str| {
        !matches!(kind, FrameKind::Kernel | FrameKind::Marker)
            && !module.starts_with("libc.")
            && !module.starts_with("libpthread")
            && !module.starts_with("ld-")
    };
    let names = || profile.stacks.leaf_first(stack).map(|frame| profile.name(frame));
    let own = names().find(|name| is_own(name.kind, &name.module));
    own.or_else(|| names().next()).map_or_else(String::new, |name| name.function.clone())
}

fn spikes(
    profile: &Profile,
    load: &LoadRecord<'_>,
    sampled: &Windows,
    found: &spike::SpikeWindows,
) -> io::Result<Spikes> {
    let extent = match found.extent {
        Extent::Unmeasured => "nothing_timed",
        Extent::Nowhere => "none",
        Extent::Somewhere => "some",
        Extent::Everywhere => "all",
    };
    let at = |time: Timestamp| time.since(load.start).as_secs_f64();
    let mut spikes = Spikes {
        extent: extent.to_owned(),
        threshold_ns: found.threshold.0,
        windows: found
            .windows
            .iter()
            .map(|range| SpikeStretch { from_s: at(range.start), to_s: at(range.end) })
            .collect(),
        ..Spikes::default()
    };
    if found.extent != Extent::Somewhere {
        return Ok(spikes);
    }
    let inside = Windows::covering(found.windows.iter().cloned());
    let outside = sampled.within(&inside.others_of(load.start..Timestamp(u64::MAX)));
    let inside = inside.within(sampled);
    let cpu = || Selection::of([SampleKind::Cpu]);
    let [inside, outside] = [inside, outside].map(|windows| cpu().within(windows));
    let (inside, outside) = (counted(profile, &inside)?, counted(profile, &outside)?);
    spikes.samples = inside.1;
    let names: std::collections::BTreeSet<&String> =
        inside.0.keys().chain(outside.0.keys()).collect();
    let count = |of: &FxHashMap<String, u64>, name: &String| of.get(name).copied().unwrap_or(0);
    let counts: Vec<FunctionCount<'_>> = names
        .into_iter()
        .map(|name| FunctionCount {
            function: name,
            spike: count(&inside.0, name),
            other: count(&outside.0, name),
        })
        .collect();
    match spike::contrast(&counts, SampleTotals { spike: inside.1, other: outside.1 }) {
        Contrasts::TooFew => spikes.too_few_samples = true,
        Contrasts::Compared(contrasts) => {
            let telling = contrasts.into_iter().filter(|c| c.is_over_represented());
            spikes.functions = telling
                .take(CAUSES_MAX)
                .map(|contrast| SpikeFunction {
                    function: contrast.function,
                    spike_share: contrast.spike_share,
                    other_share: contrast.other_share,
                    ratio: contrast.ratio.into(),
                    q: contrast.adjusted,
                })
                .collect();
        }
    }
    Ok(spikes)
}

/// The number of samples in which each function was running, and of all samples.
fn counted(profile: &Profile, selection: &Selection) -> io::Result<(FxHashMap<String, u64>, u64)> {
    let mut of_stack: FxHashMap<StackId, u64> = FxHashMap::default();
    let mut samples = 0;
    for sample in profile.samples.samples() {
        let sample = sample?;
        if selection.takes(&sample) {
            *of_stack.entry(sample.stack).or_default() += 1;
            samples += 1;
        }
    }
    let mut of_function: FxHashMap<String, u64> = FxHashMap::default();
    for (stack, count) in of_stack {
        let names = profile.stacks.leaf_first(stack).map(|frame| &profile.name(frame).function);
        let once: std::collections::BTreeSet<&String> = names.collect();
        for name in once {
            *of_function.entry(name.clone()).or_default() += count;
        }
    }
    Ok((of_function, samples))
}

fn seconds(nanos: u64) -> f64 {
    Nanos(nanos).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_what_lies_between_on_and_off() {
        let at = |time, on| Toggled { time: Timestamp(time), on, target_cpu_ns: 0 };
        let whole = || Timestamp(10)..Timestamp(100);
        let found = |toggled: &[Toggled]| -> Vec<(u64, u64)> {
            let windows = stretches(toggled, whole());
            windows.as_slice().iter().map(|range| (range.start.0, range.end.0)).collect()
        };
        assert_eq!(found(&[]), [(10, 100)]);
        let toggled = [at(20, true), at(30, false), at(40, false), at(50, true), at(70, false)];
        assert_eq!(found(&toggled), [(10, 30), (50, 70)]);
        assert_eq!(found(&toggled[..4]), [(10, 30), (50, 100)]);
    }

    #[test]
    fn the_cpu_time_used_explains_why_there_are_no_samples() {
        let why = |used: u64, hz, is_user_only| {
            let readings = [(0, 0), (5, 7), (15, 7 + used), (25, 999)].map(|(seconds, millis)| {
                let mut reading =
                    Reading { time: Timestamp(seconds * 1_000_000_000), ..Reading::default() };
                reading.target.on_cpu = Nanos::from_millis(millis);
                reading
            });
            let figures = TargetFigures { hz, is_user_only, ..TargetFigures::default() };
            let window = Timestamp(1_000_000_000)..Timestamp(21_000_000_000);
            without_samples(&readings, &figures, &window)
        };
        assert_eq!(
            why(0, Some(99), true),
            "no sample was taken; the target used 0 ns of CPU time in 20.0 s: it had nothing to do"
        );
        let short = why(9, Some(100), true);
        assert!(
            short.contains("used 9.00 ms of") && short.ends_with("sample for longer"),
            "{short}"
        );
        let user_only = why(10, Some(100), true);
        assert!(user_only.contains("only user code may be sampled here"), "{user_only}");
        assert!(why(10, Some(100), false).ends_with("with --profile-hz"));
    }
}
