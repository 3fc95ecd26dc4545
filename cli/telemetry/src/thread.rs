//! The thread: intervals in, requests and a page out.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::thread::{CpuSet, sched_setaffinity};
use uringbench_core::histogram::LatencyCounts;
use uringbench_core::record::Interval;
use uringbench_export::live::LiveTotals;
use uringbench_export::metrics::{MetricFamily, RunLabels};
use uringbench_export::{otlp, prometheus, remote_write};

use crate::TelemetryPlan;
use crate::post::Client;
use crate::push_url::PushUrl;
use crate::queue::PushQueue;

/// Longest time after the run until everything is sent.
const FLUSH: Duration = Duration::from_secs(10);
/// Remote write counts in milliseconds, and no two samples of a series may have the same.
const SPACING: Duration = Duration::from_millis(1);
/// How long to wait for the next interval if nothing is due.
const IDLE: Duration = Duration::from_secs(3_600);

/// An interval of the run, as it arrived.
pub(crate) struct Message {
    interval: Interval,
    response: LatencyCounts,
    arrived: SystemTime,
}

impl Message {
    pub(crate) fn new(interval: &Interval, response: &LatencyCounts) -> Self {
        let arrived = SystemTime::now();
        Self { interval: interval.clone(), response: response.clone(), arrived }
    }
}

/// The format of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PushFormat {
    RemoteWrite,
    Otlp,
}

/// A receiver.
struct Push {
    option: &'static str,
    format: PushFormat,
    url: PushUrl,
    queue: PushQueue,
}

/// The state of the thread.
pub(crate) struct Worker {
    totals: LiveTotals,
    /// The start of the run, known from its first interval.
    origin: Option<SystemTime>,
    /// The time of the last samples, since 1970.
    last: Option<Duration>,
    /// Every metric that was sent, as it was sent first.
    sent: Vec<MetricFamily>,
    pushes: Vec<Push>,
    client: Client,
    page: Option<Arc<Mutex<String>>>,
    note: fn(&str),
}

impl Worker {
    pub(crate) fn new(
        plan: &TelemetryPlan,
        labels: RunLabels,
        (client, page): (Client, Option<Arc<Mutex<String>>>),
        note: fn(&str),
    ) -> Self {
        let push = |option, format, url| Push { option, format, url, queue: PushQueue::default() };
        let remote = plan.remote_write.clone();
        let remote =
            remote.map(|url| push("--prometheus-remote-write", PushFormat::RemoteWrite, url));
        let otlp = plan.otlp.as_ref().map(|url| url.with_path(otlp::PATH));
        let otlp = otlp.map(|url| push("--otlp", PushFormat::Otlp, url));
        Self {
            totals: LiveTotals::new(labels, plan.names),
            origin: None,
            last: None,
            sent: Vec::new(),
            pushes: remote.into_iter().chain(otlp).collect(),
            client,
            page,
            note,
        }
    }

    /// Work until the run is over and everything is sent, or time is up. Returns lines about what
    /// was not delivered.
    pub(crate) fn run(mut self, intervals: &Receiver<Message>) -> Vec<String> {
        loop {
            let now = Instant::now();
            let due = self.pushes.iter().filter_map(|push| push.queue.due(now)).min();
            let wait = due.map_or(IDLE, |due| due.saturating_duration_since(now));
            match intervals.recv_timeout(wait) {
                Ok(message) => self.take(&message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while let Ok(message) = intervals.try_recv() {
                self.take(&message);
            }
            self.send();
        }
        self.end();
        self.pushes.iter_mut().for_each(|push| push.queue.hurry());
        let until = Instant::now() + FLUSH;
        loop {
            self.send();
            let now = Instant::now();
            let due = self.pushes.iter().filter_map(|push| push.queue.due(now)).min();
            let Some(due) = due.filter(|due| *due < until) else { break };
            std::thread::sleep(due.saturating_duration_since(now));
        }
        self.missing()
    }

    fn take(&mut self, message: &Message) {
        let Message { interval, response, arrived } = message;
        let end = Duration::from_nanos((interval.start + interval.length).0);
        let origin = *self.origin.get_or_insert_with(|| *arrived - end);
        let since_1970 = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let start = since_1970(origin);
        // The last part of a phase can be shorter than receivers distinguish.
        let next = self.last.map(|last| last + SPACING).unwrap_or_default();
        let at = since_1970(origin + end).max(next);
        let families = self.totals.add(interval, response);
        for push in &mut self.pushes {
            push.queue.add(match push.format {
                PushFormat::RemoteWrite => remote_write::samples(&families, milliseconds(at)),
                PushFormat::Otlp => otlp::request(&families, nanoseconds(start), nanoseconds(at)),
            });
        }
        if let Some(page) = &self.page {
            *page.lock().unwrap_or_else(PoisonError::into_inner) = prometheus::text(&families);
        }
        self.last = Some(at);
        for family in families {
            if self.sent.iter().all(|sent| sent.name != family.name) {
                self.sent.push(family);
            }
        }
    }

    /// Series end with the run: otherwise they would be drawn for five minutes more.
    fn end(&mut self) {
        let Some(at) = self.last else { return };
        let pushes = self.pushes.iter_mut();
        for push in pushes.filter(|push| push.format == PushFormat::RemoteWrite) {
            push.queue.add(remote_write::ends(&self.sent, milliseconds(at + SPACING)));
        }
    }

    /// One request to each receiver that is due.
    fn send(&mut self) {
        for Push { option, format, url, queue } in &mut self.pushes {
            let now = Instant::now();
            if queue.due(now).is_none_or(|due| due > now) {
                continue;
            }
            let (count, requests) = queue.batch();
            let result = match format {
                PushFormat::RemoteWrite => {
                    let body = remote_write::body(&requests);
                    self.client.post(url, &remote_write::HEADERS, &body)
                }
                PushFormat::Otlp => self.client.post(url, &otlp::HEADERS, &requests),
            };
            if queue.posted(count, result, Instant::now()) {
                let why = queue.why().unwrap_or_default();
                (self.note)(&format!("uringbench: {option} {url}: {why}; the run goes on"));
            }
        }
    }

    fn missing(&self) -> Vec<String> {
        let missing = self.pushes.iter().filter_map(|push| {
            let (missing, all) = push.queue.missing()?;
            let Push { option, url, queue, .. } = push;
            let why = queue.why().unwrap_or("there was no time left to send them");
            Some(format!(
                "{option}: {missing} of {all} samples of a second did not reach {url}: {why}; the \
                 stored result has all of them"
            ))
        });
        missing.collect()
    }
}

fn milliseconds(since_1970: Duration) -> i64 {
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

fn nanoseconds(since_1970: Duration) -> u64 {
    u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX)
}

/// Keep this thread to these CPUs, as far as the kernel allows it.
pub fn keep_to(cpus: &[usize]) {
    let mut set = CpuSet::new();
    cpus.iter().for_each(|&cpu| set.set(cpu));
    if !cpus.is_empty() {
        // Elsewhere it works as well, only not as quietly.
        let _ = sched_setaffinity(None, &set);
    }
}
