//! A redis-server of the test's own: on a free port, storing nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::turn::skip;

/// Starting takes milliseconds; a busy machine may take long.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A server that ends with its owner.
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    password: Option<String>,
    _folder: TempDir,
}

impl RedisServer {
    /// A server with these further options; `None` if this machine has none.
    pub(crate) fn start(test: &str, options: &str) -> Option<Self> {
        let words: Vec<&str> = options.split_whitespace().collect();
        let password = words.iter().position(|word| *word == "--requirepass");
        let password = password.map(|at| words[at + 1].to_owned());
        // Another program may take the port between these two steps.
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
            let port = free.local_addr().expect("it is bound").port();
            drop(free);
            let folder = tempfile::tempdir().expect("room for a folder");
            let spawned = Command::new("redis-server")
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
                .args(["--appendonly", "no", "--dir"])
                .arg(folder.path())
                .args(&words)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn();
            let Ok(child) = spawned else {
                skip(test, "redis-server is missing: install the package of that name");
                return None;
            };
            let mut server = Self { child, port, password: password.clone(), _folder: folder };
            if server.is_ready() {
                return Some(server);
            }
        }
        panic!("redis-server does not start with {options}");
    }

    /// Waits until it answers. Returns whether it does.
    fn is_ready(&mut self) -> bool {
        let began = Instant::now();
        while began.elapsed() < READY_WITHIN {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                return false;
            }
            if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                let mut answer = [0; 1];
                let asked = stream.write_all(b"ECHO ready\r\n");
                if asked.is_ok() && stream.read_exact(&mut answer).is_ok() {
                    return true;
                }
            }
            thread::yield_now();
        }
        false
    }

    /// Its URL without a login: `redis://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its URL with this login.
    pub(crate) fn url_of(&self, login: &str) -> String {
        format!("redis://{login}@127.0.0.1:{}", self.port)
    }

    /// The reply to a command that has one line, or one string.
    pub(crate) fn ask(&self, command: &str) -> String {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let mut stream = BufReader::new(stream);
        if let Some(password) = &self.password {
            assert_eq!(Self::reply(&mut stream, &format!("AUTH {password}")), "+OK");
        }
        Self::reply(&mut stream, command)
    }

    fn reply(stream: &mut BufReader<TcpStream>, command: &str) -> String {
        stream.get_mut().write_all(format!("{command}\r\n").as_bytes()).expect("it reads");
        let mut line = String::new();
        stream.read_line(&mut line).expect("it answers");
        let line = line.trim_end().to_owned();
        let Some(length) = line.strip_prefix('$').and_then(|it| it.parse::<usize>().ok()) else {
            return line;
        };
        let mut text = vec![0; length + 2];
        stream.read_exact(&mut text).expect("it answers whole");
        String::from_utf8_lossy(&text).trim_end().to_owned()
    }

    /// How often it has processed a command, and how often it has refused one: its own figures.
    pub(crate) fn calls(&self, command: &str) -> (u64, u64) {
        let stats = self.ask("INFO commandstats");
        let begin = format!("cmdstat_{command}:");
        let line = stats.lines().find_map(|line| line.strip_prefix(&begin));
        let figure = |name: &str| {
            let fields = line.unwrap_or_default().split(',');
            let mut pairs = fields.filter_map(|field| field.split_once('='));
            pairs
                .find(|(key, _)| *key == name)
                .map_or(0, |(_, value)| value.parse().expect("a figure of the server"))
        };
        (figure("calls"), figure("rejected_calls"))
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
