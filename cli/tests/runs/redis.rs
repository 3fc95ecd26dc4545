//! Runs against a real redis-server: every command counted as the server counts it, errors by
//! their word, logins, and a server that is killed.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use crate::support::redis_server::RedisServer;
use crate::support::run::{Finished, Run};

fn run(options: &str, url: &str, command: &str) -> Finished {
    Run::json(&format!("--warmup 0s {options} {url}")).arg(command).finish()
}

#[test]
fn counts_are_those_of_the_server_to_the_last_command() {
    let Some(server) = RedisServer::start("redis counts", "") else { return };
    let set = "SET k:{{int 0 99 width=12}} {{string 100}}";
    let set = run("-c 3 -p 16 -n 5000", &server.url(), set);
    let document = set.expect_code(0).document();
    assert_eq!((document.released(), document.outcome("ok")), (5_000, 5_000));
    assert_eq!(server.calls("set"), (5_000, 0));
    assert_eq!(server.ask("STRLEN k:000000000007"), ":100");
    assert_eq!(server.ask("DBSIZE"), ":100");
    // Half of the keys exist.
    let key = "GET k:{{int 0 199 width=12}}";
    for (options, protocol) in [("-p 7", "RESP2"), ("-p 7 --resp3", "RESP3"), ("-R 5k", "RESP2")] {
        let before = server.calls("get").0;
        let url = server.url();
        let get = run(&format!("-c 2 -n 4000 {options}"), &url, key);
        let document = get.expect_code(0).document();
        assert_eq!(document.text("plan.protocol"), protocol);
        let (hits, misses) = (document.count("counts.hits"), document.count("counts.misses"));
        assert_eq!((document.outcome("ok"), hits + misses), (4_000, 4_000));
        // Twelve standard deviations of 4,000 draws of one half.
        assert!(hits.abs_diff(2_000) < 380, "{hits} hits");
        assert_eq!(server.calls("get").0 - before, 4_000);
    }
    // Another database has none of the keys, and large values are discarded as they come.
    let other = run("-c 2 -n 100", &format!("{}/3", server.url()), "GET k:000000000007");
    assert_eq!(other.expect_code(0).document().count("counts.misses"), 100);
    let large = run("-c 1 -n 1", &server.url(), "SET large {{string 65536}}").expect_code(0);
    assert_eq!(large.document().outcome("ok"), 1);
    let document = run("-c 2 -p 3 -n 300", &server.url(), "GET large").expect_code(0).document();
    assert_eq!(document.count("counts.hits"), 300);
    // And `+OK` to the opening of each connection.
    let replies = 300 * (65_536 + "$65536\r\n\r\n".len() as u64);
    assert_eq!(document.count("bytes.received"), replies + 2 * "+OK\r\n".len() as u64);
}

#[test]
fn errors_are_counted_by_their_word() {
    let Some(server) = RedisServer::start("redis errors", "--maxmemory 1") else { return };
    assert_eq!(server.ask("CONFIG SET maxmemory 0"), "+OK");
    assert_eq!(server.ask("SET text x"), "+OK");
    let wrong = run("-c 2 -p 4 -n 400", &server.url(), "LPUSH text x");
    let document = wrong.expect_code(0).document();
    assert_eq!(
        (document.outcome("status"), document.count("counts.by_code.WRONGTYPE")),
        (400, 400)
    );
    let cause = document.text("counts.causes.0.cause");
    assert!(cause.starts_with("Redis WRONGTYPE: Operation against a key"), "{cause}");
    assert_eq!(server.calls("lpush"), (400, 0), "it processed them, and they failed");
    assert_eq!(server.ask("CONFIG SET maxmemory 1"), "+OK");
    let full = run("-c 2 -n 100", &server.url(), "SET k x").expect_code(0).document();
    assert_eq!((full.outcome("status"), full.count("counts.by_code.OOM")), (100, 100));
    assert_eq!(server.calls("set"), (1, 100), "it refused them");
    let text = Run::text("-c 1 -n 10").arg(server.url()).arg("NOSUCH").finish();
    let text = text.expect_code(0);
    assert!(text.stdout.contains("\nanswers   ERR × 10\n"), "{text}");
}

#[test]
fn logins_are_sent_and_their_refusal_explained() {
    let users = "--requirepass S3cr3tOfRedis --user bench on >S3cr3tOfBench ~* +@all";
    let Some(server) = RedisServer::start("redis logins", users) else { return };
    for (login, code, part) in [
        (":S3cr3tOfRedis", 0, ""),
        ("bench:S3cr3tOfBench", 0, ""),
        (":S3cr3tNot", 1, "check the user and the password in the URL"),
        ("nobody:S3cr3tOfRedis", 1, "WRONGPASS"),
    ] {
        for version in ["", "--resp3"] {
            let url = server.url_of(login);
            let finished = run(&format!("-c 2 -n 50 {version}"), &url, "PING").expect_code(code);
            assert!(finished.stderr.contains(part), "{finished}");
            let all = format!("{}{}", finished.stdout, finished.stderr);
            assert!(!all.contains("S3cr3t"), "{all}");
            assert_eq!(files_with("S3cr3t", &finished), "", "{login}");
        }
    }
    let without = run("-c 1 -n 5", &server.url(), "PING").expect_code(1);
    assert!(without.stderr.contains("redis://:PASSWORD@HOST"), "{without}");
    let beyond = run("-c 1 -n 5", &format!("{}/99", server.url_of(":S3cr3tOfRedis")), "PING");
    assert!(beyond.expect_code(1).stderr.contains("SELECT 99"));
}

/// Names of files below the folder of a run with this text in them.
fn files_with(text: &str, run: &Finished) -> String {
    let found = Command::new("grep").args(["-rl", text]).arg(run.folder()).output();
    String::from_utf8_lossy(&found.expect("grep starts").stdout).into_owned()
}

#[test]
fn a_run_is_repeated_with_its_password_given_again() {
    let Some(server) = RedisServer::start("redis again", "--requirepass pw") else { return };
    let url = server.url_of(":pw");
    let first = Run::json("--warmup 0s -c 1 -n 20 -o first --resp3 --seed 7")
        .arg(url)
        .arg("SET k:{{int 0 9999 width=6}} {{string 8}}")
        .finish()
        .expect_code(0);
    let again = |options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_uringbench"));
        let command =
            command.current_dir(first.folder()).args(["--again", "first", "-o", "second"]);
        let output = command.args(options).output().expect("the binary under test starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, why) = again(&[]);
    assert!(code == Some(2) && why.contains("--variable password=…"), "{why}");
    let keys = server.ask("DBSIZE");
    let (code, why) = again(&["--variable", "password=pw"]);
    assert_eq!(code, Some(0), "{why}");
    assert_eq!(server.ask("DBSIZE"), keys, "the same keys again");
    assert_eq!(server.calls("set"), (40, 0));
}

#[test]
fn tests_of_redis_benchmark_are_one_run_each() {
    let Some(server) = RedisServer::start("redis tests", "") else { return };
    let tests = "ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,lrange,mset";
    let finished = Run::text(&format!("--test {tests} -r 100 --data-size 5 -c 2 -p 4 -n 40"))
        .arg(server.url())
        .finish()
        .expect_code(0);
    for command in tests.split(',') {
        assert_eq!(server.calls(command), (40, 0), "{command}\n{finished}");
    }
    let value = (0..100).map(|key| server.ask(&format!("STRLEN key:{key:012}")));
    assert!(value.into_iter().any(|length| length == ":5"), "values have their size");
}

#[test]
fn a_server_that_is_killed_costs_the_commands_in_flight() {
    let Some(mut server) = RedisServer::start("redis killed", "") else { return };
    let running = Run::json("--warmup 0s -c 4 -p 16 -d 4s --timeout 1s")
        .arg(server.url())
        .arg("INCR n")
        .start();
    let is_under_way = || {
        std::thread::sleep(std::time::Duration::from_millis(1));
        server.calls("incr").0 >= 1_000
    };
    assert!((0..10_000).any(|_| is_under_way()), "no command arrives");
    server.kill();
    let document = running.finish().expect_one_of([0, 1]).document();
    let ended: u64 =
        crate::support::document::OUTCOMES.iter().map(|key| document.outcome(key)).sum();
    assert_eq!(ended, document.released());
    assert!(document.outcome("ok") >= 1_000);
    assert!(document.outcome("connect_failed") > 0);
    assert_eq!(document.outcome("malformed"), 0);
}

#[test]
fn what_is_no_redis_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let finished = run("-c 1 -n 5", &format!("redis://127.0.0.1:{port}"), "PING").expect_code(1);
    assert!(finished.stderr.contains("does not speak Redis"), "{finished}");
}
