//! Servers in languages with a runtime of their own, under load, without a flag set on them: the
//! function that burns has its name, and stacks are whole.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use uringbench_profiler::selector::Selector;

use crate::support::program::Program;
use crate::support::taken::Taken;
use crate::support::{HZ, Recorder, Way, skip, turn};

const BURN: Duration = Duration::from_secs(2);

#[test]
fn a_stripped_go_server_is_named_and_its_stacks_are_whole() {
    let test = "a stripped Go server";
    let _turn = turn();
    if let Some(why) = Way::System.obstacle() {
        return skip(test, &why);
    }
    for way in [&["-ldflags=-s -w"][..], &["-ldflags=-s -w", "-buildmode=pie"], &[]] {
        let folder = tempfile::tempdir().unwrap();
        let Some(server) = build_go(folder.path(), way) else { return };
        let taken = under_load(&server, &[]);
        expect(&taken, Expected { burning: "main.mix", module: "server", way, whole: 0.95 });
        let through = ["main.mix", "main.burn", "main.(*app).handle", "net/http.(*conn).serve"];
        let samples = taken.samples();
        let burning = samples.iter().filter(|sample| {
            let names = taken.own_names(sample.stack);
            through.iter().all(|name| names.contains(name))
                && names.last() == Some(&"runtime.goexit")
        });
        let share = burning.count() as f64 / samples.len() as f64;
        assert!(share > 0.5, "{way:?}: {share} of the samples: {:?}", taken.innermost());
    }
}

#[test]
fn functions_of_node_are_named_without_flags_and_its_stacks_are_whole() {
    let test = "a Node server";
    let _turn = turn();
    if let Some(why) = Way::System.obstacle() {
        return skip(test, &why);
    }
    if let Err(why) = Command::new("node").arg("--version").output() {
        skip(test, &format!("node: {why}"));
        assert!(std::env::var_os("CI").is_none(), "skipped in CI: node: {why}");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/server.js");
    let taken = under_load("node", &[script.to_str().unwrap()]);
    // Copies of stacks grow in the first seconds only, and later on a busy machine.
    let whole = 0.2;
    expect(&taken, Expected { burning: "burnHere", module: "server.js", way: &[], whole });
    let through = ["burnHere", "handle", "emit", "node::Start(int, char**)"];
    let samples = taken.samples();
    let burning = samples.iter().filter(|sample| {
        let names = taken.own_names(sample.stack);
        through.iter().all(|name| names.contains(name)) && names.last() == Some(&"_start")
    });
    let share = burning.count() as f64 / samples.len() as f64;
    let some = taken.own_names(samples[samples.len() / 2].stack);
    assert!(share > whole / 2.0, "{share} of the samples; one is {some:?}");
}

#[test]
fn methods_of_java_are_named_without_flags_and_its_stacks_are_whole() {
    let test = "a Java server";
    let _turn = turn();
    if let Some(why) = Way::System.obstacle() {
        return skip(test, &why);
    }
    if let Err(why) = Command::new("java").arg("-version").output() {
        skip(test, &format!("java: {why}"));
        assert!(std::env::var_os("CI").is_none(), "skipped in CI: java: {why}");
        return;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/Server.java");
    for way in [&[][..], &["-Xint"]] {
        let words = [way, &[source.to_str().unwrap()]].concat();
        let taken = under_load("java", &words);
        let samples = taken.samples();
        let through = ["Server.burn", "Server.answer", "Server.serve", "java.lang.Thread.run"];
        let burning: Vec<_> = samples
            .iter()
            .filter(|sample| taken.own_names(sample.stack).contains(&"Server.burn"))
            .collect();
        let share = burning.len() as f64 / samples.len() as f64;
        assert!(share > 0.5, "{way:?}: {share} of the samples: {:?}", taken.innermost());
        let is_whole = |stack| {
            let names = taken.own_names(stack);
            through.iter().all(|name| names.contains(name)) && !names.contains(&"[truncated]")
        };
        let whole = burning.iter().filter(|sample| is_whole(sample.stack)).count();
        let some = taken.own_names(burning[burning.len() / 2].stack);
        assert!(whole * 20 > burning.len() * 19, "{way:?}: {whole} of {}: {some:?}", burning.len());
        let inner = burning.iter().map(|sample| taken.own_names(sample.stack)[0]);
        let named = inner.filter(|name| ["Server.mix", "Server.burn"].contains(name)).count();
        assert!(named * 10 > burning.len() * 9, "{way:?}: {named}: {:?}", taken.innermost());
    }
}

fn build_go(folder: &Path, way: &[&str]) -> Option<PathBuf> {
    let program = folder.join("server");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/targets/server.go");
    let mut go = Command::new("go");
    go.arg("build").args(way).arg("-o").args([&program, &source]);
    go.env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache"));
    match go.status() {
        Ok(status) => {
            assert!(status.success(), "{go:?}");
            Some(program)
        }
        Err(why) => {
            skip("a Go server", &format!("go: {why}"));
            assert!(std::env::var_os("CI").is_none(), "skipped in CI: go: {why}");
            None
        }
    }
}

/// Facts about a server that a recording has to agree with.
struct Expected<'a> {
    /// The function that burns.
    burning: &'a str,
    /// Its file.
    module: &'a str,
    way: &'a [&'a str],
    /// The least share of its stacks that is whole.
    whole: f64,
}

fn expect(taken: &Taken, expected: Expected<'_>) {
    let Expected { burning, module, way, whole } = expected;
    let counts = taken.innermost();
    let all: u64 = counts.values().sum();
    assert!(all > 300, "{all} samples");
    let top = counts.iter().max_by_key(|(_, count)| **count).map(|(name, _)| name.as_str());
    assert_eq!(top, Some(burning), "{way:?}: {counts:?}");
    let has_no_name = |name: &str| name.starts_with('[') || name.contains("+fn@");
    let unnamed: u64 =
        counts.iter().filter(|(name, _)| has_no_name(name)).map(|(_, count)| count).sum();
    assert!(unnamed * 20 <= all, "{way:?}: {unnamed} of {all} have no name: {counts:?}");
    let burner = taken.samples().iter().find_map(|sample| {
        taken.names(sample.stack).into_iter().find(|name| name.function == burning).cloned()
    });
    assert_eq!(burner.unwrap().module, module, "{way:?}");
    let unwound = taken.figures.unwound.unwrap();
    assert!(unwound > whole, "{way:?}: {unwound} of the stacks are whole: {:?}", taken.figures);
}

/// Starts a server, and records it while four connections load it.
fn under_load(program: impl AsRef<OsStr>, words: &[&str]) -> Taken {
    let mut server = Program::start(program, words);
    let line = server.line();
    let port: u16 = line.trim().strip_prefix("ready ").unwrap().parse().unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| load(port, &is_over))).collect();
        let recorder = Recorder::attach(Selector::Pid(server.pid()), Way::System, HZ);
        server.burn(BURN);
        is_over.store(true, Ordering::Relaxed);
        clients.into_iter().for_each(|client| client.join().unwrap());
        recorder.detach()
    })
}

/// Sends one request after the other.
fn load(port: u16, is_over: &AtomicBool) {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut answers = BufReader::new(connection.try_clone().unwrap());
    while !is_over.load(Ordering::Relaxed) {
        connection.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
        let mut length = 0;
        loop {
            let mut line = String::new();
            answers.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        std::io::Read::read_exact(&mut answers, &mut body).unwrap();
    }
}
