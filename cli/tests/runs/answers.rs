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
    let is_told = |note: &Value| note.as_str().is_some_and(|note| note.contains("php`"));
    let notes = document.at("verdict.notes").as_array().expect("a list");
    document.expect(notes.iter().any(is_told), "and one is shown");
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
    for (answer, end, outcome, told) in [
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok",
            End::Keep,
            "timeout",
            "no Content-Length and no chunks: only the connection's end is its end",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
            End::Keep,
            "timeout",
            "no last chunk came after 2 bytes of its body",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
            End::Close,
            "reset",
            "2 of 9 bytes of its body came",
        ),
        ("HTTP/1.1 200 OK\r\nA: b", End::Close, "reset", "its header had not ended"),
    ] {
        let server = Server::start(&Behaviour::Answer(answer, end));
        let args = format!("--warmup 0s --timeout 400ms -n 2 -c 1 {}", server.url());
        let document = Run::json(&args).finish().expect_code(0).document();
        document.expect_only(&[outcome]);
        let reason = document.at("verdict.reasons.0.message").as_str().expect("a text");
        document.expect(reason.contains(told), told);
    }
}

/// Odd answers, each followed by the connection's end, and whether it is read differently here
/// than by curl on purpose.
const ODD: [(&str, bool); 27] = [
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nX-P : php\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\n<b>W</b>: x\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\na@b: x\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\n: x\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nX: a\rY: b\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok", false),
    (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n\
         2\r\nok\r\n0\r\n\r\n",
        false,
    ),
    ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n", false),
    ("HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false),
    ("HTTP/1.1 204 No\r\n\r\n{}", false),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nok\r\n0\r\n\r\n", false),
    ("HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok", false),
    ("hello", false),
    // A sign is no digit (RFC 9110 section 8.6).
    ("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", true),
    // Browsers pass over an empty line ahead of an answer.
    ("\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true),
];

#[test]
fn odd_answers_are_read_where_curl_reads_them() {
    for (answer, differs) in ODD {
        let behaviour = Behaviour::Answer(answer, End::Close);
        let document = run(&behaviour, "-n 1 -c 1");
        let server = Server::start(&behaviour);
        let curl = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "20", "--output", "-", &server.url()])
            .output()
            .expect("curl is installed");
        let is_read = document.outcome("ok") == 1;
        let agrees = is_read == curl.status.success();
        document.expect(agrees != differs, &format!("{answer:?}: {curl:?}"));
    }
}
