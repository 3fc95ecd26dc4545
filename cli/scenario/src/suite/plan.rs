//! A checked and expanded suite.

use std::collections::BTreeMap;

use uringbench_core::time::Nanos;

use super::claim::ClaimPlan;
use crate::diagnostic::did_you_mean;
use crate::suite::{DatabaseKind, Restart};

/// Everything about a suite that its file says.
#[derive(Clone, Debug, PartialEq)]
pub struct SuitePlan {
    /// Its name.
    pub name: String,
    /// The heading of its report.
    pub title: String,
    /// How each cell is measured.
    pub settings: Settings,
    /// What is installed first.
    pub install: Option<InstallPlan>,
    /// The database that targets use.
    pub database: Option<DatabasePlan>,
    /// The servers, at least one.
    pub targets: Vec<TargetPlan>,
    /// What each of them is measured with, at least one.
    pub cases: Vec<Case>,
    /// What is claimed of the targets.
    pub claims: Vec<ClaimPlan>,
    /// Whether the results of each target are also written with the date in their names.
    pub has_dated_files: bool,
}

/// How each cell is measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Load before the measured window; `None` for that of the scenario.
    pub warmup: Option<Nanos>,
    /// Duration of the measured window; `None` for that of the scenario.
    pub duration: Option<Nanos>,
    /// Runs of each cell, at least 1.
    pub runs: u32,
    /// When a target is started again.
    pub restart: Restart,
    /// Duration of the profiled run of each cell, if there is one.
    pub profile: Option<Nanos>,
    /// Duration of the soak of each case that has one, if there is any.
    pub soak: Option<Nanos>,
    /// Of the order of targets.
    pub seed: u64,
    /// Further options of each run.
    pub options: Vec<String>,
}

/// What is installed before anything is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallPlan {
    /// The command, for a shell.
    pub command: String,
    /// What it makes.
    pub creates: Option<String>,
    /// What it reads.
    pub inputs: Vec<String>,
}

/// A database server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabasePlan {
    /// Its kind.
    pub kind: DatabaseKind,
    /// A file of SQL for each new database.
    pub seed: Option<String>,
}

/// The resources that a target may use.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ResourceLimits {
    /// CPU time, in CPUs, above 0.
    pub cpus: Option<f64>,
    /// Memory in bytes, above 0.
    pub memory: Option<u64>,
}

/// A server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetPlan {
    /// Its name.
    pub name: String,
    /// The command that starts it, for a shell.
    pub command: String,
    /// The folder it runs in, from the suite's.
    pub folder: String,
    /// Its environment variables.
    pub env: Vec<(String, String)>,
    /// The port at which it listens on 127.0.0.1.
    pub port: u16,
    /// The path that answers once it is ready.
    pub health: Option<String>,
    /// How long it may take until it is ready.
    pub ready_within: Nanos,
    /// The path of figures of its own.
    pub stats: Option<String>,
    /// Its worker processes, at least 1.
    pub workers: u32,
    /// A command before each start.
    pub setup: Option<String>,
    /// A command after each end.
    pub teardown: Option<String>,
    /// Benchmarks of its functions.
    pub microbench: Option<MicrobenchPlan>,
    /// The resources that it may use.
    pub limits: ResourceLimits,
    /// What it cannot answer, and why.
    pub lacks: BTreeMap<String, String>,
}

/// Benchmarks of functions, measured by Criterion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MicrobenchPlan {
    /// The command that measures them, if they were not measured before.
    pub command: Option<String>,
    /// The folder of the results, from the target's.
    pub criterion: String,
}

/// What targets are measured with: a scenario, or a flow of it, with a number of connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name in results, such as `files/upload-1k@50`: the scenario, the flow if it is a single
    /// one, and the connections if there are several numbers of them.
    pub name: String,
    /// The name of its scenario.
    pub scenario: String,
    /// The group that it belongs to.
    pub category: String,
    /// The scenario file, from the suite's folder.
    pub file: String,
    /// Its only flow; `None` for all.
    pub flow: Option<String>,
    /// Its connections; `None` for those of the scenario.
    pub connections: Option<u32>,
    /// Whether it cannot run without the database.
    pub needs_database: bool,
    /// Whether answers are only checked.
    pub is_check_only: bool,
    /// Whether targets are checked for leaks with it.
    pub has_soak: bool,
    /// Further options of its runs.
    pub options: Vec<String>,
}

/// Why `--only` leaves nothing to measure, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing in the suite is called `{name}`{meant}")]
pub struct NothingChosen {
    name: String,
    meant: String,
}

impl Case {
    /// Whether `name` stands for it: its own name, that of its scenario, flow or group.
    pub fn is_called(&self, name: &str) -> bool {
        let without_connections = self.name.split_once('@').map(|(name, _)| name);
        [Some(&*self.name), without_connections, Some(&*self.scenario), Some(&*self.category)]
            .into_iter()
            .flatten()
            .chain(self.flow.as_deref())
            .any(|it| it == name)
    }
}

impl TargetPlan {
    /// Why it cannot answer a case, if it cannot.
    pub fn lack(&self, case: &Case) -> Option<&str> {
        self.lacks.iter().find(|(name, _)| case.is_called(name)).map(|(_, why)| why.as_str())
    }
}

impl SuitePlan {
    /// Keeps the targets and the cases that are called one of these names. Without a name of a
    /// target all of them stay, and likewise the cases.
    ///
    /// # Errors
    /// If nothing has one of the names.
    pub fn keep(&mut self, only: &[String]) -> Result<(), NothingChosen> {
        let is_target = |name: &&String| self.targets.iter().any(|it| it.name == **name);
        let (targets, cases): (Vec<_>, Vec<_>) = only.iter().partition(is_target);
        let is_known = |name: &&&String| self.cases.iter().any(|case| case.is_called(name));
        if let Some(name) = cases.iter().find(|name| !is_known(name)) {
            let all = self.cases.iter();
            let all = all.flat_map(|it| [&*it.name, &*it.scenario, &*it.category]);
            let valid = self.targets.iter().map(|it| it.name.as_str()).chain(all);
            return Err(NothingChosen { name: (*name).clone(), meant: did_you_mean(name, valid) });
        }
        if !targets.is_empty() {
            self.targets.retain(|it| targets.contains(&&it.name));
        }
        if !cases.is_empty() {
            self.cases.retain(|case| cases.iter().any(|name| case.is_called(name)));
        }
        Ok(())
    }

    /// Measures each case with these numbers of connections instead of its own.
    pub fn set_connections(&mut self, connections: &[u32]) {
        let mut cases: Vec<Case> = Vec::new();
        for case in &self.cases {
            let name = case.name.split_once('@').map_or(&*case.name, |(name, _)| name);
            for &number in connections {
                let name = match connections.len() {
                    1 => name.to_owned(),
                    _ => format!("{name}@{number}"),
                };
                if cases.iter().all(|it| it.name != name) {
                    cases.push(Case { name, connections: Some(number), ..case.clone() });
                }
            }
        }
        self.cases = cases;
    }

    /// The number of cells: pairs of a target and a case that it can answer.
    pub fn cells(&self) -> usize {
        let of = |target: &TargetPlan| {
            self.cases.iter().filter(|case| target.lack(case).is_none()).count()
        };
        self.targets.iter().map(of).sum()
    }
}
