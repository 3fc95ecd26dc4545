//! Parses and checks scenario files, and takes the settings of a run from them.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uringbench_core::flow::script::{Data, RowOrder, Script};
use uringbench_core::http::quote;
use uringbench_core::plan::{Arrivals, Course, Limit, Load, PIPELINE_MAX, Workload};
use uringbench_core::rate_profile::Segment;
use uringbench_core::time::Nanos;
use uringbench_document::{Secret, SecretName, SecretTable};
use uringbench_import::hurl;
use uringbench_scenario::plan::{CompiledScenario, DataSource};
use uringbench_scenario::{Context, compile};

use crate::args::{FileArgs, RunArgs, given, given_of_request};
use crate::console;
use crate::exit::{Failure, usage};
use crate::request::read_body;
use crate::single;
use crate::url::Url;
use crate::wanted::{self, Secrets, Wanted};

/// Streams on each connection of an open loop over HTTP/2: RFC 9113 section 6.5.2 recommends that
/// targets allow no fewer.
const STREAMS: u16 = 100;

/// The extension of Hurl files.
const HURL: &str = ".hurl";

/// The file, if the argument in place of a URL names a scenario or a Hurl file.
pub(crate) fn named(text: &str) -> Option<PathBuf> {
    let lower = text.to_ascii_lowercase();
    let is_named = !text.contains("://") && (lower.ends_with(".toml") || lower.ends_with(HURL));
    is_named.then(|| PathBuf::from(text))
}

/// The plan of a file, or its mistakes, each with its place at the start. With `target` its
/// requests go there instead; `variables` are those of a Hurl file.
pub(crate) fn load(
    file: &Path,
    target: Option<&str>,
    variables: &[(String, String)],
) -> Result<CompiledScenario, Vec<String>> {
    load_with(file, target, variables, &|name| std::env::var(name).ok())
}

/// The same, with environment variables from `env`.
fn load_with(
    file: &Path,
    target: Option<&str>,
    variables: &[(String, String)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<CompiledScenario, Vec<String>> {
    if let Some(target) = target {
        authority(target).map_err(|why| vec![format!("--target: {why}")])?;
    }
    let shown = file.display();
    let mut text = fs::read_to_string(file)
        .map_err(|why| vec![format!("{shown} cannot be read: {why}; name a scenario file")])?;
    if text.contains("\n[[scenario]]") && text.contains("\n[[target]]") {
        return Err(vec![format!("{shown} is a suite: write `uringbench suite {shown}`")]);
    }
    let mut beside = Vec::new();
    if file.to_string_lossy().to_ascii_lowercase().ends_with(HURL) {
        let imported =
            hurl::import(&text, variables).map_err(|why| vec![format!("{shown}: {why}")])?;
        for note in imported.notes() {
            console::note(&format!("uringbench: {shown}: {note}"));
        }
        text = imported.toml();
        beside.extend_from_slice(imported.files());
    }
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let context = Context {
        target,
        read: &|name| match beside.iter().find(|file| file.name == name) {
            Some(file) => Ok(file.bytes.clone()),
            None => read_body("file", &folder.join(name)),
        },
        env,
        authority: &authority,
    };
    compile(&text, &context).map_err(|diagnostics| {
        diagnostics.iter().map(|diagnostic| format!("{shown}:{diagnostic}")).collect()
    })
}

/// Prints every mistake as a line, except the last, which becomes the failure.
pub(crate) fn one_by_one(mut mistakes: Vec<String>) -> Failure {
    let last = mistakes.pop().unwrap_or_default();
    for mistake in mistakes {
        console::note(&format!("uringbench: {}", Failure::Usage(mistake)));
    }
    Failure::Usage(last)
}

fn authority(target: &str) -> Result<String, String> {
    let url = Url::parse(target)?;
    if url.scheme.is_websocket() || url.scheme.is_database() {
        return Err("scenarios speak HTTP: write http:// or https://".to_owned());
    }
    if url.path != "/" {
        return Err(format!("the target has no path: put `{}` into the steps", url.path));
    }
    Ok(url.authority())
}

/// The settings of a run for the scenario in `file`. Options of the command line take precedence
/// over the file.
pub(crate) fn wanted(args: &RunArgs, file: &Path) -> Result<Wanted, Failure> {
    refuse_what_the_file_says(args)?;
    let FileArgs { target, flows, variables } = &args.file;
    let secrets = RefCell::new(Vec::new());
    let env = |name: &str| {
        let value = std::env::var(name).ok()?;
        let name = SecretName::Env(name.to_owned());
        secrets.borrow_mut().push(Secret { name, value: value.clone() });
        Some(value)
    };
    let loaded = load_with(file, target.as_deref(), variables, &env);
    let mut scenario = loaded.map_err(one_by_one)?;
    secrets.borrow_mut().extend(variables.iter().map(|(name, value)| Secret {
        name: SecretName::Variable(name.clone()),
        value: value.clone(),
    }));
    scenario.keep_flows(flows).map_err(|why| usage(format!("--flow: {why}")))?;
    let url = Url::parse(&scenario.target).map_err(Failure::Usage)?;
    let typed = &args.load;
    let duration = typed.duration.unwrap_or(scenario.duration);
    if duration == Nanos::ZERO {
        return Err(usage("-d 0 measures nothing: give a duration such as 10s"));
    }
    let warmup = args.measurement.warmup.unwrap_or(scenario.warmup);
    let load = pace(args, &scenario, warmup)?;
    let connections = typed.connections.unwrap_or(scenario.connections);
    let users = users(&load, &scenario, connections)?;
    let objectives = scenario.objectives.clone();
    let chaos = scenario.chaos.clone();
    let order = args.connection.order().unwrap_or(scenario.connection_order);
    let texts = secrets.into_inner();
    let secrets = Secrets { texts, tables: secret_tables(file, &scenario.sources) };
    let streams = streams(args, &scenario, (users, connections))?;
    let script = script(scenario, users, load == Load::Replay);
    let script = over(script, streams, typed.pipeline.is_some());
    Ok(Wanted {
        url,
        method: file.display().to_string(),
        workload: Workload::Script(Arc::new(script)),
        load,
        window: Limit::Duration(duration),
        warmup,
        connections,
        order,
        seed: typed.seed.unwrap_or_else(wanted::seed_from_clock),
        objectives,
        chaos,
        name: name_of(file, flows),
        secrets,
    })
}

/// Tables with a column whose values may be secrets.
fn secret_tables(scenario: &Path, sources: &[DataSource]) -> Vec<SecretTable> {
    let folder = scenario.parent().unwrap_or_else(|| Path::new(""));
    let is_secret = |column: &String| {
        let column = column.to_ascii_lowercase();
        quote::is_secret(column.as_bytes()) || column.contains("pass") || column.contains("pwd")
    };
    let tables = sources.iter().enumerate();
    let secret = tables.filter(|(_, source)| source.columns.iter().any(is_secret));
    secret
        .filter_map(|(table, source)| {
            // Generated rows are no secret: the file of the scenario makes them again.
            let path = folder.join(source.file.as_ref()?);
            let path = std::path::absolute(&path).unwrap_or(path);
            Some(SecretTable { file: path.display().to_string(), table })
        })
        .collect()
}

/// The users of a closed loop.
fn users(
    load: &Load,
    scenario: &CompiledScenario,
    connections: u32,
) -> Result<Option<u32>, Failure> {
    let users = match load {
        // By default a file has as many users as connections.
        Load::Closed if scenario.users == scenario.connections => connections,
        Load::Closed => scenario.users,
        Load::Open { .. } | Load::Replay => return Ok(None),
    };
    if scenario.has_own_connections && users > connections {
        return Err(usage(format!(
            "{users} users cannot each have one of {connections} connections: raise -c, or leave \
             out `own_connections`"
        )));
    }
    Ok(Some(users))
}

/// Streams on each connection; `None` over HTTP/1.1, where each user waits for its answers.
fn streams(
    args: &RunArgs,
    scenario: &CompiledScenario,
    (users, connections): (Option<u32>, u32),
) -> Result<Option<u16>, Failure> {
    if !scenario.is_http2 && !args.request.http2 {
        if args.load.pipeline.is_some() {
            return Err(usage(
                "-p is for a single URL or for HTTP/2: each user of a scenario waits for its \
                 answers; give more users in the file, or `http = 2`",
            ));
        }
        return Ok(None);
    }
    if scenario.has_own_connections && args.load.pipeline.is_some() {
        return Err(usage(
            "-p is for users that share connections: leave it or `own_connections` out",
        ));
    }
    let most = PIPELINE_MAX.into();
    let needed = match users {
        _ if scenario.has_own_connections => 1,
        Some(users) => users.div_ceil(connections.max(1)).clamp(1, most) as u16,
        None => STREAMS,
    };
    single::pipeline(&args.load, needed).map(Some)
}

/// The script with so many streams on each connection, if there are any.
fn over(script: Script, streams: Option<u16>, is_asked_for: bool) -> Script {
    match streams {
        Some(streams) if is_asked_for => script.over_http2(streams),
        Some(streams) => script.over_http2(streams).with_usual_streams(),
        None => script,
    }
}

/// The name of the file, and the flows selected from it.
fn name_of(file: &Path, flows: &[String]) -> Option<String> {
    let stem = file.file_stem()?.to_string_lossy().into_owned();
    Some(flows.iter().fold(stem, |name, flow| format!("{name}-{flow}")))
}

/// Rejects options that describe a request, or that do not apply to a scenario. Reports the first
/// of them.
fn refuse_what_the_file_says(args: &RunArgs) -> Result<(), Failure> {
    if let Some(option) = given_of_request(&args.request, &args.stream) {
        return Err(usage(format!(
            "{option} is for a single URL: a scenario says in its steps what is sent and what \
             comes; write it there"
        )));
    }
    let of_url = [
        ("--idle-connections", args.connection.idle_connections.is_some()),
        ("--read-rate", args.connection.read_rate.is_some()),
        ("--write-rate", args.connection.write_rate.is_some()),
        ("--proxy-protocol", args.connection.proxy_protocol.is_some()),
    ];
    if let Some(option) = given(&of_url) {
        return Err(usage(format!(
            "{option} is for a single URL: leave it out, or load a URL with it beside the scenario"
        )));
    }
    if args.load.requests.is_some() {
        return Err(usage(
            "-n is for a single URL: a scenario lasts for a time; give it with -d, such as -d 10s",
        ));
    }
    Ok(())
}

/// When flows begin, and how their rate changes.
fn pace(args: &RunArgs, scenario: &CompiledScenario, warmup: Nanos) -> Result<Load, Failure> {
    let typed = args.load.arrivals.map(Arrivals::from);
    if let Some(rate) = args.load.rate {
        return Ok(Load::open(rate, typed.unwrap_or(Arrivals::Constant)));
    }
    let mut load = scenario.load.clone();
    match &mut load {
        Load::Open { rate, arrivals, course } => {
            *arrivals = typed.unwrap_or(*arrivals);
            if let Course::Segments(segments) = course
                && warmup > Nanos::ZERO
            {
                segments.insert(0, Segment::even(warmup, Some(*rate)));
            }
        }
        _ if typed.is_some() => {
            return Err(usage("--arrivals needs -R here: the scenario has no rate"));
        }
        Load::Closed | Load::Replay => {}
    }
    Ok(load)
}

fn script(scenario: CompiledScenario, users: Option<u32>, is_replay: bool) -> Script {
    let data = |(table, order)| match order {
        RowOrder::Replayed if !is_replay => Data { table, order: RowOrder::Shared },
        order => Data { table, order },
    };
    let data = scenario.tables.into_iter().zip(scenario.orders).map(data).collect();
    let parts = (scenario.on_start, scenario.flows, scenario.on_end);
    let script = Script::new(parts, data, scenario.captures.len(), users).to(&scenario.authority);
    let script = if scenario.has_own_connections { script.with_own_connections() } else { script };
    match scenario.replay {
        Some(replay) if is_replay => script.replaying(replay),
        _ => script,
    }
}
