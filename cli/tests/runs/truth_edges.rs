//! Closed loops whose answers take a good part of the window: the rate is the target's, wherever
//! the window's edges lie.

use std::time::Duration;

use crate::support::document::Document;
use crate::support::recording::{Answer, Recording, ok};
use crate::support::run::Run;

/// Each answer takes so long, and each of 16 connections is always busy: 16 / 0.6 s.
const ANSWER: Duration = Duration::from_millis(600);
const RATE: f64 = 16.0 / 0.6;

fn slow() -> Recording {
    Recording::start(|_| Answer::Late(ANSWER, ok("slow")))
}

/// A busy machine makes answers a little slower, and never faster.
fn is_right(document: &Document, key: &str) {
    let rate = document.number(key);
    document.expect((0.85 * RATE..=1.01 * RATE).contains(&rate), &format!("{key} is {rate}"));
    let reasons = document.at("verdict.reasons").to_string();
    document.expect(!reasons.contains("little"), &reasons);
}

#[test]
fn the_rate_is_the_target_s_wherever_the_window_is_cut() {
    let server = slow();
    for window in ["--warmup 0s -d 1s", "--warmup 900ms -d 1s", "--warmup 0s -d 2000ms"] {
        let args = format!("{window} -c 16 --cores 1 {}", server.target());
        let document = Run::json(&args).finish().expect_code(0).document();
        document.expect_only(&["ok"]);
        is_right(&document, "rate.completed");
        is_right(&document, "rate.achieved");
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
    is_right(&document, "rate.completed");
    let rate = document.at("flows")[0]["rate"].as_f64().unwrap_or_default();
    document.expect((0.85 * RATE..=1.01 * RATE).contains(&rate), &format!("{rate} flows a second"));
}
