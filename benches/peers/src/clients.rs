//! The load generators compared: where they are found, and the command line that gives each the
//! same load.
//!
//! The module `answers` reads their output; the module `rounds` runs them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::scenarios;

/// A load generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// The tool of this repository.
    Uringbench,
    /// The bare ring loop of this crate: no parsing, no recording.
    Floor,
    /// wrk 4, the usual reference (epoll, C).
    Wrk,
    /// h2load of nghttp2 (libev, C++); pipelines over HTTP/1.1.
    H2load,
    /// oha (tokio, Rust).
    Oha,
    /// gcannon (io_uring, C); pipelines.
    Gcannon,
    /// wrk2: wrk at a constant rate.
    Wrk2,
    /// Python's websockets over asyncio, by the script beside this file.
    Websockets,
    /// Locust with its fast client (gevent), by the script beside this file.
    Locust,
}

/// The same load for every client.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// `HOST:PORT` of its server, if it differs from the server of the other loads.
    pub(crate) server: Option<String>,
    /// Whether the connections carry TLS. No client checks the certificate.
    pub(crate) is_tls: bool,
    /// Whether they carry HTTP/2 (uringbench, floor in the clear, h2load).
    pub(crate) is_http2: bool,
    /// Path of the target, with its leading slash.
    pub(crate) path: String,
    /// The request to send.
    pub(crate) request: Request,
    /// Connections at a time.
    pub(crate) connections: u32,
    /// Requests in flight on each connection.
    pub(crate) pipeline: u32,
    /// When the load ends.
    pub(crate) end: End,
    /// Requests per second of an open loop; `None` for a closed loop.
    pub(crate) rate: Option<u64>,
    /// uringbench's `--wait`; `None` for its default.
    pub(crate) wait: Option<&'static str>,
    /// How the floor probe receives responses.
    pub(crate) floor_receive: &'static str,
    /// The engine that uringbench uses.
    pub(crate) engine: Engine,
}

/// A request, and whether its connection is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// A GET; the connection is kept.
    Get,
    /// A GET after which the server closes the connection (uringbench, wrk).
    GetAndClose,
    /// A POST with a body of this many bytes (uringbench, floor).
    Upload(u64),
    /// A WebSocket message of this many bytes that the server echoes (uringbench, websockets).
    Message(usize),
    /// The same request as `Get`, written as a scenario (uringbench).
    Step,
    /// A flow of four steps with data, captures and checks (uringbench, Locust).
    Flow,
}

/// An engine of uringbench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The default engine.
    Ring,
    /// The monoio runtime.
    Monoio,
    /// The monoio runtime, forced to use epoll instead of io_uring.
    MonoioEpoll,
    /// The tokio-uring runtime.
    TokioUring,
}

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// After this many seconds.
    Seconds(u32),
    /// After this many requests (uringbench only).
    Requests(u64),
}

/// Where one run of a client takes place.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// `HOST:PORT` of the target.
    pub(crate) address: String,
    /// The CPU that the client is pinned to.
    pub(crate) cpu: usize,
    /// A folder for this run only, for clients that store results.
    pub(crate) out: PathBuf,
}

const CLOSE: &str = "Connection: close";

/// The script that `python3 -c` runs as [`Client::Websockets`].
const WEBSOCKETS: &str = include_str!("websockets.py");

/// wrk2 calibrates its timer for 10 s before it records anything.
const WRK2_SECONDS_MIN: u32 = 20;

impl Client {
    /// Every client, in the order of the tables.
    pub(crate) const ALL: [Self; 9] = [
        Self::Uringbench,
        Self::Floor,
        Self::Wrk,
        Self::H2load,
        Self::Oha,
        Self::Gcannon,
        Self::Wrk2,
        Self::Websockets,
        Self::Locust,
    ];

    /// Its name in tables.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Uringbench => "uringbench",
            Self::Floor => "floor",
            Self::Wrk => "wrk",
            Self::H2load => "h2load",
            Self::Oha => "oha",
            Self::Gcannon => "gcannon",
            Self::Wrk2 => "wrk2",
            Self::Websockets => "websockets",
            Self::Locust => "locust",
        }
    }

    /// The longest time in seconds for which the client applies `load`, without start and end.
    pub(crate) const fn seconds_expected(self, load: &Load) -> u32 {
        match (self, load.end) {
            (Self::Wrk2, End::Seconds(seconds)) if seconds < WRK2_SECONDS_MIN => WRK2_SECONDS_MIN,
            (_, End::Seconds(seconds)) => seconds,
            (_, End::Requests(_)) => 600,
        }
    }

    /// The command line that applies `load`.
    pub(crate) fn command(self, program: &Path, load: &Load, place: &Place) -> Command {
        let url = format!("{}://{}{}", load.scheme(), place.address, load.path);
        let connections = load.connections.to_string();
        let seconds = self.seconds_expected(load);
        let mut command = Command::new(program);
        let command_ref = match self {
            Self::Uringbench => return uringbench(command, load, place, &url),
            Self::Floor => command
                .args(["--addr", &place.address, "--path", &load.path])
                .args(["--connections", &connections, "--seconds", &seconds.to_string()])
                .args(["--cpu", &place.cpu.to_string(), "--receive", load.floor_receive])
                .args(["--pipeline", &load.pipeline.to_string()])
                .args(if load.is_http2 { &["--protocol", "h2"][..] } else { &[] })
                .args(load.floor_upload()),
            Self::Wrk => command
                .args(["-t1", "-c", &connections, "-d", &format!("{seconds}s")])
                .args(if load.request == Request::GetAndClose { &["-H", CLOSE][..] } else { &[] })
                .args(["--latency", &url]),
            Self::H2load => command
                .args(if load.is_http2 { &[][..] } else { &["--h1"] })
                .args(["-t1", "-c", &connections, "-D", &seconds.to_string()])
                .args(["-m", &load.pipeline.to_string(), &url]),
            Self::Oha => command
                .args(["--no-tui", "-w", "-c", &connections, "-z", &format!("{seconds}s")])
                .arg(&url),
            Self::Gcannon => command
                .args([&url, "-t", "1", "-c", &connections, "-d", &format!("{seconds}s")])
                .args(["-p", &load.pipeline.to_string(), "--json"]),
            Self::Wrk2 => command
                .args(["-t1", "-c", &connections, "-d", &format!("{seconds}s")])
                .args(["-R", &load.rate.unwrap_or_default().to_string()])
                .args(["--latency", &url]),
            Self::Locust => command
                .current_dir(scenarios::beside(place))
                .args(["--headless", "--only-summary", "--json", "-f", "locustfile.py"])
                // Start all users at once, so that no ramp is within the measured seconds.
                .args(["-u", &connections, "-r", &connections, "-t", &format!("{seconds}s")])
                .args(["--host", &format!("http://{}", place.address)]),
            Self::Websockets => command
                .args(["-c", WEBSOCKETS, &url, &connections, &seconds.to_string()])
                .arg(load.message().unwrap_or_default()),
        };
        // gcannon writes a history under HOME.
        command_ref.env("HOME", &place.out);
        command
    }
}

impl Load {
    const fn scheme(&self) -> &'static str {
        match (self.request, self.is_tls) {
            (Request::Message(_), _) => "ws",
            (_, true) => "https",
            (_, false) => "http",
        }
    }

    /// The message as a command-line argument.
    fn message(&self) -> Option<String> {
        match self.request {
            Request::Message(bytes) => Some("x".repeat(bytes)),
            _ => None,
        }
    }

    fn floor_upload(&self) -> Vec<String> {
        match self.request {
            Request::Upload(bytes) => vec!["--upload".to_owned(), bytes.to_string()],
            _ => Vec::new(),
        }
    }
}

fn uringbench(mut command: Command, load: &Load, place: &Place, url: &str) -> Command {
    command
        .args(["--json", "-q", "--warmup", "0s"])
        // The list form names CPUs; a bare number would be a count of CPUs.
        .args(["--cores", &format!("{cpu}-{cpu}", cpu = place.cpu)])
        .args(["-c", &load.connections.to_string()])
        .arg("--out")
        .arg(&place.out);
    match load.end {
        End::Seconds(seconds) => command.args(["-d", &format!("{seconds}s")]),
        End::Requests(requests) => command.args(["-n", &requests.to_string()]),
    };
    if let Some(rate) = load.rate {
        command.args(["-R", &rate.to_string(), "--arrivals", "constant"]);
    }
    if let Some(wait) = load.wait {
        command.args(["--wait", wait]);
    }
    if load.pipeline > 1 {
        command.args(["-p", &load.pipeline.to_string()]);
    }
    if let Request::Step | Request::Flow = load.request {
        command.arg(scenarios::file(load.request, place));
        return command;
    }
    match load.request {
        Request::Get | Request::Step | Request::Flow => &mut command,
        Request::GetAndClose => command.args(["-H", CLOSE]),
        Request::Upload(bytes) => command.args(["-m", "POST", "--body-size", &bytes.to_string()]),
        Request::Message(_) => command.args(["--body", &load.message().unwrap_or_default()]),
    };
    if load.is_tls {
        command.arg("-k");
    }
    if load.is_http2 {
        command.arg("--http2");
    }
    match load.engine {
        Engine::Ring => &mut command,
        Engine::Monoio => command.args(["--engine", "monoio"]),
        Engine::MonoioEpoll => {
            command.args(["--engine", "monoio"]).env("MONOIO_FORCE_LEGACY_DRIVER", "1")
        }
        Engine::TokioUring => command.args(["--engine", "tokio-uring"]),
    };
    command.arg(url);
    command
}

/// The clients found on this machine.
#[derive(Debug)]
pub(crate) struct Programs {
    found: Vec<(Client, PathBuf)>,
    /// nginx, the server of the cases that the built-in target cannot serve.
    pub(crate) nginx: Option<PathBuf>,
}

impl Programs {
    /// Takes our own programs as given, and finds the others in `PEERS_<NAME>` or else in `PATH`.
    pub(crate) fn find(uringbench: PathBuf, floor: PathBuf) -> Self {
        let mut found = vec![(Client::Uringbench, uringbench), (Client::Floor, floor)];
        for client in &Client::ALL[found.len()..] {
            let variable = format!("PEERS_{}", client.name().to_uppercase());
            let path = env::var_os(variable).map(PathBuf::from);
            let usual = || match client {
                Client::Websockets => python_with_websockets(),
                _ => in_path(client.name(), env::var_os("PATH")?),
            };
            if let Some(path) = path.or_else(usual) {
                found.push((*client, path));
            }
        }
        // Debian installs nginx in a folder that is only in root's `PATH`.
        let folders = env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
        let nginx = env::var_os("PEERS_NGINX").map(PathBuf::from);
        Self { found, nginx: nginx.or_else(|| in_path("nginx", folders.into())) }
    }

    /// The path of a client, or `None` if it was not found.
    pub(crate) fn path(&self, client: Client) -> Option<&Path> {
        self.found.iter().find(|(name, _)| *name == client).map(|(_, path)| path.as_path())
    }

    /// The names of the clients that were not found, and of nginx if it was not found.
    pub(crate) fn absent(&self) -> Vec<&'static str> {
        let absent = Client::ALL.iter().filter(|client| self.path(**client).is_none());
        absent.map(|client| client.name()).chain(self.nginx.is_none().then_some("nginx")).collect()
    }
}

fn in_path(name: &str, path: std::ffi::OsString) -> Option<PathBuf> {
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The interpreter of the distribution, which has the module installed; another interpreter would
/// not find it.
fn python_with_websockets() -> Option<PathBuf> {
    let python = PathBuf::from("/usr/bin/python3");
    let has_module = Command::new(&python)
        .args(["-c", "import websockets"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    has_module.then_some(python)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(client: Client, load: &Load) -> String {
        let place =
            Place { address: "127.0.0.1:80".into(), cpu: 1, out: PathBuf::from("/tmp/out") };
        let command = client.command(Path::new("x"), load, &place);
        let args: Vec<_> = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
        args.join(" ")
    }

    fn load() -> Load {
        Load {
            server: None,
            is_tls: false,
            is_http2: false,
            path: "/bytes/16384".into(),
            request: Request::Get,
            connections: 64,
            pipeline: 16,
            end: End::Seconds(4),
            rate: None,
            wait: None,
            floor_receive: "trunc",
            engine: Engine::Ring,
        }
    }

    #[test]
    fn every_client_is_asked_for_the_same_closed_loop() {
        let url = "http://127.0.0.1:80/bytes/16384";
        let mut load = load();
        assert_eq!(
            line(Client::Uringbench, &load),
            format!("--json -q --warmup 0s --cores 1-1 -c 64 --out /tmp/out -d 4s -p 16 {url}")
        );
        assert_eq!(
            line(Client::Floor, &load),
            "--addr 127.0.0.1:80 --path /bytes/16384 --connections 64 --seconds 4 --cpu 1 \
             --receive trunc --pipeline 16"
        );
        assert_eq!(line(Client::H2load, &load), format!("--h1 -t1 -c 64 -D 4 -m 16 {url}"));
        assert_eq!(line(Client::Gcannon, &load), format!("{url} -t 1 -c 64 -d 4s -p 16 --json"));
        load.pipeline = 1;
        assert_eq!(line(Client::Wrk, &load), format!("-t1 -c 64 -d 4s --latency {url}"));
        assert_eq!(line(Client::Oha, &load), format!("--no-tui -w -c 64 -z 4s {url}"));
    }

    #[test]
    fn http_2_is_asked_of_those_that_speak_it() {
        let load = Load { is_http2: true, pipeline: 10, path: "/".into(), ..load() };
        let ours = line(Client::Uringbench, &load);
        assert!(ours.ends_with("-p 10 --http2 http://127.0.0.1:80/"), "{ours}");
        let theirs = line(Client::H2load, &load);
        assert_eq!(theirs, "-t1 -c 64 -D 4 -m 10 http://127.0.0.1:80/");
        let floor = line(Client::Floor, &load);
        assert!(floor.ends_with("--pipeline 10 --protocol h2"), "{floor}");
    }

    #[test]
    fn an_open_loop_names_its_rate_and_wait() {
        let mut load = load();
        (load.rate, load.wait) = (Some(50_000), Some("spin"));
        let ours = line(Client::Uringbench, &load);
        assert!(ours.contains("-R 50000 --arrivals constant --wait spin"), "{ours}");
        assert_eq!(
            line(Client::Wrk2, &load),
            "-t1 -c 64 -d 20s -R 50000 --latency http://127.0.0.1:80/bytes/16384"
        );
    }

    #[test]
    fn both_sides_of_a_protocol_are_asked_for_the_same() {
        let mut load = Load { path: "/".into(), is_tls: true, pipeline: 1, ..load() };
        load.request = Request::GetAndClose;
        let ours = line(Client::Uringbench, &load);
        assert!(ours.ends_with("-H Connection: close -k https://127.0.0.1:80/"), "{ours}");
        assert_eq!(
            line(Client::Wrk, &load),
            "-t1 -c 64 -d 4s -H Connection: close --latency https://127.0.0.1:80/"
        );
        (load.request, load.is_tls) = (Request::Upload(9), false);
        let ours = line(Client::Uringbench, &load);
        assert!(ours.ends_with("-m POST --body-size 9 http://127.0.0.1:80/"), "{ours}");
        let floor = line(Client::Floor, &load);
        assert!(floor.ends_with("--pipeline 1 --upload 9"), "{floor}");
        load.request = Request::Message(3);
        let ours = line(Client::Uringbench, &load);
        assert!(ours.ends_with("--body xxx ws://127.0.0.1:80/"), "{ours}");
        let python = line(Client::Websockets, &load);
        assert!(python.ends_with("ws://127.0.0.1:80/ 64 4 xxx"), "{python}");
    }

    #[test]
    fn an_engine_is_asked_for_by_name() {
        for (engine, words) in [
            (Engine::Monoio, "--engine monoio http"),
            (Engine::MonoioEpoll, "--engine monoio http"),
            (Engine::TokioUring, "--engine tokio-uring http"),
        ] {
            let ours = line(Client::Uringbench, &Load { engine, ..load() });
            assert!(ours.contains(words), "{ours}");
        }
    }

    #[test]
    fn a_number_of_requests_replaces_the_duration() {
        let mut load = load();
        load.end = End::Requests(1_000_000);
        let ours = line(Client::Uringbench, &load);
        assert!(ours.contains("-n 1000000") && !ours.contains("-d "), "{ours}");
    }

    #[test]
    fn a_client_is_found_in_the_folders_of_path_only() {
        let path = || std::ffi::OsString::from("/nonexistent:/bin:/usr/bin");
        assert!(in_path("sh", path()).is_some());
        assert_eq!(in_path("no-such-load-generator", path()), None);
    }
}
