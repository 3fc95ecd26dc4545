//! WebSocket servers that send first, or without a request: unrequested messages are counted, close
//! no connection, and are not taken for an answer if answers can be identified.

use std::time::Duration;

use crate::scenarios::{flow, step};
use crate::support::document::Document;
use crate::support::run::Run;
use crate::support::socket_server::{CLOSE, Opening, SocketServer, TEXT, frame};

/// A server that echoes, and sends first as `opening` defines.
fn echoing(opening: Opening) -> SocketServer {
    SocketServer::opened(opening, |said| vec![frame(said.opcode, &said.payload)])
}

/// `0{"sid":"x"}`, the greeting of Engine.IO.
const HELLO: &[u8] = b"\x81\x0c0{\"sid\":\"x\"}";
const TICK: &[u8] = b"\x81\x04tick";
const SOON: Duration = Duration::from_millis(50);

fn run(args: &str, server: &SocketServer) -> Document {
    let args = format!("--warmup 0s --cores 1 --timeout 5s {args} {}", server.url());
    Run::json(&args).finish().expect_code(0).document()
}

fn unasked(document: &Document) -> u64 {
    let workers = document.at("client.workers").as_array().cloned().unwrap_or_default();
    workers.iter().filter_map(|worker| worker["unsolicited_messages"].as_u64()).sum()
}

/// Whether the reasons and the notes mention a server that sends first.
fn reported(document: &Document) -> (bool, bool) {
    let has = |key: &str, text: &str| document.at(key).to_string().contains(text);
    (
        has("verdict.reasons", "\"unsolicited_messages\""),
        has("verdict.notes", "messages without a request"),
    )
}

#[test]
fn a_greeting_costs_no_connection_and_is_no_answer() {
    let server = echoing(Opening::Greeting(HELLO));
    for (args, expected) in [
        ("", (true, false)),
        ("-p 4", (true, false)),
        ("--echo", (false, true)),
        ("--echo -p 4", (false, true)),
    ] {
        let before = (server.connections(), server.messages());
        let document = run(&format!("-n 400 -c 2 {args}"), &server);
        document.expect_only(&["ok"]);
        document.expect(server.connections() - before.0 == 2, "connections are kept");
        document.expect(server.messages() - before.1 == 400, "each message is sent once");
        document.expect(unasked(&document) == 2, "each greeting is counted");
        document
            .expect(reported(&document) == expected, &format!("{args}: {:?}", reported(&document)));
        let reasons = document.at("verdict.reasons").to_string();
        document.expect(args.contains("--echo") || reasons.contains("--greeting N"), &reasons);
    }
}

#[test]
fn the_first_message_waits_for_a_greeting_as_long_as_was_said() {
    const TWO: &[u8] = b"\x81\x02hi\x81\x02ho";
    for (opening, greeting) in [
        (Opening::Greeting(HELLO), 1),
        (Opening::Later(SOON, HELLO), 1),
        (Opening::Greeting(TWO), 2),
        (Opening::Slowly(TWO), 2),
    ] {
        let server = echoing(opening);
        for more in ["", "--echo", "-p 8"] {
            let args = format!("-n 200 -c 2 --greeting {greeting} {more}");
            let document = run(&args, &server);
            document.expect_only(&["ok"]);
            document.expect(unasked(&document) == 0, "what is waited for was asked for");
            document.expect(reported(&document) == (false, false), "nothing else came");
        }
        assert_eq!(server.connections(), 6, "connections are kept");
    }
}

#[test]
fn a_greeting_that_does_not_come_is_why_there_is_no_connection() {
    let server = echoing(Opening::Greeting(HELLO));
    let args = format!("-c 2 -d 20s --timeout 300ms --greeting 2 {}", server.url());
    let finished = Run::json(&args).finish().expect_code(1);
    finished.expect_line(&["1 of 2 messages of the greeting", "--greeting"]);
    assert_eq!(server.messages(), 0, "no message is sent before it\n{finished}");
}

#[test]
fn an_echo_is_found_among_what_is_pushed() {
    for opening in [
        Opening::Later(SOON, HELLO),
        Opening::Pushing(Duration::from_millis(1), TICK),
        Opening::Pushing(Duration::from_millis(20), TICK),
    ] {
        let server = echoing(opening);
        for args in ["-d 500ms", "-d 500ms -p 4", "-d 500ms -R 200"] {
            let document = run(&format!("-c 2 --echo {args}"), &server);
            document.expect_only(&["ok"]);
            document.expect(unasked(&document) >= 2, "what is pushed is counted");
            document.expect(reported(&document) == (false, true), "and noted");
        }
        assert_eq!(server.connections(), 6, "connections are kept");
    }
}

#[test]
fn an_open_loop_sees_what_nobody_asked_for() {
    let server = echoing(Opening::Pushing(Duration::from_millis(20), TICK));
    let document = run("-c 2 -R 100 -d 500ms", &server);
    document.expect_only(&["ok"]);
    document.expect(server.connections() == 2, "connections are kept");
    document.expect(unasked(&document) > 5, "most come while no answer is awaited");
    document.expect(reported(&document) == (true, false), "the times cannot be trusted");
}

fn talk(more: &str, websocket: &str) -> String {
    format!(
        "[load]\nusers = 2\nconnections = 2\n[[flow]]\nname = \"f\"\n[[flow.step]]\n\
         name = \"talk\"\npath = \"/\"\nwebsocket = {{ {websocket}, messages = 5 }}\n{more}"
    )
}

#[test]
fn a_talk_finds_its_answers_among_what_is_unasked() {
    for opening in [
        Opening::Greeting(HELLO),
        Opening::Later(SOON, HELLO),
        Opening::Pushing(Duration::from_millis(1), TICK),
    ] {
        let server = echoing(opening);
        let target = format!("http://{}", server.address());
        for text in [
            talk("", "text = \"{{uuid}}\", echo = true"),
            talk("check = { contains = \"user\" }\n", "text = \"user {{uuid}}\""),
        ] {
            let args = "--warmup 0s -d 500ms --cores 1";
            let document = Run::scenario(args, &target, &text).finish().expect_code(0).document();
            document.expect_only(&["ok"]);
            document.expect(unasked(&document) > 0, "and they are counted");
            document.expect(reported(&document) == (false, true), "and noted");
            document.expect(flow(&document, "f")["failed"] == 0, "every flow is whole");
            document.expect(step(&document, "talk")["ok"].as_u64() > Some(5), "they talk");
        }
    }
}

#[test]
fn a_talk_waits_for_a_greeting_and_says_when_it_cannot_know() {
    let args = "--warmup 0s -d 500ms --cores 1";
    for opening in [Opening::Greeting(HELLO), Opening::Later(SOON, HELLO)] {
        let server = echoing(opening);
        let target = format!("http://{}", server.address());
        let text = talk("", "text = \"{{uuid}}\", greeting = 1");
        let document = Run::scenario(args, &target, &text).finish().expect_code(0).document();
        document.expect_only(&["ok"]);
        document.expect(unasked(&document) == 0, "what is waited for was asked for");
        document.expect(reported(&document) == (false, false), "nothing else came");
    }
    let server = echoing(Opening::Greeting(HELLO));
    let text = talk("", "text = \"{{uuid}}\"");
    let target = format!("http://{}", server.address());
    let document = Run::scenario(args, &target, &text).finish().expect_code(0).document();
    document.expect_only(&["ok"]);
    document.expect(reported(&document) == (true, false), "the times cannot be trusted");
}

/// If another message is taken for an answer, the true one remains and shows at the end.
#[test]
fn a_busy_connection_tells_at_its_end_what_it_was_ahead() {
    for opening in [Opening::Later(SOON, HELLO), Opening::Pushing(Duration::from_millis(20), TICK)]
    {
        let server = echoing(opening);
        for args in ["-d 500ms", "-d 500ms -p 4", "-n 400 --requests-per-connection 100"] {
            let document = run(&format!("-c 2 {args}"), &server);
            document.expect_only(&["ok"]);
            document.expect(unasked(&document) > 0, "what is left over is counted");
            document.expect(reported(&document) == (true, false), "the times cannot be trusted");
        }
        let text = talk("", "text = \"{{uuid}}\"");
        let target = format!("http://{}", server.address());
        let args = "--warmup 0s -d 500ms --cores 1";
        let document = Run::scenario(args, &target, &text).finish().expect_code(0).document();
        document.expect_only(&["ok"]);
        document.expect(reported(&document) == (true, false), "the times cannot be trusted");
    }
    let server = SocketServer::echo();
    let document = run("-c 2 -d 300ms", &server);
    document.expect(unasked(&document) == 0, "nothing is left over of a server that only answers");
    document.expect(reported(&document) == (false, false), "and nothing is reported");
}

/// The causes of the requests with this outcome.
fn causes(document: &Document, outcome: &str) -> String {
    let all = document.at("counts.causes").as_array().cloned().unwrap_or_default();
    let of = all.iter().filter(|cause| cause["outcome"] == outcome);
    of.map(|cause| cause["cause"].to_string()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_message_that_fails_its_check_says_which_came_instead() {
    let server = SocketServer::start(|_| vec![frame(TEXT, b"no such room")]);
    let args = format!("--warmup 0s --timeout 300ms -n 40 -c 2 --echo {}", server.url());
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect_only(&["check_failed"]);
    let reported = causes(&document, "check_failed");
    document.expect(reported.contains("`no such room` arrived instead"), &reported);
    let text = talk("", "text = \"{{uuid}}\", echo = true");
    let target = format!("http://{}", server.address());
    let args = "--warmup 0s -d 500ms --timeout 300ms --cores 1";
    let document = Run::scenario(args, &target, &text).finish().expect_code(0).document();
    let reported = causes(&document, "check_failed");
    document.expect(reported.contains("`no such room` arrived instead"), &reported);
}

#[test]
fn a_server_that_closes_is_quoted() {
    let goodbye = [&1008_u16.to_be_bytes()[..], b"too many"].concat();
    for (close, expected) in [
        (frame(CLOSE, &goodbye), "code 1008: `too many`"),
        (frame(CLOSE, &1001_u16.to_be_bytes()), "code 1001"),
        (frame(CLOSE, b""), "without a code"),
    ] {
        let server = SocketServer::start(move |_| vec![close.clone()]);
        let document = run("-n 10 -c 2", &server);
        document.expect_only(&["reset"]);
        let reported = causes(&document, "reset");
        document.expect(reported.contains(expected), &reported);
        let text = talk("", "text = \"x\"");
        let target = format!("http://{}", server.address());
        let args = "--warmup 0s -d 300ms --cores 1";
        let document = Run::scenario(args, &target, &text).finish().expect_code(0).document();
        let reported = causes(&document, "reset");
        document.expect(reported.contains(expected), &reported);
    }
}

#[test]
fn a_greeting_is_for_websockets() {
    let finished = Run::json("-n 1 --greeting 1 http://127.0.0.1:1/").finish().expect_code(2);
    finished.expect_line(&["--greeting", "ws://"]);
}
