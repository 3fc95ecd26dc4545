//! Closed loops whose answers take a good part of the window: the rate is the target's, wherever
//! the window's edges lie.

use std::time::Duration;

use crate::support::document::Document;
use crate::support::recording::{Answer, Recording, ok};
use crate::support::run::Run;

/// Each answer takes so long, and each of 16 connections is always busy.
const ANSWER: Duration = Duration::from_millis(600);
const CONNECTIONS: f64 = 16.0;

fn slow() -> Recording {
    Recording::start(|_| Answer::Late(ANSWER, ok("slow")))
}

/// The rate that the server saw since it had seen `before` requests: from one request of a
/// connection to its next one passes what an answer takes on this machine, busy or not.
fn rate_seen(server: &Recording, before: usize) -> f64 {
    let asked = &server.asked()[before..];
    let gaps = asked.iter().enumerate().filter_map(|(at, first)| {
        let next = asked[at + 1..].iter().find(|next| next.connection == first.connection)?;
        Some(next.at.duration_since(first.at).as_secs_f64())
    });
    let gaps: Vec<_> = gaps.collect();
    assert!(gaps.len() >= 16, "each connection sends more than once");
    CONNECTIONS * gaps.len() as f64 / gaps.iter().sum::<f64>()
}

fn is_right(document: &Document, rate: f64, truth: f64) {
    document.expect((rate / truth - 1.0).abs() < 0.1, &format!("{rate}, the server saw {truth}"));
    let reasons = document.at("verdict.reasons").to_string();
    document.expect(!reasons.contains("little"), &reasons);
}

#[test]
fn the_rate_is_the_target_s_wherever_the_window_is_cut() {
    let server = slow();
    for window in ["--warmup 0s -d 1s", "--warmup 900ms -d 1s", "--warmup 0s -d 2000ms"] {
        let before = server.asked().len();
        let args = format!("{window} -c 16 --cores 1 {}", server.target());
        let document = Run::json(&args).finish().expect_code(0).document();
        document.expect_only(&["ok"]);
        let truth = rate_seen(&server, before);
        is_right(&document, document.number("rate.completed"), truth);
        is_right(&document, document.number("rate.achieved"), truth);
    }
}

#[test]
fn so_it_is_of_users_and_their_flows() {
    let server = slow();
    let text = "[load]\nusers = 16\nconnections = 16\n[[flow]]\nname = \"f\"\n\
                [[flow.step]]\npath = \"/\"\n";
    let run = Run::scenario("--warmup 0s -d 1s --cores 1", &server.target(), text);
    let document = run.finish().expect_code(0).document();
    document.expect_only(&["ok"]);
    let truth = rate_seen(&server, 0);
    is_right(&document, document.number("rate.completed"), truth);
    is_right(&document, document.at("flows")[0]["rate"].as_f64().unwrap_or_default(), truth);
}
