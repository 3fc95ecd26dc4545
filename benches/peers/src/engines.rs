//! The cost of uringbench with each of its engines, compared with the floor probe.
//!
//! The loop above the engines is the same, so a difference between two rows is due to the engine.

use crate::cases::{Figure, Scale, closed, remarks, row_of};
use crate::clients::{Client, Engine, Load};
use crate::rounds::{Bench, Contender, Row};
use crate::table::{self, Section, Table};

const ENGINES: [(Engine, &str); 4] = [
    (Engine::Ring, "ring"),
    (Engine::Monoio, "monoio"),
    (Engine::MonoioEpoll, "monoio without io_uring"),
    (Engine::TokioUring, "tokio-uring"),
];

/// Numbers of connections, and of requests in flight on each.
const LOADS: [(u32, u32); 3] = [(64, 1), (512, 1), (64, 16)];

/// Runs every load over every engine.
pub(crate) fn compare(bench: &mut Bench, scale: Scale) -> Vec<Section> {
    let loads = if scale.smoke { &LOADS[..1] } else { &LOADS[..] };
    let section = |&(connections, pipeline): &(u32, u32)| {
        let load = Load { pipeline, ..closed("/", connections, scale.seconds) };
        let rows = bench.interleave(contenders(&load), scale.rounds);
        section(format!("Engines, {connections} connections, {pipeline} in flight on each"), &rows)
    };
    loads.iter().map(section).collect()
}

/// The contenders, with the floor in the middle so that each engine runs close to it in time.
fn contenders(load: &Load) -> Vec<Contender> {
    let over = |(engine, name): (Engine, &str)| Contender {
        label: name.to_owned(),
        client: Client::Uringbench,
        load: Load { engine, ..load.clone() },
    };
    let mut contenders: Vec<_> = ENGINES.map(over).into();
    let floor = Contender { label: "floor".to_owned(), client: Client::Floor, load: load.clone() };
    contenders.insert(2, floor);
    contenders
}

fn section(title: String, rows: &[Row]) -> Section {
    let floor = row_of(rows, Client::Floor);
    let cells = |row: &Row| {
        let ratio = |figure: Figure| match floor {
            Some(floor) if row.client != Client::Floor => {
                table::spread(figure.ratio(row, floor), 2)
            }
            _ => String::new(),
        };
        vec![
            name(row),
            table::thousands(row.spread(Figure::Rps.of())),
            table::spread(row.spread(Figure::Cpu.of()), 2),
            ratio(Figure::Rps),
            ratio(Figure::Cpu),
        ]
    };
    let head = ["engine", "rps", "CPU µs/request", "rps / floor's", "CPU / floor's"];
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

/// The engine that ran the load, from the result: the requested engine may not have been available.
fn name(row: &Row) -> String {
    let mut ran = row.measured().filter_map(|sample| sample.answer.engine.clone());
    ran.next().unwrap_or_else(|| row.label.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Answer;
    use crate::rounds::Sample;

    #[test]
    fn each_engine_is_held_against_the_floor_of_its_round() {
        let row = |label: &str, client, engine: Option<&str>, cpu_us, rps| {
            let engine = engine.map(str::to_owned);
            let answer = Answer { rps, engine, ..Answer::default() };
            let samples = vec![Ok(Sample { answer, cpu_us, rss_mib: 8.0 })];
            Row { label: label.to_owned(), client, samples }
        };
        let rows = [
            row("monoio", Client::Uringbench, Some("monoio (epoll)"), 6.0, 100.0),
            row("floor", Client::Floor, None, 4.0, 200.0),
        ];
        let section = section("x".to_owned(), &rows);
        assert_eq!(
            section.table.rows[0],
            [
                "monoio (epoll)",
                "100.0",
                "6.00 (6.00..6.00)",
                "0.50 (0.50..0.50)",
                "1.50 (1.50..1.50)"
            ]
        );
        assert_eq!(section.table.rows[1][3..], ["", ""]);
    }

    #[test]
    fn every_engine_and_the_floor_take_the_same_load() {
        let contenders = contenders(&closed("/", 64, 1));
        assert_eq!(contenders.len(), 5);
        assert!(contenders.iter().all(|contender| contender.load.connections == 64));
        assert_eq!(contenders[2].client, Client::Floor);
    }
}
