//! WebSocket against servers that misbehave: openings that fail have one line with the fix,
//! every message has its outcome, nothing hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::document::Document;
use crate::support::run::Run;
use crate::support::socket_server::{
    BINARY, CLOSE, CONTINUATION, Opening, PING, Said, SocketServer, TEXT, fragment, frame,
};

/// A run of 100 messages against a server that answers so.
fn run<F>(args: &str, answer: F) -> (SocketServer, Document)
where
    F: Fn(&Said) -> Vec<Vec<u8>> + Send + Sync + 'static,
{
    let server = SocketServer::start(answer);
    let args = format!("--warmup 0s --timeout 500ms -n 100 {args} {}", server.url());
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect(document.released() == 100, "-n 100 releases 100");
    (server, document)
}

/// All of them must be answered well, and each sent once.
fn all_ok<F>(args: &str, answer: F) -> (SocketServer, Document)
where
    F: Fn(&Said) -> Vec<Vec<u8>> + Send + Sync + 'static,
{
    let (server, document) = run(args, answer);
    document.expect_only(&["ok"]);
    document.expect(server.messages() == 100, "each message is sent once");
    (server, document)
}

/// A run that ends before it starts, with one line that holds all of `parts`.
fn cannot_open(opening: Opening, parts: &[&str]) {
    let server = SocketServer::opened(opening, |_| Vec::new());
    let args = format!("-c 2 -d 20s --timeout 500ms {}", server.url());
    let finished = Run::json(&args).finish().expect_code(1);
    finished.expect_line(parts);
    assert_eq!(finished.stdout, "", "no result without a run\n{finished}");
    assert!(finished.took < Duration::from_secs(6), "no load was waited for\n{finished}");
    assert_eq!(server.messages(), 0, "no message without a WebSocket\n{finished}");
}

#[test]
fn a_refused_opening_is_named_with_its_status() {
    const EMPTY: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    const BODY: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno.";
    const CHUNKS: &str =
        "HTTP/1.1 426 Upgrade Required\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno.\r\n0\r\n\r\n";
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    for (bytes, status) in [(EMPTY, "404"), (BODY, "401"), (CHUNKS, "426"), (OK, "200")] {
        cannot_open(Opening::Answered(bytes), &[status, "path"]);
        cannot_open(Opening::AnsweredAndClosed(bytes), &[status, "path"]);
    }
}

#[test]
fn a_refused_opening_says_what_the_target_wants() {
    for (bytes, parts) in [
        (
            "HTTP/1.1 301 Moved\r\nLocation: https://other/chat?token=secret\r\n\
             Content-Length: 0\r\n\r\n",
            &["301", "`https://other/chat?…`"][..],
        ),
        (
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"a\"\r\n\
             Content-Length: 3\r\n\r\nno.",
            &["401", "Basic credentials"],
        ),
        ("HTTP/1.1 503 No\r\nRetry-After: 30\r\n\r\nno.", &["503", "Retry-After: 30"]),
    ] {
        cannot_open(Opening::AnsweredAndClosed(bytes), parts);
    }
}

#[test]
fn a_refusal_that_the_connection_s_end_delimits_is_one_all_the_same() {
    const CLOSED: &str = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\nno.";
    cannot_open(Opening::AnsweredAndClosed(CLOSED), &["403"]);
}

#[test]
fn an_answer_that_opens_nothing_says_why() {
    cannot_open(Opening::OfAnotherKey, &["Sec-WebSocket-Accept"]);
    cannot_open(Opening::Answered("SSH-2.0-OpenSSH_9.2\r\n\r\n"), &["WebSocket"]);
    cannot_open(Opening::Answered("HTTP/1.1 101 Sure\r\n\r\n"), &["WebSocket"]);
    cannot_open(Opening::Answered(""), &["timeout"]);
    cannot_open(Opening::Answered("HTTP/1.1 101 Switching Protocols\r\nUpgra"), &["timeout"]);
    cannot_open(Opening::AnsweredAndClosed(""), &["close"]);
    cannot_open(Opening::AnsweredAndClosed("HTTP/1.1 101 Switching Protocols\r\n"), &["close"]);
}

#[test]
fn an_opening_may_come_byte_by_byte() {
    let answer = |said: &Said| vec![frame(TEXT, &said.payload)];
    let server = SocketServer::opened(Opening::Slowly(b""), answer);
    let args = format!("--warmup 0s -n 100 -c 4 --echo {}", server.url());
    Run::json(&args).finish().expect_code(0).document().expect_only(&["ok"]);
    // A ping straight after it.
    let server = SocketServer::opened(Opening::Slowly(b"\x89\x02hi"), answer);
    let args = format!("--warmup 0s -n 100 -c 4 --echo {}", server.url());
    Run::json(&args).finish().expect_code(0).document().expect_only(&["ok"]);
    assert_eq!(server.pongs(), vec![b"hi".to_vec(); 4]);
}

#[test]
fn fragments_make_one_answer() {
    for args in ["-c 4", "-c 4 -p 4", "-c 4 --echo", "-c 2 -p 4 --echo --body-size 70000"] {
        all_ok(args, |said| {
            let third = said.payload.len() / 3;
            vec![
                fragment(said.opcode, &said.payload[..third]),
                fragment(CONTINUATION, b""),
                // A ping may stand between the fragments of a message (section 5.4).
                [frame(PING, b"amid"), fragment(CONTINUATION, &said.payload[third..])].concat(),
                frame(CONTINUATION, b""),
            ]
        });
    }
}

#[test]
fn pings_are_answered_with_what_they_carry() {
    for args in ["-c 4", "-c 4 -p 4 --echo", "-c 2 --body-size 70000 --echo"] {
        let (server, document) = all_ok(args, |said| {
            let ping = frame(PING, &said.index.to_be_bytes());
            vec![ping.clone(), frame(said.opcode, &said.payload), ping]
        });
        let pongs = server.pongs();
        document.expect(server.unmasked() == 0, "pongs are masked");
        document.expect(pongs.len() >= 190, &format!("{} pongs for 200 pings", pongs.len()));
        document.expect(pongs.iter().all(|pong| pong.len() == 8), "pongs say what pings said");
        document.expect(pongs.contains(&3_u64.to_be_bytes().to_vec()), "the same bytes");
    }
}

#[test]
fn a_server_that_closes_costs_what_was_in_flight() {
    for code in [1000_u16, 1001, 1011] {
        let (server, document) = run("-c 4", move |said| {
            if said.index == 4 {
                vec![frame(CLOSE, &[&code.to_be_bytes()[..], b"bye"].concat())]
            } else {
                vec![frame(said.opcode, &said.payload)]
            }
        });
        document.expect_only(&["ok", "reset"]);
        document.expect(server.messages() == 100, "each message is sent once");
        let (ok, reset) = (document.outcome("ok"), document.outcome("reset"));
        document.expect(reset >= 16 && ok >= 80, "each fifth of a connection is lost");
        let closes = server.closes();
        document.expect(closes.contains(&code), &format!("its code comes back: {closes:?}"));
    }
}

#[test]
fn a_server_that_closes_between_messages_costs_nothing() {
    let firsts = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&firsts);
    let (server, document) = run("-c 4 -R 100 -d 5s", move |said| {
        counts.fetch_add(u64::from(said.index == 0), Ordering::SeqCst);
        vec![frame(said.opcode, &said.payload), frame(CLOSE, &1001_u16.to_be_bytes())]
    });
    // A connection has a message each 40 ms. One that the machine makes so late that it crosses
    // the Close is lost: the server answers none behind its Close.
    let answered = firsts.load(Ordering::SeqCst);
    document.expect(document.outcome("ok") == answered, "the first message of each is answered");
    document.expect(document.outcome("ok") + document.outcome("reset") == 100, "others crossed");
    document.expect(answered >= 50, "most do not");
    document.expect(server.closes().len() as u64 + 4 >= answered, "Closes are answered");
}

#[test]
fn frames_that_break_the_protocol_are_malformed() {
    let broken: [(&str, Vec<u8>); 7] = [
        ("masked", vec![0x81, 0x81, 1, 2, 3, 4, 5]),
        ("reserved bits", vec![0xf1, 0]),
        ("unknown opcode", vec![0x83, 0]),
        ("not UTF-8", frame(TEXT, b"\xc3\x28")),
        ("nothing to continue", frame(CONTINUATION, b"x")),
        ("long ping", frame(PING, &[0; 126])),
        ("close of one byte", frame(CLOSE, b"x")),
    ];
    for (what, bytes) in broken {
        let (server, document) = run("-c 4", move |_| vec![bytes.clone()]);
        document.expect(document.outcome("malformed") == 100, what);
        document.expect(server.messages() == 100, "each message is sent once");
        let closes = server.closes();
        let reported = closes.iter().filter(|code| [1002, 1007].contains(*code)).count();
        document.expect(reported >= 90, &format!("{what}: the server learns why: {closes:?}"));
    }
}

#[test]
fn an_echo_that_differs_fails_its_check() {
    let (_, document) = run("-c 4 --echo", |said| {
        let mut payload = said.payload.clone();
        if said.index % 2 == 1 {
            *payload.last_mut().unwrap() ^= 1;
        }
        vec![frame(said.opcode, &payload)]
    });
    document.expect_only(&["ok", "check_failed"]);
    let failed = document.outcome("check_failed");
    document.expect((40..=60).contains(&failed), "every other one");
    for answer in [b"".as_slice(), &[b'x'; 33], &[b'x'; 70_000]] {
        let (server, document) = run("-c 4 -p 2 --echo", |_| vec![frame(TEXT, answer)]);
        document.expect_only(&["check_failed"]);
        document.expect(server.connections() == 4, "the connections are as good as before");
    }
}

#[test]
fn silence_and_half_an_answer_are_timeouts() {
    for answer in [Vec::new(), vec![vec![0x81]], vec![vec![0x82, 0x7e, 0xff, 0xff, 7]]] {
        let server = SocketServer::start(move |_| answer.clone());
        let args = format!("--warmup 0s --timeout 300ms -n 24 -c 4 {}", server.url());
        let document = Run::json(&args).finish().expect_code(0).document();
        document.expect_only(&["timeout"]);
        document.expect(server.messages() == 24, "each message is sent once");
    }
}

#[test]
fn a_large_answer_that_stops_halfway_is_a_timeout() {
    // 5,000 of 65,535 bytes, some of which are dropped unread.
    let half = [&[0x82, 126, 0xff, 0xff][..], &[7; 5_000]].concat();
    let (_, document) = run("-c 4", move |said| {
        let whole = frame(BINARY, &said.payload);
        if said.index == 3 { vec![half.clone()] } else { vec![whole] }
    });
    document.expect_only(&["ok", "timeout"]);
}
