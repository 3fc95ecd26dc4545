//! `uringbench target --app` from its options to its end; the tests of its crate check its answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

fn target(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uringbench"));
    command.arg("target").args(words);
    command
}

/// A child that is killed if the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the application listens");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout above zero");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer of text");
    answer
}

#[test]
fn switches_arrive_and_a_signal_ends_it_well() {
    let words = ["--app", "--workers", "2", "--leak", "64", "--error-rate", "0.5", "--burn", "1us"];
    let child = target(&words).stdout(Stdio::piped()).spawn().expect("the binary starts");
    let mut running = Running(child);
    let stdout = running.0.stdout.take().expect("it was piped");
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("it speaks UTF-8");
    let address = line
        .trim()
        .trim_end_matches('/')
        .strip_prefix("listening on http://")
        .expect("it says where");
    let statuses = [(); 4].map(|()| get(address, "/json").starts_with("HTTP/1.1 200 "));
    assert_eq!(statuses, [true, false, true, false]);
    let stats = get(address, "/stats");
    assert!(stats.contains("\"leaked_bytes\":256"), "{stats}");
    kill_process(Pid::from_child(&running.0), Signal::TERM).expect("it is our child");
    let status = running.0.wait().expect("it is our child");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn switches_that_cannot_be_meant_are_one_line() {
    let complaint = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let nobody = "postgres://bench:secret@127.0.0.1:1/x";
    let cases: [(&[&str], i32, &str); 8] = [
        (&["--leak", "64"], 2, "--app"),
        (&["--app", "--error-rate", "2"], 2, "from 0 to 1"),
        (&["--app", "--stall", "5s", "--stall-every", "1s"], 2, "make it shorter"),
        (&["--app", "--database", "/no/such/folder/x.db"], 1, "--database"),
        (&["--app", "--database", nobody], 1, "start the server"),
        (&["--app", "--static", "/no/such/folder"], 1, "--static"),
        (&["--app", "--static", "/dev/null"], 1, "--static"),
        (&["--app", "--cpu", "100000"], 1, "--cpu"),
    ];
    for (words, code, part) in cases {
        let output = target(words).output().expect("the binary runs");
        let said = complaint(&output);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.lines().count() == 1 && said.contains(part), "{words:?}: {said}");
    }
}
