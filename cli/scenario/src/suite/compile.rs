//! Checks a suite file and expands its matrix.

use std::collections::HashSet;

use uringbench_core::time::Nanos;

use super::SuiteContext;
use super::claim::claims;
use super::format::{EnvValue, Flows, Limits, Need, Run, SuiteFile, SuiteScenario, Target};
use super::plan::{
    Case, DatabasePlan, InstallPlan, MicrobenchPlan, ResourceLimits, Settings, SuitePlan,
    TargetPlan,
};
use crate::diagnostic::{Diagnostics, FieldPath, did_you_mean};
use crate::suite::Restart;

/// The largest number of runs of a cell; a larger one is a typing error.
pub(crate) const RUNS_MAX: u32 = 1_000;
const RUNS: u32 = 3;
const READY_WITHIN: Nanos = Nanos::from_secs(60);
/// The largest number of connections; a larger one is a typing error.
const CONNECTIONS_MAX: u32 = 10_000_000;
/// Memory in which no server starts.
const MEMORY_MIN: u64 = 1 << 20;
/// The smallest share of a CPU that a control group accepts: 1 ms of 100 ms.
const CPUS_MIN: f64 = 0.01;
const CPUS_MAX: f64 = 10_000.0;
/// Variables that are set by the suite itself.
const OWN_VARIABLES: [&str; 5] = ["PORT", "WORKERS", "DATA_DIR", "DATABASE_URL", "URINGBENCH"];

/// The plan of a suite; it is meaningless if a problem was added.
pub(crate) fn plan(
    given: &SuiteFile,
    context: &SuiteContext<'_>,
    diagnostics: &mut Diagnostics<'_>,
) -> SuitePlan {
    check_name(&given.name, &FieldPath::top("name"), diagnostics);
    check_run(&given.run, &FieldPath::top("run"), diagnostics);
    check_run(&given.short, &FieldPath::top("short"), diagnostics);
    let run =
        if context.is_short { shortened(&given.run, &given.short) } else { given.run.clone() };
    let cases = cases(given, &run, context, diagnostics);
    let targets = targets(given, &cases, diagnostics);
    // The short form may leave the soaks out; the claims of the long one stay right.
    let has_soak = run_has_soak(&given.run) || run_has_soak(&given.short);
    let claims = claims(&given.claim, (&targets, &cases), has_soak, diagnostics);
    if let Some(at) = given.scenario.iter().position(|it| it.soak).filter(|_| !has_soak) {
        let why = "a soak needs a duration: add `soak = \"5m\"` to [run]";
        diagnostics.add(&FieldPath::top("scenario").index(at).key("soak"), why);
    }
    if let Some(file) = given.database.as_ref().and_then(|it| it.seed.as_ref()) {
        check_file(file, &FieldPath::top("database").key("seed"), context, diagnostics);
    }
    if let Some(install) = &given.install {
        let place = FieldPath::top("install");
        check_command(&install.command, &place.key("command"), diagnostics);
        for (at, input) in install.inputs.iter().enumerate() {
            check_file(input, &place.key("inputs").index(at), context, diagnostics);
        }
        if !install.inputs.is_empty() && install.creates.is_none() {
            let why = "`inputs` are compared with what `creates` names: add `creates`";
            diagnostics.add(&place.key("inputs"), why);
        }
    }
    SuitePlan {
        name: given.name.clone(),
        title: given.title.clone().unwrap_or_else(|| given.name.clone()),
        settings: settings(&run),
        install: given.install.as_ref().map(|it| InstallPlan {
            command: it.command.clone(),
            creates: it.creates.clone(),
            inputs: it.inputs.clone(),
        }),
        database: given
            .database
            .as_ref()
            .map(|it| DatabasePlan { kind: it.kind, seed: it.seed.clone() }),
        targets,
        cases,
        claims,
        has_dated_files: given.dated_files,
    }
}

fn run_has_soak(run: &Run) -> bool {
    run.soak.is_some_and(|span| span.0 > Nanos::ZERO)
}

fn shortened(run: &Run, short: &Run) -> Run {
    Run {
        connections: short.connections.clone().or_else(|| run.connections.clone()),
        warmup: short.warmup.or(run.warmup),
        duration: short.duration.or(run.duration),
        runs: short.runs.or(run.runs),
        restart: short.restart.or(run.restart),
        profile: short.profile.or(run.profile),
        soak: short.soak.or(run.soak),
        seed: short.seed.or(run.seed),
        options: short.options.clone().or_else(|| run.options.clone()),
    }
}

fn settings(run: &Run) -> Settings {
    Settings {
        warmup: run.warmup.map(|it| it.0),
        duration: run.duration.map(|it| it.0),
        runs: run.runs.unwrap_or(RUNS),
        restart: run.restart.unwrap_or(Restart::Run),
        profile: run.profile.map(|it| it.0).filter(|it| *it > Nanos::ZERO),
        soak: run.soak.map(|it| it.0).filter(|it| *it > Nanos::ZERO),
        seed: run.seed.unwrap_or(1),
        options: run.options.clone().unwrap_or_default(),
    }
}

fn check_run(run: &Run, place: &FieldPath, diagnostics: &mut Diagnostics<'_>) {
    if run.runs.is_some_and(|runs| !(1..=RUNS_MAX).contains(&runs)) {
        diagnostics.add(&place.key("runs"), format!("a cell is measured 1 to {RUNS_MAX} times"));
    }
    if run.duration.is_some_and(|span| span.0 == Nanos::ZERO) {
        diagnostics.add(&place.key("duration"), "0 measures nothing: write a time such as \"10s\"");
    }
    if let Some(numbers) = &run.connections {
        check_connections(numbers, &place.key("connections"), diagnostics);
    }
}

fn check_connections(numbers: &[u32], place: &FieldPath, diagnostics: &mut Diagnostics<'_>) {
    if numbers.is_empty() {
        diagnostics.add(place, "the list is empty: write a number, or leave it out");
    }
    for (at, number) in numbers.iter().enumerate() {
        if !(1..=CONNECTIONS_MAX).contains(number) {
            let why = format!("a number of connections is 1 to {CONNECTIONS_MAX}");
            diagnostics.add(&place.index(at), why);
        }
        if numbers[..at].contains(number) {
            diagnostics.add(&place.index(at), format!("{number} is there twice: leave one out"));
        }
    }
}

fn check_name(name: &str, place: &FieldPath, diagnostics: &mut Diagnostics<'_>) {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if name.is_empty() || !name.chars().all(is_plain) || name.starts_with(['.', '-']) {
        let why = "a name of a folder: letters, digits, `.`, `-` and `_`, a letter or digit first";
        diagnostics.add(place, why);
    }
}

fn check_command(command: &str, place: &FieldPath, diagnostics: &mut Diagnostics<'_>) {
    if command.trim().is_empty() {
        diagnostics.add(place, "the command is empty: write one for a shell");
    }
}

fn check_file(
    file: &str,
    place: &FieldPath,
    context: &SuiteContext<'_>,
    diagnostics: &mut Diagnostics<'_>,
) {
    if !(context.exists)(file) {
        diagnostics.add(place, format!("there is no file `{file}` in the suite's folder"));
    }
}

fn cases(
    given: &SuiteFile,
    run: &Run,
    context: &SuiteContext<'_>,
    diagnostics: &mut Diagnostics<'_>,
) -> Vec<Case> {
    if given.scenario.is_empty() {
        let why = "the suite has no scenario: add [[scenario]] with a file";
        diagnostics.add(&FieldPath::top("scenario"), why);
    }
    let mut cases: Vec<Case> = Vec::new();
    for (at, scenario) in given.scenario.iter().enumerate() {
        let place = FieldPath::top("scenario").index(at);
        if scenario.needs.contains(&Need::Database) && given.database.is_none() {
            let why = "the suite has no database: add [database], or leave `needs` out";
            diagnostics.add(&place.key("needs"), why);
        }
        let new = cases_of(scenario, &place, run, context, diagnostics);
        if let Some(twice) = new.iter().find(|new| cases.iter().any(|it| it.name == new.name)) {
            let why = format!("there is a cell `{}` already: give it another `name`", twice.name);
            diagnostics.add(&place.key("file"), why);
        }
        cases.extend(new);
    }
    cases
}

fn cases_of(
    given: &SuiteScenario,
    place: &FieldPath,
    run: &Run,
    context: &SuiteContext<'_>,
    diagnostics: &mut Diagnostics<'_>,
) -> Vec<Case> {
    let stem = given.file.rsplit('/').next().unwrap_or_default();
    let stem = stem.strip_suffix(".toml").unwrap_or(stem).to_owned();
    let name = given.name.clone().unwrap_or(stem);
    check_name(&name, &place.key(if given.name.is_some() { "name" } else { "file" }), diagnostics);
    if let Some(numbers) = &given.connections {
        check_connections(numbers, &place.key("connections"), diagnostics);
    }
    if given.soak && given.check_only {
        let why = "a soak is a measurement: leave it or `check_only` out";
        diagnostics.add(&place.key("soak"), why);
    }
    let known = diagnostics.take(&place.key("file"), (context.flows)(&given.file));
    let flows: Vec<Option<String>> = match (&given.flows, known) {
        (Some(Flows::Each(_)), Some(known)) => known.into_iter().map(Some).collect(),
        (Some(Flows::Named(names)), known) => {
            let place = place.key("flows");
            if names.is_empty() {
                diagnostics.add(&place, "the list is empty: write a name, or leave it out");
            }
            for (at, name) in names.iter().enumerate() {
                if let Some(known) = known.as_ref().filter(|known| !known.contains(name)) {
                    let meant = did_you_mean(name, known.iter().map(String::as_str));
                    let why = format!("there is no flow `{name}`{meant}");
                    diagnostics.add(&place.index(at), why);
                }
            }
            names.iter().cloned().map(Some).collect()
        }
        _ => vec![None],
    };
    let numbers: Vec<Option<u32>> = match given.connections.as_ref().or(run.connections.as_ref()) {
        Some(numbers) => numbers.iter().copied().map(Some).collect(),
        None => vec![None],
    };
    let mut cases = Vec::new();
    for flow in &flows {
        for &connections in &numbers {
            let of_flow = flow.as_ref().map_or_else(String::new, |flow| format!("/{flow}"));
            let of_number = connections.filter(|_| numbers.len() > 1);
            let of_number = of_number.map_or_else(String::new, |it| format!("@{it}"));
            cases.push(Case {
                name: format!("{name}{of_flow}{of_number}"),
                scenario: name.clone(),
                category: given.category.clone().unwrap_or_else(|| name.clone()),
                file: given.file.clone(),
                flow: flow.clone(),
                connections,
                needs_database: given.needs.contains(&Need::Database),
                is_check_only: given.check_only,
                has_soak: given.soak,
                options: given.options.clone(),
            });
        }
    }
    cases
}

fn targets(
    given: &SuiteFile,
    cases: &[Case],
    diagnostics: &mut Diagnostics<'_>,
) -> Vec<TargetPlan> {
    let top = FieldPath::top("target");
    if given.target.is_empty() {
        let why = "the suite has no target: add [[target]] with a name, a command and a port";
        diagnostics.add(&top, why);
    }
    let common = limits(&given.limits, &FieldPath::top("limits"), diagnostics);
    let mut names = HashSet::new();
    let mut targets = Vec::new();
    for (at, target) in given.target.iter().enumerate() {
        let place = top.index(at);
        check_name(&target.name, &place.key("name"), diagnostics);
        if !names.insert(target.name.as_str()) {
            let why = format!("there is a target `{}` already: choose another name", target.name);
            diagnostics.add(&place.key("name"), why);
        }
        if cases.iter().any(|case| case.name == target.name || case.scenario == target.name) {
            let why = format!("`{}` is a scenario: choose another name", target.name);
            diagnostics.add(&place.key("name"), why);
        }
        targets.push(target_plan(target, &place, (common, cases), diagnostics));
    }
    targets
}

fn target_plan(
    given: &Target,
    place: &FieldPath,
    (common, cases): (ResourceLimits, &[Case]),
    diagnostics: &mut Diagnostics<'_>,
) -> TargetPlan {
    check_commands(given, place, diagnostics);
    if given.port == 0 {
        diagnostics.add(&place.key("port"), "a port is 1 to 65535");
    }
    if given.workers == Some(0) {
        diagnostics.add(&place.key("workers"), "at least 1");
    }
    for name in given.env.keys() {
        let place = place.key("env").key(name);
        if OWN_VARIABLES.contains(&name.as_str()) {
            let fix = match name.as_str() {
                "PORT" => "; write it in `port`",
                "WORKERS" => "; write it in `workers`",
                _ => "",
            };
            diagnostics.add(&place, format!("`{name}` is set by the suite: leave it out{fix}"));
        }
        if name.is_empty() || name.contains(['=', '\0']) {
            diagnostics.add(&place, "no name of an environment variable");
        }
    }
    for (name, why) in &given.lacks {
        let place = place.key("lacks").key(name);
        let is_of_a_case = cases.iter().any(|case| {
            let lacks = [(name.clone(), why.clone())].into();
            let one = TargetPlan { lacks, ..TargetPlan::default() };
            one.lack(case).is_some()
        });
        if !is_of_a_case && !cases.is_empty() {
            let meant = did_you_mean(name, cases.iter().map(|case| case.name.as_str()));
            diagnostics.add(&place, format!("there is no scenario or cell `{name}`{meant}"));
        }
        if why.trim().is_empty() {
            diagnostics.add(&place, "the reason is empty: say why the target cannot answer it");
        }
    }
    let limits = given.limits.as_ref().map(|it| limits(it, &place.key("limits"), diagnostics));
    TargetPlan {
        name: given.name.clone(),
        command: given.command.clone(),
        folder: given.folder.clone().unwrap_or_default(),
        env: given.env.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        port: given.port,
        health: given.health.clone(),
        ready_within: given.ready_within.map_or(READY_WITHIN, |span| span.0),
        stats: given.stats.clone(),
        workers: given.workers.unwrap_or(1),
        setup: given.setup.clone(),
        teardown: given.teardown.clone(),
        microbench: given.microbench.as_ref().map(|it| MicrobenchPlan {
            command: it.command.clone(),
            criterion: it.criterion.clone(),
        }),
        limits: limits.unwrap_or(common),
        lacks: given.lacks.clone(),
    }
}

/// The commands and paths of a target.
fn check_commands(given: &Target, place: &FieldPath, diagnostics: &mut Diagnostics<'_>) {
    check_command(&given.command, &place.key("command"), diagnostics);
    for (key, command) in [("setup", &given.setup), ("teardown", &given.teardown)] {
        if let Some(command) = command {
            check_command(command, &place.key(key), diagnostics);
        }
    }
    if let Some(microbench) = &given.microbench {
        let place = place.key("microbench");
        if let Some(command) = &microbench.command {
            check_command(command, &place.key("command"), diagnostics);
        }
        if microbench.criterion.is_empty() {
            let why = "the folder is empty: name Criterion's, such as target/criterion";
            diagnostics.add(&place.key("criterion"), why);
        }
    }
    for (key, path) in [("health", &given.health), ("stats", &given.stats)] {
        if path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            diagnostics.add(&place.key(key), "a path begins with `/`, such as /health");
        }
    }
}

fn text(value: &EnvValue) -> String {
    match value {
        EnvValue::Text(text) => text.clone(),
        EnvValue::Integer(number) => number.to_string(),
        EnvValue::Float(number) => number.to_string(),
        EnvValue::Bool(is_so) => is_so.to_string(),
    }
}

fn limits(given: &Limits, place: &FieldPath, diagnostics: &mut Diagnostics<'_>) -> ResourceLimits {
    if given.cpus.is_some_and(|cpus| !(CPUS_MIN..=CPUS_MAX).contains(&cpus)) {
        diagnostics
            .add(&place.key("cpus"), format!("a number of CPUs is {CPUS_MIN} to {CPUS_MAX}"));
    }
    let memory = given
        .memory
        .as_deref()
        .and_then(|text| diagnostics.take(&place.key("memory"), bytes(text)));
    ResourceLimits { cpus: given.cpus, memory }
}

/// `512M`, `512MB`, `512MiB` and `2G` are in steps of 1,024, as for control groups.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let expected = || format!("`{}` is no amount of memory: write 512M or 2G", text.escape_debug());
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.trim().trim_end_matches('B').trim_end_matches('i') {
        "" if !unit.contains('i') => 0,
        "K" | "k" => 10,
        "M" => 20,
        "G" => 30,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    let bytes = number.checked_mul(1 << shift).ok_or_else(expected)?;
    match bytes {
        MEMORY_MIN.. => Ok(bytes),
        _ => Err("no server runs in less than 1M: write 512M or 2G".to_owned()),
    }
}
