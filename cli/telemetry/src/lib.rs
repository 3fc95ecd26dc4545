//! Metrics of a run, sent while it lasts: Prometheus' remote write, OTLP, and a page to scrape.
//!
//! A thread of its own takes each interval from the run, makes metrics of it with
//! `uringbench-export`, and sends them; a slow or absent receiver never delays the run. What cannot
//! be delivered is counted and reported at the end, never lost without a word.

mod page;
mod post;
mod push_url;
mod queue;
mod thread;

use std::net::SocketAddr;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use uringbench_core::histogram::LatencyCounts;
use uringbench_core::record::Interval;
use uringbench_export::metrics::{MetricNames, RunLabels};

use page::Page;
use post::Client;
use thread::{Message, Worker};

pub use push_url::{PushUrl, PushUrlError};
pub use thread::keep_to;

/// Where metrics go.
#[derive(Clone, Debug, Default)]
pub struct TelemetryPlan {
    /// A receiver of Prometheus' remote write.
    pub remote_write: Option<PushUrl>,
    /// A receiver of OTLP over HTTP.
    pub otlp: Option<PushUrl>,
    /// An address that serves the metrics at `/metrics`.
    pub listen: Option<SocketAddr>,
    /// A token for the receivers, sent as `Authorization: Bearer`.
    pub token: Option<String>,
    /// Names of shared metrics.
    pub names: MetricNames,
    /// CPUs for the thread; empty for any.
    pub cpus: Vec<usize>,
}

impl TelemetryPlan {
    /// Whether metrics go anywhere.
    pub const fn is_wanted(&self) -> bool {
        self.remote_write.is_some() || self.otlp.is_some() || self.listen.is_some()
    }
}

/// Why no metrics can be sent.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The address is taken, or not of this machine.
    #[error("cannot serve metrics at {address}: {cause}; name another address or port")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        cause: std::io::Error,
    },
    /// No thread can be started.
    #[error("cannot start the thread that sends metrics: {0}; end other programs")]
    Thread(std::io::Error),
}

/// Sends the metrics of one run.
pub struct Telemetry {
    intervals: Option<Sender<Message>>,
    worker: Option<JoinHandle<Vec<String>>>,
    page: Option<Page>,
}

impl Telemetry {
    /// Begin, before the run does. `note` shows a line to the user while the run lasts.
    ///
    /// # Errors
    /// If an address cannot be served, or no thread can be started.
    pub fn start(
        plan: &TelemetryPlan,
        labels: RunLabels,
        note: fn(&str),
    ) -> Result<Self, TelemetryError> {
        let page = plan.listen.map(|address| Page::serve(address, plan.cpus.clone()));
        let page = page.transpose()?;
        let client = Client::new(plan.token.clone());
        let worker = Worker::new(plan, labels, (client, page.as_ref().map(Page::text)), note);
        let (sender, receiver) = channel();
        let cpus = plan.cpus.clone();
        let thread = std::thread::Builder::new().name("telemetry".to_owned());
        let worker = thread.spawn(move || {
            thread::keep_to(&cpus);
            worker.run(&receiver)
        });
        let worker = worker.map_err(TelemetryError::Thread)?;
        Ok(Self { intervals: Some(sender), worker: Some(worker), page })
    }

    /// The address at which metrics are served.
    pub fn address(&self) -> Option<SocketAddr> {
        self.page.as_ref().map(Page::address)
    }

    /// An interval is complete; `response` has the times of the requests that ended in it.
    pub fn interval(&self, interval: &Interval, response: &LatencyCounts) {
        if let Some(sender) = &self.intervals {
            // The thread ends after its sender only, unless it panicked; `finish` says so then.
            let _ = sender.send(Message::new(interval, response));
        }
    }

    /// The run is over: send what waits, for some seconds at most. Returns lines about what could
    /// not be delivered.
    pub fn finish(mut self) -> Vec<String> {
        self.intervals = None;
        let worker = self.worker.take().map(JoinHandle::join);
        match worker {
            Some(Ok(lines)) => lines,
            _ => vec!["metrics: the thread that sends them ended early; this is a bug".to_owned()],
        }
    }
}
