//! Each switch does what it says, and leaves `/health` and `/stats` alone.

use std::time::{Duration, Instant};

use uringbench_app::{Faults, Stall};

use crate::served::Served;

fn timed(served: &Served, path: &str) -> Duration {
    let begun = Instant::now();
    assert_eq!(served.get(path).status, 200);
    begun.elapsed()
}

#[test]
fn without_switches_all_is_well_and_counted() {
    let served = Served::start();
    for _ in 0..10 {
        assert_eq!(served.get("/ping").status, 200);
    }
    assert_eq!(served.get("/nowhere").status, 404);
    assert_eq!(served.get("/health").text(), r#"{"status":"ok"}"#);
    let stats = served.get("/stats").json();
    assert_eq!(stats["requests"], 11);
    assert_eq!(stats["errors"], 0);
    assert_eq!(stats["refused"], 1);
    assert_eq!(stats["leaked_bytes"], 0);
    assert!(stats["uptime_s"].as_f64().is_some_and(|uptime| uptime > 0.0));
    assert!(stats["rss_bytes"].as_u64().is_some_and(|bytes| bytes > 1 << 20));
}

#[test]
fn errors_come_in_their_share() {
    let served = Served::faulty(Faults { error_rate: 0.25, ..Faults::default() });
    let failed = (0..40).filter(|_| served.get("/ping").status == 500).count();
    assert_eq!(failed, 10);
    assert_eq!(served.get("/stats").json()["errors"], 10);
}

#[test]
fn an_error_comes_after_the_whole_body() {
    let served = Served::faulty(Faults { error_rate: 1.0, ..Faults::default() });
    // More than the kernel keeps for a peer that does not read.
    let answer = served.send("POST", "/features/files/upload", "", &vec![b'x'; 20 << 20]);
    assert_eq!((answer.status, answer.json()["error"].is_string()), (500, true));
}

#[test]
fn each_request_leaves_its_bytes() {
    let leak_bytes = 1 << 20;
    let served = Served::faulty(Faults { leak_bytes, ..Faults::default() });
    let resident = || served.get("/stats").json()["rss_bytes"].as_u64().expect("Linux reports it");
    let before = resident();
    for _ in 0..64 {
        served.get("/ping");
    }
    assert_eq!(served.get("/stats").json()["leaked_bytes"], 64 << 20);
    // Other tests of this process may give memory back meanwhile, but hardly half of this.
    assert!(resident() > before + (32 << 20), "{before} bytes before, {} after", resident());
}

#[test]
fn a_delay_delays() {
    let delay = Duration::from_millis(60);
    let served = Served::faulty(Faults { delay, ..Faults::default() });
    assert!(timed(&served, "/ping") >= delay);
    assert!((0..20).any(|_| timed(&served, "/health") < delay));
}

#[test]
fn a_stall_holds_all_requests_until_it_ends() {
    // All but 2 ms of 400, so that nearly every request meets it.
    let stall = Stall { length: Duration::from_millis(398), every: Duration::from_millis(400) };
    let served = Served::faulty(Faults { stall: Some(stall), ..Faults::default() });
    assert!((0..1_000).any(|_| timed(&served, "/ping") > Duration::from_millis(100)));
    assert!((0..20).any(|_| timed(&served, "/health") < Duration::from_millis(100)));
}

#[test]
fn burning_takes_its_time() {
    let burn = Duration::from_millis(30);
    let served = Served::faulty(Faults { burn, ..Faults::default() });
    assert!(timed(&served, "/ping") >= burn);
}
