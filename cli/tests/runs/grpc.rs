//! Calls of gRPC against grpcio and the reference application: statuses by name, counts as the
//! server has them, messages of any size, streams, deadlines, and everything that is refused.

use std::path::Path;

use crate::support::certificates::{Certificates, Kind};
use crate::support::document::Document;
use crate::support::grpc_server::{GrpcServer, PROTO};
use crate::support::http2_server::Http2Server;
use crate::support::program::Program;
use crate::support::run::{Finished, Run};
use crate::support::script::Behaviour;
use crate::support::server::Server;
use crate::support::target::Target;

/// A run of calls to a method, with these options, and this message.
fn call(method: &str, options: &str, url: &str, data: &str) -> Run {
    Run::json(&format!("--warmup 0s --timeout 50s --proto t.proto --call t.S/{method} {options}"))
        .file("t.proto", PROTO)
        .arg("--data")
        .arg(data)
        .arg(url)
}

/// The document of a run whose calls all end in this way.
fn all(finished: &Finished, outcome: &str, code: &str) -> Document {
    let document = finished.document();
    document.expect_only(&[outcome]);
    let key = format!("counts.by_code.{code}");
    document.expect(document.count(&key) == document.released(), "a code for each");
    document.expect(document.text("plan.protocol") == "gRPC", "the result names the protocol");
    document
}

fn done(run: Run, outcome: &str, code: &str) -> Document {
    all(&run.finish().expect_code(0), outcome, code)
}

/// The application, and its URL.
fn app(words: &[&str]) -> (Program, String) {
    let words = [&["target", "--app", "--listen", "127.0.0.1:0"][..], words].concat();
    let program = Program::start(Path::new(env!("CARGO_BIN_EXE_uringbench")), &words);
    let url = program.said().strip_prefix("listening on ").expect("it says where").to_owned();
    (program, url)
}

/// A run of calls to the application.
fn to_app(method: &str, options: &str, url: &str, data: &str) -> Run {
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/grpc/echo.proto");
    let method = format!("uringbench.demo.Echo/{method}");
    Run::text(&format!("grpc --json -q --warmup 0s --timeout 50s --proto {proto}"))
        .arg("--call")
        .arg(method)
        .arg("--data")
        .arg(data)
        .arg(url)
        .args(options)
}

#[test]
fn counts_and_metadata_are_those_of_the_server() {
    const TEST: &str = "counts_and_metadata_are_those_of_the_server";
    let Some(server) = GrpcServer::start(TEST, None) else { return };
    let tags = "--metadata x-test:yes --metadata blob-bin:AAE=";
    // Field 1, three bytes of text.
    let message = r#"{"text": "Ada"}"#;
    let run = call("Echo", &format!("-n 600 -c 3 -p 4 {tags}"), &server.url(), message);
    let document = done(run, "ok", "OK");
    assert_eq!(document.released(), 600);
    let seen = server.seen();
    assert_eq!((seen.calls, seen.messages, seen.bytes, seen.tagged), (600, 600, 3_000, 600));
    assert_eq!(seen.deadlines, 0);
    // An open loop, with a deadline that is met.
    let run = call("Echo", "-R 400 -d 1s -c 2 --deadline 40s", &server.url(), message);
    let document = done(run, "ok", "OK");
    assert_eq!((document.released(), server.seen().deadlines), (400, 400));
    document.expect(document.at("stream").is_null(), "it is no stream");
}

#[test]
fn statuses_are_counted_by_name_with_their_message() {
    const TEST: &str = "statuses_are_counted_by_name_with_their_message";
    let Some(server) = GrpcServer::start(TEST, None) else { return };
    for (status, name) in [(14, "UNAVAILABLE"), (5, "NOT_FOUND"), (8, "RESOURCE_EXHAUSTED")] {
        let message = format!("{{\"status\": {status}}}");
        let document = done(call("Fail", "-n 60 -c 2", &server.url(), &message), "status", name);
        let cause = document.text("counts.causes.0.cause");
        let expected = format!("gRPC {name}: refused: 100% of \u{20ac}\\nnext line");
        assert_eq!(cause, expected);
    }
    let run = call("Missing", "-n 20 -c 1", &server.url(), "{}");
    done(run, "status", "UNIMPLEMENTED");
    let options = "--warmup 0s -n 20 -c 1 --proto t.proto --call t.S/Fail --data {\"status\":14}";
    let text = Run::text(options).file("t.proto", PROTO).arg(server.url()).finish();
    let text = text.expect_code(0);
    for part in ["answers   UNAVAILABLE × 20\n", "(gRPC)", "refused: 100% of"] {
        assert!(text.stdout.contains(part), "{part}: {text}");
    }
}

#[test]
fn deadlines_that_the_server_misses_have_their_name() {
    const TEST: &str = "deadlines_that_the_server_misses_have_their_name";
    let (_app, url) = app(&[]);
    let run = to_app("Say", "-n 12 -c 2 -p 3 --deadline 20ms", &url, r#"{"delayMs": 59000}"#);
    let document = done(run, "status", "DEADLINE_EXCEEDED");
    document.expect(document.text("counts.causes.0.cause").contains("20ms"), "its message");
    // grpcio ends such a call itself: by the status, or by a reset of the stream.
    let Some(server) = GrpcServer::start(TEST, None) else { return };
    let run = call("Wait", "-n 12 -c 2 -p 3 --deadline 20ms", &server.url(), "{}");
    let document = run.finish().expect_code(0).document();
    document.expect_none_but(&["status", "reset"]);
    let seen = server.seen();
    assert_eq!(seen.deadlines, seen.calls);
}

#[test]
fn large_messages_pass_in_both_directions() {
    const TEST: &str = "large_messages_pass_in_both_directions";
    let Some(server) = GrpcServer::start(TEST, None) else { return };
    let text = "x".repeat(70_000);
    let message = format!("{{\"text\": \"{text}\"}}");
    done(call("Echo", "-n 30 -c 2 -p 3", &server.url(), &message), "ok", "OK");
    // A key, a length of three bytes, and the text.
    assert_eq!(server.seen().bytes, 30 * 70_004);
    let document = done(call("Large", "-n 30 -c 2 -p 3", &server.url(), "{}"), "ok", "OK");
    document.expect(document.count("bytes.received") >= 30 * 300_005, "all of each");
}

#[test]
fn streams_are_counted_and_timed() {
    const TEST: &str = "streams_are_counted_and_timed";
    let (_app, url) = app(&[]);
    let run = to_app("Count", "-n 8 -c 2 -p 2", &url, r#"{"messages": 6, "gapMs": 1}"#);
    let document = done(run, "ok", "OK");
    assert_eq!(document.count("stream.events"), 8 * 6);
    assert_eq!(document.count("stream.first_event_ns.count"), 8);
    assert_eq!(document.count("stream.gap_ns.count"), 8 * 5);
    assert_eq!(document.text("plan.stream"), "messages");
    let run = to_app("Collect", "-n 8 -c 2", &url, r#"[{"text": "a"}, {}, {"text": "bc"}]"#);
    done(run, "ok", "OK");
    let Some(server) = GrpcServer::start(TEST, None) else { return };
    let document = done(call("Count", "-n 20 -c 2 -p 2", &server.url(), "{}"), "ok", "OK");
    assert_eq!(document.count("stream.events"), 100);
    let document = done(call("Stop", "-n 10 -c 2", &server.url(), "{}"), "status", "DATA_LOSS");
    assert_eq!(document.count("stream.events"), 10);
    let before = server.seen();
    done(call("Collect", "-n 10 -c 2", &server.url(), r#"[{}, {"text": "a"}, {}]"#), "ok", "OK");
    let seen = server.seen();
    assert_eq!((seen.messages - before.messages, seen.bytes - before.bytes), (30, 30));
    let both = call("Both", "-n 10 -c 2 -p 2", &server.url(), r#"[{"text": "a"}, {}]"#);
    assert_eq!(done(both, "ok", "OK").count("stream.events"), 20);
}

#[test]
fn rows_take_turns_and_runs_are_repeated() {
    const TEST: &str = "rows_take_turns_and_runs_are_repeated";
    let Some(server) = GrpcServer::start(TEST, None) else { return };
    let rows = "{\"text\": \"a\"}\n{\"text\": \"bbb\", \"password\": \"S3cr3t\"}\n\n{}\n";
    let options = "--warmup 0s -n 90 -c 3 -p 2 --cores 1 --proto t.proto --call t.S/Echo";
    let first = Run::json(&format!("{options} --data-file rows.jsonl {}", server.url()))
        .file("t.proto", PROTO)
        .file("rows.jsonl", rows)
        .finish()
        .expect_code(0);
    all(&first, "ok", "OK");
    // 3 bytes; 5 and 8; none.
    let bytes = 30 * (3 + 13);
    assert_eq!((server.seen().calls, server.seen().bytes), (90, bytes));
    let plan = first.file("plan.json");
    let stored = std::fs::read_to_string(&plan).expect("it is text");
    assert!(!stored.contains("S3cr3t") && !first.stdout.contains("S3cr3t"), "{stored}");
    let folder = plan.parent().expect("it is in one").display().to_string();
    let again = |value: &str| {
        let variable = format!("password={value}");
        Run::json("").args("--variable").arg(variable).arg("--again").arg(folder.clone()).finish()
    };
    let second = again("S3cr3t").expect_code(0);
    assert_eq!(second.document().at("plan"), first.document().at("plan"));
    assert_eq!((server.seen().calls, server.seen().bytes), (180, 2 * bytes));
    let stored = std::fs::read_to_string(second.file("plan.json")).expect("it is text");
    assert!(!stored.contains("S3cr3t"), "{stored}");
    Run::json("--again").arg(folder).finish().expect_code(2).expect_line(&["password"]);
}

#[test]
fn tls_carries_calls() {
    const TEST: &str = "tls_carries_calls";
    let certificates = Certificates::make();
    let leaf = certificates.leaf(Kind::Good);
    let Some(server) = GrpcServer::start(TEST, Some(&leaf)) else { return };
    let authority = certificates.authority().display();
    let options = format!("-n 60 -c 2 -p 3 --cacert {authority}");
    done(call("Echo", &options, &server.url(), r#"{"text": "a"}"#), "ok", "OK");
    assert_eq!(server.seen().calls, 60);
}

#[test]
fn targets_that_do_not_speak_it_are_named() {
    const TEST: &str = "targets_that_do_not_speak_it_are_named";
    let (_app, failing) = app(&["--error-rate", "1"]);
    let target = Target::start();
    for (url, status, stands_for) in
        [(failing.as_str(), 500, "UNKNOWN"), (target.url(), 404, "UNIMPLEMENTED")]
    {
        let document = to_app("Say", "-n 8 -c 2", url, "{}").finish().expect_code(0).document();
        document.expect_only(&["status"]);
        document.expect(document.status(status) == 8, "a status of HTTP for each");
        document.expect(document.text("counts.causes.0.cause").contains(stands_for), "its mapping");
    }
    let server = Server::start(&Behaviour::Good);
    let url = format!("http://{}", server.address());
    call("Echo", "-n 5 -c 1", &url, "{}").finish().expect_code(1).expect_line(&["HTTP/1.1"]);
    let Some(python) = Http2Server::python(TEST, "good", None) else { return };
    let url = python.url().replace("/echo", "");
    let document = call("Echo", "-n 8 -c 2", &url, "{}").finish().expect_code(0).document();
    document.expect_only(&["malformed"]);
    document.expect(document.text("counts.causes.0.cause").contains("content-type"), "why");
}

#[test]
fn what_cannot_be_sent_is_refused_in_one_line() {
    const SAY: &str = "--proto t.proto --call t.S/Echo";
    let url = "http://127.0.0.1:1";
    for (args, data, parts) in [
        ("--call t.S/Echo", "{}", ["--proto FILE", "reflection"]),
        ("--proto none.proto --call t.S/Echo", "{}", ["none.proto", ""]),
        ("--proto t.proto --call t.S/Ecko", "{}", ["no method `Ecko`", "`Echo`"]),
        ("--proto t.proto --call t.T/Echo", "{}", ["service `t.T`", "`t.S`"]),
        ("--proto t.proto --call Echo", "{}", ["the name of a method", "package.Service/Method"]),
        ("--proto t.proto --call t.S/Both", "[]", ["array is empty", "at least one"]),
        (SAY, "{\"txt\": 1}", ["has no field `txt`", "`text`"]),
        (SAY, "{\"text\": 1}", ["--data: text:", "integer"]),
        (SAY, "{\"status\": -1}", ["--data: status:", ""]),
        (SAY, "[{}]", ["one message", "not an array"]),
        (SAY, "{} {}", ["several messages", "--data-file"]),
        (SAY, "", ["no message", "{}"]),
        (SAY, "{", ["not JSON", "line 1"]),
        (SAY, "t.proto", ["not JSON", "--data-file t.proto"]),
        ("--proto t.proto", "{}", ["--proto", "--call"]),
    ] {
        let run = Run::text(args).file("t.proto", PROTO).arg("--data").arg(data).arg(url);
        run.finish().expect_code(2).expect_line(&parts);
    }
    for (args, part) in [
        ("", "fields: text, status, password"),
        ("--data {} --body x", "--body"),
        ("--data {} -H a:b", "--metadata"),
        ("--data {} --sse", "--sse"),
        ("--data {} --stall 1s", "--stall"),
        ("--data {} --deadline 6s", "raise --timeout"),
        ("--data {} --deadline 0", "--deadline 0"),
        ("--data {} --metadata grpc-timeout:1S", "--deadline"),
        ("--data {} --metadata bad", "K: V"),
        ("--data {} --read-rate 100", "--read-rate"),
        ("--data {} --data-file t.proto", "--data-file"),
        ("--data-file t.proto", "--data-file t.proto is not JSON"),
        ("--data {} --protoset t.proto", "--protoset"),
        ("--data {} --seed 1", "--seed"),
    ] {
        let run = Run::text(&format!("{SAY} {args} {url}")).file("t.proto", PROTO);
        run.finish().expect_code(2).expect_line(&[part]);
    }
    for (url, part) in
        [("http://127.0.0.1:1/x", "/x"), ("ws://127.0.0.1:1", "http"), ("redis://h", "http")]
    {
        let run = Run::text(&format!("{SAY} --data {{}} {url}")).file("t.proto", PROTO);
        run.finish().expect_code(2).expect_line(&[part]);
    }
    let set = Run::text(&format!("--protoset t.proto --call t.S/Echo --data {{}} {url}"));
    let set = set.file("t.proto", PROTO).finish();
    set.expect_code(2).expect_line(&["--protoset t.proto", "--include_imports"]);
    Run::text(&format!("grpc {url}")).finish().expect_code(2).expect_line(&["--call"]);
}
