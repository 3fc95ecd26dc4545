//! All memory that the target keeps: private, shared and swapped, of processes that stay and of
//! ones that are replaced.
//!
//! The sum of all processes is evaluated first. If processes end under load (workers that serve so
//! many requests and are replaced, a reload), each end frees the memory of that process, and the
//! sum is flat however much each of them leaks. Then the processes that stayed and the lives of the
//! others are evaluated separately: the lives as one series of memory by age, the mean of all of
//! them, against the requests that one of them served.

use uringbench_core::statistics::median;

use super::verdict::judge;
use super::{LeakResult, LeakVerdict, Point, ResourceSeries, Rules};

/// Below this share of the memory, processes that end do not matter, if they are also small.
const REPLACED_SHARE: f64 = 0.1;
const REPLACED_BYTES: f64 = 16.0 * 1_048_576.0;
/// An age counts while this part of all lives reached it.
const AGE_SHARE: usize = 3;
/// Readings at either end whose median is the level there.
const LEVEL_READINGS: usize = 3;
/// A kind of memory is named if it is at least this part of the growth.
const KIND_SHARE: f64 = 0.1;

/// One reading of a target's memory, in bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoryPoint {
    /// Seconds since the series began.
    pub t_s: f64,
    /// Requests completed up to here.
    pub requests: u64,
    /// Memory of each kind.
    pub kinds: Kinds,
    /// Private and swapped memory by process; may be empty in some readings.
    pub each: Vec<ProcessPoint>,
}

/// The private memory of one process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProcessPoint {
    /// Its PID and its start time, which together are unique.
    pub id: (u32, u64),
    /// In bytes.
    pub bytes: f64,
}

/// Memory by its kind, in bytes; as a difference it may be negative.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kinds {
    /// Heaps, stacks, copies of pages that were written to.
    pub private: f64,
    /// memfd, segments, shared anonymous mappings, files on a tmpfs.
    pub shared: f64,
    /// Private memory that was swapped out.
    pub swapped: f64,
}

impl Kinds {
    fn total(self) -> f64 {
        self.private + self.shared + self.swapped
    }

    const fn named(self) -> [(&'static str, f64); 3] {
        [("private", self.private), ("shared", self.shared), ("swapped", self.swapped)]
    }

    /// The kinds with most of the growth, the largest first.
    pub fn growing(self) -> Vec<&'static str> {
        let risen: f64 = self.named().iter().map(|(_, bytes)| bytes.max(0.0)).sum();
        let mut kinds = self.named().to_vec();
        kinds.retain(|(_, bytes)| *bytes > 0.0 && *bytes >= KIND_SHARE * risen);
        kinds.sort_by(|a, b| b.1.total_cmp(&a.1));
        kinds.into_iter().map(|(name, _)| name).collect()
    }
}

/// The verdict on the memory, with figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// The verdict; its reason names the kinds that grow and the processes that were replaced.
    pub result: LeakResult,
    /// The growth of each kind from the end of the warm-up to the last reading.
    pub grown: Kinds,
    /// Processes that ended under load, if the verdict had to use their lives.
    pub replaced: usize,
}

/// Compute the verdict on the memory of a target.
pub fn judge_memory(points: &[MemoryPoint], rules: &Rules) -> Memory {
    let sum = judge(&series(points, |point| point.kinds.total()), rules);
    let lives = Lives::of(points);
    let (mut result, replaced) = match lives.filter(Lives::matter) {
        None => (sum, 0),
        Some(lives) => (lives.result(points, rules, sum), lives.ended),
    };
    let grown = grown(points, result.warmup_cut_s);
    if result.verdict == LeakVerdict::Leak {
        let mib = |bytes: f64| bytes / 1_048_576.0;
        let parts = grown.named().into_iter().filter(|(_, bytes)| bytes.abs() >= 4_096.0);
        let parts: Vec<_> =
            parts.map(|(name, bytes)| format!("{name} {:+.1} MiB", mib(bytes))).collect();
        if !parts.is_empty() {
            result.reason.push_str(&format!("; since the warm-up: {}", parts.join(", ")));
        }
    }
    Memory { result, grown, replaced }
}

fn series(points: &[MemoryPoint], of: impl Fn(&MemoryPoint) -> f64) -> ResourceSeries {
    let point =
        |point: &MemoryPoint| Point { t_s: point.t_s, requests: point.requests, value: of(point) };
    ResourceSeries { points: points.iter().map(point).collect() }
}

fn grown(points: &[MemoryPoint], warm_s: f64) -> Kinds {
    let Some(first) = points.first() else { return Kinds::default() };
    let warm = points.partition_point(|point| point.t_s < first.t_s + warm_s);
    let warm = &points[warm.min(points.len() - 1)..];
    let count = LEVEL_READINGS.min(warm.len());
    let between = |of: fn(&MemoryPoint) -> f64| {
        let level = |part: &[MemoryPoint]| {
            median(&mut part.iter().map(of).collect::<Vec<_>>()).unwrap_or_default()
        };
        level(&warm[warm.len() - count..]) - level(&warm[..count])
    };
    Kinds {
        private: between(|point| point.kinds.private),
        shared: between(|point| point.kinds.shared),
        swapped: between(|point| point.kinds.swapped),
    }
}

/// A process from its first reading to its last.
struct Life {
    id: (u32, u64),
    /// The first reading that contains it, among those with separate processes.
    birth: usize,
    bytes: Vec<f64>,
}

/// The processes of a run.
struct Lives {
    /// Those in the first and in the last reading.
    stayed: Vec<(u32, u64)>,
    /// All others.
    passing: Vec<Life>,
    /// How many of them ended.
    ended: usize,
    /// Mean memory of `passing`, and its share of all private memory.
    mean: f64,
    share: f64,
}

impl Lives {
    fn of(points: &[MemoryPoint]) -> Option<Self> {
        let known: Vec<&MemoryPoint> = known(points).collect();
        let mut lives: Vec<Life> = Vec::new();
        for (index, point) in known.iter().enumerate() {
            for process in &point.each {
                // A process that was missing in a reading starts another life: none is stretched
                // over a gap.
                let known = lives
                    .iter_mut()
                    .rev()
                    .find(|life| life.id == process.id && life.birth + life.bytes.len() == index);
                match known {
                    Some(life) => life.bytes.push(process.bytes),
                    None => lives.push(Life {
                        id: process.id,
                        birth: index,
                        bytes: vec![process.bytes],
                    }),
                }
            }
        }
        let all: f64 = lives.iter().flat_map(|life| &life.bytes).sum();
        let ends_at = |life: &Life| life.birth + life.bytes.len();
        let (stayed, passing): (Vec<_>, Vec<_>) =
            lives.into_iter().partition(|life| life.bytes.len() == known.len());
        let ended = passing.iter().filter(|life| ends_at(life) < known.len()).count();
        let theirs: f64 = passing.iter().flat_map(|life| &life.bytes).sum();
        (!known.is_empty()).then(|| Self {
            stayed: stayed.into_iter().map(|life| life.id).collect(),
            passing,
            ended,
            mean: theirs / known.len() as f64,
            share: theirs / all.max(1.0),
        })
    }

    /// Whether processes that ended had enough memory to flatten the sum.
    fn matter(&self) -> bool {
        self.ended > 0 && (self.share >= REPLACED_SHARE || self.mean >= REPLACED_BYTES)
    }

    fn result(&self, points: &[MemoryPoint], rules: &Rules, sum: LeakResult) -> LeakResult {
        let of_stayed = |point: &MemoryPoint| {
            let stayed = point.each.iter().filter(|process| self.stayed.contains(&process.id));
            stayed.map(|process| process.bytes).sum::<f64>() + point.kinds.shared
        };
        let known: Vec<MemoryPoint> = known(points).cloned().collect();
        let stayed = judge(&series(&known, of_stayed), rules);
        let mut by_age = judge(&self.by_age(&known), rules);
        let count = self.ended;
        let ended = if count == 1 { "1 process".to_owned() } else { format!("{count} processes") };
        if by_age.windows == 0 {
            let median_s = self.median_life_s(&known);
            by_age.verdict = LeakVerdict::Inconclusive { needs_minutes: f64::INFINITY };
            by_age.reason = format!(
                "{ended} with {:.0} % of the private memory ended under load after {median_s:.0} s \
                 (median), too soon to measure growth: let them live longer than a minute, or do \
                 not replace them",
                self.share * 100.0
            );
        } else {
            by_age.reason = format!(
                "{ended} ended under load, so growth was measured within their lives: {}",
                by_age.reason
            );
        }
        let is_leak = |result: &LeakResult| result.verdict == LeakVerdict::Leak;
        if is_leak(&by_age) {
            return by_age;
        }
        if let Some(leak) = [&stayed, &sum].into_iter().find(|result| is_leak(result)) {
            return leak.clone();
        }
        match (by_age.verdict, stayed.verdict) {
            (LeakVerdict::NoLeak { below }, LeakVerdict::NoLeak { below: of_stayed })
                if by_age.axis == stayed.axis =>
            {
                LeakResult { verdict: LeakVerdict::NoLeak { below: below + of_stayed }, ..by_age }
            }
            (LeakVerdict::NoLeak { .. }, LeakVerdict::Inconclusive { .. }) => stayed,
            _ => by_age,
        }
    }

    /// The mean memory of a life by its age, against the requests that one of them served: all
    /// completed ones, divided among those alive.
    fn by_age(&self, known: &[MemoryPoint]) -> ResourceSeries {
        let alive = |at: usize| {
            let is_alive = |life: &&Life| (life.birth..life.birth + life.bytes.len()).contains(&at);
            self.passing.iter().filter(is_alive).count().max(1) as f64
        };
        let alive: Vec<f64> = (0..known.len()).map(alive).collect();
        let served = |at: usize| (known[at + 1].requests - known[at].requests) as f64 / alive[at];
        let least = self.passing.len().div_ceil(AGE_SHARE).max(1);
        let first = self.passing.iter().map(|life| life.bytes[0]).sum::<f64>();
        let mut at = Point { t_s: 0.0, requests: 0, value: first / self.passing.len() as f64 };
        let mut requests = 0.0;
        let mut points = vec![at];
        for age in 0.. {
            let older: Vec<&Life> =
                self.passing.iter().filter(|life| life.bytes.len() > age + 1).collect();
            if older.len() < least {
                break;
            }
            let mean = |of: &dyn Fn(&Life) -> f64| {
                older.iter().map(|life| of(life)).sum::<f64>() / older.len() as f64
            };
            // By differences: lives that end at this age must not move the level of the others.
            at.value += mean(&|life| life.bytes[age + 1] - life.bytes[age]);
            at.t_s += mean(&|life| known[life.birth + age + 1].t_s - known[life.birth + age].t_s);
            requests += mean(&|life| served(life.birth + age));
            at.requests = requests as u64;
            points.push(at);
        }
        ResourceSeries { points }
    }

    fn median_life_s(&self, known: &[MemoryPoint]) -> f64 {
        let length =
            |life: &Life| known[life.birth + life.bytes.len() - 1].t_s - known[life.birth].t_s;
        median(&mut self.passing.iter().map(length).collect::<Vec<_>>()).unwrap_or_default()
    }
}

/// The readings with separate processes.
fn known(points: &[MemoryPoint]) -> impl Iterator<Item = &MemoryPoint> {
    points.iter().filter(|point| !point.each.is_empty())
}

#[cfg(test)]
mod tests;
