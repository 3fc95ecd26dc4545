//! From what was typed and what this machine is to a plan that can be executed.
//!
//! Everything that cannot work is found here, before anything is started: first what contradicts
//! itself (`Failure::Usage`), then what this machine does not have (the same), and last what the
//! network does not know (`Failure::CannotRun`). A URL and a scenario each say what they want;
//! one place makes a plan of it.

use uringbench_core::http::secrets::without_secrets;
use uringbench_core::http2::settings::Http2Settings;
use uringbench_core::plan::{
    Carrier, Closing, Connections, Engine, Limit, Limits, Load, Objective, Observe, Parts, Plan,
    Protocol, TIMEOUT_MAX, TIMEOUT_MIN, Target, Transport, WaitMode,
};
use uringbench_core::record::INTERVAL;
use uringbench_core::slo::Slo;
use uringbench_core::time::Nanos;
use uringbench_experiment::{Experiment, ProfilePlan, ResultPlace, profiling};
use uringbench_machine::cpu_set::CpuSet;
use uringbench_machine::cpus::{self, Candidates, CoreSpec, Topology};
use uringbench_machine::limits;
use uringbench_machine::target::{self, TargetLocation};

use crate::address;
use crate::args::{
    LoadArgs, MeasurementArgs, OutputArgs, ProfileArgs, RequestArgs, RunArgs, RunHistoryArgs, given,
};
use crate::exit::{Failure, usage};
use crate::grpc;
use crate::observers::FollowPlan;
use crate::postgres;
use crate::redis;
use crate::repeat::{self, Repeated};
use crate::scenario;
use crate::single;
use crate::store_place::StorePlace;
use crate::tls;
use crate::url::Url;
use crate::wanted::{Secrets, Wanted};

/// A run, and how it is shown.
#[derive(Debug)]
pub(crate) struct ResolvedRun {
    /// What is executed and stored.
    pub(crate) experiment: Experiment,
    /// What goes to stdout.
    pub(crate) format: Format,
    /// What goes to stderr meanwhile.
    pub(crate) progress: Progress,
    /// What follows it meanwhile.
    pub(crate) follow: FollowPlan,
}

/// The form of the result on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For a person.
    Text,
    /// One JSON document.
    Json,
}

/// Whether the run reports on stderr while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Once a second.
    Shown,
    /// Not at all.
    Hidden,
}

/// The longest time for an answer, unless another is given.
pub(crate) const TIMEOUT: Nanos = Nanos::from_secs(5);
const SLICE: Nanos = Nanos::from_millis(100);
const SLICED_MAX: Nanos = Nanos::from_secs(600);

const NO_URL: &str = "no URL given: try `uringbench http://127.0.0.1:8080/` or the file of a \
                      scenario, or `uringbench demo` for the built-in target (see `uringbench \
                      --help`)";

/// Decide everything about a run. Raises this process's limit of open files to what it may be.
pub(crate) fn resolve(args: &RunArgs) -> Result<ResolvedRun, Failure> {
    if let Some(run) = &args.again {
        return again(args, run);
    }
    let wanted = wanted(args)?;
    if !wanted.chaos.faults.is_empty() {
        return Err(usage(format!(
            "{0} has faults, which only `uringbench chaos {0}` injects",
            wanted.method
        )));
    }
    of_wanted(args, wanted)
}

/// The run that was typed, or is in the scenario's file.
pub(crate) fn wanted(args: &RunArgs) -> Result<Wanted, Failure> {
    let url = args.url.as_deref().ok_or_else(|| usage(NO_URL))?;
    let (is_redis, is_postgres) = (redis::is_redis(url), postgres::is_postgres(url));
    if !is_redis {
        redis::refuse(args)?;
    }
    if !is_postgres {
        postgres::refuse(args)?;
    }
    if let Some(command) = args.command.as_ref().filter(|_| !is_redis && !is_postgres) {
        return Err(usage(format!(
            "unexpected argument '{command}': one URL or scenario at a time; a command of \
             uringbench comes first, and one of a database behind a redis:// or postgres:// URL"
        )));
    }
    match scenario::named(url) {
        Some(file) => {
            grpc::refuse(args)?;
            scenario::wanted(args, &file)
        }
        None => single::wanted(args, url),
    }
}

/// Decide everything about this run on this machine.
pub(crate) fn of_wanted(args: &RunArgs, wanted: Wanted) -> Result<ResolvedRun, Failure> {
    let sampled = sampled(&args.profile)?;
    let (plan, target) = plan(args, &wanted, sampled.as_ref())?;
    let profile = with_cost(&args.profile, sampled, (&plan, &target))?;
    let Wanted { secrets, name, .. } = wanted;
    run_of(args, plan, (target, profile), (secrets, name))
}

/// The run of a stored plan: with its own load, and what is typed about its result.
fn again(args: &RunArgs, run: &str) -> Result<ResolvedRun, Failure> {
    let path = StorePlace::of(&args.history.store)?.run(run);
    let path = path.map_err(|why| usage(format!("--again: {why}")))?;
    let Repeated { plan, name, secrets } = repeat::plan(args, &path)?;
    if plan.observe.by_due.is_some() {
        return Err(usage(
            "--again: that run had faults, which are not stored: run `uringbench chaos` again",
        ));
    }
    Url::parse(&plan.target.url).map_err(Failure::Usage)?;
    let sampled = sampled(&args.profile)?;
    let count = plan.connections();
    let (idle, workers) = (plan.transport.connections.idle, plan.transport.cpus.len());
    let files = limits::raise_files();
    limits::check_files(count, idle, workers, plan.transport.carrier.engine(), files)
        .map_err(Failure::Usage)?;
    let plan = plan.with(|plan| plan.observe.slice = slice(sampled.as_ref(), plan.limits.window));
    let plan = plan.map_err(|why| usage(why.to_string()))?;
    let target = target::locate(&plan.peers());
    let profile = with_cost(&args.profile, sampled, (&plan, &target))?;
    run_of(args, plan, (target, profile), (secrets, name))
}

fn run_of(
    args: &RunArgs,
    plan: Plan,
    (target, profile): (TargetLocation, Option<ProfilePlan>),
    (secrets, own_name): (Secrets, Option<String>),
) -> Result<ResolvedRun, Failure> {
    let OutputArgs { json, out, quiet, name } = args.output.clone();
    let RunHistoryArgs { store, tags, keep_secrets } = args.history.clone();
    let store = StorePlace::of(&store)?;
    let history = store.history(out.is_some());
    Ok(ResolvedRun {
        experiment: Experiment {
            plan,
            name: name.or(own_name),
            tags,
            target,
            profile,
            chaos: None,
            secrets,
            keeps_secrets: keep_secrets,
            place: out.map_or(ResultPlace::Below(store.root), ResultPlace::Folder),
            history: Some(history),
        },
        format: if json { Format::Json } else { Format::Text },
        progress: if quiet { Progress::Hidden } else { Progress::Shown },
        follow: FollowPlan::of(&args.telemetry)?,
    })
}

/// The plan of what is wanted, on this machine, and where the target is.
fn plan(
    args: &RunArgs,
    wanted: &Wanted,
    profile: Option<&ProfilePlan>,
) -> Result<(Plan, TargetLocation), Failure> {
    let Wanted { url, connections, window, .. } = wanted;
    let timeout = timeout(&args.measurement)?;
    let tls = tls::plan(&args.tls, url, wanted.workload.is_http2())?;
    let mut objectives = slo(&args.measurement)?;
    objectives.extend_from_slice(&wanted.objectives);
    let given = &args.connection;
    let connections = Connections {
        count: *connections,
        idle: given.idle_connections.unwrap_or(0),
        requests: given.requests_per_connection,
        order: wanted.order,
        rate: given.connect_rate,
        write_rate: given.write_rate,
        http2: http2_settings(&args.request, wanted.workload.is_http2())?,
    };
    let allowed = cpus::allowed();
    let engine = args.load.engine.map_or(Engine::Ring, Engine::from);
    check_machine(&args.load, &connections, engine, &allowed)?;
    let route = address::route(given, url)?;
    let target = target::locate(&route.peers());
    let cpus = choose_cpus(&args.load, connections.count, &allowed, &target)?;
    let closing = given.close.map_or(Closing::Fin, Closing::from);
    let carrier = Carrier::new(engine, route, closing, given.read_rate)
        .map_err(|why| usage(why.to_string()))?;
    let plan = Plan::new(Parts {
        target: Target { url: url.to_string(), method: wanted.method.clone() },
        transport: Transport {
            carrier,
            cpus,
            wait: args.measurement.wait.map_or(WaitMode::Hybrid, WaitMode::from),
            connections,
        },
        protocol: tls.map_or(Protocol::Plain, Protocol::Tls),
        workload: wanted.workload.clone(),
        load: wanted.load.clone(),
        limits: Limits { window: *window, warmup: wanted.warmup, timeout },
        observe: Observe { slice: slice(profile, *window), objectives, by_due: None },
        seed: wanted.seed,
    });
    Ok((plan.map_err(|why| usage(why.to_string()))?, target))
}

/// What this side allows a target of HTTP/2.
fn http2_settings(args: &RequestArgs, is_http2: bool) -> Result<Http2Settings, Failure> {
    let options =
        [("--h2-table", args.h2_table.is_some()), ("--h2-window", args.h2_window.is_some())];
    if let Some(option) = given(&options).filter(|_| !is_http2) {
        return Err(usage(format!("{option} is for HTTP/2: add --http2, or leave it out")));
    }
    let usual = Http2Settings::default();
    Ok(Http2Settings {
        table: args.h2_table.unwrap_or(usual.table),
        window: args.h2_window.unwrap_or(usual.window),
    })
}

fn timeout(args: &MeasurementArgs) -> Result<Nanos, Failure> {
    let timeout = args.timeout.unwrap_or(TIMEOUT);
    (TIMEOUT_MIN..=TIMEOUT_MAX)
        .contains(&timeout)
        .then_some(timeout)
        .ok_or_else(|| usage(format!("--timeout {timeout} is out of range: 1ms to 1h")))
}

/// What was typed is about the whole run; a scenario may ask for more of its parts.
fn slo(args: &MeasurementArgs) -> Result<Vec<Objective>, Failure> {
    let parsed = args.slo.as_deref().map(str::parse::<Slo>).transpose();
    let limit = parsed.map_err(|why| usage(format!("--slo: {why}")))?;
    Ok(limit.map(|limit| Objective { limit, flow: None, step: None }).into_iter().collect())
}

/// The sampling that was asked for.
fn sampled(args: &ProfileArgs) -> Result<Option<ProfilePlan>, Failure> {
    let Some(target) = &args.profile else { return Ok(None) };
    let selector = target.parse().map_err(|why| usage(format!("--profile: {why}")))?;
    Ok(Some(ProfilePlan {
        selector,
        hz: Some(args.profile_hz.unwrap_or(profiling::HZ)),
        costs: args.cost,
        timeline_hz: args.timeline_hz.unwrap_or(profiling::TIMELINE_HZ),
        measures_overhead: args.profile_overhead,
        follows_memory: false,
        spike: args.spike,
    }))
}

/// With `--cost` the target is followed, whether it is sampled or not.
fn with_cost(
    args: &ProfileArgs,
    sampled: Option<ProfilePlan>,
    (plan, target): (&Plan, &TargetLocation),
) -> Result<Option<ProfilePlan>, Failure> {
    if !args.cost {
        return Ok(sampled);
    }
    if plan.load == Load::Closed {
        return Err(usage(
            "--cost needs -R: the cost of a request depends on the rate, which a closed loop does \
             not fix; add a rate below the target's limit, such as -R 1k",
        ));
    }
    let listeners = target.listeners();
    if sampled.is_none() && listeners.is_empty() {
        return Err(usage(format!(
            "--cost finds no process on this machine that listens for {}: name the target with \
             --profile, or run uringbench on its machine",
            without_secrets(&plan.target.url)
        )));
    }
    Ok(Some(sampled.unwrap_or_else(|| ProfilePlan::of_cost(listeners))))
}

/// A profile is cut by what happened within a second; a long run would have too many slices.
fn slice(profile: Option<&ProfilePlan>, limit: Limit) -> Nanos {
    let is_short = limit.duration().is_some_and(|span| span <= SLICED_MAX);
    if profile.is_some() && is_short { SLICE } else { INTERVAL }
}

/// What was asked for must be there before anything is started.
fn check_machine(
    args: &LoadArgs,
    connections: &Connections,
    engine: Engine,
    allowed: &CpuSet,
) -> Result<(), Failure> {
    let Connections { count, idle, .. } = *connections;
    let workers = match &args.cores {
        None => 1,
        Some(CoreSpec::Count(count)) => *count,
        Some(CoreSpec::List(list)) => list.len(),
    };
    if let Some(cores) = &args.cores {
        cpus::check(cores, allowed).map_err(Failure::Usage)?;
    }
    if (count as usize) < workers {
        return Err(usage(format!(
            "{workers} cores cannot share {count} connection{}: each needs at least one; \
             raise -c or lower --cores",
            if count == 1 { "" } else { "s" },
        )));
    }
    let limit = limits::raise_files();
    limits::check_files(count, idle, workers, engine, limit).map_err(Failure::Usage)
}

fn choose_cpus(
    args: &LoadArgs,
    connections: u32,
    allowed: &CpuSet,
    target: &TargetLocation,
) -> Result<Vec<usize>, Failure> {
    let topology = Topology::read(allowed);
    let target_cpus = target.cpus();
    let candidates = Candidates { allowed, topology: &topology, target: target_cpus.as_ref() };
    let chosen = cpus::choose(args.cores.as_ref(), candidates).map_err(Failure::Usage)?;
    if chosen.len() <= connections as usize {
        return Ok(chosen);
    }
    // Only a default can be more than the connections; what was asked for has been checked.
    let fewer = CoreSpec::Count(connections as usize);
    cpus::choose(Some(&fewer), candidates).map_err(Failure::Usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{self, Command, Typed};
    use uringbench_core::plan::{Arrivals, Load, Peer};
    use uringbench_core::rate::Rate;

    fn typed(line: &str) -> RunArgs {
        match args::parse(std::iter::once("uringbench").chain(line.split_whitespace())) {
            Ok(Typed::Command(Command::Run(args))) => *args,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn resolved(line: &str) -> ResolvedRun {
        resolve(&typed(line)).unwrap()
    }

    fn planned(line: &str) -> Plan {
        resolved(line).experiment.plan
    }

    #[test]
    fn defaults_make_a_closed_loop_of_ten_seconds() {
        let run = resolved("http://127.0.0.1:1/");
        let plan = &run.experiment.plan;
        assert_eq!(
            (&plan.load, plan.limits.window),
            (&Load::Closed, Limit::Duration(single::DURATION))
        );
        assert_eq!((plan.connections(), plan.workload.pipeline()), (64, 1));
        assert_eq!((plan.limits.warmup, plan.limits.timeout), (Nanos::SECOND, Nanos::from_secs(5)));
        assert_eq!(
            (plan.transport.carrier.engine(), plan.transport.wait),
            (Engine::Ring, WaitMode::Hybrid)
        );
        assert_eq!(plan.peers(), [Peer::Tcp("127.0.0.1:1".parse().unwrap())]);
        assert_eq!(plan.target.method, "GET");
        assert_eq!((run.format, run.progress), (Format::Text, Progress::Shown));
        assert!(!plan.transport.cpus.is_empty() && plan.transport.cpus.len() <= 64);
    }

    #[test]
    fn limits_decide_the_warm_up() {
        let cases = [
            ("-d 2s", Limit::Duration(Nanos::from_secs(2)), 200),
            ("-d 10m", Limit::Duration(Nanos::from_secs(600)), 5_000),
            ("-n 5", Limit::Requests(5), 0),
            ("-n 5 -d 1s", Limit::Either(Nanos::SECOND, 5), 0),
            ("-n 5 --warmup 1s", Limit::Requests(5), 1_000),
            ("-d 60 --warmup 0", Limit::Duration(Nanos::from_secs(60)), 0),
        ];
        for (options, limit, warmup) in cases {
            let plan = planned(&format!("{options} http://127.0.0.1/"));
            assert_eq!(
                (plan.limits.window, plan.limits.warmup),
                (limit, Nanos::from_millis(warmup)),
                "{options}"
            );
        }
    }

    #[test]
    fn a_rate_makes_an_open_loop_that_can_be_replayed() {
        let plan = planned("-R 1.5k --arrivals poisson --seed 7 --wait spin http://[::1]/");
        let rate = Rate::per_second(1_500).unwrap();
        assert_eq!(plan.load, Load::open(rate, Arrivals::Poisson));
        assert_eq!((plan.seed, plan.transport.wait), (7, WaitMode::Spin));
        assert_eq!(plan.peers(), [Peer::Tcp("[::1]:80".parse().unwrap())]);
    }

    #[test]
    fn an_engine_is_taken_by_name() {
        let engine = |name| {
            let plan = planned(&format!("--engine {name} http://127.0.0.1/"));
            plan.transport.carrier.engine()
        };
        assert_eq!(engine("ring"), Engine::Ring);
        assert_eq!(engine("monoio"), Engine::Monoio);
        assert_eq!(engine("tokio-uring"), Engine::TokioUring);
    }

    #[test]
    fn cores_never_outnumber_connections() {
        assert_eq!(planned("-c 1 http://127.0.0.1/").transport.cpus.len(), 1);
    }

    #[test]
    fn contradictions_are_usage_errors() {
        let cases = [
            ("-d 0 http://h/", "-d 0"),
            ("http://a/ http://b/", "unexpected argument 'http://b/'"),
            ("-c 8 run http://h/", "a command of uringbench comes first"),
            ("shop.toml PING", "unexpected argument 'PING'"),
            ("--resp3 shop.toml", "redis://"),
            ("--resp3 http://a/", "redis://"),
            ("--test get http://a/", "redis://"),
            ("redis://127.0.0.1/", "--test set,get"),
            ("--test get,set redis://127.0.0.1/", "several runs"),
            ("-r 9 redis://127.0.0.1/ PING", "for --test"),
            ("--data-size 9 redis://127.0.0.1/ PING", "for --test"),
            ("--seed 9 redis://127.0.0.1/ PING", "--seed"),
            ("--body x redis://127.0.0.1/ PING", "--body is for HTTP"),
            ("--write-rate 1k redis://127.0.0.1/ PING", "--write-rate"),
            ("redis://127.0.0.1/x PING", "no database"),
            ("redis://u@127.0.0.1/ PING", "without a password"),
            ("redis://127.0.0.1/ MONITOR", "one reply per command"),
            ("--builtin tpcb redis://127.0.0.1/", "postgres://"),
            ("--scale 2 postgres://u@127.0.0.1/ SELECT", "--scale has no effect"),
            ("--script /nowhere postgres://u@127.0.0.1/", "cannot read /nowhere"),
            ("--script /nowhere http://h/", "postgres://"),
            ("-M simple http://h/", "postgres://"),
            ("--resp3 postgres://u@127.0.0.1/ SELECT", "redis://"),
            ("postgres://u@127.0.0.1/", "--builtin select-only"),
            ("postgres://127.0.0.1/ SELECT", "no user"),
            ("postgres://u@127.0.0.1/ ;", "no statement"),
            ("postgres://u@127.0.0.1/ BEGIN", "add END"),
            ("postgres://u@127.0.0.1/ COPY", "COPY"),
            ("--builtin tpcb -p 2 postgres://u@127.0.0.1/", "without BEGIN"),
            ("-M simple --no-describe postgres://u@127.0.0.1/ SELECT", "--no-describe"),
            ("--seed 9 postgres://u@127.0.0.1/ SELECT", "--seed"),
            ("--body x postgres://u@127.0.0.1/ SELECT", "with PostgreSQL"),
            ("--write-rate 1k postgres://u@127.0.0.1/ SELECT", "--write-rate"),
            ("postgres://u@127.0.0.1/?sslmode=allow SELECT", "sslmode"),
            ("-p 257 http://h/", "256"),
            ("--timeout 0 http://h/", "1ms to 1h"),
            ("--timeout 2h http://h/", "1ms to 1h"),
            ("--arrivals poisson http://h/", "needs -R"),
            ("--seed 1 http://h/", "needs -R"),
            ("--slo p99<x http://h/", "--slo"),
            ("--engine monoio --close rst http://127.0.0.1/", "`--engine ring`"),
            ("--engine tokio-uring --source-ip 127.0.0.1 http://127.0.0.1/", "addresses"),
            ("--cores 9000 http://h/", "may use"),
            ("-c 4000M http://h/", "ulimit -n"),
        ];
        for (line, part) in cases {
            match resolve(&typed(line)) {
                Err(Failure::Usage(why)) => assert!(why.contains(part), "{line}: {why}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_name_without_an_address_cannot_be_run() {
        // RFC 6761: `.invalid` never resolves.
        match resolve(&typed("http://no-such-host.invalid/")) {
            Err(Failure::CannotRun(why)) => assert!(format!("{why}").contains("no-such-host")),
            other => panic!("{other:?}"),
        }
    }
}
