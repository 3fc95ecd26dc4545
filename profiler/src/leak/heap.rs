//! Whether the heap of a runtime with a garbage collector leaks: by what is still in use after
//! collections, not by how far the heap has grown. Pure.
//!
//! What a full collection leaves is in use, except for objects that live a little longer; a leak
//! raises it from one to the next. Without enough full collections, what was promoted to the old
//! generation bounds a leak from above: it cannot be kept in the young one. Anything else is
//! INCONCLUSIVE, with the collections that are missing.

use uringbench_core::statistics::distribution::t_quantile;
use uringbench_core::statistics::regression::least_squares;
use uringbench_core::statistics::trend::{Neighbours, SlopeRule, mann_kendall, theil_sen};
use uringbench_core::statistics::{Estimate, median};
use uringbench_core::summary::plural;

use super::wording::{longer, three_digits};
use super::{Axis, LeakVerdict, Rules};

/// Full collections after the warm-up for LEAK, and for NO LEAK.
const FULL_FOR_LEAK: usize = 5;
const FULL_FOR_NO_LEAK: usize = 3;
/// Full collections that belong to the warm-up, whatever it looks like.
const FULL_OF_WARMUP: usize = 2;
/// The warm-up is over when this part of the classes is loaded.
const CLASSES_SHARE: f64 = 0.9;
/// The chance that a heap without a trend is called a leak.
const CHANCE: f64 = 0.01;
const CONFIDENCE: f64 = 0.95;
/// Growth of what is in use: at least this, this part of the first, and so many times the spread.
const GROWTH_MIN: f64 = 1_048_576.0;
const GROWTH_SHARE: f64 = 0.05;
const GROWTH_SPREADS: f64 = 3.0;
/// The second half must grow by this part of the first half's rate: else it is slowing down.
const STEADY_SHARE: f64 = 0.5;
/// A shorter run says nothing about the time to the next collection.
const PROMOTION_MIN_S: f64 = 10.0;

/// Which collector manages a heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GarbageCollector {
    /// `-XX:+UseSerialGC`.
    Serial,
    /// `-XX:+UseParallelGC`.
    Parallel,
    /// `-XX:+UseG1GC`.
    G1,
    /// `-XX:+UseZGC` without generations.
    Z,
    /// Another one.
    Other,
}

impl GarbageCollector {
    /// By the name of the collector of its young generation, or of its cycles.
    pub fn of(name: &str) -> Self {
        match name {
            "Copy" | "Serial young collection pauses" => Self::Serial,
            "PSScavenge" | "Parallel young collection pauses" => Self::Parallel,
            _ if name.starts_with("G1") => Self::G1,
            _ if name.starts_with("Z concurrent") || name.starts_with("ZGC concurrent") => Self::Z,
            _ => Self::Other,
        }
    }

    /// Its name in reports and stored rows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serial => "Serial",
            Self::Parallel => "Parallel",
            Self::G1 => "G1",
            Self::Z => "Z",
            Self::Other => "other",
        }
    }

    /// The collector of a name in a stored row.
    pub fn named(name: &str) -> Self {
        let known = [Self::Serial, Self::Parallel, Self::G1, Self::Z];
        known.into_iter().find(|one| one.name() == name).unwrap_or(Self::Other)
    }

    /// Pauses that it counts for a cycle of its concurrent part; 0 without one.
    const fn pauses_of_cycle(self) -> u64 {
        match self {
            Self::G1 => 2,
            Self::Z => 3,
            Self::Serial | Self::Parallel | Self::Other => 0,
        }
    }

    /// Whether a young collection promotes what it keeps, and nothing else fills the old one.
    const fn is_generational(self) -> bool {
        matches!(self, Self::Serial | Self::Parallel | Self::G1)
    }
}

/// What a runtime reports of its heap; counts since its start, sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapCounters {
    /// Its collector.
    pub collector: GarbageCollector,
    /// Collections of the young generation.
    pub young: u64,
    /// Full collections, each from its beginning on.
    pub full: u64,
    /// Whether the last of them has not ended.
    pub is_collecting: bool,
    /// Pauses of concurrent cycles.
    pub cycles: u64,
    /// Used part of the old generation after the last collection.
    pub old_used: u64,
    /// Its limit.
    pub old_max: u64,
    /// Size of the young generation.
    pub young_capacity: u64,
    /// Classes loaded.
    pub classes: u64,
    /// Address space that the heap may grow to; 0 if unknown.
    pub reserved: u64,
}

/// One reading of a process's heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapReading {
    /// The process.
    pub pid: u32,
    /// Its start in ticks since boot, which with the PID identifies it.
    pub start: u64,
    /// What its runtime reports.
    pub counters: HeapCounters,
    /// The heap's private memory, resident or swapped, in bytes; only in some readings.
    pub resident: Option<u64>,
}

/// One reading in a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeapPoint {
    /// Seconds since the series began.
    pub t_s: f64,
    /// Requests completed up to here.
    pub requests: u64,
    /// The counters.
    pub counters: HeapCounters,
}

/// The verdict on one heap.
#[derive(Clone, Debug, PartialEq)]
pub struct HeapResult {
    /// The verdict, in units of the axis.
    pub verdict: LeakVerdict,
    /// Requests, or hours if there were none.
    pub axis: Axis,
    /// The mean rate while it was read, requests per second; `None` without requests.
    pub rate: Option<f64>,
    /// Its collector.
    pub collector: GarbageCollector,
    /// Full collections (or whole cycles) after the warm-up.
    pub collections: usize,
    /// Those that are missing for a verdict, where they would be the means to one.
    pub needs_collections: usize,
    /// Growth of what is in use per request (per hour), 95 %; `None` without enough collections.
    pub growth: Option<Estimate>,
    /// What was in use after the first and after the last collection that counts, in bytes.
    pub live: Option<(f64, f64)>,
    /// Why, in one sentence.
    pub reason: String,
}

/// What a collection left.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Live {
    t_s: f64,
    requests: u64,
    bytes: f64,
}

/// Compute the verdict on one heap from its readings in order of time, which must not be empty.
pub fn judge_heap(points: &[HeapPoint], rules: &Rules) -> Option<HeapResult> {
    let (first, last) = (points.first()?, points.last()?);
    let warm = after_classes(points);
    let all = live_sets(points);
    let lives: Vec<Live> = (all.iter().copied().skip(FULL_OF_WARMUP))
        .filter(|live| live.t_s >= points[warm].t_s)
        .collect();
    let requests = last.requests.saturating_sub(first.requests) as f64;
    let hours = (last.t_s - first.t_s).max(1e-3) / 3_600.0;
    let per_hour = requests / hours;
    let is_by_requests = requests > 0.0;
    let axis = if is_by_requests { Axis::Requests } else { Axis::Hours };
    let floor = rules.floor(axis, per_hour);
    let study = Study { lives: &lives, is_by_requests, floor };
    let growth = study.growth();
    let live = lives.first().zip(lives.last()).map(|(first, last)| (first.bytes, last.bytes));
    let result = |verdict, needs_collections, reason| HeapResult {
        verdict,
        axis,
        rate: is_by_requests.then_some(per_hour / 3_600.0),
        collector: last.counters.collector,
        collections: lives.len(),
        needs_collections,
        growth,
        live,
        reason,
    };
    if last.counters.collector == GarbageCollector::Other {
        let reason = "what the counters of this JVM's collector mean is not known: run it with \
                      -XX:+UseSerialGC, -XX:+UseParallelGC or -XX:+UseG1GC";
        let verdict = LeakVerdict::Inconclusive { needs_minutes: f64::INFINITY };
        let open = result(verdict, 0, reason.to_owned());
        return Some(HeapResult { collections: 0, growth: None, live: None, ..open });
    }
    if let (Some(growth), Some((before, after))) = (growth, live) {
        let (before, after) = (mib(before), mib(after));
        let count = lives.len();
        let seen = format!(
            "after {count} full collections of the heap {before:.1} to {after:.1} MiB were in use, \
             {}",
            study.words(growth)
        );
        if study.is_leak(growth) {
            return Some(result(LeakVerdict::Leak, 0, seen));
        }
        if growth.high <= floor && lives.len() >= FULL_FOR_NO_LEAK {
            let below = growth.high.max(0.0);
            return Some(result(LeakVerdict::NoLeak { below }, 0, seen));
        }
    }
    let promoted = is_by_requests.then(|| Promotion::of(&points[warm..])).flatten();
    if let Some(below) = promoted.and_then(Promotion::bound).filter(|bound| *bound <= floor) {
        let reason = format!(
            "at most {} bytes per request were promoted or are still young: no leak above that in \
             the heap",
            three_digits(below)
        );
        return Some(result(LeakVerdict::NoLeak { below }, 0, reason));
    }
    let missing = Missing { points: &points[warm..], lives: lives.len(), promoted, floor };
    let needs_minutes = missing.minutes();
    let needs = missing.needed();
    let reason = missing.reason(needs_minutes, (per_hour / 3_600.0).max(0.0));
    Some(result(LeakVerdict::Inconclusive { needs_minutes }, needs, reason))
}

/// The first reading with nearly all classes.
fn after_classes(points: &[HeapPoint]) -> usize {
    let last = points.last().map_or(0, |point| point.counters.classes) as f64;
    let is_warm = |point: &HeapPoint| point.counters.classes as f64 >= CLASSES_SHARE * last;
    points.iter().position(is_warm).unwrap_or(0)
}

/// A full collection whose result is awaited. A JVM counts one when it begins, and writes what is
/// in use shortly after it has noted the end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum FullCollection {
    /// Its end was not seen.
    Running,
    /// The reading before saw its end, and this in use: perhaps still what was before it, which is
    /// more.
    Ended(Live),
}

/// What each full collection left, and the least after each concurrent cycle until the next: the
/// old generation is emptied bit by bit after one.
fn live_sets(points: &[HeapPoint]) -> Vec<Live> {
    let live = |point: &HeapPoint| Live {
        t_s: point.t_s,
        requests: point.requests,
        bytes: point.counters.old_used as f64,
    };
    let cycle = |point: &HeapPoint| match point.counters.collector.pauses_of_cycle() {
        0 => 0,
        pauses => point.counters.cycles / pauses,
    };
    let mut lives = Vec::new();
    let mut open: Option<Live> = None;
    let mut full: Option<FullCollection> = None;
    for pair in points.windows(2) {
        let (before, now) = (&pair[0], &pair[1]);
        let is_full = now.counters.full > before.counters.full;
        let is_cycle = cycle(now) > cycle(before);
        if is_full || is_cycle {
            lives.extend(open.take());
        }
        let is_over = !now.counters.is_collecting;
        if let Some(FullCollection::Ended(seen)) = full
            && is_over
        {
            lives.push(if seen.bytes < now.counters.old_used as f64 { seen } else { live(now) });
            full = None;
        }
        if is_full || full.is_some() {
            let ended = is_over.then(|| FullCollection::Ended(live(now)));
            full = Some(ended.unwrap_or(FullCollection::Running));
        } else if is_cycle {
            open = Some(live(now));
        } else if let Some(least) = open.as_mut().filter(|least| live(now).bytes < least.bytes) {
            *least = live(now);
        }
    }
    // The last cycle may still be emptying the old generation.
    lives
}

/// What full collections left, against requests or hours.
struct Study<'a> {
    lives: &'a [Live],
    is_by_requests: bool,
    floor: f64,
}

impl Study<'_> {
    fn x(&self) -> Vec<f64> {
        let x = |live: &Live| match self.is_by_requests {
            true => live.requests as f64,
            false => live.t_s / 3_600.0,
        };
        self.lives.iter().map(x).collect()
    }

    fn y(&self) -> Vec<f64> {
        self.lives.iter().map(|live| live.bytes).collect()
    }

    /// Sen's slope and interval; the interval of least squares where ranks are too few for one.
    fn growth(&self) -> Option<Estimate> {
        let (x, y) = (self.x(), self.y());
        if x.len() < FULL_FOR_NO_LEAK {
            return None;
        }
        let rule = SlopeRule { confidence: CONFIDENCE, effective: x.len() as f64 };
        let slope = theil_sen(&x, &y, rule)?;
        if slope.low.is_finite() && slope.high.is_finite() {
            return Some(slope);
        }
        let fitted = least_squares(&x, &y)?;
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let spread: f64 = x.iter().map(|x| (x - mean).powi(2)).sum();
        let off = x.iter().zip(&y).map(|(x, y)| (y - fitted.intercept - fitted.slope * x).powi(2));
        let error = (off.sum::<f64>() / (n - 2.0) / spread).sqrt();
        let half = t_quantile((1.0 - CONFIDENCE) / 2.0, n - 2.0) * error;
        Some(Estimate { value: slope.value, low: slope.value - half, high: slope.value + half })
    }

    fn is_leak(&self, growth: Estimate) -> bool {
        let y = self.y();
        let n = y.len();
        if n < FULL_FOR_LEAK || growth.low <= self.floor || chance_of_rise(&y) > CHANCE {
            return false;
        }
        let x = self.x();
        let grown = y[n - 1] - y[0];
        let level = y[0] - growth.value * x[0];
        let off: Vec<f64> = x.iter().zip(&y).map(|(x, y)| y - level - growth.value * x).collect();
        let middle = median(&mut off.clone()).unwrap_or(0.0);
        let mut spreads: Vec<f64> = off.iter().map(|off| (off - middle).abs()).collect();
        let spread = median(&mut spreads).unwrap_or(0.0);
        let least = GROWTH_MIN.max(GROWTH_SHARE * y[0]).max(GROWTH_SPREADS * spread);
        let half = n / 2;
        let rate = |from: usize, to: usize| (y[to] - y[from]) / (x[to] - x[from]).max(1e-9);
        let is_steady = rate(half, n - 1) >= STEADY_SHARE * rate(0, half);
        grown >= least && is_steady
    }

    fn words(&self, growth: Estimate) -> String {
        let per = if self.is_by_requests { "request" } else { "hour" };
        let Estimate { value, low, high } = growth.map(three_digits);
        format!("{value} bytes more per {per} (95 %: {low} to {high})")
    }
}

/// The probability that values in random order rise as much as these: exact up to 12 values without
/// ties, by the normal approximation beyond.
fn chance_of_rise(y: &[f64]) -> f64 {
    const EXACT_MAX: usize = 12;
    let n = y.len();
    let has_ties = (0..n).any(|i| y[i + 1..].contains(&y[i]));
    if n > EXACT_MAX || has_ties {
        let trend = mann_kendall(y, Neighbours::Independent);
        return if trend.s > 0.0 { trend.p / 2.0 } else { 1.0 };
    }
    let falls: usize =
        (0..n).map(|i| y[i + 1..].iter().filter(|later| **later < y[i]).count()).sum();
    // How many orders of the values have so many falling pairs, value by value (MacMahon).
    let mut orders = vec![1.0_f64];
    for values in 2..=n {
        let mut next = vec![0.0; orders.len() + values - 1];
        for (pairs, count) in orders.iter().enumerate() {
            next[pairs..pairs + values].iter_mut().for_each(|sum| *sum += count);
        }
        orders = next;
    }
    orders.iter().take(falls + 1).sum::<f64>() / orders.iter().sum::<f64>()
}

/// What was promoted to the old generation.
#[derive(Clone, Copy, Debug)]
struct Promotion {
    bytes: f64,
    young: f64,
    requests: f64,
    seconds: f64,
}

impl Promotion {
    fn of(points: &[HeapPoint]) -> Option<Self> {
        let (first, last) = (points.first()?, points.last()?);
        let requests = last.requests.saturating_sub(first.requests) as f64;
        let seconds = last.t_s - first.t_s;
        let is_known = last.counters.collector.is_generational() && requests > 0.0;
        if !is_known || seconds < PROMOTION_MIN_S {
            return None;
        }
        let steps = points
            .windows(2)
            .map(|pair| pair[1].counters.old_used as f64 - pair[0].counters.old_used as f64);
        let rises: Vec<f64> = steps.clone().map(|step| step.max(0.0)).collect();
        let largest = rises.iter().copied().fold(0.0, f64::max);
        // A collection may hide what was promoted in the same step.
        let hidden = steps.filter(|step| *step < 0.0).count() as f64 * largest;
        let young = last.counters.young_capacity as f64;
        Some(Self { bytes: rises.iter().sum::<f64>() + hidden, young, requests, seconds })
    }

    /// The largest leak per request that there may be.
    fn bound(self) -> Option<f64> {
        let bound = (self.bytes + self.young) / self.requests;
        bound.is_finite().then_some(bound)
    }
}

/// What a verdict would need.
struct Missing<'a> {
    points: &'a [HeapPoint],
    lives: usize,
    promoted: Option<Promotion>,
    floor: f64,
}

impl Missing<'_> {
    /// Minutes by the shorter way: more requests, or more collections.
    fn minutes(&self) -> f64 {
        let minutes = self.by_requests().unwrap_or(f64::INFINITY).min(self.by_collections());
        if minutes.is_finite() { minutes.max(1.0).ceil() } else { f64::INFINITY }
    }

    /// Minutes until what is young is little of each request, if few bytes of each are promoted.
    fn by_requests(&self) -> Option<f64> {
        let promoted = self.promoted?;
        let of_each = promoted.bytes / promoted.requests;
        // With a margin: what is promoted varies.
        let needed = 1.2 * promoted.young / (self.floor - of_each);
        let more = needed - promoted.requests;
        (of_each < 0.8 * self.floor).then(|| more / promoted.requests * promoted.seconds / 60.0)
    }

    fn needed(&self) -> usize {
        // Those of the warm-up come first, unless there were any.
        let warm = if self.lives == 0 { FULL_OF_WARMUP } else { 0 };
        FULL_FOR_LEAK.saturating_sub(self.lives).max(1) + warm
    }

    fn by_collections(&self) -> f64 {
        match self.minutes_to_full() {
            Some(each) => each * self.needed() as f64,
            None => f64::INFINITY,
        }
    }

    /// Minutes from one full collection to the next, at the growth of the old generation.
    fn minutes_to_full(&self) -> Option<f64> {
        let promoted = self.promoted?;
        let last = self.points.last()?.counters;
        let left = last.old_max.saturating_sub(last.old_used) as f64;
        let per_minute = promoted.bytes / promoted.seconds * 60.0;
        (per_minute > 0.0).then(|| left / per_minute)
    }

    fn reason(&self, minutes: f64, rate: f64) -> String {
        let Some(last) = self.points.last().map(|point| point.counters) else {
            return String::new();
        };
        let (used, most) = (mib(last.old_used as f64), mib(last.old_max as f64));
        let needed = self.needed();
        if let (Some(by_requests), Some(promoted)) = (self.by_requests(), self.promoted)
            && by_requests <= self.by_collections()
        {
            let bound = promoted.bound().map_or(0.0, three_digits);
            return format!(
                "up to {bound} bytes per request were promoted or are still young, and the floor \
                 is {}: {}",
                three_digits(self.floor),
                longer(minutes, Some(rate))
            );
        }
        let seen = match self.lives {
            0 => "the heap was never collected in full after the warm-up".to_owned(),
            lives => format!("the heap was collected in full {} after the warm-up", times(lives)),
        };
        let state = format!("{seen} (old {used:.0} of {most:.0} MiB)");
        let is_soon = minutes.is_finite() && minutes <= 240.0;
        let run = if is_soon { longer(minutes, Some(rate)) } else { String::new() };
        let limit = (2.0 * used).max(64.0).log2().ceil().exp2();
        let smaller = limit < most;
        let advice = match (is_soon, smaller) {
            (true, true) => format!("{run}, or with -Xmx{limit:.0}m"),
            (true, false) => run,
            (false, true) => format!("run with -Xmx{limit:.0}m"),
            (false, false) => "run longer, or at a higher rate".to_owned(),
        };
        format!("{state}; {} needed: {advice}", plural_are(needed))
    }
}

fn plural_are(needed: usize) -> String {
    let are = if needed == 1 { "is" } else { "are" };
    format!("{} {are}", plural(needed as u64, "more collection"))
}

fn times(count: usize) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

const fn mib(bytes: f64) -> f64 {
    bytes / 1_048_576.0
}

#[cfg(test)]
mod tests;
