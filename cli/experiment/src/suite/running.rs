//! A target of a suite while it runs, with its database, its control group and its folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use uringbench_core::plan::Peer;
use uringbench_engine::Control;
use uringbench_machine::cgroup::{GroupRefused, LimitedGroup};
use uringbench_scenario::suite::{TargetPlan, TurnKind};

use super::database::{DatabaseServer, RemovedFolder, TargetDatabase};
use super::sampler::{SampledTarget, Sampler};
use super::{PREFIX, Suite, SuiteRun};
use crate::server::{Probe, Ready, RunningServer, ServerCommand, ServerError, own_name};

/// A target, from its start to its end. The fields end in this order: first what uses the others.
#[derive(Debug)]
pub(super) struct RunningTarget {
    server: RunningServer,
    group: Option<LimitedGroup>,
    probe: Probe,
    log: PathBuf,
    memory: Option<u64>,
    /// Runs that it has served.
    served: u32,
    database: Option<TargetDatabase>,
    _teardown: Option<Teardown>,
    _data: RemovedFolder,
}

/// Runs a command when it is dropped.
#[derive(Debug)]
struct Teardown(ServerCommand);

impl Drop for Teardown {
    fn drop(&mut self) {
        // It runs to its end even if the suite is ended; its output is in its log.
        let _failed = self.0.complete(&Control::new());
    }
}

impl RunningTarget {
    /// Starts it and waits until it is ready. The refusal of limits, if any, comes beside it: it
    /// runs without them.
    ///
    /// # Errors
    /// If it does not become ready.
    pub(super) fn start(
        suite: &Suite,
        target: &TargetPlan,
        server: Option<&DatabaseServer>,
        scratch: &Path,
        control: &Control,
    ) -> Result<(Self, Option<GroupRefused>), ServerError> {
        let not_started = |why: String| {
            ServerError::NotStarted(target.command.clone(), std::io::Error::other(why))
        };
        let data = scratch.join(&target.name);
        fs::create_dir_all(&data).map_err(|why| not_started(why.to_string()))?;
        let data = RemovedFolder(data);
        let seed = suite.plan.database.as_ref().and_then(|it| it.seed.as_ref());
        let seed = seed.map(|file| suite.folder.join(file));
        let database = server.map(|server| server.create(&target.name, seed.as_deref()));
        let database = database.transpose().map_err(|why| not_started(why.to_string()))?;
        let mut variables = target.env.clone();
        variables.push(("PORT".to_owned(), target.port.to_string()));
        variables.push(("WORKERS".to_owned(), target.workers.to_string()));
        variables.push(("DATA_DIR".to_owned(), data.0.display().to_string()));
        if let Ok(program) = std::env::current_exe() {
            variables.push(("URINGBENCH".to_owned(), program.display().to_string()));
        }
        if let Some(database) = &database {
            variables.push(("DATABASE_URL".to_owned(), database.url.clone()));
        }
        let logs = suite.results.join("logs");
        fs::create_dir_all(&logs).map_err(|why| not_started(why.to_string()))?;
        let log = logs.join(format!("{}.log", target.name));
        let command = |command: &str, log: PathBuf| ServerCommand {
            variables: variables.clone(),
            ..ServerCommand::new(command, suite.folder.join(&target.folder), log)
        };
        if let Some(setup) = &target.setup {
            command(setup, logs.join(format!("{}-setup.log", target.name))).complete(control)?;
        }
        let teardown = target.teardown.as_ref().map(|teardown| {
            Teardown(command(teardown, logs.join(format!("{}-teardown.log", target.name))))
        });
        let (group, refused) = group(target);
        let probe = Probe {
            peer: Peer::Tcp(([127, 0, 0, 1], target.port).into()),
            ready: target.health.clone().map_or(Ready::Accepts, Ready::Succeeds),
            within: Duration::from_nanos(target.ready_within.0),
        };
        let start = ServerCommand {
            cpus: suite.cpus.clone(),
            groups: group.as_ref().map_or_else(Vec::new, |group| group.folders().to_vec()),
            ..command(&target.command, log.clone())
        };
        let server = start.start(&probe, control)?;
        let memory = target.limits.memory.filter(|_| group.is_some());
        let running = Self {
            server,
            group,
            probe,
            log,
            memory,
            served: 0,
            database,
            _teardown: teardown,
            _data: data,
        };
        Ok((running, refused))
    }

    /// Ends it, and deletes what it had.
    pub(super) fn end(self, server: Option<&DatabaseServer>) {
        let Self { server: running, group, database, _teardown: teardown, _data: data, .. } = self;
        drop(running);
        drop(group);
        if let Some((server, database)) = server.zip(database) {
            server.remove(&database);
        }
        drop(teardown);
        drop(data);
    }

    /// The process at its root.
    pub(super) fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Whether it has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.server.has_ended()
    }

    /// Counts a run that it has served.
    pub(super) const fn has_served(&mut self) {
        self.served += 1;
    }

    /// Whether it has served no run yet, so that no earlier one can have damaged it.
    pub(super) const fn is_fresh(&self) -> bool {
        self.served == 0
    }

    /// How often the kernel has killed a process of it because its memory was used up.
    pub(super) fn killed_for_memory(&self) -> u64 {
        self.group.as_ref().map_or(0, LimitedGroup::killed_for_memory)
    }

    /// Why it has ended, as far as is known.
    pub(super) fn obituary(&self, killed_for_memory: u64) -> String {
        let said = ServerCommand::last_words(&self.log);
        let said = if said.is_empty() { said } else { format!("; its output ends with: {said}") };
        match self.memory.filter(|_| killed_for_memory > 0) {
            Some(limit) => {
                let mib = limit >> 20;
                format!("the kernel killed it: its {mib} MiB of memory were used up{said}")
            }
            None => format!("the target ended during the run{said}"),
        }
    }

    /// Follows what it uses during a run.
    pub(super) fn follow(&self, suite: &Suite, run: &SuiteRun<'_>) -> Option<Sampler> {
        let run_name = match run.kind {
            TurnKind::Measure(number) => number.to_string(),
            TurnKind::Soak => "soak".to_owned(),
            TurnKind::Check | TurnKind::Profile => return None,
        };
        let folder = suite.results.join("resources");
        fs::create_dir_all(&folder).ok()?;
        let name = &run.target.name;
        Some(Sampler::begin(SampledTarget {
            probe: self.probe.clone(),
            groups: self.group.as_ref().map_or_else(Vec::new, |group| group.folders().to_vec()),
            stats: run.target.stats.clone(),
            names: (run.case.name.clone(), run_name),
            files: (folder.join(format!("{name}.csv")), folder.join(format!("{name}.stats.jsonl"))),
        }))
    }

    /// Stores the database's figures beside a run.
    pub(super) fn store_figures(&self, folder: &Path, server: Option<&DatabaseServer>) {
        let Some((server, database)) = server.zip(self.database.as_ref()) else { return };
        let figures = format!("{:#}\n", server.figures(database));
        server.reset_figures(database);
        // A full disk was reported by the run's own files.
        let _full = fs::write(folder.join("database.json"), figures);
    }
}

/// The control group of a target, or why it has none.
fn group(target: &TargetPlan) -> (Option<LimitedGroup>, Option<GroupRefused>) {
    let limits = target.limits;
    if limits.cpus.is_none() && limits.memory.is_none() {
        return (None, None);
    }
    let name = format!("{PREFIX}{}-{}", own_name(), target.name);
    match LimitedGroup::create(&name, limits.cpus, limits.memory) {
        Ok(group) => (Some(group), None),
        Err(refused) => (None, Some(refused)),
    }
}
