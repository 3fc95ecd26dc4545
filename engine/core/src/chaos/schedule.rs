//! When each fault is injected: repeated, drawn by the seed, and checked against each other and the
//! length of the run.

use super::due_rows::ROW;
use super::impact::ROWS_SEEN;
use super::plan::{ChaosPlan, FaultKind, PlannedFault};
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
/// The shortest planned time of recovery: that many rows are needed to see one.
pub const RECOVERY_MIN: Nanos = Nanos(ROW.0 * ROWS_SEEN as u64);
/// Between the end of a fault and the next one of the same thing.
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

/// One injection, as early and as late as it may be.
struct Turn<'a> {
    fault: &'a PlannedFault,
    /// Its earliest begin.
    from: Nanos,
    /// Its latest end.
    to: Nanos,
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
    /// Two faults follow each other before a recovery can be seen.
    #[error(
        "`{0}` and `{1}` may be closer than `recovery`, {2}: move one of them, choose a longer \
         `every` or a shorter `recovery`, or write `overlap = true`"
    )]
    TooClose(String, String, Nanos),
    /// The planned time of recovery is too short to see one.
    #[error("`recovery` is {0}: {RECOVERY_MIN} at least, which a recovery needs to be seen")]
    NoRecovery(Nanos),
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
        let mut turns = Vec::new();
        for (number, fault) in self.faults.iter().enumerate() {
            for turn in 0..fault.repeat.max(1) {
                let later = fault.every.0.saturating_mul(u64::from(turn));
                let middle = fault.at.0.saturating_add(later);
                turns.push(Turn {
                    fault,
                    from: Nanos(middle.saturating_sub(fault.jitter.0)),
                    to: Nanos(middle.saturating_add(fault.jitter.0).saturating_add(fault.length.0)),
                });
                let offset = (2.0 * random.unit() - 1.0) * fault.jitter.0 as f64;
                let at = Nanos(middle.saturating_add_signed(offset as i64));
                injections.push(Injection { fault: number, at, length: fault.length });
            }
        }
        turns.sort_by_key(|turn| turn.from);
        self.check_times(&turns, window)?;
        injections.sort_by_key(|injection| injection.at);
        Ok(injections)
    }

    fn check(&self) -> Result<(), ChaosPlanError> {
        if self.faults.is_empty() {
            return Err(ChaosPlanError::NoFault);
        }
        if self.recovery < RECOVERY_MIN {
            return Err(ChaosPlanError::NoRecovery(self.recovery));
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
        }
        Ok(())
    }

    /// Checks the times that the seed may choose, not those that it did: a plan that is refused is
    /// refused each time.
    fn check_times(&self, turns: &[Turn<'_>], window: Nanos) -> Result<(), ChaosPlanError> {
        let Some(first) = turns.first() else { return Err(ChaosPlanError::NoFault) };
        if first.from < BASELINE_MIN {
            return Err(ChaosPlanError::NoBaseline(first.fault.name.clone(), first.from));
        }
        if let Some(last) = turns.iter().max_by_key(|turn| turn.to) {
            let needed = Nanos(last.to.0.saturating_add(self.recovery.0));
            if needed > window {
                return Err(ChaosPlanError::RunEnds {
                    name: last.fault.name.clone(),
                    end: last.to,
                    left: Nanos(window.0.saturating_sub(last.to.0)),
                    needed,
                    recovery: self.recovery,
                });
            }
        }
        for (index, earlier) in turns.iter().enumerate() {
            for later in &turns[index + 1..] {
                self.check_pair(earlier, later)?;
            }
        }
        Ok(())
    }

    fn check_pair(&self, earlier: &Turn<'_>, later: &Turn<'_>) -> Result<(), ChaosPlanError> {
        let (one, other) = (earlier.fault, later.fault);
        let same = |one: &FaultKind, other: &FaultKind| {
            one.subject().is_some() && one.subject() == other.subject()
        };
        let is_of_proxy = matches!(one.kind, FaultKind::Proxy { .. });
        let is_one_thing =
            same(&one.kind, &other.kind) && (is_of_proxy || one.kind.key() == other.kind.key());
        let may_overlap = one.may_overlap && other.may_overlap;
        let is_apart = |by: Nanos| later.from.0 >= earlier.to.0.saturating_add(by.0);
        let names = || (one.name.clone(), other.name.clone());
        if !is_apart(GAP) && (is_one_thing || !may_overlap) {
            let (one, other) = names();
            return Err(ChaosPlanError::Overlap(one, other));
        }
        if !is_apart(self.recovery) && !may_overlap {
            let (one, other) = names();
            return Err(ChaosPlanError::TooClose(one, other, self.recovery));
        }
        Ok(())
    }
}
