//! The verdict: can the numbers of this run be trusted, and if not, why and what to do.
//!
//! Pure rules over the plan, the record, the summary and what was observed of the machine. A
//! rule whose observation is missing says nothing. `INVALID` means that the numbers measure
//! something else than the target; `SUSPECT` that they may. What follows from a verdict (exit
//! codes, gates) is left to the command line.

mod rules;

use crate::plan::Plan;
use crate::record::RunRecord;
use crate::summary::Summary;

/// What became of the numbers of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The worst of the reasons.
    pub validity: Validity,
    /// Why it is not valid, the worst first; empty when it is.
    pub reasons: Vec<Reason>,
    /// What else a reader should know; changes nothing.
    pub notes: Vec<String>,
}

/// Whether the numbers can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Validity {
    /// Nothing speaks against them.
    Valid,
    /// Something may have bent them.
    Suspect,
    /// They measure something else than the target.
    Invalid,
}

/// One thing that speaks against the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The rule, for programs: `late_sends`.
    pub code: &'static str,
    /// The figure and the fix, in a sentence.
    pub message: String,
    /// How much it weighs.
    pub severity: Severity,
}

/// How much a reason weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It makes the run suspect.
    Suspect,
    /// It makes the run invalid.
    Invalid,
}

/// What was seen of the machine and of a target on it during the measured window. Nothing here
/// is needed: a rule whose figure is missing is not applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observations {
    /// Share of the CPUs' time that the hypervisor gave to others, 0..=1.
    pub steal_share: Option<f64>,
    /// TCP segments this machine sent again, all its connections (`RetransSegs`).
    pub retransmits: Option<u64>,
    /// Periods in which this process' cgroup was out of CPU quota (`nr_throttled`).
    pub throttled_periods: Option<u64>,
    /// The target's CPU time, when it runs on this machine.
    pub target: Option<TargetCpu>,
    /// CPUs that workers are pinned to and a target on this machine may use too.
    pub cpus_shared: Option<Vec<usize>>,
}

/// The CPU of a target on this machine, in CPUs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TargetCpu {
    /// Used on average over the measured window.
    pub used: f64,
    /// What it may use: its affinity and quota.
    pub allowed: f64,
}

impl Validity {
    /// The word for it in the result document.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Suspect => "suspect",
            Self::Invalid => "invalid",
        }
    }
}

/// Judge one run.
pub fn judge(
    plan: &Plan,
    record: &RunRecord,
    summary: &Summary,
    observed: &Observations,
) -> Verdict {
    let run = rules::Run { plan, record, summary, observed };
    let mut reasons = run.reasons();
    // Stable: within a severity the order of the rules stays.
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.severity));
    let validity = match reasons.first().map(|reason| reason.severity) {
        None => Validity::Valid,
        Some(Severity::Suspect) => Validity::Suspect,
        Some(Severity::Invalid) => Validity::Invalid,
    };
    Verdict { validity, reasons, notes: run.notes() }
}

#[cfg(test)]
mod tests;
