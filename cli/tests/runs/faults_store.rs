//! Results that cannot be stored: what was measured is still printed, and the message names the
//! path and the remedy.

use std::process::Command;

use crate::support::run::{Finished, Run};
use crate::support::script::Behaviour;
use crate::support::server::Server;
use crate::support::turn::skip;

/// The measurement was made and printed, the exit code says that not all was well.
fn measured_but_not_stored(finished: Finished, path: &str) {
    let finished = finished.expect_code(1);
    let document = finished.document();
    document.expect(document.outcome("ok") == 200, "what was measured is printed");
    finished.expect_line(&[path]);
}

#[test]
fn a_folder_that_cannot_be_made_costs_no_result() {
    // Root may write anywhere, but no folder is made under a file, nor in /proc.
    let server = Server::start(&Behaviour::Good);
    let run = Run::json(&format!("-n 200 -c 4 --warmup 0s -o file/results {}", server.url()));
    std::fs::write(run.folder().join("file"), "not a folder").unwrap();
    measured_but_not_stored(run.finish(), "file/results");
    let args = format!("-n 200 -c 4 --warmup 0s -o /proc/results {}", server.url());
    measured_but_not_stored(Run::json(&args).finish(), "/proc/results");
}

#[test]
fn a_folder_that_cannot_be_made_costs_no_text() {
    let server = Server::start(&Behaviour::Good);
    let args = format!("-q -n 200 -c 4 --warmup 0s -o /proc/results {}", server.url());
    let finished = Run::text(&args).finish().expect_code(1);
    assert!(finished.stdout.contains("200"), "the summary with its count\n{finished}");
    finished.expect_line(&["/proc/results"]);
}

#[test]
fn a_full_disk_costs_no_result() {
    const TEST: &str = "a_full_disk_costs_no_result";
    let unshared = Command::new("unshare").args(["--mount", "true"]).output();
    if !unshared.is_ok_and(|output| output.status.success()) {
        return skip(TEST, "needs root, or the right to make a mount namespace, and unshare");
    }
    let server = Server::start(&Behaviour::Good);
    let run = Run::json(&format!("-n 200 -c 4 --warmup 0s -o disk/run {}", server.url()));
    // A disk of two pages, both in use: room for a folder's name, none for a byte of a file.
    let script = "mkdir disk && mount -t tmpfs -o size=8k tmpfs disk \
        && head -c 8192 /dev/zero >disk/other && exec \"$@\"";
    measured_but_not_stored(run.through("unshare --mount", script).finish(), "disk/run");
}

#[test]
fn a_full_disk_leaves_no_half_document_behind() {
    // A limit on the size of files is what a quota looks like, and needs no rights; SIGXFSZ,
    // ignored here, is what the kernel sends before write fails with EFBIG.
    let server = Server::start(&Behaviour::Good);
    let run = Run::json(&format!("-n 200 -c 4 --warmup 0s -o out {}", server.url()))
        .through("", "trap '' XFSZ; ulimit -f 1; exec \"$@\"");
    let finished = run.finish();
    for path in finished.files("run.json") {
        let text = std::fs::read_to_string(&path).unwrap();
        let whole: Result<serde_json::Value, _> = serde_json::from_str(&text);
        assert!(whole.is_ok(), "{} is cut\n{finished}", path.display());
    }
    measured_but_not_stored(finished, "out");
}
