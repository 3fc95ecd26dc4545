//! The difference between two parts of stored profiles, per request.
//!
//! A part without requests has no cost per request and cannot be compared.

use std::io;

use rustc_hash::FxHashMap;
use serde::Serialize;
use uringbench_core::time::Nanos;
use uringbench_document::target::Interval95;

use super::build::SEED;
use super::stored::{Cut, key};
use crate::profile::{CostPerRequest, FunctionChange, Side, difference};
use crate::stack::FrameKind;
use crate::statistics::difference::{ChangeKind, difference as differences};

/// Functions compared, the most expensive ones of both sides.
const COMPARED_MAX: usize = 120;
/// With fewer samples on both sides together, a function is not compared: no difference of so few
/// is significant, and every further test reduces the power of the others.
const SAMPLES_MIN: f64 = 5.0;
/// Unchanged functions that are listed as well.
const UNCHANGED_MAX: usize = 10;
/// How many of those are shown if no function changed.
const PERHAPS_MAX: usize = 4;

/// Key `difference`: two parts, per request.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Requests completed before.
    pub requests_before: u64,
    /// Requests completed after.
    pub requests_after: u64,
    /// The target's whole CPU time per request.
    pub cpu: Delta,
    /// How many functions were compared.
    pub compared: usize,
    /// Those that changed, the largest change first, then some whose change may be chance.
    pub functions: Vec<FunctionDelta>,
}

/// A cost before and after, in microseconds per request.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Delta {
    /// `grown`, `shrunk`, `new`, `gone` or `unchanged`, if chance cannot explain the difference.
    pub became: &'static str,
    /// Before; 0 when there was none.
    pub before_us: f64,
    /// After; 0 when there is none.
    pub after_us: f64,
    /// After minus before.
    pub change_us: Interval95,
    /// Probability of such a difference by chance, adjusted for all comparisons.
    pub q: f64,
}

/// One of `functions`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FunctionDelta {
    /// Its name.
    pub function: String,
    /// Its file.
    pub module: String,
    /// Its own cost.
    #[serde(flatten)]
    pub delta: Delta,
    /// Change of its cost including all that it calls, microseconds per request.
    pub change_in_all_us: f64,
}

/// The costs per request of `after` compared with `before`. `None` if either has no requests.
///
/// # Errors
/// If samples cannot be read back.
pub fn compare(before: Cut<'_>, after: Cut<'_>) -> io::Result<Option<Comparison>> {
    let cuts = [before, after];
    let Some(changes) = changes(cuts)? else { return Ok(None) };
    let names = dearest(&changes, cuts, |cost| cost.of_itself);
    let (before_each, before_all) = before.work(&names)?;
    let (after_each, after_all) = after.work(&names)?;
    let of_key = by_key(&changes);
    let listed = differences(&before_each, &after_each, SEED);
    let compared = listed.len();
    let mut deltas: Vec<FunctionDelta> = listed
        .into_iter()
        .filter_map(|change| {
            let known = of_key.get(&change.function)?;
            Some(FunctionDelta {
                function: known.name.clone(),
                module: known.module.clone(),
                change_in_all_us: known.growth_in_all() / 1e3,
                delta: Delta::of(&change),
            })
        })
        .collect();
    let is_same = |delta: &FunctionDelta| delta.delta.became == "unchanged";
    let (mut same, changed): (Vec<_>, Vec<_>) = deltas.drain(..).partition(is_same);
    same.truncate(UNCHANGED_MAX);
    let all = differences(&before_all, &after_all, SEED);
    Ok(Some(Comparison {
        requests_before: before.requests(),
        requests_after: after.requests(),
        cpu: all.first().map_or_else(Delta::default, Delta::of),
        compared,
        functions: changed.into_iter().chain(same).collect(),
    }))
}

/// The functions whose cost with all that they call changed beyond chance, and how many were
/// compared: those first of whose cost the change is the largest share, which are the innermost
/// ones. `None` if either side has no requests.
///
/// # Errors
/// If samples cannot be read back.
pub fn changed_in_all(
    before: Cut<'_>,
    after: Cut<'_>,
) -> io::Result<Option<(usize, Vec<FunctionDelta>)>> {
    let cuts = [before, after];
    let Some(changes) = changes(cuts)? else { return Ok(None) };
    let names = dearest(&changes, cuts, |cost| cost.in_all);
    let (before, after) = (before.work_in_all(&names)?, after.work_in_all(&names)?);
    let of_key = by_key(&changes);
    let listed = differences(&before, &after, SEED);
    let compared = listed.len();
    let changed = listed.into_iter().filter(|change| change.kind != ChangeKind::Unchanged);
    let mut changed: Vec<FunctionDelta> = changed
        .filter_map(|change| {
            let known = of_key.get(&change.function)?;
            Some(FunctionDelta {
                function: known.name.clone(),
                module: known.module.clone(),
                change_in_all_us: change.change.value,
                delta: Delta::of(&change),
            })
        })
        .collect();
    let share = |it: &FunctionDelta| {
        it.delta.change_us.value.abs() / it.delta.before_us.max(it.delta.after_us)
    };
    let size = |it: &FunctionDelta| it.delta.change_us.value.abs();
    changed.sort_by(|a, b| share(b).total_cmp(&share(a)).then(size(b).total_cmp(&size(a))));
    Ok(Some((compared, changed)))
}

/// The costs per request of all functions of both; `None` if either has no requests.
fn changes(cuts: [Cut<'_>; 2]) -> io::Result<Option<Vec<FunctionChange>>> {
    let view = |cut: &Cut<'_>| cut.stored.profile.cut(&cut.on_cpu());
    let views = [view(&cuts[0])?, view(&cuts[1])?];
    let [before, after] = [0, 1].map(|index: usize| Side {
        profile: &cuts[index].stored.profile,
        view: &views[index],
        requests: cuts[index].requests(),
    });
    Ok(difference(before, after))
}

fn by_key(changes: &[FunctionChange]) -> FxHashMap<String, &FunctionChange> {
    changes.iter().map(|change| (key(&(change.name.clone(), change.kind)), change)).collect()
}

/// The most expensive functions among those with enough samples to show a change.
fn dearest(
    changes: &[FunctionChange],
    cuts: [Cut<'_>; 2],
    cost: fn(CostPerRequest) -> f64,
) -> Vec<(String, FrameKind)> {
    let scales = cuts.map(|cut| {
        cut.requests() as f64 * f64::from(cut.stored.profile.facts.hz) / Nanos::SECOND.0 as f64
    });
    let samples = |change: &FunctionChange| -> f64 {
        let sides = [change.before, change.after].into_iter().zip(scales);
        sides.map(|(side, scale)| side.map_or(0.0, |it| cost(it) * scale)).sum()
    };
    let mut order: Vec<_> =
        changes.iter().filter(|change| samples(change) >= SAMPLES_MIN).collect();
    order.sort_by(|a, b| samples(b).total_cmp(&samples(a)));
    order.truncate(COMPARED_MAX);
    order.iter().map(|change| (change.name.clone(), change.kind)).collect()
}

impl Default for Delta {
    fn default() -> Self {
        let change_us = Interval95 { value: 0.0, ci_low: Some(0.0), ci_high: Some(0.0) };
        Self { became: "unchanged", before_us: 0.0, after_us: 0.0, change_us, q: 1.0 }
    }
}

impl Delta {
    fn of(change: &crate::statistics::difference::Change) -> Self {
        let became = match change.kind {
            ChangeKind::Grown => "grown",
            ChangeKind::Shrunk => "shrunk",
            ChangeKind::New => "new",
            ChangeKind::Gone => "gone",
            ChangeKind::Unchanged => "unchanged",
        };
        Self {
            became,
            before_us: change.before,
            after_us: change.after,
            change_us: change.change.into(),
            q: change.adjusted,
        }
    }
}

impl Comparison {
    /// Lines for display: a name of at most 9 letters (empty for a continuation) and the text.
    pub fn lines(&self) -> Vec<(String, String)> {
        let changed: Vec<_> =
            self.functions.iter().filter(|f| f.delta.became != "unchanged").collect();
        let head = format!(
            "{}   {} of {} functions changed beyond chance",
            self.cpu.text(),
            changed.len(),
            self.compared
        );
        let mut lines = vec![("changed".to_owned(), head)];
        let shown = match changed.is_empty() {
            true => self.functions.iter().take(PERHAPS_MAX).collect(),
            false => changed,
        };
        for function in shown {
            let module = match function.module.as_str() {
                "" => String::new(),
                module => format!(" ({module})"),
            };
            let delta = &function.delta;
            let text =
                format!("{:<9} {}{module}   {}", delta.became, function.function, delta.text());
            lines.push((String::new(), text));
        }
        lines
    }
}

impl Delta {
    /// `+0.41 [0.38..0.44] µs/request (1.20 -> 1.61)`.
    fn text(&self) -> String {
        let end = |end: Option<f64>| end.map_or_else(|| "?".to_owned(), |end| format!("{end:+.2}"));
        let Interval95 { value, ci_low, ci_high } = self.change_us;
        let (low, high) = (end(ci_low), end(ci_high));
        let (before, after) = (self.before_us, self.after_us);
        format!("{value:+.2} [{low}..{high}] µs/request ({before:.2} -> {after:.2})")
    }
}

#[cfg(test)]
mod tests {
    use uringbench_core::time::Timestamp;

    use super::*;
    use crate::profile::{
        About, Clock, Facts, LoadStep, Profile, SampleLog, Stored, StoredLoad, Windows,
    };
    use crate::sample::{Sample, SampleKind};
    use crate::stack::{FrameName, Location, StackTable};

    const SECOND: u64 = 1_000_000_000;

    /// 20 s of load at 1,000 requests per second, with stacks from the outermost function; each
    /// function's share of every second is sampled in 20 pieces, a few of them one second later.
    fn stored(costs: &[(&str, u64)]) -> Stored {
        let mut stacks = StackTable::default();
        let mut samples = SampleLog::in_file(tempfile::tempfile().unwrap());
        let mut names = Vec::new();
        for (name, us) in costs {
            let parts: Vec<&str> = name.split(';').collect();
            let ids: Vec<_> = parts.iter().map(|part| stacks.name(part)).collect();
            let stack = stacks.intern(ids.into_iter().map(Location::Named));
            let kind = FrameKind::Native;
            for part in parts {
                let name = FrameName { function: part.into(), module: "app".into(), kind };
                // Frames have names in the order in which they were first seen.
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            for piece in 0..20 * 20 {
                let jitter = (piece * 7919) % 13;
                let time = Timestamp(SECOND + piece * SECOND / 20 + jitter * SECOND / 100);
                let weight = us * 1_000 * 1_000 / 20;
                let kind = SampleKind::Cpu;
                let sample = Sample { time, cpu: 0, pid: 1, tid: 1, kind, weight, stack };
                samples.push(&sample).unwrap();
            }
        }
        let step = |second: u64| LoadStep {
            start_ns: second * SECOND,
            length_ns: SECOND,
            completed: 1_000,
            response_p99_ns: None,
            in_flight: 1,
        };
        let facts = Facts {
            start: Timestamp(0),
            end: Timestamp(22 * SECOND),
            clock: Clock::CpuClock,
            hz: 99,
            records: 1,
            lost: 0,
            throttled: 0,
            coverage: None,
            unwound: None,
            notes: vec!["said then".into()],
        };
        let load = StoredLoad {
            start: Timestamp(SECOND),
            steps: (0..20).map(step).collect(),
            ..StoredLoad::default()
        };
        let about = About { mode: "tasks".into(), load: Some(load), ..About::default() };
        Stored { profile: Profile { stacks, names, samples, facts }, about }
    }

    fn windows(from: u64, to: u64) -> Windows {
        Windows::covering([Timestamp(from * SECOND)..Timestamp(to * SECOND)])
    }

    #[test]
    fn a_stretch_has_its_own_requests_and_costs() {
        let stored = stored(&[("parse", 300), ("send", 100)]);
        let half = windows(1, 11);
        let cut = Cut { stored: &stored, windows: &half };
        assert_eq!(cut.requests(), 10_000);
        let figures = cut.figures().unwrap();
        assert_eq!((figures.mode.as_str(), figures.notes.len()), ("tasks", 1));
        assert_eq!(figures.functions[0].function, "parse");
        assert!((figures.functions[0].self_share - 0.75).abs() < 0.01);
        let cost = figures.functions[0].us_per_request.unwrap().value;
        assert!((cost - 300.0).abs() < 6.0, "{cost}");
        let all = figures.cpu.us_per_request.unwrap();
        assert!((all - 400.0).abs() < 8.0, "{all}");
    }

    #[test]
    fn grown_new_gone_and_unchanged_functions_are_told_apart() {
        let before = stored(&[("parse", 300), ("old", 50), ("same", 80)]);
        let after = stored(&[("parse", 420), ("new", 40), ("same", 80)]);
        let whole = windows(1, 21);
        let cut = |stored| Cut { stored, windows: &whole };
        let found = compare(cut(&before), cut(&after)).unwrap().unwrap();
        let read: Vec<_> = found.functions.iter().map(|f| (&*f.function, f.delta.became)).collect();
        let expected = [("parse", "grown"), ("old", "gone"), ("new", "new"), ("same", "unchanged")];
        assert_eq!(read, expected);
        assert_eq!(
            (found.requests_before, found.requests_after, found.compared),
            (20_000, 20_000, 4)
        );
        let change = found.functions[0].delta.change_us;
        assert!((change.value - 120.0).abs() < 4.0, "{change:?}");
        assert!(change.ci_low.unwrap() > 100.0 && change.ci_high.unwrap() < 140.0, "{change:?}");
        assert_eq!(found.cpu.became, "grown");
        assert!((found.cpu.change_us.value - 110.0).abs() < 6.0, "{:?}", found.cpu);
        let lines = found.lines();
        assert_eq!(lines.len(), 4, "{lines:?}");
        assert!(lines[0].1.contains("3 of 4 functions changed"), "{lines:?}");
        assert!(lines[2].1.starts_with("gone      old (app)   -"), "{lines:?}");
    }

    #[test]
    fn the_function_that_is_new_comes_before_those_that_call_it() {
        let before = stored(&[("serve;parse", 300), ("serve;same", 80)]);
        let after = stored(&[("serve;parse", 300), ("serve;burn;clock", 60), ("serve;same", 80)]);
        let whole = windows(1, 21);
        let cut = |stored| Cut { stored, windows: &whole };
        let (compared, changed) = changed_in_all(cut(&before), cut(&after)).unwrap().unwrap();
        let names: Vec<_> = changed.iter().map(|it| (&*it.function, it.delta.became)).collect();
        assert_eq!(compared, 5);
        assert!(names[..2].contains(&("burn", "new")) && names[..2].contains(&("clock", "new")));
        assert_eq!(names[2..], [("serve", "grown")]);
        let burn = changed[0].delta.change_us;
        assert!((burn.value - 60.0).abs() < 3.0 && changed[0].delta.q < 0.01, "{burn:?}");
        let serve = changed[2].delta;
        assert!((serve.before_us - 380.0).abs() < 8.0, "a function counts once: {serve:?}");
    }

    #[test]
    fn without_requests_there_is_no_comparison() {
        let stored = stored(&[("parse", 300)]);
        let (whole, outside) = (windows(1, 21), windows(30, 31));
        let cut = |windows| Cut { stored: &stored, windows };
        assert_eq!(compare(cut(&whole), cut(&outside)).unwrap(), None);
    }

    #[test]
    fn a_function_of_few_samples_is_not_compared() {
        // 1 µs for each of 20,000 requests makes 2 samples at 99 Hz, 5 µs make 10.
        let before = stored(&[("parse", 300), ("rare", 1)]);
        let after = stored(&[("parse", 300), ("seen", 5)]);
        let whole = windows(1, 21);
        let cut = |stored| Cut { stored, windows: &whole };
        let found = compare(cut(&before), cut(&after)).unwrap().unwrap();
        let names: Vec<_> = found.functions.iter().map(|f| &*f.function).collect();
        assert_eq!(names, ["seen", "parse"]);
    }
}
