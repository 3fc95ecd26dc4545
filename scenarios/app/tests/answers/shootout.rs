//! The fourteen endpoints answer what is written of them.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::served::Served;

#[test]
fn pages_are_what_was_asked_for() {
    let served = Served::start();
    assert_eq!(served.get("/ping").text(), "pong");
    assert_eq!(served.get("/json").text(), r#"{"hello":"world"}"#);
    let large = served.get("/json-large");
    assert!(large.body.len() >= 1 << 20, "{} bytes", large.body.len());
    assert!(large.json().as_array().is_some_and(|records| records.len() > 1_000));
    let html = served.get("/html");
    assert!(html.head.contains("content-type: text/html"));
    assert_eq!(html.text().matches("<li>").count(), 50);
    assert!(html.text().contains("<li>Item &lt;50&gt;</li>"), "what is put in is escaped");
    assert_eq!(served.get("/path/17").json(), json!({ "id": 17 }));
    for (path, status) in [("/path/x", 400), ("/ws", 400), ("/db", 405), ("/nowhere", 404)] {
        let refused = served.get(path);
        assert_eq!((refused.status, refused.json()["error"].is_string()), (status, true), "{path}");
    }
    assert!(served.get("/db").head.contains("allow: post"), "{}", served.get("/db").head);
    assert!(served.get("/features/shop/orders").json()["error"].is_string());
    let file = served.get("/static/bench.bin");
    assert_eq!((file.status, file.body.len()), (200, 102_400));
}

#[test]
fn twenty_parameters_are_read() {
    let served = Served::start();
    let query: Vec<_> = (1..=20).map(|n| format!("p{n}=v%20{n}")).collect();
    let answer = served.get(&format!("/query?{}", query.join("&"))).json();
    assert_eq!(answer["count"], 20);
    assert_eq!(answer["parameters"]["p7"], "v 7");
    assert_eq!(served.get("/query").status, 422);
}

/// Over whichever database.
pub(crate) fn rows_are_read_and_written(served: &Served) {
    let row = served.get("/db/42").json();
    assert_eq!(
        row,
        json!({ "id": 42, "name": "user-42", "email": "user-42@example.com", "score": 598 })
    );
    assert_eq!(served.get("/db/1000").status, 200);
    assert_eq!(served.get("/db/1001").status, 404);
    let written = served.post("/db", &json!({ "name": "new", "score": 3 }));
    assert_eq!(written.status, 201);
    assert_eq!(written.json(), json!({ "id": 1, "name": "new", "email": "", "score": 3 }));
    assert_eq!(served.post("/db", &json!({ "name": "new" })).json()["id"], 2);
    assert_eq!(served.post("/db", &json!({ "score": 3 })).status, 422);
}

#[test]
fn uploads_are_counted_up_to_their_limit() {
    let served = Served::start();
    let upload = |length: usize| {
        let mut body = b"--cut\r\nContent-Disposition: form-data; name=\"file\"; \
            filename=\"a.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n"
            .to_vec();
        body.resize(body.len() + length, b'x');
        body.extend_from_slice(b"\r\n--cut--\r\n");
        served.send("POST", "/upload", "Content-Type: multipart/form-data; boundary=cut\r\n", &body)
    };
    let ten = upload(10 << 20).json();
    assert_eq!(ten["bytes"], 10 << 20);
    assert_eq!(ten["parts"][0]["file_name"], "a.bin");
    assert_eq!(upload(64 << 20).status, 200);
    let too_long = upload(65 << 20);
    assert_eq!((too_long.status, too_long.json()["error"].is_string()), (413, true));
    assert_eq!(served.post("/upload", &json!({})).status, 400);
    let part = b"--cut\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n";
    let mut many = part.repeat(1_001);
    many.extend_from_slice(b"--cut--\r\n");
    let boundary = "Content-Type: multipart/form-data; boundary=cut\r\n";
    assert_eq!(served.send("POST", "/upload", boundary, &many).status, 422);
}

#[test]
fn a_stream_comes_in_chunks() {
    let served = Served::start();
    let answer = served.get("/stream");
    assert!(answer.head.contains("transfer-encoding: chunked"), "{}", answer.head);
    assert_eq!(answer.body.len(), 100 * 10_240);
}

#[test]
fn events_come_one_by_one_at_their_pace() {
    let served = Served::start();
    let answer = served.get("/sse");
    assert!(answer.head.contains("content-type: text/event-stream"));
    let events: Vec<_> = answer.text().split_terminator("\n\n").collect();
    assert_eq!(events.len(), 50);
    for (index, event) in events.iter().enumerate() {
        let data = format!("data: {{\"number\":{},\"of\":50}}", index + 1);
        assert!(event.contains("event: tick") && event.contains(&data), "{event}");
    }
    let begun = Instant::now();
    assert_eq!(served.get("/sse?gap_ms=4").status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(49 * 4));
}

#[test]
fn a_websocket_echoes_json() {
    let served = Served::start();
    let mut stream = served.connect();
    stream
        .write_all(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .expect("the application reads");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a whole header");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("headers are text").to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    // The answer RFC 6455 section 1.3 gives for this key.
    assert!(head.contains("s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    let mut say = |kind: u8, text: &[u8], expected: &[u8]| {
        // The mask is all zeros, so the bytes are sent as they are.
        let mut frame = vec![0x80 | kind, 0x80 | text.len() as u8, 0, 0, 0, 0];
        frame.extend_from_slice(text);
        stream.write_all(&frame).expect("the application reads");
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).expect("an answer");
        assert_eq!(answer, expected);
    };
    for _ in 0..100 {
        say(1, br#"{"n": 1}"#, b"\x81\x08{\"n\": 1}");
    }
    say(2, b"\xff\x00", b"\x82\x02\xff\x00");
    // 1007: the text is not what it should be.
    say(1, b"{oops", b"\x88\x13\x03\xeftext must be JSON");
}

/// Over whichever database.
pub(crate) fn background_work_is_done_after_the_answer(served: &Served) {
    assert_eq!(served.get("/background").status, 202);
    let answer = served.post("/background", &json!({}));
    assert_eq!(answer.json(), json!({ "task": 2, "status": "accepted" }));
    let begun = Instant::now();
    let done = || served.get("/stats").json()["background"]["done"] == 2;
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(10), "both tasks are done");
        thread::sleep(Duration::from_millis(5));
    }
}
