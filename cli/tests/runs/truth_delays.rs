//! A server that holds each request for a known time and records how long it really did: the
//! reported quantiles must be its own.
//!
//! Tolerance: 1 % and 1 ms. The histogram keeps 0.1 %; the rest is the way to the server and back,
//! some 50 µs, and the switch between the server's threads and uringbench where they share CPUs.
//! On top comes how long both sides waited for a CPU, as the kernel counts it: the client's part is
//! in its times, the server's is in no time that it held a request. A response time holds the
//! lateness too.

use std::time::Duration;

use crate::support::document::Document;
use crate::support::run::Run;
use crate::support::script::{Behaviour, Hold};
use crate::support::server::Server;
use crate::support::turn::Turn;

const CONSTANT: Hold = Hold::Constant(Duration::from_millis(20));
const BIMODAL: Hold =
    Hold::Bimodal { fast: Duration::from_millis(10), slow: Duration::from_millis(50) };

/// As HDR defines it: the smallest value that at least the share `q` does not exceed.
fn quantile(sorted: &[Duration], q: f64) -> f64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1].as_nanos() as f64
}

/// Quantiles in the middle of a mode are compared both ways: pauses of a busy machine reach few
/// requests and leave the middle where it is. In a tail those few are all there is; there, nothing
/// may be faster than what was held.
fn agrees(document: &Document, server: &Server, times: &str, hold: Hold) {
    let held = server.held();
    document.expect(held.len() as u64 == document.released(), "all requests were held");
    let is_middle = |q: f64| match hold {
        Hold::Constant(_) => q == 0.5,
        // 0.95 halves the slow tenth. 0.9 lies between the modes, where one request decides.
        Hold::Bimodal { .. } => q == 0.5 || q == 0.95,
    };
    let late = match times {
        // Null in a closed loop, where nothing is due before it is sent.
        "response" => document.at("latency_ns.lateness.p90").as_f64().unwrap_or(0.0),
        _ => 0.0,
    };
    // On average; a delay of a middle request is rarely more than twice that.
    let window = document.at("phases").as_array().expect("a list").iter();
    let window = window.filter(|phase| phase["name"] == "measure");
    let window: f64 = window.filter_map(|phase| phase["duration_s"].as_f64()).sum();
    let queued = document.number("client.workers.0.run_queue") * window * 1e9;
    let queued = queued / document.released() as f64 + server.starved().as_nanos() as f64;
    for (key, q) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
        let reported = document.number(&format!("latency_ns.{times}.{key}"));
        let truth = quantile(&held, q);
        let allowed = truth * 0.01 + 1e6;
        let is_near =
            reported >= truth - allowed && reported <= truth + allowed + late + 2.0 * queued;
        let is_slower = reported >= truth * 0.99;
        document.expect(
            is_near || !is_middle(q) && is_slower,
            &format!("{times} {key}: reported {reported} ns, held {truth} ns"),
        );
    }
}

/// 1,200 requests, eight or so in flight of 32 connections: no slot waits for a connection.
fn open_loop(hold: Hold, arrivals: &str) {
    let turn = Turn::alone();
    let server = Server::start(&Behaviour::Hold(hold));
    let args = format!(
        "--warmup 0s --cores 1 -c 32 -R 400 -n 1200 --arrivals {arrivals} {}",
        server.url()
    );
    let document = Run::json_alone(&args, &turn).finish().expect_code(0).document();
    document.expect_only(&["ok"]);
    agrees(&document, &server, "response", hold);
    agrees(&document, &server, "service", hold);
}

#[test]
fn constant_delays_on_a_constant_schedule() {
    open_loop(CONSTANT, "constant");
}

#[test]
fn constant_delays_on_a_poisson_schedule() {
    open_loop(CONSTANT, "poisson");
}

#[test]
fn bimodal_delays_on_a_constant_schedule() {
    open_loop(BIMODAL, "constant");
}

#[test]
fn bimodal_delays_on_a_poisson_schedule() {
    open_loop(BIMODAL, "poisson");
}

#[test]
fn bimodal_delays_in_a_closed_loop() {
    let turn = Turn::alone();
    let server = Server::start(&Behaviour::Hold(BIMODAL));
    let args = format!("--warmup 0s --cores 1 -c 8 -n 1200 {}", server.url());
    let document = Run::json_alone(&args, &turn).finish().expect_code(0).document();
    document.expect_only(&["ok"]);
    agrees(&document, &server, "service", BIMODAL);
    agrees(&document, &server, "response", BIMODAL);
    document.expect(document.at("rate.offered").is_null(), "a closed loop offers no rate");
}
