//! The record: the result of a run, to be summarised, evaluated, stored and shown.
//!
//! Plain data, filled by the engine. Every count of the measured window is of slots released in it,
//! wherever they ended (the drain included).

use std::fmt;

use hdrhistogram::Histogram;

use crate::answer_code::{AnswerCode, CodeCounts};
use crate::cause::Causes;
use crate::chaos::DueRows;
use crate::edges::EdgeShares;
use crate::ending::Endings;
use crate::flow::step::Failed;
use crate::histogram::LatencyCounts;
use crate::http::deviation::Deviations;
use crate::outcome::{Counts, Outcome};
use crate::plan::Peer;
use crate::status::StatusSample;
use crate::time::{Nanos, Timestamp};
use crate::window::{NamedWindows, Phase};

/// One finished run.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// The backend that sent the load.
    pub backend: Backend,
    /// Warm-up (if there was one), measured window and drain, with their named parts.
    pub windows: NamedWindows,
    /// Slots released in the measured window; none is in flight any more.
    pub counts: Counts,
    /// Why slots of the measured window ended without a passing answer, as far as known.
    pub causes: Causes,
    /// Deviations from RFC 9112 in answers from the start of the measured window on, which were
    /// accepted.
    pub tolerated: Deviations,
    /// Corrections of rates for exchanges of a closed loop across the window's edges; otherwise
    /// zero.
    pub edges: EdgeShares,
    /// Slots released in the warm-up; none is in flight any more.
    pub warmup_counts: Counts,
    /// Complete answers of the measured window by their code.
    pub codes: CodeCounts,
    /// The times of the measured window.
    pub times: Times,
    /// The whole run in intervals of [`INTERVAL`], in order.
    pub intervals: Vec<Interval>,
    /// The whole run in intervals of the plan's slice, if that is shorter than [`INTERVAL`];
    /// otherwise empty.
    pub slices: Vec<Interval>,
    /// All requests by the time at which they were due, if the plan asks for that.
    pub due_rows: Option<DueRows>,
    /// One per worker.
    pub workers: Vec<WorkerRecord>,
    /// The requests of each step of a script, by number; empty without a script. If there is only
    /// one step, its times are those of the whole.
    pub steps: Vec<StepRecord>,
    /// The flows of a script.
    pub flows: Vec<FlowRecord>,
    /// Largest resident memory of this process, in bytes.
    pub rss_peak: u64,
    /// Growth of its resident memory while the connections were made, in bytes.
    pub rss_of_connections: u64,
    /// Whether a signal ended the run before its limit.
    pub interrupted: bool,
}

/// The measured requests of one step.
#[derive(Clone, Debug, Default)]
pub struct StepRecord {
    /// Their outcomes.
    pub counts: Counts,
    /// Correction of the rate of those that passed, for exchanges across the window's edges.
    pub edge: f64,
    /// done − due, and the ages of those without a complete answer.
    pub response: LatencyCounts,
    /// done − sent, of complete answers.
    pub service: LatencyCounts,
    /// sent − due.
    pub lateness: LatencyCounts,
    /// Why answers did not pass, with counts.
    pub failures: Vec<(Failed, u64)>,
    /// Why they ended without a passing answer, where that is known.
    pub causes: Causes,
    /// Complete answers by their code, without plain successes.
    pub codes: Vec<(AnswerCode, u64)>,
}

/// The measured flows of one kind.
#[derive(Clone, Debug, Default)]
pub struct FlowRecord {
    /// Those in which every step passed.
    pub passed: u64,
    /// Those in which a step failed.
    pub failed: u64,
    /// Those that were unfinished at the end of the run.
    pub unfinished: u64,
    /// Correction of the rate of those that passed, for flows across the window's edges.
    pub edge: f64,
    /// Their length without think times; of unfinished ones, up to the end of the run.
    pub response: LatencyCounts,
    /// The part of it that was waiting for answers.
    pub service: LatencyCounts,
    /// The part of it that was waiting to send a due request.
    pub lateness: LatencyCounts,
}

impl FlowRecord {
    /// Flows that have ended, passed or not.
    pub const fn ended(&self) -> u64 {
        self.passed + self.failed + self.unfinished
    }
}

/// The backend of a plan's engine on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Backend {
    /// The built-in loop over io_uring.
    #[default]
    Ring,
    /// monoio over io_uring.
    MonoioUring,
    /// monoio over epoll.
    MonoioEpoll,
    /// tokio-uring: io_uring beneath an epoll loop.
    TokioUring,
}

impl fmt::Display for Backend {
    /// Its name in results.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ring => "ring",
            Self::MonoioUring => "monoio (io_uring)",
            Self::MonoioEpoll => "monoio (epoll)",
            Self::TokioUring => "tokio-uring",
        })
    }
}

/// The length of an interval of reporting.
pub const INTERVAL: Nanos = Nanos::SECOND;

impl RunRecord {
    /// When the first phase began.
    pub fn start(&self) -> Timestamp {
        self.windows.start().unwrap_or_default()
    }

    /// Complete answers in the measured window; in a closed loop, those across its edges by their
    /// share.
    pub fn completed(&self) -> f64 {
        (self.counts.completed() as f64 + self.edges.completed).max(0.0)
    }

    /// The intervals of the run, the finest there are.
    pub fn finest(&self) -> &[Interval] {
        if self.slices.is_empty() { &self.intervals } else { &self.slices }
    }
}

/// The eight kinds of times, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Times {
    /// done − due, for every released slot: completed ones, and those without a complete answer at
    /// the age they reached (censored values). Closed loop: the same as `service`.
    pub response: Histogram<u64>,
    /// done − sent, for complete answers.
    pub service: Histogram<u64>,
    /// sent − due, for every slot that was sent. Empty in a closed loop.
    pub lateness: Histogram<u64>,
    /// Connection establishment, of the whole run.
    pub connect: Histogram<u64>,
    /// The first event of a stream − sent; empty if answers are not streams, as is the next.
    pub first_event: Histogram<u64>,
    /// From one event of a stream to the next.
    pub gap: Histogram<u64>,
    /// TLS handshakes, from the connect on, of the whole run.
    pub handshake: Histogram<u64>,
    /// First byte of the answer − sent.
    pub first_byte: Histogram<u64>,
    /// Values in `response` that are ages of unfinished slots rather than response times.
    pub censored: u64,
}

impl Default for Times {
    fn default() -> Self {
        let empty = crate::histogram::empty;
        Self {
            response: empty(),
            service: empty(),
            lateness: empty(),
            connect: empty(),
            first_event: empty(),
            gap: empty(),
            handshake: empty(),
            first_byte: empty(),
            censored: 0,
        }
    }
}

/// One interval, over all workers.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Its start, counted from the start of the run's first phase.
    pub start: Nanos,
    /// Its length: [`INTERVAL`] (a slice: the plan's), shorter for the last of a phase.
    pub length: Nanos,
    /// The phase it began in.
    pub phase: Phase,
    /// Slots released in it.
    pub released: u64,
    /// Complete answers that arrived in it.
    pub completed: u64,
    /// Slots that ended in it other than `ok`.
    pub errors: u64,
    /// Slots that ended in it, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Exchanges in flight at its end.
    pub in_flight: u64,
    /// Connections established at its end.
    pub connected: u64,
    /// Response-time quantiles of the slots that ended in it; `None` without any.
    pub response: Option<IntervalQuantiles>,
    /// Lateness p99 of the slots sent in it, ns; `None` in a closed loop or without any.
    pub lateness_p99: Option<u64>,
    /// Bytes of requests sent and responses received in it.
    pub sent_bytes: u64,
    /// Bytes received in it.
    pub received_bytes: u64,
}

/// Response-time quantiles of one interval, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalQuantiles {
    /// The median.
    pub p50: u64,
    /// The 99 % quantile.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
}

impl RunRecord {
    /// Why connections ended, on all workers.
    pub fn endings(&self) -> Endings {
        let mut sum = Endings::default();
        self.workers.iter().for_each(|worker| sum.merge(&worker.endings));
        sum
    }

    /// The fewest streams that an HTTP/2 target allowed, if they were fewer than planned.
    pub fn streams_limited(&self) -> Option<u32> {
        self.workers.iter().filter_map(|worker| worker.streams_limited).min()
    }

    /// The share of the time of so many connections, warm-up and measured window, in which bodies
    /// waited for windows of an HTTP/2 target; `None` if none waited.
    pub fn window_wait_share(&self, connections: u32, time: Nanos) -> Option<f64> {
        let waits: u64 = self.workers.iter().map(|worker| worker.window_waits.0).sum();
        let all = time.0 as f64 * f64::from(connections);
        (waits > 0 && all > 0.0).then(|| (waits as f64 / all).min(1.0))
    }

    /// Whether an HTTP/2 target changed its limit of streams, or connections had different ones.
    pub fn do_streams_vary(&self) -> bool {
        let mut limits = self.workers.iter().filter(|worker| worker.established > 0);
        let first = limits.next().and_then(|worker| worker.streams_limited);
        limits.any(|worker| worker.streams_limited != first)
            || self.workers.iter().any(|worker| worker.streams_vary)
    }
}

/// The TCP state of the connections of one number, when it was last read (tcp(7), TCP_INFO).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpReading {
    /// Successive connections that were read, at least 1.
    pub connections: u64,
    /// Segments that this side retransmitted on them.
    pub retransmits: u64,
    /// Smoothed round-trip time.
    pub rtt: Option<Nanos>,
    /// The least round-trip time.
    pub rtt_min: Option<Nanos>,
    /// The rate at which the last data was acknowledged, bytes per second.
    pub delivery_rate: Option<u64>,
}

/// The counts and costs of one worker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkerRecord {
    /// The CPU it was pinned to.
    pub cpu: usize,
    /// Its planned connections.
    pub connections: u32,
    /// Connections established when the measured window began.
    pub established: u32,
    /// Fewest connections established at the end of any interval of the measured window.
    pub established_min: u32,
    /// Its connections that carried a request of the measured window.
    pub connections_used: u32,
    /// Why established connections ended, whole run.
    pub endings: Endings,
    /// Reconnects after a close, whole run.
    pub reconnects: u64,
    /// Connection attempts that failed, whole run.
    pub connects_failed: u64,
    /// How often bytes arrived with no exchange in flight: the connection was closed.
    pub unsolicited: u64,
    /// The start of the first of them, in backquotes.
    pub unsolicited_sample: Option<String>,
    /// WebSocket messages that the target sent on its own, whole run: beyond the awaited greeting,
    /// and none counted as a reply.
    pub unsolicited_messages: u64,
    /// CPU time of its thread in the measured window.
    pub user: Nanos,
    /// Kernel part of the same.
    pub system: Nanos,
    /// The part of `user` spent polling for events instead of sleeping.
    pub spun: Nanos,
    /// Time its thread waited for a CPU in the measured window (`/proc/self/task/*/schedstat`).
    pub run_queue: Nanos,
    /// How often it was preempted in the measured window.
    pub preempted: u64,
    /// Length of the measured window.
    pub measured: Nanos,
    /// How much of it, where requests limit the run, lies before its first request and after the
    /// answer to its last one: other workers began before it, or ended after it.
    pub unloaded: Nanos,
    /// `io_uring_enter` calls in the measured window; 0 if the backend does not count them.
    pub enters: u64,
    /// Slots that found every connection busy when they were due, measured window.
    pub waited: u64,
    /// How long requests of a closed loop waited in their turn's queue of sends, summed, measured
    /// window: their connections were idle for that time.
    pub departing: Nanos,
    /// Receives that found the buffer ring empty and were armed again, whole run.
    pub buffers_exhausted: u64,
    /// How often the completion queue was full, so that completions went to the kernel's overflow
    /// list or were lost without memory; whole run.
    pub completions_overflowed: u64,
    /// Events of streams, of measured slots.
    pub events: u64,
    /// Gaps between events that were stalls, of measured slots.
    pub stalls: u64,
    /// Rows of PostgreSQL in answers, of measured slots.
    pub rows: u64,
    /// Idle connections established when the measured window began.
    pub idle: u32,
    /// Idle connections that ended, whole run.
    pub idle_lost: u64,
    /// Full TLS handshakes, whole run.
    pub handshakes_full: u64,
    /// TLS handshakes that resumed an earlier session, whole run.
    pub handshakes_resumed: u64,
    /// Why the latest failed connection attempt failed, with its fix.
    pub connect_failure: Option<String>,
    /// Why its driver stopped working, which ended the run.
    pub halted: Option<String>,
    /// Bytes of requests sent, measured window and drain.
    pub sent_bytes: u64,
    /// Bytes received, measured window and drain.
    pub received_bytes: u64,
    /// Responses whose header was recognised without parsing, whole run.
    pub shape_hits: u64,
    /// Response headers parsed in full, whole run.
    pub shape_misses: u64,
    /// The fewest streams that an HTTP/2 target allowed on a connection, if they were fewer than
    /// planned. Whole run.
    pub streams_limited: Option<u32>,
    /// Whether that limit changed, or differed between connections, as far as it was below the
    /// planned number. Whole run.
    pub streams_vary: bool,
    /// How long bodies waited for windows of an HTTP/2 target, summed over connections. Whole run.
    pub window_waits: Nanos,
    /// TCP state of the connections that were read; empty if the backend or the kernel (before 6.8)
    /// cannot read it. Whole run.
    pub tcp: Vec<TcpReading>,
    /// A sample answer of each status of 300 and above, whole run.
    pub statuses: Vec<StatusSample>,
    /// Slots that ended other than `ok` on connections to each address of the target; empty if it
    /// has one. Whole run.
    pub failed_at: Vec<(Peer, u64)>,
}
