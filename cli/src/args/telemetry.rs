//! Arguments about metrics and alerts while a run lasts.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Arg, Args};
use uringbench_telemetry::PushUrl;

use super::{PrometheusNames, ViewArgs};
use crate::exit::{Failure, usage};

/// Where metrics of the run go, each second.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Metrics and alerts")]
pub(crate) struct TelemetryArgs {
    /// Send metrics to a receiver of Prometheus' remote write, such as
    /// http://127.0.0.1:9090/api/v1/write
    ///
    /// Response times are native histograms. A user and a password may be in the address, a token
    /// in the environment variable URINGBENCH_TELEMETRY_TOKEN.
    #[arg(long, value_name = "URL")]
    pub(crate) prometheus_remote_write: Option<PushUrl>,

    /// Serve metrics at /metrics of this address, such as 127.0.0.1:9464, for Prometheus to scrape
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) prometheus_listen: Option<SocketAddr>,

    /// Names of the response times, the rate and the share of errors [default: own]
    #[arg(long, value_name = "NAMES", value_enum)]
    pub(crate) prometheus_names: Option<PrometheusNames>,

    /// Send metrics to a receiver of OpenTelemetry over HTTP, such as http://127.0.0.1:4318
    ///
    /// /v1/metrics is added to an address without a path. The token is as above.
    #[arg(long, value_name = "URL")]
    pub(crate) otlp: Option<PushUrl>,

    /// Evaluate alert rules each second, and start their hooks
    #[arg(long, value_name = "FILE")]
    pub(crate) alerts: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) view: ViewArgs,
}

/// All of them, by their fields.
const FIELDS: [&str; 7] = [
    "prometheus_remote_write",
    "prometheus_listen",
    "prometheus_names",
    "otlp",
    "alerts",
    "tui",
    "live",
];

/// Hides these options in the help of a command that refuses them.
pub(super) fn hidden(arg: Arg) -> Arg {
    let is_one = FIELDS.contains(&arg.get_id().as_str());
    if is_one { arg.hide(true) } else { arg }
}

impl TelemetryArgs {
    /// Refuse these options where they would have no effect.
    pub(crate) fn refuse(&self, command: &str) -> Result<(), Failure> {
        let Self { prometheus_remote_write, prometheus_listen, prometheus_names, .. } = self;
        let Self { otlp, alerts, view, .. } = self;
        let given = [
            ("--prometheus-remote-write", prometheus_remote_write.is_some()),
            ("--prometheus-listen", prometheus_listen.is_some()),
            ("--prometheus-names", prometheus_names.is_some()),
            ("--otlp", otlp.is_some()),
            ("--alerts", alerts.is_some()),
            ("--tui", view.tui),
            ("--live", view.live.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((option, _)) => Err(usage(format!(
                "{option} follows a single run: use it with `uringbench run` or `uringbench soak`, \
                 not with `uringbench {command}`"
            ))),
        }
    }
}
