//! The thread that reads the rings while the target runs: it wakes when there is something to
//! read, and otherwise does nothing.

use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use rustix::process::setpriority_process;
use rustix::time::{ClockId, clock_gettime};
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_perf::{EventKind, Session};

use super::gather::{Gatherer, Toggled};
use crate::record::{Order, peek_time};
use crate::selector;

/// The longest sleep: an order waits no longer than this to be heard.
const SLEEP_MAX: Nanos = Nanos::from_millis(100);
/// Waits are timed by two records for every switch between threads. Past this many switches in a
/// second, all the time would cost over 1 % of a CPU: then they are timed now and then.
pub(super) const SWITCHES_MAX: u64 = 8_000;
/// Stacks of waits taken per second at most; past it one of more switches is taken.
const WAIT_STACKS_MAX: u64 = 500;
/// Of how many switches one stack is taken at first: the most stacks that many switches can make
/// before the first look at them.
pub(super) const WAIT_PERIOD_FIRST: u64 = 64;
/// How long switches are counted before they are judged.
const LOOK: Nanos = Nanos::from_millis(100);
/// How many times as long as it was looked it is rested when there were too many.
const REST_FACTOR: u64 = 9;
/// The most urgent there is, short of real time.
const NICE: i32 = -20;

/// Rings of the second session are numbered from here on.
const MEMORY_RINGS: u32 = 1 << 16;

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Told {
    /// Switch sampling on and off at these moments.
    Toggle(Vec<Switch>),
    /// End.
    Stop,
}

/// A change to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// When.
    pub at: Timestamp,
    /// What holds from then on.
    pub on: bool,
}

/// What the thread hands over when it ends.
pub(super) struct Followed {
    pub(super) gatherer: Gatherer,
    pub(super) toggled: Vec<Toggled>,
    /// For how long waits were timed.
    pub(super) waits_timed: Nanos,
    /// Samples and records the kernel counted as lost, where the rings could not say so.
    pub(super) lost: u64,
    /// What went wrong meanwhile.
    pub(super) failures: Vec<String>,
}

/// Reads rings until it is told to stop.
pub(super) struct Follower {
    pub(super) session: Session,
    /// First touches alone, where memory is followed.
    pub(super) memory: Option<Session>,
    pub(super) gatherer: Gatherer,
    pub(super) order: Order,
    pub(super) roots: Vec<u32>,
    pub(super) switches: Vec<Switch>,
    pub(super) pace: SwitchPace,
}

impl Follower {
    pub(super) fn run(mut self, told: &Receiver<Told>) -> Followed {
        put_first();
        let mut toggled = Vec::new();
        let mut failures = Vec::new();
        loop {
            match told.try_recv() {
                Ok(Told::Toggle(switches)) => {
                    self.switches = switches;
                    self.switches.reverse();
                }
                Ok(Told::Stop) | Err(TryRecvError::Disconnected) => break,
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
            let next = self.switches.last().map_or(SLEEP_MAX, |switch| switch.at.since(now));
            if let Err(why) = self.session.wait(Duration::from_nanos(next.min(SLEEP_MAX).0)) {
                failures.push(format!("the rings can no longer be waited for: {why}"));
                break;
            }
            self.round();
            let tally = &self.gatherer.tally;
            let changed = match self.pace.advise(now, tally.switches, tally.wait_stacks) {
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
        let waits_timed = self.pace.timed(now());
        // Fails only for events that are gone, which record nothing either.
        let _gone = self.session.disable();
        let _gone = self.memory.as_mut().map(Session::disable);
        self.round();
        self.take_all();
        let lost = self.session.lost() + self.memory.as_ref().map_or(0, Session::lost);
        Followed { gatherer: self.gatherer, toggled, waits_timed, lost, failures }
    }

    /// Switches are not recorded from here on: what was, is taken in before waits are dropped.
    fn interrupt_waits(&mut self, time: Timestamp) {
        self.round();
        self.take_all();
        self.gatherer.interrupt_waits(time);
    }

    /// Take in all that was read, whatever may still come.
    fn take_all(&mut self) {
        let Self { session, memory, order, gatherer, .. } = self;
        order.finish(|bytes| gatherer.take(bytes, |event| kind_of(session, memory, event)));
    }

    /// Read what the rings hold, and take in what is older than all that can still come.
    fn round(&mut self) {
        let order = &mut self.order;
        let malformed = &mut self.gatherer.tally.malformed;
        let mut take = |ring, bytes: &[u8]| match peek_time(bytes) {
            Some(time) => order.push(ring, time, bytes),
            None => *malformed += 1,
        };
        self.session.drain(&mut take);
        if let Some(memory) = &mut self.memory {
            memory.drain(&mut |cpu, bytes| take(MEMORY_RINGS + cpu, bytes));
        }
        self.order.end_round();
        let Self { session, memory, order, gatherer, .. } = self;
        order.for_each_ready(|bytes| gatherer.take(bytes, |event| kind_of(session, memory, event)));
    }
}

fn kind_of(session: &Session, memory: &Option<Session>, event: u64) -> Option<EventKind> {
    session.kind_of(event).or_else(|| memory.as_ref()?.kind_of(event))
}

/// Keeps what the timing of waits costs within bounds. Pure.
#[derive(Clone, Copy, Debug)]
pub(super) struct SwitchPace {
    state: PaceState,
    /// Of so many switches the stack of one is taken.
    period: u64,
    timed: Nanos,
}

#[derive(Clone, Copy, Debug)]
enum PaceState {
    /// Switches are recorded, and were counted at `since`.
    Timing {
        since: Timestamp,
        switches: u64,
        stacks: u64,
    },
    Resting {
        until: Timestamp,
    },
}

/// What is to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    GoOn,
    /// Take the stack of one of so many switches.
    TakeOneOf(u64),
    /// Time no waits for a while.
    Rest,
    /// Time them again.
    Resume,
}

impl SwitchPace {
    pub(super) const fn new(start: Timestamp) -> Self {
        let state = PaceState::Timing { since: start, switches: 0, stacks: 0 };
        Self { state, period: WAIT_PERIOD_FIRST, timed: Nanos::ZERO }
    }

    /// So many switches and so many stacks of them have been seen by `now`.
    pub(super) fn advise(&mut self, now: Timestamp, switches: u64, stacks: u64) -> Advice {
        let begun = PaceState::Timing { since: now, switches, stacks };
        match self.state {
            PaceState::Resting { until } if now < until => Advice::GoOn,
            PaceState::Resting { .. } => {
                self.state = begun;
                Advice::Resume
            }
            PaceState::Timing { since, .. } if now.since(since) < LOOK => Advice::GoOn,
            PaceState::Timing { since, switches: switches_then, stacks: stacks_then } => {
                let looked = now.since(since);
                self.timed += looked;
                self.state = begun;
                let per_second = |count: u64| (count as f64 / looked.as_secs_f64()) as u64;
                if per_second(switches - switches_then) > SWITCHES_MAX {
                    self.state = PaceState::Resting { until: now + Nanos(looked.0 * REST_FACTOR) };
                    return Advice::Rest;
                }
                self.steer(per_second(stacks - stacks_then))
            }
        }
    }

    /// Up at once, down step by step.
    fn steer(&mut self, stacks_rate: u64) -> Advice {
        let before = self.period;
        if stacks_rate > WAIT_STACKS_MAX {
            self.period *= stacks_rate.div_ceil(WAIT_STACKS_MAX).next_power_of_two();
        } else if stacks_rate * 4 < WAIT_STACKS_MAX {
            self.period = (self.period / 2).max(1);
        }
        if self.period == before { Advice::GoOn } else { Advice::TakeOneOf(self.period) }
    }

    /// For how long waits were timed by `now`.
    pub(super) fn timed(&self, now: Timestamp) -> Nanos {
        match self.state {
            PaceState::Timing { since, .. } => self.timed + now.since(since),
            PaceState::Resting { .. } => self.timed,
        }
    }
}

/// Go before all others: this thread needs little, but a target with a hundred busy threads would
/// leave it a hundredth of a CPU, and the rings would overflow. Without the right to it, it takes
/// its turn like everyone; what is lost then is told.
fn put_first() {
    let _refused = setpriority_process(None, NICE);
}

/// CPU time that the living threads of these processes and their descendants have used, in
/// nanoseconds.
fn cpu_used(roots: &[u32]) -> u64 {
    let members = selector::descendants(roots);
    let threads = members.iter().flat_map(|&pid| {
        selector::threads(pid)
            .into_iter()
            .map(move |tid| format!("/proc/{pid}/task/{tid}/schedstat"))
    });
    let used = threads.filter_map(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        text.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    used.sum()
}

/// Now, on the clock of all records.
pub fn now() -> Timestamp {
    let time = clock_gettime(ClockId::Monotonic);
    // Monotonic time is never negative and 64 bits of nanoseconds last 584 years.
    Timestamp(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_switches_are_thinned_and_too_many_are_timed_now_and_then() {
        let at = |millis: u64| Timestamp(millis * 1_000_000);
        let mut pace = SwitchPace::new(at(0));
        assert_eq!(pace.advise(at(50), 90_000, 9_000), Advice::GoOn, "too early to tell");
        // 100 ms with 800 switches are as many as are allowed; 10 stacks are few.
        assert_eq!(pace.advise(at(100), 800, 10), Advice::TakeOneOf(WAIT_PERIOD_FIRST / 2));
        assert_eq!(pace.advise(at(200), 1_600, 50), Advice::GoOn);
        assert_eq!(pace.advise(at(300), 2_400, 50 + 151), Advice::TakeOneOf(128));
        assert_eq!(pace.advise(at(400), 3_201 + 10, 220), Advice::Rest);
        assert_eq!(pace.timed(at(900)), Nanos::from_millis(400));
        assert_eq!(pace.advise(at(1_299), 3_211, 220), Advice::GoOn);
        assert_eq!(pace.advise(at(1_300), 3_211, 220), Advice::Resume);
        assert_eq!(pace.timed(at(1_350)), Nanos::from_millis(450));
        for step in 0..12 {
            let _halved = pace.advise(at(1_400 + step * 100), 3_211, 220);
        }
        assert_eq!(pace.period, 1, "rare waits are all taken");
    }
}
