//! HTTP/2 servers of others: Python's `h2`, strict about the client and faulty on demand, and
//! Node's.
//!
//! Python's reports its counts on a second port, so that a test can compare uringbench's with them.

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::certificates::Leaf;
use super::program::Program;
use super::turn::skip;

/// Debian's interpreter; another Python may lack the library.
const PYTHON: &str = "/usr/bin/python3";
const SCRIPT: &str = include_str!("http2_server.py");

/// A server of Node's, which answers `/echo` with the length of the request's body.
const NODE: &str = r#"
const http2 = require('http2'), fs = require('fs');
const [certificate, key] = process.argv.slice(2);
const server = certificate
  ? http2.createSecureServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) })
  : http2.createServer();
server.on('stream', (stream, headers) => {
  let length = 0;
  stream.on('data', (part) => { length += part.length; });
  stream.on('end', () => {
    const status = length === Number(headers['content-length'] ?? 0) ? 200 : 400;
    stream.respond({ ':status': status, 'content-type': 'text/plain' });
    stream.end(String(length));
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"#;

/// A running server; killed on drop.
pub(crate) struct Http2Server {
    _program: Program,
    _folder: TempDir,
    scheme: &'static str,
    port: u16,
    reporter: Option<u16>,
}

/// The counts of Python's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) connections: u64,
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    /// Streams beyond the last one of its GOAWAY.
    pub(crate) unprocessed: u64,
    pub(crate) cancelled: u64,
    /// Of request bodies.
    pub(crate) bytes: u64,
}

impl Http2Server {
    /// Starts Python's with this fault, or `good`; `None`, with a message, if it is not installed.
    pub(crate) fn python(test: &str, mode: &str, shown: Option<&Leaf>) -> Option<Self> {
        let there = Command::new(PYTHON).args(["-c", "import h2"]).output();
        if !there.is_ok_and(|output| output.status.success()) {
            skip(test, "needs Python's h2 (apt-get install python3-h2)");
            return None;
        }
        Some(Self::start(PYTHON, ("server.py", SCRIPT), &[mode], shown))
    }

    /// Starts Node's; `None`, with a message, if Node is not installed.
    pub(crate) fn node(test: &str, shown: Option<&Leaf>) -> Option<Self> {
        if Command::new("node").arg("--version").output().is_err() {
            skip(test, "needs Node (apt-get install nodejs)");
            return None;
        }
        Some(Self::start("node", ("server.js", NODE), &[], shown))
    }

    fn start(
        interpreter: &str,
        (file, text): (&str, &str),
        words: &[&str],
        shown: Option<&Leaf>,
    ) -> Self {
        let folder = TempDir::new().expect("the machine has room for a folder");
        let script = folder.path().join(file);
        std::fs::write(&script, text).expect("the folder is ours");
        let path = |path: &Path| path.display().to_string();
        let mut all = vec![path(&script)];
        all.extend(words.iter().map(|word| (*word).to_owned()));
        all.extend(shown.iter().flat_map(|leaf| [path(&leaf.certificate), path(&leaf.key)]));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let program = Program::start(Path::new(interpreter), &all);
        let ports: Vec<u16> = program.said().split(' ').filter_map(|p| p.parse().ok()).collect();
        let [port, ref rest @ ..] = ports[..] else { panic!("it said {:?}", program.said()) };
        let reporter = rest.first().copied();
        let scheme = if shown.is_some() { "https" } else { "http" };
        Self { _program: program, _folder: folder, scheme, port, reporter }
    }

    /// The URL for uringbench.
    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}/echo", self.scheme, self.port)
    }

    /// The counts, which must not include a violation of the protocol by uringbench.
    pub(crate) fn seen(&self) -> Seen {
        let mut text = String::new();
        let reporter = self.reporter.expect("Python's reports");
        TcpStream::connect(("127.0.0.1", reporter))
            .and_then(|mut stream| stream.read_to_string(&mut text))
            .expect("the server sends it");
        let line = text.lines().next().unwrap_or_default();
        let counts: Vec<u64> = line.split(' ').filter_map(|count| count.parse().ok()).collect();
        let [connections, answered, violations, refused, unprocessed, cancelled, bytes] =
            counts[..]
        else {
            panic!("the server sent {text:?}")
        };
        assert_eq!(violations, 0, "uringbench broke the protocol: {text}");
        Seen { connections, answered, refused, unprocessed, cancelled, bytes }
    }
}
