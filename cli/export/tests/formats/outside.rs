//! Programs of others that read the formats.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Debian's Python, which has the packages that its repository offers.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// Whether a program answers to these words. Without `CI` a test that misses one is skipped.
pub(crate) fn is_there(program: &str, words: &[&str]) -> bool {
    let asked = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let is_there = asked.is_ok_and(|status| status.success());
    assert!(
        is_there || std::env::var_os("CI").is_none(),
        "CI must have `{program} {}`: `.ci/run` installs it",
        words.join(" ")
    );
    if !is_there {
        eprintln!("SKIPPED: `{program} {}` is not installed", words.join(" "));
    }
    is_there
}

/// The output of a program that reads `input` on stdin.
pub(crate) fn read_by(program: &str, words: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it was there a moment ago");
    let mut stdin = child.stdin.take().expect("it was piped");
    let input = input.to_owned();
    // Beside the reading: a full pipe in both directions would stop both.
    let writer = std::thread::spawn(move || {
        // A program that refuses the input may close it.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().expect("it is our child");
    writer.join().expect("writing does not panic");
    output
}

/// What Python prints, which must succeed.
pub(crate) fn python(code: &str, input: &str) -> String {
    let output = read_by(PYTHON, &["-c", code], input);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}\n{input}");
    String::from_utf8(output.stdout).expect("Python prints UTF-8")
}
