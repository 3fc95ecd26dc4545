//! The engines: each does the same work and is named in the result; where io_uring is forbidden
//! each reports it, or runs over epoll and reports that.

use std::process::Command;

use crate::support::nginx::Nginx;
use crate::support::run::{Finished, Run};
use crate::support::script::Behaviour;
use crate::support::server::Server;
use crate::support::turn::skip;

const ENGINES: [(&str, &str); 3] =
    [("ring", "ring"), ("monoio", "monoio (io_uring)"), ("tokio-uring", "tokio-uring")];

#[test]
fn every_engine_sends_what_was_asked_and_is_named() {
    for (engine, name) in ENGINES {
        for load in ["-c 7", "-c 7 -p 4", "-c 7 -R 2000"] {
            let server = Server::start(&Behaviour::Good);
            let args = format!("--warmup 0s -n 1009 --engine {engine} {load} {}", server.url());
            let document = Run::json(&args).finish().expect_code(0).document();
            document.expect_only(&["ok"]);
            document.expect(document.text("host.engine") == name, "the engine is named");
            document.expect(server.requests() == 1_009, &format!("{args}: each arrived once"));
        }
    }
}

#[test]
fn every_engine_gets_along_with_nginx() {
    let Some(nginx) = Nginx::start("every_engine_gets_along_with_nginx") else { return };
    for (engine, name) in ENGINES {
        for (file, length) in crate::support::nginx::FILES {
            let args = format!("-n 400 -c 8 --engine {engine} {}", nginx.url(file));
            let document = Run::json(&args).finish().expect_code(0).document();
            document.expect_only(&["ok"]);
            document.expect(document.text("host.engine") == name, "the engine is named");
            let received = document.count("bytes.received");
            document.expect(received >= 400 * length as u64, "answers arrive whole");
        }
    }
}

#[test]
fn the_page_names_an_engine_that_is_not_the_usual_one() {
    let server = Server::start(&Behaviour::Good);
    let page = |engine: &str| {
        let args = format!("-n 100 -c 4 --engine {engine} {}", server.url());
        Run::text(&args).finish().expect_code(0).stdout
    };
    assert!(page("tokio-uring").contains(" · tokio-uring · "));
    assert!(page("monoio").contains(" · monoio (io_uring) · "));
    assert!(!page("ring").contains("ring · "));
}

/// Forbids `io_uring_setup` to a command, as containers do, and executes the command.
const FORBID: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
# Load the call's number; if it is 425 answer EPERM, else allow it.
filter = [(0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in filter))
program = ctypes.create_string_buffer(struct.pack("HP", len(filter), ctypes.addressof(code)))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, program) == 0, os.strerror(ctypes.get_errno())
os.execv(sys.argv[1], sys.argv[1:])
"#;

/// A run without permission to use io_uring; `None`, with a message, if the test cannot set that
/// up.
fn forbidden(test: &str, run: Run) -> Option<Finished> {
    let python = Command::new("python3").args(["-c", "import ctypes"]).output();
    if !python.is_ok_and(|output| output.status.success()) {
        skip(test, "needs python3");
        return None;
    }
    std::fs::write(run.folder().join("forbid.py"), FORBID).expect("the folder is ours");
    Some(run.through("", "exec python3 forbid.py \"$@\"").finish())
}

#[test]
fn without_io_uring_the_ways_out_are_named() {
    const TEST: &str = "without_io_uring_the_ways_out_are_named";
    let server = Server::start(&Behaviour::Good);
    for engine in ["", "--engine ring", "--engine tokio-uring"] {
        let run = Run::json(&format!("-n 100 {engine} {}", server.url()));
        let Some(finished) = forbidden(TEST, run) else { return };
        let finished = finished.expect_code(1);
        finished.expect_line(&["io_uring is forbidden", "seccomp", "--engine monoio"]);
        assert_eq!(finished.stdout, "", "no result without a run\n{finished}");
        assert!(finished.files("run.json").is_empty(), "nothing to store\n{finished}");
    }
    assert_eq!(server.connections(), 0, "nothing was started");
    let doctor = forbidden(TEST, Run::text("doctor")).expect("python3 is there");
    let doctor = doctor.expect_code(1);
    assert!(doctor.stdout.contains("--engine monoio"), "{doctor}");
}

#[test]
fn monoio_goes_over_epoll_where_io_uring_is_forbidden_and_says_so() {
    const TEST: &str = "monoio_goes_over_epoll_where_io_uring_is_forbidden_and_says_so";
    for load in ["-c 7", "-c 7 -p 4", "-c 7 -R 2000"] {
        let server = Server::start(&Behaviour::Good);
        let args = format!("--warmup 0s -n 1009 --engine monoio {load} {}", server.url());
        let Some(finished) = forbidden(TEST, Run::json(&args)) else { return };
        let finished = finished.expect_code(0);
        // Also printed with `-q`.
        finished.expect_line(&["no io_uring", "epoll"]);
        let document = finished.document();
        document.expect_only(&["ok"]);
        document.expect(document.text("host.engine") == "monoio (epoll)", "what it came to");
        document.expect(server.requests() == 1_009, "each arrived once");
    }
    let server = Server::start(&Behaviour::Good);
    let run = Run::text(&format!("-q -n 100 --engine monoio {}", server.url()));
    let finished = forbidden(TEST, run).expect("python3 is there").expect_code(0);
    assert!(finished.stdout.contains(" · monoio (epoll) · "), "{finished}");
}
