//! A run that has ended: its document, where that is stored, and whether it passed its gates.

use std::path::PathBuf;

use uringbench_core::slo::{Met, SloFinding};
use uringbench_core::validity::Validity;
use uringbench_document::Document;
use uringbench_document::chaos::{ChaosFigures, FaultFigures};
use uringbench_store::{EnterError, StoreError};

/// The outcome of an experiment.
#[derive(Debug)]
pub struct Finished {
    /// The whole result.
    pub document: Document,
    /// Whether its figures can be trusted.
    pub validity: Validity,
    /// Every objective with the figures to which it applies.
    pub slo: Vec<SloFinding>,
    /// Whether the run is a soak, which ends in a verdict on the memory of the target.
    pub is_soak: bool,
    /// The folder with the result, or why it is not stored.
    pub stored: Result<PathBuf, StoreError>,
    /// Whether the stored run could be entered into the history; if not, nothing is lost.
    pub entered: Result<(), EnterError>,
    /// Why a worker ended the run early, if one did: the kernel accepted no more work.
    pub halted: Option<String>,
}

/// Whether a run passed its gates, the most serious failure first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The target leaks.
    Leak,
    /// The measurement cannot be trusted, and an objective depends on it.
    Invalid,
    /// An objective was measured and missed.
    SloMissed,
    /// Too little data for a verdict.
    Inconclusive,
    /// No gate failed.
    Passed,
}

impl Finished {
    /// Whether the run passed. An objective makes the verdict a gate; without one, a verdict alone
    /// does not fail a run. A soak is always a gate, so it requires that its target was observed.
    pub fn gate(&self) -> Gate {
        let of_slo = gate_of_slo(self.validity, &self.slo);
        if let (Some(chaos), Gate::Passed) = (&self.document.chaos, of_slo) {
            return gate_of_chaos(chaos);
        }
        if !self.is_soak {
            return of_slo;
        }
        match (self.document.soak.as_ref().map(|soak| soak.verdict.as_str()), of_slo) {
            (Some("leak"), _) => Gate::Leak,
            (Some("inconclusive") | None, Gate::Passed) => Gate::Inconclusive,
            (_, of_slo) => of_slo,
        }
    }
}

/// Without objectives: a fault that did not work makes a run worthless, and one that the target did
/// not recover from leaves a question open.
fn gate_of_chaos(chaos: &ChaosFigures) -> Gate {
    let any = |fails: fn(&FaultFigures) -> bool| chaos.faults.iter().any(fails);
    if any(|fault| fault.t_effective_s.is_none() || fault.left.is_some()) {
        Gate::Invalid
    } else if chaos.faults.is_empty() || any(|fault| fault.recover_s.is_none()) {
        Gate::Inconclusive
    } else {
        Gate::Passed
    }
}

fn gate_of_slo(validity: Validity, slo: &[SloFinding]) -> Gate {
    let has = |met| slo.iter().any(|finding| finding.met == met);
    if slo.is_empty() {
        Gate::Passed
    } else if validity == Validity::Invalid {
        Gate::Invalid
    } else if has(Met::No) {
        Gate::SloMissed
    } else if has(Met::Unknown) {
        Gate::Inconclusive
    } else {
        Gate::Passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_fails_a_run_with_objectives_alone() {
        use Validity::{Invalid, Valid};
        let cases: [(Validity, &[Met], Gate); 7] = [
            (Valid, &[], Gate::Passed),
            (Invalid, &[], Gate::Passed),
            (Valid, &[Met::Yes], Gate::Passed),
            (Valid, &[Met::Yes, Met::Unknown], Gate::Inconclusive),
            (Valid, &[Met::Unknown, Met::No], Gate::SloMissed),
            (Invalid, &[Met::Yes], Gate::Invalid),
            (Invalid, &[Met::No], Gate::Invalid),
        ];
        for (validity, met, gate) in cases {
            let finding =
                |&met: &Met| SloFinding { text: String::new(), measured: String::new(), met };
            let slo: Vec<_> = met.iter().map(finding).collect();
            assert_eq!(gate_of_slo(validity, &slo), gate, "{validity:?} {met:?}");
        }
    }
}
