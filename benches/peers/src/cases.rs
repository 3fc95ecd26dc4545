//! The cases of the comparison, and the goal of each.
//!
//! A case requests loads and turns the rows into sections; the module `rounds` runs and pairs them.
//! A missed goal is reported, never an error.

use clap::ValueEnum;

use crate::clients::{Client, End, Engine, Load, Request};
use crate::engines;
use crate::http2;
use crate::protocols;
use crate::rounds::{Bench, Contender, Row, Sample, Spread};
use crate::scenarios;
use crate::table::{self, Bound, Goal, Section, Table, Unit};

/// A part of the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Case {
    /// Small keep-alive responses at 64, 512, 4096 and 9000 connections.
    Small,
    /// Small responses, 16 requests in flight per connection.
    Pipelined,
    /// Bodies of 16 KB, 100 KB and 1 MB.
    Bodies,
    /// A constant rate: lateness, response time, accuracy.
    Open,
    /// Resident memory: at many connections, and after many requests.
    Memory,
    /// Small responses over each of uringbench's engines.
    Engines,
    /// A new connection for each request.
    Connections,
    /// TLS 1.3: kept connections, full handshakes and resumed handshakes.
    Tls,
    /// Requests with bodies of 10 MB.
    Uploads,
    /// WebSocket messages that the server echoes.
    Websocket,
    /// HTTP/2 in the clear: small answers, 1, 10 and 100 streams on each connection.
    H2,
    /// HTTP/2 over TLS 1.3, 1 and 100 streams on each connection.
    #[value(name = "h2_tls")]
    H2Tls,
    /// HTTP/2: bodies of 100 KB.
    #[value(name = "h2_bodies")]
    H2Bodies,
    /// HTTP/2 to a server that ends each connection after 1,000 requests.
    #[value(name = "h2_recycle")]
    H2Recycle,
    /// Scenarios: a single step against the plain URL, and a flow of four steps.
    Scenarios,
}

/// How much of a case is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Runs of each contender in each comparison.
    pub(crate) rounds: u32,
    /// Seconds under load of each run.
    pub(crate) seconds: u32,
    /// The smallest sizes, only to check that every part runs.
    pub(crate) smoke: bool,
}

/// Connections from which on connecting is a visible part of a run.
const MANY_CONNECTIONS: u32 = 4096;

impl Case {
    /// Runs the case.
    pub(crate) fn run(self, bench: &mut Bench, scale: Scale) -> Vec<Section> {
        match self {
            Self::Small => small(bench, scale),
            Self::Pipelined => vec![pipelined(bench, scale)],
            Self::Bodies => bodies(bench, scale),
            Self::Open => vec![lateness(bench, scale), accuracy(bench, scale)],
            Self::Memory => vec![memory(bench, scale)],
            Self::Engines => engines::compare(bench, scale),
            Self::Connections => vec![protocols::connections(bench, scale)],
            Self::Tls => protocols::tls(bench, scale),
            Self::Uploads => vec![protocols::uploads(bench, scale)],
            Self::Websocket => protocols::websocket(bench, scale),
            Self::H2 => http2::small(bench, scale),
            Self::H2Tls => http2::tls(bench, scale),
            Self::H2Bodies => vec![http2::bodies(bench, scale)],
            Self::H2Recycle => vec![http2::recycle(bench, scale)],
            Self::Scenarios => scenarios::compare(bench, scale),
        }
    }
}

/// A closed loop of GETs over kept connections. uringbench sleeps while it waits, as the others do,
/// so its CPU time is the cost of the requests.
pub(crate) fn closed(path: &str, connections: u32, seconds: u32) -> Load {
    Load {
        server: None,
        is_tls: false,
        is_http2: false,
        path: path.to_owned(),
        request: Request::Get,
        connections,
        pipeline: 1,
        end: End::Seconds(seconds),
        rate: None,
        wait: Some("block"),
        floor_receive: "small",
        engine: Engine::Ring,
    }
}

pub(crate) fn contenders(clients: &[Client], load: &Load) -> Vec<Contender> {
    let contender = |client: &Client| Contender {
        label: client.name().to_owned(),
        client: *client,
        load: load.clone(),
    };
    clients.iter().map(contender).collect()
}

fn small(bench: &mut Bench, scale: Scale) -> Vec<Section> {
    use Client::{Floor, Gcannon, H2load, Oha, Uringbench, Wrk};
    // Connections, and the goals against wrk for CPU per request and rps.
    let wanted: [(u32, f64, f64); 4] =
        [(64, 0.75, 1.35), (512, 0.72, 1.42), (4096, 0.62, 1.65), (9000, 0.68, 1.5)];
    let wanted = if scale.smoke { &wanted[..1] } else { &wanted[..] };
    let section = |&(connections, cpu, rps): &(u32, f64, f64)| {
        let title = format!("Small responses, {connections} connections");
        if let Some(skipped) = bench.too_few_files(connections) {
            return Section { title, notes: vec![skipped], ..Section::default() };
        }
        // Connecting takes a fixed time, and some clients include it: a longer run reduces its
        // share.
        let many = connections >= MANY_CONNECTIONS;
        let seconds = if many { scale.seconds * 2 } else { scale.seconds };
        let clients = [Uringbench, Floor, Wrk, H2load, Oha, Gcannon];
        let load = closed("/", connections, seconds);
        let rows = bench.interleave(contenders(&clients, &load), scale.rounds);
        let mut section = closed_section(title, &rows);
        if many {
            section.table.rows.extend(wrk_connected(&rows));
        }
        section.goals = vec![
            goal_against(&rows, Floor, Figure::Cpu, Bound::AtMost(1.05)),
            goal_against(&rows, Wrk, Figure::Cpu, Bound::AtMost(cpu)),
            goal_against(&rows, Wrk, Figure::Rps, Bound::AtLeast(rps)),
        ];
        section
    };
    wanted.iter().map(section).collect()
}

fn pipelined(bench: &mut Bench, scale: Scale) -> Section {
    use Client::{Floor, Gcannon, H2load, Uringbench};
    let load = Load { pipeline: 16, ..closed("/", 64, scale.seconds) };
    let clients = [Uringbench, Floor, H2load, Gcannon];
    let rows = bench.interleave(contenders(&clients, &load), scale.rounds);
    let mut section =
        closed_section("Small responses, 64 connections, 16 in flight on each".to_owned(), &rows);
    section.goals = vec![
        goal_against(&rows, H2load, Figure::Rps, Bound::AtLeast(1.8)),
        goal_against(&rows, Floor, Figure::Cpu, Bound::AtMost(1.10)),
    ];
    section
}

fn bodies(bench: &mut Bench, scale: Scale) -> Vec<Section> {
    use Client::{Floor, Uringbench, Wrk};
    let sizes = [("16 KB", 16 << 10), ("100 KB", 100 << 10), ("1 MB", 1 << 20)];
    let sizes = if scale.smoke { &sizes[..1] } else { &sizes[..] };
    let section = |&(name, bytes): &(&str, u32)| {
        let path = format!("/bytes/{bytes}");
        let load = Load { floor_receive: "trunc", ..closed(&path, 16, scale.seconds) };
        let rows = bench.interleave(contenders(&[Uringbench, Floor, Wrk], &load), scale.rounds);
        let mut section = closed_section(format!("Bodies of {name}, 16 connections"), &rows);
        section.goals.push(goal_against(&rows, Wrk, Figure::Cpu, Bound::AtMost(0.55)));
        if bytes < 1 << 20 {
            section.goals.push(goal_against(&rows, Wrk, Figure::Rps, Bound::AtLeast(1.6)));
        }
        section
    };
    sizes.iter().map(section).collect()
}

/// The two figures in which closed loops are compared: throughput, and the client's CPU per
/// request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Figure {
    Rps,
    Cpu,
}

impl Figure {
    pub(crate) fn of(self) -> impl Fn(&Sample) -> Option<f64> {
        move |sample| {
            Some(match self {
                Self::Rps => sample.answer.rps,
                Self::Cpu => sample.cpu_us,
            })
        }
    }

    pub(crate) fn ratio(self, ours: &Row, theirs: &Row) -> Option<Spread> {
        ours.ratio(theirs, (self.of(), self.of()))
    }
}

pub(crate) fn row_of(rows: &[Row], client: Client) -> Option<&Row> {
    rows.iter().find(|row| row.client == client)
}

pub(crate) fn goal_against(rows: &[Row], peer: Client, figure: Figure, bound: Bound) -> Goal {
    let ours = row_of(rows, Client::Uringbench);
    let ratio = ours.zip(row_of(rows, peer)).and_then(|(a, b)| figure.ratio(a, b));
    let name = match figure {
        Figure::Rps => "rps",
        Figure::Cpu => "CPU per request",
    };
    Goal {
        what: format!("{name} against {}", peer.name()),
        bound,
        measured: ratio.map(|spread| spread.median),
        unit: Unit::Times,
    }
}

pub(crate) fn closed_section(title: String, rows: &[Row]) -> Section {
    let head = [
        "client",
        "rps",
        "CPU µs/request",
        "peak MiB",
        "errors",
        "uringbench's rps / this",
        "uringbench's CPU / this",
    ];
    let ours = row_of(rows, Client::Uringbench);
    let cells = |row: &Row| {
        let ratio = |figure: Figure| match ours {
            Some(ours) if row.client != Client::Uringbench => {
                table::spread(figure.ratio(ours, row), 2)
            }
            _ => String::new(),
        };
        vec![
            row.label.clone(),
            table::thousands(row.spread(Figure::Rps.of())),
            table::spread(row.spread(Figure::Cpu.of()), 2),
            median(row.spread(|sample| Some(sample.rss_mib)), 1),
            errors(row),
            ratio(Figure::Rps),
            ratio(Figure::Cpu),
        ]
    };
    Section {
        title,
        table: Table {
            head: head.map(str::to_owned).to_vec(),
            rows: rows.iter().map(cells).collect(),
        },
        goals: Vec::new(),
        notes: remarks(rows),
    }
}

/// wrk includes the time in which it connects; this row is its rate once all connections are open.
fn wrk_connected(rows: &[Row]) -> Option<Vec<String>> {
    let (ours, wrk) = row_of(rows, Client::Uringbench).zip(row_of(rows, Client::Wrk))?;
    let connected = |sample: &Sample| sample.answer.rps_connected;
    let ratio = ours.ratio(wrk, (Figure::Rps.of(), connected));
    let mut cells = vec![String::new(); 7];
    cells[0] = "wrk, once connected".to_owned();
    cells[1] = table::thousands(wrk.spread(connected));
    cells[5] = table::spread(ratio, 2);
    Some(cells)
}

pub(crate) fn remarks(rows: &[Row]) -> Vec<String> {
    rows.iter().flat_map(Row::remarks).collect()
}

fn errors(row: &Row) -> String {
    row.measured().map(|sample| sample.answer.errors).sum::<u64>().to_string()
}

fn median(value: Option<Spread>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |spread| format!("{:.decimals$}", spread.median))
}

fn paced(rate: u64, wait: &'static str, seconds: u32) -> Contender {
    Contender {
        label: format!("uringbench {rate}/s {wait}"),
        client: Client::Uringbench,
        load: Load { rate: Some(rate), wait: Some(wait), ..closed("/", 64, seconds) },
    }
}

fn lateness(bench: &mut Bench, scale: Scale) -> Section {
    let steps = [("hybrid", 10_000), ("hybrid", 50_000), ("spin", 10_000), ("spin", 50_000)];
    let steps = if scale.smoke { &steps[..1] } else { &steps[..] };
    let mut contenders: Vec<_> =
        steps.iter().map(|&(wait, rate)| paced(rate, wait, scale.seconds)).collect();
    if !scale.smoke {
        contenders.push(Contender {
            label: "wrk2 50000/s".to_owned(),
            client: Client::Wrk2,
            ..paced(50_000, "hybrid", scale.seconds)
        });
    }
    let rows = bench.interleave(contenders, scale.rounds);
    let mut section = lateness_section(&rows);
    for (&(wait, rate), row) in steps.iter().zip(&rows) {
        let p99_max = if wait == "spin" { 12.0 } else { 25.0 };
        let best = best_lateness(row);
        for (quantile, limit, measured) in
            [("p50", 1.0, best.map(|best| best.0)), ("p99", p99_max, best.map(|best| best.1))]
        {
            section.goals.push(Goal {
                what: format!("lateness {quantile} of the best run, {rate}/s {wait}"),
                bound: Bound::AtMost(limit),
                measured,
                unit: Unit::Microseconds,
            });
        }
    }
    if !scale.smoke {
        let ours = rows.get(1).zip(row_of(&rows, Client::Wrk2));
        let ratio = ours.and_then(|(ours, wrk2)| wrk2.ratio(ours, (response_p50, response_p50)));
        section.goals.push(Goal {
            what: "response p50 that wrk2 reports against ours, 50000/s".to_owned(),
            bound: Bound::AtLeast(20.0),
            measured: ratio.map(|spread| spread.median),
            unit: Unit::Times,
        });
    }
    section
}

fn response_p50(sample: &Sample) -> Option<f64> {
    sample.answer.response_p50_us
}

/// (p50, p99) of the run with the lowest p99: other programs on the machine can only raise it.
fn best_lateness(row: &Row) -> Option<(f64, f64)> {
    let runs = row.measured().filter_map(|sample| sample.answer.lateness_us);
    runs.min_by(|a, b| a.1.total_cmp(&b.1))
}

fn lateness_section(rows: &[Row]) -> Section {
    let head = [
        "client, rate, wait",
        "lateness p50 µs",
        "lateness p99 µs",
        "response p50 µs",
        "CPU µs/request",
        "errors",
    ];
    let cells = |row: &Row| {
        let p50 = row.spread(|sample| Some(sample.answer.lateness_us?.0));
        let p99 = row.spread(|sample| Some(sample.answer.lateness_us?.1));
        vec![
            row.label.clone(),
            table::spread(p50, 2),
            table::spread(p99, 1),
            table::spread(row.spread(response_p50), 1),
            median(row.spread(Figure::Cpu.of()), 2),
            errors(row),
        ]
    };
    Section {
        title: "Open loop, 64 connections: lateness and response time".to_owned(),
        table: Table {
            head: head.map(str::to_owned).to_vec(),
            rows: rows.iter().map(cells).collect(),
        },
        goals: Vec::new(),
        notes: remarks(rows),
    }
}

fn accuracy(bench: &mut Bench, scale: Scale) -> Section {
    let title = "Open loop, 64 connections: achieved against planned rate".to_owned();
    let maximum = contenders(&[Client::Uringbench], &closed("/", 64, scale.seconds));
    let maximum = bench.interleave(maximum, 1);
    let Some(spread) = maximum.first().and_then(|row| row.spread(Figure::Rps.of())) else {
        return Section { title, notes: remarks(&maximum), ..Section::default() };
    };
    let highest = (spread.median * 0.8) as u64;
    let rates: &[u64] = if scale.smoke { &[1_000] } else { &[100, 1_000, 10_000, 50_000, highest] };
    let contenders = rates.iter().map(|&rate| paced(rate, "hybrid", scale.seconds)).collect();
    let rows = bench.interleave(contenders, scale.rounds);
    let deviation = |sample: &Sample| Some((sample.answer.rate_share? - 1.0).abs() * 100.0);
    let mut section = Section {
        title,
        table: Table {
            head: ["planned", "off by, % (worst run last)", "errors"].map(str::to_owned).to_vec(),
            rows: Vec::new(),
        },
        notes: remarks(&rows),
        ..Section::default()
    };
    for (&rate, row) in rates.iter().zip(&rows) {
        let spread = row.spread(deviation);
        let name = if rate == highest {
            format!("{rate}/s (80 % of the closed loop)")
        } else {
            format!("{rate}/s")
        };
        section.table.rows.push(vec![name, table::spread(spread, 4), errors(row)]);
        section.goals.push(Goal {
            what: format!("achieved against planned, {rate}/s, off by"),
            bound: Bound::AtMost(0.1),
            measured: spread.map(|spread| spread.median),
            unit: Unit::Percent,
        });
    }
    section
}

fn memory(bench: &mut Bench, scale: Scale) -> Section {
    let connections = if scale.smoke { 64 } else { 9000 };
    let counts: [u64; 2] = if scale.smoke { [50_000, 200_000] } else { [1_000_000, 50_000_000] };
    let mut section = Section {
        title: "Resident memory of uringbench".to_owned(),
        table: Table {
            head: ["load", "peak MiB", "errors"].map(str::to_owned).to_vec(),
            rows: Vec::new(),
        },
        ..Section::default()
    };
    let at_rest = Contender {
        label: format!("{connections} connections"),
        client: Client::Uringbench,
        load: closed("/", connections, scale.seconds),
    };
    let skipped = bench.too_few_files(connections);
    let mut loads = if skipped.is_none() { vec![at_rest] } else { Vec::new() };
    section.notes.extend(skipped);
    loads.extend(counts.map(|requests| Contender {
        label: format!("{requests} requests, 64 connections, 16 in flight"),
        client: Client::Uringbench,
        load: Load { pipeline: 16, end: End::Requests(requests), ..closed("/", 64, scale.seconds) },
    }));
    let rows = bench.interleave(loads, 1);
    let peak = |label: &str| {
        let row = rows.iter().find(|row| row.label.starts_with(label))?;
        Some(row.spread(|sample| Some(sample.rss_mib))?.median)
    };
    for row in &rows {
        let peak = median(row.spread(|sample| Some(sample.rss_mib)), 2);
        section.table.rows.push(vec![row.label.clone(), peak, errors(row)]);
    }
    let few = peak(&format!("{} requests", counts[0]));
    let many = peak(&format!("{} requests", counts[1]));
    section.goals = vec![
        Goal {
            what: format!("peak at {connections} connections"),
            bound: Bound::AtMost(48.0),
            measured: peak(&format!("{connections} connections")),
            unit: Unit::Mebibytes,
        },
        Goal {
            what: format!("growth from {} to {} requests", counts[0], counts[1]),
            bound: Bound::AtMost(1.0),
            measured: few.zip(many).map(|(few, many)| many - few),
            unit: Unit::Mebibytes,
        },
    ];
    section.notes.extend(remarks(&rows));
    section
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Answer;

    fn row(client: Client, runs: &[(f64, f64)]) -> Row {
        let sample = |&(rps, cpu_us): &(f64, f64)| {
            let answer = Answer { rps, rps_connected: Some(rps + 10.0), ..Answer::default() };
            Ok(Sample { answer, cpu_us, rss_mib: 8.0 })
        };
        let samples = runs.iter().map(sample).collect();
        Row { label: client.name().to_owned(), client, samples }
    }

    #[test]
    fn a_goal_takes_the_median_of_the_rounds() {
        let rows = [
            row(Client::Uringbench, &[(300.0, 4.0), (150.0, 4.0), (280.0, 6.0)]),
            row(Client::Wrk, &[(200.0, 8.0), (100.0, 8.0), (140.0, 8.0)]),
        ];
        let goal = goal_against(&rows, Client::Wrk, Figure::Rps, Bound::AtLeast(1.35));
        assert_eq!((goal.measured, goal.what.as_str()), (Some(1.5), "rps against wrk"));
        let goal = goal_against(&rows, Client::Wrk, Figure::Cpu, Bound::AtMost(0.75));
        assert_eq!(goal.measured, Some(0.5));
        let absent = goal_against(&rows, Client::Floor, Figure::Cpu, Bound::AtMost(1.05));
        assert_eq!(absent.measured, None);
    }

    #[test]
    fn a_section_shows_every_client_beside_ours() {
        let mut failed = row(Client::H2load, &[]);
        failed.samples.push(Err("refused".into()));
        let rows =
            [row(Client::Uringbench, &[(300.0, 4.0)]), row(Client::Wrk, &[(200.0, 8.0)]), failed];
        let section = closed_section("Small".into(), &rows);
        assert_eq!(section.table.rows.len(), 3);
        assert_eq!(section.table.rows[1][5], "1.50 (1.50..1.50)");
        assert_eq!(section.table.rows[1][6], "0.50 (0.50..0.50)");
        assert_eq!(section.notes, ["h2load: 1 of 1 runs failed: refused"]);
        assert_eq!(wrk_connected(&rows).unwrap()[5], "1.43 (1.43..1.43)");
    }

    #[test]
    fn the_best_run_is_one_run() {
        let mut row = row(Client::Uringbench, &[(1.0, 1.0); 3]);
        for (run, lateness) in row.samples.iter_mut().zip([(0.1, 9.0), (0.3, 3.0), (0.2, 5.0)]) {
            run.as_mut().unwrap().answer.lateness_us = Some(lateness);
        }
        assert_eq!(best_lateness(&row), Some((0.3, 3.0)));
        assert_eq!(best_lateness(&Row { samples: vec![], ..row }), None);
    }
}
