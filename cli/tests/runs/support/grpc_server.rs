//! A gRPC server of others: Python's grpcio. It reports its counts on a second port, so that a test
//! can compare uringbench's with them.

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
const SCRIPT: &str = include_str!("grpc_server.py");

/// The service that it has.
pub(crate) const PROTO: &str = "syntax = 'proto3'; package t; \
    message Words { string text = 1; uint32 status = 2; string password = 3; } \
    service S { rpc Echo(Words) returns (Words); rpc Fail(Words) returns (Words); \
    rpc Wait(Words) returns (Words); rpc Large(Words) returns (Words); \
    rpc Count(Words) returns (stream Words); rpc Stop(Words) returns (stream Words); \
    rpc Collect(stream Words) returns (Words); rpc Missing(Words) returns (Words); \
    rpc Both(stream Words) returns (stream Words); }";

/// A running server; killed on drop.
pub(crate) struct GrpcServer {
    _program: Program,
    _folder: TempDir,
    scheme: &'static str,
    port: u16,
    reporter: u16,
}

/// What it saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SeenCalls {
    pub(crate) calls: u64,
    pub(crate) messages: u64,
    /// Of messages.
    pub(crate) bytes: u64,
    /// Calls with `x-test: yes` and two bytes of `blob-bin`.
    pub(crate) tagged: u64,
    /// Calls with a deadline.
    pub(crate) deadlines: u64,
}

impl GrpcServer {
    /// Starts it, with TLS if a certificate is given; `None`, with a message, if it is not
    /// installed.
    pub(crate) fn start(test: &str, shown: Option<&Leaf>) -> Option<Self> {
        let there = Command::new(PYTHON).args(["-c", "import grpc"]).output();
        if !there.is_ok_and(|output| output.status.success()) {
            skip(test, "needs Python's grpcio (apt-get install python3-grpcio)");
            return None;
        }
        let folder = TempDir::new().expect("the machine has room for a folder");
        let script = folder.path().join("server.py");
        std::fs::write(&script, SCRIPT).expect("the folder is ours");
        let path = |path: &Path| path.display().to_string();
        let mut words = vec![path(&script)];
        words.extend(shown.iter().flat_map(|leaf| [path(&leaf.certificate), path(&leaf.key)]));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let program = Program::start(Path::new(PYTHON), &words);
        let ports: Vec<u16> = program.said().split(' ').filter_map(|p| p.parse().ok()).collect();
        let [port, reporter] = ports[..] else { panic!("it said {:?}", program.said()) };
        let scheme = if shown.is_some() { "https" } else { "http" };
        Some(Self { _program: program, _folder: folder, scheme, port, reporter })
    }

    /// The URL for uringbench.
    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// What it saw.
    pub(crate) fn seen(&self) -> SeenCalls {
        let mut text = String::new();
        TcpStream::connect(("127.0.0.1", self.reporter))
            .and_then(|mut stream| stream.read_to_string(&mut text))
            .expect("the server sends it");
        let counts: Vec<u64> = text.split(' ').filter_map(|count| count.parse().ok()).collect();
        let [calls, messages, bytes, tagged, deadlines] = counts[..] else {
            panic!("the server sent {text:?}")
        };
        SeenCalls { calls, messages, bytes, tagged, deadlines }
    }
}
