//! Access logs of a real nginx: `uringbench import log` makes a scenario of each, and its run sends
//! the requests that the log recorded.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::nginx::{LOG_FORMAT, Nginx};
use crate::support::run::Run;

/// Methods and addresses as sent first, and the addresses as replayed: a log has some bytes
/// escaped, which are then percent-encoded.
const SENT: [(&str, &str, &str); 7] = [
    ("GET", "/small", "/small"),
    ("GET", "/small?q=a%20b%22c&d=[1]&d=[2]", "/small?q=a%20b%22c&d=[1]&d=[2]"),
    ("GET", "/small?quote=\"x\"", "/small?quote=%22x%22"),
    ("GET", "/no%2Fsuch/./file/", "/no%2Fsuch/./file/"),
    ("HEAD", "/100k", "/100k"),
    ("DELETE", "/small?id=7", "/small?id=7"),
    ("POST", "/small", "/small"),
];

/// Sends all of them, each on a connection of its own.
fn send_all(address: &str) {
    for (method, url, _) in SENT {
        let mut stream = TcpStream::connect(address).expect("nginx listens");
        let request = format!(
            "{method} {url} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             User-Agent: a \"b\" [c] \\\r\nReferer: http://a/?x=\"y\"\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("nginx reads");
        stream.read_to_end(&mut Vec::new()).expect("nginx answers and closes");
    }
}

/// The lines of the log once there are so many: nginx writes each after its answer.
fn lines_of(log: &Path, count: usize) -> Vec<String> {
    let latest = Instant::now() + Duration::from_secs(10);
    loop {
        let text = fs::read_to_string(log).expect("nginx has made it");
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.len() >= count || Instant::now() > latest {
            assert_eq!(lines.len(), count, "{text}");
            return lines;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_log_of_nginx_is_replayed_as_the_requests_that_it_recorded() {
    const TEST: &str = "a_log_of_nginx_is_replayed_as_the_requests_that_it_recorded";
    for (name, format) in
        [("combined", None), ("combined", Some("combined")), ("custom", Some(LOG_FORMAT))]
    {
        let folder = TempDir::new().expect("the machine has room for a folder");
        let [combined, custom] =
            ["combined", "custom"].map(|name| folder.path().join(name).display().to_string());
        let server = format!("access_log {combined} combined; access_log {custom} custom;");
        let Some(nginx) = Nginx::start_with(TEST, &server) else { return };
        let (log, custom) = (folder.path().join(name), folder.path().join("custom"));
        let url = nginx.url("");
        let target = url.trim_end_matches('/');
        send_all(target.trim_start_matches("http://"));
        lines_of(&custom, SENT.len());

        let import =
            Run::text(&format!("import log {} --target {target} -o a.toml", log.display()));
        let import = format
            .into_iter()
            .fold(import, |import, format| import.arg("--log-format").arg(format));
        let imported = import.finish().expect_code(0);
        let text = |name| fs::read_to_string(imported.file(name)).expect("it was written");
        let run = Run::json("-c 1 --warmup 0s a.toml").file("a.toml", &text("a.toml"));
        let run = run.file("a-requests.csv", &text("a-requests.csv"));
        run.finish().expect_code(0).document().expect_only(&["ok"]);

        let mut replayed = lines_of(&custom, 2 * SENT.len()).split_off(SENT.len());
        let mut expected = SENT.map(|(method, _, url)| format!("{method} {url}"));
        let request = |line: &String| line.splitn(3, ' ').nth(2).unwrap_or_default().to_owned();
        replayed = replayed.iter().map(request).collect();
        replayed.sort();
        expected.sort();
        assert_eq!(replayed, expected, "{name} {format:?}\n{imported}");
    }
}
