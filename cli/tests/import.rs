//! `uringbench import` on the command line: where it writes the scenario, and what it reports.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn import(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uringbench"));
    command.arg("import").args(words).current_dir(folder).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it speaks UTF-8")
}

fn check(folder: &Path, file: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uringbench"));
    let output = command.args(["scenario", "check", file]).current_dir(folder).output();
    let output = output.expect("the binary runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

const LOG: &str = "192.0.2.1 - - [21/Nov/2026:10:00:00 +0000] \"GET /a HTTP/1.1\" 200 1\nbad\n";

#[test]
fn a_scenario_goes_to_stdout_and_what_is_left_out_to_stderr() {
    let folder = tempfile::tempdir().unwrap();
    let output = import(folder.path(), &["curl", "curl -k http://127.0.0.1:1/a"]);
    assert!(output.status.success());
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(stdout.contains("target = \"http://127.0.0.1:1\"") && stdout.contains("path = \"/a\""));
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("uringbench: --insecure: left out"), "{stderr}");
    assert!(stdout.contains("# - --insecure: left out"), "{stdout}");
}

#[test]
fn commands_come_by_stdin_and_word_by_word() {
    let folder = tempfile::tempdir().unwrap();
    let words = import(folder.path(), &["curl", "--", "curl", "-H", "A: b c", "http://a/"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_uringbench"));
    let mut child = command
        .args(["import", "curl", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"curl -H 'A: b c' \\\n http://a/").unwrap();
    let by_stdin = child.wait_with_output().unwrap();
    assert!(text(&words.stdout).contains("headers = { A = \"b c\" }"), "{}", text(&words.stderr));
    assert_eq!(words.stdout, by_stdin.stdout);
}

#[test]
fn a_file_gets_what_belongs_to_it_beside_it_and_is_not_written_over() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("access.log"), LOG).unwrap();
    std::fs::create_dir(folder.path().join("out")).unwrap();
    let words = ["log", "access.log", "--target", "http://127.0.0.1:1"];
    let refused = import(folder.path(), &words);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("requests.csv is written beside the scenario: name"));
    let words = [words.as_slice(), &["-o", "out/replay.toml"]].concat();
    let written = import(folder.path(), &words);
    assert!(written.status.success(), "{}", text(&written.stderr));
    assert!(written.stdout.is_empty());
    assert!(text(&written.stderr).contains("line 2: left out"), "{}", text(&written.stderr));
    let rows = std::fs::read_to_string(folder.path().join("out/replay-requests.csv")).unwrap();
    assert_eq!(rows, "at,flow,url\n0.000000,GET,/a\n");
    check(folder.path(), "out/replay.toml");
    let again = import(folder.path(), &words);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("out/replay.toml exists: overwrite it with --force"));
    assert!(import(folder.path(), &[words.as_slice(), &["--force"]].concat()).status.success());
}

#[test]
fn files_that_the_input_names_are_found_from_the_scenario() {
    let folder = tempfile::tempdir().unwrap();
    for below in ["tests", "out"] {
        std::fs::create_dir(folder.path().join(below)).unwrap();
    }
    let hurl = "POST http://127.0.0.1:1/\nfile,body.bin;\n";
    std::fs::write(folder.path().join("tests/a.hurl"), hurl).unwrap();
    std::fs::write(folder.path().join("tests/body.bin"), "x").unwrap();
    for (to, expected) in [
        ("a.toml", "tests/body.bin"),
        ("tests/a.toml", "body.bin"),
        ("out/a.toml", "../tests/body.bin"),
    ] {
        let output = import(folder.path(), &["hurl", "tests/a.hurl", "-o", to]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let scenario = std::fs::read_to_string(folder.path().join(to)).unwrap();
        assert!(scenario.contains(&format!("file = \"{expected}\"")), "{scenario}");
        check(folder.path(), to);
    }
}

/// A server that records the requests of all its connections: method, address and body.
fn recorder() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
    let url = format!("http://{}", listener.local_addr().expect("a bound listener has an address"));
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().expect("descriptors are left"));
                while let Some(request) = take_down(&mut reader) {
                    let _ = sender.send(request);
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                    if (&stream).write_all(answer).is_err() {
                        break;
                    }
                }
            });
        }
    });
    (url, receiver)
}

fn take_down(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        let is_end = reader.read_line(&mut line).ok()? == 0;
        match line.trim_end() {
            "" if is_end => return None,
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let line = head.first()?.strip_suffix(" HTTP/1.1")?;
    Some(format!("{line} {}", STANDARD.encode(body)).trim_end().to_owned())
}

#[test]
fn an_archive_is_sent_as_the_browser_sent_it() {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("import/tests/recordings");
    let archive = recordings.join("chromium.har");
    let by_browser = std::fs::read_to_string(recordings.join("chromium.txt")).unwrap();
    let by_browser: Vec<&str> = by_browser.lines().collect();
    let folder = tempfile::tempdir().unwrap();
    let archive = archive.to_str().unwrap();
    let imported = import(folder.path(), &["har", archive, "--no-think", "-o", "shop.toml"]);
    assert!(imported.status.success(), "{}", text(&imported.stderr));
    let (url, requests) = recorder();
    let mut run = Command::new(env!("CARGO_BIN_EXE_uringbench"))
        .args(["-q", "-c", "1", "-d", "60s", "--warmup", "0s", "shop.toml", "--target", &url])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Waits until the first flow is complete, or no request arrives for long.
    let wait = Duration::from_secs(30);
    let sent: Vec<String> =
        std::iter::from_fn(|| requests.recv_timeout(wait).ok()).take(by_browser.len()).collect();
    run.kill().unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(sent, by_browser, "{}", text(&output.stderr));
}

#[test]
fn mistakes_are_one_line_and_exit_2() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.hurl"), "GET {{host}}/\n").unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["curl", "wget http://a"], "curl: `wget` is not curl"),
        (&["hurl", "a.hurl"], "a.hurl: line 1: the variable `host` is not defined"),
        (&["har", "no.har"], "no.har cannot be read"),
        (&["har", "a.hurl"], "not an HTTP archive"),
        (&["log", "a.hurl", "--speed", "fast"], "such as 2x"),
        (&["hurl", "a.hurl", "--variable", "x"], "name=value"),
        (&["curl"], "COMMAND"),
        (&["log", "a.hurl"], "line 1: left out, there is no request in it: GET {{host}}/"),
        (&["log", "a.hurl", "--log-format", "%h %t"], "has no request: write $request or %r"),
        (&["curl", "curl http://a/", "-o", "no/folder/a.toml"], "create its folder"),
    ];
    for (words, expected) in cases {
        let output = import(folder.path(), words);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{words:?}: {stderr}");
        assert!(stderr.contains(expected), "{words:?}: {stderr}");
    }
}
