//! The summary: the figures of a run for verdicts, documents and reports.
//!
//! Computed once from the plan and the record. It decides over which window a rate is taken and for
//! which quantiles a histogram has enough samples; store and report decide how to store and show
//! them.

use std::fmt;

mod script;
mod tcp;

use hdrhistogram::Histogram;

use crate::histogram::LatencyCounts;
use crate::outcome::Outcome;
use crate::plan::{Load, Plan};
use crate::record::{RunRecord, WorkerRecord};
use crate::time::Nanos;

pub use script::{FlowSummary, ScriptSummary, StepSummary};
pub use tcp::{Spread, TcpSummary};

/// Samples that must lie beyond a quantile before it is printed: with fewer, a single slow request
/// moves it.
pub const TAIL_SAMPLES_MIN: u64 = 10;

/// The summary of a run, over its measured window.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Length of the measured window; zero if the run ended before it.
    pub measured: Nanos,
    /// Requests per second.
    pub rate: Rates,
    /// Share of the slots that ended other than `ok`, 0..=1; `None` if no slot ended.
    pub error_share: Option<f64>,
    /// The times.
    pub times: TimesSummary,
    /// TCP state of the connections; `None` if none could be read.
    pub tcp: Option<TcpSummary>,
    /// The cost of the load on this machine.
    pub client: ClientCost,
    /// Bytes sent and received.
    pub bytes: Bytes,
    /// One per worker, in the order of the record.
    pub workers: Vec<WorkerShare>,
    /// Steps and flows, if there is a script.
    pub script: Option<ScriptSummary>,
}

/// Requests per second of the measured window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// The planned rate; `None` in a closed loop. With a script, of flows.
    pub offered: Option<f64>,
    /// Slots that were sent: released, less those that found no connection in time. In an open loop
    /// of flows, the flows that were begun. In a closed loop those across an edge of the window
    /// count by the share of their time inside ([`crate::edges`]).
    pub achieved: f64,
    /// Slots that ended `ok`, likewise.
    pub completed: f64,
}

/// The figures of the eight histograms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimesSummary {
    /// done − due, censored values included.
    pub response: TimeSummary,
    /// done − sent.
    pub service: TimeSummary,
    /// sent − due.
    pub lateness: TimeSummary,
    /// Connection establishment.
    pub connect: TimeSummary,
    /// First event − sent of streams.
    pub first_event: TimeSummary,
    /// From one event to the next.
    pub gap: TimeSummary,
    /// TLS handshakes.
    pub handshake: TimeSummary,
    /// First byte − sent.
    pub first_byte: TimeSummary,
    /// Values of `response` that are ages of unfinished slots.
    pub censored: u64,
}

/// The figures of one histogram, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSummary {
    quantiles: [Option<u64>; Quantile::ALL.len()],
    /// `None` without values; likewise the next two.
    pub mean: Option<u64>,
    /// The minimum.
    pub min: Option<u64>,
    /// The maximum.
    pub max: Option<u64>,
    /// The number of values.
    pub count: u64,
}

/// The quantiles that uringbench reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Quantile {
    /// The median.
    P50,
    /// 90 %.
    P90,
    /// 95 %.
    P95,
    /// 99 %.
    P99,
    /// 99.9 %.
    P999,
    /// 99.99 %.
    P9999,
}

/// The cost of the load on this machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientCost {
    /// CPU nanoseconds of the workers per complete answer, without those spent spinning; `None`
    /// without answers.
    pub cpu_ns_per_request: Option<f64>,
    /// CPU time of the workers outside the kernel.
    pub user: Nanos,
    /// CPU time of the workers inside the kernel.
    pub system: Nanos,
    /// Largest resident memory of the process, bytes.
    pub rss_peak: u64,
    /// `io_uring_enter` calls per complete answer; `None` without answers, or if the backend does
    /// not count them.
    pub enters_per_request: Option<f64>,
}

/// Bytes of the measured window, headers included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// Of requests.
    pub sent: u64,
    /// Of responses.
    pub received: u64,
}

/// How a worker spent the measured window, as shares of it, 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkerShare {
    /// The CPU it was pinned to.
    pub cpu: usize,
    /// Working, in user space or the kernel.
    pub busy: f64,
    /// Spinning without anything to do.
    pub spun: f64,
    /// Ready to run while another thread had the CPU.
    pub run_queue: f64,
}

impl Summary {
    /// Summarise one run.
    pub fn of(plan: &Plan, record: &RunRecord) -> Self {
        let measured = measured_window(record);
        // Rounding may leave a sum that cancels out slightly below zero.
        let per_second = |slots: f64| ratio(slots.max(0.0), measured.as_secs_f64()).unwrap_or(0.0);
        let edges = record.edges;
        let counts = &record.counts;
        let unsent = counts.of(Outcome::NotSent) + counts.of(Outcome::ConnectFailed);
        let script =
            plan.workload.script().map(|script| ScriptSummary::of(script, record, measured));
        let released = match &script {
            Some(script) if plan.load != Load::Closed => script.flows_ended(),
            _ => counts.released,
        };
        let times = &record.times;
        Self {
            measured,
            rate: Rates {
                offered: plan.offered(measured),
                achieved: per_second(released.saturating_sub(unsent) as f64 + edges.sent),
                completed: per_second(counts.of(Outcome::Ok) as f64 + edges.ok),
            },
            error_share: ratio(counts.errors() as f64, counts.ended() as f64),
            times: TimesSummary {
                response: TimeSummary::of(&times.response),
                service: TimeSummary::of(&times.service),
                lateness: TimeSummary::of(&times.lateness),
                connect: TimeSummary::of(&times.connect),
                first_event: TimeSummary::of(&times.first_event),
                gap: TimeSummary::of(&times.gap),
                handshake: TimeSummary::of(&times.handshake),
                first_byte: TimeSummary::of(&times.first_byte),
                censored: times.censored,
            },
            tcp: TcpSummary::of(record),
            client: ClientCost::of(record),
            bytes: Bytes {
                sent: record.workers.iter().map(|w| w.sent_bytes).sum(),
                received: record.workers.iter().map(|w| w.received_bytes).sum(),
            },
            workers: record.workers.iter().map(WorkerShare::of).collect(),
            script,
        }
    }

    /// Whether response times are service times, because no request is due before it can be sent.
    pub const fn is_served_at_once(&self) -> bool {
        self.rate.offered.is_none() && self.script.is_none()
    }

    /// The largest share of the window that any worker ran, 0 without workers.
    pub fn busiest(&self) -> f64 {
        self.workers.iter().map(|w| w.busy).fold(0.0, f64::max)
    }
}

impl TimeSummary {
    /// The figures of one histogram of nanoseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let count = histogram.len();
        let any = |value: u64| (count > 0).then_some(value);
        Self {
            quantiles: Quantile::ALL.map(|quantile| {
                (count >= quantile.samples_needed())
                    .then(|| histogram.value_at_quantile(quantile.share()))
            }),
            mean: any(histogram.mean().round() as u64),
            min: any(histogram.min()),
            max: any(histogram.max()),
            count,
        }
    }

    /// The same for counts.
    pub fn of_counts(counts: &LatencyCounts) -> Self {
        let count = counts.total();
        Self {
            quantiles: Quantile::ALL.map(|quantile| {
                counts.value_at(quantile.share()).filter(|_| count >= quantile.samples_needed())
            }),
            mean: counts.mean().map(|mean| mean.round() as u64),
            min: counts.min(),
            max: counts.value_at(1.0),
            count,
        }
    }

    /// The value of a quantile; `None` if there are too few values for it.
    pub const fn at(&self, quantile: Quantile) -> Option<u64> {
        self.quantiles[quantile as usize]
    }
}

impl Quantile {
    /// Every one, ascending.
    pub const ALL: [Self; 6] =
        [Self::P50, Self::P90, Self::P95, Self::P99, Self::P999, Self::P9999];

    /// Its name in reports: `p99.9`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
            Self::P9999 => "p99.99",
        }
    }

    /// The share of the values it bounds, 0..1.
    pub const fn share(self) -> f64 {
        (10_000 - self.beyond_in_10_000()) as f64 / 1e4
    }

    /// The fewest values that leave [`TAIL_SAMPLES_MIN`] beyond it.
    pub const fn samples_needed(self) -> u64 {
        TAIL_SAMPLES_MIN * 10_000 / self.beyond_in_10_000()
    }

    const fn beyond_in_10_000(self) -> u64 {
        match self {
            Self::P50 => 5_000,
            Self::P90 => 1_000,
            Self::P95 => 500,
            Self::P99 => 100,
            Self::P999 => 10,
            Self::P9999 => 1,
        }
    }
}

impl ClientCost {
    fn of(record: &RunRecord) -> Self {
        let sum = |cost: fn(&WorkerRecord) -> u64| record.workers.iter().map(cost).sum::<u64>();
        let (user, system) = (Nanos(sum(|w| w.user.0)), Nanos(sum(|w| w.system.0)));
        let worked = sum(|w| worked(w).0);
        let completed = record.completed();
        // Nothing is sent without a system call, so zero means that they are not counted.
        let enters = Some(sum(|w| w.enters)).filter(|&enters| enters > 0);
        Self {
            cpu_ns_per_request: ratio(worked as f64, completed),
            user,
            system,
            rss_peak: record.rss_peak,
            enters_per_request: enters.and_then(|enters| ratio(enters as f64, completed)),
        }
    }
}

impl WorkerShare {
    fn of(worker: &WorkerRecord) -> Self {
        let share = |spent: Nanos| ratio(spent.0 as f64, worker.measured.0 as f64).unwrap_or(0.0);
        Self {
            cpu: worker.cpu,
            busy: share(worked(worker)),
            spun: share(spun(worker)),
            run_queue: share(worker.run_queue),
        }
    }
}

/// CPU time that served the load.
fn worked(worker: &WorkerRecord) -> Nanos {
    Nanos((worker.user + worker.system).0.saturating_sub(spun(worker).0))
}

/// CPU time spent polling. It was measured by the clock, which continues while the thread waits for
/// its CPU: of the time in which it could run, it ran a share.
fn spun(worker: &WorkerRecord) -> Nanos {
    let ran = (worker.user + worker.system).0;
    let share = ratio(ran as f64, (ran + worker.run_queue.0) as f64).unwrap_or(0.0);
    Nanos((worker.spun.0 as f64 * share) as u64)
}

fn measured_window(record: &RunRecord) -> Nanos {
    record.windows.measured().map_or(Nanos::ZERO, |window| window.end.since(window.start))
}

/// `None` instead of a division by zero.
fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

/// A whole number for display: `152,340`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grouped(pub u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3);
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// A count with its noun: `1 request`, `12,000 requests`. The plural ends in `s`.
pub fn plural(count: u64, noun: &str) -> String {
    let end = match count {
        1 => "",
        _ if noun.ends_with('s') => "es",
        _ => "s",
    };
    format!("{} {noun}{end}", Grouped(count))
}

/// The same as the subject of a past-tense sentence: `1 slot was`, `2 slots were`.
pub fn plural_were(count: u64, noun: &str) -> String {
    format!("{} {}", plural(count, noun), if count == 1 { "was" } else { "were" })
}

/// A share of 0..=1 for display: `12.3 %`, `0.04 %`, `100 %`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percent(pub f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        let text = match percent {
            0.0 => "0 %".to_owned(),
            p if p < 0.005 => "<0.01 %".to_owned(),
            p if p < 0.995 => format!("{p:.2} %"),
            // 99.96 % of a rate is not 100 %: rounding up would hide the missing part.
            p if p < 100.0 => format!("{:.1} %", p.min(99.9)),
            p => format!("{p:.0} %"),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
use crate as words;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
