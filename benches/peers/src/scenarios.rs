//! The cost of a scenario: a single step compared with the plain URL it stands for, and a flow of
//! four steps with data, captures and a check each, compared with the plain URL and with Locust.

use std::fs;
use std::path::PathBuf;

use crate::cases::{Figure, Scale, closed, remarks};
use crate::clients::{Client, Load, Place, Request};
use crate::rounds::{Bench, Contender, Row};
use crate::table::{self, Bound, Goal, Section, Table, Unit};

const STEP: &str = include_str!("step.toml");
const FLOW: &str = include_str!("flow.toml");
const LOCUST: &str = include_str!("locustfile.py");
/// Rows of data for the flow.
const USERS: u32 = 1_000;
const CONNECTIONS: u32 = 64;

/// Writes the scenario of a request for its server.
pub(crate) fn file(request: Request, place: &Place) -> PathBuf {
    let text = if request == Request::Flow { FLOW } else { STEP };
    let file = beside(place).join("scenario.toml");
    let text = text.replace("http://127.0.0.1:8080", &format!("http://{}", place.address));
    // If the file cannot be written, the client reports that it is missing.
    let _ = fs::write(&file, text);
    file
}

/// A folder with the data files that both clients read.
pub(crate) fn beside(place: &Place) -> PathBuf {
    let folder = place.out.join("scenario");
    let users: String =
        (0..USERS).map(|user| format!("user{user}@example.org,pw{user}\n")).collect();
    // As above: the client reports a missing file.
    let _ = fs::create_dir_all(&folder);
    let _ = fs::write(folder.join("users.csv"), format!("email,password\n{users}"));
    let _ = fs::write(folder.join("locustfile.py"), LOCUST);
    folder
}

/// Runs the loads, with Locust if it was found.
pub(crate) fn compare(bench: &mut Bench, scale: Scale) -> Vec<Section> {
    let load = closed("/", CONNECTIONS, scale.seconds);
    let ours = |label: &str, request| Contender {
        label: label.to_owned(),
        client: Client::Uringbench,
        load: Load { request, ..load.clone() },
    };
    let locust = Contender {
        label: "Locust, flow of four steps".to_owned(),
        client: Client::Locust,
        load: Load { request: Request::Flow, ..load.clone() },
    };
    let contenders = vec![
        ours("plain URL", Request::Get),
        ours("scenario of one step", Request::Step),
        ours("flow of four steps", Request::Flow),
        locust,
    ];
    let rows = bench.interleave(contenders, scale.rounds);
    vec![section(&rows)]
}

fn section(rows: &[Row]) -> Section {
    let named = |label: &str| rows.iter().find(|row| row.label.starts_with(label));
    let (plain, step, flow) = (named("plain"), named("scenario"), named("flow"));
    let locust = rows.iter().find(|row| row.client == Client::Locust);
    let cells = |row: &Row| {
        let against = |figure: Figure| match plain {
            Some(plain) if row.label != plain.label => table::spread(figure.ratio(row, plain), 2),
            _ => String::new(),
        };
        vec![
            row.label.clone(),
            table::thousands(row.spread(Figure::Rps.of())),
            table::spread(row.spread(Figure::Cpu.of()), 2),
            against(Figure::Rps),
            against(Figure::Cpu),
        ]
    };
    let goal = |what: &str, figure: Figure, pair: Option<(&Row, &Row)>, bound| Goal {
        what: what.to_owned(),
        bound,
        measured: pair.and_then(|(a, b)| figure.ratio(a, b)).map(|spread| spread.median),
        unit: Unit::Times,
    };
    let head = ["load", "rps", "CPU µs/request", "rps / plain's", "CPU / plain's"];
    Section {
        title: "Scenarios, 64 connections".to_owned(),
        table: Table {
            head: head.map(str::to_owned).to_vec(),
            rows: rows.iter().map(cells).collect(),
        },
        goals: vec![
            goal(
                "CPU of one step against the plain URL",
                Figure::Cpu,
                step.zip(plain),
                Bound::AtMost(1.02),
            ),
            goal(
                "rps of the flow against the plain URL",
                Figure::Rps,
                flow.zip(plain),
                Bound::AtLeast(0.7),
            ),
            goal(
                "rps of the flow against Locust",
                Figure::Rps,
                flow.zip(locust),
                Bound::AtLeast(20.0),
            ),
        ],
        notes: remarks(rows),
    }
}
