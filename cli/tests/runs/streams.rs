//! Answers that are streams: events are counted at their end and timed at their arrival, and an
//! endless stream ends where the options say.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::support::acceptor::Acceptor;
use crate::support::certificates::Certificates;
use crate::support::document::Document;
use crate::support::requests::Requests;
use crate::support::run::Run;
use crate::support::tls_front::{Front, Manner};

const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const CLOSED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// How the end of a stream is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Chunks,
    Length,
    Close,
}

/// A server that answers each request with these pieces, at this interval.
fn server(ending: Ending, pieces: &[&[u8]], apart: Duration) -> Acceptor {
    let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
    Acceptor::start(move |stream, _| {
        let (mut requests, mut writer) = (Requests::new(stream), stream);
        while requests.next()?.is_some() {
            let length: usize = pieces.iter().map(Vec::len).sum();
            match ending {
                Ending::Chunks => writer.write_all(CHUNKED.as_bytes())?,
                Ending::Close => writer.write_all(CLOSED.as_bytes())?,
                Ending::Length => {
                    write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?;
                }
            }
            for piece in &pieces {
                thread::sleep(apart);
                let written = if ending == Ending::Chunks { chunk(piece) } else { piece.clone() };
                writer.write_all(&written)?;
            }
            match ending {
                Ending::Chunks => writer.write_all(b"0\r\n\r\n")?,
                Ending::Close => return Ok(()),
                Ending::Length => {}
            }
        }
        Ok(())
    })
}

fn chunk(piece: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()
}

/// A run of this many answers, all successful, with this many events each.
fn load(answers: u64, events: u64, args: &str, target: &str) -> Document {
    let args = format!("--warmup 0s -n {answers} {args} {target}");
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect(document.released() == answers, "as many as -n says");
    document.expect_only(&["ok"]);
    document.expect(document.count("stream.events") == answers * events, "every event");
    let first = document.count("stream.first_event_ns.count");
    document.expect(first == if events > 0 { answers } else { 0 }, "a first event per answer");
    let gaps = document.count("stream.gap_ns.count");
    document.expect(gaps == answers * events.saturating_sub(1), "a gap before each other one");
    document
}

#[test]
fn events_end_where_their_lines_do() {
    const BODIES: [(&[u8], u64); 7] = [
        (b"data: a\n\ndata: b\n\n", 2),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", 2),
        (b"data: a\r\rdata: b\r\r", 2),
        (b"\xef\xbb\xbfdata: a\ndata: more\n\n\n\nevent: x\nid: 7\ndata\n\n", 2),
        (b": nothing but a comment\n\nretry: 100\n\nid: 1\n\ndata: a\n\n: again\n\n", 1),
        (b"data: whole\n\ndata: cut off by the end", 1),
        (b": alive\n\n", 0),
    ];
    for (body, events) in BODIES {
        for ending in [Ending::Chunks, Ending::Length, Ending::Close] {
            let whole = server(ending, &[body], Duration::ZERO);
            load(40, events, "-c 4 --sse", &whole.url());
            let bytes: Vec<&[u8]> = body.chunks(1).collect();
            let split = server(ending, &bytes, Duration::from_micros(50));
            load(12, events, "-c 4 --sse", &split.url());
            assert!(ending == Ending::Close || split.connections() == 4, "{ending:?}: kept");
        }
    }
}

#[test]
fn an_event_may_be_large() {
    let body = [b"data: ".as_slice(), &vec![b'x'; 1_000_000], b"\n\n"].concat();
    for ending in [Ending::Chunks, Ending::Length, Ending::Close] {
        let server = server(ending, &[&body, b"data: small\n\n"], Duration::ZERO);
        let document = load(24, 2, "-c 4 --sse", &server.url());
        document.expect(document.count("bytes.received") >= 24_000_000, "all of it");
    }
}

#[test]
fn a_pause_is_a_gap_and_past_the_bound_a_stall() {
    const EVENT: &[u8] = b"data: a\r\r";
    // The first piece ends with a line end that could be half of a longer one.
    let server = server(Ending::Chunks, &[EVENT, EVENT, EVENT], Duration::from_millis(300));
    let document = load(8, 3, "-c 4 --sse --stall 200ms", &server.url());
    document.expect(document.count("stream.stalls") == 16, "two of 300 ms in each answer");
    for key in ["first_event_ns.max", "gap_ns.max"] {
        let time = document.number(&format!("stream.{key}"));
        document.expect((250e6..2e9).contains(&time), &format!("{key} of about 300 ms"));
    }
    let document = load(8, 3, "-c 4 --sse --stall 20s", &server.url());
    document.expect(document.count("stream.stalls") == 0, "none of 20 s");
    let document = load(8, 3, "-c 4 --sse", &server.url());
    document.expect(document.text("plan.stream") == "events", "the plan says what they are");
}

#[test]
fn an_endless_stream_ends_after_enough_events() {
    let server = Acceptor::start(|stream, _| {
        let (mut requests, mut writer) = (Requests::new(stream), stream);
        requests.next()?;
        writer.write_all(CHUNKED.as_bytes())?;
        loop {
            thread::sleep(Duration::from_millis(2));
            writer.write_all(&chunk(b"data: on and on\n\n"))?;
        }
    });
    let certificates = Arc::new(Certificates::make());
    let front = Front::before("127.0.0.1:0", server.address(), Manner::Proper, certificates);
    for target in [server.url(), front.target()] {
        let before = server.connections();
        let args = format!("--warmup 0s -n 40 -c 4 --sse --events 10 {target}");
        let document = Run::json(&args).finish().expect_code(0).document();
        document.expect_only(&["ok"]);
        document.expect(document.status(200) == 40, "40 answers of status 200");
        let events = document.count("stream.events");
        // Events that arrive together with the tenth are counted too: many on a busy machine.
        document.expect(events >= 400, "ten of each");
        let connections = server.connections() - before;
        document.expect((40..=44).contains(&connections), "a connection for each answer");
        let usual = document.number("latency_ns.service.p50");
        document.expect(usual >= 18e6, "ten events, 2 ms apart");
    }
}

#[test]
fn whatever_arrives_may_be_timed() {
    let pieces: [&[u8]; 3] = [b"one", b"two", b"three"];
    for ending in [Ending::Chunks, Ending::Length, Ending::Close] {
        let server = server(ending, &pieces, Duration::from_millis(20));
        let args = format!("--warmup 0s -n 20 -c 4 --stream {}", server.url());
        let document = Run::json(&args).finish().expect_code(0).document();
        document.expect_only(&["ok"]);
        let arrivals = document.count("stream.events");
        // On a busy machine two pieces may arrive as one.
        document.expect((40..=60).contains(&arrivals), &format!("{arrivals} arrivals of 60"));
        document.expect(document.count("stream.first_event_ns.count") == 20, "first arrivals");
        let gaps = document.count("stream.gap_ns.count");
        document.expect(gaps == arrivals - 20, "a gap before each other one");
        document.expect(document.text("plan.stream") == "arrivals", "the plan says so");
    }
}

#[test]
fn events_are_read_within_tls() {
    let pieces: [&[u8]; 4] = [b"data: a\n", b"\ndata: b\r", b"\n\r\n: no\n\n", b"data: c\r\r"];
    let certificates = Arc::new(Certificates::make());
    for ending in [Ending::Chunks, Ending::Length, Ending::Close] {
        let server = server(ending, &pieces, Duration::from_micros(300));
        for manner in [Manner::Proper, Manner::Records(40)] {
            let front =
                Front::before("127.0.0.1:0", server.address(), manner, Arc::clone(&certificates));
            load(40, 3, "-c 4 --sse", &front.target());
        }
    }
}

#[test]
fn streams_in_an_open_loop_and_behind_each_other_are_told_apart() {
    let server = server(Ending::Chunks, &[b"data: a\n\n", b"data: b\n\n"], Duration::ZERO);
    load(400, 2, "-c 2 -p 4 --sse", &server.url());
    load(200, 2, "-c 8 -R 200 --sse", &server.url());
    let document = load(200, 2, "-c 4 --sse --requests-per-connection 5", &server.url());
    document.expect(server.connections() >= 2 + 8 + 40, "connections are made again");
}

#[test]
fn a_stream_that_breaks_off_is_a_reset() {
    let server = Acceptor::start(|stream, _| {
        let (mut requests, mut writer) = (Requests::new(stream), stream);
        requests.next()?;
        writer.write_all(CHUNKED.as_bytes())?;
        writer.write_all(&chunk(b"data: a\n\n"))?;
        thread::sleep(Duration::from_millis(2));
        writer.write_all(b"20\r\ndata: hal")
    });
    let args = format!("--warmup 0s -n 40 -c 4 --sse {}", server.url());
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect_only(&["reset"]);
    document.expect(document.count("stream.events") == 40, "what came before was an event");
    document.expect(document.count("stream.gap_ns.count") == 0, "each its answer's first");
}

#[test]
fn the_page_tells_of_events() {
    let server = server(Ending::Chunks, &[b"data: a\n\n", b"data: b\n\n"], Duration::ZERO);
    let args = format!("--warmup 0s -n 40 -c 4 --sse {}", server.url());
    let finished = Run::text(&args).finish().expect_code(0);
    for part in ["80 events, 2.0 an answer", "first event p50", "gap p50", "0 stalls"] {
        assert!(finished.stdout.contains(part), "no {part:?}\n{finished}");
    }
}

#[test]
fn what_is_no_stream_has_no_events() {
    for (args, parts) in [
        ("--stall 1s http://127.0.0.1:1/", ["--stall", "--sse"]),
        ("--events 3 http://127.0.0.1:1/", ["--events", "--stream"]),
        ("--sse ws://127.0.0.1:1/", ["--sse", "http://"]),
    ] {
        Run::json(args).finish().expect_code(2).expect_line(&parts);
    }
    let server = server(Ending::Chunks, &[b"data: a\n\n"], Duration::ZERO);
    let document = Run::json(&format!("--warmup 0s -n 8 -c 2 {}", server.url()))
        .finish()
        .expect_code(0)
        .document();
    document.expect(document.at("stream").is_null(), "nothing was timed");
}
