//! What outlives a request: the database's file, and answers under way at the end.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use serde_json::json;
use uringbench_app::Database;

use crate::served::Served;

#[test]
fn a_file_keeps_what_was_written() {
    let folder = tempfile::tempdir().expect("room for a folder");
    let file = folder.path().join("app.db");
    let start = || Served::over(Database::File(file.clone()));
    let account = json!({ "name": "ada", "email": "a@b", "password": "password" });
    let served = start();
    assert_eq!(served.post("/api/v1/auth/register", &account).status, 201);
    served.stop().expect("it ends well");
    let served = start();
    assert_eq!(served.post("/api/v1/auth/register", &account).status, 409);
    assert_eq!(served.post("/api/v1/auth/login", &account).status, 200);
    assert_eq!(served.get("/db/1000").json()["name"], "user-1000");
}

#[test]
fn an_answer_under_way_is_finished_and_then_the_end_comes() {
    let served = Served::start();
    let mut stream = served.connect();
    stream.write_all(b"GET /sse?gap_ms=10 HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is read");
    let mut first = [0; 64];
    stream.read_exact(&mut first).expect("the answer begins");
    served.stop().expect("it ends well");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("the answer ends");
    assert!(rest.contains("\"number\":50"), "the last event came: {rest}");
}

#[test]
fn an_answer_without_end_does_not_hold_up_the_end() {
    let served = Served::start();
    let mut stream = served.connect();
    stream.write_all(b"GET /sse?gap_ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n").expect("it is read");
    let mut first = [0; 64];
    stream.read_exact(&mut first).expect("the answer begins");
    let begun = Instant::now();
    served.stop().expect("it ends well");
    assert!(begun.elapsed() < Duration::from_secs(10));
}
