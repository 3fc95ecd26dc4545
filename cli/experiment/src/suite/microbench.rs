//! The benchmarks of functions that targets bring along: measured once, kept with the suite.

use std::fs;
use std::path::PathBuf;

use uringbench_engine::{Command, Control};
use uringbench_scenario::suite::{MicrobenchPlan, TargetPlan};
use uringbench_store::criterion_benchmarks;

use super::{Suite, SuiteCaller, SuiteNotice};
use crate::server::ServerCommand;

impl Suite {
    /// The file of a target's benchmarks: a list of the documents of `uringbench history import`.
    pub fn microbench_file(&self, target: &str) -> PathBuf {
        self.results.join("microbench").join(format!("{target}.json"))
    }

    /// Measures and keeps the benchmarks of all targets that have some, except those that are kept
    /// already. One that fails is reported, and the rest goes on.
    pub(super) fn microbenchmarks(&self, control: &Control, caller: &mut dyn SuiteCaller) {
        for target in &self.plan.targets {
            let Some(microbench) = &target.microbench else { continue };
            if control.command() != Command::Run || self.microbench_file(&target.name).exists() {
                continue;
            }
            if let Err(why) = self.microbenchmark(target, microbench, control, caller) {
                caller.notice(&SuiteNotice::NotBenchmarked(&target.name, &why));
            }
        }
    }

    fn microbenchmark(
        &self,
        target: &TargetPlan,
        microbench: &MicrobenchPlan,
        control: &Control,
        caller: &mut dyn SuiteCaller,
    ) -> Result<(), String> {
        let folder = self.folder.join(&target.folder);
        if let Some(command) = &microbench.command {
            caller.notice(&SuiteNotice::Benchmarks(&target.name, command));
            let logs = self.results.join("logs");
            fs::create_dir_all(&logs)
                .map_err(|why| format!("cannot create {}: {why}", logs.display()))?;
            let log = logs.join(format!("{}-microbench.log", target.name));
            let variables = target.env.clone();
            // On the CPUs of the targets, as the servers.
            let command = ServerCommand {
                variables,
                cpus: self.cpus.clone(),
                ..ServerCommand::new(command.as_str(), &folder, log)
            };
            command.complete(control).map_err(|why| why.to_string())?;
        }
        let results = folder.join(&microbench.criterion);
        let found = criterion_benchmarks(&results).map_err(|why| why.to_string())?;
        if found.is_empty() {
            return Err(format!("{} has no results of Criterion", results.display()));
        }
        let file = self.microbench_file(&target.name);
        let text = serde_json::to_string_pretty(&found).map_err(|why| why.to_string())?;
        let kept = file.parent().map_or(Ok(()), fs::create_dir_all);
        kept.and_then(|()| fs::write(&file, text + "\n"))
            .map_err(|why| format!("cannot write {}: {why}", file.display()))
    }
}
