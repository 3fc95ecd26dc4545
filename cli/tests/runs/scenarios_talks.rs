//! Steps with event streams or WebSocket conversations among other steps.

use std::sync::Arc;
use std::time::Duration;

use crate::scenarios::{flow, step};
use crate::support::certificates::{Certificates, Kind};
use crate::support::document::Document;
use crate::support::recording::{Answer, Asked, Recording, answer, ok};
use crate::support::run::Run;
use crate::support::socket_library::SocketLibrary;
use crate::support::socket_server::{Opening, SocketServer, TEXT, frame};
use crate::support::tls_front::{Front, Manner};

const SHORT: &str = "--warmup 0s -d 500ms --timeout 5s --cores 1";
const EVENTS: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// This many events, and the end of the answer if it has one.
fn events(count: usize, has_end: bool) -> Vec<u8> {
    let all: String = (0..count).map(|n| chunk(&format!("id: {n}\ndata: x\n\n"))).collect();
    let end = if has_end { "0\r\n\r\n" } else { "" };
    format!("{EVENTS}{all}{end}").into_bytes()
}

const STREAM: &str = r#"
[load]
users = 4
connections = 4
[[flow]]
name = "f"
[[flow.step]]
name = "before"
path = "/before"
capture = { topic = { json = "/topic" } }
[[flow.step]]
name = "events"
path = "/events/{{topic}}"
events = { COUNT }
check = { status = [200], header = { Content-Type = "text/event-stream" } }
[[flow.step]]
name = "after"
path = "/after/{{topic}}"
check = { contains = "topic" }
"#;

fn stream_server(count: usize, has_end: bool) -> Recording {
    Recording::start(move |asked| {
        Answer::Bytes(if asked.line() == "GET /events/7" {
            events(count, has_end)
        } else {
            ok("{\"topic\":7}")
        })
    })
}

#[test]
fn a_stream_of_events_is_a_step_among_others() {
    for (count, has_end, wanted) in
        [(5, true, ""), (5, false, "count = 5"), (50, false, "count = 3")]
    {
        let server = stream_server(count, has_end);
        let front = Front::before(
            "127.0.0.1:0",
            server.address(),
            Manner::Proper,
            Arc::new(Certificates::make()),
        );
        let text = STREAM.replace("COUNT", wanted);
        for (target, more) in
            [(server.target(), ""), (format!("https://{}", front.address()), "-k")]
        {
            let document = Run::scenario(&format!("{SHORT} {more}"), &target, &text)
                .finish()
                .expect_code(0)
                .document();
            document.expect_only(&["ok"]);
            document.expect(step(&document, "after")["ok"].as_u64() > Some(4), "it goes on");
            let streams = step(&document, "events")["ok"].as_u64().unwrap_or_default();
            let reported = document.count("stream.events");
            // The last read may contain more events than were needed.
            let least = if wanted == "count = 3" { 3 } else { 5 };
            document
                .expect(reported >= streams * least, &format!("{reported} of {streams} streams"));
            document.expect(flow(&document, "f")["failed"] == 0, "every flow is whole");
        }
    }
}

#[test]
fn a_stream_that_breaks_off_fails_its_step() {
    let server = Recording::start(|asked| match asked.line().as_str() {
        "GET /events/7" => Answer::Last(events(2, false)),
        _ => Answer::Bytes(ok("{\"topic\":7}")),
    });
    let text = STREAM.replace("COUNT", "count = 3");
    let document = Run::scenario(SHORT, &server.target(), &text).finish().expect_code(0).document();
    document.expect_only(&["ok", "reset"]);
    document.expect(flow(&document, "f")["passed"] == 0, "none is whole");
    document.expect(step(&document, "after")["ok"].as_u64() > Some(4), "but they go on");
}

const TALK: &str = r#"
[load]
users = 6
connections = 3
[[flow]]
name = "f"
[[flow.step]]
name = "talk"
path = "/echo"
websocket = { json = '{"user":"{{user}}","id":"{{uuid}}"}', messages = 5, echo = true }
check = { json = { "/user" = "{{user}}" } }
capture = { id = { json = "/id", max = 64 } }
[[flow.step]]
name = "again"
path = "/echo"
headers = { X-Id = "{{id}}" }
websocket = { text = "{{id}}", protocols = ["chat"] }
check = { equals = "{{id}}" }
"#;

fn is_lawful(document: &Document, name: &str, messages: u64) {
    let step = step(document, name);
    let of = |key: &str| step[key].as_u64().unwrap_or_default();
    document.expect(of("ok") == of("released"), &step.to_string());
    document.expect(of("ok") > messages, "an opening and its messages are requests");
}

#[test]
fn a_library_s_server_is_talked_to_in_steps() {
    const TEST: &str = "a_library_s_server_is_talked_to_in_steps";
    let certificates = Certificates::make();
    let leaf = certificates.leaf(Kind::Good);
    for shown in [None, Some(&leaf)] {
        let Some(server) = SocketLibrary::start(TEST, shown) else { return };
        let url = server.url().replace("ws", "http");
        let target = url.trim_end_matches("/echo");
        let more = if shown.is_some() { "-k" } else { "" };
        let document = Run::scenario(&format!("{SHORT} {more}"), target, TALK)
            .finish()
            .expect_code(0)
            .document();
        document.expect_only(&["ok"]);
        is_lawful(&document, "talk", 5);
        is_lawful(&document, "again", 1);
        let seen = server.seen();
        let all = format!("{seen:?}");
        let flows = flow(&document, "f")["passed"].as_u64().unwrap_or_default();
        document.expect(flow(&document, "f")["failed"] == 0, "every flow is whole");
        document.expect(seen.text == 6 * flows && seen.binary == 0, &all);
        document.expect(seen.normal == 2 * flows && seen.other <= 3, &all);
    }
}

#[test]
fn messages_are_made_anew_and_say_what_is_written() {
    let server = SocketServer::echo();
    let target = format!("http://{}", server.address());
    for (content, least, most) in [
        ("text = \"grüße {{user}} {{seq}}\"", 10, 20),
        ("size = 70000", 70_000, 70_000),
        ("size = 300000, binary = true", 300_000, 300_000),
    ] {
        let text = format!(
            "[load]\nusers = 3\nconnections = 2\n[[flow]]\nname = \"f\"\n[[flow.step]]\n\
             path = \"/\"\nwebsocket = {{ {content}, messages = 3, echo = true }}\n"
        );
        let document = Run::scenario(SHORT, &target, &text).finish().expect_code(0).document();
        document.expect_only(&["ok"]);
        let length = server.last().payload.len();
        document.expect((least..=most).contains(&length), &format!("{length} bytes"));
        document.expect(server.unmasked() == 0, "every frame of a client is masked");
    }
    assert!(server.closes().iter().all(|&code| code == 1000), "{:?}", server.closes());
}

const SIMPLE: &str = "[load]\nusers = 4\nconnections = 2\n[[flow]]\nname = \"f\"\n[[flow.step]]\n\
    name = \"talk\"\npath = \"/\"\nwebsocket = { text = \"hello\", messages = 4, echo = true }\n\
    stop_on_failure = true\n[[flow.step]]\nname = \"never\"\npath = \"/\"\n\
    websocket = { text = \"hello\" }\n";

#[test]
fn a_wrong_echo_fails_its_message_and_its_step() {
    let server = SocketServer::start(|said| {
        vec![frame(TEXT, if said.index == 2 { b"other" } else { b"hello" })]
    });
    let document = Run::scenario(SHORT, &format!("http://{}", server.address()), SIMPLE)
        .finish()
        .expect_code(0)
        .document();
    document.expect_only(&["ok", "check_failed"]);
    let talk = step(&document, "talk");
    let failed = talk["errors"]["check_failed"].as_u64().unwrap_or_default();
    // One message of four, and each opening passes.
    document.expect(failed > 0, &talk.to_string());
    // The window may end amid the talks of the four users.
    let passed = talk["ok"].as_u64().unwrap_or_default();
    document.expect(passed.abs_diff(failed * 4) <= 4 * 4, &talk.to_string());
    document.expect(step(&document, "never")["released"] == 0, "the flow ends there");
    document.expect(flow(&document, "f")["passed"] == 0, "failed in all");
}

#[test]
fn a_refused_opening_fails_its_step() {
    for (opening, outcome) in [
        (Opening::Answered("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"), "status"),
        (
            Opening::AnsweredAndClosed("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno"),
            "check_failed",
        ),
        (Opening::OfAnotherKey, "malformed"),
    ] {
        let server = SocketServer::opened(opening, |_| Vec::new());
        let document = Run::scenario(SHORT, &format!("http://{}", server.address()), SIMPLE)
            .finish()
            .expect_code(0)
            .document();
        document.expect_only(&[outcome]);
        let reported = &step(&document, "talk")["failures"][0]["what"];
        let is_reported = outcome == "malformed" || *reported == "the WebSocket is refused";
        document.expect(is_reported, &format!("reported as {reported}"));
        document.expect(server.messages() == 0, "nothing is said where nothing is open");
        document.expect(flow(&document, "f")["passed"] == 0, "none is whole");
        document.expect(step(&document, "never")["released"] == 0, "the flow ends there");
    }
}

#[test]
fn a_server_that_closes_midway_fails_the_message_under_way() {
    // In order, and without a word.
    for close in [frame(8, &[0x03, 0xe9]), Vec::new()] {
        let goes = close.is_empty();
        let server = SocketServer::start(move |said| match said.index {
            2 if goes => vec![frame(TEXT, b"broken")[..3].to_vec(), frame(8, &[])],
            2 => vec![close.clone()],
            _ => vec![frame(TEXT, b"hello")],
        });
        let document = Run::scenario(SHORT, &format!("http://{}", server.address()), SIMPLE)
            .finish()
            .expect_code(0)
            .document();
        document.expect_none_but(&["ok", "reset", "malformed", "check_failed", "timeout"]);
        let talk = step(&document, "talk");
        document.expect(talk["ok"].as_u64() > Some(2), &talk.to_string());
        document.expect(flow(&document, "f")["passed"] == 0, "none is whole");
        document.expect(flow(&document, "f")["failed"].as_u64() > Some(2), "and they try again");
    }
}

/// One user, on one connection, whose answers are known by their order alone.
const BLIND: &str = "[load]\nusers = 1\nconnections = 1\n[[flow]]\nname = \"f\"\n[[flow.step]]\n\
    name = \"talk\"\npath = \"/\"\nwebsocket = { text = \"hi\", messages = 2";

#[test]
fn a_server_that_opens_and_closes_at_once_is_asked_less_and_less() {
    // The opening is no answer: without a pause there would be thousands in a second.
    let server = SocketServer::opened(Opening::Greeting(b"\x88\x02\x03\xe9"), |_| Vec::new());
    let text = format!("{BLIND} }}\n");
    let args = "--warmup 0s -d 1s --timeout 5s --cores 1";
    let document = Run::scenario(args, &format!("http://{}", server.address()), &text)
        .finish()
        .expect_code(0)
        .document();
    document.expect(flow(&document, "f")["passed"] == 0, "nothing was said");
    let connections = server.connections();
    document.expect((2..100).contains(&connections), &format!("{connections} connections"));
}

#[test]
fn an_end_of_this_side_is_no_ending_of_the_target_s() {
    let server = SocketServer::echo();
    let text = format!("{BLIND} }}\n");
    let document = Run::scenario(SHORT, &format!("http://{}", server.address()), &text)
        .finish()
        .expect_code(0)
        .document();
    document.expect_only(&["ok"]);
    document.expect(server.connections() > 2, "a step closes its WebSocket");
    let endings = document.at("client.connection_endings").to_string();
    document.expect(endings == "{}", &endings);
}

#[test]
fn a_greeting_that_does_not_come_is_named() {
    let server = SocketServer::echo();
    let text = format!("{BLIND}, greeting = 1 }}\n");
    let args = "--warmup 0s -d 500ms --timeout 200ms --cores 1";
    let run = Run::scenario(args, &format!("http://{}", server.address()), &text).finish();
    let document = run.expect_code(0).document();
    document.expect_only(&["timeout"]);
    let cause = document.at("counts.causes").to_string();
    document.expect(cause.contains("lower `greeting`"), &cause);
}

#[test]
fn a_silent_socket_times_out() {
    let server =
        SocketServer::start(
            |said| {
                if said.index == 1 { Vec::new() } else { vec![frame(TEXT, b"hello")] }
            },
        );
    let args = "--warmup 0s -d 800ms --timeout 200ms --cores 1";
    let document = Run::scenario(args, &format!("http://{}", server.address()), SIMPLE)
        .finish()
        .expect_code(0)
        .document();
    document.expect_only(&["ok", "timeout"]);
    document.expect(flow(&document, "f")["failed"].as_u64() > Some(3), "and they try again");
}

#[test]
fn talks_streams_and_requests_stand_in_one_flow() {
    // One port for all: what is no WebSocket is asked of a server behind the same front.
    let server = Recording::start(|asked: &Asked| match asked.line().as_str() {
        "GET /events" => Answer::Bytes(events(3, true)),
        "GET /slow" => Answer::Late(Duration::from_millis(20), ok("slow")),
        _ => Answer::Bytes(answer(404, &[], "")),
    });
    let text = "[load]\nrate = 40\nconnections = 4\n[[flow]]\nname = \"f\"\n[[flow.step]]\n\
        name = \"e\"\npath = \"/events\"\nevents = {}\nrepeat = 2\n[[flow.step]]\nname = \"s\"\n\
        path = \"/slow\"\nthink = { constant = \"10ms\" }\n[[flow.step]]\nname = \"w\"\n\
        path = \"/ws\"\nwebsocket = { text = \"x\" }\n";
    let document = Run::scenario("--warmup 0s -d 1s --cores 2", &server.target(), text)
        .finish()
        .expect_code(0)
        .document();
    document.expect_only(&["ok", "status"]);
    document.expect(flow(&document, "f")["failed"] == 40, "there is no WebSocket here");
    let refused = step(&document, "w")["errors"]["status"].as_u64();
    document.expect(refused >= Some(20), "refused with a status, which is reported");
    document.expect(document.status(404) == refused.unwrap_or_default(), "of the server");
}
