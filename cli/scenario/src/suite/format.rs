//! The fields of a suite file, for serde and for the JSON Schema.
//!
//! Editors show the doc comments. `compile` checks values against each other.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::claim::Claim;
use crate::format::Span;

/// A suite of uringbench: servers that are started in turn, and the scenarios that each of them is
/// measured with.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuiteFile {
    /// The name of the suite, and of its folder of results.
    pub(crate) name: String,
    /// The heading of the report; default the name.
    pub(crate) title: Option<String>,
    /// How each cell is measured.
    #[serde(default)]
    pub(crate) run: Run,
    /// The fields of `run` that `--short` replaces.
    #[serde(default)]
    pub(crate) short: Run,
    /// What is installed before anything is started.
    pub(crate) install: Option<Install>,
    /// The database that targets use.
    pub(crate) database: Option<Database>,
    /// The resources that each target may use.
    #[serde(default)]
    pub(crate) limits: Limits,
    /// The servers.
    #[serde(default)]
    pub(crate) target: Vec<Target>,
    /// What they are measured with.
    #[serde(default)]
    pub(crate) scenario: Vec<SuiteScenario>,
    /// Claims about the targets, on which the suite decides.
    #[serde(default)]
    pub(crate) claim: Vec<Claim>,
    /// Whether the results of each target are also written below the folder of results, with the
    /// date in their names: `{target}/load_test_YYYY-MM-DD.json`, `memory_YYYY-MM-DD.json` and,
    /// with `microbench`, `microbench_YYYY-MM-DD.json`.
    #[serde(default)]
    pub(crate) dated_files: bool,
}

/// How each cell is measured.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Run {
    /// Numbers of connections: a cell for each; default that of the scenario.
    pub(crate) connections: Option<Vec<u32>>,
    /// Load before the measured window; default that of the scenario.
    pub(crate) warmup: Option<Span>,
    /// Duration of the measured window; default that of the scenario.
    pub(crate) duration: Option<Span>,
    /// Number of runs of each cell; default 3.
    #[schemars(range(min = 1, max = super::compile::RUNS_MAX))]
    pub(crate) runs: Option<u32>,
    /// When a target is started again; default for each run.
    pub(crate) restart: Option<Restart>,
    /// Duration of one more run of each cell, in which the target is profiled; 0 for none, which is
    /// the default.
    pub(crate) profile: Option<Span>,
    /// Duration of one more run of the cells whose scenario has `soak`, in which the target is
    /// checked for leaks; 0 for none.
    pub(crate) soak: Option<Span>,
    /// Seed of the random order of targets; default 1.
    pub(crate) seed: Option<u64>,
    /// Further options of `uringbench run`, such as `["--timeout", "30s"]`.
    pub(crate) options: Option<Vec<String>>,
}

/// When a target is started again.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Restart {
    /// For each run: all targets take a scenario in turn, each as a new process.
    Run,
    /// Once in each round of all scenarios: less waiting, but a scenario meets what the ones before
    /// it left, such as memory.
    Round,
}

/// What is installed before anything is started.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Install {
    /// The command, for a shell, in the suite's folder.
    pub(crate) command: String,
    /// The file or folder that it makes: while this is newer than `inputs`, the command does not
    /// run.
    pub(crate) creates: Option<String>,
    /// The files that it reads, such as lists of requirements.
    #[serde(default)]
    pub(crate) inputs: Vec<String>,
}

/// The database that targets use: started for the suite, or that of `--database`. Each target
/// finds the address of one of its own, with new rows, in `DATABASE_URL`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    /// The kind of server.
    pub(crate) kind: DatabaseKind,
    /// A file of SQL that makes the tables and rows, each time that a target starts.
    pub(crate) seed: Option<String>,
}

/// The kind of database server.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseKind {
    /// PostgreSQL, from this machine's packages.
    Postgres,
}

/// The resources that a target may use, set by control groups.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// CPU time, in CPUs, such as `2` or `0.5`.
    pub(crate) cpus: Option<f64>,
    /// Memory such as `"512M"`, in steps of 1,024.
    pub(crate) memory: Option<String>,
}

/// A server.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    /// Its name in results.
    pub(crate) name: String,
    /// The command that starts it, for a shell. It stays in the foreground.
    pub(crate) command: String,
    /// The folder it runs in, from the suite's; default the suite's.
    pub(crate) folder: Option<String>,
    /// Environment variables. `PORT`, `WORKERS`, `DATA_DIR` (a folder that is deleted afterwards),
    /// `DATABASE_URL` and `URINGBENCH` (this program) are always set.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, EnvValue>,
    /// The port at which it listens on 127.0.0.1.
    #[schemars(range(min = 1))]
    pub(crate) port: u16,
    /// The path that answers with a status below 400 once it is ready; default: it is ready when it
    /// accepts a connection.
    pub(crate) health: Option<String>,
    /// How long it may take until it is ready; default 60 seconds.
    pub(crate) ready_within: Option<Span>,
    /// The path of figures of its own, read once a second during runs.
    pub(crate) stats: Option<String>,
    /// Its number of worker processes; default 1.
    #[schemars(range(min = 1))]
    pub(crate) workers: Option<u32>,
    /// A command that runs before each start.
    pub(crate) setup: Option<String>,
    /// A command that runs after each end.
    pub(crate) teardown: Option<String>,
    /// Benchmarks of its functions, measured by Criterion.
    pub(crate) microbench: Option<Microbench>,
    /// Its resources, if not those of the suite.
    pub(crate) limits: Option<Limits>,
    /// Names of scenarios, or of cells, that it cannot answer, each with the reason.
    #[serde(default)]
    pub(crate) lacks: BTreeMap<String, String>,
}

/// Benchmarks of functions, measured by Criterion.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Microbench {
    /// The command that measures them, for a shell, in the target's folder; it runs once, before
    /// everything else. Default: they were measured before.
    pub(crate) command: Option<String>,
    /// The folder of Criterion's results, from the target's.
    pub(crate) criterion: String,
}

/// The value of an environment variable.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "write a string, a number or a boolean")]
pub(crate) enum EnvValue {
    /// As it is.
    Text(String),
    /// In decimal.
    Integer(i64),
    /// In decimal.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
}

/// What targets are measured with.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuiteScenario {
    /// A scenario file, from the suite's folder. Its target is replaced.
    pub(crate) file: String,
    /// Its name in results; default the name of the file.
    pub(crate) name: Option<String>,
    /// The group that it belongs to; default its name.
    pub(crate) category: Option<String>,
    /// Cells of one flow each: `"each"`, or a list of names; default one cell with all flows.
    pub(crate) flows: Option<Flows>,
    /// Whether answers are only checked, and nothing is measured: a wrong one is a result, and no
    /// failure.
    #[serde(default)]
    pub(crate) check_only: bool,
    /// Whether each target has a verdict on leaks too, in a run as long as `soak` of `run`.
    #[serde(default)]
    pub(crate) soak: bool,
    /// Numbers of connections, instead of those of `run`.
    pub(crate) connections: Option<Vec<u32>>,
    /// What it cannot run without.
    #[serde(default)]
    pub(crate) needs: Vec<Need>,
    /// Further options of `uringbench run`, such as `["--timeout", "30s"]`.
    #[serde(default)]
    pub(crate) options: Vec<String>,
}

/// The flows of which each makes a cell.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "write \"each\", or a list of names")]
pub(crate) enum Flows {
    /// All of them.
    Each(Each),
    /// Those with these names.
    Named(Vec<String>),
}

/// The word for all flows.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Each {
    /// A cell for each flow.
    Each,
}

/// What a scenario cannot run without.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Need {
    /// The suite's database.
    Database,
}
