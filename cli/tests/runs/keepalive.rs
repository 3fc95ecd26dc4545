//! Connections that end: by the target while idle, announced, or in the middle, or by this side;
//! and late answers.
//!
//! What costs no request must cost none, and what does is named.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use crate::support::acceptor::Acceptor;
use crate::support::document::Document;
use crate::support::nginx::Nginx;
use crate::support::requests::Requests;
use crate::support::run::Run;
use crate::support::script::{Behaviour, End, GOOD};
use crate::support::server::Server;

/// How a server leaves a connection that nothing comes on.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    Closing,
    Breaking,
    Saying408,
    Pushing,
}

/// Answers well, and leaves after `idle` without a request. How many requests crossed what it said
/// unasked.
fn leaving(idle: Duration, how: Leaving) -> (Acceptor, Arc<AtomicU64>) {
    let crossed = Arc::new(AtomicU64::new(0));
    let crossing = Arc::clone(&crossed);
    let server = Acceptor::start(move |stream, _| {
        stream.set_read_timeout(Some(idle))?;
        let (mut requests, mut writer) = (Requests::new(stream), stream);
        loop {
            match requests.next() {
                Ok(Some(_)) => writer.write_all(GOOD)?,
                Ok(None) => return Ok(()),
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => break,
                Err(why) => return Err(why),
            }
        }
        match how {
            Leaving::Closing => {}
            Leaving::Breaking => set_socket_linger(stream, Some(Duration::ZERO))?,
            Leaving::Saying408 => {
                writer.write_all(b"HTTP/1.0 408 Request Time-out\r\nConnection: close\r\n\r\n")?;
            }
            Leaving::Pushing => {
                writer.write_all(b"nobody asked for this")?;
                stream.set_read_timeout(None)?;
                if let Ok(Some(_)) = requests.next() {
                    crossing.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
        Ok(())
    });
    (server, crossed)
}

/// Whether it comes true, for so long.
fn within(span: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let latest = Instant::now() + span;
    while !is_so() && Instant::now() < latest {
        thread::sleep(Duration::from_millis(5));
    }
    is_so()
}

fn run(args: &str) -> Document {
    Run::json(&format!("--warmup 0s {args}")).finish().expect_code(0).document()
}

/// Whether a reason of the verdict has this code.
fn has_reason(document: &Document, code: &str) -> bool {
    let reasons = document.at("verdict.reasons").as_array().expect("a list");
    reasons.iter().any(|reason| reason["code"] == code)
}

/// Causes of requests that failed, with how many there were.
fn causes(document: &Document) -> Vec<(String, u64)> {
    let causes = document.at("counts.causes").as_array().expect("a list").iter();
    let text = |cause: &serde_json::Value| cause["cause"].as_str().expect("text").to_owned();
    causes.map(|cause| (text(cause), cause["count"].as_u64().expect("a count"))).collect()
}

#[test]
fn a_connection_that_is_closed_while_idle_costs_no_request() {
    for how in [Leaving::Closing, Leaving::Breaking, Leaving::Saying408, Leaving::Pushing] {
        for engine in ["ring", "monoio"] {
            let (server, crossed) = leaving(Duration::from_millis(100), how);
            let args = format!("-c 2 -R 4 -d 2s --engine {engine} {}", server.url());
            let document = run(&args);
            document.expect(document.released() == 8, "four a second for two seconds");
            // A request that crosses the bytes has them for its answer, which only happens where
            // the machine makes it late.
            let malformed = document.outcome("malformed");
            // The server's thread may read it later than the run ends.
            let is_seen =
                within(Duration::from_secs(10), || crossed.load(Ordering::SeqCst) >= malformed);
            document.expect(is_seen, "no other request has such an answer");
            document
                .expect(document.outcome("ok") + malformed == 8, "the others are answered well");
            document.expect(server.connections() > 4, "connections were closed while idle");
            let key = match how {
                Leaving::Pushing => "unsolicited",
                _ => "idle",
            };
            let ended = document.count(&format!("client.connection_endings.{key}"));
            document.expect(ended > 2, &format!("{how:?} is noticed while idle"));
            document.expect(has_reason(&document, "errors") == (malformed > 0), "nothing failed");
            if let Leaving::Pushing = how {
                let quote = "(`nobody asked for this`)";
                let reasons = document.at("verdict.reasons").to_string();
                document.expect(reasons.contains(quote), "the bytes are quoted");
            }
        }
    }
}

#[test]
fn users_who_think_longer_than_the_keep_alive_timeout_lose_nothing() {
    let (server, _) = leaving(Duration::from_millis(150), Leaving::Closing);
    let text = "[load]\nconnections = 4\nusers = 4\nduration = \"3s\"\nwarmup = \"0s\"\n\
                own_connections = true\n[[flow]]\nname = \"f\"\n[[flow.step]]\npath = \"/\"\n\
                think = { constant = \"500ms\" }\n";
    let target = format!("http://{}", server.address());
    let document = Run::scenario("", &target, text).finish().expect_code(0).document();
    document.expect_only(&["ok"]);
    document.expect(document.released() >= 16, "four users, a request each half second");
}

#[test]
fn the_keep_alive_timeout_of_nginx_costs_no_request_whatever_the_size_of_its_answers() {
    const TEST: &str =
        "the_keep_alive_timeout_of_nginx_costs_no_request_whatever_the_size_of_its_answers";
    let Some(nginx) = Nginx::start_with(TEST, "keepalive_timeout 1s;") else { return };
    for file in ["small", "100k"] {
        let document = run(&format!("-c 1 -R 0.6 -d 5s {}", nginx.url(file)));
        document.expect_only(&["ok"]);
    }
}

#[test]
fn requests_behind_an_announced_end_are_sent_again() {
    const TEST: &str = "requests_behind_an_announced_end_are_sent_again";
    let Some(nginx) = Nginx::start_with(TEST, "keepalive_requests 20;") else { return };
    let document = run(&format!("-n 2000 -c 4 -p 16 {}", nginx.url("small")));
    document.expect(document.released() == 2_000, "as many as -n says");
    document.expect_only(&["ok"]);
    document.expect(document.count("counts.retried") > 0, "some were behind it");
    document.expect(document.count("client.connection_endings.announced") >= 90, "one in 20");
    document.expect(!has_reason(&document, "connections"), "that is how nginx is set up");
}

/// Answers the first request of each connection, and closes on the second without an answer.
fn closing_on_the_second() -> (Acceptor, Arc<AtomicU64>) {
    let seen = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&seen);
    let server = Acceptor::start(move |stream, _| {
        let (mut requests, mut writer) = (Requests::new(stream), stream);
        if requests.next()?.is_some() {
            counts.fetch_add(1, Ordering::SeqCst);
            writer.write_all(GOOD)?;
        }
        if requests.next()?.is_some() {
            counts.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    (server, seen)
}

#[test]
fn what_may_be_sent_twice_is_and_the_rest_is_lost_with_its_cause() {
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        let (server, seen) = closing_on_the_second();
        let document = run(&format!("-m {method} -n 40 -c 2 {}", server.url()));
        // The answer to HEAD has no body, which the server does not know.
        if method != "HEAD" {
            document.expect_only(&["ok"]);
            let retried = document.count("counts.retried");
            document.expect(retried >= 15, &format!("{retried} of 40 {method} sent again"));
            document.expect(seen.load(Ordering::SeqCst) == 40 + retried, "as the server counts");
        }
    }
    for method in ["POST", "PATCH"] {
        let (server, seen) = closing_on_the_second();
        let document = run(&format!("-m {method} -n 40 -c 2 {}", server.url()));
        document.expect_only(&["ok", "reset"]);
        document.expect(document.count("counts.retried") == 0, "it may have been carried out");
        document.expect(seen.load(Ordering::SeqCst) == 40, "each is sent once");
        let causes = causes(&document);
        let lost = document.outcome("reset");
        document.expect(causes.iter().map(|(_, count)| count).sum::<u64>() == lost, "each has one");
        document.expect(causes[0].0.contains("closed the connection unannounced"), &causes[0].0);
        let reported = document.at("verdict.reasons").to_string();
        document.expect(!reported.contains("check the target first"), &reported);
    }
}

#[test]
fn a_post_that_meets_the_end_of_an_idle_connection_fails_by_the_keep_alive_timeout() {
    let server = Server::start(&Behaviour::GoodThenClose(4));
    let document = run(&format!("-c 2 -R 100 -d 1s --body x {}", server.url()));
    document.expect_only(&["ok", "reset"]);
    let causes = causes(&document);
    let is_idle = causes[0].0.starts_with("the target closed the idle connection as the request");
    document.expect(causes.len() == 1 && is_idle, "each has the same cause");
    document.expect(causes[0].1 == document.outcome("reset"), "each has one");
    let reasons = document.at("verdict.reasons").to_string();
    document.expect(reasons.contains("the target is not failing"), &reasons);
}

#[test]
fn a_server_that_never_answers_is_not_asked_without_end() {
    let server = Acceptor::start(|stream, _| {
        Requests::new(stream).next()?;
        Ok(())
    });
    let document = run(&format!("-n 20 -c 2 {}", server.url()));
    document.expect_only(&["reset"]);
    let retried = document.count("counts.retried");
    document.expect(retried <= 4, &format!("{retried} sent again, only what stood idle"));
}

#[test]
fn a_server_that_closes_what_it_accepts_is_left_in_peace() {
    let server = Acceptor::start(|_, _| Ok(()));
    let document = run(&format!("-R 1 -c 4 -d 1s --timeout 500ms {}", server.url()));
    document.expect(document.outcome("ok") == 0, "nothing is answered");
    // Each waits 10 to 100 ms before it is made again.
    let connections = server.connections();
    document.expect(connections < 400, &format!("{connections} connections in under 2 s"));
}

/// Counts the requests of each connection.
fn counting() -> (Acceptor, Arc<Mutex<Vec<u64>>>) {
    let counts = Arc::new(Mutex::new(vec![0; 64]));
    let seen = Arc::clone(&counts);
    let server = Acceptor::start(move |stream, number| {
        let (mut requests, mut writer) = (Requests::new(stream), stream);
        while requests.next()?.is_some() {
            seen.lock().expect("no thread panics with it")[number as usize] += 1;
            writer.write_all(GOOD)?;
        }
        Ok(())
    });
    (server, counts)
}

#[test]
fn connections_are_used_in_turn_unless_the_last_one_is_asked_for() {
    let cases = [("", 16), ("--connection-order round-robin", 16), ("--connection-order lifo", 1)];
    for (option, least) in cases {
        let (server, counts) = counting();
        let document = run(&format!("-c 16 -R 80 -n 160 {option} {}", server.url()));
        document.expect_only(&["ok"]);
        let counts = counts.lock().expect("no thread panics with it").clone();
        let used = counts.iter().filter(|&&count| count > 0).count() as u64;
        let reported = document.count("client.connections_used");
        document.expect(
            reported == used,
            &format!("{reported} used, the server saw {used}: {counts:?}"),
        );
        document.expect(used >= least, &format!("{used} used"));
        let workers = document.at("client.workers").as_array().expect("a list").iter();
        let of_workers: u64 = workers.filter_map(|w| w["connections_used"].as_u64()).sum();
        document.expect(of_workers == reported, "the workers' sum");
        if least == 16 {
            let most = counts.iter().max().expect("some");
            document.expect(*most <= 20, &format!("10 each or so: {counts:?}"));
        }
    }
}

#[test]
fn the_order_of_connections_can_stand_in_a_scenario() {
    let (server, _) = counting();
    let target = format!("http://{}", server.address());
    for (line, order) in [("", "round-robin"), ("connection_order = \"lifo\"\n", "lifo")] {
        let text = format!(
            "[load]\nconnections = 8\nrate = 100\nduration = \"500ms\"\nwarmup = \"0s\"\n{line}\
             [[flow]]\nname = \"f\"\n[[flow.step]]\npath = \"/\"\n"
        );
        let document = Run::scenario("", &target, &text).finish().expect_code(0).document();
        document.expect(document.text("plan.connection_order") == order, order);
        document.expect_only(&["ok"]);
    }
}

#[test]
fn one_late_answer_fails_alone() {
    let late = Arc::new(AtomicU64::new(0));
    let server = Acceptor::start(move |stream, _| {
        let (mut requests, mut writer) = (Requests::new(stream), stream);
        while requests.next()?.is_some() {
            // The fifth of all.
            if late.fetch_add(1, Ordering::SeqCst) == 4 {
                return wait_for_the_end(stream);
            }
            writer.write_all(GOOD)?;
        }
        Ok(())
    });
    let document = run(&format!("-n 64 -c 1 -p 8 --timeout 400ms {}", server.url()));
    document.expect(document.outcome("timeout") == 1, "one is late");
    document.expect(document.outcome("ok") == 63, "those behind it are sent again");
    document.expect(document.count("client.connection_endings.late") == 1, "it was dropped");
}

/// Until the other side has left.
fn wait_for_the_end(mut stream: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4_096];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Events, one each 100 ms, for as long as somebody listens or `count` have been sent.
fn ticking(count: u64) -> Acceptor {
    Acceptor::start(move |stream, _| {
        let (mut requests, mut writer) = (Requests::new(stream), stream);
        while requests.next()?.is_some() {
            writer.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
                  Transfer-Encoding: chunked\r\n\r\n",
            )?;
            for _ in 0..count {
                writer.write_all(b"9\r\ndata: x\n\n\r\n")?;
                thread::sleep(Duration::from_millis(100));
            }
            writer.write_all(b"0\r\n\r\n")?;
        }
        Ok(())
    })
}

#[test]
fn a_stream_is_late_only_when_nothing_comes() {
    // A second and a half of events, where half a second is the timeout.
    let server = ticking(15);
    let document = run(&format!("--sse -n 2 -c 2 --timeout 700ms {}", server.url()));
    document.expect_only(&["ok"]);
    let text = "[load]\nconnections = 1\nusers = 1\nduration = \"1s\"\nwarmup = \"0s\"\n\
                [[flow]]\nname = \"f\"\n[[flow.step]]\npath = \"/\"\nevents = { count = 15 }\n";
    let target = format!("http://{}", server.address());
    let run = Run::scenario("--timeout 1s", &target, text);
    let document = run.finish().expect_code(0).document();
    document.expect_only(&["ok"]);
}

#[test]
fn an_endless_stream_is_distinguished_from_one_that_brings_nothing() {
    let server = ticking(u64::MAX);
    let document = run(&format!("--sse -d 1s -c 1 --timeout 700ms {}", server.url()));
    document.expect_only(&["censored"]);
    let reported = document.at("verdict.reasons").to_string();
    document.expect(reported.contains("--events"), &reported);
    document.expect(!reported.contains("check that the target listens"), &reported);
    let document = run(&format!("-n 1 -c 1 --timeout 400ms {}", server.url()));
    document.expect_only(&["timeout"]);
    let reported = document.at("verdict.reasons").to_string();
    document.expect(reported.contains("--sse") && reported.contains("--timeout"), &reported);
}

/// How the connections of a run have ended, each by its key.
fn endings(document: &Document) -> Vec<(String, u64)> {
    let endings = document.at("client.connection_endings").as_object().expect("an object");
    endings.iter().map(|(key, count)| (key.clone(), count.as_u64().expect("a count"))).collect()
}

#[test]
fn a_connection_that_this_side_closes_is_not_the_target_s() {
    let both = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n\
                2\r\nok\r\n0\r\n\r\n";
    let old = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n\
               2\r\nok\r\n0\r\n\r\n";
    for (answer, args) in [(both, ""), (old, ""), (both, "-p 8")] {
        let server = Server::start(&Behaviour::Answer(answer, End::Keep));
        let document = run(&format!("-n 40 -c 2 {args} {}", server.url()));
        document.expect_only(&["ok"]);
        let endings = endings(&document);
        document.expect(endings == [("ambiguous".to_owned(), 40)], &format!("{endings:?}"));
        let notes = document.at("verdict.notes").to_string();
        let reported =
            "uringbench closed 40 after an answer that does not say clearly where it ends";
        document.expect(notes.contains(reported), &notes);
        document.expect(!notes.contains("the target closed"), &notes);
    }
    // What came behind may have been carried out.
    let server = Server::start(&Behaviour::Answer(both, End::Keep));
    let document = run(&format!("-m POST -n 40 -c 1 -p 4 {}", server.url()));
    document.expect_only(&["ok", "reset"]);
    document.expect(document.count("counts.retried") == 0, "it may have been carried out");
    let cause = &causes(&document)[0].0;
    document.expect(cause.starts_with("uringbench closed the connection after"), cause);
}

#[test]
fn a_stream_that_has_brought_enough_ends_its_connection_by_this_side() {
    let server = ticking(u64::MAX);
    let document = run(&format!("--sse --events 1 -n 8 -c 2 {}", server.url()));
    document.expect_only(&["ok"]);
    let endings = endings(&document);
    document.expect(endings == [("enough".to_owned(), 8)], &format!("{endings:?}"));
    document.expect(!has_reason(&document, "connections"), "that is what was asked for");
}
