//! The server and its clients: a viewer from the first second to the report, and clients that are
//! hostile, slow or many. None delays the run.

mod made;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use made::{second, start};
use uringbench_live::LiveServer;

/// So long nothing takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Live {
    server: LiveServer,
    address: SocketAddr,
    /// With both slashes.
    token: String,
}

fn begin() -> Live {
    let server = start();
    let rest = server.url().strip_prefix("http://").expect("an address").to_owned();
    let (address, token) = rest.split_at(rest.find('/').expect("a path"));
    Live { server, address: address.parse().expect("an address"), token: token.to_owned() }
}

impl Live {
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is ours");
        stream
    }

    /// The whole answer to bytes.
    fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // The server may have answered and closed before it read all.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).expect("text")
    }

    fn ask(&self, method: &str, path: &str, more: &str) -> String {
        let Self { address, .. } = self;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{more}\r\n");
        self.send(head.as_bytes())
    }

    /// A viewer, once its stream has begun.
    fn view(&self) -> Viewer {
        let mut stream = self.connect();
        let Self { address, token, .. } = self;
        let head = format!("GET {token}events HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut viewer = Viewer { stream, text: String::new() };
        viewer.wait("event: state");
        viewer
    }

    fn add(&self, at: u64) {
        let (interval, response) = second(at);
        self.server.interval(&interval, &response);
    }

    /// Adds seconds until all rows are of this one; the thread takes them when it can.
    fn add_until_taken(&self, at: u64) {
        self.add(at);
        let (begun, part) = (Instant::now(), format!("\"end\":{}.0", at + 1));
        while !self.ask("GET", &format!("{}state.json", self.token), "").contains(&part) {
            assert!(begun.elapsed() < PATIENCE, "second {at} is not taken");
            std::thread::yield_now();
        }
    }
}

struct Viewer {
    stream: TcpStream,
    text: String,
}

impl Viewer {
    /// Reads until this text has come, and takes it away.
    fn wait(&mut self, part: &str) {
        while !self.text.contains(part) {
            let mut bytes = [0; 4_096];
            let read = self.stream.read(&mut bytes).expect("it comes in time");
            assert!(read > 0, "{part} did not come: {}", self.text);
            self.text.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        let at = self.text.find(part).expect("it came") + part.len();
        self.text.drain(..at);
    }
}

/// The whole answer to a request for a file of the page.
fn ask(address: SocketAddr, token: &str, name: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("the time is not zero");
    let head = format!("GET {token}{name} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn a_viewer_sees_every_second_and_gets_the_report() {
    let live = begin();
    let mut viewer = live.view();
    for at in 0..5 {
        live.add(at);
        viewer.wait(&format!("\"end\":{}.0", at + 1));
    }
    let page = live.ask("GET", &live.token, "");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("RUNNING"), "{page}");
    for header in [
        "X-Content-Type-Options: nosniff",
        "X-Frame-Options: DENY",
        "frame-ancestors 'none'",
        "Referrer-Policy: no-referrer",
        "Cache-Control: no-store",
    ] {
        assert!(page.contains(header), "{header}: {page}");
    }
    assert!(!page.contains("Access-Control"));
    let early = live.ask("GET", &format!("{}report.html", live.token), "");
    assert!(early.starts_with("HTTP/1.1 404"), "{early}");
    let Live { server, address, token } = live;
    let fetch = std::thread::spawn(move || {
        viewer.wait("event: done");
        let mut stream = TcpStream::connect(address).expect("it listens");
        let head = format!("GET {token}report.html HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    });
    assert!(server.is_watched());
    let lines = server.finish(Some("the report".to_owned()));
    assert_eq!(lines, Vec::<String>::new());
    assert!(fetch.join().expect("it does not panic").ends_with("the report"));
}

#[test]
fn a_run_without_a_result_says_so() {
    let live = begin();
    let mut viewer = live.view();
    let Live { server, address, token } = live;
    server.finish(None);
    viewer.wait("event: failed");
    // So it says to those who come late, or ask.
    let ask = |name: &str| ask(address, &token, name);
    let stream = ask("events");
    assert!(stream.contains("event: failed") && !stream.contains("event: done"), "{stream}");
    let state = ask("state.json");
    assert!(state.ends_with("{\"is_over\":true,\"has_report\":false}"), "{state}");
    let report = ask("report.html");
    assert!(report.starts_with("HTTP/1.1 404"), "{report}");
    assert!(report.ends_with("the run ended without a result\n"), "{report}");
}

#[test]
fn who_asks_for_the_state_looks_on_and_gets_the_report() {
    let live = begin();
    assert!(!live.server.is_watched());
    live.add_until_taken(0);
    assert!(live.server.is_watched());
    let Live { server, address, token } = live;
    let poll = std::thread::spawn(move || {
        let ask = |name: &str| ask(address, &token, name);
        while !ask("state.json").ends_with("{\"is_over\":true,\"has_report\":true}") {
            std::thread::yield_now();
        }
        ask("report.html")
    });
    server.finish(Some("the report".to_owned()));
    assert!(poll.join().expect("it does not panic").ends_with("the report"));
}

#[test]
fn requests_that_are_not_for_us_are_refused() {
    let live = begin();
    let Live { address, token, .. } = &live;
    let port = address.port();
    let get = |path: &str, headers: &str| {
        live.send(format!("GET {path} HTTP/1.1\r\n{headers}\r\n").as_bytes())
    };
    let ours = format!("Host: {address}\r\n");
    for (answer, status) in [
        (get(token, &format!("Host: evil.example:{port}\r\n")), 421),
        (get("/", &format!("Host: evil.example:{port}\r\n")), 421),
        (get(token, "Host: 127.0.0.1:1\r\n"), 421),
        (get(token, ""), 421),
        (get(token, &format!("{ours}{ours}")), 421),
        (get(token, &format!("{ours}Origin: http://evil.example\r\n")), 403),
        (get(token, &format!("{ours}Sec-Fetch-Site: cross-site\r\n")), 403),
        (get("/", &ours), 404),
        (get("/0123456789abcdef0123456789abcdef/", &ours), 404),
        (get(&format!("{token}../../etc/passwd"), &ours), 404),
        (live.ask("POST", token, "Content-Length: 0\r\n"), 405),
        (live.ask("DELETE", token, ""), 405),
        (live.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 400),
        (get(token, &format!("{ours}A: {}\r\n", "b".repeat(20_000))), 431),
        (get(token, &format!("{ours}{}", "a: b\r\n".repeat(100))), 431),
    ] {
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
        assert!(!answer.contains("RUNNING") && !answer.contains(token.as_str()), "{answer}");
    }
    let head = live.ask("HEAD", token, "");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn clients_that_say_nothing_are_bounded_and_leave() {
    let live = begin();
    // Each of them begins a head and never ends it.
    let mut silent: Vec<TcpStream> = (0..32).map(|_| live.connect()).collect();
    for stream in &mut silent {
        stream.write_all(b"GET / HTTP/1.1\r\nHost:").expect("it reads");
    }
    // The run goes on: what it gives away is taken at once.
    let begun = Instant::now();
    (0..1_000).for_each(|at| live.add(at));
    let took = begun.elapsed();
    for mut stream in silent {
        let mut answer = Vec::new();
        // Closed after their time, without an answer.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty());
    }
    assert!(took < PATIENCE, "{took:?}");
    let begun = Instant::now();
    while !live.ask("GET", &live.token, "").starts_with("HTTP/1.1 200") {
        assert!(begun.elapsed() < PATIENCE, "there is no room again");
        std::thread::yield_now();
    }
}

#[test]
fn a_hundred_viewers_are_eight_and_the_others_can_ask() {
    let live = begin();
    let _inside: Vec<Viewer> = (0..8).map(|_| live.view()).collect();
    for _ in 0..92 {
        let answer = live.ask("GET", &format!("{}events", live.token), "");
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    }
    live.add_until_taken(0);
    let state = live.ask("GET", &format!("{}state.json", live.token), "");
    assert!(state.contains("\"is_whole\":true"), "{state}");
}

#[test]
fn a_viewer_who_never_reads_delays_neither_the_run_nor_its_end() {
    let live = begin();
    let stuck = live.view();
    let mut quick = live.view();
    for at in 0..2_000 {
        live.add(at);
        quick.wait(&format!("\"end\":{}.0", at + 1));
    }
    let begun = Instant::now();
    let _lines = live.server.finish(Some("the report".to_owned()));
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
    drop(stuck);
}
