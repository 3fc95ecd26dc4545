//! The cost of protocols: a connection per request, TLS, uploads and WebSocket.
//!
//! Here uringbench waits as it does by default, so its CPU time includes the busy waiting that
//! raises its rate; it sleeps only where two costs are compared.

use crate::cases::{
    Figure, Scale, closed, closed_section, contenders, goal_against, remarks, row_of,
};
use crate::clients::{Client, Load, Request};
use crate::nginx::{Kind, Nginx};
use crate::rounds::{Bench, Contender, Row};
use crate::server::Server;
use crate::table::{Bound, Goal, Section, Unit};

const CONNECTIONS: u32 = 64;
const UPLOAD_BYTES: u64 = 10_000_000;
const UPLOAD_CONNECTIONS: u32 = 50;
const MESSAGE_BYTES: usize = 64;

const RATED: [Client; 2] = [Client::Uringbench, Client::Wrk];

/// A closed loop in which uringbench uses its default wait.
fn free(server: &str, seconds: u32) -> Load {
    let server = Some(server.to_owned());
    Load { server, wait: None, ..closed("/", CONNECTIONS, seconds) }
}

/// Starts nginx on `cpus`, or returns a section with the reason why it cannot run.
pub(crate) fn nginx(
    bench: &mut Bench,
    title: &str,
    kind: Kind,
    cpus: &[usize],
) -> Result<Nginx, Section> {
    let started = match &bench.programs.nginx {
        None => return Err(unmeasured(title, "nginx is absent: not run".to_owned())),
        Some(program) => {
            bench.runs += 1;
            let folder = bench.scratch.join(format!("nginx-{}", bench.runs));
            Nginx::start(program, &folder, kind, cpus)
        }
    };
    started.map_err(|failure| failed(bench, title, &failure))
}

fn failed(bench: &mut Bench, title: &str, failure: &str) -> Section {
    bench.failures += 1;
    eprintln!("  {title}: FAILED: {failure}");
    unmeasured(title, format!("FAILED: {failure}"))
}

fn unmeasured(title: &str, note: String) -> Section {
    Section { title: title.to_owned(), notes: vec![note], ..Section::default() }
}

/// A new plain connection for each request.
pub(crate) fn connections(bench: &mut Bench, scale: Scale) -> Section {
    let title = "A connection per request, 64 at a time, nginx";
    let server = match nginx(bench, title, Kind::Plain, &[bench.target_cpu]) {
        Ok(server) => server,
        Err(section) => return section,
    };
    let load = Load { request: Request::GetAndClose, ..free(&server.address, scale.seconds) };
    against_wrk(bench, title, &load, scale.rounds, Some(1.2))
}

/// uringbench and wrk under the same load.
fn against_wrk(
    bench: &mut Bench,
    title: &str,
    load: &Load,
    rounds: u32,
    wanted: Option<f64>,
) -> Section {
    let rows = bench.interleave(contenders(&RATED, load), rounds);
    let mut section = closed_section(title.to_owned(), &rows);
    section.goals.extend(wanted.map(|rps| rps_against_wrk(&rows, rps)));
    section
}

fn rps_against_wrk(rows: &[Row], wanted: f64) -> Goal {
    goal_against(rows, Client::Wrk, Figure::Rps, Bound::AtLeast(wanted))
}

/// TLS 1.3 in four loads.
pub(crate) fn tls(bench: &mut Bench, scale: Scale) -> Vec<Section> {
    let of_server = [bench.target_cpu];
    let both = [bench.target_cpu, bench.cpu];
    let mut sections = vec![
        kept(bench, scale, "TLS 1.3, 64 connections, nginx", &of_server, Some(1.15)),
        kept(bench, scale, "TLS 1.3, 64 connections, nginx: server on both CPUs", &both, None),
    ];
    sections.extend(handshakes(bench, scale));
    sections
}

fn kept(
    bench: &mut Bench,
    scale: Scale,
    title: &str,
    cpus: &[usize],
    wanted: Option<f64>,
) -> Section {
    let server = match nginx(bench, title, Kind::Resumption, cpus) {
        Ok(server) => server,
        Err(section) => return section,
    };
    let load = Load { is_tls: true, ..free(&server.address, scale.seconds) };
    against_wrk(bench, title, &load, scale.rounds, wanted)
}

/// Full and resumed handshakes in the same rounds, so that they can be compared.
fn handshakes(bench: &mut Bench, scale: Scale) -> Vec<Section> {
    let titles = [
        "TLS 1.3, a connection per request, full handshakes, 64 at a time, nginx",
        "TLS 1.3, a connection per request, resumed sessions, 64 at a time, nginx",
    ];
    let cpus = [bench.target_cpu];
    let servers = nginx(bench, titles[0], Kind::FullHandshakes, &cpus)
        .and_then(|full| Ok((full, nginx(bench, titles[1], Kind::Resumption, &cpus)?)));
    let (full, resumed) = match servers {
        Ok(servers) => servers,
        Err(section) => return vec![section],
    };
    let mut all = Vec::new();
    for server in [&full, &resumed] {
        let load = Load {
            is_tls: true,
            request: Request::GetAndClose,
            ..free(&server.address, scale.seconds)
        };
        all.extend(contenders(&RATED, &load));
    }
    let is_full: Vec<_> = all
        .iter()
        .filter(|one| bench.programs.path(one.client).is_some())
        .map(|one| one.load.server.as_ref() == Some(&full.address))
        .collect();
    let rows = bench.interleave(all, scale.rounds);
    let (full_rows, resumed_rows) = split(rows, &is_full);
    let [mut full, mut resumed] = [
        closed_section(titles[0].to_owned(), &full_rows),
        closed_section(titles[1].to_owned(), &resumed_rows),
    ];
    full.goals.push(rps_against_wrk(&full_rows, 1.2));
    resumed.goals.push(resumed_against_full(&resumed_rows, &full_rows));
    vec![full, resumed]
}

/// Splits the rows into those for which `is_first` is true, and the others.
fn split(rows: Vec<Row>, is_first: &[bool]) -> (Vec<Row>, Vec<Row>) {
    let (first, second): (Vec<_>, Vec<_>) =
        rows.into_iter().zip(is_first).partition(|(_, is_first)| **is_first);
    let only_rows = |rows: Vec<(Row, &bool)>| rows.into_iter().map(|(row, _)| row).collect();
    (only_rows(first), only_rows(second))
}

fn resumed_against_full(resumed: &[Row], full: &[Row]) -> Goal {
    let ours = row_of(resumed, Client::Uringbench).zip(row_of(full, Client::Uringbench));
    let ratio = ours.and_then(|(resumed, full)| Figure::Rps.ratio(resumed, full));
    Goal {
        what: "uringbench's rps, resumed against full".to_owned(),
        bound: Bound::AtLeast(1.0),
        measured: ratio.map(|spread| spread.median),
        unit: Unit::Times,
    }
}

/// Bodies of 10 MB, compared with the floor probe, which sends the same bytes.
pub(crate) fn uploads(bench: &mut Bench, scale: Scale) -> Section {
    let load = Load {
        request: Request::Upload(UPLOAD_BYTES),
        wait: None,
        ..closed("/", UPLOAD_CONNECTIONS, scale.seconds)
    };
    let clients = [Client::Uringbench, Client::Floor];
    let rows = bench.interleave(contenders(&clients, &load), scale.rounds);
    let mut section = closed_section("Uploads of 10 MB, 50 connections".to_owned(), &rows);
    section.goals.push(goal_against(&rows, Client::Floor, Figure::Rps, Bound::AtLeast(0.9)));
    section
}

/// Echoed messages: their rate compared with Python's, their cost compared with that of a GET.
pub(crate) fn websocket(bench: &mut Bench, scale: Scale) -> Vec<Section> {
    let title = "WebSocket, messages of 64 bytes, 64 connections";
    let server = match Server::echo(&bench.echo, bench.target_cpu) {
        Ok(server) => server,
        Err(failure) => return vec![failed(bench, title, &failure)],
    };
    let request = Request::Message(MESSAGE_BYTES);
    let load = Load { request, ..free(&server.address, scale.seconds) };
    let clients = [Client::Uringbench, Client::Websockets];
    let rows = bench.interleave(contenders(&clients, &load), scale.rounds);
    let mut rate = closed_section(title.to_owned(), &rows);
    rate.goals.push(goal_against(&rows, Client::Websockets, Figure::Rps, Bound::AtLeast(10.0)));
    vec![rate, exchange_cost(bench, scale, load)]
}

fn exchange_cost(bench: &mut Bench, scale: Scale, message: Load) -> Section {
    let exchange = |label: &str, request| Contender {
        label: label.to_owned(),
        client: Client::Uringbench,
        load: Load { request, wait: Some("block"), ..message.clone() },
    };
    let pair = vec![exchange("WebSocket", message.request), exchange("HTTP", Request::Get)];
    let rows = bench.interleave(pair, scale.rounds);
    let title = "An exchange of uringbench's over WebSocket and over HTTP, the same server";
    let mut section = closed_section(title.to_owned(), &rows);
    section.notes = remarks(&rows);
    let ratio = rows.first().zip(rows.get(1)).and_then(|(a, b)| Figure::Cpu.ratio(a, b));
    section.goals.push(Goal {
        what: "CPU per exchange, WebSocket against HTTP".to_owned(),
        bound: Bound::AtMost(1.15),
        measured: ratio.map(|spread| spread.median),
        unit: Unit::Times,
    });
    section
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Answer;
    use crate::rounds::Sample;

    fn row(client: Client, rps: f64) -> Row {
        let sample = Sample { answer: Answer { rps, ..Answer::default() }, ..Sample::default() };
        Row { label: client.name().to_owned(), client, samples: vec![Ok(sample)] }
    }

    #[test]
    fn rows_are_split_by_server_though_a_client_is_absent() {
        let rows = vec![row(Client::Uringbench, 100.0), row(Client::Uringbench, 150.0)];
        let (full, resumed) = split(rows, &[true, false]);
        let goal = resumed_against_full(&resumed, &full);
        assert_eq!(goal.measured, Some(1.5));
        assert_eq!(rps_against_wrk(&full, 1.2).measured, None);
        let rows = [1.0, 2.0, 3.0, 4.0].map(|rps| row(Client::Wrk, rps)).into();
        let (full, resumed) = split(rows, &[true, true, false, false]);
        assert_eq!((full.len(), resumed.len()), (2, 2));
        assert_eq!(resumed_against_full(&resumed, &full).measured, None);
    }

    #[test]
    fn uringbench_waits_as_it_likes_where_rates_are_compared() {
        let load = free("127.0.0.1:81", 1);
        assert_eq!((load.wait, load.server.as_deref()), (None, Some("127.0.0.1:81")));
        assert_eq!(closed("/", 1, 1).wait, Some("block"));
    }
}
