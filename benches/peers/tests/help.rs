//! The comparison explains itself. Cargo builds the programs of a package for its tests: with this
//! one they are there without another build when the comparison runs.

use std::process::Command;

#[test]
fn every_case_is_explained() {
    let peers = env!("CARGO_BIN_EXE_peers");
    let output = Command::new(peers).arg("--help").output().expect("it was built");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let cases = [
        "small",
        "pipelined",
        "bodies",
        "open",
        "memory",
        "engines",
        "connections",
        "tls",
        "uploads",
        "websocket",
        "h2",
        "h2_tls",
        "h2_bodies",
        "h2_recycle",
        "scenarios",
    ];
    for case in cases {
        let named = text.contains(&format!("- {case}:"));
        assert!(output.status.success() && named, "{case} {text}");
    }
}
