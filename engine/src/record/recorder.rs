//! The counts and times of one worker, interval by interval.
//!
//! A worker fills one [`IntervalCounts`] per interval and passes it on; the collector adds it up
//! and returns an empty one. Intervals are cut at the ends of phases, so the sum of a phase's
//! intervals is exactly that phase.

mod events;
mod totals;

use std::fmt::Display;
use std::ops::Range;

use uringbench_core::answer_code::{AnswerCode, CodeCounts};
use uringbench_core::cause::Causes;
use uringbench_core::chaos::DueRows;
use uringbench_core::edges::{EdgeShares, share_within};
use uringbench_core::flow::step::{Failed, Judgement};
use uringbench_core::flow::users::{Ended, FlowEnd};
use uringbench_core::histogram::LatencyCounts;
use uringbench_core::http::deviation::Deviations;
use uringbench_core::outcome::{Counts, Outcome};
use uringbench_core::pacer::Slot;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::window::Phase;

pub use self::totals::Totals;
use crate::wire::tls::Established;

/// The events of one interval on one worker.
#[derive(Debug)]
pub struct IntervalCounts {
    /// Index of the interval, from 0.
    pub index: u32,
    /// The same, or the index of the last one if it covers several.
    pub last: u32,
    /// Its phase.
    pub phase: Phase,
    /// Its start.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// Slots of the measured window.
    pub measured: Counts,
    /// Slots of the warm-up.
    pub warmup: Counts,
    /// Why slots of the measured window ended without a passing answer.
    pub causes: Causes,
    /// Deviations from the protocol that were accepted.
    pub tolerated: Deviations,
    /// Corrections of rates for exchanges across the edges of a closed loop's window.
    pub edges: EdgeShares,
    /// Complete answers by status code, of the measured window.
    pub codes: CodeCounts,
    /// Ages of unfinished slots (closed loop) or all response times (open loop).
    pub response: LatencyCounts,
    /// Service times of complete answers that arrived in one piece: also the times of their first
    /// byte.
    pub whole: LatencyCounts,
    /// Service times of the other complete answers.
    pub service: LatencyCounts,
    /// Lateness of sends (open loop).
    pub lateness: LatencyCounts,
    /// Connection establishment.
    pub connect: LatencyCounts,
    /// TLS handshakes.
    pub handshake: LatencyCounts,
    /// First event − sent of streams.
    pub first_event: LatencyCounts,
    /// From one event to the next.
    pub gap: LatencyCounts,
    /// First byte − sent, of the answers in `service`.
    pub first_byte: LatencyCounts,
    /// Values in `response` that are ages of unfinished slots.
    pub censored: u64,
    /// All other counters.
    pub totals: Totals,
    /// Exchanges in flight at its end.
    pub in_flight: u64,
    /// Connections established at its end.
    pub connected: u32,
    /// The measured requests of each step of a script, by number.
    pub steps: Vec<StepSums>,
    /// The measured flows of a script.
    pub flows: Vec<FlowSums>,
}

/// One step's requests. Their times use no memory before there are any.
#[derive(Debug, Default)]
pub struct StepSums {
    /// Their outcomes.
    pub counts: Counts,
    /// Correction of the count of those that passed, for exchanges across the window's edges.
    pub edge: f64,
    /// Their times.
    pub times: Option<Box<StepTimes>>,
    /// Why answers did not pass, with counts.
    pub failures: Vec<(Failed, u64)>,
    /// Why they ended without a passing answer.
    pub causes: Causes,
    /// Complete answers with a status of 300 and above, by status.
    pub codes: Vec<(AnswerCode, u64)>,
}

/// The times of a step's requests, or of a flow.
#[derive(Debug, Default)]
pub struct StepTimes {
    /// done - due, and the ages of those without an answer.
    pub response: LatencyCounts,
    /// done - sent.
    pub service: LatencyCounts,
    /// sent - due.
    pub lateness: LatencyCounts,
}

/// The ends of a flow.
#[derive(Debug, Default)]
pub struct FlowSums {
    /// Every step passed.
    pub passed: u64,
    /// A step did not.
    pub failed: u64,
    /// The run ended first.
    pub unfinished: u64,
    /// Correction of the count of those that passed, for flows across the window's edges.
    pub edge: f64,
    /// Their length without think times, of unfinished ones up to the end of the run, and the parts
    /// of it that were waiting to send and for answers.
    pub times: Option<Box<StepTimes>>,
}

impl StepTimes {
    /// Move response, service and lateness to these.
    pub(crate) fn drain_into(&mut self, sums: [&mut LatencyCounts; 3]) {
        let times = [&mut self.response, &mut self.service, &mut self.lateness];
        for (sum, times) in sums.into_iter().zip(times) {
            sum.merge(times);
            times.clear();
        }
    }
}

impl StepSums {
    fn times(&mut self) -> &mut StepTimes {
        self.times.get_or_insert_default()
    }
}

impl Default for IntervalCounts {
    fn default() -> Self {
        Self {
            index: 0,
            last: 0,
            phase: Phase::Warmup,
            start: Timestamp::default(),
            end: Timestamp::default(),
            measured: Counts::default(),
            warmup: Counts::default(),
            causes: Causes::default(),
            tolerated: Deviations::new(),
            edges: EdgeShares::default(),
            codes: CodeCounts::default(),
            response: LatencyCounts::default(),
            whole: LatencyCounts::default(),
            service: LatencyCounts::default(),
            lateness: LatencyCounts::default(),
            connect: LatencyCounts::default(),
            handshake: LatencyCounts::default(),
            first_event: LatencyCounts::default(),
            gap: LatencyCounts::default(),
            first_byte: LatencyCounts::default(),
            censored: 0,
            totals: Totals::default(),
            in_flight: 0,
            connected: 0,
            steps: Vec::new(),
            flows: Vec::new(),
        }
    }
}

impl IntervalCounts {
    /// Reset everything; histograms must have been drained. The numbers of steps and flows are
    /// those to record.
    pub(crate) fn reset(
        &mut self,
        (index, phase, start): (u32, Phase, Timestamp),
        (steps, flows): (usize, usize),
    ) {
        debug_assert_eq!(self.response.total() + self.whole.total() + self.service.total(), 0);
        (self.index, self.last) = (index, index);
        self.phase = phase;
        self.start = start;
        self.measured = Counts::default();
        self.warmup = Counts::default();
        self.causes.clear();
        self.tolerated = Deviations::new();
        self.edges = EdgeShares::default();
        self.codes.clear();
        self.censored = 0;
        self.totals = Totals::default();
        self.follow(steps, flows);
    }

    /// Record this many steps and flows.
    pub(crate) fn follow(&mut self, steps: usize, flows: usize) {
        self.steps.resize_with(steps, StepSums::default);
        self.flows.resize_with(flows, FlowSums::default);
    }
}

/// Add to the sum of this key.
pub(crate) fn add<K: PartialEq>(sums: &mut Vec<(K, u64)>, key: K, count: u64) {
    match sums.iter_mut().find(|(known, _)| *known == key) {
        Some((_, sum)) => *sum += count,
        None => sums.push((key, count)),
    }
}

/// Equal complete answers: to requests sent together, arrived together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answers {
    pub(crate) slot: Slot,
    pub(crate) sent: Timestamp,
    pub(crate) first_byte: Timestamp,
    pub(crate) code: AnswerCode,
    pub(crate) count: u16,
}

impl Answers {
    /// Whether another answer can be counted with these.
    #[inline]
    pub(crate) fn are_like(&self, other: &Self) -> bool {
        (self.slot, self.sent) == (other.slot, other.sent)
            && (self.first_byte, self.code) == (other.first_byte, other.code)
    }
}

/// The recording half of a worker.
pub struct Recorder {
    /// The interval being filled.
    current: Box<IntervalCounts>,
    /// Whether slots have due times: in a closed loop response time is service time.
    is_open: bool,
    /// Requests by their due times, if they are wanted.
    due_rows: Option<Box<DueRows>>,
    /// The measured window of a closed loop.
    window: Option<Range<Timestamp>>,
}

impl Recorder {
    /// In an open loop every slot has a due time; in a closed loop response time is service time,
    /// and the collector derives it.
    pub fn new(is_open: bool) -> Self {
        Self { current: Box::default(), is_open, due_rows: None, window: None }
    }

    /// From now on count requests by the time at which they were due, too.
    pub(crate) fn count_by_due(&mut self, rows: DueRows) {
        self.due_rows = Some(Box::new(rows));
    }

    /// The requests by due time, if they were counted; later ones are not.
    pub(crate) fn take_due_rows(&mut self) -> Option<Box<DueRows>> {
        self.due_rows.take()
    }

    /// The counters of the current interval besides its slots.
    #[inline]
    pub(crate) fn totals(&mut self) -> &mut Totals {
        &mut self.current.totals
    }

    /// The phase of the current interval.
    pub(crate) fn phase(&self) -> Phase {
        self.current.phase
    }

    /// Record this many steps and flows from now on.
    pub(crate) fn follow(&mut self, (steps, flows): (usize, usize)) {
        self.current.follow(steps, flows);
    }

    /// The current interval has this index, and begins at this time.
    pub(crate) fn open_interval(&mut self, (index, phase): (u32, Phase), start: Timestamp) {
        (self.current.index, self.current.phase, self.current.start) = (index, phase, start);
    }

    /// Continue with an empty interval. Returns the last one.
    pub(crate) fn close_interval(&mut self, fresh: Box<IntervalCounts>) -> Box<IntervalCounts> {
        std::mem::replace(&mut self.current, fresh)
    }

    /// Count exchanges across the edges of this window of a closed loop by their share.
    pub(crate) fn cut_at(&mut self, window: Range<Timestamp>) {
        self.window = Some(window);
    }

    /// `count` requests of a step were released.
    #[inline]
    pub(crate) fn released(&mut self, step: usize, slot: Slot, count: u16) {
        self.counts(slot).released += u64::from(count);
        if let Some(sums) = self.step(step, slot) {
            sums.counts.released += u64::from(count);
        }
    }

    /// A request of a step, whose slot has a due time, was sent.
    #[inline]
    pub(crate) fn sent(&mut self, step: usize, slot: Slot, sent: Timestamp) {
        let lateness = sent.since(slot.due).0;
        if self.is_timed(slot) {
            self.current.lateness.record(lateness);
        }
        if self.step(step, slot).is_some()
            && let Some(times) = self.step_times(step)
        {
            times.lateness.record(lateness);
        }
    }

    /// Complete answers to requests of a step arrived, and were checked.
    #[inline]
    pub(crate) fn ended(
        &mut self,
        step: usize,
        answers: &Answers,
        judgement: Judgement,
        done: Timestamp,
    ) {
        let outcome = match judgement {
            Ok(()) => Outcome::Ok,
            Err(Failed::Status) if answers.code.is_error() => Outcome::Status,
            Err(_) => Outcome::CheckFailed,
        };
        self.ended_as(answers, outcome, done);
        // A URL's requests have no separate step.
        if !self.current.steps.is_empty() {
            self.ended_step(step, answers, (judgement, outcome), done);
        }
    }

    fn ended_step(
        &mut self,
        step: usize,
        answers: &Answers,
        (judgement, outcome): (Judgement, Outcome),
        done: Timestamp,
    ) {
        if outcome == Outcome::Ok
            && self.is_across(answers.slot)
            && let Some(window) = &self.window
            && let Some(sums) = self.current.steps.get_mut(step)
        {
            sums.edge += added(window, answers.slot, (answers.sent, done));
        }
        let Some(sums) = self.step(step, answers.slot) else { return };
        sums.counts.end(outcome, 1);
        if let Err(failed) = judgement {
            add(&mut sums.failures, failed, 1);
        }
        if answers.code.is_unusual() {
            add(&mut sums.codes, answers.code, 1);
        }
        if let Some(times) = self.step_times(step) {
            times.service.record(done.since(answers.sent).0);
            times.response.record(done.since(answers.slot.due).0);
        }
    }

    /// The same without steps, and with an outcome that is decided already.
    #[inline]
    pub(crate) fn ended_as(&mut self, answers: &Answers, outcome: Outcome, done: Timestamp) {
        let Answers { slot, sent, first_byte, code, count } = *answers;
        self.counts(slot).end(outcome, u64::from(count));
        if self.is_across(slot) {
            self.note_across(slot, (sent, done), (outcome, count));
        }
        if slot.measured {
            self.current.codes.add(code, u64::from(count));
        }
        if let Some(rows) = &mut self.due_rows {
            rows.ended(slot.due, done, outcome, count);
        }
        if self.is_timed(slot) {
            let count = u32::from(count);
            if first_byte == done {
                self.current.whole.record_many(done.since(sent).0, count);
            } else {
                self.current.service.record_many(done.since(sent).0, count);
                self.current.first_byte.record_many(first_byte.since(sent).0, count);
            }
            if self.is_open {
                self.current.response.record_many(done.since(slot.due).0, count);
            }
        }
    }

    /// `count` released requests of a step ended without a complete answer: their age enters the
    /// response times.
    pub(crate) fn failed(
        &mut self,
        step: usize,
        slot: Slot,
        (outcome, count): (Outcome, u16),
        now: Timestamp,
    ) {
        self.counts(slot).end(outcome, u64::from(count));
        if let Some(rows) = &mut self.due_rows {
            rows.ended(slot.due, now, outcome, count);
        }
        if self.is_across(slot) {
            // In a closed loop a request is due when it is sent, and a step's hardly before.
            self.note_across(slot, (slot.due, now), (outcome, count));
        }
        let age = now.since(slot.due).0;
        if self.is_timed(slot) {
            self.current.response.record_many(age, u32::from(count));
            self.current.censored += u64::from(count);
        }
        if let Some(sums) = self.step(step, slot) {
            sums.counts.end(outcome, u64::from(count));
            if let Some(times) = self.step_times(step) {
                times.response.record(age);
            }
        }
    }

    /// `count` released requests of a step end as `outcome` for the reason `cause`: one line, for
    /// users.
    #[cold]
    #[inline(never)]
    pub(crate) fn caused(
        &mut self,
        step: usize,
        slot: Slot,
        (outcome, count): (Outcome, u16),
        cause: &dyn Display,
    ) {
        self.caused_with(step, slot, (outcome, count), (cause, &""));
    }

    /// The same, with an example.
    #[cold]
    #[inline(never)]
    pub(crate) fn caused_with(
        &mut self,
        step: usize,
        slot: Slot,
        (outcome, count): (Outcome, u16),
        (cause, example): (&dyn Display, &dyn Display),
    ) {
        let count = u64::from(count);
        if slot.measured {
            self.current.causes.add_with_example(outcome, cause, example, count);
        }
        if let Some(sums) = self.step(step, slot) {
            sums.causes.add_with_example(outcome, cause, example, count);
        }
    }

    /// A flow has ended.
    pub(crate) fn ended_flow(&mut self, ended: &Ended) {
        let is_across = self.is_across(ended.slot);
        let Some(sums) = self.current.flows.get_mut(ended.flow as usize) else { return };
        if is_across && let (FlowEnd::Passed, Some(window)) = (ended.end, &self.window) {
            sums.edge += added(window, ended.slot, (ended.slot.due, ended.done));
        }
        if ended.slot.measured {
            *match ended.end {
                FlowEnd::Passed => &mut sums.passed,
                FlowEnd::Failed => &mut sums.failed,
                FlowEnd::Unfinished => &mut sums.unfinished,
            } += 1;
            let times = sums.times.get_or_insert_default();
            times.response.record(ended.response.0);
            times.lateness.record(ended.lateness.0);
            times.service.record(ended.response.0.saturating_sub(ended.lateness.0));
        }
    }

    #[inline]
    fn step(&mut self, step: usize, slot: Slot) -> Option<&mut StepSums> {
        self.current.steps.get_mut(step).filter(|_| slot.measured)
    }

    /// Where the times of a step's measured requests are recorded. The times of a single step are
    /// those of the whole, which are recorded already.
    #[inline]
    fn step_times(&mut self, step: usize) -> Option<&mut StepTimes> {
        let steps = &mut self.current.steps;
        let is_only = steps.len() == 1;
        steps.get_mut(step).filter(|_| !is_only).map(StepSums::times)
    }

    /// More answers: they join equal ones before them, which are recorded together.
    #[inline]
    pub(crate) fn gather(&mut self, alike: &mut Option<Answers>, answer: Answers, now: Timestamp) {
        match alike {
            Some(answers) if answers.are_like(&answer) => answers.count += answer.count,
            _ => {
                if let Some(answers) = alike.replace(answer) {
                    self.ended_alike(&answers, now);
                }
            }
        }
    }

    /// Equal answers are evaluated by their status alone.
    #[inline]
    pub(crate) fn ended_alike(&mut self, answers: &Answers, now: Timestamp) {
        let has_passed = !answers.code.is_error();
        self.ended(0, answers, if has_passed { Ok(()) } else { Err(Failed::Status) }, now);
    }

    /// `count` requests of a step were sent again.
    pub(crate) fn sent_again(&mut self, step: usize, slot: Slot, count: u16) {
        self.counts(slot).retried += u64::from(count);
        if let Some(sums) = self.step(step, slot) {
            sums.counts.retried += u64::from(count);
        }
    }

    /// A connection was established.
    pub(crate) fn connected(&mut self, span: Nanos) {
        self.current.connect.record(span.0);
    }

    /// A TLS handshake has ended.
    pub(crate) fn shook_hands(&mut self, span: Nanos, established: Established) {
        self.current.handshake.record(span.0);
        let totals = &mut self.current.totals;
        totals.handshakes_full += u64::from(!established.is_resumed);
        totals.handshakes_resumed += u64::from(established.is_resumed);
    }

    /// Where the times of a slot are recorded, if they are.
    pub(crate) fn timed(&mut self, slot: Slot) -> Option<&mut IntervalCounts> {
        self.is_timed(slot).then_some(&mut *self.current)
    }

    /// Whether an exchange that ends now crosses an edge of the measured window.
    #[inline]
    fn is_across(&self, slot: Slot) -> bool {
        match self.current.phase {
            Phase::Warmup => false,
            Phase::Measure => !slot.measured,
            Phase::Drain => true,
        }
    }

    #[cold]
    #[inline(never)]
    fn note_across(
        &mut self,
        slot: Slot,
        (sent, done): (Timestamp, Timestamp),
        (outcome, count): (Outcome, u16),
    ) {
        let Some(window) = &self.window else { return };
        if matches!(outcome, Outcome::NotSent | Outcome::ConnectFailed) {
            return;
        }
        let more = added(window, slot, (sent, done)) * f64::from(count);
        let edges = &mut self.current.edges;
        edges.sent += more;
        edges.completed += if outcome.is_completed() { more } else { 0.0 };
        edges.ok += if outcome == Outcome::Ok { more } else { 0.0 };
        edges.busy += more * done.since(sent).0 as f64;
    }

    /// A warm-up request that completes inside the measured window is not recorded in either
    /// histogram.
    #[inline]
    fn is_timed(&self, slot: Slot) -> bool {
        slot.measured || self.current.phase == Phase::Warmup
    }

    #[inline]
    fn counts(&mut self, slot: Slot) -> &mut Counts {
        if slot.measured { &mut self.current.measured } else { &mut self.current.warmup }
    }
}

/// The correction of an exchange that began and ended at these times, for the count of those begun
/// in the window.
fn added(window: &Range<Timestamp>, slot: Slot, (began, ended): (Timestamp, Timestamp)) -> f64 {
    share_within(window, began, ended) - f64::from(u8::from(slot.measured))
}
