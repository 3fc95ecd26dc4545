//! Bodies as servers receive them: whole, in chunks, as forms, after `100 Continue`, and never
//! larger than requested.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::acceptor::Acceptor;
use crate::support::certificates::{Certificates, Kind};
use crate::support::document::Document;
use crate::support::nginx::Nginx;
use crate::support::run::Run;
use crate::support::tls_front::{Front, Manner};
use crate::support::turn::skip;

const GOOD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const TOO_LARGE: &[u8] = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno.";
const TOO_LARGE_CLOSE: &[u8] =
    b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno.";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A request as received.
#[derive(Clone, Debug, Default)]
struct Upload {
    head: String,
    body: Vec<u8>,
    /// The sizes of its chunks, if the body was chunked.
    chunks: Vec<usize>,
    /// From the end of the header to the first byte of the body.
    waited: Duration,
}

/// The uploads that a server received.
#[derive(Default)]
struct Sent {
    whole: AtomicU64,
    last: Mutex<Upload>,
}

impl Sent {
    fn whole(&self) -> u64 {
        self.whole.load(Ordering::SeqCst)
    }

    fn last(&self) -> Upload {
        self.last.lock().expect("no thread panics with it").clone()
    }
}

/// A server that sends `first` when it has the header, and 200 when it has the body.
fn server(first: &'static [u8]) -> (Acceptor, Arc<Sent>) {
    let sent = Arc::new(Sent::default());
    let keeps = Arc::clone(&sent);
    let acceptor = Acceptor::start(move |stream, _| {
        let (mut reader, mut writer) = (BufReader::new(stream), stream);
        loop {
            let head = read_head(&mut reader)?;
            writer.write_all(first)?;
            let upload = read_body(&mut reader, head)?;
            keeps.whole.fetch_add(1, Ordering::SeqCst);
            *keeps.last.lock().expect("no thread panics with it") = upload;
            writer.write_all(GOOD)?;
        }
    });
    (acceptor, sent)
}

fn read_head(reader: &mut BufReader<&TcpStream>) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(read_byte(reader)?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn read_byte(reader: &mut BufReader<&TcpStream>) -> io::Result<u8> {
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    Ok(byte[0])
}

fn read_line(reader: &mut BufReader<&TcpStream>) -> io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(read_byte(reader)?);
    }
    Ok(String::from_utf8_lossy(&line[..line.len() - 2]).into_owned())
}

fn read_body(reader: &mut BufReader<&TcpStream>, head: String) -> io::Result<Upload> {
    let began = Instant::now();
    let mut upload = Upload::default();
    if let Some(length) = field(&head, "Content-Length") {
        upload.body.resize(length.parse().map_err(io::Error::other)?, 0);
        if let Some((first, rest)) = upload.body.split_first_mut() {
            *first = read_byte(reader)?;
            upload.waited = began.elapsed();
            reader.read_exact(rest)?;
        }
    } else if field(&head, "Transfer-Encoding").as_deref() == Some("chunked") {
        loop {
            let size = read_line(reader)?;
            let size = usize::from_str_radix(&size, 16).map_err(io::Error::other)?;
            let start = upload.body.len();
            upload.body.resize(start + size, 0);
            reader.read_exact(&mut upload.body[start..])?;
            if !read_line(reader)?.is_empty() {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if size == 0 {
                break;
            }
            upload.chunks.push(size);
        }
    }
    upload.head = head;
    Ok(upload)
}

fn field(head: &str, name: &str) -> Option<String> {
    let of_name = |line: &&str| {
        line.split_once(':').is_some_and(|(found, _)| found.eq_ignore_ascii_case(name))
    };
    let line = head.lines().find(of_name)?;
    Some(line[name.len() + 1..].trim().to_owned())
}

/// A run of this many uploads, all of which must succeed and be received once.
fn load(count: u64, args: &str, (server, sent): &(Acceptor, Arc<Sent>)) -> (Document, Upload) {
    let before = sent.whole();
    let run = Run::json(&format!("--warmup 0s -n {count} {args} {}", server.url()));
    std::fs::write(run.folder().join("body.bin"), pattern(300_000)).expect("the folder is ours");
    let document = run.finish().expect_code(0).document();
    document.expect(document.released() == count, "as many as -n says");
    document.expect_only(&["ok"]);
    document.expect(sent.whole() - before == count, "each body is sent once");
    (document, sent.last())
}

/// Bytes without a short period.
fn pattern(length: u32) -> Vec<u8> {
    (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn a_body_arrives_as_it_is_in_its_file() {
    let server = server(b"");
    for how in ["", "--chunked", "--chunked=7", "--chunked=1M", "--expect-continue"] {
        for deep in ["", "-p 4"] {
            let args = format!("-c 4 --body-file body.bin {how} {deep}");
            let (document, upload) = load(8, &args, &server);
            document.expect(upload.body == pattern(300_000), "byte for byte");
            document.expect(upload.head.starts_with("POST / HTTP/1.1\r\n"), &upload.head);
        }
    }
}

#[test]
fn a_body_arrives_as_it_comes_through_a_pipe() {
    let (acceptor, sent) = server(b"");
    let run = Run::json(&format!("--warmup 0s -n 8 -c 2 --body-file - {}", acceptor.url()));
    std::fs::write(run.folder().join("body.bin"), pattern(300_000)).expect("the folder is ours");
    let finished = run.through("", "cat body.bin | \"$@\"").finish().expect_code(0);
    finished.document().expect_only(&["ok"]);
    let upload = sent.last();
    assert_eq!((sent.whole(), field(&upload.head, "Content-Length")), (8, Some("300000".into())));
    assert!(upload.body == pattern(300_000), "byte for byte\n{finished}");
}

/// Body and type of a form, with its boundary replaced by a word, and a header of the request.
fn form_of(upload: &Upload) -> (String, String, Option<String>) {
    let kind = field(&upload.head, "Content-Type").expect("a form has a type");
    let boundary = kind.rsplit_once("boundary=").expect("its type has a boundary").1.to_owned();
    let body = String::from_utf8_lossy(&upload.body).replace(&boundary, "BOUNDARY");
    (body, kind.replace(&boundary, "BOUNDARY"), field(&upload.head, "X-A"))
}

#[test]
fn forms_are_those_that_curl_sends() {
    let found = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        return skip("forms_are_those_that_curl_sends", "there is no curl");
    }
    let (acceptor, sent) = server(b"");
    let cases: [&[&str]; 9] = [
        &["-F", "a=b", "-F", "c= d ", "-F", "e="],
        &["-F", "c=\"red; green\";type=text/x"],
        &["-F", r#"n="she said \"hi\" \\""#],
        &["-F", "f=@\"a,b.txt\"", "-F", "g=@body.bin;type=a/b; c=d;filename=\"x;y\""],
        &["-F", "text=<note.txt", "-F", "meta={\"a\":1};type=application/json"],
        &["-F", "f=@note.txt;headers=\"X-B: c; d\"", "-F", "v=w;filename=x"],
        &["-F", "a=b", "-H", "content-type: multipart/related"],
        &["-F", "a=b", "-H", "X-A;"],
        &["-F", "a=b", "-H", "X-A: 1"],
    ];
    for words in cases {
        let run = Run::json("--warmup 0s -n 1 -c 1").file("note.txt", "NNN\n").file("a,b.txt", "A");
        let run = run.file("body.bin", "\u{1}\u{fe}");
        let mut curl = Command::new("curl");
        curl.args(["-q", "-s", "--noproxy", "*"]).args(words).arg(acceptor.url());
        let ended = curl.current_dir(run.folder()).stdout(Stdio::null()).status();
        assert!(ended.is_ok_and(|status| status.success()), "curl sends {words:?}");
        let theirs = form_of(&sent.last());
        let run = words.iter().fold(run, |run, word| run.arg(*word)).arg(acceptor.url());
        run.finish().expect_code(0);
        assert_eq!(form_of(&sent.last()), theirs, "{words:?}");
    }
}

#[test]
fn chunks_have_the_size_asked_for() {
    let server = server(b"");
    for (how, size) in [("--chunked", 16_384), ("--chunked=7", 7), ("--chunked=300000", 300_000)] {
        let (_, upload) = load(4, &format!("-c 2 --body-file body.bin {how}"), &server);
        let (last, full) = upload.chunks.split_last().unwrap();
        assert!(full.iter().all(|&chunk| chunk == size) && *last <= size, "{how}");
        assert_eq!(field(&upload.head, "Content-Length"), None, "never both");
    }
    let (_, upload) = load(4, "-c 2 --body abc --chunked=2", &server);
    assert_eq!((upload.body, upload.chunks), (b"abc".to_vec(), vec![2, 1]));
}

#[test]
fn a_body_that_is_made_up_is_the_same_for_the_same_seed() {
    let server = server(b"");
    let made = |args: &str| load(4, &format!("-c 2 {args}"), &server).1.body;
    let first = made("--body-size 100k");
    assert_eq!(first.len(), 100_000);
    assert_eq!(first, made("--body-size 100k"), "without a seed too");
    let seventh = made("--body-size 100k --seed 7");
    assert_eq!(seventh, made("--body-size 100k --seed 7 --chunked"));
    assert_ne!(seventh, first);
    assert_eq!(made("--body-size 0"), b"");
    assert_eq!(made("--body-size 1").len(), 1);
}

#[test]
fn forms_have_the_parts_that_were_typed() {
    let server = server(b"");
    let args = "-c 2 -F name=\"value;with\" -F up=@body.bin;type=image/png;filename=x.png \
                -F big=@random:1M -F empty=";
    for how in ["", "--chunked", "--expect-continue"] {
        let (_, upload) = load(4, &format!("{args} {how}"), &server);
        let kind = field(&upload.head, "Content-Type").unwrap();
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap();
        let parts = parts(&upload.body, boundary.trim_matches('"'));
        let of = |index: usize| (parts[index].0.as_str(), parts[index].1.len());
        assert_eq!(parts.len(), 4);
        assert!(of(0).0.contains("name=\"name\"") && parts[0].1 == b"value;with", "{:?}", of(0));
        assert!(of(1).0.contains("name=\"up\"; filename=\"x.png\""), "{:?}", of(1));
        assert!(of(1).0.contains("Content-Type: image/png"), "{:?}", of(1));
        assert!(parts[1].1 == pattern(300_000), "byte for byte");
        assert!(of(2).0.contains("name=\"big\"; filename=") && of(2).1 == 1_000_000, "{:?}", of(2));
        assert!(of(3).0.contains("name=\"empty\"") && of(3).1 == 0, "{:?}", of(3));
    }
}

/// The parts of a form, each with its header and content (RFC 2046 section 5.1.1).
fn parts(body: &[u8], boundary: &str) -> Vec<(String, Vec<u8>)> {
    let delimiter = format!("\r\n--{boundary}");
    let body = [b"\r\n", body].concat();
    let find = |from: usize, what: &[u8]| {
        let found = body[from..].windows(what.len()).position(|window| window == what);
        from + found.expect("a form has all its delimiters")
    };
    let mut parts = Vec::new();
    let mut at = find(0, delimiter.as_bytes()) + delimiter.len();
    while body[at..].starts_with(b"\r\n") {
        let content = find(at, b"\r\n\r\n") + 4;
        let end = find(content, delimiter.as_bytes());
        let head = String::from_utf8_lossy(&body[at + 2..content]).into_owned();
        parts.push((head, body[content..end].to_vec()));
        at = end + delimiter.len();
    }
    assert_eq!(&body[at..], b"--\r\n", "and nothing after the last");
    parts
}

#[test]
fn consent_is_waited_for() {
    let consents = server(CONTINUE);
    for deep in ["", "-p 4", "--body-file body.bin", "--chunked --body-file body.bin"] {
        let body = if deep.contains("body-file") { "" } else { "--body-size 1000" };
        let (document, upload) =
            load(40, &format!("-c 2 --expect-continue {body} {deep}"), &consents);
        document.expect(upload.head.contains("100-continue"), &upload.head);
        let usual = document.number("latency_ns.service.p50");
        document.expect(usual < 900e6, "no body waits when consent is there");
    }
    // Without an answer the client sends the body after a second.
    let silent = server(b"");
    let (document, upload) = load(4, "-c 4 --expect-continue --body-size 1000", &silent);
    document.expect(upload.waited >= Duration::from_millis(800), "a second, about");
    document.expect(document.number("latency_ns.service.max") >= 900e6, "and it is measured");
}

#[test]
fn a_body_that_is_refused_is_not_sent() {
    for (answer, keeps) in [(TOO_LARGE, true), (TOO_LARGE_CLOSE, false)] {
        let bodies = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&bodies);
        let server = Acceptor::start(move |stream, _| {
            let (mut reader, mut writer) = (BufReader::new(stream), stream);
            read_head(&mut reader)?;
            writer.write_all(answer)?;
            if !keeps {
                return Ok(());
            }
            // The rest can only be a body, since nothing shows where a request would begin.
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest)?;
            counts.fetch_add(rest.len() as u64, Ordering::SeqCst);
            Ok(())
        });
        let certificates = Arc::new(Certificates::make());
        let front = Front::before("127.0.0.1:0", server.address(), Manner::Proper, certificates);
        for target in [server.url(), front.target()] {
            let args = "--warmup 0s -n 40 -c 4 --expect-continue --body-size 1M";
            let began = Instant::now();
            let document =
                Run::json(&format!("{args} {target}")).finish().expect_code(0).document();
            document.expect_only(&["status"]);
            document.expect(document.status(413) == 40, "413 for each");
            document.expect(began.elapsed() < Duration::from_secs(8), "no consent is waited for");
        }
        assert_eq!(bodies.load(Ordering::SeqCst), 0, "no byte of a refused body");
    }
}

#[test]
fn an_answer_amid_an_upload_is_its_answer() {
    // The server keeps the connection and reads on, or does not; or it closes and reads no more.
    for (answer, reads_on) in [(TOO_LARGE, true), (TOO_LARGE_CLOSE, true), (TOO_LARGE_CLOSE, false)]
    {
        let server = Acceptor::start(move |stream, _| {
            let (mut reader, mut writer) = (BufReader::new(stream), stream);
            loop {
                let head = read_head(&mut reader)?;
                let length: u64 = field(&head, "Content-Length").unwrap().parse().unwrap();
                let read = |reader: &mut BufReader<&TcpStream>, bytes| {
                    io::copy(&mut reader.take(bytes), &mut io::sink())
                };
                read(&mut reader, length / 2)?;
                writer.write_all(answer)?;
                if !reads_on {
                    // Time to read the answer: a reset would drop it.
                    thread::sleep(Duration::from_millis(50));
                    return Ok(());
                }
                read(&mut reader, length - length / 2)?;
                if answer == TOO_LARGE_CLOSE {
                    return Ok(());
                }
            }
        });
        let certificates = Arc::new(Certificates::make());
        let front = Front::before("127.0.0.1:0", server.address(), Manner::Proper, certificates);
        for target in [server.url(), front.target()] {
            let args = format!("--warmup 0s -n 40 -c 4 --body-size 4M --timeout 5s {target}");
            let document = Run::json(&args).finish().expect_code(0).document();
            document.expect_none_but(&["status", "reset"]);
            document.expect(document.status(413) >= 38, "413 for each, as far as it got through");
        }
    }
}

#[test]
fn a_body_is_in_memory_once_however_many_send_it() {
    let server = Acceptor::start(|stream, _| {
        let (mut reader, mut writer) = (BufReader::new(stream), stream);
        loop {
            let head = read_head(&mut reader)?;
            let length = field(&head, "Content-Length").unwrap().parse().unwrap();
            io::copy(&mut (&mut reader).take(length), &mut io::sink())?;
            writer.write_all(GOOD)?;
        }
    });
    let load = |how: &str| {
        let args = format!("--warmup 0s -n 100 -c 50 --cores 1 --timeout 30s {how}");
        let run = Run::json(&format!("{args} {}", server.url()));
        std::fs::write(run.folder().join("body.bin"), vec![7; 10_000_000]).unwrap();
        let document = run.finish().expect_code(0).document();
        document.expect_only(&["ok"]);
        document
    };
    // The memory of the run with a tiny body, plus the body once, and once more while it is built:
    // nothing that grows with the 50 connections.
    let without = load("--body-size 1").count("client.rss_peak_bytes");
    for how in ["--body-size 10M", "--body-size 10M -p 4", "--body-file body.bin"] {
        let document = load(how);
        document.expect(document.count("bytes.sent") >= 1_000_000_000, "all of it is sent");
        let peak = document.count("client.rss_peak_bytes");
        let wrong = format!("{how}: {peak} bytes resident, {without} without a body");
        document.expect(peak < without + 25_000_000, &wrong);
    }
}

#[test]
fn a_real_server_takes_and_refuses_uploads() {
    const TEST: &str = "a_real_server_takes_and_refuses_uploads";
    let places = "client_max_body_size 64k; client_body_buffer_size 2m;
        location /length { client_max_body_size 2m; return 200 \"$content_length\"; }
        location /read { client_max_body_size 2m;
            proxy_pass http://$server_addr:$arg_port/length; }";
    let certificates = Certificates::make();
    let Some(nginx) = Nginx::start_tls(TEST, &certificates.leaf(Kind::Good), places) else {
        return;
    };
    let trusted = format!("--cacert {}", certificates.authority().display());
    let plain = nginx.url("");
    let port = plain.trim_end_matches('/').rsplit(':').next().unwrap();
    let read = format!("read?port={port}");
    for body in ["--body-size 1M", "--chunked --body-size 1M", "--expect-continue --body-size 1M"] {
        for url in [nginx.url(&read), nginx.https(&read)] {
            // On a busy machine 4 MB in flight may take longer than the default timeout.
            let args = format!("--warmup 0s --timeout 50s -n 40 -c 4 {body} {url}");
            let args = if url.starts_with("https") { format!("{trusted} {args}") } else { args };
            let document = Run::json(&args).finish().expect_code(0).document();
            document.expect_only(&["ok"]);
            document.expect(document.count("bytes.sent") >= 40_000_000, "every body is sent");
        }
    }
    // Too large: nginx answers 413 after the header alone, and closes.
    let args = format!("--warmup 0s -n 40 -c 4 --body-size 1M {}", nginx.url("small"));
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect_none_but(&["status", "reset"]);
    document.expect(document.status(413) >= 20, "413 where it was not lost to a reset");
    let args =
        format!("--warmup 0s -n 40 -c 4 --expect-continue --body-size 1M {}", nginx.url("small"));
    let document = Run::json(&args).finish().expect_code(0).document();
    document.expect(document.status(413) == 40, "413 for each where no body was sent");
}

#[test]
fn what_contradicts_itself_is_refused() {
    for (args, parts) in [
        ("--body x --body-size 3 http://127.0.0.1:1/", vec!["--body", "--body-size"]),
        ("--chunked http://127.0.0.1:1/", vec!["--chunked", "--body"]),
        ("-F up=@no/such/file http://127.0.0.1:1/", vec!["--form", "no/such/file"]),
        ("-F nothing http://127.0.0.1:1/", vec!["name=content"]),
        ("--chunked --body x ws://127.0.0.1:1/", vec!["--chunked", "WebSocket"]),
    ] {
        Run::json(args).finish().expect_code(2).expect_line(&parts);
    }
}
