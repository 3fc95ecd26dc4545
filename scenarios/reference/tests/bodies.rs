//! A request with a body is answered when the body has come, however it came.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use uringbench_reference::{ServeOptions, Server};

const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n";

fn serve() -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let options = ServeOptions { listen, cpu: None, connections: 8 };
        let server = Server::bind(&options).expect("a free port and a ring");
        sender.send(server.address().expect("it listens")).expect("the test waits");
        server.serve().expect("it serves");
    });
    receiver.recv().expect("it is bound")
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    stream
}

/// The next `count` answers, whose bodies hold no header.
fn answers(stream: &mut TcpStream, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while bytes.windows(4).filter(|window| window == b"\r\n\r\n").count() < count
        || !bytes.ends_with(b"Hello, world!")
    {
        stream.read_exact(&mut byte).expect("an answer");
        bytes.push(byte[0]);
    }
    bytes
}

#[test]
fn it_waits_for_the_last_byte() {
    let mut stream = connect(serve());
    stream.write_all(&[POST, &[b'x'; 4_999]].concat()).expect("it reads");
    stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
    let early = stream.read(&mut [0; 64]).expect_err("nothing yet");
    assert!(matches!(early.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{early}");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    stream.write_all(b"x").expect("it reads");
    assert!(answers(&mut stream, 1).starts_with(b"HTTP/1.1 200 "));
}

#[test]
fn requests_in_a_row_are_answered_in_order() {
    let mut stream = connect(serve());
    let not_found = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n".as_slice();
    let get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice();
    let all = [POST, &[b'x'; 5_000], not_found, POST, &[b'x'; 5_000], get].concat();
    for piece in all.chunks(977) {
        stream.write_all(piece).expect("it reads");
    }
    let text = String::from_utf8(answers(&mut stream, 4)).expect("text");
    let starts = text.match_indices("HTTP/1.1 ");
    let statuses: Vec<_> = starts.map(|(at, _)| &text[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "404", "200", "200"]);
}
