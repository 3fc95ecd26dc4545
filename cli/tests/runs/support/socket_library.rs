//! A WebSocket server of an independent library, Python's `websockets`, which echoes.
//!
//! A second port reports its counts, so that a test can compare uringbench's counts with them.

use std::io::Read;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::certificates::Leaf;
use super::program::Program;
use super::turn::skip;

/// Debian's interpreter; another Python may lack the library.
const PYTHON: &str = "/usr/bin/python3";

const SCRIPT: &str = r#"
import asyncio, ssl, sys
import websockets

seen = dict(connections=0, text=0, binary=0, bytes=0, normal=0, other=0)

async def echo(socket):
    seen["connections"] += 1
    try:
        async for message in socket:
            kind = "text" if isinstance(message, str) else "binary"
            seen[kind] += 1
            seen["bytes"] += len(message)
            await socket.send(message)
    except websockets.exceptions.ConnectionClosedError:
        pass
    seen["normal" if socket.close_code == 1000 else "other"] += 1

async def tell(reader, writer):
    writer.write(" ".join(str(count) for count in seen.values()).encode())
    writer.close()

async def main():
    tls = None
    if len(sys.argv) > 2:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(sys.argv[1], sys.argv[2])
    server = await websockets.serve(
        echo, "127.0.0.1", 0, ssl=tls, max_size=None, subprotocols=["chat"])
    teller = await asyncio.start_server(tell, "127.0.0.1", 0)
    ports = [s.sockets[0].getsockname()[1] for s in (server, teller)]
    print(*ports, flush=True)
    await asyncio.Future()

asyncio.run(main())
"#;

/// A running server; killed on drop.
pub(crate) struct SocketLibrary {
    _program: Program,
    _folder: TempDir,
    scheme: &'static str,
    port: u16,
    teller: u16,
}

/// Its counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) connections: u64,
    pub(crate) text: u64,
    pub(crate) binary: u64,
    pub(crate) bytes: u64,
    /// Connections that ended with a Close frame of code 1000.
    pub(crate) normal: u64,
    /// Connections that ended in another way.
    pub(crate) other: u64,
}

impl SocketLibrary {
    /// Starts one on a free port; `None`, with a message, if the library is not installed. With a
    /// certificate it uses TLS.
    pub(crate) fn start(test: &str, shown: Option<&Leaf>) -> Option<Self> {
        let there = Command::new(PYTHON).args(["-c", "import websockets"]).output();
        if !there.is_ok_and(|output| output.status.success()) {
            skip(test, "needs Python's websockets (apt-get install python3-websockets)");
            return None;
        }
        let folder = TempDir::new().expect("the machine has room for a folder");
        let script = folder.path().join("echo.py");
        std::fs::write(&script, SCRIPT).expect("the folder is ours");
        let path = |path: &Path| path.display().to_string();
        let mut words = vec![path(&script)];
        words.extend(shown.iter().flat_map(|leaf| [path(&leaf.certificate), path(&leaf.key)]));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let program = Program::start(Path::new(PYTHON), &words);
        let ports: Vec<u16> = program.said().split(' ').filter_map(|p| p.parse().ok()).collect();
        let [port, teller] = ports[..] else { panic!("the server said {:?}", program.said()) };
        let scheme = if shown.is_some() { "wss" } else { "ws" };
        Some(Self { _program: program, _folder: folder, scheme, port, teller })
    }

    /// The URL for uringbench.
    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}/echo", self.scheme, self.port)
    }

    /// Its counts once every connection has ended, or after a limit of time.
    pub(crate) fn seen(&self) -> Seen {
        let begun = Instant::now();
        loop {
            let seen = self.ask();
            let is_settled = seen.normal + seen.other == seen.connections;
            if is_settled || begun.elapsed() > Duration::from_secs(5) {
                return seen;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn ask(&self) -> Seen {
        let mut text = String::new();
        TcpStream::connect(("127.0.0.1", self.teller))
            .and_then(|mut stream| stream.read_to_string(&mut text))
            .expect("the server sends it");
        let counts: Vec<u64> = text.split(' ').filter_map(|count| count.parse().ok()).collect();
        let [connections, text, binary, bytes, normal, other] = counts[..] else {
            panic!("the server sent {text:?}")
        };
        Seen { connections, text, binary, bytes, normal, other }
    }
}
