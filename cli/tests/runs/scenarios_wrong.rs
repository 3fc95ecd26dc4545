//! Scenarios whose steps fail: what is counted and reported, and how flows continue.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::scenarios::{flow, step};
use crate::support::recording::{Answer, Asked, Recording, answer, ok};
use crate::support::run::Run;

const SHORT: &str = "--warmup 0s -d 500ms --timeout 5s --cores 1";

fn lines(server: &Recording) -> Vec<String> {
    server.asked().iter().map(Asked::line).collect()
}

/// Each step fails in a different way, in half of its requests.
const KINDS: &str = r#"
        [load]
        rate = 40
        connections = 4
        [data.rows]
        file = "rows.csv"
        [[flow]]
        name = "f"
        [[flow.step]]
        name = "status"
        path = "/status/{{rows.n}}"
        check = { status = [200, 201] }
        [[flow.step]]
        name = "header"
        path = "/{{rows.n}}"
        check = { header = { X-Kind = "good" } }
        [[flow.step]]
        name = "contains"
        path = "/{{rows.n}}"
        check = { contains = "good" }
        [[flow.step]]
        name = "equals"
        path = "/{{rows.n}}"
        check = { equals = '{"is":"good"}' }
        [[flow.step]]
        name = "length"
        path = "/{{rows.n}}"
        check = { length = 13 }
        [[flow.step]]
        name = "json"
        path = "/{{rows.n}}"
        check = { json = { "/is" = "good" } }
        [[flow.step]]
        name = "capture"
        path = "/{{rows.n}}"
        capture = { it = { regex = "go+d" } }
    "#;

#[test]
fn what_fails_a_check_is_reported_and_is_no_throughput() {
    let server = Recording::start(|asked| {
        let line = asked.line();
        let number = line.rsplit('/').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        let (kind, name) =
            if number % 2 == 0 { ("X-Kind: good", "good") } else { ("X-Kind: bad", "bad") };
        let status = if line.contains("status") && number % 2 == 1 { 202 } else { 200 };
        Answer::Bytes(answer(status, &[kind], &format!("{{\"is\":\"{name}\"}}")))
    });
    let run = Run::scenario("--warmup 0s -d 1s --timeout 5s --cores 1", &server.target(), KINDS)
        .file("rows.csv", "n\n0\n1\n");
    let finished = run.finish().expect_code(0);
    let document = finished.document();
    document.expect_only(&["ok", "check_failed"]);
    document.expect(server.count() == 40 * 7, "failures do not end a flow by themselves");
    document.expect(flow(&document, "f")["passed"] == 20, "one in two");
    document.expect(flow(&document, "f")["failed"] == 20, "one in two");
    let mut ok = 0;
    for (name, reported) in [
        ("status", "status is not 200 or 201"),
        ("header", "header X-Kind is not `good`"),
        ("contains", "body does not hold `good`"),
        ("equals", r#"body is not `{\"is\":\"good\"}`"#),
        ("length", "body does not have 13 bytes"),
        ("json", "JSON /is is not `good`"),
        ("capture", "no match of `go+d`"),
    ] {
        let step = step(&document, name);
        ok += step["ok"].as_u64().unwrap_or_default();
        let (failed, counted) = (&step["errors"]["check_failed"], &step["failures"][0]["count"]);
        document.expect(failed.as_u64() >= Some(19) && failed == counted, &step.to_string());
        document.expect(step["failures"][0]["what"] == reported, &step["failures"].to_string());
        document.expect(step["failures"].as_array().map(Vec::len) == Some(1), "for one reason");
    }
    document.expect(ok == document.outcome("ok"), "steps and whole agree");
    let rate = document.number("rate.completed");
    document.expect((rate - ok as f64).abs() < 1.0, &format!("{rate}/s of {ok} in a second"));
}

#[test]
fn statuses_of_failure_are_failures_without_a_check() {
    let server = Recording::start(|asked| {
        Answer::Bytes(answer(if asked.line() == "GET /a" { 500 } else { 200 }, &[], "x"))
    });
    let text = "[[flow]]\nname = \"f\"\n[[flow.step]]\nname = \"a\"\npath = \"/a\"\n\
                [[flow.step]]\nname = \"b\"\npath = \"/b\"\n\
                [[flow.step]]\nname = \"wanted\"\npath = \"/a\"\ncheck = { status = [500] }\n";
    let document = Run::scenario(&format!("{SHORT} -c 2"), &server.target(), text)
        .finish()
        .expect_code(0)
        .document();
    document.expect_only(&["ok", "status"]);
    document.expect(flow(&document, "f")["passed"] == 0, "one of its steps fails each time");
    let errors = &step(&document, "a")["errors"]["status"];
    document.expect(errors.as_u64() == Some(document.outcome("status")), "all of one step");
    document.expect(step(&document, "wanted")["ok"].as_u64() > Some(0), "what is wanted passes");
}

#[test]
fn a_flow_ends_with_a_step_that_is_to_end_it() {
    let server = Recording::start(|asked| {
        let user: u64 = asked.field("X-User").and_then(|user| user.parse().ok()).unwrap_or(0);
        let is_bad = user % 2 == 1 && asked.line() == "GET /second";
        Answer::Bytes(answer(if is_bad { 404 } else { 200 }, &[], ""))
    });
    let text = r#"
        [load]
        rate = 40
        connections = 4
        [[on_start]]
        path = "/first"
        headers = { X-User = "{{user}}" }
        [[flow]]
        name = "f"
        [[flow.step]]
        name = "second"
        path = "/second"
        headers = { X-User = "{{user}}" }
        repeat = 2
        stop_on_failure = true
        [[flow.step]]
        name = "third"
        path = "/third"
        headers = { X-User = "{{user}}" }
        [[on_end]]
        path = "/last"
        headers = { X-User = "{{user}}" }
    "#;
    let document = Run::scenario("--warmup 0s -d 1s --cores 1", &server.target(), text)
        .finish()
        .expect_code(0)
        .document();
    let count = |line: &str| lines(&server).iter().filter(|sent| *sent == line).count();
    document.expect(count("GET /first") == 40 && count("GET /last") == 40, "each comes and goes");
    document.expect(count("GET /second") == 20 * 2 + 20, "not taken again by those who fail");
    document.expect(count("GET /third") == 20, "nor do they go on");
    document.expect(flow(&document, "f")["failed"] == 20, "half of the flows");
}

#[test]
fn who_cannot_start_does_not_begin_a_flow_and_tries_again() {
    let server = Recording::start(|asked| {
        Answer::Bytes(answer(if asked.line() == "POST /login" { 403 } else { 200 }, &[], ""))
    });
    let text = r#"
        [load]
        users = 2
        connections = 2
        [[on_start]]
        name = "login"
        path = "/login"
        body = { text = "x" }
        stop_on_failure = true
        [[flow]]
        name = "f"
        [[flow.step]]
        name = "in"
        path = "/in"
        [[on_end]]
        path = "/out"
    "#;
    let document = Run::scenario(SHORT, &server.target(), text).finish().expect_code(0).document();
    document.expect(lines(&server).iter().all(|line| line == "POST /login"), "nothing else");
    let failed = flow(&document, "f")["failed"].as_u64();
    document.expect(failed > Some(2), "each attempt is a flow that failed");
    document.expect(step(&document, "in")["released"] == 0, "none came in");
}

#[test]
fn resets_and_closes_fail_a_step_and_the_flow_goes_on() {
    for ending in ["reset", "close", "cut", "garbage"] {
        let server = Recording::start(move |asked| match (asked.line().as_str(), ending) {
            ("GET /b", "reset") => Answer::Reset,
            ("GET /b", "close") => Answer::Last(Vec::new()),
            ("GET /b", "cut") => {
                Answer::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec())
            }
            ("GET /b", _) => Answer::Bytes(b"\x16\x03 nothing of HTTP\r\n\r\n".to_vec()),
            _ => Answer::Bytes(ok("hello")),
        });
        let text = "[load]\nusers = 4\nconnections = 2\n[[flow]]\nname = \"f\"\n\
                    [[flow.step]]\nname = \"a\"\npath = \"/a\"\n\
                    [[flow.step]]\nname = \"b\"\npath = \"/b\"\ncheck = { contains = \"x\" }\n\
                    [[flow.step]]\nname = \"c\"\npath = \"/c\"\ncheck = { contains = \"hello\" }\n";
        let document =
            Run::scenario(SHORT, &server.target(), text).finish().expect_code(0).document();
        let outcome = if ending == "garbage" { "malformed" } else { "reset" };
        document.expect_only(&["ok", outcome]);
        let count = |line: &str| lines(&server).iter().filter(|sent| *sent == line).count();
        let counts = format!("{} {} {}", count("GET /a"), count("GET /b"), count("GET /c"));
        document.expect(count("GET /a") == count("GET /c"), &counts);
        // If the connection closes without an answer, the request is sent once more.
        let most = if matches!(ending, "reset" | "close") { 2 } else { 1 };
        let (a, b) = (count("GET /a"), count("GET /b"));
        document.expect((a..=most * a).contains(&b), &counts);
        document.expect(flow(&document, "f")["passed"] == 0, "none is whole");
        document.expect(step(&document, "c")["ok"].as_u64() > Some(4), "but they went on");
    }
}

#[test]
fn connections_that_end_after_each_answer_are_made_anew() {
    let server = Recording::start(|_| {
        Answer::Last(answer(200, &["Connection: close", "Set-Cookie: a=b"], "hello"))
    });
    let text = "cookies = true\n[load]\nusers = 4\nconnections = 4\n[[flow]]\nname = \"f\"\n\
                [[flow.step]]\npath = \"/a\"\ncheck = { contains = \"hello\" }\n\
                [[flow.step]]\npath = \"/b\"\n";
    let document = Run::scenario(SHORT, &server.target(), text).finish().expect_code(0).document();
    document.expect_only(&["ok"]);
    let all = server.asked();
    document.expect(all.len() as u64 <= server.connections(), "one request each");
    let second = all.iter().filter(|asked| asked.line() == "GET /b");
    let have_it = |asked: &Asked| asked.field("Cookie").as_deref() == Some("a=b");
    document.expect(second.clone().count() > 0 && second.clone().all(have_it), "cookies stay");
}

#[test]
fn steps_without_an_answer_time_out() {
    let server = Recording::start(|asked| match asked.line().as_str() {
        "GET /b" => Answer::Silence,
        _ => Answer::Bytes(ok("hello")),
    });
    let text = "[load]\nusers = 4\nconnections = 2\n[[flow]]\nname = \"f\"\n\
                [[flow.step]]\nname = \"a\"\npath = \"/a\"\n\
                [[flow.step]]\nname = \"b\"\npath = \"/b\"\n\
                [[flow.step]]\nname = \"c\"\npath = \"/c\"\n";
    for load in ["", "-R 20"] {
        let args = format!("--warmup 0s -d 1s --timeout 200ms --cores 1 {load}");
        let document =
            Run::scenario(&args, &server.target(), text).finish().expect_code(0).document();
        // Users that waited for a connection may still wait when the run ends.
        document.expect_none_but(&["ok", "timeout", "not_sent", "censored"]);
        document.expect(document.outcome("timeout") > 0, "the second step");
        let timed_out = step(&document, "b")["errors"]["timeout"].as_u64();
        document.expect(timed_out == Some(document.outcome("timeout")), "and no other");
        document.expect(step(&document, "c")["ok"].as_u64() > Some(0), "the flow goes on");
        let response = step(&document, "b")["response"]["min"].as_f64();
        document.expect(response >= Some(199e6), "counted with the time it was waited for");
    }
}

#[test]
fn a_server_that_goes_away_fails_what_is_left() {
    let server = Recording::good();
    let target = server.target();
    let text =
        "[load]\nrate = 50\nconnections = 4\n[[flow]]\nname = \"f\"\n[[flow.step]]\npath = \"/\"\n";
    let run = Run::scenario("--warmup 0s -d 2s --timeout 300ms", &target, text).start();
    let begun = Instant::now();
    while server.count() < 20 && begun.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(5));
    }
    drop(server);
    let document = run.finish().expect_code(0).document();
    document.expect(document.released() == 100, "every flow is accounted for");
    document.expect(document.outcome("ok") >= 20, "until it went");
    document.expect_none_but(&["ok", "reset", "connect_failed", "not_sent", "censored"]);
    let flow = flow(&document, "f");
    let ends = ["passed", "failed", "unfinished"].map(|end| flow[end].as_u64().unwrap_or(0));
    document.expect(ends.iter().sum::<u64>() == 100, &format!("every flow has ended: {ends:?}"));
    document.expect(ends[1] >= 70, &format!("most have failed: {ends:?}"));
}

#[test]
fn ctrl_c_ends_a_scenario_and_keeps_what_was_measured() {
    for load in ["users = 4", "rate = 200"] {
        let server = Recording::good();
        let text = format!(
            "[load]\n{load}\nconnections = 4\n[[flow]]\nname = \"f\"\n\
             [[flow.step]]\npath = \"/a\"\nthink = {{ constant = \"10ms\" }}\n\
             [[flow.step]]\npath = \"/b\"\n[[on_end]]\npath = \"/bye\"\n"
        );
        let run = Run::scenario("--warmup 0s -d 30s --cores 1", &server.target(), &text).start();
        let begun = Instant::now();
        while server.count() < 50 && begun.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(5));
        }
        run.signal(Signal::INT);
        let signalled = Instant::now();
        let finished = run.finish().expect_code(0);
        let ended = signalled.elapsed();
        assert!(ended < Duration::from_secs(5), "ended {ended:?} after the signal\n{finished}");
        let document = finished.document();
        document.expect_only(&["ok"]);
        let flow = flow(&document, "f");
        document.expect(flow["passed"].as_u64() > Some(10), "those that ended");
        document.expect(flow["failed"] == 0, "none has failed");
        if load.starts_with("users") {
            let byes = lines(&server).iter().filter(|line| *line == "GET /bye").count();
            document.expect(byes == 4, &format!("{byes} of 4 users say goodbye"));
        }
        finished.expect_stored();
    }
}

#[test]
fn two_signals_end_a_scenario_at_once() {
    let server = Recording::start(|_| Answer::Silence);
    let text = "[load]\nusers = 8\nconnections = 4\n\
        [[flow]]\nname = \"f\"\n[[flow.step]]\npath = \"/a\"\n";
    let run = Run::scenario("--warmup 0s -d 30s --timeout 30s", &server.target(), text).start();
    let begun = Instant::now();
    while server.count() < 4 && begun.elapsed() < Duration::from_secs(20) {
        thread::sleep(Duration::from_millis(5));
    }
    run.signal(Signal::INT);
    thread::sleep(Duration::from_millis(300));
    run.signal(Signal::INT);
    let signalled = Instant::now();
    let finished = run.finish().expect_code(0);
    assert!(signalled.elapsed() < Duration::from_secs(3), "{finished}");
    let document = finished.document();
    // Of eight users, four had a connection.
    document.expect_only(&["censored"]);
    document.expect(flow(&document, "f")["unfinished"].as_u64() >= Some(4), "cut short");
}
