//! HTTP/2 against h2load and against its own floor: the built-in target in the clear, nginx over
//! TLS and as a server that ends its connections.

use crate::cases::{Figure, Scale, closed, closed_section, contenders, goal_against};
use crate::clients::{Client, Load};
use crate::nginx::Kind;
use crate::protocols::nginx;
use crate::rounds::{Bench, Contender};
use crate::table::{Bound, Goal, Section, Unit};

/// A closed loop with so many streams on each connection.
fn streams(path: &str, connections: u32, depth: u32, seconds: u32) -> Load {
    Load { is_http2: true, pipeline: depth, ..closed(path, connections, seconds) }
}

/// Small answers of the built-in target.
pub(crate) fn small(bench: &mut Bench, scale: Scale) -> Vec<Section> {
    use Client::{Floor, H2load, Uringbench};
    // Connections, streams on each, and the goals for CPU against h2load and the floor.
    let wanted = [(64, 1, 0.60, Some(1.10)), (64, 10, 0.45, Some(1.25)), (16, 100, 0.25, None)];
    let wanted = if scale.smoke { &wanted[1..2] } else { &wanted[..] };
    let section = |&(connections, depth, h2load, floor): &(u32, u32, f64, Option<f64>)| {
        let load = streams("/", connections, depth, scale.seconds);
        let mut all = contenders(&[Uringbench, Floor, H2load], &load);
        if depth == 1 {
            all.push(Contender {
                label: "uringbench over HTTP/1.1".to_owned(),
                client: Uringbench,
                load: Load { is_http2: false, ..load },
            });
        }
        let rows = bench.interleave(all, scale.rounds);
        let title = format!("HTTP/2, {connections} connections, {depth} streams on each");
        let mut section = closed_section(title, &rows);
        let cpu = |peer, most| goal_against(&rows, peer, Figure::Cpu, Bound::AtMost(most));
        section.goals.push(cpu(H2load, h2load));
        section.goals.extend(floor.map(|most| cpu(Floor, most)));
        if depth == 1 {
            let pair = rows.first().zip(rows.last());
            let ratio = pair.and_then(|(ours, http1)| Figure::Cpu.ratio(ours, http1));
            section.goals.push(Goal {
                what: "CPU per request, HTTP/2 against HTTP/1.1".to_owned(),
                bound: Bound::AtMost(1.05),
                measured: ratio.map(|spread| spread.median),
                unit: Unit::Times,
            });
        }
        section
    };
    wanted.iter().map(section).collect()
}

/// Small answers of nginx over TLS 1.3.
pub(crate) fn tls(bench: &mut Bench, scale: Scale) -> Vec<Section> {
    let wanted = [(64, 1, 1.0), (16, 100, 0.5)];
    let wanted = if scale.smoke { &wanted[1..] } else { &wanted[..] };
    let section = |&(connections, depth, most): &(u32, u32, f64)| {
        let title =
            format!("HTTP/2 over TLS 1.3, {connections} connections, {depth} streams, nginx");
        let server = match nginx(bench, &title, Kind::Http2Tls, &[bench.target_cpu]) {
            Ok(server) => server,
            Err(section) => return section,
        };
        // With many streams nginx sends answers one by one, and a client that sleeps is woken by
        // each.
        let wait = Some(if depth == 1 { "block" } else { "batch" });
        let load = Load {
            server: Some(server.address.clone()),
            is_tls: true,
            wait,
            ..streams("/", connections, depth, scale.seconds)
        };
        against_h2load(bench, title, &load, scale, (Figure::Cpu, Bound::AtMost(most)))
    };
    wanted.iter().map(section).collect()
}

/// Bodies of 100 KB of the built-in target.
pub(crate) fn bodies(bench: &mut Bench, scale: Scale) -> Section {
    let load = streams("/bytes/102400", 16, 1, scale.seconds);
    let title = "HTTP/2, bodies of 100 KB, 16 connections, 1 stream on each".to_owned();
    against_h2load(bench, title, &load, scale, (Figure::Rps, Bound::AtLeast(1.5)))
}

/// nginx as it is by default: it ends each connection after 1,000 requests, and h2load with it.
pub(crate) fn recycle(bench: &mut Bench, scale: Scale) -> Section {
    let title = "HTTP/2, 16 connections, 10 streams, nginx with 1,000 requests per connection";
    let server = match nginx(bench, title, Kind::Http2Recycled, &[bench.target_cpu]) {
        Ok(server) => server,
        Err(section) => return section,
    };
    let load = Load { server: Some(server.address.clone()), ..streams("/", 16, 10, scale.seconds) };
    let clients = [Client::Uringbench, Client::H2load];
    let rows = bench.interleave(contenders(&clients, &load), scale.rounds);
    closed_section(title.to_owned(), &rows)
}

fn against_h2load(
    bench: &mut Bench,
    title: String,
    load: &Load,
    scale: Scale,
    (figure, bound): (Figure, Bound),
) -> Section {
    let clients = [Client::Uringbench, Client::H2load];
    let rows = bench.interleave(contenders(&clients, load), scale.rounds);
    let mut section = closed_section(title, &rows);
    section.goals.push(goal_against(&rows, Client::H2load, figure, bound));
    section
}
