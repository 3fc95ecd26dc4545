//! Connections to other places than a port of the target: Unix sockets, and servers behind a proxy
//! that sends the PROXY header.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use crate::support::acceptor::Acceptor;
use crate::support::certificates::{Certificates, Kind};
use crate::support::document::Document;
use crate::support::nginx::{Nginx, free_port};
use crate::support::requests::Requests;
use crate::support::run::Run;
use crate::support::script::GOOD;

/// A run of this many requests, all of which must succeed.
fn load(count: u64, args: &str) -> Document {
    let document =
        Run::json(&format!("--warmup 0s -n {count} {args}")).finish().expect_code(0).document();
    document.expect(document.released() == count, "as many as -n says");
    document.expect_only(&["ok"]);
    document
}

/// Answers requests on a Unix socket with a body of this size until the test ends; returns their
/// count.
fn serve_unix(path: &Path, size: usize) -> Arc<AtomicU64> {
    let listener = UnixListener::bind(path).expect("the folder is ours");
    let count = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&count);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
    let answer = [head.as_bytes(), &vec![7; size]].concat();
    let serve = move |stream: UnixStream| -> std::io::Result<()> {
        let mut requests = Requests::new(&stream);
        while requests.next()?.is_some() {
            counts.fetch_add(1, Ordering::SeqCst);
            (&stream).write_all(&answer)?;
        }
        Ok(())
    };
    let serve = Arc::new(serve);
    // Ends with the test program; connections end with the run.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = Arc::clone(&serve);
            thread::spawn(move || drop(serve(stream)));
        }
    });
    count
}

#[test]
fn a_unix_socket_is_a_place_like_any_other() {
    let folder = TempDir::new().unwrap();
    for (size, how) in [
        (5, ""),
        (5, "-p 8"),
        (1 << 20, ""),
        (1 << 20, "-p 4"),
        (5, "--body-size 1M"),
        (5, "--requests-per-connection 3"),
        (5, "-R 500"),
        (100_000, "--read-rate 200k --stream"),
    ] {
        let path = folder.path().join(format!("{size}{}.sock", how.len()));
        let count = serve_unix(&path, size);
        let requests = if how.contains("--read-rate") { 4 } else { 200 };
        let args = format!("-c 4 {how} --unix {} http://localhost/", path.display());
        let document = load(requests, &args);
        document.expect(count.load(Ordering::SeqCst) == requests, "each request is sent once");
        let received = document.count("bytes.received");
        document.expect(received >= requests * size as u64, "every body is received");
    }
}

#[test]
fn a_unix_socket_nobody_listens_at_stops_the_run() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("gone.sock");
    drop(UnixListener::bind(&path).unwrap());
    let args = format!("-c 4 -d 5s --unix {} http://localhost/", path.display());
    Run::json(&args).finish().expect_code(1).expect_line(&["gone.sock", "refused"]);
}

#[test]
fn a_real_server_listens_at_a_unix_socket() {
    const TEST: &str = "a_real_server_listens_at_a_unix_socket";
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (plain, tls) = (path("plain.sock"), path("tls.sock"));
    let certificates = Certificates::make();
    let listens = format!("listen unix:{plain}; listen unix:{tls} ssl;");
    let shown = certificates.leaf(Kind::Good);
    let Some(_nginx) = Nginx::start_tls(TEST, &shown, &listens) else { return };
    let trusted = format!("--cacert {}", certificates.authority().display());
    for (name, size) in [("small", 64), ("1m", 1 << 20)] {
        for args in [
            format!("--unix {plain} http://localhost/{name}"),
            format!("--unix {tls} {trusted} https://localhost/{name}"),
        ] {
            let document = load(200, &format!("-c 4 {args}"));
            document.expect(document.status(200) == 200, "status 200 for each");
            document.expect(document.count("bytes.received") >= 200 * size, "whole");
        }
    }
}

#[test]
fn a_real_server_learns_who_asks() {
    const TEST: &str = "a_real_server_learns_who_asks";
    let (plain, tls, six) =
        (free_port("127.0.0.1:0"), free_port("127.0.0.1:0"), free_port("[::1]:0"));
    let server = format!(
        "listen {plain} proxy_protocol; listen {tls} ssl proxy_protocol;
        listen {six} proxy_protocol;
        location /peer {{
            set $peer \"$proxy_protocol_addr:$proxy_protocol_port\";
            set $real \"$remote_addr:$remote_port\";
            if ($peer != $real) {{ return 403; }}
            return 200;
        }}"
    );
    let certificates = Certificates::make();
    let shown = certificates.leaf(Kind::Good);
    let Some(_nginx) = Nginx::start_tls(TEST, &shown, &server) else { return };
    let trusted = format!("--cacert {}", certificates.authority().display());
    for version in ["v1", "v2"] {
        for more in ["", "--requests-per-connection 5", "--source-ip 127.0.0.2-127.0.0.4"] {
            for target in [format!("http://{plain}/peer"), format!("{trusted} https://{tls}/peer")]
            {
                let document =
                    load(200, &format!("-c 8 --proxy-protocol {version} {more} {target}"));
                document.expect(document.status(200) == 200, "the peer's address and port");
            }
        }
        load(200, &format!("-c 8 --proxy-protocol {version} http://{six}/peer"));
    }
}

#[test]
fn the_proxy_header_comes_first_and_once() {
    let headers = Arc::new(Mutex::new(Vec::new()));
    let keeps = Arc::clone(&headers);
    let server = Acceptor::start(move |stream, _| {
        let header = read_proxy_header(stream)?;
        keeps.lock().unwrap().push((header, stream.peer_addr()?, stream.local_addr()?));
        let (mut requests, mut writer) = (Requests::new(stream), stream);
        while let Some(request) = requests.next()? {
            if !request.starts_with(b"GET / HTTP/1.1\r\n") {
                return Ok(());
            }
            writer.write_all(GOOD)?;
        }
        Ok(())
    });
    for (version, wanted) in [("v1", version_1 as fn(_, _) -> _), ("v2", version_2)] {
        for more in ["", "-p 4", "--requests-per-connection 3", "--write-rate 5k"] {
            headers.lock().unwrap().clear();
            let args = format!("-c 4 --idle-connections 2 --proxy-protocol {version} {more}");
            load(40, &format!("{args} {}", server.url()));
            let headers = headers.lock().unwrap();
            assert!(headers.len() >= 6, "idle ones say it too: {}", headers.len());
            for (header, source, target) in &*headers {
                assert_eq!(*header, wanted(*source, *target), "{version} {more}");
            }
        }
    }
}

/// Reads the header before the request: a line, or the length that version 2 declares.
fn read_proxy_header(mut stream: &TcpStream) -> std::io::Result<Vec<u8>> {
    let mut header = vec![0; 16];
    stream.read_exact(&mut header)?;
    if header.starts_with(b"\r\n\r\n\0\r\nQUIT\n") {
        let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
        header.resize(16 + length, 0);
        stream.read_exact(&mut header[16..])?;
    }
    while header.starts_with(b"PROXY") && !header.ends_with(b"\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        header.push(byte[0]);
    }
    Ok(header)
}

fn version_1(source: SocketAddr, target: SocketAddr) -> Vec<u8> {
    let (from, to) = (source.port(), target.port());
    format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {to}\r\n").into_bytes()
}

fn version_2(source: SocketAddr, target: SocketAddr) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01".to_vec();
    header.extend_from_slice(&source.port().to_be_bytes());
    header.extend_from_slice(&target.port().to_be_bytes());
    header
}
