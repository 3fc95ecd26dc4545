//! WebSocket against correct servers: the frames sent, how they are counted, how connections end.
//!
//! The server of an independent library checks our counts; the scripted server sees the frames.

use std::sync::Arc;

use crate::support::certificates::{Certificates, Kind};
use crate::support::document::Document;
use crate::support::run::Run;
use crate::support::socket_library::SocketLibrary;
use crate::support::socket_server::{BINARY, SocketServer, TEXT, frame};
use crate::support::tls_front::{Front, Manner};

/// A run of this many messages, all of which must be answered.
fn load(messages: u64, args: &str, url: &str) -> Document {
    let args = format!("--warmup 0s --timeout 5s -n {messages} {args} {url}");
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect(document.released() == messages, "as many as -n says");
    document.expect_only(&["ok"]);
    document.expect(document.at("plan.websocket") == true, "the plan says what it is");
    let by_status = document.at("counts.by_status").as_object().map_or(1, serde_json::Map::len);
    document.expect(by_status == 0, "messages have no status");
    document
}

#[test]
fn a_library_s_server_sees_what_is_counted() {
    const TEST: &str = "a_library_s_server_sees_what_is_counted";
    let Some(server) = SocketLibrary::start(TEST, None) else { return };
    let document = load(400, "-c 4 --echo", &server.url());
    let seen = server.seen();
    let all = format!("{seen:?}");
    document.expect(seen.text == 400 && seen.binary == 0 && seen.bytes == 400 * 32, &all);
    document.expect(seen.connections == 4 && seen.normal == 4 && seen.other == 0, &all);
    document.expect(document.count("latency_ns.connect.count") == 4, "connections are kept");
    load(400, "-c 4 -p 8 --echo --binary --body-size 1k", &server.url());
    let seen = server.seen();
    let all = format!("{seen:?}");
    document.expect(seen.binary == 400 && seen.bytes == 400 * (32 + 1_000), &all);
    document.expect(seen.normal == 8 && seen.other == 0, &all);
}

#[test]
fn a_library_s_server_is_spoken_to_within_tls() {
    const TEST: &str = "a_library_s_server_is_spoken_to_within_tls";
    let certificates = Certificates::make();
    let shown = certificates.leaf(Kind::Good);
    let Some(server) = SocketLibrary::start(TEST, Some(&shown)) else { return };
    let trusted = format!("--cacert {}", certificates.authority().display());
    for (args, size) in [("-p 4", 32), ("--body-size 100k", 100_000), ("--tls 1.2", 32)] {
        let before = server.seen();
        let document = load(80, &format!("-c 4 --echo {args} {trusted}"), &server.url());
        let seen = server.seen();
        let all = format!("{before:?} {seen:?}");
        document.expect(seen.text - before.text == 80, &all);
        document.expect(seen.bytes - before.bytes == 80 * size, &all);
        document.expect(seen.normal - before.normal == 4 && seen.other == 0, &all);
    }
}

#[test]
fn an_open_loop_sends_its_schedule() {
    const TEST: &str = "websocket: an_open_loop_sends_its_schedule";
    let Some(server) = SocketLibrary::start(TEST, None) else { return };
    let args = format!("--warmup 0s -c 8 -R 200 -d 2s --echo {}", server.url());
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect(document.released() == 400, "200/s for 2 s");
    document.expect_only(&["ok"]);
    document.expect(server.seen().text == 400, "each message is sent once");
    document.expect(document.count("latency_ns.lateness.count") == 400, "with its lateness");
}

#[test]
fn messages_in_flight_are_answered_in_their_order() {
    let server = SocketServer::echo();
    let document = load(800, "-c 2 -p 8 --echo", &server.url());
    document.expect(server.messages() == 800, "each message is sent once");
    document.expect(server.unmasked() == 0, "every frame of a client is masked");
    document.expect(server.connections() == 2, "connections are kept");
    document.expect(server.closes() == [1000, 1000], "every connection is closed in order");
}

#[test]
fn connections_are_closed_in_order_after_their_messages() {
    let server = SocketServer::echo();
    for (args, each) in [("", 5), ("-p 4", 5), ("-p 8 --body-size 70000", 5), ("", 1)] {
        let before = (server.messages(), server.connections(), server.closes().len() as u64);
        let args = format!("-c 4 --requests-per-connection {each} {args}");
        let document = load(200, &args, &server.url());
        document.expect(server.messages() - before.0 == 200, "each message is sent once");
        let connections = server.connections() - before.1;
        let fair = 200 / each;
        document.expect((fair..=fair + 4).contains(&connections), &format!("{connections}"));
        // The server's threads may still be reading the last frames.
        std::thread::sleep(std::time::Duration::from_millis(100));
        let closes = server.closes();
        document.expect(closes.iter().all(|&code| code == 1000), &format!("{closes:?}"));
        let closed = closes.len() as u64 - before.2;
        // Connections reopened at the end may not have been upgraded.
        let reported = format!("{closed} of {connections} said goodbye");
        document.expect(closed >= fair && closed <= connections, &reported);
    }
}

#[test]
fn messages_hold_what_was_typed() {
    let server = SocketServer::echo();
    let document = load(20, "-c 2 --echo --body grüße", &server.url());
    let said = server.last();
    document.expect(said.opcode == TEXT && said.payload == "grüße".as_bytes(), "as typed");
    let run = Run::json(&format!(
        "--warmup 0s -n 20 -c 2 --echo --binary --body-file message.bin {}",
        server.url()
    ));
    let bytes: Vec<u8> = (0..=255).cycle().take(3_000).collect();
    std::fs::write(run.folder().join("message.bin"), &bytes).unwrap();
    run.finish().expect_code(0).document().expect_only(&["ok"]);
    let said = server.last();
    document.expect(said.opcode == BINARY && said.payload == bytes, "as it is in the file");
}

#[test]
fn what_is_not_text_is_refused_as_text() {
    let run = Run::json("-n 1 --body-file message.bin ws://127.0.0.1:1/");
    std::fs::write(run.folder().join("message.bin"), b"\xff\xfe").unwrap();
    run.finish().expect_code(2).expect_line(&["UTF-8", "--binary"]);
}

#[test]
fn every_length_a_frame_can_say_is_echoed() {
    let server = SocketServer::echo();
    for size in [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000] {
        for how in ["", "--binary", "-p 4", "--echo", "--echo -p 4"] {
            let before = server.messages();
            let document = load(16, &format!("-c 2 --body-size {size} {how}"), &server.url());
            document.expect(server.messages() - before == 16, "each message is sent once");
            document.expect(server.last().payload.len() == size, "of the length asked for");
            let received = document.count("bytes.received");
            document.expect(received >= 16 * size as u64, "every echo is received");
        }
    }
    assert_eq!(server.unmasked(), 0, "every frame of a client is masked");
}

#[test]
fn every_length_goes_through_tls() {
    let server = SocketServer::echo();
    let certificates = Arc::new(Certificates::make());
    for manner in [Manner::Proper, Manner::Records(600), Manner::NoNotice] {
        let front =
            Front::before("127.0.0.1:0", server.address(), manner, Arc::clone(&certificates));
        for size in [0, 126, 65_536, 300_000] {
            for how in ["", "-p 4 --binary", "--echo --requests-per-connection 3"] {
                let args = format!("-c 2 --body-size {size} {how}");
                load(16, &args, &front.target_of("wss"));
                assert_eq!(server.last().payload.len(), size);
            }
        }
    }
    let closes = server.closes();
    assert!(closes.iter().all(|&code| code == 1000), "{closes:?}");
    // Of the reopened connections, two of each run may not have been upgraded at its end.
    let reported = format!("{} of {} said goodbye", closes.len(), server.connections());
    assert!(closes.len() as u64 + 2 * 12 >= server.connections(), "{reported}");
}

#[test]
fn answers_may_be_longer_than_what_they_answer() {
    let server = SocketServer::start(|said| {
        let size = [10, 65 << 10, 1_000_000, 0][said.index as usize % 4];
        vec![frame(BINARY, &vec![7; size])]
    });
    for how in ["", "-p 3", "--requests-per-connection 7"] {
        let document = load(80, &format!("-c 2 {how}"), &server.url());
        document.expect(document.count("bytes.received") >= 16_000_000, "all of them whole");
    }
    assert_eq!(server.messages(), 240);
}

#[test]
fn the_opening_says_what_was_asked_for() {
    let server = SocketServer::echo();
    let args = "-c 1 --subprotocol chat,superchat -H X-Key:1 -H Origin:http://example.test";
    load(1, args, &format!("{}path?query", server.url()));
    let openings = server.openings();
    let opening = &openings[0];
    for part in [
        "GET /path?query HTTP/1.1\r\n",
        "Upgrade: websocket\r\n",
        "Sec-WebSocket-Version: 13\r\n",
        "Sec-WebSocket-Protocol: chat, superchat\r\n",
        "X-Key: 1\r\n",
        "Origin: http://example.test\r\n",
        &format!("Host: {}\r\n", server.address()),
    ] {
        assert!(opening.contains(part), "no {part:?} in {opening:?}");
    }
}

#[test]
fn a_slow_client_is_slow_with_messages_too() {
    let server = SocketServer::echo();
    // 200 bytes at a time: one read for the opening's answer, ten for the echo.
    let args = "-c 2 -n 2 --warmup 0s --body-size 2000 --read-rate 2000";
    let document =
        Run::json(&format!("{args} {}", server.url())).finish().expect_code(0).document();
    document.expect_only(&["ok"]);
    let slowest = document.number("latency_ns.service.max");
    document.expect(slowest >= 800_000_000.0, "2,004 bytes at 2,000/s");
    let args = "-c 2 -n 2 --warmup 0s --body-size 2000 --write-rate 2000 --echo";
    let document =
        Run::json(&format!("{args} {}", server.url())).finish().expect_code(0).document();
    document.expect_only(&["ok"]);
    let slowest = document.number("latency_ns.service.max");
    document.expect(slowest >= 800_000_000.0, "2,008 bytes at 2,000/s");
}

#[test]
fn a_very_slow_client_is_opened_all_the_same() {
    let server = SocketServer::echo();
    // Six bytes at a time: the opening's answer alone takes two seconds.
    let args = format!("-c 2 -n 2 --warmup 0s --body-size 0 --read-rate 60 {}", server.url());
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect_only(&["ok"]);
}
