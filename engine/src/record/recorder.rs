//! What one worker counts and times, interval by interval.
//!
//! A worker fills one [`IntervalCounts`] per interval and gives it away; the collector adds it up
//! and gives an empty one back. Intervals are cut at the ends of phases, so that adding up those of
//! a phase gives exactly that phase.

mod totals;

use std::fmt::Display;
use std::ops::Range;

use uringbench_core::answer_code::{AnswerCode, CodeCounts};
use uringbench_core::cause::Causes;
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

/// From here on a status says that the request failed (RFC 9110 section 15).

/// What happened in one interval on one worker.
#[derive(Debug)]
pub struct IntervalCounts {
    /// Number of the interval, from 0.
    pub index: u32,
    /// The same, or that of the last of those that it took the place of.
    pub last: u32,
    /// The phase it lies in.
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
    /// How answers deviated from the protocol and were read all the same.
    pub tolerated: Deviations,
    /// What exchanges across the edges of a closed loop's window add to rates.
    pub edges: EdgeShares,
    /// Complete answers by status code, of the measured window.
    pub codes: CodeCounts,
    /// Ages of unfinished slots (closed loop) or all response times (open loop).
    pub response: LatencyCounts,
    /// Service times of complete answers that came in one piece: also their first byte's.
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
    /// First byte − sent of those.
    pub first_byte: LatencyCounts,
    /// Values in `response` that are ages of unfinished slots.
    pub censored: u64,
    /// Everything else that is counted.
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

/// One step's requests. Its times take no room before there are any.
#[derive(Debug, Default)]
pub struct StepSums {
    /// What became of them.
    pub counts: Counts,
    /// What those across the window's edges add to those that passed.
    pub edge: f64,
    /// What was timed.
    pub times: Option<Box<StepTimes>>,
    /// Why answers did not pass, and how many.
    pub failures: Vec<(Failed, u64)>,
    /// Complete answers with a status of 300 and above, by status.
    pub codes: Vec<(AnswerCode, u64)>,
}

/// What is timed of a step's requests, and of all those of a flow together.
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
    /// The run was over before they were.
    pub unfinished: u64,
    /// What those across the window's edges add to those that passed.
    pub edge: f64,
    /// How long they took without their pauses, those unfinished until then, and how much of that
    /// was waiting to send and how much for answers.
    pub times: Option<Box<StepTimes>>,
}

impl StepTimes {
    /// Add response, service and lateness to these, and become empty.
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
    /// Forget everything; histograms must have been drained. So many steps and flows are followed.
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

    /// Follow so many steps and flows.
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

/// Complete answers that are alike: to requests sent together, arrived together.
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

/// The counting half of a worker.
pub struct Recorder {
    /// The interval being filled.
    current: Box<IntervalCounts>,
    is_open: bool,
    /// The measured window of a closed loop.
    window: Option<Range<Timestamp>>,
}

impl Recorder {
    /// For an open loop every slot has a due time of its own; in a closed loop response time is
    /// service time and is derived by the collector.
    pub fn new(is_open: bool) -> Self {
        Self { current: Box::default(), is_open, window: None }
    }

    /// What the current interval counts beside its slots.
    #[inline]
    pub(crate) fn totals(&mut self) -> &mut Totals {
        &mut self.current.totals
    }

    /// The phase of the current interval.
    pub(crate) fn phase(&self) -> Phase {
        self.current.phase
    }

    /// Follow so many steps and flows from now on.
    pub(crate) fn follow(&mut self, (steps, flows): (usize, usize)) {
        self.current.follow(steps, flows);
    }

    /// The current interval is the one of this number, and begins then.
    pub(crate) fn open_interval(&mut self, (index, phase): (u32, Phase), start: Timestamp) {
        (self.current.index, self.current.phase, self.current.start) = (index, phase, start);
    }

    /// Go on with an empty interval. The one until now.
    pub(crate) fn close_interval(&mut self, fresh: Box<IntervalCounts>) -> Box<IntervalCounts> {
        std::mem::replace(&mut self.current, fresh)
    }

    /// Count what lies across the edges of this window of a closed loop by its share.
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

    /// A request of a step, whose slot has a due time of its own, was sent.
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

    /// Complete answers to requests of a step arrived, and were judged.
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
        // A URL's requests are of no step that is counted apart.
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

    #[inline]
    fn ended_as(&mut self, answers: &Answers, outcome: Outcome, done: Timestamp) {
        let Answers { slot, sent, first_byte, code, count } = *answers;
        self.counts(slot).end(outcome, u64::from(count));
        if self.is_across(slot) {
            self.note_across(slot, (sent, done), (outcome, count));
        }
        if slot.measured {
            self.current.codes.add(code, u64::from(count));
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
        if self.is_across(slot) {
            // A closed loop's request is due when it is sent, a step's hardly before.
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

    /// `count` released slots end as `outcome` for the reason `cause`: one line, for people.
    #[cold]
    #[inline(never)]
    pub(crate) fn caused(&mut self, slot: Slot, outcome: Outcome, cause: &dyn Display, count: u16) {
        if slot.measured {
            self.current.causes.add(outcome, cause, u64::from(count));
        }
    }

    /// The same of one slot, with an example of what was seen.
    #[cold]
    #[inline(never)]
    pub(crate) fn caused_with(
        &mut self,
        slot: Slot,
        outcome: Outcome,
        cause: &dyn Display,
        example: &dyn Display,
    ) {
        if slot.measured {
            self.current.causes.add_with_example(outcome, cause, example, 1);
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

    /// Where to record what a measured request of a step takes. A step that is the only one takes
    /// what the whole takes, which is recorded already.
    #[inline]
    fn step_times(&mut self, step: usize) -> Option<&mut StepTimes> {
        let steps = &mut self.current.steps;
        let is_only = steps.len() == 1;
        steps.get_mut(step).filter(|_| !is_only).map(StepSums::times)
    }

    /// One more answer: it joins those before it that are alike, which are recorded together.
    #[inline]
    pub(crate) fn gather(&mut self, alike: &mut Option<Answers>, answer: Answers, now: Timestamp) {
        match alike {
            Some(answers) if answers.are_like(&answer) => answers.count += 1,
            _ => {
                if let Some(answers) = alike.replace(answer) {
                    self.ended_alike(&answers, now);
                }
            }
        }
    }

    /// Answers that are alike are judged by their status alone.
    #[inline]
    pub(crate) fn ended_alike(&mut self, answers: &Answers, now: Timestamp) {
        let has_passed = !answers.code.is_error();
        self.ended(0, answers, if has_passed { Ok(()) } else { Err(Failed::Status) }, now);
    }

    /// `count` requests of a step were sent another time.
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

    /// Where to record what a slot takes, if it is timed.
    pub(crate) fn timed(&mut self, slot: Slot) -> Option<&mut IntervalCounts> {
        self.is_timed(slot).then_some(&mut *self.current)
    }

    /// Whether what ends now lies across an edge of the measured window.
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

    /// What warm-up slots take once the measured window has begun belongs to neither.
    #[inline]
    fn is_timed(&self, slot: Slot) -> bool {
        slot.measured || self.current.phase == Phase::Warmup
    }

    #[inline]
    fn counts(&mut self, slot: Slot) -> &mut Counts {
        if slot.measured { &mut self.current.measured } else { &mut self.current.warmup }
    }
}

/// What something that began and ended so adds to the count of those begun in the window.
fn added(window: &Range<Timestamp>, slot: Slot, (began, ended): (Timestamp, Timestamp)) -> f64 {
    share_within(window, began, ended) - f64::from(u8::from(slot.measured))
}
