//! The summary of a run as a person reads it: the verdict first, then the load, the rate, the
//! times, and what went wrong; within 25 lines unless the verdict needs more.

use std::fmt::Display;
use std::path::Path;

use uringbench_core::cause::Cause;
use uringbench_core::outcome::Outcome;
use uringbench_core::plan::{Arrivals, Load, Plan, Trust};
use uringbench_core::record::{Backend, MESSAGE, RunRecord, WorkerRecord};
use uringbench_core::slo::{Met, SloFinding};
use uringbench_core::summary::{Grouped, Percent, Quantile, Summary, TimeSummary, plural};
use uringbench_core::time::Nanos;
use uringbench_core::validity::{Severity, Validity, Verdict};

mod script;

use crate::paint::{Colour, Ink};

/// What a summary is made of.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// What ran.
    pub plan: &'a Plan,
    /// The target as the user typed it.
    pub url: &'a str,
    /// `GET` and so on.
    pub method: &'a str,
    /// What the engine handed over.
    pub record: &'a RunRecord,
    /// Its figures.
    pub summary: &'a Summary,
    /// Whether they can be trusted.
    pub verdict: &'a Verdict,
    /// The objectives, judged; empty when there are none.
    pub slo: &'a [SloFinding],
    /// The verdict of a soak, which then comes first.
    pub headline: Option<&'a str>,
    /// What it rests on: names and texts, line by line.
    pub soak: &'a [(String, String)],
    /// What was sampled of the target: names and texts, line by line.
    pub target: &'a [(String, String)],
    /// The course of the run, line by line.
    pub timeline: &'a [String],
    /// Where the results lie, if they were stored.
    pub stored: Option<&'a Path>,
}

/// Columns of the widest line of prose; tables are narrower.
const WIDTH: usize = 96;
/// Columns of the names on the left.
const NAMES: usize = 10;
/// Columns of one column of times.
const TIMES: usize = 12;

/// So many causes of errors are listed, the most frequent first; a file holds all of them.
const CAUSES_SHOWN: usize = 4;
/// A share of spinning from which on it is told.
const SPUN_SHOWN: f64 = 0.01;

/// The whole text, line end included.
pub fn summary(parts: &Parts<'_>, colour: Colour) -> String {
    let mut page = Page { text: String::new(), colour };
    if let Some(headline) = parts.headline {
        page.soak(headline, parts.soak);
    }
    page.verdict(parts.verdict);
    page.load(parts);
    page.rates(parts);
    page.blank();
    if parts.summary.times.response.count > 0 {
        page.times(parts);
        page.blank();
    }
    if let Some(script) = &parts.summary.script {
        page.script(script);
        page.blank();
    }
    page.errors(parts);
    page.costs(parts);
    page.slo(parts.slo);
    page.section(parts.target);
    if !parts.timeline.is_empty() {
        page.blank();
        parts.timeline.iter().for_each(|line| page.push(line.clone()));
        page.blank();
    }
    page.notes(&parts.verdict.notes);
    if let Some(stored) = parts.stored {
        page.line("stored", stored.display());
    }
    page.text
}

struct Page {
    text: String,
    colour: Colour,
}

impl Page {
    fn verdict(&mut self, verdict: &Verdict) {
        let (word, ink) = match verdict.validity {
            Validity::Valid => ("VALID", Ink::Green),
            Validity::Suspect => ("SUSPECT", Ink::Yellow),
            Validity::Invalid => ("INVALID", Ink::Red),
        };
        let codes: Vec<_> = verdict.reasons.iter().map(|reason| reason.code).collect();
        let colon = if codes.is_empty() { "" } else { ": " };
        let head = self.colour.paint(ink, word);
        self.push(format!("{head}{colon}{}", codes.join(", ")));
        for reason in &verdict.reasons {
            // Among the reasons of an invalid run, those that alone would not make it so.
            let mark = match (verdict.validity, reason.severity) {
                (Validity::Invalid, Severity::Suspect) => "suspect: ",
                _ => "",
            };
            let wrapped = wrap(&format!("{mark}{}", reason.message), WIDTH - 4);
            for (index, line) in wrapped.iter().enumerate() {
                let bullet = if index == 0 { "  - " } else { "    " };
                self.push(format!("{bullet}{line}"));
            }
        }
        if !codes.is_empty() {
            self.blank();
        }
    }

    fn load(&mut self, parts: &Parts<'_>) {
        let plan = parts.plan;
        let users = plan.script.as_ref().map(|script| script.users());
        let load = match plan.load {
            Load::Closed => match users.flatten() {
                Some(users) => format!("closed loop, {}", plural(users.into(), "user")),
                None => "closed loop".to_owned(),
            },
            Load::Replay => "open loop, replayed".to_owned(),
            Load::Open { rate, arrivals } => {
                let law = match arrivals {
                    Arrivals::Constant => "constant",
                    Arrivals::Poisson => "poisson",
                };
                let of = if users.is_some() { " flows" } else { "" };
                format!("open loop, {}{of} {law}", per_second(rate.as_f64()))
            }
        };
        let pipeline = match plan.pipeline {
            1 => String::new(),
            depth => format!(" × {depth} deep"),
        };
        let backend = match parts.record.backend {
            Backend::Ring => String::new(),
            other => format!(" · {other}"),
        };
        let used = total(parts.record, |worker| worker.connections_used.into());
        let used = match used < u64::from(plan.connections) {
            true => format!(", {} used", Grouped(used)),
            false => String::new(),
        };
        self.line("target", format!("{} {}", parts.method, parts.url));
        self.line(
            "load",
            format!(
                "{load} · {}{used}{pipeline} · {}{backend} · {} measured",
                plural(plan.connections.into(), "connection"),
                plural(plan.cpus.len() as u64, "core"),
                parts.summary.measured,
            ),
        );
    }

    fn rates(&mut self, parts: &Parts<'_>) {
        let rate = &parts.summary.rate;
        let completed = self.colour.paint(Ink::Bold, per_second(rate.completed));
        let (requests, of) =
            if parts.plan.script.is_some() { (" requests", " flows") } else { ("", "") };
        let mut figures = match rate.offered {
            Some(offered) => format!(
                "{completed}{requests} completed   {}{of} offered   {}{of} achieved",
                per_second(offered),
                per_second(rate.achieved),
            ),
            None => format!("{completed}{requests} completed"),
        };
        let errors = parts.record.counts.errors();
        if let (Some(share), 1..) = (parts.summary.error_share, errors) {
            let errors = format!("{} ({})", plural(errors, "error"), Percent(share));
            figures.push_str("   ");
            figures.push_str(&self.colour.paint(Ink::Red, errors));
        }
        self.line("rate", figures);
    }

    /// One column in a closed loop, whose response times are service times.
    fn times(&mut self, parts: &Parts<'_>) {
        let times = &parts.summary.times;
        let open = [
            ("response", &times.response),
            ("service", &times.service),
            ("lateness", &times.lateness),
        ];
        let columns = if parts.summary.is_served_at_once() {
            self.line("time", "service time (closed loop)");
            &open[1..2]
        } else {
            let heads: String = open.iter().map(|(head, _)| right(head)).collect();
            self.line("time", heads);
            &open[..]
        };
        let mut row = |name: &str, figure: &dyn Fn(&TimeSummary) -> String| {
            let cells: String = columns.iter().map(|(_, time)| right(figure(time))).collect();
            self.line(&format!("  {name}"), cells);
        };
        for quantile in Quantile::ALL {
            row(quantile.name(), &|time| shown(time.at(quantile)));
        }
        if columns.iter().any(|(_, time)| time.at(Quantile::P50).is_none()) {
            row("min", &|time| shown(time.min));
        }
        row("max", &|time| shown(time.max));
        row("mean", &|time| shown(time.mean));
        row("count", &|time| Grouped(time.count).to_string());
    }

    fn errors(&mut self, parts: &Parts<'_>) {
        let counts = &parts.record.counts;
        let kinds = Outcome::ALL.into_iter().filter(|&outcome| outcome != Outcome::Ok);
        let kinds = list(kinds.map(|outcome| (outcome.key(), counts.of(outcome))));
        if !kinds.is_empty() {
            let kinds = self.colour.paint(Ink::Red, kinds);
            self.line("errors", kinds);
        }
        for cause in parts.record.causes.list().iter().take(CAUSES_SHOWN) {
            let Cause { outcome, text, count } = cause;
            let text = format!("{} × {}: {text}", Grouped(*count), outcome.key());
            for line in wrap(&text, WIDTH - NAMES) {
                self.line("", line);
            }
        }
        if counts.retried > 0 {
            let requests = plural(counts.retried, "request");
            self.line("retried", format!("{requests}, whose connection ended before an answer"));
        }
        let by_status = (0..).zip(parts.record.by_status.iter().copied());
        let name = |code: u16| match code {
            MESSAGE => "messages".to_owned(),
            code => code.to_string(),
        };
        let codes = list(by_status.map(|(code, answers): (u16, u64)| (name(code), answers)));
        if !codes.is_empty() {
            self.line("answers", codes);
        }
    }

    fn costs(&mut self, parts: &Parts<'_>) {
        let Summary { bytes, client, measured, .. } = parts.summary;
        let seconds = measured.as_secs_f64();
        if seconds > 0.0 {
            let flow = |bytes: u64| byte_rate(bytes as f64 / seconds);
            let figures = format!("{} received   {} sent", flow(bytes.received), flow(bytes.sent));
            self.line("bytes", figures);
        }
        let mut figures = Vec::new();
        self.connections(parts);
        self.tcp(parts);
        self.stream(parts);
        if let Some(nanos) = client.cpu_ns_per_request {
            figures.push(format!("{} CPU/request", Nanos(nanos.round() as u64)));
        }
        if let Some(enters) = client.enters_per_request {
            figures.push(format!("{enters:.2} enters/request"));
        }
        let spun = parts.summary.workers.iter().map(|worker| worker.spun).fold(0.0, f64::max);
        let spinning = match spun {
            SPUN_SHOWN.. => format!(", {} spinning", Percent(spun)),
            _ => String::new(),
        };
        figures.push(format!("CPU {} busy{spinning}", Percent(parts.summary.busiest())));
        figures.push(format!("{:.1} MiB resident", client.rss_peak as f64 / f64::from(1 << 20)));
        self.line("client", figures.join("   "));
    }

    /// How connections were made, where that is part of the load.
    fn connections(&mut self, parts: &Parts<'_>) {
        let times = &parts.summary.times;
        if parts.plan.tls.is_none() && parts.plan.per_connection.is_none() {
            return;
        }
        let made = plural(times.connect.count, "connection");
        let mut figures = vec![format!("{made}, connect {}", spread(&times.connect))];
        if parts.plan.tls.is_some() {
            let full = total(parts.record, |worker| worker.handshakes_full);
            let resumed = total(parts.record, |worker| worker.handshakes_resumed);
            let unverified = match parts.plan.tls.as_ref().map(|tls| &tls.trust) {
                Some(Trust::Anything) => " · certificate not checked",
                _ => "",
            };
            figures.push(format!(
                "TLS handshake {}, {} full, {} resumed{unverified}",
                spread(&times.handshake),
                Grouped(full),
                Grouped(resumed),
            ));
        }
        for (index, line) in figures.iter().enumerate() {
            self.line(if index == 0 { "connects" } else { "" }, line);
        }
    }

    /// What the network did to the connections that could be asked, where there is one or where
    /// something was lost.
    fn tcp(&mut self, parts: &Parts<'_>) {
        let Some(tcp) = parts.summary.tcp else { return };
        if tcp.retransmits == 0 && parts.plan.is_on_loopback() {
            return;
        }
        let mut figures = Vec::new();
        if let Some(rtt) = tcp.rtt {
            let (p50, max) = (Nanos(rtt.p50), Nanos(rtt.max));
            figures.push(format!("round trip p50 {p50} max {max}"));
        }
        if let Some(rate) = tcp.delivery_rate {
            figures.push(format!("delivery p50 {}", byte_rate(rate.p50 as f64)));
        }
        let of = match tcp.connections {
            all if all == tcp.made => String::new(),
            asked => format!("{} of ", Grouped(asked)),
        };
        let (retransmits, made) =
            (plural(tcp.retransmits, "retransmit"), plural(tcp.made, "connection"));
        figures.push(format!("{retransmits} on {of}{made}"));
        self.line("tcp", figures.join("   "));
    }

    /// What streams brought, and idle connections.
    fn stream(&mut self, parts: &Parts<'_>) {
        let events = total(parts.record, |worker| worker.events);
        let stalls = total(parts.record, |worker| worker.stalls);
        if parts.plan.stream.is_some() || parts.summary.times.first_event.count > 0 {
            let times = &parts.summary.times;
            let answers = times.first_event.count.max(1);
            self.line(
                "stream",
                format!(
                    "{}, {:.1} an answer   first event {}",
                    plural(events, "event"),
                    events as f64 / answers as f64,
                    spread(&times.first_event),
                ),
            );
            self.line(
                "",
                format!("gap {}   {}", spread_with_max(&times.gap), plural(stalls, "stall"),),
            );
        }
        if parts.plan.idle > 0 {
            let held = total(parts.record, |worker| worker.idle.into());
            let all = held + u64::from(parts.plan.connections);
            self.line(
                "idle",
                format!(
                    "{} held of {}, {} lost   {} bytes of memory each",
                    plural(held, "connection"),
                    Grouped(parts.plan.idle.into()),
                    Grouped(total(parts.record, |worker| worker.idle_lost)),
                    Grouped(parts.record.rss_of_connections / all.max(1)),
                ),
            );
        }
    }

    fn slo(&mut self, findings: &[SloFinding]) {
        let width = findings.iter().map(|f| f.text.chars().count()).max().unwrap_or(0);
        for (index, finding) in findings.iter().enumerate() {
            let (word, ink) = match finding.met {
                Met::Yes => ("met", Ink::Green),
                Met::No => ("MISSED", Ink::Red),
                Met::Unknown => ("unknown", Ink::Yellow),
            };
            let word = self.colour.paint(ink, format!("{word:<7}"));
            let name = if index == 0 { "slo" } else { "" };
            self.line(name, format!("{word}  {:<width$}   {}", finding.text, finding.measured));
        }
    }

    fn soak(&mut self, headline: &str, lines: &[(String, String)]) {
        let ink = match headline {
            headline if headline.starts_with("LEAK") => Ink::Red,
            headline if headline.starts_with("NO LEAK") => Ink::Green,
            _ => Ink::Yellow,
        };
        let headline = self.colour.paint(ink, headline);
        self.push(headline);
        self.rows(lines);
    }

    fn section(&mut self, lines: &[(String, String)]) {
        if !lines.is_empty() {
            self.blank();
        }
        self.rows(lines);
    }

    fn rows(&mut self, lines: &[(String, String)]) {
        for (name, text) in lines {
            // A table keeps its columns; prose is broken.
            let is_prose = name == "note" || text.starts_with("- ");
            let wrapped = if is_prose { wrap(text, WIDTH - NAMES) } else { vec![text.clone()] };
            for (index, line) in wrapped.iter().enumerate() {
                self.line(if index == 0 { name } else { "" }, line);
            }
        }
    }

    fn notes(&mut self, notes: &[String]) {
        for note in notes {
            let wrapped = wrap(note, WIDTH - NAMES);
            for (index, line) in wrapped.iter().enumerate() {
                self.line(if index == 0 { "note" } else { "" }, line);
            }
        }
    }

    fn line(&mut self, name: &str, figures: impl Display) {
        let padded = format!("{name:<NAMES$}");
        let name = if name.is_empty() { padded } else { self.colour.paint(Ink::Dim, padded) };
        self.push(format!("{name}{figures}"));
    }

    fn blank(&mut self) {
        self.push(String::new());
    }

    fn push(&mut self, line: String) {
        self.text.push_str(&line);
        self.text.push('\n');
    }
}

/// Over all workers.
fn total(record: &RunRecord, count: impl Fn(&WorkerRecord) -> u64) -> u64 {
    record.workers.iter().map(count).sum()
}

fn right(cell: impl AsRef<str>) -> String {
    format!("{:>TIMES$}", cell.as_ref())
}

fn shown(nanos: Option<u64>) -> String {
    nanos.map_or_else(|| "-".to_owned(), |nanos| Nanos(nanos).to_string())
}

/// Median and p99; of too few values for them, what can be said of any: `min 1 ms mean 2 ms`.
fn spread(time: &TimeSummary) -> String {
    let quantiles = [time.at(Quantile::P50), time.at(Quantile::P99)];
    match quantiles {
        [Some(p50), Some(p99)] => format!("p50 {} p99 {}", Nanos(p50), Nanos(p99)),
        [Some(p50), None] => format!("p50 {} max {}", Nanos(p50), shown(time.max)),
        _ => match (time.min, time.mean, time.max) {
            (Some(min), Some(mean), Some(max)) => {
                format!("min {} mean {} max {}", Nanos(min), Nanos(mean), Nanos(max))
            }
            _ => "-".to_owned(),
        },
    }
}

/// The same, and always the longest.
fn spread_with_max(time: &TimeSummary) -> String {
    match time.at(Quantile::P99) {
        Some(_) => format!("{} max {}", spread(time), shown(time.max)),
        None => spread(time),
    }
}

/// `152,340/s`; below 100 a decimal, so that slow targets show their change.
fn per_second(rate: f64) -> String {
    match rate {
        0.0 => "0/s".to_owned(),
        r if r < 100.0 => format!("{r:.1}/s"),
        r => format!("{}/s", Grouped(r.round() as u64)),
    }
}

/// Three digits and a decimal prefix, as network links are measured.
fn byte_rate(per_second: f64) -> String {
    let (value, unit) = match per_second {
        b if b < 999.5 => return format!("{b:.0} B/s"),
        b if b < 999.5e3 => (b / 1e3, "kB/s"),
        b if b < 999.5e6 => (b / 1e6, "MB/s"),
        b => (b / 1e9, "GB/s"),
    };
    let decimals = match value {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

/// `503 × 12   504 × 3`, without those that never happened.
fn list<K: Display>(counts: impl Iterator<Item = (K, u64)>) -> String {
    let seen = counts.filter(|(_, count)| *count > 0);
    let cells: Vec<_> = seen.map(|(key, count)| format!("{key} × {}", Grouped(count))).collect();
    cells.join("   ")
}

/// Units, which stay on the line of their figure.
const UNITS: [&str; 5] = ["%", "ns", "µs", "ms", "s"];

/// Lines of at most `width` columns and a unit, broken at spaces; a longer word stands alone.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width || is_unit(word) {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn is_unit(word: &str) -> bool {
    UNITS.contains(&word.trim_end_matches([')', ':', ',', ';', '.']))
}

#[cfg(test)]
mod tests;
