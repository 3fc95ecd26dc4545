//! Where a series changes its level: E-divisive means (Matteson and James 2014) in windows, as
//! Hunter and Apache Otava apply it (Fleming et al. 2023).
//!
//! Weak change points are found first, window by window, with ten times the probability that is
//! accepted in the end; then the least convincing one is dropped until all that remain convince
//! over their whole neighbourhoods. The order keeps a distant change from hiding a small one.
//! The test is Welch's, of unbiased variances: a side of one point proves nothing.

use std::cmp::Ordering;
use std::ops::Range;

use super::distribution::t_tail;
use super::mean;

/// Which changes count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangeRule {
    /// Points looked at together, at least 2.
    pub window: usize,
    /// The largest probability of such a difference by chance.
    pub p_max: f64,
    /// The smallest change, as a share of the smaller of the two levels.
    pub magnitude_min: f64,
}

impl Default for ChangeRule {
    /// Otava's.
    fn default() -> Self {
        Self { window: 50, p_max: 0.001, magnitude_min: 0.02 }
    }
}

/// A change of level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LevelChange {
    /// The first point of the new level.
    pub index: usize,
    /// The mean from the change before to this one.
    pub before: f64,
    /// The mean from this change to the next.
    pub after: f64,
    /// The probability of such a difference by chance (Welch 1947, two-sided).
    pub p: f64,
}

impl LevelChange {
    /// Of the values in two neighbouring ranges.
    fn between(values: &[f64], left: Range<usize>, right: Range<usize>) -> Self {
        let index = right.start;
        let (left, right) = (&values[left], &values[right]);
        Self {
            index,
            before: mean(left).unwrap_or_default(),
            after: mean(right).unwrap_or_default(),
            p: welch(left, right),
        }
    }

    /// The change as a share of the smaller level; 0 of a level that is 0.
    pub fn magnitude(&self) -> f64 {
        let share = |of: f64, to: f64| if of == 0.0 { 0.0 } else { (to / of - 1.0).abs() };
        share(self.before, self.after).max(share(self.after, self.before))
    }
}

/// The probability of such a difference of two means by chance (Welch 1947). 1 if a side has fewer
/// than two values.
pub fn welch(left: &[f64], right: &[f64]) -> f64 {
    let [(m1, v1), (m2, v2)] = [left, right].map(|side| {
        let centre = mean(side).unwrap_or_default();
        let squares: f64 = side.iter().map(|value| (value - centre).powi(2)).sum();
        // The variance of the mean.
        (centre, squares / (side.len() as f64 - 1.0) / side.len() as f64)
    });
    if left.len() < 2 || right.len() < 2 {
        return 1.0;
    }
    let both = v1 + v2;
    if both == 0.0 {
        return if m1 == m2 { 1.0 } else { 0.0 };
    }
    let of = |variance: f64, n: usize| variance * variance / (n as f64 - 1.0);
    let degrees = both * both / (of(v1, left.len()) + of(v2, right.len()));
    (2.0 * t_tail((m1 - m2).abs() / both.sqrt(), degrees)).min(1.0)
}

/// The changes of level, in order.
///
/// # Panics
/// If the window is smaller than 2.
pub fn change_points(values: &[f64], rule: ChangeRule) -> Vec<LevelChange> {
    assert!(rule.window >= 2, "a window of {} has no halves", rule.window);
    let weak = weak_points(values, rule);
    merge(values, weak, rule)
}

/// The probability that is accepted at first, as in Otava.
fn weak_p(p_max: f64) -> f64 {
    match p_max {
        p if p < 0.05 => p * 10.0,
        p if p < 0.5 => p * 2.0,
        p => p,
    }
}

/// The weak change points of all windows.
fn weak_points(values: &[f64], rule: ChangeRule) -> Vec<usize> {
    let (mut start, mut points) = (0, Vec::new());
    while start < values.len() {
        let end = (start + rule.window).min(values.len());
        let found = divide(&values[start..end], weak_p(rule.p_max));
        let found: Vec<usize> = found.into_iter().map(|index| index + start).collect();
        start = (start + rule.window / 2).max(found.last().copied().unwrap_or_default());
        points.extend(found);
    }
    points.sort_unstable();
    points.dedup();
    points
}

/// E-divisive: split where the difference is largest, as long as that split is significant.
fn divide(values: &[f64], p_max: f64) -> Vec<usize> {
    let mut points: Vec<usize> = Vec::new();
    loop {
        let parts = parts(&points, values.len());
        let candidates = parts.iter().filter(|part| part.len() > 1);
        let candidates = candidates.map(|part| (part, candidate(&values[part.clone()])));
        let largest = candidates
            .reduce(|most, next| if next.1.difference > most.1.difference { next } else { most });
        let Some((part, found)) = largest else { return points };
        let index = part.start + found.index;
        if welch(&values[part.start..index], &values[index..part.end]) > p_max {
            return points;
        }
        points.push(index);
        points.sort_unstable();
    }
}

/// The parts between the points.
fn parts(points: &[usize], length: usize) -> Vec<Range<usize>> {
    let starts = std::iter::once(0).chain(points.iter().copied());
    let ends = points.iter().copied().chain([length]);
    starts.zip(ends).map(|(start, end)| start..end).collect()
}

/// A place to split, and the difference of the two sides.
struct Candidate {
    index: usize,
    difference: f64,
}

/// The split of at least two values with the largest energy distance (equation 5 of the paper,
/// with the exponent 1) between all before it and any number of values after it.
fn candidate(values: &[f64]) -> Candidate {
    let distance = |i: usize, j: usize| (values[i] - values[j]).abs();
    let mut best = Candidate { index: 1, difference: f64::NEG_INFINITY };
    // Sum of the distances within the left side.
    let mut left = 0.0;
    for split in 1..values.len() {
        left += (0..split - 1).map(|i| distance(i, split - 1)).sum::<f64>();
        let (mut between, mut right) = (0.0, 0.0);
        for end in split + 1..=values.len() {
            between += (0..split).map(|i| distance(i, end - 1)).sum::<f64>();
            right += (split..end - 1).map(|j| distance(j, end - 1)).sum::<f64>();
            let (n, m) = (split as f64, (end - split) as f64);
            // A side of one value has no distances within.
            let within = |sum: f64, own: f64, other: f64| {
                if own > 1.0 { sum * other / (own - 1.0) } else { 0.0 }
            };
            let difference = 2.0 / (n + m) * (between - within(left, n, m) - within(right, m, n));
            if difference > best.difference {
                best = Candidate { index: split, difference };
            }
        }
    }
    best
}

/// Drop the least convincing change until all convince.
fn merge(values: &[f64], mut points: Vec<usize>, rule: ChangeRule) -> Vec<LevelChange> {
    loop {
        let parts = parts(&points, values.len());
        let pairs = parts.windows(2);
        let changes: Vec<_> = pairs
            .map(|pair| LevelChange::between(values, pair[0].clone(), pair[1].clone()))
            .collect();
        let least = |a: &&LevelChange, b: &&LevelChange| a.p.total_cmp(&b.p);
        // Of equals the first, as elsewhere.
        let weakest = changes.iter().rev().max_by(least);
        let Some(weakest) = weakest else { return changes };
        let dropped = if weakest.p < rule.p_max {
            let smallest = |a: &&LevelChange, b: &&LevelChange| -> Ordering {
                a.magnitude().total_cmp(&b.magnitude())
            };
            let smallest = changes.iter().min_by(smallest).unwrap_or(weakest);
            if smallest.magnitude() > rule.magnitude_min {
                return changes;
            }
            smallest.index
        } else {
            weakest.index
        };
        points.retain(|point| *point != dropped);
    }
}

#[cfg(test)]
mod tests;
