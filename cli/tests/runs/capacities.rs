//! The search for a capacity, against a server with a known service time.
//!
//! A busy machine makes answers later, never earlier, so it can only lower what is found. The tests
//! hold in that direction, whatever else the machine does, and are too short for more.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::queue_server::queue_server;
use crate::support::run::{Finished, Run};

const SERVICE: Duration = Duration::from_millis(1);
/// Requests per second that it serves at most. The shortest trial, of 133 ms, ends before the queue
/// is 20 ms long if the load is less than 15 % over; on a busy machine the search may end there.
const SERVED_MAX: f64 = 1_200.0;

/// `uringbench capacity --json -q` and these arguments.
fn searches(words: &str) -> Run {
    Run::text(&format!("capacity --json -q {words}"))
}

fn document(finished: &Finished) -> Value {
    let document: Value = serde_json::from_str(&finished.stdout).expect("one JSON document");
    assert_eq!(document["schema"], "uringbench.capacity/1", "{finished}");
    document
}

#[test]
fn a_queue_takes_no_more_than_it_serves() {
    let server = queue_server(SERVICE);
    let words = "--slo p99<20ms,errors<0.1% --from 50 --to 5k --budget 20s --cores 1";
    let finished = searches(words).arg(server.url()).finish();
    let found = document(&finished);
    let lower = found["answer"]["lower"].as_f64().unwrap_or(0.0);
    assert!(lower <= SERVED_MAX, "{lower}\n{finished}");
    let trials = found["trials"].as_array().expect("a list");
    assert!(trials.len() >= 8, "{finished}");
    assert_eq!(finished.files("run.json").len(), trials.len(), "{finished}");
    let picture = std::fs::read_to_string(finished.file("capacity.svg")).expect("text");
    assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"), "{finished}");
    let stored = std::fs::read_to_string(finished.file("capacity.json")).expect("text");
    let stored: Value = serde_json::from_str(&stored).expect("JSON");
    assert_eq!(stored, found, "{finished}");
}

#[test]
fn connections_are_varied_in_a_closed_loop() {
    let server = queue_server(SERVICE);
    // Each connection waits for all others: n connections wait for n service times.
    let words = "--over connections --slo p90<20ms --to 64 --budget 20s --cores 1";
    let finished = searches(words).arg(server.url());
    let finished = finished.finish();
    let found = document(&finished);
    let lower = found["answer"]["lower"].as_f64().unwrap_or(0.0);
    assert!(lower <= 22.0 && lower.fract() == 0.0, "{finished}");
    for trial in found["trials"].as_array().expect("a list") {
        let completed = trial["completed"].as_f64().expect("a number");
        assert!(completed <= SERVED_MAX, "{completed}\n{finished}");
    }
}

#[test]
fn an_interruption_gives_the_answer_so_far() {
    let server = queue_server(SERVICE);
    // The second trial is stored when the first counts.
    let words = "--slo p99<1s --from 50 --budget 5m --cores 1";
    let run = searches(words).arg(server.url()).start();
    let began = Instant::now();
    let has_two = |folder: &std::path::Path| {
        let mut find = std::process::Command::new("find");
        let found = find.arg(folder).args(["-name", "run.json"]).output();
        found.is_ok_and(|output| output.stdout.split(|byte| *byte == b'\n').count() > 2)
    };
    while !has_two(run.folder()) && began.elapsed() < Duration::from_secs(40) {
        std::thread::yield_now();
    }
    run.signal(Signal::INT);
    let finished = run.finish().expect_code(12);
    let found = document(&finished);
    assert_eq!(found["answer"]["interrupted"], true, "{finished}");
    assert!(found["answer"]["lower"].is_number(), "{finished}");
}

#[test]
fn options_that_the_search_chooses_are_refused() {
    let cases = [
        ("http://127.0.0.1:1/", "needs an objective"),
        ("--slo p99<1s -R 5 http://127.0.0.1:1/", "--from and --to"),
        ("--slo p99<1s -d 5 http://127.0.0.1:1/", "--budget"),
        ("--slo mean<1s http://127.0.0.1:1/", "not about a share"),
        ("--slo p99<1s --from 2k --to 1k http://127.0.0.1:1/", "not below"),
        ("--slo p99<1s --width 0 http://127.0.0.1:1/", "1% to 50%"),
        ("--slo p99<1s --budget 1s http://127.0.0.1:1/", "too short"),
    ];
    for (words, part) in cases {
        Run::text(&format!("capacity {words}")).finish().expect_code(2).expect_line(&[part]);
    }
}

#[test]
fn a_server_that_is_not_there_is_no_answer() {
    let finished = Run::text("capacity --slo p99<1s http://127.0.0.1:1/").finish();
    finished.expect_code(1).expect_line(&["trial 1", "127.0.0.1:1"]);
}
