//! The record: what a run hands over to be summarised, judged, stored and shown.
//!
//! Plain data, filled by the engine. Every count of the measured window is of slots released in
//! it, wherever they ended (the drain included).

use std::fmt;

use hdrhistogram::Histogram;

use crate::answer_code::{AnswerCode, CodeCounts};
use crate::cause::Causes;
use crate::edges::EdgeShares;
use crate::ending::Endings;
use crate::flow::step::Failed;
use crate::histogram::LatencyCounts;
use crate::http::deviation::Deviations;
use crate::outcome::Counts;
use crate::plan::Peer;
use crate::status::StatusSample;
use crate::time::{Nanos, Timestamp};
use crate::window::{NamedWindows, Phase};

/// One finished run.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// What carried the load.
    pub backend: Backend,
    /// Warm-up (when there was one), measured window and drain, with the named parts of it.
    pub windows: NamedWindows,
    /// Slots released in the measured window; nothing is in flight any more.
    pub counts: Counts,
    /// Why slots of the measured window ended without a passing answer, where that is known.
    pub causes: Causes,
    /// How answers that came from the start of the measured window on deviated from RFC 9112, and
    /// were read all the same.
    pub tolerated: Deviations,
    /// What exchanges of a closed loop across the window's edges add to rates; else nothing.
    pub edges: EdgeShares,
    /// Slots released in the warm-up; nothing is in flight any more.
    pub warmup_counts: Counts,
    /// Complete answers of the measured window by their code.
    pub codes: CodeCounts,
    /// What was timed, of the measured window.
    pub times: Times,
    /// The whole run in steps of [`INTERVAL`], in order.
    pub intervals: Vec<Interval>,
    /// The whole run in steps of the plan's slice, when that is shorter than [`INTERVAL`]; else
    /// empty.
    pub slices: Vec<Interval>,
    /// One per worker.
    pub workers: Vec<WorkerRecord>,
    /// The requests of each step of a script, by its number; empty without a script. The times
    /// of a step that is the only one are those of the whole.
    pub steps: Vec<StepRecord>,
    /// The flows of a script.
    pub flows: Vec<FlowRecord>,
    /// Largest resident memory of this process, in bytes.
    pub rss_peak: u64,
    /// By how many bytes its resident memory grew while the connections were made.
    pub rss_of_connections: u64,
    /// Whether a signal ended the run before its limit.
    pub interrupted: bool,
}

/// The measured requests of one step.
#[derive(Clone, Debug, Default)]
pub struct StepRecord {
    /// What became of them.
    pub counts: Counts,
    /// What those across the window's edges add to the rate of those that passed.
    pub edge: f64,
    /// done − due, and the ages of those without a complete answer.
    pub response: LatencyCounts,
    /// done − sent, of complete answers.
    pub service: LatencyCounts,
    /// sent − due.
    pub lateness: LatencyCounts,
    /// Why answers did not pass, and how many.
    pub failures: Vec<(Failed, u64)>,
    /// Complete answers by their code, plain successes aside.
    pub codes: Vec<(AnswerCode, u64)>,
}

/// The measured flows of one kind.
#[derive(Clone, Debug, Default)]
pub struct FlowRecord {
    /// Those in which every step passed.
    pub passed: u64,
    /// Those in which one did not.
    pub failed: u64,
    /// Those that were cut short by the end of the run.
    pub unfinished: u64,
    /// What those across the window's edges add to the rate of those that passed.
    pub edge: f64,
    /// How long they took without their pauses; those cut short until then.
    pub response: LatencyCounts,
    /// How much of that was waiting for answers.
    pub service: LatencyCounts,
    /// How much of that was waiting to send, since a request was due.
    pub lateness: LatencyCounts,
}

impl FlowRecord {
    /// Flows that have ended, passed or not.
    pub const fn ended(&self) -> u64 {
        self.passed + self.failed + self.unfinished
    }
}

/// What a plan's engine came to on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Backend {
    /// Our own loop over io_uring.
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
    /// As results name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ring => "ring",
            Self::MonoioUring => "monoio (io_uring)",
            Self::MonoioEpoll => "monoio (epoll)",
            Self::TokioUring => "tokio-uring",
        })
    }
}

/// The reporting step.
pub const INTERVAL: Nanos = Nanos::SECOND;

impl RunRecord {
    /// When the first phase began.
    pub fn start(&self) -> Timestamp {
        self.windows.start().unwrap_or_default()
    }

    /// Complete answers that the measured window holds; in a closed loop those across its edges by
    /// their share.
    pub fn completed(&self) -> f64 {
        (self.counts.completed() as f64 + self.edges.completed).max(0.0)
    }

    /// The run in the finest steps it was followed in.
    pub fn finest(&self) -> &[Interval] {
        if self.slices.is_empty() { &self.intervals } else { &self.slices }
    }
}

/// The eight things that are timed, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Times {
    /// done − due, of every released slot: completed ones, and those that ended without a
    /// complete answer at the age they had reached (censored values). Closed loop: the same as
    /// `service`.
    pub response: Histogram<u64>,
    /// done − sent, of complete answers.
    pub service: Histogram<u64>,
    /// sent − due, of every slot that was sent. Empty in a closed loop.
    pub lateness: Histogram<u64>,
    /// Connection establishment, of the whole run.
    pub connect: Histogram<u64>,
    /// The first event of a stream − sent; empty where answers are no streams, as is the next.
    pub first_event: Histogram<u64>,
    /// From one event of a stream to the next.
    pub gap: Histogram<u64>,
    /// TLS handshakes, from the connection's establishment on, of the whole run.
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

/// One reporting step, over all workers.
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    /// Its start, from the start of the run's first phase.
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
    /// Exchanges in flight at its end.
    pub in_flight: u64,
    /// Connections established at its end.
    pub connected: u64,
    /// Response-time quantiles of the slots that ended in it; `None` when none did.
    pub response: Option<IntervalQuantiles>,
    /// Lateness p99 of the slots sent in it, ns; `None` in a closed loop or when none were sent.
    pub lateness_p99: Option<u64>,
    /// Bytes of requests sent and responses received in it.
    pub sent_bytes: u64,
    /// Bytes received in it.
    pub received_bytes: u64,
}

/// Response-time quantiles of one interval, ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntervalQuantiles {
    /// Half of the slots took no longer.
    pub p50: u64,
    /// 99 % of the slots took no longer.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
}

impl RunRecord {
    /// Why connections that stood have ended, on all workers.
    pub fn endings(&self) -> Endings {
        let mut sum = Endings::default();
        self.workers.iter().for_each(|worker| sum.merge(&worker.endings));
        sum
    }
}

/// What TCP knew of the connections of one number, as of the last time one of them was asked
/// (tcp(7), TCP_INFO).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpReading {
    /// Successive connections that were asked, at least 1.
    pub connections: u64,
    /// Segments that this side sent again on them.
    pub retransmits: u64,
    /// Smoothed round-trip time.
    pub rtt: Option<Nanos>,
    /// The least round-trip time.
    pub rtt_min: Option<Nanos>,
    /// How fast what was sent last was acknowledged, bytes per second.
    pub delivery_rate: Option<u64>,
}

/// What one worker did and what it cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorkerRecord {
    /// The CPU it was pinned to.
    pub cpu: usize,
    /// Connections it was to hold.
    pub connections: u32,
    /// Connections established when the measured window began.
    pub established: u32,
    /// Fewest connections established at the end of any interval of the measured window.
    pub established_min: u32,
    /// Its connections that carried a request of the measured window.
    pub connections_used: u32,
    /// Why connections that stood have ended, whole run.
    pub endings: Endings,
    /// Connections made again after a close, whole run.
    pub reconnects: u64,
    /// Connection attempts that failed, whole run.
    pub connects_failed: u64,
    /// Bytes that arrived with no exchange in flight to own them: the connection was closed.
    pub unsolicited: u64,
    /// How the first of them began, in backquotes.
    pub unsolicited_sample: Option<String>,
    /// Messages over WebSockets that the target sent of its own accord, whole run: beyond the
    /// greeting that was waited for, and none taken for an answer.
    pub unsolicited_messages: u64,
    /// CPU time of its thread in the measured window.
    pub user: Nanos,
    /// Kernel share of the same.
    pub system: Nanos,
    /// The part of `user` passed with looking whether something has happened, instead of sleeping.
    pub spun: Nanos,
    /// Time its thread waited for a CPU in the measured window (`/proc/self/task/*/schedstat`).
    pub run_queue: Nanos,
    /// How often it was preempted in the measured window.
    pub preempted: u64,
    /// Length of the measured window.
    pub measured: Nanos,
    /// `io_uring_enter` calls in the measured window; 0 where the backend does not count them.
    pub enters: u64,
    /// Slots that found every connection busy when they were due, measured window.
    pub waited: u64,
    /// How long requests of a closed loop waited behind others of their turn before they left,
    /// summed, measured window: their connections stood idle meanwhile.
    pub departing: Nanos,
    /// Receives that found the buffer ring empty and were armed again, whole run.
    pub buffers_exhausted: u64,
    /// How often completions found their queue full and the kernel set them aside, or lost them
    /// for want of memory; whole run.
    pub completions_overflowed: u64,
    /// Events of streams, of measured slots.
    pub events: u64,
    /// Gaps between events that were stalls, of measured slots.
    pub stalls: u64,
    /// Idle connections established when the measured window began.
    pub idle: u32,
    /// Idle connections that ended, whole run.
    pub idle_lost: u64,
    /// TLS handshakes in full, whole run.
    pub handshakes_full: u64,
    /// TLS handshakes that took up an earlier session, whole run.
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
    /// What TCP knew of its connections, of those that were asked; empty where the backend or the
    /// kernel (before 6.8) cannot tell. Whole run.
    pub tcp: Vec<TcpReading>,
    /// What one answer of each status of 300 and above said, whole run.
    pub statuses: Vec<StatusSample>,
    /// Slots that ended other than `ok` on connections to each address of the target; empty when
    /// it has one. Whole run.
    pub failed_at: Vec<(Peer, u64)>,
}
