//! Runs sent to PostgreSQL: the database goes away during a run, and nothing is lost.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::support::run::Run;
use crate::support::script::Behaviour;
use crate::support::server::Server;

/// What a command says about the database in the environment.
#[track_caller]
fn said(url: &str, words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_uringbench"))
        .args(words)
        .env("URINGBENCH_STORE", url)
        .stdin(Stdio::null())
        .output()
        .expect("the binary under test starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn names(url: &str) -> Vec<String> {
    let list: Value =
        serde_json::from_str(&said(url, &["history", "list", "--json"])).expect("JSON");
    let runs = list["runs"].as_array().expect("a list").iter();
    runs.map(|run| run["benchmark_name"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn a_database_that_goes_away_during_a_run_gets_it_later() {
    let Some(mut cluster) = Cluster::start() else { return };
    let url = cluster.database("team");
    let results = tempfile::tempdir().expect("room for a folder");
    let server = Server::start(&Behaviour::Good);
    let run = |options: &str| {
        let root = results.path().display();
        let args = format!("-c 2 --warmup 0s --store {root} --store {url} {options}");
        Run::json(&format!("{args} {}", server.url()))
    };
    run("-n 100 --name first").finish().expect_code(0);
    assert_eq!(names(&url), ["first"]);
    // Ended only when the database is gone.
    let running = run("-d 60s --name interrupted").start();
    while server.requests() < 200 {
        std::thread::yield_now();
    }
    cluster.stop();
    running.signal(rustix::process::Signal::INT);
    let finished = running.finish().expect_code(0);
    assert!(finished.stderr.contains("not in the database"), "{finished}");
    assert!(finished.stderr.contains("1 unsent run is sent with the next run"), "{finished}");
    cluster.restart();
    run("-n 100 --name last").finish().expect_code(0);
    assert_eq!(names(&url), ["last", "interrupted", "first"]);
    assert!(said(&url, &["history", "show", "first"]).starts_with("run       first\n"));
    assert!(said(&url, &["history", "export", "--format", "csv"]).lines().count() == 4);
    assert!(said(&url, &["trend", "first"]).starts_with("first · "));
}
