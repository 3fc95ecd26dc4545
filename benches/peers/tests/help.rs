//! The comparison explains itself. Cargo builds the programs of a package for its tests: with this
//! one they are there without another build when the comparison runs.

use std::process::Command;

#[test]
fn every_case_is_explained() {
    let peers = env!("CARGO_BIN_EXE_peers");
    let output = Command::new(peers).arg("--help").output().expect("it was built");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for case in ["small:", "pipelined:", "bodies:", "open:", "memory:", "tls:", "scenarios:"] {
        assert!(output.status.success() && text.contains(case), "{case} {text}");
    }
}
