//! The verdict: can the numbers of this run be trusted, and if not, why and what to do.
//!
//! Pure rules over the plan, the record, the summary and observations of the machine. A rule
//! without its observation is not applied. `INVALID` means that the numbers do not measure the
//! target; `SUSPECT` that they may be distorted. The command line decides what follows from a
//! verdict (exit codes, gates).

mod rules;

use crate::plan::Plan;
use crate::record::RunRecord;
use crate::summary::Summary;

/// The verdict on the numbers of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The worst severity of the reasons.
    pub validity: Validity,
    /// Why it is not valid, the worst first; empty if it is.
    pub reasons: Vec<Reason>,
    /// Further facts for the reader, which do not change the verdict.
    pub notes: Vec<String>,
}

/// Whether the numbers can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Validity {
    /// No rule found a fault.
    Valid,
    /// Something may have distorted them.
    Suspect,
    /// They do not measure the target.
    Invalid,
}

/// One reason against the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// The rule, for programs: `late_sends`.
    pub code: &'static str,
    /// The figure and the fix, in a sentence.
    pub message: String,
    /// Its severity.
    pub severity: Severity,
}

/// The severity of a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It makes the run suspect.
    Suspect,
    /// It makes the run invalid.
    Invalid,
}

/// Observations of the machine, and of a target on it, during the measured window. All are
/// optional: a rule without its observation is not applied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observations {
    /// Share of the CPUs' time that the hypervisor gave to other guests, 0..=1.
    pub steal_share: Option<f64>,
    /// TCP segments that this machine retransmitted on all connections (`RetransSegs`).
    pub retransmits: Option<u64>,
    /// Periods in which this process's cgroup exceeded its CPU quota (`nr_throttled`).
    pub throttled_periods: Option<u64>,
    /// The target's CPU time, if it runs on this machine.
    pub target: Option<TargetCpu>,
    /// The CPU time of each of its processes, the busiest first.
    pub target_processes: Vec<ProcessCpu>,
    /// Periods in which the target's cgroup exceeded its CPU quota (`nr_throttled`).
    pub target_throttled_periods: Option<u64>,
    /// CPUs that workers are pinned to and a target on this machine may use too.
    pub cpus_shared: Option<Vec<usize>>,
}

/// The CPU of a target on this machine, in CPUs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TargetCpu {
    /// Used on average over the measured window.
    pub used: f64,
    /// The CPUs it may use, by affinity and quota.
    pub allowed: f64,
}

/// The CPU time of one process of a target.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessCpu {
    /// Its PID.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// CPUs used on average over the measured window.
    pub used: f64,
}

impl Verdict {
    /// The same with further reasons.
    #[must_use]
    pub fn with(mut self, more: Vec<Reason>) -> Self {
        self.reasons.extend(more);
        // A stable sort keeps the order of the rules within a severity.
        self.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.severity));
        self.validity = Validity::of(&self.reasons);
        self
    }
}

impl Validity {
    /// The worst of the reasons, which are sorted by severity.
    fn of(reasons: &[Reason]) -> Self {
        match reasons.first().map(|reason| reason.severity) {
            None => Self::Valid,
            Some(Severity::Suspect) => Self::Suspect,
            Some(Severity::Invalid) => Self::Invalid,
        }
    }

    /// The word for it in the result document.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Suspect => "suspect",
            Self::Invalid => "invalid",
        }
    }
}

/// Compute the verdict of one run.
pub fn judge(
    plan: &Plan,
    record: &RunRecord,
    summary: &Summary,
    observed: &Observations,
) -> Verdict {
    let run = rules::Run { plan, record, summary, observed };
    let nothing = Verdict { validity: Validity::Valid, reasons: Vec::new(), notes: run.notes() };
    nothing.with(run.reasons())
}

#[cfg(test)]
mod tests;
