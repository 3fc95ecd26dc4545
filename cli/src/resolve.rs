//! From what was typed and what this machine is to a plan that can be executed.
//!
//! Everything that cannot work is found here, before anything is started: first what contradicts
//! itself (`Failure::Usage`), then what this machine does not have (the same), and last what the
//! network does not know (`Failure::CannotRun`).

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use uringbench_core::plan::{
    Arrivals, Closing, Engine, Limit, Load, Peer, Plan, ProxyVersion, StreamKind, StreamPlan,
    WaitMode,
};
use uringbench_core::record::INTERVAL;
use uringbench_core::slo::Slo;
use uringbench_core::time::Nanos;
use uringbench_scenario::plan::Objective;

use crate::args::{
    ConnectionArgs, FormField, FormValue, LoadArgs, MeasurementArgs, OutputArgs, ProfileArgs,
    RequestArgs, RunArgs, Sources, StreamArgs,
};
use crate::exit::Failure;
use crate::host::cpu_set::CpuSet;
use crate::host::cpus::{self, CoreSpec, Machine, Topology};
use crate::host::limits;
use crate::host::target::{self, Location};
use crate::profiling::{self, ProfilePlan};
use crate::request::{self, BuiltRequest};
use crate::scenario;
use crate::tls;
use crate::url::{Host, Url};

/// A plan, and what the command around it needs beside.
#[derive(Debug)]
pub(crate) struct ResolvedRun {
    /// What the engine executes.
    pub(crate) plan: Plan,
    /// What is loaded, as it is shown and stored.
    pub(crate) url: Url,
    /// The request's method, or the scenario's file.
    pub(crate) method: String,
    /// What is sampled of the target meanwhile.
    pub(crate) profile: Option<ProfilePlan>,
    /// Whether the run ends in a verdict on what the target keeps.
    pub(crate) is_soak: bool,
    /// The objective to judge by.
    pub(crate) slo: Option<Slo>,
    /// Those of a scenario, and what they are about.
    pub(crate) objectives: Vec<Objective>,
    /// Where the target is; its processes when on this machine.
    pub(crate) target: Location,
    /// The name the user gave this run.
    pub(crate) name: Option<String>,
    /// The folder for the result, when the user chose it.
    pub(crate) out: Option<PathBuf>,
    /// What goes to stdout.
    pub(crate) format: Format,
    /// What goes to stderr meanwhile.
    pub(crate) progress: Progress,
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

const CONNECTIONS: u32 = 64;
/// Of bodies that are made up: the same in every run unless asked otherwise.
const BODY_SEED: u64 = 1;
/// The path in a Unix socket's address, without the zero at its end (unix(7)).
const UNIX_PATH_MAX: usize = 107;
const DURATION: Nanos = Nanos::from_secs(10);
const WARMUP_MAX: Nanos = Nanos::from_secs(5);
const TIMEOUT: Nanos = Nanos::from_secs(5);
const SLICE: Nanos = Nanos::from_millis(100);
const SLICED_MAX: Nanos = Nanos::from_secs(600);
const TIMEOUT_MAX: Nanos = Nanos::from_secs(3_600);

/// Decide everything about a run. Raises this process's limit of open files to what it may be.
pub(crate) fn resolve(args: RunArgs) -> Result<ResolvedRun, Failure> {
    let url = args.url.as_deref().ok_or_else(|| usage(NO_URL))?;
    if let Some(file) = scenario::named(url) {
        return scenario::resolve(&args, &file);
    }
    let url = single(url, &args)?;
    let limit = limit(&args.load)?;
    let seed = args.load.seed.unwrap_or_else(seed_from_clock);
    let load = load(&args.load, is_made_up(&args.request))?;
    let pipeline = pipeline(&args.load)?;
    let warmup = warmup(&args.measurement, limit);
    let timeout = timeout(&args.measurement)?;
    let made_up = args.load.seed.unwrap_or(BODY_SEED);
    let BuiltRequest { method, request, websocket } = request::build(&args.request, &url, made_up)?;
    let stream = stream(&args.stream, &url)?;
    let tls = tls::plan(&args.tls, &url)?;
    let slo = slo(&args.measurement)?;
    let profile = profile(&args.profile)?;
    let connections = args.load.connections.unwrap_or(CONNECTIONS);
    let allowed = cpus::allowed();
    let idle = args.connection.idle_connections.unwrap_or(0);
    check_machine(&args.load, connections, idle, &allowed)?;
    let peers = peers(&args.connection, &url)?;
    let sources = sources(&args.connection, &peers)?;
    let target = target::locate(&peers);
    let cpus = choose_cpus(&args.load, connections, &allowed, &target)?;
    let plan = Plan {
        engine: args.load.engine.map_or(Engine::Ring, Engine::from),
        cpus,
        connections,
        pipeline,
        load,
        limit,
        warmup,
        timeout,
        wait: args.measurement.wait.map_or(WaitMode::Hybrid, WaitMode::from),
        seed,
        slice: slice(profile.as_ref(), limit),
        tls,
        per_connection: args.connection.requests_per_connection,
        sources,
        closing: args.connection.close.map_or(Closing::Fin, Closing::from),
        connection_order: args.connection.order().unwrap_or_default(),
        connect_rate: args.connection.connect_rate,
        idle,
        proxy: args.connection.proxy_protocol.map(ProxyVersion::from),
        read_rate: args.connection.read_rate,
        write_rate: args.connection.write_rate,
        websocket,
        stream,
        ..Plan::plain(peers[0].clone(), request)
    };
    let plan = Plan { peers, ..plan };
    uringbench_engine::check(&plan).map_err(|why| usage(why.to_string()))?;
    let OutputArgs { json, out, quiet, name } = args.output;
    Ok(ResolvedRun {
        plan,
        url,
        method,
        profile,
        is_soak: false,
        slo,
        objectives: Vec::new(),
        target,
        name,
        out,
        format: if json { Format::Json } else { Format::Text },
        progress: if quiet { Progress::Hidden } else { Progress::Shown },
    })
}

/// The URL, if it is one and nothing was typed that is for scenarios.
fn single(url: &str, args: &RunArgs) -> Result<Url, Failure> {
    if !url.contains("://") && Path::new(url).is_file() {
        return Err(usage(format!(
            "`{url}` is a file, not a URL: a scenario's name ends in .toml or .hurl; rename it, or \
             write http:// before a host of that name"
        )));
    }
    let parsed = Url::parse(url).map_err(Failure::Usage)?;
    if !args.file.variables.is_empty() {
        return Err(usage("--variable is for .hurl files: a URL has no variables"));
    }
    if args.file.target.is_some() || !args.file.flows.is_empty() {
        return Err(usage("--target and --flow are for scenario files: a URL is a single request"));
    }
    Ok(parsed)
}

const NO_URL: &str = "no URL given: try `uringbench http://127.0.0.1:8080/` or the file of a \
                      scenario, or `uringbench demo` for the built-in target (see `uringbench \
                      --help`)";

pub(crate) fn usage(line: impl Into<String>) -> Failure {
    Failure::Usage(line.into())
}

fn limit(args: &LoadArgs) -> Result<Limit, Failure> {
    if args.duration == Some(Nanos::ZERO) {
        return Err(usage("-d 0 measures nothing: give a duration such as 10s"));
    }
    Ok(match (args.duration, args.requests) {
        (None, None) => Limit::Duration(DURATION),
        (Some(duration), None) => Limit::Duration(duration),
        (None, Some(requests)) => Limit::Requests(requests),
        (Some(duration), Some(requests)) => Limit::Either(duration, requests),
    })
}

/// Whether anything sent is made up from a seed.
fn is_made_up(args: &RequestArgs) -> bool {
    let is_random = |field: &FormField| matches!(field.value, FormValue::Random(_));
    args.body_size.is_some() || args.form.iter().any(is_random)
}

fn load(args: &LoadArgs, is_made_up: bool) -> Result<Load, Failure> {
    let arrivals = args.arrivals.map_or(Arrivals::Constant, Arrivals::from);
    match args.rate {
        Some(rate) => Ok(Load::Open { rate, arrivals }),
        None if args.arrivals.is_some() => Err(usage(
            "--arrivals needs -R: only an open loop has arrivals; add a rate such as -R 10k",
        )),
        None if args.seed.is_some() && !is_made_up => Err(usage(
            "--seed needs -R or --body-size: only the arrivals of an open loop and bodies that \
             are made up are random; add a rate such as -R 10k --arrivals poisson",
        )),
        None => Ok(Load::Closed),
    }
}

fn pipeline(args: &LoadArgs) -> Result<u16, Failure> {
    let asked = args.pipeline.unwrap_or(1);
    u16::try_from(asked).ok().filter(|&pipeline| pipeline <= Plan::PIPELINE_MAX).ok_or_else(|| {
        usage(format!("-p {asked} is too deep: at most {} per connection", Plan::PIPELINE_MAX))
    })
}

/// A tenth of the window is enough to open connections and fill caches; counting exactly N
/// requests leaves no room for others before them.
fn warmup(args: &MeasurementArgs, limit: Limit) -> Nanos {
    match (args.warmup, limit) {
        (Some(warmup), _) => warmup,
        (None, Limit::Duration(duration)) => WARMUP_MAX.min(Nanos(duration.0 / 10)),
        (None, Limit::Requests(_) | Limit::Either(..)) => Nanos::ZERO,
    }
}

pub(crate) fn timeout(args: &MeasurementArgs) -> Result<Nanos, Failure> {
    let timeout = args.timeout.unwrap_or(TIMEOUT);
    let allowed = Nanos::MILLISECOND..=TIMEOUT_MAX;
    allowed
        .contains(&timeout)
        .then_some(timeout)
        .ok_or_else(|| usage(format!("--timeout {timeout} is out of range: 1ms to 1h")))
}

fn stream(args: &StreamArgs, url: &Url) -> Result<Option<StreamPlan>, Failure> {
    let kind = match (args.sse, args.stream) {
        (true, _) => StreamKind::Events,
        (false, true) => StreamKind::Arrivals,
        (false, false) if args.stall.is_some() || args.events.is_some() => {
            return Err(usage("--stall and --events are about streams: add --sse or --stream"));
        }
        (false, false) => return Ok(None),
    };
    if url.scheme.is_websocket() {
        return Err(usage("--sse and --stream are about answers of HTTP: use http:// or https://"));
    }
    let stall = args.stall.unwrap_or(Nanos::SECOND);
    Ok(Some(StreamPlan { kind, stall, events_max: args.events }))
}

pub(crate) fn slo(args: &MeasurementArgs) -> Result<Option<Slo>, Failure> {
    let parsed = args.slo.as_deref().map(str::parse::<Slo>).transpose();
    parsed.map_err(|why| usage(format!("--slo: {why}")))
}

pub(crate) fn profile(args: &ProfileArgs) -> Result<Option<ProfilePlan>, Failure> {
    let Some(target) = &args.profile else { return Ok(None) };
    let selector = target.parse().map_err(|why| usage(format!("--profile: {why}")))?;
    Ok(Some(ProfilePlan {
        selector,
        hz: args.profile_hz.unwrap_or(profiling::HZ),
        timeline_hz: args.timeline_hz.unwrap_or(profiling::TIMELINE_HZ),
        measures_overhead: args.profile_overhead,
        follows_memory: false,
        spike: args.spike,
    }))
}

/// A profile is cut by what happened within a second; a long run would have too many slices.
pub(crate) fn slice(profile: Option<&ProfilePlan>, limit: Limit) -> Nanos {
    let is_short = limit.duration().is_some_and(|span| span <= SLICED_MAX);
    if profile.is_some() && is_short { SLICE } else { INTERVAL }
}

/// 32 bits are enough to tell runs apart, and short enough to type again.
pub(crate) fn seed_from_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos()) ^ (now.as_secs() & 0xffff_ffff)
}

/// What was asked for must be there before anything is started.
pub(crate) fn check_machine(
    args: &LoadArgs,
    connections: u32,
    idle: u32,
    allowed: &CpuSet,
) -> Result<(), Failure> {
    let workers = match &args.cores {
        None => 1,
        Some(CoreSpec::Count(count)) => *count,
        Some(CoreSpec::List(list)) => list.len(),
    };
    if let Some(cores) = &args.cores {
        cpus::check(cores, allowed).map_err(Failure::Usage)?;
    }
    if (connections as usize) < workers {
        return Err(usage(format!(
            "{workers} cores cannot share {connections} connection{}: each needs at least one; \
             raise -c or lower --cores",
            if connections == 1 { "" } else { "s" },
        )));
    }
    let engine = args.engine.map_or(Engine::Ring, Engine::from);
    let limit = limits::raise_files();
    limits::check_files(connections, idle, workers, engine, limit).map_err(Failure::Usage)
}

pub(crate) fn choose_cpus(
    args: &LoadArgs,
    connections: u32,
    allowed: &CpuSet,
    target: &Location,
) -> Result<Vec<usize>, Failure> {
    let topology = Topology::read(allowed);
    let target_cpus = target.cpus();
    let machine = Machine { allowed, topology: &topology, target: target_cpus.as_ref() };
    let chosen = cpus::choose(args.cores.as_ref(), machine).map_err(Failure::Usage)?;
    if chosen.len() <= connections as usize {
        return Ok(chosen);
    }
    // Only a default can be more than the connections; what was asked for has been checked.
    let fewer = CoreSpec::Count(connections as usize);
    cpus::choose(Some(&fewer), machine).map_err(Failure::Usage)
}

/// Where connections go: every address of the host, or a Unix socket.
pub(crate) fn peers(args: &ConnectionArgs, url: &Url) -> Result<Vec<Peer>, Failure> {
    if let Some(path) = &args.unix {
        let shown = path.display();
        let kind = std::fs::metadata(path)
            .map_err(|why| usage(format!("--unix {shown} cannot be used: {why}")))?
            .file_type();
        if !kind.is_socket() {
            return Err(usage(format!("--unix {shown} is not a socket: name the target's socket")));
        }
        if path.as_os_str().len() > UNIX_PATH_MAX {
            return Err(usage(format!(
                "--unix {shown} is longer than {UNIX_PATH_MAX} bytes, the most a socket's address \
                 has: use a shorter path, such as a link to its folder"
            )));
        }
        return Ok(vec![Peer::Unix(path.clone())]);
    }
    let (host, port) = address(args, url)?;
    Ok(look_up(&host, port)?.into_iter().map(Peer::Tcp).collect())
}

/// Where connections go: the URL's host, or the one named instead.
fn address(args: &ConnectionArgs, url: &Url) -> Result<(Host, u16), Failure> {
    let Some(given) = &args.connect_to else { return Ok((url.host.clone(), url.port)) };
    let bad = || usage(format!("--connect-to {given:?} is not HOST:PORT, such as 10.0.0.5:8443"));
    if given.contains(['/', '?', '#', '@']) || !given.contains(':') {
        return Err(bad());
    }
    let other = Url::parse(&format!("http://{given}/")).map_err(|_| bad())?;
    Ok((other.host, other.port))
}

/// The addresses connections come from, each of which must be this machine's.
pub(crate) fn sources(args: &ConnectionArgs, peers: &[Peer]) -> Result<Vec<IpAddr>, Failure> {
    let Some(Sources(sources)) = &args.source_ip else {
        let is_told = args.proxy_protocol.is_some();
        return if is_told { own_addresses(peers) } else { Ok(Vec::new()) };
    };
    for source in sources {
        let is_of_kind = |peer: &Peer| match peer {
            Peer::Tcp(address) => address.is_ipv4() == source.is_ipv4(),
            Peer::Unix(_) => false,
        };
        if !peers.iter().any(is_of_kind) {
            return Err(usage(format!(
                "--source-ip {source} cannot reach {}: use addresses of its kind",
                peers[0]
            )));
        }
        if let Err(why) = UdpSocket::bind(SocketAddr::new(*source, 0)) {
            return Err(usage(format!(
                "--source-ip {source} is not an address of this machine ({why}): add it \
                 (`ip address add {source} dev …`), or use 127.0.0.2 and following for loopback"
            )));
        }
    }
    Ok(sources.clone())
}

/// The addresses this machine reaches its peers from, for a PROXY header to tell.
fn own_addresses(peers: &[Peer]) -> Result<Vec<IpAddr>, Failure> {
    let mut own = Vec::new();
    for peer in peers {
        let Peer::Tcp(peer) = peer else { continue };
        let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        // Nothing is sent by this: it only looks up the route.
        let local = UdpSocket::bind(any)
            .and_then(|socket| socket.connect(peer).and_then(|()| socket.local_addr()))
            .with_context(|| format!("there is no route to {peer}"))?;
        if !own.contains(&local.ip()) {
            own.push(local.ip());
        }
    }
    Ok(own)
}

/// Who has a proxy set may expect names to be looked up by it.
fn proxies_unused() -> String {
    const VARIABLES: [&str; 6] =
        ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let is_set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    VARIABLES.iter().find(is_set).map_or_else(String::new, |name| {
        format!("; {name} is set, but uringbench connects to the target itself and uses no proxy")
    })
}

/// Every address of the host, once each, in the resolver's order.
fn look_up(host: &Host, port: u16) -> anyhow::Result<Vec<SocketAddr>> {
    let name = match host {
        Host::Address(address) => return Ok(vec![SocketAddr::new(*address, port)]),
        Host::Name(name) => name,
    };
    let found = (name.as_str(), port).to_socket_addrs().with_context(|| {
        let remedy = match name.ends_with(".toml") {
            true => "to run a scenario of that name, leave out http://",
            false => "check the name, or use its address",
        };
        format!("cannot look up `{name}`; {remedy}{}", proxies_unused())
    })?;
    let mut seen = HashSet::new();
    let peers: Vec<SocketAddr> = found.filter(|peer| seen.insert(*peer)).collect();
    if peers.is_empty() {
        bail!("`{name}` has no address; check the name, or use an address");
    }
    Ok(peers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{self, Command, Typed};
    use uringbench_core::rate::Rate;

    fn typed(line: &str) -> RunArgs {
        match args::parse(std::iter::once("uringbench").chain(line.split_whitespace())) {
            Ok(Typed::Command(Command::Run(args))) => *args,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn resolved(line: &str) -> ResolvedRun {
        resolve(typed(line)).unwrap()
    }

    #[test]
    fn defaults_make_a_closed_loop_of_ten_seconds() {
        let run = resolved("http://127.0.0.1:1/");
        let plan = &run.plan;
        assert_eq!((plan.load, plan.limit), (Load::Closed, Limit::Duration(DURATION)));
        assert_eq!((plan.connections, plan.pipeline), (64, 1));
        assert_eq!((plan.warmup, plan.timeout), (Nanos::SECOND, Nanos::from_secs(5)));
        assert_eq!((plan.engine, plan.wait), (Engine::Ring, WaitMode::Hybrid));
        assert_eq!(plan.peers, [Peer::Tcp("127.0.0.1:1".parse().unwrap())]);
        assert_eq!(run.method, "GET");
        assert_eq!((run.format, run.progress), (Format::Text, Progress::Shown));
        assert!(!plan.cpus.is_empty() && plan.cpus.len() <= 64);
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
            let plan = resolved(&format!("{options} http://127.0.0.1/")).plan;
            assert_eq!((plan.limit, plan.warmup), (limit, Nanos::from_millis(warmup)), "{options}");
        }
    }

    #[test]
    fn a_rate_makes_an_open_loop_that_can_be_replayed() {
        let plan = resolved("-R 1.5k --arrivals poisson --seed 7 --wait spin http://[::1]/").plan;
        let rate = Rate::per_second(1_500).unwrap();
        assert_eq!(plan.load, Load::Open { rate, arrivals: Arrivals::Poisson });
        assert_eq!((plan.seed, plan.wait), (7, WaitMode::Spin));
        assert_eq!(plan.peers, [Peer::Tcp("[::1]:80".parse().unwrap())]);
    }

    #[test]
    fn an_engine_is_taken_by_name() {
        let engine = |name| resolved(&format!("--engine {name} http://127.0.0.1/")).plan.engine;
        assert_eq!(engine("ring"), Engine::Ring);
        assert_eq!(engine("monoio"), Engine::Monoio);
        assert_eq!(engine("tokio-uring"), Engine::TokioUring);
    }

    #[test]
    fn cores_never_outnumber_connections() {
        assert_eq!(resolved("-c 1 http://127.0.0.1/").plan.cpus.len(), 1);
    }

    #[test]
    fn contradictions_are_usage_errors() {
        let cases = [
            ("-d 0 http://h/", "-d 0"),
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
            match resolve(typed(line)) {
                Err(Failure::Usage(why)) => assert!(why.contains(part), "{line}: {why}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_name_without_an_address_cannot_be_run() {
        // RFC 6761: `.invalid` never resolves.
        match resolve(typed("http://no-such-host.invalid/")) {
            Err(Failure::CannotRun(why)) => assert!(format!("{why}").contains("no-such-host")),
            other => panic!("{other:?}"),
        }
    }
}
