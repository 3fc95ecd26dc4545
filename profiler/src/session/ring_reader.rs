//! The thread that reads the rings while the target runs: it wakes when there is something to read.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use rustix::process::setpriority_process;
use rustix::time::{ClockId, clock_gettime};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_machine::processes;
use uringbench_perf::{PerfEventKind, Session};

use super::poll_interval::{Advice, PollInterval, SwitchSampling};
use super::sample_builder::{SampleBuilder, Toggled};
use super::stack_size::{RaisedStack, StackSize};
use crate::record::{RecordOrder, peek_time};

/// The highest priority below real time.
const NICE: i32 = -20;

/// The longest pause while names are read of objects that move: they rarely do within this time.
const NAMES_STAY: Nanos = Nanos::from_millis(5);

/// Rings of the second session are numbered from this number on.
const MEMORY_RINGS: u32 = 1 << 16;

/// A command to the thread.
#[derive(Debug)]
pub(super) enum ReaderCommand {
    /// Switch sampling on and off at these times.
    Toggle(Vec<Switch>),
    /// End.
    Stop,
}

/// A planned switch of sampling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The time.
    pub at: Timestamp,
    /// The state from then on.
    pub on: bool,
}

/// The results of the thread.
pub(super) struct ReaderResult {
    pub(super) builder: SampleBuilder,
    pub(super) toggled: Vec<Toggled>,
    /// The time for which waits were timed.
    pub(super) waits_timed: Nanos,
    /// Samples and records that the kernel counted as lost but did not report in the rings.
    pub(super) lost: u64,
    /// The last size of copied stacks, if it was raised.
    pub(super) raised: Option<RaisedStack>,
    /// Failures during the recording.
    pub(super) failures: Vec<String>,
}

/// Reads rings until it is stopped.
pub(super) struct RingReader {
    pub(super) session: Session,
    /// The session for first touches, if memory is followed.
    pub(super) memory: Option<Session>,
    pub(super) builder: SampleBuilder,
    pub(super) order: RecordOrder,
    pub(super) roots: Vec<u32>,
    pub(super) switches: Vec<Switch>,
    pub(super) poll_interval: SwitchSampling,
    pub(super) rounds: PollInterval,
    pub(super) stack_size: StackSize,
}

impl RingReader {
    pub(super) fn run(mut self, commands: &Receiver<ReaderCommand>) -> ReaderResult {
        put_first();
        let mut toggled = Vec::new();
        let mut failures = Vec::new();
        let mut raised = None;
        loop {
            match commands.try_recv() {
                Ok(ReaderCommand::Toggle(switches)) => {
                    self.switches = switches;
                    self.switches.reverse();
                }
                Ok(ReaderCommand::Stop) | Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {}
            }
            let now = now();
            if let Some(switch) = self.switches.pop_if(|switch| switch.at <= now) {
                let memory = self.memory.as_mut();
                let of_memory = memory.map_or(Ok(()), |memory| memory.set_sampling(switch.on));
                if let Err(why) = self.session.set_sampling(switch.on).and(of_memory) {
                    failures.push(format!("sampling could not be switched: {why}"));
                }
                if !switch.on {
                    self.interrupt_waits(now);
                }
                let target_cpu_ns = cpu_used(&self.roots);
                toggled.push(Toggled { time: now, on: switch.on, target_cpu_ns });
            }
            let pause = self.rounds.pause();
            let pause = if self.builder.code.names_move() { pause.min(NAMES_STAY) } else { pause };
            let next = self.switches.last().map_or(pause, |switch| switch.at.since(now));
            if let Err(why) = self.session.wait(Duration::from_nanos(next.min(pause).0)) {
                failures.push(format!("the rings can no longer be waited for: {why}"));
                break;
            }
            let begun = cpu_time();
            self.round();
            self.rounds.took(Nanos(cpu_time() - begun));
            if let Some(larger) = self.stack_size.advise(now, self.builder.copies) {
                match self.session.set_stack_bytes(larger.bytes) {
                    Ok(true) => raised = Some(larger),
                    // Each thread has its own events: the size stays.
                    Ok(false) => {}
                    Err(why) => failures.push(format!("stacks are not copied further: {why}")),
                }
            }
            let tally = &self.builder.tally;
            let changed = match self.poll_interval.advise(now, tally.switches, tally.wait_stacks) {
                Advice::GoOn => Ok(()),
                Advice::TakeOneOf(period) => self.session.set_off_cpu_period(period),
                Advice::Rest => {
                    let changed = self.session.set_switches(false);
                    self.interrupt_waits(now);
                    changed
                }
                Advice::Resume => self.session.set_switches(true),
            };
            if let Err(why) = changed {
                failures.push(format!("the timing of waits could not be changed: {why}"));
            }
        }
        let waits_timed = self.poll_interval.timed(now());
        // Fails only for events that no longer exist, which record nothing either.
        let _gone = self.session.disable();
        let _gone = self.memory.as_mut().map(Session::disable);
        self.round();
        self.take_all();
        let lost = self.session.lost() + self.memory.as_ref().map_or(0, Session::lost);
        ReaderResult { builder: self.builder, toggled, waits_timed, lost, raised, failures }
    }

    /// Switches are not recorded from now on: processes the recorded ones before waits are dropped.
    fn interrupt_waits(&mut self, time: Timestamp) {
        self.round();
        self.take_all();
        self.builder.interrupt_waits(time);
    }

    /// Processes all records that were read, without waiting for earlier ones.
    fn take_all(&mut self) {
        let Self { session, memory, order, builder, .. } = self;
        order.finish(|bytes| builder.take(bytes, |event| kind_of(session, memory, event)));
    }

    /// Reads the rings, and processes the records that are older than all that can still arrive.
    fn round(&mut self) {
        let order = &mut self.order;
        let malformed = &mut self.builder.tally.malformed;
        let mut take = |ring, bytes: &[u8]| match peek_time(bytes) {
            Some(time) => order.push(ring, time, bytes),
            None => *malformed += 1,
        };
        self.session.drain(&mut take);
        if let Some(memory) = &mut self.memory {
            memory.drain(&mut |cpu, bytes| take(MEMORY_RINGS + cpu, bytes));
        }
        self.order.end_round();
        let Self { session, memory, order, builder, .. } = self;
        order.for_each_ready(|bytes| builder.take(bytes, |event| kind_of(session, memory, event)));
    }
}

fn kind_of(session: &Session, memory: &Option<Session>, event: u64) -> Option<PerfEventKind> {
    session.kind_of(event).or_else(|| memory.as_ref()?.kind_of(event))
}

/// Gives this thread the highest priority: it needs little time, but a target with a hundred busy
/// threads would leave it a hundredth of a CPU, and the rings would overflow. Without the
/// permission it keeps the normal priority; lost records are reported.
fn put_first() {
    let _refused = setpriority_process(None, NICE);
}

/// CPU time that the living threads of these processes and their descendants have used, in
/// nanoseconds.
fn cpu_used(roots: &[u32]) -> u64 {
    let members = processes::descendants(roots);
    let threads = members.iter().flat_map(|&pid| {
        processes::threads(pid)
            .into_iter()
            .map(move |tid| format!("/proc/{pid}/task/{tid}/schedstat"))
    });
    let used = threads.filter_map(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        text.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    used.sum()
}

/// CPU time that this thread has used, in nanoseconds.
fn cpu_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The current time, on the clock of all records.
pub fn now() -> Timestamp {
    let time = clock_gettime(ClockId::Monotonic);
    // Monotonic time is never negative and 64 bits of nanoseconds last 584 years.
    Timestamp(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
