//! Results that cannot be stored: reported before the run if that can be known; if it happens
//! during the run, the results are still printed. The message names the path and the fix.

use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::run::{Finished, Run};
use crate::support::script::Behaviour;
use crate::support::server::Server;
use crate::support::turn::skip;

/// One line with the path and the fix; the target received no connection.
fn not_started(run: Run, server: &Server, path: &str) {
    let finished = run.finish().expect_code(1);
    finished.expect_line(&[path, "-o DIR"]);
    assert_eq!(finished.stdout, "", "no result without a run\n{finished}");
    assert_eq!(server.connections(), 0, "nothing was started\n{finished}");
}

/// The run measured and printed its results; the exit code and one line report the failure.
fn measured_but_not_stored(finished: Finished, path: &str) {
    let finished = finished.expect_code(1);
    let document = finished.document();
    document.expect_only(&["ok"]);
    finished.expect_line(&[path, "-o DIR"]);
    // An incomplete document is worse than none.
    assert!(finished.files("run.json").is_empty(), "nothing half-written is left\n{finished}");
}

/// Whether the test can mount a file system of its own.
fn may_mount(test: &str) -> bool {
    let unshared = Command::new("unshare").args(["--mount", "true"]).output();
    let may = unshared.is_ok_and(|output| output.status.success());
    if !may {
        skip(test, "needs root, or the right to make a mount namespace, and unshare");
    }
    may
}

#[test]
fn a_folder_that_cannot_be_made_stops_the_run_before_it_starts() {
    // Root may write anywhere, but cannot make a folder below a file or in /proc.
    let server = Server::start(&Behaviour::Good);
    let run = Run::json(&format!("-n 200 -c 4 --warmup 0s -o file/results {}", server.url()));
    std::fs::write(run.folder().join("file"), "not a folder").unwrap();
    not_started(run, &server, "file/results");
    let args = format!("-n 200 -c 4 --warmup 0s -o /proc/results {}", server.url());
    not_started(Run::json(&args), &server, "/proc/results");
}

#[test]
fn a_disk_that_is_full_or_read_only_stops_the_run_before_it_starts() {
    const TEST: &str = "a_disk_that_is_full_or_read_only_stops_the_run_before_it_starts";
    if !may_mount(TEST) {
        return;
    }
    // Two pages, both in use: space for the name of a folder, but not for a byte of a file.
    let full = "mkdir disk && mount -t tmpfs -o size=8k tmpfs disk \
        && head -c 8192 /dev/zero >disk/other && exec \"$@\"";
    let read_only = "mkdir disk && mount -t tmpfs -o ro tmpfs disk && exec \"$@\"";
    for script in [full, read_only] {
        let server = Server::start(&Behaviour::Good);
        let run = Run::json(&format!("-n 200 -c 4 --warmup 0s -o disk/run {}", server.url()));
        not_started(run.through("unshare --mount", script), &server, "disk/run");
    }
}

#[test]
fn a_disk_that_fills_up_during_the_run_costs_no_result() {
    const TEST: &str = "a_disk_that_fills_up_during_the_run_costs_no_result";
    if !may_mount(TEST) {
        return;
    }
    let server = Server::start(&Behaviour::Good);
    let run = Run::json(&format!("-d 2s -c 4 --warmup 0s -o disk/run {}", server.url()));
    let script = "mkdir disk && mount -t tmpfs -o size=64k tmpfs disk \
        && { { sleep 1; head -c 100000 /dev/zero >disk/other; } 2>/dev/null & } && exec \"$@\"";
    measured_but_not_stored(run.through("unshare --mount", script).finish(), "disk/run");
}

#[test]
fn a_quota_that_ends_in_the_document_costs_no_result() {
    // A limit on the size of files acts like a quota, and needs no rights; the kernel sends
    // SIGXFSZ, ignored here, before write fails with EFBIG.
    let server = Server::start(&Behaviour::Good);
    let run = Run::json(&format!("-n 200 -c 4 --warmup 0s -o out {}", server.url()))
        .through("", "trap '' XFSZ; ulimit -f 1; exec \"$@\"");
    measured_but_not_stored(run.finish(), "out");
}

#[test]
fn a_folder_that_vanishes_during_the_run_costs_no_text() {
    let server = Server::start(&Behaviour::Good);
    let run = Run::text(&format!("-q -d 2s -c 4 --warmup 0s -o out {}", server.url())).start();
    while server.requests() == 0 {
        thread::sleep(Duration::from_millis(5));
    }
    std::fs::remove_dir_all(run.folder().join("out")).unwrap();
    let finished = run.finish().expect_code(1);
    assert!(finished.stdout.contains("answers"), "the summary is printed\n{finished}");
    finished.expect_line(&["out", "-o DIR"]);
}
