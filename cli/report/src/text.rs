//! The report of a run as text: the verdict first, then the load, the rate, the times, and the
//! failures; within 25 lines unless the verdict needs more.

use std::fmt::Display;
use std::path::Path;

use uringbench_core::outcome::Outcome;
use uringbench_core::summary::{Grouped, Percent, Quantile, plural};
use uringbench_core::time::Nanos;
use uringbench_document::soak::SoakFigures;
use uringbench_document::{Document, SloHeld, TimeFigures, VerdictGiven};

mod script;

use crate::paint::{Colour, Ink};
use crate::{chaos, cost, insight, soak, target, timeline};

/// Columns of the widest line of prose; tables are narrower.
const WIDTH: usize = 96;
/// Columns of the names on the left.
const NAMES: usize = 10;
/// Columns of one column of times.
const TIMES: usize = 12;

/// Causes of failures shown, the most frequent first; the stored document has all of them.
const CAUSES_SHOWN: usize = 4;
/// Smallest share of spinning that is shown.
const SPUN_SHOWN: f64 = 0.01;

/// The whole text, final line end included; `stored` is the folder of the results, if they were
/// stored.
pub fn summary(document: &Document, stored: Option<&Path>, colour: Colour) -> String {
    let mut page = Page { text: String::new(), colour };
    if let Some(soak) = &document.soak {
        page.soak(soak);
    }
    page.verdict(&document.verdict);
    page.load(document);
    page.rates(document);
    page.blank();
    if document.latency_ns.response.count > 0 {
        page.times(document);
        page.blank();
    }
    if document.is_scenario() {
        page.script(document);
        page.blank();
    }
    page.errors(document);
    page.costs(document);
    page.slo(&document.slo);
    if let Some(chaos) = &document.chaos {
        page.blank();
        page.rows(&chaos::lines(chaos));
        page.blank();
    }
    if let Some(cost) = &document.cost {
        page.blank();
        page.rows(&cost::lines(cost));
    }
    if let Some(figures) = &document.target {
        page.blank();
        page.rows(&target::lines(figures));
    }
    if let Some(timeline) = &document.timeline {
        page.blank();
        timeline::lines(timeline).into_iter().for_each(|line| page.push(line));
        page.blank();
    }
    page.rows(&insight::lines(&document.insights));
    page.notes(&document.verdict.notes);
    if let Some(stored) = stored {
        page.line("stored", stored.display());
    }
    page.text
}

struct Page {
    text: String,
    colour: Colour,
}

impl Page {
    fn verdict(&mut self, verdict: &VerdictGiven) {
        let ink = match verdict.validity.as_str() {
            "valid" => Ink::Green,
            "suspect" => Ink::Yellow,
            _ => Ink::Red,
        };
        let codes: Vec<_> = verdict.reasons.iter().map(|reason| reason.code.as_str()).collect();
        let colon = if codes.is_empty() { "" } else { ": " };
        let head = self.colour.paint(ink, verdict.validity.to_uppercase());
        self.push(format!("{head}{colon}{}", codes.join(", ")));
        for reason in &verdict.reasons {
            // Reasons of an invalid run that alone would only make it suspect.
            let mark = match (verdict.validity.as_str(), reason.severity.as_str()) {
                ("invalid", "suspect") => "suspect: ",
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

    fn load(&mut self, document: &Document) {
        let plan = &document.plan;
        let arrivals = plan.arrivals.as_deref().unwrap_or("constant");
        let load = match (plan.load.as_str(), plan.rate) {
            ("closed", _) => match plan.users {
                Some(users) => format!("closed loop, {}", plural(users.into(), "user")),
                None => "closed loop".to_owned(),
            },
            (_, None) => "open loop, replayed".to_owned(),
            (_, Some(rate)) => {
                let of = if document.is_scenario() { " flows" } else { "" };
                format!("open loop, {}{of} {arrivals}", per_second(rate))
            }
        };
        let pipeline = match (&plan.protocol, plan.pipeline, document.client.streams_max) {
            (None, 1, _) => String::new(),
            (None, depth, _) => format!(" × {depth} deep"),
            (Some(protocol), asked, Some(fewest)) if document.client.streams_vary => {
                format!(" × {fewest} to {asked} streams ({protocol})")
            }
            (Some(protocol), asked, Some(most)) => {
                format!(" × {most} of {asked} streams ({protocol})")
            }
            (Some(protocol), asked, None) => {
                let unit = match protocol.as_str() {
                    protocol if protocol.starts_with("RESP") => "command",
                    protocol if protocol.starts_with("PostgreSQL") => "transaction",
                    _ => "stream",
                };
                format!(" × {} ({protocol})", plural(asked.into(), unit))
            }
        };
        let backend = match document.host.engine.as_deref() {
            None | Some("ring") => String::new(),
            Some(other) => format!(" · {other}"),
        };
        let used = document.client.connections_used;
        let used = match used.filter(|&used| used < u64::from(plan.connections)) {
            Some(used) => format!(", {} used", Grouped(used)),
            None => String::new(),
        };
        self.line("target", format!("{} {}", plan.method, plan.url));
        self.line(
            "load",
            format!(
                "{load} · {}{used}{pipeline} · {}{backend} · {} measured",
                plural(plan.connections.into(), "connection"),
                plural(plan.cores.len() as u64, "core"),
                document.measured(),
            ),
        );
    }

    fn rates(&mut self, document: &Document) {
        let rate = &document.rate;
        let completed = self.colour.paint(Ink::Bold, per_second(rate.completed));
        let (requests, of) =
            if document.is_scenario() { (" requests", " flows") } else { ("", "") };
        let mut figures = match rate.offered {
            Some(offered) => format!(
                "{completed}{requests} completed   {}{of} offered   {}{of} achieved",
                per_second(offered),
                per_second(rate.achieved),
            ),
            None => format!("{completed}{requests} completed"),
        };
        let outcomes = &document.counts.outcomes;
        if let (Some(share), errors @ 1..) = (outcomes.error_share(), outcomes.errors()) {
            let errors = format!("{} ({})", plural(errors, "error"), Percent(share));
            figures.push_str("   ");
            figures.push_str(&self.colour.paint(Ink::Red, errors));
        }
        self.line("rate", figures);
    }

    /// One column in a closed loop, whose response times are service times.
    fn times(&mut self, document: &Document) {
        let times = &document.latency_ns;
        let open = [
            ("response", &times.response),
            ("service", &times.service),
            ("lateness", &times.lateness),
        ];
        let columns = if document.is_served_at_once() {
            self.line("time", "service time (closed loop)");
            &open[1..2]
        } else {
            let heads: String = open.iter().map(|(head, _)| right(head)).collect();
            self.line("time", heads);
            &open[..]
        };
        let mut row = |name: &str, figure: &dyn Fn(&TimeFigures) -> String| {
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

    fn errors(&mut self, document: &Document) {
        let counts = &document.counts;
        let kinds = Outcome::ALL.into_iter().filter(|&outcome| outcome != Outcome::Ok);
        let kinds = list(kinds.map(|outcome| (outcome.key(), counts.outcomes.of(outcome))));
        if !kinds.is_empty() {
            let kinds = self.colour.paint(Ink::Red, kinds);
            self.line("errors", kinds);
        }
        for cause in counts.causes.iter().take(CAUSES_SHOWN) {
            let text = format!("{} × {}: {}", Grouped(cause.count), cause.outcome, cause.cause);
            for line in wrap(&text, WIDTH - NAMES) {
                self.line("", line);
            }
        }
        if counts.retried > 0 {
            let requests = plural(counts.retried, "request");
            let why = "which the target had not processed or whose connection ended";
            let mut name = "retried";
            for line in wrap(&format!("{requests}, {why}"), WIDTH - NAMES) {
                self.line(std::mem::take(&mut name), line);
            }
        }
        let messages = ("messages".to_owned(), counts.messages);
        let by_status = counts.by_status.iter().map(|(code, &count)| (code.to_string(), count));
        let by_code = counts.by_code.iter().map(|(code, &count)| (code.clone(), count));
        let codes = list(std::iter::once(messages).chain(by_status).chain(by_code));
        if !codes.is_empty() {
            self.line("answers", codes);
        }
        let looked_up = counts.hits + counts.misses;
        if looked_up > 0 {
            let share = Percent(counts.hits as f64 / looked_up as f64);
            let (hits, misses) = (Grouped(counts.hits), Grouped(counts.misses));
            self.line("hits", format!("{share}   {hits} hits   {misses} misses"));
        }
        if counts.rows > 0 {
            self.line("rows", Grouped(counts.rows).to_string());
        }
    }

    fn costs(&mut self, document: &Document) {
        let Document { bytes, client, .. } = document;
        let seconds = document.measured().as_secs_f64();
        if seconds > 0.0 {
            let flow = |bytes: u64| byte_rate(bytes as f64 / seconds);
            let figures = format!("{} received   {} sent", flow(bytes.received), flow(bytes.sent));
            self.line("bytes", figures);
        }
        let mut figures = Vec::new();
        self.connections(document);
        self.tcp(document);
        self.stream(document);
        if let Some(nanos) = client.cpu_ns_per_request {
            figures.push(format!("{} CPU/request", Nanos(nanos.round() as u64)));
        }
        if let Some(enters) = client.enters_per_request {
            figures.push(format!("{enters:.2} enters/request"));
        }
        let spun = client.workers.iter().map(|worker| worker.spun).fold(0.0, f64::max);
        let busiest = client.workers.iter().map(|worker| worker.busy).fold(0.0, f64::max);
        let spinning = match spun {
            SPUN_SHOWN.. => format!(", {} spinning", Percent(spun)),
            _ => String::new(),
        };
        figures.push(format!("CPU {} busy{spinning}", Percent(busiest)));
        let resident = client.rss_peak_bytes as f64 / f64::from(1 << 20);
        figures.push(format!("{resident:.1} MiB resident"));
        self.line("client", figures.join("   "));
    }

    /// Connects and TLS handshakes, if they are part of the load.
    fn connections(&mut self, document: &Document) {
        let (plan, times) = (&document.plan, &document.latency_ns);
        if plan.tls.is_none() && plan.requests_per_connection.is_none() {
            return;
        }
        let made = plural(times.connect.count, "connection");
        self.line("connects", format!("{made}, connect {}", spread(&times.connect)));
        if let (Some(tls), Some(made)) = (&plan.tls, document.tls) {
            let unverified = if tls.verify { "" } else { " · certificate not checked" };
            let handshake = times.handshake.clone().unwrap_or_default();
            self.line(
                "",
                format!(
                    "TLS handshake {}, {} full, {} resumed{unverified}",
                    spread(&handshake),
                    Grouped(made.full),
                    Grouped(made.resumed),
                ),
            );
        }
    }

    /// The TCP state of connections, over a network or after retransmits.
    fn tcp(&mut self, document: &Document) {
        let Some(tcp) = document.client.tcp else { return };
        if tcp.retransmits == 0 && document.plan.is_on_loopback() {
            return;
        }
        let mut figures = Vec::new();
        if let Some(rtt) = tcp.rtt_ns {
            let (p50, max) = (Nanos(rtt.p50), Nanos(rtt.max));
            figures.push(format!("round trip p50 {p50} max {max}"));
        }
        if let Some(rate) = tcp.delivery_rate_bytes {
            figures.push(format!("delivery p50 {}", byte_rate(rate.p50 as f64)));
        }
        let of = match tcp.connections_asked {
            all if all == tcp.connections_made => String::new(),
            asked => format!("{} of ", Grouped(asked)),
        };
        let retransmits = plural(tcp.retransmits, "retransmit");
        let made = plural(tcp.connections_made, "connection");
        figures.push(format!("{retransmits} on {of}{made}"));
        self.line("tcp", figures.join("   "));
    }

    /// Events of streams, and idle connections.
    fn stream(&mut self, document: &Document) {
        if let Some(stream) = &document.stream {
            let first = &stream.first_event_ns;
            self.line(
                "stream",
                format!(
                    "{}, {:.1} an answer   first event {}",
                    plural(stream.events, "event"),
                    stream.events as f64 / first.count.max(1) as f64,
                    spread(first),
                ),
            );
            let (gap, stalls) = (spread_with_max(&stream.gap_ns), plural(stream.stalls, "stall"));
            self.line("", format!("gap {gap}   {stalls}"));
        }
        if let Some(idle) = document.idle {
            self.line(
                "idle",
                format!(
                    "{} held of {}, {} lost   {} bytes of memory each",
                    plural(idle.held, "connection"),
                    Grouped(document.plan.idle_connections.into()),
                    Grouped(idle.lost),
                    Grouped(idle.bytes_per_connection),
                ),
            );
        }
    }

    fn slo(&mut self, objectives: &[SloHeld]) {
        let width = objectives.iter().map(|held| held.objective.chars().count()).max();
        let width = width.unwrap_or(0);
        for (index, SloHeld { objective, measured, met }) in objectives.iter().enumerate() {
            let (word, ink) = match met {
                Some(true) => ("met", Ink::Green),
                Some(false) => ("MISSED", Ink::Red),
                None => ("unknown", Ink::Yellow),
            };
            let word = self.colour.paint(ink, format!("{word:<7}"));
            let name = if index == 0 { "slo" } else { "" };
            self.line(name, format!("{word}  {objective:<width$}   {measured}"));
        }
    }

    fn soak(&mut self, soak: &SoakFigures) {
        let ink = match soak.verdict.as_str() {
            "leak" => Ink::Red,
            "no_leak" => Ink::Green,
            _ => Ink::Yellow,
        };
        let headline = self.colour.paint(ink, soak::headline(soak));
        self.push(headline);
        self.rows(&soak::lines(soak));
        self.blank();
    }

    fn rows(&mut self, lines: &[(String, String)]) {
        for (name, text) in lines {
            // Only prose is wrapped: a table keeps its columns.
            let is_prose = name == "note" || name == "insight" || text.starts_with("- ");
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

fn right(cell: impl AsRef<str>) -> String {
    format!("{:>TIMES$}", cell.as_ref())
}

fn shown(nanos: Option<u64>) -> String {
    nanos.map_or_else(|| "-".to_owned(), |nanos| Nanos(nanos).to_string())
}

/// Median and p99; with too few values for them, `min 1 ms mean 2 ms`.
fn spread(time: &TimeFigures) -> String {
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

/// The same, and always the maximum.
fn spread_with_max(time: &TimeFigures) -> String {
    match time.at(Quantile::P99) {
        Some(_) => format!("{} max {}", spread(time), shown(time.max)),
        None => spread(time),
    }
}

/// `152,340/s`; below 100 with a decimal, so that changes of slow targets are visible.
pub(crate) fn per_second(rate: f64) -> String {
    match rate {
        0.0 => "0/s".to_owned(),
        r if r < 100.0 => format!("{r:.1}/s"),
        r => format!("{}/s", Grouped(r.round() as u64)),
    }
}

/// Three digits and a decimal prefix, the usual unit of network links.
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

/// `503 × 12   504 × 3`, without zeros.
fn list<K: Display>(counts: impl Iterator<Item = (K, u64)>) -> String {
    let seen = counts.filter(|(_, count)| *count > 0);
    let cells: Vec<_> = seen.map(|(key, count)| format!("{key} × {}", Grouped(count))).collect();
    cells.join("   ")
}

/// Units, which stay on the line of their figure.
const UNITS: [&str; 5] = ["%", "ns", "µs", "ms", "s"];

/// Lines of at most `width` columns and a unit, broken at spaces; a longer word has a line of its
/// own.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
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
