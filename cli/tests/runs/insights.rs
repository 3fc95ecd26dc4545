//! What stands out in a run, provoked on real servers; and what a request costs a target.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::acceptor::Acceptor;
use crate::support::document::Document;
use crate::support::program::Program;
use crate::support::requests::Requests;
use crate::support::run::Run;
use crate::support::script::{Behaviour, GOOD};
use crate::support::server::Server;
use crate::support::target::Target;
use crate::support::turn::skip;
use crate::targets;

/// Waits as `pause` says before each answer.
fn slow(pause: impl Fn(u64) -> Duration + Send + Sync + 'static) -> Acceptor {
    let served = AtomicU64::new(0);
    Acceptor::start(move |stream, _| {
        let (mut requests, mut writer) = (Requests::new(stream), stream);
        while requests.next()?.is_some() {
            thread::sleep(pause(served.fetch_add(1, Ordering::Relaxed)));
            writer.write_all(GOOD)?;
        }
        Ok(())
    })
}

pub(crate) fn run(args: &str) -> Document {
    Run::json(&format!("--warmup 0s {args}")).finish().expect_code(0).document()
}

/// The description of the insight of this kind, if there is one.
pub(crate) fn insight<'a>(document: &'a Document, kind: &str) -> Option<&'a str> {
    document.list("insights").iter().find(|insight| insight["kind"] == kind)?["description"]
        .as_str()
}

/// Whether the load generator was disturbed: then nothing is said of the target's times.
pub(crate) fn is_disturbed(document: &Document) -> bool {
    const CODES: [&str; 3] = ["preempted", "steal", "late_sends"];
    let reasons = document.at("verdict.reasons").as_array().expect("a list");
    let has = |code: &&str| reasons.iter().any(|reason| reason["code"] == *code);
    CODES.iter().any(has)
}

pub(crate) fn expect(document: &Document, kind: &str, parts: &[&str]) {
    let is_of_times = ["delayed_ack", "long_tail", "falling_rate"].contains(&kind);
    if is_of_times && is_disturbed(document) {
        return document.expect(insight(document, kind).is_none(), "the generator was disturbed");
    }
    let said = insight(document, kind).unwrap_or_default();
    for part in parts {
        document.expect(said.contains(part), &format!("{kind} says {part}: {said}"));
    }
}

#[test]
fn failures_and_redirects_of_one_kind_stand_out() {
    let server = Server::start(&Behaviour::Status(503));
    let document = run(&format!("-n 200 -c 4 {}", server.url()));
    expect(&document, "errors_alike", &["200 of 200", "status 503"]);
    let server = Server::start(&Behaviour::StatusWith(302, "Location: /elsewhere"));
    let document = run(&format!("-n 200 -c 4 {}", server.url()));
    expect(&document, "redirects", &["100 %"]);
    let server = Server::start(&Behaviour::Good);
    let document = run(&format!("-n 200 -c 4 {}", server.url()));
    for kind in ["errors_alike", "redirects", "delayed_ack"] {
        document.expect(insight(&document, kind).is_none(), kind);
    }
}

#[test]
fn one_slow_answer_in_forty_is_a_long_tail() {
    let is_slow = |number: u64| number % 40 == 39;
    let server = slow(move |number| Duration::from_millis(if is_slow(number) { 120 } else { 0 }));
    let document = run(&format!("-n 2000 -c 4 -o out {}", server.url()));
    expect(&document, "long_tail", &["one request in a hundred takes", "times the median"]);
}

#[test]
fn an_answer_in_two_parts_waits_for_a_delayed_acknowledgement() {
    let (head, body) = GOOD.split_at(GOOD.len() - 5);
    let server = Acceptor::start(move |stream, _| {
        stream.set_nodelay(false)?;
        let (mut requests, mut writer) = (Requests::new(stream), stream);
        while requests.next()?.is_some() {
            writer.write_all(head)?;
            writer.write_all(body)?;
        }
        Ok(())
    });
    let document = run(&format!("-n 400 -c 4 {}", server.url()));
    expect(&document, "delayed_ack", &["Nagle", "two parts"]);
}

#[test]
fn a_rate_that_falls_under_the_same_load_is_seen() {
    let began = Instant::now();
    let server = slow(move |_| Duration::from_millis(5) + began.elapsed() / 1_000);
    let document = run(&format!("-d 12s -c 4 {}", server.url()));
    expect(&document, "falling_rate", &["the rate fell from"]);
}

#[test]
fn one_worker_that_does_all_the_work_is_named() {
    const WORKERS: &str = "
import os, socket, threading
listener = socket.socket()
listener.bind(('127.0.0.1', 0))
listener.listen()
print('listening', listener.getsockname()[1], flush=True)
for _ in range(3):
    if os.fork() == 0:
        while True:
            connection = listener.accept()[0]
            while data := connection.recv(65536):
                connection.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok')
os.wait()
";
    let workers = Program::start(Path::new("/usr/bin/python3"), &["-c", WORKERS]);
    let port = workers.said().strip_prefix("listening ").expect("it says where").to_owned();
    let document = run(&format!("-d 2s -c 1 --wait block http://127.0.0.1:{port}/"));
    expect(&document, "one_worker", &["one of 4 processes", "python3"]);
}

#[test]
fn a_used_up_quota_is_named() {
    const TEST: &str = "a_used_up_quota_is_named";
    let target = Target::start();
    let Some(group) = Quota::of_a_tenth(target.pid()) else {
        return skip(TEST, "no control group with a CPU quota can be made here");
    };
    let measured = || run(&format!("-d 2s -c 8 {}", target.url()));
    let mut document = measured();
    // On a busy machine others may have the CPU time, so that the quota is not used up.
    for _ in 0..5 {
        if document.number("target_usage.cpus") >= 0.08 {
            break;
        }
        document = measured();
    }
    expect(&document, "target_throttled", &["CPU quota"]);
    drop(target);
    drop(group);
}

/// A control group that may use a tenth of a CPU; removed when dropped, after its processes.
pub(crate) struct Quota(std::path::PathBuf);

impl Quota {
    pub(crate) fn of_a_tenth(pid: u32) -> Option<Self> {
        let name = format!("uringbench-test-{pid}");
        let version_1 = Path::new("/sys/fs/cgroup/cpu").join(&name);
        let version_2 = Path::new("/sys/fs/cgroup").join(&name);
        if std::fs::create_dir(&version_1).is_ok() {
            let group = Self(version_1);
            std::fs::write(group.0.join("cpu.cfs_quota_us"), "10000").ok()?;
            std::fs::write(group.0.join("cgroup.procs"), pid.to_string()).ok()?;
            return Some(group);
        }
        std::fs::create_dir(&version_2).ok()?;
        let group = Self(version_2);
        std::fs::write(group.0.join("cpu.max"), "10000 100000").ok()?;
        std::fs::write(group.0.join("cgroup.procs"), pid.to_string()).ok()?;
        Some(group)
    }
}

impl Drop for Quota {
    fn drop(&mut self) {
        // The group is busy until its last process is gone.
        let latest = Instant::now() + Duration::from_secs(5);
        while std::fs::remove_dir(&self.0).is_err() && Instant::now() < latest {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn memory_that_grows_to_the_end_is_seen_with_its_cost_per_request() {
    let Ok(leaky) = targets::build("leaky", &[]) else { return };
    let server = Program::start(&leaky, &["0", "leak", "4096"]);
    let port = server.said().strip_prefix("listening ").expect("it says where").to_owned();
    let document = run(&format!("-R 1000 -c 4 -d 10s --cost http://127.0.0.1:{port}/"));
    expect(&document, "memory_growth", &["was still growing"]);
    let growth = document.number("cost.resident_growth_bytes.value");
    document.expect((3_500.0..5_500.0).contains(&growth), &format!("{growth} bytes a request"));
    let faults = document.number("cost.page_faults.value");
    document.expect((0.8..3.0).contains(&faults), &format!("{faults} faults a request"));
}

#[test]
fn a_cost_is_that_of_the_scheduler_s_accounts_and_nothing_is_sampled() {
    let target = Target::start();
    let args = format!("--warmup 0s -R 2000 -c 4 -d 8s --cost -o out {}", target.url());
    let finished = Run::json(&args).finish().expect_code(0);
    let document = finished.document();
    let (cost, usage) =
        (document.number("cost.cpu_us.value"), document.number("target_usage.cpu_us_per_request"));
    // Two readers, at other moments of the same window.
    let ratio = cost / usage;
    document.expect((0.5..2.0).contains(&ratio), &format!("{cost} µs and {usage} µs"));
    let (low, high) =
        (document.number("cost.cpu_us.ci_low"), document.number("cost.cpu_us.ci_high"));
    document.expect(low <= cost && cost <= high, "the interval holds its estimate");
    document.expect(document.text("target.mode") == "unsampled", "nothing was sampled");
    let folder = finished.folder().join("out");
    document.expect(!folder.join("flamegraph.svg").exists(), "there is no flame graph");
    document.expect(folder.join("timeline.json").exists(), "there is a timeline");
    let again = Run::text(&format!("report {}", folder.display())).finish().expect_code(0);
    for part in ["cost      per request for the target", "CPUs busy", "memory "] {
        assert!(again.stdout.contains(part), "{again}");
    }
}

#[test]
fn a_cost_needs_a_rate_and_a_target_on_this_machine() {
    let target = Target::start();
    let refused = |args: &str, parts: &[&str]| {
        let finished = Run::text(args).finish().expect_code(2);
        for part in parts {
            assert!(finished.stderr.contains(part), "{finished}");
        }
    };
    refused(&format!("--cost {}", target.url()), &["--cost needs -R", "-R 1k"]);
    // RFC 5737: an address that no machine has.
    refused("--cost -R 10 http://192.0.2.1/", &["no process on this machine", "--profile"]);
}
