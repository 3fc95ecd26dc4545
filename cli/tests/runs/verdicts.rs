//! The verdicts of runs that did not go as planned though nothing failed: answers that reject the
//! load, a target that ends, a schedule without a request.

use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::document::Document;
use crate::support::run::Run;
use crate::support::script::Behaviour;
use crate::support::server::Server;
use crate::support::target::Target;
use crate::support::turn::skip;

/// The message of the reason with this code, if there is one.
fn reason<'a>(document: &'a Document, code: &str) -> Option<&'a str> {
    let reasons = document.at("verdict.reasons").as_array()?;
    let reason = reasons.iter().find(|reason| reason["code"] == code)?;
    reason["message"].as_str()
}

fn seen(code: &str, status: u16, header: &'static str, parts: &[&str]) {
    let server = Server::start(&Behaviour::StatusWith(status, header));
    let run = format!("--warmup 0s -n 200 -c 4 {}", server.url());
    let document = Run::json(&run).finish().expect_code(0).document();
    let said = reason(&document, code).unwrap_or_default();
    for part in parts {
        document.expect(said.contains(part), &format!("{code} says {part}: {said}"));
    }
}

#[test]
fn answers_that_turn_the_load_away_are_reported_with_what_they_say() {
    let location = "Location: https://other.example/a?token=secret";
    seen("redirects", 301, location, &["200 of 200", "301", "to `https://other.example/a?…`"]);
    seen("refusals", 401, "WWW-Authenticate: Basic realm=\"x\"", &["401", "asks for Basic"]);
    seen("refusals", 404, "X: 1", &["404", "path"]);
    seen("refusals", 429, "Retry-After: 7", &["429", "Retry-After: 7", "rate limit"]);
}

#[test]
fn a_redirect_that_a_step_checks_for_is_no_reason() {
    let server = Server::start(&Behaviour::StatusWith(302, "Location: /next"));
    let of = |check: &str| {
        let text = format!(
            "[load]\nusers = 2\nconnections = 2\n[[flow]]\nname = \"f\"\n[[flow.step]]\n\
             name = \"s\"\npath = \"/\"\n{check}"
        );
        let run = Run::scenario("--warmup 0s -d 500ms", &server.url(), &text);
        run.finish().expect_code(0).document()
    };
    let without = of("");
    let said = reason(&without, "redirects").unwrap_or_default();
    without.expect(said.contains("are 302 (to `/next`)"), said);
    let with = of("[flow.step.check]\nstatus = [302]\n");
    with.expect(reason(&with, "redirects").is_none(), "it was asked for");
    with.expect_only(&["ok"]);
}

#[test]
fn a_target_that_ends_in_the_run_is_named_with_the_time() {
    let target = Target::start();
    let args = format!("--warmup 0s -R 100 -c 4 -d 5s --timeout 1s {}", target.url());
    let running = Run::json(&args).start();
    thread::sleep(Duration::from_millis(2_500));
    drop(target);
    let document = running.finish().expect_code(0).document();
    let said = reason(&document, "target_gone").unwrap_or_default();
    document.expect(said.contains("Connection refused"), said);
    document.expect(reason(&document, "connections_busy").is_none(), "nobody was busy");
    document.expect(reason(&document, "connections").is_none(), "the target ended");
}

#[test]
fn segments_that_are_sent_again_are_counted_on_the_run_s_own_connections() {
    const TEST: &str = "segments_that_are_sent_again_are_counted_on_the_run_s_own_connections";
    // A separate network whose queue drops packets when 32 connections send together.
    let queue = "ip link set lo up && tc qdisc add dev lo root tbf rate 8mbit burst 4kb limit 4kb";
    let can = Command::new("unshare").args(["--net", "sh", "-c", queue]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        return skip(TEST, "needs root, and tc and unshare with a token bucket filter");
    }
    let script = format!(
        "\"$1\" target --listen 127.0.0.1:18080 >/dev/null 2>&1 & sleep 1; {queue} && exec \"$@\""
    );
    let args = "-c 32 -d 2s --warmup 0s http://127.0.0.1:18080/";
    let script = script.replacen("\"$1\"", "ip link set lo up; \"$1\"", 1);
    let run = Run::json(args).through("unshare --net", &script).finish().expect_code(0);
    let document = run.document();
    if document.at("client.tcp").is_null() {
        return skip(TEST, "needs Linux 6.8");
    }
    document.expect(document.count("client.tcp.retransmits") > 0, "the queue dropped segments");
    document.expect(document.count("client.tcp.connections_made") == 32, "as many as -c says");
    let said = reason(&document, "retransmits").unwrap_or_default();
    document.expect(said.contains("on 32 of the 32 connections"), said);
}

#[test]
fn a_schedule_without_a_request_says_so() {
    let target = Target::start();
    let args =
        format!("--warmup 0s -R 0.2 -c 1 -d 500ms --arrivals poisson --seed 1 {}", target.url());
    let document = Run::json(&args).finish().expect_code(0).document();
    let said = reason(&document, "nothing_completed").unwrap_or_default();
    document.expect(said.contains("no request was due"), said);
}

#[test]
fn times_of_few_requests_are_given_as_least_mean_and_most() {
    let target = Target::start();
    let text = Run::text(&format!("-q --warmup 0s -n 5 -c 1 {}", target.url()));
    let out = text.finish().expect_code(0).stdout.clone();
    for row in ["  min  ", "  max  ", "  mean  "] {
        assert!(out.contains(row), "{row}\n{out}");
    }
    assert!(notes_of(&out).contains("5 of 1,000"), "{out}");
}

fn notes_of(out: &str) -> String {
    out.lines().filter(|line| line.starts_with("note")).collect()
}
