//! The server's count of requests equals uringbench's count of released slots, and both equal the
//! requested count, for any distribution of the load.

use crate::support::run::Run;
use crate::support::script::Behaviour;
use crate::support::server::Server;

/// Prime, so that no number of workers, connections or pipelined requests divides it.
const ASKED: u64 = 1_009;

fn exactly(asked: u64, args: &str) {
    let server = Server::start(&Behaviour::Good);
    let args = format!("--warmup 0s -n {asked} {args} {}", server.url());
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect(document.released() == asked, &format!("{asked} released: {args}"));
    document.expect_only(&["ok"]);
    document.expect(server.requests() == asked, &format!("{asked} arrived: {args}"));
}

fn workers() -> Vec<u32> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    if cpus >= 2 { vec![1, 2] } else { vec![1] }
}

#[test]
fn closed_loops_send_exactly_what_was_asked() {
    for cores in workers() {
        for connections in [1, 7, 64].into_iter().filter(|&c| c >= cores) {
            for pipeline in [1, 4] {
                exactly(ASKED, &format!("--cores {cores} -c {connections} -p {pipeline}"));
            }
        }
    }
}

#[test]
fn open_loops_send_exactly_what_was_asked() {
    for cores in workers() {
        for arrivals in ["constant", "poisson"] {
            exactly(ASKED, &format!("--cores {cores} -c 7 -R 2000 --arrivals {arrivals}"));
        }
    }
}

#[test]
fn fewer_requests_than_places_for_them_are_enough() {
    for cores in workers() {
        exactly(1, &format!("--cores {cores} -c 7"));
        exactly(3, &format!("--cores {cores} -c 64 -p 4"));
    }
}

#[test]
fn the_warm_up_is_counted_apart() {
    let server = Server::start(&Behaviour::Good);
    let args = format!("--warmup 500ms -n {ASKED} -c 4 {}", server.url());
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect(document.released() == ASKED, "the warm-up is not of the measured window");
    document.expect(server.requests() > ASKED, "the warm-up sends requests of its own");
}
