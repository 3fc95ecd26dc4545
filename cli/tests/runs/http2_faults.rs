//! HTTP/2 servers with faults: streams refused, cancelled or never answered, connections that go
//! away, limits that are lower than asked for. The server is strict about uringbench meanwhile.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use crate::support::document::Document;
use crate::support::http2_server::{Http2Server, Seen};
use crate::support::run::Run;

/// The document of a run against a server with this fault, and what the server has seen.
fn faulty(test: &str, mode: &str, args: &str) -> Option<(Document, Seen)> {
    let python = Http2Server::python(test, mode, None)?;
    let args = format!("--http2 --warmup 0s {args} {}", python.url());
    let document = Run::json(&args).finish().document();
    Some((document, python.seen()))
}

#[test]
fn answers_in_every_form_are_read() {
    const TEST: &str = "answers_in_every_form_are_read";
    for mode in ["good", "interim", "padded", "ping", "no_table"] {
        let args = "-n 400 -c 3 -p 6 --timeout 50s";
        let Some((document, seen)) = faulty(TEST, mode, args) else { return };
        document.expect_only(&["ok"]);
        assert_eq!((seen.answered, seen.connections), (400, 3), "{mode}");
    }
}

#[test]
fn refused_streams_are_sent_again() {
    const TEST: &str = "refused_streams_are_sent_again";
    let args = "-n 400 -c 2 -p 6 --timeout 50s";
    let Some((document, seen)) = faulty(TEST, "refuse", args) else { return };
    document.expect_none_but(&["ok", "reset"]);
    document.expect(document.outcome("ok") == seen.answered, "what was answered counts");
    document.expect(seen.refused > 30, "the server refuses one in ten");
    let (again, lost) = (document.count("counts.retried"), document.outcome("reset"));
    document.expect(again + lost == seen.refused, "each was sent again, or ended");
}

#[test]
fn requests_that_a_leaving_server_has_not_taken_are_sent_again() {
    const TEST: &str = "requests_that_a_leaving_server_has_not_taken_are_sent_again";
    for args in ["-n 500 -c 2 -p 10 --timeout 50s", "-R 500 -d 1s -c 1 -p 4 --timeout 50s"] {
        let Some((document, seen)) = faulty(TEST, "go_away", args) else { return };
        document.expect_only(&["ok"]);
        document.expect(seen.answered == 500, "each was answered once");
        document.expect(seen.connections >= 20, "one for each 25 requests");
        let ended = document.at("client.connection_endings");
        document.expect(ended.get("going_away").is_some(), "their ends are counted by kind");
    }
}

#[test]
fn a_server_that_allows_fewer_streams_is_obeyed_and_named() {
    const TEST: &str = "a_server_that_allows_fewer_streams_is_obeyed_and_named";
    let Some((document, seen)) = faulty(TEST, "limited", "-n 300 -c 2 -p 10 --timeout 50s") else {
        return;
    };
    document.expect_only(&["ok"]);
    assert_eq!(seen.answered, 300);
    document.expect(document.count("client.streams_max") == 3, "the limit is reported");
    let reasons = document.at("verdict.reasons").to_string();
    document.expect(reasons.contains("streams_limited"), "the verdict names it");
}

#[test]
fn windows_of_any_size_are_obeyed() {
    const TEST: &str = "windows_of_any_size_are_obeyed";
    for (mode, size) in [("one_byte", 20), ("small_window", 30_000)] {
        let args = format!("-n 30 -c 2 -p 3 --timeout 50s --body-size {size}");
        let Some((document, seen)) = faulty(TEST, mode, &args) else { return };
        document.expect_only(&["ok"]);
        assert_eq!((seen.answered, seen.bytes), (30, 30 * size), "{mode}");
    }
}

#[test]
fn cancelled_streams_end_alone_and_by_their_code() {
    const TEST: &str = "cancelled_streams_end_alone_and_by_their_code";
    let Some((document, seen)) = faulty(TEST, "cancel", "-n 400 -c 2 -p 6 --timeout 50s") else {
        return;
    };
    document.expect_only(&["ok", "reset"]);
    document.expect(document.outcome("ok") == seen.answered, "the others are answered");
    document.expect(seen.connections == 2, "connections live on");
    let causes = document.at("counts.causes").to_string();
    document.expect(causes.contains("INTERNAL_ERROR"), "the code is named");
}

#[test]
fn streams_that_are_never_answered_time_out_alone() {
    const TEST: &str = "streams_that_are_never_answered_time_out_alone";
    let Some(python) = Http2Server::python(TEST, "silent", None) else { return };
    // Only early streams are never answered: others are heard of after them.
    let args = "--http2 --warmup 0s -R 100 -d 1s -c 1 -p 100 --timeout 5s";
    let document = Run::json(&format!("{args} {}", python.url())).finish().document();
    document.expect_only(&["ok", "timeout"]);
    document.expect(document.outcome("timeout") == 3, "three are never answered");
    // The server may read the last cancellations after the run.
    let seen = std::iter::repeat_with(|| python.seen());
    let seen = seen.take(10_000).find(|seen| seen.cancelled >= 3).expect("each is cancelled");
    assert_eq!(seen.cancelled, 3);
    document.expect(document.outcome("ok") == seen.answered, "the others are answered");
    document.expect(seen.connections == 1, "the connection lives on");
}

#[test]
fn a_target_that_allows_no_stream_is_named() {
    const TEST: &str = "a_target_that_allows_no_stream_is_named";
    let Some(python) = Http2Server::python(TEST, "no_stream", None) else { return };
    let args = format!("--http2 -n 3 -c 1 --timeout 1s {}", python.url());
    Run::json(&args).finish().expect_code(1).expect_line(&["allows no stream", "--http2"]);
    // After the first answer, and on all later connections.
    let Some((document, _)) = faulty(TEST, "barring", "-n 4 -c 1 -p 2 --timeout 1s") else {
        return;
    };
    document.expect(document.outcome("ok") > 0, "the first is answered");
    let causes = document.at("counts.causes").to_string();
    document.expect(causes.contains("allows no stream"), "the cause names it");
    let ended = document.at("client.connection_endings");
    document.expect(ended.get("barred").is_some(), "its connection is closed");
}

/// A server that answers the first bytes of each connection so, and closes it.
fn closing_with(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            // A fault of one connection is seen by the client.
            let _ = stream.read(&mut [0; 4_096]).and_then(|_| stream.write_all(answer));
        }
    });
    address
}

#[test]
fn a_target_that_closes_on_the_preface_is_named() {
    for (answer, texts) in [
        (&b""[..], ["first bytes of HTTP/2", "leave --http2 out"]),
        (b"\x15\x03\x01\x00\x02\x02\x46", ["TLS answers", "https://"]),
    ] {
        let args = format!("--http2 -n 3 -c 1 --timeout 50s http://{}/", closing_with(answer));
        Run::json(&args).finish().expect_code(1).expect_line(&texts);
    }
}

#[test]
fn an_error_with_which_the_target_goes_away_is_named() {
    const TEST: &str = "an_error_with_which_the_target_goes_away_is_named";
    let args = "-n 200 -c 2 -p 10 --timeout 50s --method POST --body-size 5";
    let Some((document, seen)) = faulty(TEST, "expel", args) else { return };
    document.expect_only(&["ok", "reset"]);
    document.expect(document.outcome("ok") == seen.answered, "what was answered counts");
    let ended = document.at("client.connection_endings");
    document.expect(ended.get("expelled").is_some(), "their ends are counted by kind");
    let causes = document.at("counts.causes").to_string();
    document.expect(causes.contains("GOAWAY ENHANCE_YOUR_CALM"), "the code is named");
}

#[test]
fn errors_by_status_are_counted() {
    const TEST: &str = "errors_by_status_are_counted";
    let Some((document, _)) = faulty(TEST, "unavailable", "-n 50 -c 1 -p 5 --timeout 50s") else {
        return;
    };
    document.expect_only(&["status"]);
    document.expect(document.status(503) == 50, "status 503 for each");
}
