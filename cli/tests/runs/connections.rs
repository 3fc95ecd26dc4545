//! How connections are opened, kept and closed, as the other side sees it.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::acceptor::Acceptor;
use crate::support::certificates::Certificates;
use crate::support::document::Document;
use crate::support::requests::Requests;
use crate::support::run::Run;
use crate::support::script::{Behaviour, GOOD};
use crate::support::server::Server;
use crate::support::tls_front::{Front, Manner};

/// A run of this many requests, all of which must succeed.
fn load(count: u64, args: &str) -> Document {
    let document =
        Run::json(&format!("--warmup 0s -n {count} {args}")).finish().expect_code(0).document();
    document.expect(document.released() == count, "as many as -n says");
    document.expect_only(&["ok"]);
    document
}

/// Answers requests until the connection ends; returns their number, and how the connection ended.
fn answer(stream: &TcpStream) -> (u64, io::Result<()>) {
    let (mut requests, mut writer, mut count) = (Requests::new(stream), stream, 0);
    loop {
        match requests.next() {
            Ok(Some(_)) => count += 1,
            Ok(None) => return (count, Ok(())),
            Err(why) => return (count, Err(why)),
        }
        if let Err(why) = writer.write_all(GOOD) {
            return (count, Err(why));
        }
    }
}

#[test]
fn a_connection_has_its_share_of_requests() {
    let server = Server::start(&Behaviour::Good);
    let front = Front::start(&Behaviour::Good, Manner::Proper);
    for (each, deep) in [(1, ""), (3, ""), (3, "-p 8"), (10, "-p 4")] {
        let before = (server.requests(), server.connections());
        let args = format!("-c 4 --requests-per-connection {each} {deep}");
        let document = load(300, &format!("{args} {}", server.url()));
        document.expect(server.requests() - before.0 == 300, "each request is sent once");
        let connections = server.connections() - before.1;
        // At the end, connections with requests left, or just reopened.
        let fair = 300 / each..=300 / each + 8;
        document.expect(fair.contains(&connections), &format!("{connections} of {fair:?}"));
        let before = front.server().connections();
        let document = load(300, &format!("{args} {}", front.target()));
        let connections = front.server().connections() - before;
        document.expect(fair.contains(&connections), &format!("{connections} of {fair:?}"));
    }
    let args = format!("-c 8 -R 500 --requests-per-connection 2 {}", server.url());
    load(300, &args);
}

#[test]
fn connections_end_the_way_that_was_asked_for() {
    for (close, tls) in [("fin", false), ("rst", false), ("rst", true), ("fin", true)] {
        let ends = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&ends);
        let server = Acceptor::start(move |stream, _| {
            let (count, end) = answer(stream);
            keeps.lock().unwrap().push((count, end.map_err(|why| why.kind())));
            Ok(())
        });
        let certificates = Arc::new(Certificates::make());
        let front = Front::before("127.0.0.1:0", server.address(), Manner::Proper, certificates);
        let target = if tls { front.target() } else { server.url() };
        load(200, &format!("-c 4 --requests-per-connection 5 --close {close} {target}"));
        thread::sleep(Duration::from_millis(200));
        let ends = ends.lock().unwrap();
        let full = ends.iter().filter(|(count, _)| *count == 5);
        // The last connection of each worker may have had fewer.
        assert!(full.clone().count() >= 36, "{ends:?}");
        // A TLS front closes its other side in order in both cases.
        let wanted =
            if close == "rst" && !tls { Err(io::ErrorKind::ConnectionReset) } else { Ok(()) };
        let so = full.clone().filter(|(_, end)| *end == wanted).count();
        assert!(so == full.count(), "{close}: {ends:?}");
    }
}

#[test]
fn connections_come_from_the_addresses_that_were_named() {
    let peers = Arc::new(Mutex::new(BTreeSet::new()));
    let keeps = Arc::clone(&peers);
    let server = Acceptor::start(move |stream, _| {
        keeps.lock().unwrap().insert(stream.peer_addr()?.ip());
        answer(stream).1
    });
    let seen = |args: &str| -> Vec<String> {
        peers.lock().unwrap().clear();
        load(200, &format!("-c 8 {args} {}", server.url()));
        peers.lock().unwrap().iter().map(IpAddr::to_string).collect()
    };
    let four = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];
    assert_eq!(seen("--source-ip 127.0.0.2-127.0.0.5"), four);
    assert_eq!(seen("--source-ip 127.0.0.2-127.0.0.5 --requests-per-connection 3"), four);
    assert_eq!(seen("--source-ip 127.0.0.2,127.0.0.4-127.0.0.5"), [four[0], four[2], four[3]]);
    assert_eq!(seen("--source-ip 127.0.0.9 --cores 1"), ["127.0.0.9"]);
    assert_eq!(seen(""), ["127.0.0.1"]);
}

#[test]
fn connections_are_made_at_their_rate() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let keeps = Arc::clone(&times);
    let server = Acceptor::start(move |stream, _| {
        keeps.lock().unwrap().push(Instant::now());
        answer(stream).1
    });
    let document = load(200, &format!("-c 20 --connect-rate 50 {}", server.url()));
    let times = times.lock().unwrap();
    document.expect(times.len() == 20, "twenty connections");
    let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    let span = last.duration_since(*first);
    // The connections of the first 100 ms may arrive together: 15 remain, 20 ms each.
    document.expect(span > Duration::from_millis(200), &format!("not at once: {span:?}"));
    document.expect(span < Duration::from_secs(5), &format!("nor for ever: {span:?}"));
}

#[test]
fn reconnections_keep_to_the_rate_as_well() {
    let server = Server::start(&Behaviour::Good);
    let args = "-c 4 --connect-rate 100 --requests-per-connection 1";
    let began = Instant::now();
    let document = load(60, &format!("{args} {}", server.url()));
    document.expect(began.elapsed() > Duration::from_millis(400), "60 connections at 100/s");
}

#[test]
fn idle_connections_are_held_and_carry_nothing() {
    let open = Arc::new(AtomicU64::new(0));
    let (most, spoke, closed) =
        (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let counts = (Arc::clone(&open), Arc::clone(&most), Arc::clone(&spoke), Arc::clone(&closed));
    // Twelve connections that send nothing are closed.
    let server = Acceptor::start(move |stream, _| {
        let (open, most, spoke, closed) = &counts;
        most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        // A full listen queue costs a second before the load begins.
        stream.set_read_timeout(Some(Duration::from_millis(2_500)))?;
        let mut byte = [0];
        let first = stream.peek(&mut byte);
        stream.set_read_timeout(None)?;
        match first {
            Ok(1..) => {
                spoke.fetch_add(1, Ordering::SeqCst);
                let (mut requests, mut writer) = (Requests::new(stream), stream);
                while requests.next()?.is_some() {
                    thread::sleep(Duration::from_millis(2));
                    writer.write_all(GOOD)?;
                }
            }
            Err(_) if closed.fetch_add(1, Ordering::SeqCst) < 12 => {}
            _ => drop((&*stream).read(&mut byte)),
        }
        open.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    });
    let args = "--warmup 0s -c 4 -d 4s --idle-connections 200";
    let document =
        Run::json(&format!("{args} {}", server.url())).finish().expect_code(0).document();
    document.expect_only(&["ok"]);
    document.expect(document.count("idle.held") == 200, "200 stood when the load began");
    document.expect(document.count("idle.lost") == 12, "those that the server closed");
    document.expect(document.count("plan.idle_connections") == 200, "as planned");
    document.expect(most.load(Ordering::SeqCst) == 204, "all of them at the same time");
    document.expect(spoke.load(Ordering::SeqCst) == 4, "only the others carry requests");
    document.expect(server.connections() == 204 + 12, "what is lost is made again");
}

#[test]
fn idle_connections_stand_within_tls_and_count_as_files() {
    let front = Front::start(&Behaviour::Good, Manner::Proper);
    let document = load(100, &format!("-c 4 --idle-connections 20 {}", front.target()));
    document.expect(document.count("idle.held") == 20, "with their handshakes");
    document.expect(document.count("idle.lost") == 0, "none is lost");
    document.expect(front.server().connections() == 24, "all of them");
    let finished = Run::json(&format!("-c 4 --idle-connections 200 -d 5s {}", front.target()))
        .through("", "ulimit -n 64; exec \"$@\"")
        .finish()
        .expect_code(2);
    finished.expect_line(&["ulimit -n", "--idle-connections 200"]);
}

#[test]
fn a_slow_reader_makes_the_server_wait() {
    let longest = Arc::new(Mutex::new(Duration::ZERO));
    let keeps = Arc::clone(&longest);
    let server = Acceptor::start(move |stream, _| {
        rustix::net::sockopt::set_socket_send_buffer_size(stream, 16 << 10)?;
        let (mut requests, mut writer) = (Requests::new(stream), stream);
        let answer =
            [b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n".as_slice(), &[7; 200_000]];
        let answer = answer.concat();
        while requests.next()?.is_some() {
            let began = Instant::now();
            writer.write_all(&answer)?;
            let mut longest = keeps.lock().unwrap();
            *longest = began.elapsed().max(*longest);
        }
        Ok(())
    });
    let certificates = Arc::new(Certificates::make());
    let front = Front::before("127.0.0.1:0", server.address(), Manner::Proper, certificates);
    for target in [server.url(), front.target()] {
        let document = load(4, &format!("-c 2 --read-rate 100k {target}"));
        let fastest = document.number("latency_ns.service.min");
        document.expect(fastest > 1.2e9, "200 kB at 100 kB/s");
    }
    let longest = *longest.lock().unwrap();
    assert!(longest > Duration::from_millis(600), "the server's write took {longest:?}");
    // A handshake's records are longer than one read.
    let front = Front::start(&Behaviour::Good, Manner::Proper);
    load(2, &format!("-c 2 --read-rate 3k {}", front.target()));
}

#[test]
fn a_slow_writer_sends_every_request_whole() {
    let server = Server::start(&Behaviour::Good);
    let front = Front::start(&Behaviour::Good, Manner::Proper);
    for deep in ["", "-p 4"] {
        for (target, server) in [(server.url(), &server), (front.target(), front.server())] {
            let before = server.requests();
            let args = format!("-c 2 {deep} --write-rate 100k --body-size 50000 {target}");
            let document = load(8, &args);
            document.expect(server.requests() - before == 8, "each request is sent once");
            let fastest = document.number("latency_ns.service.min");
            document.expect(fastest > 0.3e9, "50 kB at 100 kB/s");
        }
    }
}

#[test]
fn another_place_answers_for_the_url_s() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let keeps = Arc::clone(&heads);
    let server = Acceptor::start(move |stream, _| {
        let (mut requests, mut writer) = (Requests::new(stream), stream);
        while let Some(request) = requests.next()? {
            keeps.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
            writer.write_all(GOOD)?;
        }
        Ok(())
    });
    load(20, &format!("-c 2 --connect-to {} http://named.test:81/x", server.address()));
    let heads = heads.lock().unwrap();
    assert_eq!(heads.len(), 20);
    assert!(heads.iter().all(|head| head.contains("Host: named.test:81\r\n")), "{}", heads[0]);
}

#[test]
fn what_cannot_be_is_refused_in_one_line() {
    for (args, parts) in [
        ("--source-ip 203.0.113.7 http://127.0.0.1:1/", ["203.0.113.7", "ip address add"]),
        ("--source-ip ::1 http://127.0.0.1:1/", ["::1", "cannot reach"]),
        ("--source-ip x http://127.0.0.1:1/", ["--source-ip", "not an address"]),
        ("--unix /dev/null http://localhost/", ["/dev/null", "not a socket"]),
        ("--unix /no/such/socket http://localhost/", ["/no/such/socket", "cannot be used"]),
        ("--unix /dev/null --connect-to a:1 http://localhost/", ["--unix", "--connect-to"]),
        ("--unix /dev/null --proxy-protocol v1 http://localhost/", ["--unix", "--proxy-protocol"]),
        ("--connect-to nowhere http://127.0.0.1:1/", ["--connect-to", "HOST:PORT"]),
        ("--requests-per-connection 0 http://127.0.0.1:1/", ["--requests-per-connection", "1"]),
        ("--connect-rate 0 http://127.0.0.1:1/", ["--connect-rate", "0"]),
        ("--close gently http://127.0.0.1:1/", ["--close", "fin"]),
        ("--read-rate 0 http://127.0.0.1:1/", ["--read-rate", "1"]),
        ("--proxy-protocol v3 http://127.0.0.1:1/", ["--proxy-protocol", "v1"]),
    ] {
        Run::json(args).finish().expect_code(2).expect_line(&parts);
    }
}
