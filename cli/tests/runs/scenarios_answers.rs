//! What comes back to a step, in every form it can come: checks and captures see through it, and
//! what is captured cannot break out of the place it is put into.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::scenarios::{SHORT, flow, step};
use crate::support::acceptor::Acceptor;
use crate::support::certificates::Certificates;
use crate::support::recording::{Answer, Asked, Recording, answer, ok};
use crate::support::requests::Requests;
use crate::support::run::Run;
use crate::support::tls_front::{Front, Manner};

/// What stands for a body, chunked with extensions and a trailer.
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nX-Kind: yes\r\nSet-Cookie: a=1\r\n\
    Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n4;x=y\r\n{\"na\r\nC\r\nme\":\"value\",\r\n\
    008\r\n\"n\":[7]}\r\n0\r\nX-Sum: 1\r\n\r\n";
const LENGTH: &str = "HTTP/1.1 200 OK\r\nX-Kind: yes\r\nSet-Cookie: a=1\r\n\
    Content-Length: 24\r\n\r\n\
    {\"name\":\"value\",\"n\":[7]}";
const INTERIM: &str = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-Kind: no\r\n\
    Set-Cookie: a=2\r\n\r\nHTTP/1.1 200 OK\r\nX-Kind: yes\r\nSet-Cookie: a=1\r\n\
    Content-Length: 24\r\n\r\n{\"name\":\"value\",\"n\":[7]}";
const CLOSED: &str = "HTTP/1.0 200 OK\r\nX-Kind: yes\r\nSet-Cookie: a=1\r\n\r\n\
    {\"name\":\"value\",\"n\":[7]}";

const LOOKS: &str = r#"
[load]
users = 3
connections = 3
[[flow]]
name = "f"
[[flow.step]]
name = "a"
path = "/"
[flow.step.check]
status = [200]
header = { X-Kind = "yes" }
length = 24
contains = "value"
json = { "/name" = "value", "/n/0" = 7 }
[flow.step.capture]
v = { json = "/name" }
c = { cookie = "a" }
r = { regex = "n\":\\[(\\d)" }
h = { header = "x-kind" }
[[flow.step]]
name = "b"
path = "/{{v}}/{{c}}/{{r}}/{{h}}"
"#;

#[test]
fn every_form_of_an_answer_is_looked_at() {
    for bytes in [CHUNKED, LENGTH, INTERIM, CLOSED] {
        for (piece, apart) in [(usize::MAX, 0), (1, 20), (7, 50)] {
            let server = Acceptor::start(move |stream, _| {
                let (mut requests, mut writer) = (Requests::new(stream), stream);
                while let Some(request) = requests.next()? {
                    let is_right = [&b"GET / "[..], b"GET /value/1/7/yes "];
                    if !is_right.iter().any(|line| request.starts_with(line)) {
                        let line = String::from_utf8_lossy(&request).replace("\r\n", " ");
                        write!(writer, "HTTP/1.1 400 {line}\r\n\r\n")?;
                        eprintln!("{line}");
                        return Ok(());
                    }
                    for piece in bytes.as_bytes().chunks(piece.min(bytes.len())) {
                        writer.write_all(piece)?;
                        thread::sleep(Duration::from_micros(apart));
                    }
                    if bytes == CLOSED {
                        return Ok(());
                    }
                }
                Ok(())
            });
            let certificates = Arc::new(Certificates::make());
            let front =
                Front::before("127.0.0.1:0", server.address(), Manner::Proper, certificates);
            let plain = server.url().trim_end_matches('/').to_owned();
            for (target, more) in [(plain, ""), (format!("https://{}", front.address()), "-k")] {
                let document = Run::scenario(&format!("{SHORT} {more}"), &target, LOOKS)
                    .finish()
                    .expect_code(0)
                    .document();
                document.expect_only(&["ok"]);
                document.expect(step(&document, "b")["ok"].as_u64() > Some(0), "with captures");
            }
        }
    }
}

#[test]
fn what_is_captured_stays_in_its_place() {
    // Each of them would be more than one value, were it put in as it is.
    let evil = "x y\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1\r\n\r\n&a=b\"}/../?#%;";
    let body = serde_json::json!({ "evil": evil }).to_string();
    let server = Recording::start(move |asked| {
        Answer::Bytes(if asked.line() == "GET /first" { ok(&body) } else { ok("good") })
    });
    let text = r#"
        cookies = true
        [load]
        users = 2
        connections = 2
        [[flow]]
        name = "f"
        [[flow.step]]
        path = "/first"
        capture = { evil = { json = "/evil" } }
        [[flow.step]]
        name = "path"
        path = "/path/{{evil}}"
        [[flow.step]]
        name = "url"
        url = "/url/{{evil}}"
        [[flow.step]]
        name = "query"
        path = "/query"
        query = { q = "{{evil}}" }
        [[flow.step]]
        name = "header"
        path = "/header"
        headers = { X-Good = "{{evil}}" }
        [[flow.step]]
        name = "cookie"
        path = "/cookie"
        cookies = { good = "{{evil}}" }
        [[flow.step]]
        name = "form"
        path = "/form"
        body = { form = { f = "{{evil}}" } }
        [[flow.step]]
        name = "json"
        path = "/json"
        body = { json = '{"j":"{{evil}}"}' }
    "#;
    let document = Run::scenario(SHORT, &server.target(), text).finish().expect_code(0).document();
    let asked = server.asked();
    let evil_ones = asked
        .iter()
        .filter(|asked| asked.line().starts_with("GET /evil") || asked.field("X-Evil").is_some());
    document.expect(evil_ones.count() == 0, "no request and no header of its own");
    let of = |place: &str| asked.iter().find(|asked| asked.line().contains(place));
    let query = of("/query").expect("it was sent").line();
    document.expect(query.contains("%0D%0A") && query.contains("%26a%3Db"), &query);
    let json: serde_json::Value =
        serde_json::from_slice(of("/json").expect("it was sent").body()).expect("JSON");
    document.expect(json["j"] == evil, "as it was");
    let form = String::from_utf8_lossy(of("/form").expect("it was sent").body()).into_owned();
    document.expect(form.starts_with("f=x%20y%0D%0A") && !form.contains('&'), &form);
    let flows = asked.iter().filter(|asked| asked.line() == "GET /first").count();
    document.expect(asked.len() == 8 * flows, "eight requests a flow, no more");
    document.expect(flow(&document, "f")["failed"] == 0, "all are answered");
}

#[test]
fn what_is_longer_than_it_may_be_is_not_captured() {
    let server = Recording::start(|asked| {
        let length = if asked.line() == "GET /long" { 17 } else { 16 };
        Answer::Bytes(answer(200, &[&format!("X-Id: {}", "x".repeat(length))], ""))
    });
    let text = "[load]\nusers = 2\nconnections = 2\n[[flow]]\nname = \"f\"\n\
        [[flow.step]]\nname = \"short\"\npath = \"/short\"\n\
        capture = { id = { header = \"X-Id\", max = 16 } }\n\
        [[flow.step]]\nname = \"long\"\npath = \"/long\"\n\
        capture = { id = { header = \"X-Id\", max = 16 } }\n\
        [[flow.step]]\nname = \"after\"\npath = \"/after/{{id}}\"\n";
    let document = Run::scenario(SHORT, &server.target(), text).finish().expect_code(0).document();
    document.expect_only(&["ok", "check_failed"]);
    document.expect(step(&document, "short")["errors"]["check_failed"].is_null(), "16 bytes");
    let reported = &step(&document, "long")["failures"][0]["what"];
    document.expect(*reported == "header X-Id is longer than 16 bytes", &reported.to_string());
    // What was kept before is not sent in its place.
    let lines: Vec<_> = server.asked().iter().map(Asked::line).collect();
    document.expect(!lines.iter().any(|line| line.starts_with("GET /after/x")), "not the old one");
}

#[test]
fn reconnections_within_tls_serve_their_first_request() {
    let server = Recording::good();
    let certificates = Arc::new(Certificates::make());
    let front = Front::before("127.0.0.1:0", server.address(), Manner::Proper, certificates);
    for path in ["/always", "/of/{{user}}"] {
        for more in ["", "--tls 1.2", "--engine monoio"] {
            let text = format!(
                "[load]\nusers = 3\nconnections = 2\n[[flow]]\nname = \"f\"\n[[flow.step]]\n\
                 path = \"{path}\"\n[[flow.step]]\npath = \"/b\"\n\
                 check = {{ equals = \"hello\" }}\n"
            );
            let args = format!("{SHORT} -k --requests-per-connection 3 {more}");
            let target = format!("https://{}", front.address());
            let document = Run::scenario(&args, &target, &text).finish().expect_code(0).document();
            document.expect_only(&["ok"]);
            document.expect(document.released() > 12, "over many connections");
        }
    }
}

#[test]
fn a_step_that_fails_names_the_causes_of_its_own_requests() {
    let server = Recording::start(|asked| {
        Answer::Last(match asked.line().as_str() {
            "GET /cut" => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok".to_vec(),
            "GET /odd" => b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n".to_vec(),
            _ => ok("hello"),
        })
    });
    let text = "[load]\nusers = 1\nconnections = 1\n[[flow]]\nname = \"f\"\n\
                [[flow.step]]\nname = \"good\"\npath = \"/\"\n\
                [[flow.step]]\nname = \"cut\"\npath = \"/cut\"\n\
                [[flow]]\nname = \"g\"\n[[flow.step]]\nname = \"odd\"\npath = \"/odd\"\n";
    let finished = Run::scenario("--warmup 0s -d 300ms", &server.target(), text).finish();
    let document = finished.expect_code(0).document();
    for (name, outcome, reported) in [
        ("cut", "reset", "2 of 9 bytes of its body arrived"),
        ("odd", "malformed", "header line 1: no colon: `no colon`"),
    ] {
        let causes = &step(&document, name)["causes"];
        let all = causes.as_array().map_or(0, Vec::len);
        document.expect(all == 1, &format!("{name}: {causes}"));
        document.expect(causes[0]["outcome"] == outcome, &causes.to_string());
        let cause = causes[0]["cause"].as_str().unwrap_or_default();
        document.expect(cause.contains(reported), cause);
        let count = step(&document, name)["errors"][outcome].as_u64();
        document.expect(causes[0]["count"].as_u64() == count, "all of them");
    }
    document.expect(step(&document, "good")["causes"].is_null(), "none");
}
