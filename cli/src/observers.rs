//! Everything that follows a run while it lasts: progress, metrics, alerts.

use std::path::Path;

use anyhow::Context;
use uringbench_alerts::{AlertEvaluation, AlertRow, AlertRules, Hooks};
use uringbench_core::histogram::LatencyCounts;
use uringbench_core::http::secrets::without_secrets;
use uringbench_core::plan::Parts;
use uringbench_core::record::Interval;
use uringbench_core::time::Nanos;
use uringbench_core::window::Phase;
use uringbench_engine::Control;
use uringbench_experiment::profiling::free_cpus;
use uringbench_experiment::{Experiment, ExperimentObserver, RunNote};
use uringbench_export::metrics::RunLabels;
use uringbench_live::LiveServer;
use uringbench_telemetry::{Telemetry, TelemetryPlan, keep_to};

use crate::args::{PrometheusNames, TelemetryArgs, ViewArgs};
use crate::console;
use crate::exit::{Failure, usage};
use crate::live;
use crate::progress::ShownProgress;
use crate::resolve::Progress;
use crate::tui::Tui;

/// The variable with a token for receivers.
const TOKEN: &str = "URINGBENCH_TELEMETRY_TOKEN";

/// What follows a run besides its progress, as it was typed.
#[derive(Clone, Debug, Default)]
pub(crate) struct FollowPlan {
    telemetry: TelemetryPlan,
    alerts: Option<AlertRules>,
    view: ViewArgs,
}

impl FollowPlan {
    /// Read the arguments and the files that they name.
    pub(crate) fn of(args: &TelemetryArgs) -> Result<Self, Failure> {
        let TelemetryArgs { prometheus_remote_write, prometheus_listen, otlp, alerts, .. } =
            args.clone();
        let token = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
        let names = args.prometheus_names.unwrap_or(PrometheusNames::Own);
        let telemetry = TelemetryPlan {
            remote_write: prometheus_remote_write,
            otlp,
            listen: prometheus_listen,
            token,
            names: names.into(),
            cpus: Vec::new(),
        };
        if args.prometheus_names.is_some() && !telemetry.is_wanted() {
            return Err(usage(
                "--prometheus-names is for metrics: add --prometheus-remote-write, \
                 --prometheus-listen or --otlp",
            ));
        }
        let alerts = alerts.as_deref().map(read_rules).transpose()?;
        Ok(Self { telemetry, alerts, view: args.view.clone() })
    }
}

/// The rules in a file.
pub(crate) fn read_rules(file: &Path) -> Result<AlertRules, Failure> {
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|why| usage(format!("cannot read the alert rules {name}: {why}")))?;
    AlertRules::read(&text).map_err(|why| usage(format!("{name}: {why}")))
}

/// Follows one run.
pub(crate) struct RunObservers {
    progress: ShownProgress,
    telemetry: Option<Telemetry>,
    alerts: Option<LiveAlerts>,
    tui: Option<Tui>,
    live: Option<LiveServer>,
}

struct LiveAlerts {
    evaluation: AlertEvaluation,
    hooks: Hooks,
}

impl RunObservers {
    /// Begin, before the run does.
    pub(crate) fn start(
        experiment: &Experiment,
        progress: Progress,
        plan: &FollowPlan,
        control: &Control,
    ) -> Result<Self, Failure> {
        let cpus = quiet_cpus(experiment);
        let labels = labels(experiment);
        let telemetry = plan.telemetry.is_wanted().then(|| {
            let plan = TelemetryPlan { cpus: cpus.clone(), ..plan.telemetry.clone() };
            Telemetry::start(&plan, labels.clone(), console::note)
        });
        let telemetry = telemetry.transpose().context("nothing was started")?;
        if let Some(address) = telemetry.as_ref().and_then(Telemetry::address) {
            console::note(&format!("metrics at http://{address}/metrics"));
        }
        let alerts = plan.alerts.as_ref().map(|rules| {
            let RunLabels { benchmark, target } = labels;
            let labels = [("BENCHMARK", benchmark), ("TARGET", target)];
            let begin = move || keep_to(&cpus);
            Ok::<_, std::io::Error>(LiveAlerts {
                evaluation: AlertEvaluation::new(rules),
                hooks: Hooks::start(labels, begin, console::note)?,
            })
        });
        let alerts = alerts.transpose().context("cannot start the thread of alerts")?;
        let ViewArgs { tui, live } = plan.view;
        let live = live.map(|address| live::serve(address, experiment));
        let (live, lines) = live.transpose()?.unzip();
        let lines = lines.unwrap_or_default();
        let tui = tui.then(|| Tui::start(experiment, control, &lines));
        if let Some(Err(why)) = &tui {
            console::note(&format!("--tui: {why}; a line per second instead"));
        }
        let tui = tui.and_then(Result::ok);
        // The view shows the same and more.
        let progress = if tui.is_some() { Progress::Hidden } else { progress };
        Ok(Self { progress: ShownProgress::new(progress), telemetry, alerts, tui, live })
    }

    /// The run is over, and its result is printed: send what waits, and report what was lost.
    /// `stored` is its folder.
    pub(crate) fn finish(self, stored: Option<&Path>) {
        if let Some(live) = self.live {
            live::end(live, stored);
        }
        if let Some(telemetry) = self.telemetry {
            for line in telemetry.finish() {
                console::note(&format!("uringbench: {line}"));
            }
        }
        if let Some(alerts) = self.alerts {
            alerts.hooks.finish();
        }
    }
}

impl ExperimentObserver for RunObservers {
    fn note(&mut self, note: &RunNote) {
        self.progress.note(note);
    }

    fn times(&mut self, interval: &Interval, response: &LatencyCounts) {
        if let Some(tui) = &self.tui {
            tui.interval(interval, response);
        }
        if let Some(live) = &self.live {
            live.interval(interval, response);
        }
        if let Some(telemetry) = &self.telemetry {
            telemetry.interval(interval, response);
        }
        let measured = self.alerts.as_mut().filter(|_| interval.phase == Phase::Measure);
        if let Some(LiveAlerts { evaluation, hooks }) = measured {
            for transition in evaluation.evaluate(&AlertRow::of(interval, response)) {
                console::note(&transition.line());
                hooks.changed(transition);
            }
        }
    }

    fn interval(&mut self, interval: &Interval, left: Option<Nanos>) {
        self.progress.interval(interval, left);
    }

    fn load_ended(&mut self) {
        if let Some(tui) = &mut self.tui {
            tui.finish();
        }
        self.progress.load_ended();
    }
}

/// CPUs that neither load nor target needs, as far as there are any.
fn quiet_cpus(experiment: &Experiment) -> Vec<usize> {
    free_cpus(&experiment.plan.transport.cpus, experiment.target.cpus().as_ref())
}

/// The labels that the stored run will have.
fn labels(experiment: &Experiment) -> RunLabels {
    let Parts { target, workload, .. } = &*experiment.plan;
    let url = without_secrets(&target.url);
    let rest = url.split_once("://").map_or(&*url, |(_scheme, rest)| rest);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let flows = workload.script().map(|script| {
        let names: Vec<_> = script.flows().iter().map(|flow| flow.name.as_str()).collect();
        names.join(", ")
    });
    let benchmark = experiment.name.clone().or(flows);
    let benchmark = benchmark.unwrap_or_else(|| format!("{} {path}", target.method));
    RunLabels { benchmark: benchmark.trim_end().to_owned(), target: authority.to_owned() }
}
