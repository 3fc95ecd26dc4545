//! Whether a profile can be trusted, and if not, why and what to do. Pure.

use uringbench_core::validity::{Reason, Severity, Validity};

use super::{Facts, Profile};

/// Share of records lost above which shares of functions may be distorted.
const LOST_SUSPECT: f64 = 0.01;
/// Share of records lost above which the rest is not a sample of the target.
const LOST_INVALID: f64 = 0.05;
/// Sampled CPU time over accounted CPU time, if sampling works.
const COVERAGE: std::ops::RangeInclusive<f64> = 0.9..=1.1;

/// The verdict on a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The worst severity of the reasons.
    pub validity: Validity,
    /// The reasons against it, the worst first.
    pub reasons: Vec<Reason>,
}

impl Profile {
    /// Compute the verdict on the recording.
    pub fn health(&self) -> Health {
        let mut reasons: Vec<_> = lost(&self.facts).into_iter().collect();
        reasons.extend(coverage(&self.facts));
        reasons.extend(refused(self.samples.refused()));
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.severity));
        let validity = match reasons.first().map(|reason| reason.severity) {
            None => Validity::Valid,
            Some(Severity::Suspect) => Validity::Suspect,
            Some(Severity::Invalid) => Validity::Invalid,
        };
        Health { validity, reasons }
    }
}

fn lost(facts: &Facts) -> Option<Reason> {
    let share = facts.lost_share();
    let severity = match share {
        share if share > LOST_INVALID => Severity::Invalid,
        share if share > LOST_SUSPECT => Severity::Suspect,
        _ => return None,
    };
    let message = format!(
        "{:.1} % of the kernel's records are lost ({} of {}); take fewer samples per second, or \
         leave the profiler a CPU of its own",
        share * 100.0,
        facts.lost,
        facts.lost + facts.records
    );
    Some(Reason { code: "samples_lost", message, severity })
}

fn coverage(facts: &Facts) -> Option<Reason> {
    let coverage = facts.coverage.filter(|coverage| !COVERAGE.contains(coverage))?;
    let message = format!(
        "the samples stand for {:.0} % of the CPU time that the scheduler accounts to the \
         target; do not compare CPU per request with other runs",
        coverage * 100.0
    );
    Some(Reason { code: "samples_coverage", message, severity: Severity::Suspect })
}

fn refused(samples: u64) -> Option<Reason> {
    (samples > 0).then(|| Reason {
        code: "samples_not_stored",
        message: format!(
            "the last {samples} samples could not be stored; free some space or set TMPDIR to a \
             folder on another disk"
        ),
        severity: Severity::Suspect,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::fixture;

    #[test]
    fn lost_records_and_a_wrong_coverage_speak_against_a_profile() {
        use Validity::{Invalid, Suspect, Valid};
        let cases = [
            (0, Some(1.0), Valid, vec![]),
            (0, None, Valid, vec![]),
            (10, Some(0.9), Valid, vec![]),
            (11, Some(1.1), Suspect, vec!["samples_lost"]),
            (50, None, Suspect, vec!["samples_lost"]),
            (51, Some(1.2), Invalid, vec!["samples_lost", "samples_coverage"]),
            (0, Some(0.89), Suspect, vec!["samples_coverage"]),
            (0, Some(f64::NAN), Suspect, vec!["samples_coverage"]),
        ];
        for (lost, coverage, validity, codes) in cases {
            let mut profile = fixture::profile(&[]);
            profile.facts.records = 1_000 - lost;
            profile.facts.lost = lost;
            profile.facts.coverage = coverage;
            let health = profile.health();
            assert_eq!(health.validity, validity, "{lost} {coverage:?}");
            assert_eq!(health.reasons.iter().map(|r| r.code).collect::<Vec<_>>(), codes);
        }
    }

    #[test]
    fn the_figure_and_the_remedy_are_said() {
        let mut profile = fixture::profile(&[]);
        profile.facts.records = 900;
        profile.facts.lost = 100;
        let health = profile.health();
        assert_eq!(
            health.reasons[0].message,
            "10.0 % of the kernel's records are lost (100 of 1000); take fewer samples per \
             second, or leave the profiler a CPU of its own"
        );
    }
}
