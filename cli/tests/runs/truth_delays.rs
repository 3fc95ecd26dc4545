//! A server that holds each request for a known time and records how long it really did: the
//! reported quantiles must be its own.
//!
//! Tolerance: 1 % and 1 ms. The histogram keeps 0.1 %; the rest is the way to the server and back,
//! some 50 µs, and the switch between the server's threads and uringbench on a machine that may
//! have two CPUs. These tests run alone, so nothing else of ours is in the way.

use std::time::Duration;

use crate::support::document::Document;
use crate::support::run::Run;
use crate::support::script::{Behaviour, Hold};
use crate::support::server::Server;
use crate::support::turn::Turn;

const CONSTANT: Hold = Hold::Constant(Duration::from_millis(20));
const BIMODAL: Hold =
    Hold::Bimodal { fast: Duration::from_millis(10), slow: Duration::from_millis(50) };

/// Quantiles away from the edge between the two modes, where one request more or less on either
/// side would change the value by 40 ms.
const QUANTILES: [(&str, f64); 2] = [("p50", 0.5), ("p95", 0.95)];

/// As HDR defines it: the smallest value that at least the share `q` does not exceed.
fn quantile(sorted: &[Duration], q: f64) -> f64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1].as_nanos() as f64
}

fn agrees(document: &Document, server: &Server, times: &str) {
    let held = server.held();
    document.expect(held.len() as u64 == document.released(), "all requests were held");
    for (key, q) in QUANTILES {
        let (reported, truth) =
            (document.number(&format!("latency_ns.{times}.{key}")), quantile(&held, q));
        let allowed = truth * 0.01 + 1e6;
        document.expect(
            (reported - truth).abs() <= allowed,
            &format!("{times} {key}: reported {reported} ns, held {truth} ns"),
        );
    }
    // Twelve slow requests make p99, which one pause of a busy machine can lengthen, on the way
    // past the server's clock. Nothing can make it shorter than what was held.
    let (reported, truth) =
        (document.number(&format!("latency_ns.{times}.p99")), quantile(&held, 0.99));
    document.expect(
        reported >= truth * 0.99,
        &format!("{times} p99: reported {reported} ns, held {truth} ns"),
    );
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
    agrees(&document, &server, "response");
    agrees(&document, &server, "service");
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
    agrees(&document, &server, "service");
    agrees(&document, &server, "response");
    document.expect(document.at("rate.offered").is_null(), "a closed loop offers no rate");
}
