//! HTTP/2 against real servers: counts, connections that the server ends, bodies of any size, TLS,
//! and every way in which a target may not speak it.

use crate::support::certificates::{Certificates, Kind};
use crate::support::document::Document;
use crate::support::http2_server::Http2Server;
use crate::support::nginx::Nginx;
use crate::support::run::Run;
use crate::support::script::Behaviour;
use crate::support::server::Server;

/// The document of a run over HTTP/2 that is to end without an error.
fn load(args: &str) -> Document {
    let document =
        Run::json(&format!("--http2 --warmup 0s --timeout 50s {args}")).finish().expect_code(0);
    let document = document.document();
    document.expect_only(&["ok"]);
    document.expect(document.status(200) == document.released(), "status 200 for each");
    document.expect(document.text("plan.protocol") == "HTTP/2", "the result names the protocol");
    document
}

/// Connections that ended in this way.
fn ended(document: &Document, way: &str) -> u64 {
    document
        .at("client.connection_endings")
        .get(way)
        .and_then(serde_json::Value::as_u64)
        .unwrap_or(0)
}

#[test]
fn nginx_ends_its_connections_and_no_request_is_lost() {
    const TEST: &str = "nginx_ends_its_connections_and_no_request_is_lost";
    // By default each carries 1,000 requests.
    let server = "location /log { access_log requests.log; return 200; }";
    let Some(nginx) = Nginx::start_http2(TEST, None, server) else { return };
    for (args, least) in [("-c 4 -p 10", 12), ("-c 1 -p 100", 12)] {
        let document = load(&format!("-n 16000 {args} {}", nginx.url("small")));
        document.expect(document.released() == 16_000, "-n 16000 releases 16000");
        document.expect(document.count("bytes.received") >= 16_000 * 64, "bodies are received");
        document.expect(ended(&document, "going_away") >= least, "nginx has sent GOAWAYs");
    }
    // An open loop, with due times.
    let document = load(&format!("-d 2s -R 3000 -c 2 -p 8 {}", nginx.url("small")));
    document.expect(document.released() == 6_000, "all that were due");
    document.expect(ended(&document, "going_away") >= 4, "nginx has sent GOAWAYs");
    load(&format!("-n 2500 -c 1 -p 30 {}", nginx.url("log")));
    assert_eq!(nginx.log_lines("requests.log", 2_500), 2_500, "each was processed once");
}

#[test]
fn tls_agrees_on_http_2_or_there_is_no_connection() {
    const TEST: &str = "tls_agrees_on_http_2_or_there_is_no_connection";
    let certificates = Certificates::make();
    let leaf = certificates.leaf(Kind::Good);
    let authority = certificates.authority().display().to_string();
    let Some(nginx) = Nginx::start_http2(TEST, Some(&leaf), "") else { return };
    for (args, path, size) in [
        ("-c 4 -p 10 -n 6000", "small", 64),
        ("-c 2 -p 3 -n 150 --tls 1.2", "100k", 100 * 1024),
        ("-c 1 -p 4 -n 60", "1m", 1024 * 1024),
    ] {
        let document = load(&format!("{args} --cacert {authority} {}", nginx.https(path)));
        let least = document.released() * size;
        document.expect(document.count("bytes.received") >= least, "every body is received");
    }
    // Those that only speak HTTP/1.1: never a silent fallback.
    let Some(old) = Nginx::start_tls(TEST, &leaf, "") else { return };
    let Some(python) = Http2Server::python(TEST, "no_alpn", Some(&leaf)) else { return };
    for url in [old.https("small"), python.url()] {
        let args = format!("--http2 -n 5 -c 1 --timeout 50s --cacert {authority} {url}");
        Run::json(&args).finish().expect_code(1).expect_line(&["ALPN", "--http2"]);
    }
}

#[test]
fn a_target_that_speaks_http_1_1_alone_is_named() {
    let server = Server::start(&Behaviour::Good);
    let args = format!("--http2 -n 5 -c 1 --timeout 50s http://{}/", server.address());
    Run::json(&args).finish().expect_code(1).expect_line(&["HTTP/1.1", "--http2"]);
}

#[test]
fn bodies_of_any_size_arrive_whole() {
    const TEST: &str = "bodies_of_any_size_arrive_whole";
    let certificates = Certificates::make();
    let leaf = certificates.leaf(Kind::Good);
    let authority = certificates.authority().display().to_string();
    for shown in [None, Some(&leaf)] {
        let Some(node) = Http2Server::node(TEST, shown) else { return };
        let tls = if shown.is_some() { format!("--cacert {authority}") } else { String::new() };
        for (size, args) in [
            ("1", "-n 200 -c 2 -p 8"),
            ("65535", "-n 100 -c 2 -p 4"),
            ("65536", "-n 100 -c 2 -p 4"),
            ("1000k", "-n 40 -c 2 -p 3"),
        ] {
            // It answers 400 unless the body has its length.
            load(&format!("{args} --body-size {size} {tls} {}", node.url()));
        }
        load(&format!("-n 500 -c 3 -p 7 {tls} {}", node.url()));
    }
}

#[test]
fn connections_are_closed_after_their_share_of_requests() {
    const TEST: &str = "connections_are_closed_after_their_share_of_requests";
    let Some(python) = Http2Server::python(TEST, "good", None) else { return };
    let args = format!("-n 300 -c 2 -p 5 --requests-per-connection 30 {}", python.url());
    let document = load(&args);
    document.expect(document.count("counts.retried") == 0, "none was sent again");
    let seen = python.seen();
    assert!(seen.answered == 300 && (10..=12).contains(&seen.connections), "{seen:?}");
}

#[test]
fn all_engines_speak_it() {
    const TEST: &str = "all_engines_speak_it";
    let Some(python) = Http2Server::python(TEST, "good", None) else { return };
    for engine in ["ring", "monoio", "tokio-uring"] {
        load(&format!("--engine {engine} -n 200 -c 2 -p 5 {}", python.url()));
    }
    assert_eq!(python.seen().answered, 600);
}

#[test]
fn what_it_does_not_do_yet_is_refused_in_one_line() {
    for (args, part) in [
        ("--sse http://127.0.0.1:1/", "--sse"),
        ("--stream http://127.0.0.1:1/", "--stream"),
        ("--read-rate 100 http://127.0.0.1:1/", "--read-rate"),
        ("--write-rate 100 http://127.0.0.1:1/", "--write-rate"),
        ("--body x --chunked http://127.0.0.1:1/", "--chunked"),
        ("--body x --expect-continue http://127.0.0.1:1/", "--expect-continue"),
        ("-H Connection:close http://127.0.0.1:1/", "connection"),
        ("ws://127.0.0.1:1/", "WebSockets"),
    ] {
        Run::text(&format!("--http2 {args}")).finish().expect_code(2).expect_line(&[part]);
    }
}

#[test]
fn a_page_names_the_protocol_and_the_streams() {
    const TEST: &str = "a_page_names_the_protocol_and_the_streams";
    let Some(python) = Http2Server::python(TEST, "good", None) else { return };
    let args = format!("--h2 -q -n 100 -c 2 -p 5 --warmup 0s {}", python.url());
    let text = Run::text(&args).finish().expect_code(0);
    assert!(text.stdout.contains("2 connections × 5 streams (HTTP/2)"), "{text}");
}
