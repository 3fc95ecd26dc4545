//! Answers that are not as HTTP/1.1 has them: read all the same where curl reads them, and
//! otherwise quoted in what the run says.

use std::process::Command;

use serde_json::Value;

use crate::support::document::Document;
use crate::support::run::Run;
use crate::support::script::{Behaviour, End};
use crate::support::server::Server;

fn run(behaviour: &Behaviour, args: &str) -> Document {
    let server = Server::start(behaviour);
    let args = format!("--warmup 0s --timeout 5s {args} {}", server.url());
    Run::json(&args).finish().expect_code(0).document()
}

/// The cause that most requests failed for; the verdict must quote it.
fn main_cause(behaviour: &Behaviour) -> String {
    let document = run(behaviour, "-n 40 -c 2");
    document.expect_only(&["malformed"]);
    let cause = document.at("counts.causes.0");
    document.expect(cause["outcome"] == "malformed" && cause["count"] == 40, "each has its cause");
    let cause = cause["cause"].as_str().expect("a text").to_owned();
    let reason = document.at("verdict.reasons.0.message").as_str().expect("a text");
    document.expect(reason.contains(&cause), "the verdict quotes the cause");
    cause
}

#[test]
fn a_malformed_answer_is_quoted() {
    for (answer, cause) in [
        ("HTTP/1.1 200 OK\r\nA: b\r\nno colon\r\n\r\n", "header line 2: no colon: `no colon`"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
            "header line 2: Content-Length is given more than once, with different values: \
             `Content-Length: 3`",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            "a chunk of the body does not begin with its size in hexadecimal digits: `xyz`",
        ),
        ("SSH-2.0-OpenSSH_9.6\r\n", "an SSH server answers: `SSH-2.0-OpenSSH_9.6`"),
    ] {
        assert_eq!(main_cause(&Behaviour::Answer(answer, End::Keep)), cause);
    }
}

#[test]
fn a_header_has_128_lines_and_64_kib_at_most() {
    let answer = |lines: usize| {
        let filler = "A: b\r\n".repeat(lines - 1);
        let answer = format!("HTTP/1.1 200 OK\r\n{filler}Content-Length: 2\r\n\r\nok").leak();
        Behaviour::Answer(answer, End::Keep)
    };
    run(&answer(128), "-n 40 -c 2").expect_only(&["ok"]);
    assert_eq!(main_cause(&answer(129)), "the header has more than 128 lines");
    assert_eq!(main_cause(&Behaviour::HugeHeader), "the header is longer than 64 KiB");
}

#[test]
fn another_protocol_is_named_and_https_suggested_for_tls_alone() {
    let reason = |answer| {
        let document = run(&Behaviour::Answer(answer, End::Close), "-n 4 -c 1");
        document.at("verdict.reasons.0.message").as_str().expect("a text").to_owned()
    };
    let tls = reason("\x15\x03\x01\0\x02\x02\x46");
    assert!(tls.contains("TLS answers") && tls.contains("https://"), "{tls}");
    let settings = reason("\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d");
    assert!(settings.contains("HTTP/2 answers") && !settings.contains("https"), "{settings}");
}

/// All requests are answered well. The document, and the kinds of deviation that were noted.
fn tolerated(behaviour: &Behaviour, args: &str) -> (Document, Vec<String>) {
    let document = run(behaviour, args);
    document.expect_only(&["ok"]);
    let kinds = document.at("counts.tolerated").as_array().expect("a list").iter();
    let kinds = kinds.map(|kind| kind["kind"].as_str().expect("a word").to_owned()).collect();
    (document, kinds)
}

#[test]
fn what_does_no_harm_is_measured_with_a_note() {
    let answer = "HTTP/1.1 200 OK\r\nX-Powered-By : php\r\nContent-Length: 2\r\n\r\nok";
    let (document, kinds) = tolerated(&Behaviour::Answer(answer, End::Keep), "-n 40 -c 2");
    assert_eq!(kinds, ["space_before_colon"]);
    document.expect(document.count("counts.tolerated.0.count") == 40, "each is counted");
    let is_reported = |note: &Value| note.as_str().is_some_and(|note| note.contains("php`"));
    let notes = document.at("verdict.notes").as_array().expect("a list");
    document.expect(notes.iter().any(is_reported), "and one is shown");
}

#[test]
fn bytes_behind_an_answer_without_a_body_blame_no_request() {
    let behind = "HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let empty = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n";
    for (answer, kind) in [(behind, "bytes_behind"), (empty, "empty_line")] {
        for args in ["-n 80 -c 2", "-n 80 -c 2 -p 4", "-n 80 -c 2 -p 8"] {
            for behaviour in [Behaviour::Answer(answer, End::Keep), Behaviour::AnswerInTwo(answer)]
            {
                let (document, kinds) = tolerated(&behaviour, args);
                document.expect(kinds == [kind], kind);
                let unsolicited = document.at("client.workers.0.unsolicited") == 0;
                document.expect(unsolicited, "nothing is called unasked for");
            }
        }
    }
}

#[test]
fn bytes_behind_an_answer_cost_a_user_no_connection() {
    let behind = "HTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let server = Server::start(&Behaviour::AnswerInTwo(behind));
    let text = "[load]\nconnections = 2\nusers = 2\nduration = \"300ms\"\nwarmup = \"0s\"\n\
                [[flow]]\nname = \"f\"\n[[flow.step]]\npath = \"/\"\n\
                think = { constant = \"5ms\" }\n";
    let url = server.url();
    let target = url.trim_end_matches('/');
    let document = Run::scenario("", target, text).finish().expect_code(0).document();
    document.expect_only(&["ok"]);
    document.expect(document.count("client.workers.0.reconnects") == 0, "none is lost");
    document.expect(document.at("counts.tolerated.0.kind") == "bytes_behind", "it is noted");
}

#[test]
fn an_answer_that_does_not_end_says_how_far_it_came() {
    for (answer, end, outcome, reported) in [
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok",
            End::Keep,
            "timeout",
            "no Content-Length or chunks delimit its body: it ends with the connection",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            End::Keep,
            "timeout",
            "no last chunk arrived after 2 bytes of its body",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
            End::Close,
            "reset",
            "2 of 9 bytes of its body arrived",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
            End::Close,
            "reset",
            "the last chunk arrived after 2 bytes, but no empty line after it",
        ),
        ("HTTP/1.1 200 OK\r\nA: b", End::Close, "reset", "its header had not ended"),
    ] {
        let server = Server::start(&Behaviour::Answer(answer, end));
        let args = format!("--warmup 0s --timeout 400ms -n 2 -c 1 {}", server.url());
        let document = Run::json(&args).finish().expect_code(0).document();
        document.expect_only(&[outcome]);
        let reason = document.at("verdict.reasons.0.message").as_str().expect("a text");
        document.expect(reason.contains(reported), reported);
    }
}

/// A chunked body behind a plain header.
macro_rules! chunked {
    ($body:literal) => {
        concat!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", $body)
    };
}

/// A body of two bytes behind these header lines.
macro_rules! headed {
    ($lines:literal) => {
        concat!("HTTP/1.1 200 OK\r\n", $lines, "\r\n\r\nok")
    };
}

/// A header and a body of two bytes behind this status line.
macro_rules! begun {
    ($line:literal) => {
        concat!($line, "\r\nContent-Length: 2\r\n\r\nok")
    };
}

/// Odd answers, each followed by the connection's end.
const ODD: [&str; 87] = [
    headed!("Content-Length: 2"),
    headed!("X-P : php\r\nContent-Length: 2"),
    headed!("<b>W</b>: x\r\nContent-Length: 2"),
    headed!("a@b: x\r\nContent-Length: 2"),
    headed!(": x\r\nContent-Length: 2"),
    headed!("X: a\r\n b\r\nContent-Length: 2"),
    headed!("no colon\r\nContent-Length: 2"),
    headed!("X: a\0b\r\nContent-Length: 2"),
    headed!("X: a\x01b\r\nContent-Length: 2"),
    headed!("X: a\rY: b\r\nContent-Length: 2"),
    headed!("Content-Length : 2"),
    headed!("Transfer-Encoding: identity"),
    headed!("Transfer-Encoding: identity\r\nContent-Length: 2"),
    headed!("Content-Length: 2\r\nContent-Length: 2"),
    headed!("Content-Length: 3"),
    headed!("Content-Length: x"),
    headed!("Content-Length:"),
    headed!("Content-Length: +2"),
    headed!("Content-Length: ++2"),
    headed!("Content-Length: -2"),
    headed!("Content-Length: \"2\""),
    headed!("Content-Length: 2;x"),
    headed!("Content-Length: 2.0"),
    headed!("Content-Length: 2 bytes"),
    headed!("Content-Length: 2,"),
    headed!("Content-Length: ,2"),
    headed!("Content-Length: 2, 2"),
    headed!("Content-Length: +2\r\nContent-Length: 2"),
    headed!("Content-Length: 2\r\r"),
    begun!("HTTP/1.1 20 OK"),
    begun!("HTTP/1.1 2000"),
    begun!("HTTP/1.1 099 OK"),
    begun!("HTTP/1.1 200"),
    begun!("HTTP/1.1  200 OK"),
    begun!("HTTP/1.1\t200 OK"),
    begun!("HTTP/1.1 200OK"),
    begun!("HTTP/1.1 200-OK"),
    begun!("HTTP/1.1 200\tOK"),
    begun!("HTTP/1.1 200 \x01"),
    begun!("HTTP/1.1 200 \0"),
    begun!("HTTP/1.1 200 a\rb"),
    begun!("http/1.1 200 OK"),
    begun!("Http/1.0 200 OK"),
    begun!("HTTP/1.2 200 OK"),
    begun!("HTTP/2 200"),
    begun!("HTTP/2.0 200 OK"),
    begun!("HTTP/3 200 OK"),
    begun!("HTTP/1.1"),
    begun!("HTTP 200 OK"),
    begun!("ICY 200 OK"),
    begun!(" HTTP/1.1 200 OK"),
    "hello",
    "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n",
    "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 204 No\r\n\r\n{}",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n\
     2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked;q=1\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    chunked!("xyz\r\nok\r\n0\r\n\r\n"),
    chunked!("2\nok\r\n0\r\n\r\n"),
    chunked!("2\r\nok\n0\r\n\r\n"),
    chunked!("2\nok\n0\n\n"),
    chunked!("2;a\nok\r\n0\r\n\n"),
    chunked!("2\r\r\nok\r\r\n0\r\n\r\n"),
    chunked!("2\r\nok\r0\r\n\r\n"),
    chunked!("2\r\nok0\r\n\r\n"),
    chunked!("2\r\nokay\r\n0\r\n\r\n"),
    chunked!("2\r\nok\r\n\r\n0\r\n\r\n"),
    chunked!("2 x\r\nok\r\n0\r\n\r\n"),
    chunked!("2xyz\r\nok\r\n0 \r\n\r\n"),
    chunked!("2;\x01\r\nok\r\n0\r\n\r\n"),
    chunked!("0x2\r\nok\r\n0\r\n\r\n"),
    chunked!("+2\r\nok\r\n0\r\n\r\n"),
    chunked!(" 2\r\nok\r\n0\r\n\r\n"),
    chunked!("2\r\nok\r\n0\r\n"),
    chunked!("2\r\nok\r\n0"),
    chunked!("2\r\nok\r\n0\r\na: b\r\n"),
    chunked!("2\r\nok\r\n"),
    chunked!("2\r\nok\r\n0\r\na: b\n\n"),
    chunked!("2\r\nok\r\n0\r\na : b\r\n c\r\n: d\r\n\r\n"),
    chunked!("2\r\nok\r\n0\r\n<b>: \x01\r\n\r\n"),
    chunked!("2\r\nok\r\n0\r\na: b\0\r\n\r\n"),
    chunked!("2\r\nok\r\n0\r\na: b\rc\r\n\r\n"),
    chunked!("2\r\nok\r\n0\r\nno colon\r\n\r\n"),
    chunked!("2\r\nok\r\n0\r\n\rx"),
];

/// Those that are read differently here on purpose.
const READ_OTHERWISE: [&str; 4] = [
    // Browsers pass over an empty line ahead of an answer.
    "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    // Which of two lengths is meant nobody can know (RFC 9110 section 8.6), nor what a number is
    // that no body can have.
    headed!("Content-Length: 2, 3"),
    headed!("Content-Length: 99999999999999999999"),
    // Zeros ahead of a size mean nothing (RFC 9112 section 7.1).
    chunked!("00000000000000002\r\nok\r\n0\r\n\r\n"),
];

#[test]
fn odd_answers_are_read_where_curl_reads_them() {
    for answer in ODD.into_iter().chain(READ_OTHERWISE) {
        let behaviour = Behaviour::Answer(answer, End::Close);
        let document = run(&behaviour, "-n 1 -c 1");
        let server = Server::start(&behaviour);
        let curl = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20", "--output", "-", &server.url()])
            .output()
            .expect("curl is installed");
        let is_read = document.outcome("ok") == 1;
        let agrees = is_read == curl.status.success();
        let differs = READ_OTHERWISE.contains(&answer);
        document.expect(agrees != differs, &format!("{answer:?}: {curl:?}"));
    }
}
