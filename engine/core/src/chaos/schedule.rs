//! When each fault is injected: repeated, drawn by the seed, and checked against each other and the
//! length of the run.

use super::plan::{ChaosPlan, FaultKind};
use crate::statistics::random::Random;
use crate::time::Nanos;

/// The longest fault.
pub const LENGTH_MAX: Nanos = Nanos::from_secs(600);
/// The shortest part of the measured window before the first fault: the figures compare with it.
pub const BASELINE_MIN: Nanos = Nanos::from_secs(5);
/// Most injections of one run.
pub const INJECTIONS_MAX: usize = 1_000;
/// The longest run with faults: its rows are kept in memory.
pub const RUN_MAX: Nanos = Nanos::from_secs(4 * 3_600);
/// Between the end of a fault and the next one, if they may not overlap.
const GAP: Nanos = Nanos::SECOND;

/// One injection of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    /// The fault's number in the plan.
    pub fault: usize,
    /// From the start of the measured window.
    pub at: Nanos,
    /// How long it lasts.
    pub length: Nanos,
}

/// Why faults cannot be injected as planned, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChaosPlanError {
    /// There is no fault.
    #[error("there is no fault: add [[fault]] to the file, or --fault 'pause NAME at 20s for 5s'")]
    NoFault,
    /// Two faults of one name.
    #[error("two faults are called `{0}`: give each a `name` of its own")]
    SameName(String),
    /// A fault has no length.
    #[error("`{0}` has no length: say how long it lasts with `for`, such as \"5s\"")]
    NoLength(String),
    /// A fault has a length that it cannot have.
    #[error("`{0}` is over at once: leave out `for`")]
    Length(String),
    /// A fault is too long.
    #[error("`{0}` lasts for {1}: {LENGTH_MAX} at most")]
    TooLong(String, Nanos),
    /// There is too little before the first fault.
    #[error(
        "`{0}` begins {1} after the start: leave at least {BASELINE_MIN} before the first fault, \
         what it does is compared with that time"
    )]
    NoBaseline(String, Nanos),
    /// The run ends too early.
    #[error(
        "`{name}` ends at {end}, and the measured window {left} later: measure for {needed} at \
         least (the recovery after a fault takes `recovery`, {recovery})"
    )]
    RunEnds {
        /// The last fault.
        name: String,
        /// Its end.
        end: Nanos,
        /// From its end to the end of the window.
        left: Nanos,
        /// The window that is needed.
        needed: Nanos,
        /// The planned time of recovery.
        recovery: Nanos,
    },
    /// Two faults are there at once, or follow each other at once.
    #[error(
        "`{0}` and `{1}` may be there at the same time: move one of them, or write `overlap = true`"
    )]
    Overlap(String, String),
    /// Repetitions come faster than the fault ends.
    #[error("`{0}` is repeated every {1}, but lasts for {2}: choose a longer `every`")]
    Every(String, Nanos, Nanos),
    /// Too many injections, or a run too long.
    #[error("{0}: at most {INJECTIONS_MAX} injections and a run of {RUN_MAX}")]
    TooMuch(&'static str),
}

impl ChaosPlan {
    /// All injections in a measured window of this length, in order of time.
    ///
    /// # Errors
    /// Two contradict each other, or the window is too short for them.
    pub fn injections(&self, window: Nanos, seed: u64) -> Result<Vec<Injection>, ChaosPlanError> {
        self.check()?;
        if window > RUN_MAX {
            return Err(ChaosPlanError::TooMuch("the run is too long for faults"));
        }
        let mut random = Random::new(seed ^ 0x6368_616f_735f_6174);
        let mut injections = Vec::new();
        for (number, fault) in self.faults.iter().enumerate() {
            for turn in 0..fault.repeat.max(1) {
                let middle = fault.at.0.saturating_add(fault.every.0 * u64::from(turn));
                let offset = (2.0 * random.unit() - 1.0) * fault.jitter.0 as f64;
                let at = Nanos(middle.saturating_add_signed(offset as i64));
                injections.push(Injection { fault: number, at, length: fault.length });
            }
        }
        injections.sort_by_key(|injection| injection.at);
        self.check_times(&injections, window)?;
        Ok(injections)
    }

    fn name_of(&self, injection: &Injection) -> String {
        self.faults[injection.fault].name.clone()
    }

    fn check(&self) -> Result<(), ChaosPlanError> {
        if self.faults.is_empty() {
            return Err(ChaosPlanError::NoFault);
        }
        let injections: u64 = self.faults.iter().map(|fault| u64::from(fault.repeat)).sum();
        if injections > INJECTIONS_MAX as u64 {
            return Err(ChaosPlanError::TooMuch("too many repetitions"));
        }
        for (number, fault) in self.faults.iter().enumerate() {
            let name = || fault.name.clone();
            if self.faults[..number].iter().any(|other| other.name == fault.name) {
                return Err(ChaosPlanError::SameName(name()));
            }
            match (fault.kind.has_length(), fault.length) {
                (true, Nanos::ZERO) => return Err(ChaosPlanError::NoLength(name())),
                (false, length) if length > Nanos::ZERO => {
                    return Err(ChaosPlanError::Length(name()));
                }
                (_, length) if length > LENGTH_MAX => {
                    return Err(ChaosPlanError::TooLong(name(), length));
                }
                _ => {}
            }
            if fault.repeat > 1 && fault.every.0 < fault.length.0 + 2 * fault.jitter.0 + GAP.0 {
                return Err(ChaosPlanError::Every(name(), fault.every, fault.length));
            }
        }
        Ok(())
    }

    fn check_times(&self, injections: &[Injection], window: Nanos) -> Result<(), ChaosPlanError> {
        let Some(first) = injections.first() else { return Err(ChaosPlanError::NoFault) };
        let jitter = self.faults[first.fault].jitter;
        let earliest = Nanos(self.faults[first.fault].at.0.saturating_sub(jitter.0));
        if earliest < BASELINE_MIN {
            return Err(ChaosPlanError::NoBaseline(self.name_of(first), earliest));
        }
        let end = |injection: &Injection| Nanos(injection.at.0 + injection.length.0);
        if let Some(last) = injections.iter().max_by_key(|injection| end(injection)) {
            let end = end(last);
            let needed = end + self.recovery;
            if needed > window {
                return Err(ChaosPlanError::RunEnds {
                    name: self.name_of(last),
                    end,
                    left: Nanos(window.0.saturating_sub(end.0)),
                    needed,
                    recovery: self.recovery,
                });
            }
        }
        for (index, earlier) in injections.iter().enumerate() {
            for later in &injections[index + 1..] {
                let may = |one: &Injection| self.faults[one.fault].may_overlap;
                let is_free = later.at.0 >= end(earlier).0 + GAP.0;
                let same = |one: &FaultKind, other: &FaultKind| {
                    one.subject().is_some() && one.subject() == other.subject()
                };
                let (one, other) = (&self.faults[earlier.fault], &self.faults[later.fault]);
                let is_of_proxy = matches!(one.kind, FaultKind::Proxy { .. });
                let is_one_thing = same(&one.kind, &other.kind)
                    && (is_of_proxy || one.kind.key() == other.kind.key());
                if !is_free && (is_one_thing || !(may(earlier) && may(later))) {
                    return Err(ChaosPlanError::Overlap(one.name.clone(), other.name.clone()));
                }
            }
        }
        Ok(())
    }
}
