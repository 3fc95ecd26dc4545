//! A run while it lasts, as the terminal view and the page in the browser have it: what is known of
//! it before, and readings of the machine meanwhile. And `--live`: the page's server.

use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use uringbench_core::http::secrets::without_secrets;
use uringbench_core::plan::{Arrivals, Load, Objective, Plan};
use uringbench_core::summary::{Grouped, plural};
use uringbench_document::LiveObjectives;
use uringbench_experiment::Experiment;
use uringbench_live::LiveServer;
use uringbench_machine::observe::{HostCounters, HostObserver};
use uringbench_report::live::{LiveRun, LiveSample};
use uringbench_store::StoredRun;

use crate::commands::report::run_page;
use crate::console;
use crate::exit::Failure;
use crate::quiet::{QuietCpus, Sharer};

/// Shorter times between two readings say little about CPU time.
const SAMPLE_MIN: Duration = Duration::from_millis(200);

/// The address of `--live`: a port of loopback, or an address with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LiveAddress(pub(crate) SocketAddr);

impl FromStr for LiveAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of_port = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let parsed = text.parse().map(of_port).or_else(|_| text.parse::<SocketAddr>());
        // An address of IPv4 in one of IPv6 means the same, and is recognised.
        parsed
            .map(|address| Self(SocketAddr::new(address.ip().to_canonical(), address.port())))
            .map_err(|_| "write a port, or an address such as 127.0.0.1:8900".to_owned())
    }
}

impl LiveAddress {
    /// Who else can look at `shown`, if anybody can.
    pub(crate) fn warning(self, shown: &str) -> Option<String> {
        let ip = self.0.ip();
        (!ip.is_loopback()).then(|| {
            let reached =
                if ip.is_unspecified() { "this machine".to_owned() } else { ip.to_string() };
            format!(
                "who can reach {reached} and knows this address sees {shown}; it is sent without \
                 encryption"
            )
        })
    }
}

/// Show a run in a browser, and say where.
pub(crate) fn serve(
    LiveAddress(address): LiveAddress,
    experiment: &Experiment,
) -> Result<(LiveServer, Vec<String>), Failure> {
    let mut readings = Readings::begin(experiment);
    let run = live_run(experiment);
    let quiet = QuietCpus::of(experiment);
    let shared_with = quiet.shared_with;
    let server = LiveServer::start(address, run, move || quiet.keep(), move || readings.sample());
    let server = server.context("nothing was started")?;
    let mut lines = vec![format!("live at {}", server.url())];
    let warning = LiveAddress(address).warning("the run");
    lines.extend(warning.map(|warning| format!("--live: {warning}")));
    let sharer = shared_with.map(|sharer| match sharer {
        Sharer::Target => "the target",
        Sharer::Workers => "the workers, which have every CPU; leave it one with --cores",
    });
    lines.extend(sharer.map(|sharer| format!("--live: its server shares its CPUs with {sharer}")));
    lines.iter().for_each(|line| console::note(line));
    Ok((server, lines))
}

/// The run is over: who looks gets its report.
pub(crate) fn end(server: LiveServer, stored: Option<&Path>) {
    let report = stored.filter(|_| server.is_watched()).and_then(|folder| {
        let run = StoredRun::open(folder).inspect_err(|why| {
            console::note(&format!("uringbench: --live has no report: {why}"));
        });
        Some(run_page(&run.ok()?))
    });
    for line in server.finish(report) {
        console::note(&format!("uringbench: {line}"));
    }
}

/// What is known of a run before it begins.
pub(crate) fn live_run(experiment: &Experiment) -> LiveRun {
    let plan = &experiment.plan;
    let request = format!("{} {}", plan.target.method, without_secrets(&plan.target.url));
    let of_run = |objective: &&Objective| objective.flow.is_none() && objective.step.is_none();
    let objectives = plan.observe.objectives.iter().filter(of_run);
    LiveRun {
        title: experiment.name.clone().unwrap_or(request),
        load: load(plan),
        warmup: plan.limits.warmup,
        window: plan.limits.window.duration(),
        objectives: LiveObjectives::new(
            objectives.map(|objective| objective.limit.clone()).collect(),
            !plan.has_due_times(),
        ),
        cpus: plan.transport.cpus.len(),
        connections: plan.connections(),
    }
}

/// `open loop, 20,000/s constant, 64 connections`.
fn load(plan: &Plan) -> String {
    let connections = plural(plan.connections().into(), "connection");
    match &plan.load {
        Load::Closed => format!("closed loop, {connections}"),
        Load::Replay => format!("open loop, replayed, {connections}"),
        Load::Open { rate, arrivals, .. } => {
            let rate = Grouped(rate.as_f64().round() as u64);
            let arrivals = match arrivals {
                Arrivals::Constant => "constant",
                Arrivals::Poisson => "poisson",
            };
            format!("open loop, {rate}/s {arrivals}, {connections}")
        }
    }
}

/// Readings of the machine, from one interval to the next.
pub(crate) struct Readings {
    machine: HostObserver,
    last: (HostCounters, Duration, Instant),
    sample: LiveSample,
}

impl Readings {
    /// The first one.
    pub(crate) fn begin(experiment: &Experiment) -> Self {
        let cpus = &experiment.plan.transport.cpus;
        let machine = HostObserver::new(experiment.target.clone(), cpus);
        let last = (machine.read(), own_cpu(), Instant::now());
        Self { machine, last, sample: LiveSample::default() }
    }

    /// What was used since the last one; the last one again if that was just now.
    pub(crate) fn sample(&mut self) -> LiveSample {
        let passed = self.last.2.elapsed();
        if passed < SAMPLE_MIN {
            return self.sample;
        }
        let now = (self.machine.read(), own_cpu(), Instant::now());
        let seen = self.machine.between(&self.last.0, &now.0);
        let used = now.1.saturating_sub(self.last.1);
        self.sample = LiveSample {
            client: Some(used.as_secs_f64() / passed.as_secs_f64()),
            target: seen.target,
            target_memory: self.machine.target_memory(),
            stolen: seen.steal_share,
        };
        self.last = now;
        self.sample
    }
}

/// CPU time of this process so far.
fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_loopback_unless_another_is_named() {
        for (text, expected) in [
            ("8900", "127.0.0.1:8900"),
            ("[::1]:1", "[::1]:1"),
            ("[::ffff:0.0.0.0]:80", "0.0.0.0:80"),
        ] {
            let LiveAddress(address) = text.parse().expect(text);
            assert_eq!(address.to_string(), expected);
        }
        for text in ["", "localhost:1", "127.0.0.1", "70000"] {
            assert!(text.parse::<LiveAddress>().is_err(), "{text}");
        }
    }
}
