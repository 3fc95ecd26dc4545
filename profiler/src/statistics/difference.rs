//! Two profiles compared: the change of each function's cost per request.
//!
//! Both sides are per request, so their rates and lengths may differ. The change of each function
//! has an interval (Welch's, from both sides' block-bootstrap errors) and, over all functions,
//! Benjamini and Hochberg's correction. Grown and vanished functions are both listed. Two profiles
//! of two runs also differ as any two runs do: only repeated runs can show by how much.

use std::collections::BTreeSet;

use uringbench_core::statistics::Estimate;
use uringbench_core::statistics::distribution::{t_quantile, t_tail};
use uringbench_core::statistics::multiple_testing::benjamini_hochberg;

use super::per_request::{Work, suited};

/// The expected share of false positives among the functions reported as changed.
const FALSE_SHARE: f64 = 0.05;

/// The kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It costs more than before.
    Grown,
    /// It costs less.
    Shrunk,
    /// It was never sampled before.
    New,
    /// It is not sampled any more.
    Gone,
    /// The difference may be chance.
    Unchanged,
}

/// A function before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The function.
    pub function: String,
    /// Microseconds per request before; 0 if it was never sampled.
    pub before: f64,
    /// Microseconds per request after.
    pub after: f64,
    /// After minus before, 95 %.
    pub change: Estimate,
    /// The probability of such a difference by chance.
    pub p: f64,
    /// The same, adjusted for all comparisons.
    pub adjusted: f64,
    /// The kind of change.
    pub kind: ChangeKind,
}

/// Every function of either side, the largest change first; none if a side completed no request.
/// `seed` selects the draws of the bootstraps.
pub fn difference(before: &Work, after: &Work, seed: u64) -> Vec<Change> {
    let has_requests = |work: &Work| work.blocks.iter().any(|block| block.requests > 0);
    if !has_requests(before) || !has_requests(after) {
        return Vec::new();
    }
    let names: BTreeSet<&String> = before.functions.iter().chain(&after.functions).collect();
    let sides: Vec<(&String, Side, Side)> = names
        .into_iter()
        .map(|name| {
            (name, Side::new(before, name, seed), Side::new(after, name, seed.wrapping_add(1)))
        })
        .filter(|(_, before, after)| before.value > 0.0 || after.value > 0.0)
        .collect();
    let tests: Vec<(Estimate, f64)> = sides.iter().map(|(_, b, a)| welch(b, a)).collect();
    let p_values: Vec<f64> = tests.iter().map(|test| test.1).collect();
    let adjusted = benjamini_hochberg(&p_values);
    let mut changes: Vec<Change> = (sides.iter().zip(tests).zip(adjusted))
        .map(|(((function, before, after), (change, p)), adjusted)| Change {
            function: (*function).clone(),
            before: before.value,
            after: after.value,
            change,
            p,
            adjusted,
            kind: kind(before, after, adjusted),
        })
        .collect();
    changes.sort_by(|a, b| b.change.value.abs().total_cmp(&a.change.value.abs()));
    changes
}

fn kind(before: &Side, after: &Side, adjusted: f64) -> ChangeKind {
    match (before.value > 0.0, after.value > 0.0) {
        _ if adjusted > FALSE_SHARE => ChangeKind::Unchanged,
        (false, _) => ChangeKind::New,
        (_, false) => ChangeKind::Gone,
        _ if after.value > before.value => ChangeKind::Grown,
        _ => ChangeKind::Shrunk,
    }
}

/// A function's cost on one side.
struct Side {
    value: f64,
    error: f64,
    degrees: f64,
}

impl Side {
    fn new(work: &Work, function: &str, seed: u64) -> Self {
        let requests = work.requests();
        let micros = (work.functions.iter().position(|name| name == function))
            .map_or_else(|| vec![0.0; requests.len()], |index| work.micros(index));
        let resampling = suited(&micros, &requests, seed);
        let ratio = |indices: &mut dyn Iterator<Item = usize>| {
            let (above, below) =
                indices.fold((0.0, 0.0), |(a, b), i| (a + micros[i], b + requests[i]));
            if below > 0.0 { above / below } else { 0.0 }
        };
        let mut resampled = Vec::with_capacity(resampling.draws as usize);
        resampling.rows(requests.len(), |row| {
            resampled.push(ratio(&mut row.iter().copied()));
        });
        Self {
            value: ratio(&mut (0..requests.len())),
            error: resampling.standard_error(requests.len(), &resampled),
            degrees: (resampling.blocks(requests.len()) - 1.0).max(1.0),
        }
    }
}

/// Welch's interval and test (1947) from two errors and their degrees of freedom.
fn welch(before: &Side, after: &Side) -> (Estimate, f64) {
    let value = after.value - before.value;
    let squares = [before, after].map(|side| side.error.powi(2));
    let error = (squares[0] + squares[1]).sqrt();
    if error.is_infinite() {
        return (Estimate { value, low: f64::NEG_INFINITY, high: f64::INFINITY }, 1.0);
    }
    if error == 0.0 {
        return (Estimate { value, low: value, high: value }, if value == 0.0 { 1.0 } else { 0.0 });
    }
    let spread = squares[0].powi(2) / before.degrees + squares[1].powi(2) / after.degrees;
    let degrees = (error.powi(4) / spread).max(1.0);
    let half = t_quantile(0.025, degrees) * error;
    let p = (2.0 * t_tail((value / error).abs(), degrees)).min(1.0);
    (Estimate { value, low: value - half, high: value + half }, p)
}

#[cfg(test)]
mod tests {
    use super::super::per_request::TimeBlock;
    use super::super::per_request::tests::work;
    use super::*;
    use uringbench_core::statistics::random::Random;

    fn of<'a>(changes: &'a [Change], function: &str) -> &'a Change {
        changes.iter().find(|change| change.function == function).expect("it is listed")
    }

    #[test]
    fn grown_shrunk_new_and_gone_are_told_apart_at_different_rates() {
        let before = [("parse", 30.0), ("send", 12.0), ("old", 6.0), ("same", 10.0)];
        let after = [("new", 5.0), ("parse", 40.0), ("same", 10.0), ("send", 8.0)];
        let before = work(&mut Random::new(1), &before, 10_000.0);
        let after = work(&mut Random::new(2), &after, 17_000.0);
        let changes = difference(&before, &after, 3);
        let expected = [
            ("parse", ChangeKind::Grown, 10.0),
            ("send", ChangeKind::Shrunk, -4.0),
            ("old", ChangeKind::Gone, -6.0),
            ("new", ChangeKind::New, 5.0),
            ("same", ChangeKind::Unchanged, 0.0),
        ];
        for (function, kind, change) in expected {
            let found = of(&changes, function);
            assert_eq!(found.kind, kind, "{found:?}");
            assert!(found.change.covers(change), "{found:?}");
        }
        assert_eq!((changes.len(), changes[0].function.as_str()), (5, "parse"));
    }

    /// 20 functions, nothing changed: how often is any reported as changed? One of them, of 400
    /// samples per side, grew by half: is it found?
    #[test]
    fn chance_is_rarely_a_change_and_changes_are_covered() {
        let names: Vec<String> = (0..20).map(|i| format!("f{i}")).collect();
        let mut costs: Vec<(&str, f64)> = names
            .iter()
            .zip(0..)
            .map(|(name, i)| (name.as_str(), 20.0 / f64::from(i + 1)))
            .collect();
        let (mut false_runs, mut found, mut covered) = (0, 0, 0);
        for seed in 0..150 {
            let mut random = Random::new(seed);
            let before = work(&mut random, &costs, 10_000.0);
            let same = difference(&before, &work(&mut random, &costs, 10_000.0), seed);
            false_runs += u32::from(same.iter().any(|change| change.kind != ChangeKind::Unchanged));
            covered += same.iter().filter(|change| change.change.covers(0.0)).count();
            costs[2].1 *= 1.5;
            let grown = difference(&before, &work(&mut random, &costs, 10_000.0), seed);
            costs[2].1 /= 1.5;
            found += u32::from(of(&grown, "f2").kind == ChangeKind::Grown);
        }
        println!("false {false_runs}, found {found} of 150, covered {covered} of 3,000");
        assert!(false_runs <= 15 && found >= 140 && covered >= 2_790);
    }

    #[test]
    fn one_sample_is_no_news_and_nothing_compares_to_nothing() {
        let mut before = work(&mut Random::new(5), &[("parse", 30.0)], 10_000.0);
        let after = before.clone();
        before.functions.push("once".into());
        before.blocks[7].weights.push(10_000_000);
        let changes = difference(&before, &after, 1);
        assert_eq!(of(&changes, "once").kind, ChangeKind::Unchanged, "{changes:?}");
        assert!(difference(&Work::default(), &after, 1).is_empty());
        let short = Work {
            functions: vec!["f".into()],
            blocks: vec![TimeBlock { requests: 5, weights: vec![9] }],
        };
        assert_eq!(difference(&short, &after, 1)[0].kind, ChangeKind::Unchanged);
    }
}
