//! A single URL: the run that its options describe.

use std::path::Path;

use uringbench_core::plan::{
    Answers, Arrivals, HttpVersion, Limit, Load, PIPELINE_MAX, StreamKind, StreamPlan, Workload,
};
use uringbench_core::time::Nanos;

use crate::args::{
    FormField, FormValue, LoadArgs, MeasurementArgs, RequestArgs, RunArgs, StreamArgs,
};
use crate::exit::{Failure, usage};
use crate::grpc;
use crate::login::{self, UrlLogin};
use crate::postgres;
use crate::redis;
use crate::request::{self, BuiltRequest};
use crate::url::Url;
use crate::wanted::{self, Secrets, Wanted};

const CONNECTIONS: u32 = 64;
/// Seed of generated bodies: the same in every run unless `--seed` is given.
const BODY_SEED: u64 = 1;
pub(crate) const DURATION: Nanos = Nanos::from_secs(10);
const WARMUP_MAX: Nanos = Nanos::from_secs(5);

/// The run described for `url`.
pub(crate) fn wanted(args: &RunArgs, url: &str) -> Result<Wanted, Failure> {
    let is_database = redis::is_redis(url) || postgres::is_postgres(url);
    let given = if is_database { login::taken_out(url)? } else { UrlLogin::of(url) };
    let mut url = single(&given.url, args)?;
    if let Some(call) = &args.grpc.call {
        return calls(args, call, url);
    }
    grpc::refuse(args)?;
    let load = load(&args.load, is_database || is_made_up(&args.request))?;
    let made_up = args.load.seed.unwrap_or(BODY_SEED);
    let BuiltRequest { method, mut workload } = if url.scheme.is_redis() {
        redis::build(args, &url.path, given)?
    } else if url.scheme.is_postgres() {
        postgres::with_tls(&mut url)?;
        postgres::build(args, &url.path, given)?
    } else {
        request::build(&args.request, &url, made_up)?
    };
    if args.request.http2 {
        let Workload::Requests(requests) = &mut workload else {
            return Err(usage(
                "--http2 does not carry WebSockets yet: use http:// or https://, or leave it out",
            ));
        };
        requests.version = HttpVersion::Http2;
    }
    if let (Some(stream), Workload::Requests(requests)) =
        (stream(&args.stream, &url)?, &mut workload)
    {
        requests.answers = Answers::Stream(stream);
    }
    of_request(args, url, BuiltRequest { method, workload }, (load, Secrets::default()))
}

/// The calls of gRPC described for `url`.
fn calls(args: &RunArgs, call: &str, url: Url) -> Result<Wanted, Failure> {
    let grpc::BuiltCalls { request, path, secrets } = grpc::build(args, call, &url)?;
    let load = load(&args.load, false)?;
    let secrets = Secrets { texts: secrets, ..Secrets::default() };
    of_request(args, Url { path, ..url }, request, (load, secrets))
}

fn of_request(
    args: &RunArgs,
    url: Url,
    BuiltRequest { method, mut workload }: BuiltRequest,
    (load, secrets): (Load, Secrets),
) -> Result<Wanted, Failure> {
    let window = limit(&args.load)?;
    workload.set_pipeline(pipeline(&args.load, 1)?);
    Ok(Wanted {
        url,
        method,
        workload,
        load,
        window,
        warmup: warmup(&args.measurement, window),
        connections: args.load.connections.unwrap_or(CONNECTIONS),
        order: args.connection.order().unwrap_or_default(),
        seed: args.load.seed.unwrap_or_else(wanted::seed_from_clock),
        objectives: Vec::new(),
        chaos: uringbench_scenario::chaos_plan(),
        name: None,
        secrets,
    })
}

/// The URL, if it is one and no option for scenarios was given.
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

/// Whether any sent bytes are generated from a seed.
fn is_made_up(args: &RequestArgs) -> bool {
    let is_random = |field: &FormField| matches!(field.value, FormValue::Random(_));
    args.body_size.is_some() || args.form.iter().any(is_random)
}

fn load(args: &LoadArgs, is_made_up: bool) -> Result<Load, Failure> {
    let arrivals = args.arrivals.map_or(Arrivals::Constant, Arrivals::from);
    match args.rate {
        Some(rate) => Ok(Load::open(rate, arrivals)),
        None if args.arrivals.is_some() => Err(usage(
            "--arrivals needs -R: only an open loop has arrivals; add a rate such as -R 10k",
        )),
        None if args.seed.is_some() && !is_made_up => Err(usage(
            "--seed needs -R or --body-size: only the arrivals of an open loop and generated \
             bodies are random; add a rate such as -R 10k --arrivals poisson",
        )),
        None => Ok(Load::Closed),
    }
}

/// Requests in flight on a connection: as asked, or so many.
pub(crate) fn pipeline(args: &LoadArgs, usual: u16) -> Result<u16, Failure> {
    let asked = args.pipeline.unwrap_or_else(|| usual.into());
    u16::try_from(asked).ok().filter(|&pipeline| pipeline <= PIPELINE_MAX).ok_or_else(|| {
        usage(format!("-p {asked} is too large: at most {} per connection", PIPELINE_MAX))
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

fn stream(args: &StreamArgs, url: &Url) -> Result<Option<StreamPlan>, Failure> {
    let kind = match (args.sse, args.stream) {
        (true, _) => StreamKind::Events,
        (false, true) => StreamKind::Arrivals,
        (false, false) if args.stall.is_some() || args.events.is_some() => {
            return Err(usage("--stall and --events are for streams: add --sse or --stream"));
        }
        (false, false) => return Ok(None),
    };
    if url.scheme.is_websocket() {
        return Err(usage("--sse and --stream are for HTTP answers: use http:// or https://"));
    }
    let stall = args.stall.unwrap_or(Nanos::SECOND);
    Ok(Some(StreamPlan { kind, stall, events_max: args.events }))
}
