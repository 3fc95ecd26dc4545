//! The order of everything that is measured: which target is started when, and what it then runs.
//!
//! Targets follow each other in a new random order each time, so that a machine that becomes slower
//! or faster does so for all of them alike.

use uringbench_core::statistics::random::Random;

use super::plan::SuitePlan;
use crate::suite::Restart;

/// A target, from its start to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetSession {
    /// Its number in the plan.
    pub target: usize,
    /// What it runs, in this order.
    pub turns: Vec<SuiteTurn>,
}

/// One run against a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuiteTurn {
    /// The number of the case in the plan.
    pub case: usize,
    /// What it is for.
    pub kind: TurnKind,
}

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnKind {
    /// One user, to see that each step is answered as the scenario demands.
    Check,
    /// The run of this number, from 1.
    Measure(u32),
    /// A run with a profile, after those that are measured.
    Profile,
    /// A long run that checks the target for leaks, after all others.
    Soak,
}

/// Everything to do, except what `is_done` says is done already. A case is checked before its
/// first run.
pub fn schedule(
    plan: &SuitePlan,
    mut is_done: impl FnMut(usize, SuiteTurn) -> bool,
) -> Vec<TargetSession> {
    let mut random = Random::new(plan.settings.seed);
    let measured = (1..=plan.settings.runs).map(TurnKind::Measure);
    let rounds = measured
        .chain(plan.settings.profile.map(|_| TurnKind::Profile))
        .chain(plan.settings.soak.map(|_| TurnKind::Soak));
    let mut checked = vec![vec![false; plan.cases.len()]; plan.targets.len()];
    let mut sessions = Vec::new();
    for kind in rounds {
        let is_part = |case: &usize| kind != TurnKind::Soak || plan.cases[*case].has_soak;
        let cases = (0..plan.cases.len()).filter(is_part);
        // What one case leaves in memory must not count as a leak of the next.
        let groups: Vec<Vec<usize>> = match plan.settings.restart {
            Restart::Round if kind != TurnKind::Soak => vec![cases.collect()],
            Restart::Run | Restart::Round => cases.map(|case| vec![case]).collect(),
        };
        for group in groups {
            let mut targets: Vec<usize> = (0..plan.targets.len()).collect();
            random.shuffle(&mut targets);
            for target in targets {
                let mut turns = Vec::new();
                for &case in &group {
                    let turn = SuiteTurn { case, kind };
                    let cannot = plan.targets[target].lack(&plan.cases[case]).is_some();
                    // A check is repeated by a suite that goes on: it is not stored.
                    let is_done = match plan.cases[case].is_check_only {
                        true => checked[target][case],
                        false => is_done(target, turn),
                    };
                    if cannot || is_done {
                        continue;
                    }
                    if !std::mem::replace(&mut checked[target][case], true) {
                        turns.push(SuiteTurn { case, kind: TurnKind::Check });
                    }
                    if !plan.cases[case].is_check_only {
                        turns.push(turn);
                    }
                }
                if !turns.is_empty() {
                    sessions.push(TargetSession { target, turns });
                }
            }
        }
    }
    sessions
}
