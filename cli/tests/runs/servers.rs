//! The scripted servers themselves, each tested over a plain socket: they do what their names say,
//! so a test that fails elsewhere shows a fault of uringbench.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::full_backlog::FullBacklog;
use crate::support::script::{Behaviour, GOOD, Hold};
use crate::support::server::Server;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";

/// How a connection ended for the client.
#[derive(Debug, PartialEq)]
enum Ending {
    Closed,
    Reset,
    Silent,
}

/// The bytes that one connection returns for `requests`, and how it ends within 200 ms without a
/// byte.
fn talk(server: &Server, requests: &[u8]) -> (Vec<u8>, Ending) {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    let silence = Some(Duration::from_millis(200));
    stream.set_read_timeout(silence).expect("a timeout above zero is accepted");
    stream.write_all(requests).expect("the server reads before it ends a connection");
    let (mut received, mut chunk) = (Vec::new(), [0; 64 * 1024]);
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return (received, Ending::Closed),
            Ok(n) => received.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => return (received, Ending::Reset),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return (received, Ending::Silent),
            Err(e) => panic!("{e}"),
        }
    }
}

#[test]
fn each_behaviour_sends_its_bytes_and_ends_as_it_says() {
    use Behaviour as B;
    let cases: &[(Behaviour, &str, Ending)] = &[
        (B::Good, "hello", Ending::Silent),
        (B::Status(503), "no.\n", Ending::Silent),
        (B::StatusWith(301, "Location: /x"), "no.\n", Ending::Silent),
        (B::NeverAnswer, "", Ending::Silent),
        (B::GoodThenClose(0), "", Ending::Closed),
        (B::GoodThenReset(0), "", Ending::Reset),
        (B::CloseMidHeader, "Content-Le", Ending::Closed),
        (B::CloseMidBody, "123456789", Ending::Closed),
        (B::CloseMidChunk, "ff\r\nhalf", Ending::Closed),
        (B::Reset, "", Ending::Reset),
        (B::Garbage, "not HTTP at all\r\n\r\n", Ending::Silent),
        (B::BadChunkSize, "xyz\r\nhello\r\n0\r\n\r\n", Ending::Silent),
        (B::TwoLengths, "hello77", Ending::Silent),
        (B::PromiseTooMuch, "fifty of it", Ending::Silent),
        (B::PromiseTooLittle, "hello and more", Ending::Silent),
        (B::HugeHeader, "x\r\nContent-Length: 0\r\n\r\n", Ending::Silent),
        (B::ByteEvery(Duration::from_millis(1)), "hello", Ending::Silent),
        (B::CloseEach, "hello", Ending::Closed),
        (B::CloseUnannounced, "hello", Ending::Closed),
        (B::Http10, "hello", Ending::Closed),
        (B::CloseDelimited, "as long as it lasts", Ending::Closed),
        (B::Chunked, "X-More: yes\r\n\r\n", Ending::Silent),
        (B::Split, "hello", Ending::Silent),
        (B::Interim, "hello", Ending::Silent),
    ];
    for (behaviour, tail, ending) in cases {
        let server = Server::start(behaviour);
        let (received, ended) = talk(&server, REQUEST);
        let text = String::from_utf8_lossy(&received);
        assert!(text.ends_with(tail), "{behaviour:?} sent {} bytes", text.len());
        assert_eq!(&ended, ending, "{behaviour:?}");
        assert_eq!((server.requests(), server.connections()), (1, 1), "{behaviour:?}");
    }
}

#[test]
fn a_reset_in_a_body_is_seen_as_one() {
    // The reset may overtake the bytes before it, so only the end can be checked.
    let server = Server::start(&Behaviour::ResetMidCloseDelimited);
    assert_eq!(talk(&server, REQUEST).1, Ending::Reset);
}

#[test]
fn surplus_answers_are_sent() {
    let first = Server::start(&Behaviour::AnswerFirst);
    assert_eq!(talk(&first, b""), (GOOD.to_vec(), Ending::Silent));
    assert_eq!(first.requests(), 0);
    let twice = Server::start(&Behaviour::AnswerTwice);
    assert_eq!(talk(&twice, REQUEST), ([GOOD, GOOD].concat(), Ending::Silent));
    assert_eq!(twice.requests(), 1);
}

#[test]
fn good_answers_come_first_and_pipelined_requests_are_told_apart() {
    let server = Server::start(&Behaviour::GoodThenReset(3));
    let (received, ending) = talk(&server, &REQUEST.repeat(3));
    assert_eq!((received, ending), (GOOD.repeat(3), Ending::Silent));
    let server = Server::start(&Behaviour::GoodThenClose(3));
    let (received, ending) = talk(&server, &REQUEST.repeat(4));
    assert_eq!((received, ending), (GOOD.repeat(3), Ending::Closed));
    assert_eq!(server.requests(), 4);
}

#[test]
fn a_hold_is_kept_and_recorded() {
    let (fast, slow) = (Duration::from_millis(2), Duration::from_millis(9));
    let server = Server::start(&Behaviour::Hold(Hold::Bimodal { fast, slow }));
    talk(&server, &REQUEST.repeat(20));
    let held = server.held();
    assert_eq!(held.len(), 20);
    assert!(held[0] >= fast && held[18] >= slow, "{held:?}");
}

#[test]
fn a_stopped_server_ends_its_connections_and_frees_its_port() {
    let server = Server::start(&Behaviour::NeverAnswer);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(REQUEST).unwrap();
    let address = server.address().to_string();
    drop(server);
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert!(matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_)));
    let refused = TcpStream::connect(&address).map_err(|e| e.kind());
    assert!(matches!(refused, Err(ErrorKind::ConnectionRefused)), "{refused:?}");
    let again = Server::start_at(&address, &Behaviour::Good);
    assert_eq!(talk(&again, REQUEST).0, GOOD);
}

#[test]
fn a_full_backlog_neither_accepts_nor_refuses() {
    let full = FullBacklog::start();
    let begun = Instant::now();
    let timeout = Duration::from_millis(300);
    let tried = TcpStream::connect_timeout(&full.address(), timeout).map_err(|e| e.kind());
    assert!(matches!(tried, Err(ErrorKind::TimedOut)), "{tried:?}");
    assert!(begun.elapsed() >= timeout);
    assert!(TcpListener::bind(full.address()).is_err(), "it is still listening");
}
