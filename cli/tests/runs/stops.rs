//! Ctrl-C: the first ends the run, and its results are printed and stored; the second ends it at
//! once. A stopped terminal ends nothing.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::full_backlog::FullBacklog;
use crate::support::run::{Run, Running};
use crate::support::script::Behaviour;
use crate::support::server::Server;

/// Starts a run and waits until its load arrives, so that the signal reaches a running load.
fn under_way(server: &Server, args: &str) -> Running {
    let run = Run::json(&format!("{args} {}", server.url())).start();
    let begun = Instant::now();
    while server.requests() < 4 && begun.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(5));
    }
    run
}

#[test]
fn one_ends_the_run_and_keeps_what_was_measured() {
    for load in ["", "-R 1000"] {
        let server = Server::start(&Behaviour::Good);
        let run = under_way(&server, &format!("-d 30s --warmup 0s -c 4 {load}"));
        thread::sleep(Duration::from_secs(1));
        run.signal(Signal::INT);
        let signalled = Instant::now();
        let finished = run.finish().expect_code(0);
        let ended = signalled.elapsed();
        assert!(ended < Duration::from_secs(5), "ended {ended:?} after the signal\n{finished}");
        let document = finished.document();
        document.expect_only(&["ok"]);
        document.expect(server.requests() == document.released(), "all that was sent is counted");
        finished.expect_stored();
    }
}

#[test]
fn one_waits_for_answers_no_longer_than_the_timeout() {
    let server = Server::start(&Behaviour::NeverAnswer);
    let run = under_way(&server, "-d 30s --warmup 0s -c 4 --timeout 1s");
    run.signal(Signal::INT);
    let signalled = Instant::now();
    let finished = run.finish().expect_code(0);
    let ended = signalled.elapsed();
    assert!(ended < Duration::from_secs(4), "ended {ended:?} after the signal\n{finished}");
    let document = finished.document();
    document.expect_none_but(&["timeout", "censored"]);
    document.expect(document.released() >= 4, "four connections, four requests");
}

#[test]
fn two_end_the_run_at_once_and_censor_what_is_in_flight() {
    let server = Server::start(&Behaviour::NeverAnswer);
    let run = under_way(&server, "-d 30s --warmup 0s -c 4 --timeout 30s");
    thread::sleep(Duration::from_millis(200));
    run.signal(Signal::INT);
    // A pause, so that the second signal is not merged with a pending first one.
    thread::sleep(Duration::from_millis(300));
    run.signal(Signal::INT);
    let signalled = Instant::now();
    let finished = run.finish().expect_code(0);
    let ended = signalled.elapsed();
    assert!(ended < Duration::from_secs(3), "ended {ended:?} after the signal\n{finished}");
    let document = finished.document();
    document.expect_only(&["censored"]);
    document.expect(document.released() == 4, "four connections, four requests");
    let least = document.count("latency_ns.response.min");
    // The HDR histogram keeps three digits: 500 ms may be read as 499.6 ms.
    document.expect(least >= 499_000_000, "they stand in the response times with their age");
    finished.expect_stored();
}

#[test]
fn one_in_the_warm_up_ends_the_run_with_nothing_measured() {
    let server = Server::start(&Behaviour::Good);
    let run = under_way(&server, "-d 30s --warmup 30s -c 4");
    run.signal(Signal::INT);
    let signalled = Instant::now();
    let finished = run.finish().expect_code(0);
    let ended = signalled.elapsed();
    assert!(ended < Duration::from_secs(5), "ended {ended:?} after the signal\n{finished}");
    let document = finished.document();
    document.expect(document.released() == 0, "the measured window never began");
    document.expect(document.text("verdict.validity") != "valid", "nothing is not a measurement");
}

#[test]
fn one_ends_a_run_that_cannot_connect() {
    let full = FullBacklog::start();
    let args = format!("-c 4 -d 30s --timeout 20s http://{}/", full.address());
    let run = Run::json(&args).start();
    // Nothing shows when the run begins to connect; it does so long before this.
    thread::sleep(Duration::from_secs(2));
    run.signal(Signal::INT);
    let signalled = Instant::now();
    let finished = run.finish();
    let ended = signalled.elapsed();
    assert!(ended < Duration::from_secs(5), "ended {ended:?} after the signal\n{finished}");
}

#[test]
fn nobody_who_reads_the_progress_holds_nothing_up() {
    for load in ["", "-R 1000"] {
        let server = Server::start(&Behaviour::Good);
        let run = Run::text(&format!("--json -d 3s --warmup 0s -c 4 {load} {}", server.url()));
        let finished = run.unread().finish().expect_code(0);
        let document = finished.document();
        document.expect_only(&["ok"]);
        document.expect(server.requests() == document.released(), "all that was sent is counted");
        document.expect(
            document.at("intervals").as_array().is_some_and(|rows| rows.len() >= 3),
            "all intervals are there",
        );
        finished.expect_stored();
    }
    // A full standard error blocks neither the message of a signal nor that of a failure.
    let server = Server::start(&Behaviour::Good);
    let run = Run::text(&format!("--json -d 60s --warmup 0s -c 4 {}", server.url()));
    let run = run.unread().start();
    let begun = Instant::now();
    while server.requests() < 4 && begun.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(5));
    }
    run.signal(Signal::INT);
    run.finish().expect_code(0).document().expect_only(&["ok"]);
    Run::text("-d 1s http://127.0.0.1:1/").unread().finish().expect_code(1);
}
