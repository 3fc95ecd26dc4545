//! Scenarios over HTTP/2: users share connections, and their checks, captures, cookies and bodies
//! are those of their own streams. And the targets of uringbench, which speak it too.

use crate::scenarios::{flow, step};
use crate::support::document::Document;
use crate::support::http2_server::Http2Server;
use crate::support::nginx::Nginx;
use crate::support::run::Run;
use crate::support::target::Target;

/// A flow whose second step sends what the answer to its first says, and checks it in a body.
const CAPTURES: &str = r#"
http = 2
cookies = true
[load]
connections = 2
users = 14
[[flow]]
name = "reads"
[[flow.step]]
name = "list"
path = "/list/{{seq}}"
headers = { X-User = "{{user}}" }
check = { status = [200], header = { server = "judge" }, contains = "hello" }
capture = { count = { header = "x-count" } }
[[flow.step]]
name = "write"
path = "/write/{{count}}"
body = { text = "of user {{user}}: {{string 3000}}" }
check = { length = 5 }
[[flow.step]]
name = "glance"
method = "HEAD"
path = "/"
"#;

/// The document of a scenario that is to end without an error, apart from the end of the run.
fn passed(args: &str, url: &str, text: &str) -> Document {
    let args = format!("--warmup 0s --timeout 50s {args}");
    let document = Run::scenario(&args, url, text).finish().document();
    document.expect_only(&["ok"]);
    document.expect(document.text("plan.protocol") == "HTTP/2", "the result names the protocol");
    document
}

#[test]
fn users_share_connections_of_a_strict_server() {
    const TEST: &str = "users_share_connections_of_a_strict_server";
    for mode in ["padded", "no_table", "small_window"] {
        let Some(python) = Http2Server::python(TEST, mode, None) else { return };
        let document = passed("-d 400ms", root_of(&python.url()), &forgiving(CAPTURES));
        document.expect(document.count("plan.pipeline") == 7, "as many streams as users need");
        document.expect(flow(&document, "reads")["failed"] == 0, "every check holds");
        for name in ["list", "write"] {
            let sent = step(&document, name)["ok"].as_u64();
            document.expect(sent > Some(0), "each step was taken");
        }
        let seen = python.seen();
        assert_eq!(seen.connections, 2, "{mode}: {seen:?}");
    }
}

/// The server's address, without a path.
fn root_of(url: &str) -> &str {
    url.trim_end_matches("/echo")
}

/// The same without its HEAD, which this server answers with a body.
fn forgiving(text: &str) -> String {
    let at = text.rfind("[[flow.step]]").expect("it has steps");
    text[..at].to_owned()
}

#[test]
fn steps_that_a_server_has_not_taken_are_sent_again() {
    const TEST: &str = "steps_that_a_server_has_not_taken_are_sent_again";
    let Some(python) = Http2Server::python(TEST, "go_away", None) else { return };
    let document = passed("-d 400ms", root_of(&python.url()), &forgiving(CAPTURES));
    document.expect(flow(&document, "reads")["failed"] == 0, "every check holds");
    let seen = python.seen();
    let all = document.released() + document.count("counts.warmup_released");
    document.expect(seen.answered == all, "each was answered once");
    let ended = document.at("client.connection_endings");
    document.expect(ended.get("going_away").is_some(), "the server has left");
}

#[test]
fn a_check_that_fails_fails_its_step_alone() {
    const TEST: &str = "a_check_that_fails_fails_its_step_alone";
    let server = "location = /a { add_header X-A 1; return 200 alpha; } \
                  location = /b { return 200 beta; }";
    let Some(nginx) = Nginx::start_http2(TEST, None, server) else { return };
    let text = r#"
[load]
connections = 1
users = 20
[[flow]]
name = "both"
[[flow.step]]
name = "a"
path = "/a"
check = { contains = "alpha", header = { x-a = "1" } }
[[flow.step]]
name = "b"
path = "/b"
check = { contains = "alpha" }
[[flow.step]]
name = "head"
method = "HEAD"
path = "/a"
"#;
    let args = "--http2 -p 9 --warmup 0s -d 1s --timeout 50s";
    let document = Run::scenario(args, &nginx.url(""), text).finish().document();
    document.expect_only(&["ok", "check_failed"]);
    document.expect(document.count("plan.pipeline") == 9, "-p is the number of streams");
    for (name, passes) in [("a", true), ("b", false), ("head", true)] {
        let step = step(&document, name);
        let (ok, failed) = (&step["ok"], &step["errors"]["check_failed"]);
        let (all, none) = if passes { (ok, failed) } else { (failed, ok) };
        document.expect(all.as_u64() > Some(0), "each step ends as it should");
        document.expect(none.as_u64().unwrap_or(0) == 0, "and in no other way");
    }
}

#[test]
fn flows_at_a_rate_keep_their_due_times() {
    const TEST: &str = "flows_at_a_rate_keep_their_due_times";
    let Some(nginx) = Nginx::start_http2(TEST, None, "") else { return };
    let text = "http = 2\n[load]\nconnections = 2\nrate = 1500\n[[flow]]\nname = \"a\"\n\
                [[flow.step]]\npath = \"/small\"\ncheck = { length = 64 }\n";
    // By default a connection of nginx carries 1,000 requests.
    let document = passed("-d 2s", &nginx.url(""), text);
    document.expect(document.released() == 3_000, "all that were due");
    document.expect(document.count("plan.pipeline") == 100, "by default");
    let ended = document.at("client.connection_endings");
    document.expect(ended.get("going_away").is_some(), "nginx has sent GOAWAYs");
}

#[test]
fn what_a_scenario_cannot_do_over_it_is_refused() {
    let with = |step: &str| {
        format!("http = 2\n[[flow]]\nname = \"a\"\n[[flow.step]]\nname = \"s\"\n{step}\n")
    };
    for (text, parts) in [
        (with("path = \"/\"\nevents = { count = 3 }"), ["step `s`", "events"]),
        (with("path = \"/\"\nheaders = { Connection = \"close\" }"), ["connection", "HTTP/2"]),
        (with("path = \"/\"").replace("http = 2", "http = 3"), ["version", "1 or 2"]),
    ] {
        let finished = Run::scenario("", "http://127.0.0.1:1", &text).finish();
        finished.expect_code(2).expect_line(&parts);
    }
    let text = with("path = \"/\"").replace("http = 2", "http = 1");
    let finished = Run::scenario("-p 4", "http://127.0.0.1:1", &text).finish();
    finished.expect_code(2).expect_line(&["-p", "http = 2"]);
    let text = format!("{}[load]\nown_connections = true\n", with("path = \"/\""));
    let finished = Run::scenario("-p 4", "http://127.0.0.1:1", &text).finish();
    finished.expect_code(2).expect_line(&["-p", "own_connections"]);
    let finished = Run::text("--h2-table 0 http://127.0.0.1:1/").finish();
    finished.expect_code(2).expect_line(&["--h2-table", "--http2"]);
    let finished = Run::text("--http2 --h2-window 0 http://127.0.0.1:1/").finish();
    finished.expect_code(2).expect_line(&["window", "1 to"]);
}

#[test]
fn the_reference_target_speaks_both_versions_on_one_port() {
    let target = Target::start();
    let url = target.url();
    for (args, path, status, size) in [
        ("-n 4000 -c 4 -p 30", "", 200, 13),
        ("-n 300 -c 2 -p 100 --h2-table 0", "bytes/100000", 200, 100_000),
        ("-n 60 -c 2 -p 3 --h2-window 1000", "bytes/100000", 200, 100_000),
        ("-n 100 -c 1 -m HEAD", "bytes/100", 200, 0),
        ("-n 100 -c 2 -p 4 --body-size 300k", "", 200, 13),
        ("-n 100 -c 1 -p 2", "nowhere", 404, 10),
    ] {
        let args = format!("--http2 --warmup 0s --timeout 50s {args} {url}{path}");
        let document = Run::json(&args).finish().document();
        document.expect_only(&[if status == 200 { "ok" } else { "status" }]);
        document.expect(document.status(status) == document.released(), "each has its status");
        let received = document.count("bytes.received");
        document.expect(received >= document.released() * size, "bodies are received");
    }
    let document = Run::json(&format!("-n 100 -c 1 {url}")).finish().expect_code(0).document();
    document.expect(document.status(200) == 100, "and HTTP/1.1 beside it");
}

#[test]
fn bodies_that_wait_for_windows_are_reported() {
    const TEST: &str = "bodies_that_wait_for_windows_are_reported";
    let Some(python) = Http2Server::python(TEST, "small_window", None) else { return };
    let args = "--http2 --warmup 0s --timeout 50s -d 500ms -c 1 -p 2 --body-size 20k";
    let document = Run::json(&format!("{args} {}", python.url())).finish().document();
    document.expect_only(&["ok"]);
    let share = document.at("client.window_wait_share").as_f64();
    document.expect(share.is_some_and(|share| share > 0.01 && share <= 1.0), "most of the time");
    let reasons = document.at("verdict.reasons").to_string();
    document.expect(reasons.contains("flow_controlled"), "the verdict names it");
}
