//! The load generators compared: where they are found and how each is asked for the same load.
//!
//! What their output means is decided in the answers module; running them is left to the rounds.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A load generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// The tool of this repository.
    Uringbench,
    /// The bare ring loop beside this file: no parsing, no recording.
    Floor,
    /// wrk 4, the usual yardstick (epoll, C).
    Wrk,
    /// h2load of nghttp2, in HTTP/1.1 mode (libev, C++); pipelines.
    H2load,
    /// oha (tokio, Rust).
    Oha,
    /// gcannon (io_uring, C); pipelines.
    Gcannon,
    /// wrk2: wrk at a constant rate.
    Wrk2,
}

/// The same load for every client.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Path of the target, with its leading slash.
    pub(crate) path: String,
    /// Keep-alive connections.
    pub(crate) connections: u32,
    /// Requests in flight per connection.
    pub(crate) pipeline: u32,
    /// When it ends.
    pub(crate) end: End,
    /// Open loop, or closed when absent.
    pub(crate) pace: Option<Pace>,
    /// How the floor takes the responses.
    pub(crate) floor_receive: &'static str,
    /// What carries uringbench's.
    pub(crate) engine: Engine,
}

/// An engine of uringbench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Its own, which it takes unless told otherwise.
    Ring,
    /// The monoio runtime.
    Monoio,
    /// The same, made to leave io_uring alone.
    MonoioEpoll,
    /// The tokio-uring runtime.
    TokioUring,
}

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// After so many seconds.
    Seconds(u32),
    /// After so many requests (uringbench alone).
    Requests(u64),
}

/// A constant rate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Requests per second.
    pub(crate) rate: u64,
    /// uringbench's `--wait`.
    pub(crate) wait: &'static str,
}

/// Where one run of a client goes.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// `HOST:PORT` of the target.
    pub(crate) address: String,
    /// The CPU the client is held to.
    pub(crate) cpu: usize,
    /// A folder of this run's own, for clients that store results.
    pub(crate) out: PathBuf,
}

/// wrk2 measures its own timer for 10 s before it records anything.
const WRK2_SECONDS_MIN: u32 = 20;

impl Client {
    /// Every client, in the order of the tables.
    pub(crate) const ALL: [Self; 7] = [
        Self::Uringbench,
        Self::Floor,
        Self::Wrk,
        Self::H2load,
        Self::Oha,
        Self::Gcannon,
        Self::Wrk2,
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
        }
    }

    /// How long it takes to apply `load` at most, in seconds, start and end aside.
    pub(crate) const fn seconds_expected(self, load: &Load) -> u32 {
        match (self, load.end) {
            (Self::Wrk2, End::Seconds(seconds)) if seconds < WRK2_SECONDS_MIN => WRK2_SECONDS_MIN,
            (_, End::Seconds(seconds)) => seconds,
            (_, End::Requests(_)) => 600,
        }
    }

    /// The command line that applies `load`.
    pub(crate) fn command(self, program: &Path, load: &Load, place: &Place) -> Command {
        let url = format!("http://{}{}", place.address, load.path);
        let connections = load.connections.to_string();
        let seconds = self.seconds_expected(load);
        let mut command = Command::new(program);
        let command_ref = match self {
            Self::Uringbench => return uringbench(command, load, place, &url),
            Self::Floor => command
                .args(["--addr", &place.address, "--path", &load.path])
                .args(["--connections", &connections, "--seconds", &seconds.to_string()])
                .args(["--cpu", &place.cpu.to_string(), "--receive", load.floor_receive])
                .args(["--pipeline", &load.pipeline.to_string()]),
            Self::Wrk => command
                .args(["-t1", "-c", &connections, "-d", &format!("{seconds}s")])
                .args(["--latency", &url]),
            Self::H2load => command
                .args(["--h1", "-t1", "-c", &connections, "-D", &seconds.to_string()])
                .args(["-m", &load.pipeline.to_string(), &url]),
            Self::Oha => command
                .args(["--no-tui", "-w", "-c", &connections, "-z", &format!("{seconds}s")])
                .arg(&url),
            Self::Gcannon => command
                .args([&url, "-t", "1", "-c", &connections, "-d", &format!("{seconds}s")])
                .args(["-p", &load.pipeline.to_string(), "--json"]),
            Self::Wrk2 => command
                .args(["-t1", "-c", &connections, "-d", &format!("{seconds}s")])
                .args(["-R", &load.pace.map_or(0, |pace| pace.rate).to_string()])
                .args(["--latency", &url]),
        };
        // gcannon keeps a history under HOME.
        command_ref.env("HOME", &place.out);
        command
    }
}

fn uringbench(mut command: Command, load: &Load, place: &Place, url: &str) -> Command {
    command
        .args(["--json", "-q", "--warmup", "0s"])
        // The list form names CPUs; a bare number would count them.
        .args(["--cores", &format!("{cpu}-{cpu}", cpu = place.cpu)])
        .args(["-c", &load.connections.to_string()])
        .args(["-p", &load.pipeline.to_string()])
        .arg("--out")
        .arg(&place.out);
    match load.end {
        End::Seconds(seconds) => command.args(["-d", &format!("{seconds}s")]),
        End::Requests(requests) => command.args(["-n", &requests.to_string()]),
    };
    if let Some(pace) = load.pace {
        command.args(["-R", &pace.rate.to_string(), "--arrivals", "constant"]);
        command.args(["--wait", pace.wait]);
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

/// The clients present on this machine, and those that are not.
#[derive(Debug)]
pub(crate) struct Programs {
    found: Vec<(Client, PathBuf)>,
}

impl Programs {
    /// Our own programs as given; the others from `PEERS_<NAME>` or else from `PATH`.
    pub(crate) fn find(uringbench: PathBuf, floor: PathBuf) -> Self {
        let mut found = vec![(Client::Uringbench, uringbench), (Client::Floor, floor)];
        for client in &Client::ALL[found.len()..] {
            let variable = format!("PEERS_{}", client.name().to_uppercase());
            let path = env::var_os(variable).map(PathBuf::from);
            if let Some(path) = path.or_else(|| in_path(client.name(), env::var_os("PATH")?)) {
                found.push((*client, path));
            }
        }
        Self { found }
    }

    /// Where a client is, if it is there.
    pub(crate) fn path(&self, client: Client) -> Option<&Path> {
        self.found.iter().find(|(name, _)| *name == client).map(|(_, path)| path.as_path())
    }

    /// The names of the absent clients.
    pub(crate) fn absent(&self) -> Vec<&'static str> {
        let absent = Client::ALL.iter().filter(|client| self.path(**client).is_none());
        absent.map(|client| client.name()).collect()
    }
}

fn in_path(name: &str, path: std::ffi::OsString) -> Option<PathBuf> {
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
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
            path: "/bytes/16384".into(),
            connections: 64,
            pipeline: 16,
            end: End::Seconds(4),
            pace: None,
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
            format!("--json -q --warmup 0s --cores 1-1 -c 64 -p 16 --out /tmp/out -d 4s {url}")
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
    fn an_open_loop_names_its_rate_and_wait() {
        let mut load = load();
        load.pace = Some(Pace { rate: 50_000, wait: "spin" });
        let ours = line(Client::Uringbench, &load);
        assert!(ours.contains("-R 50000 --arrivals constant --wait spin"), "{ours}");
        assert_eq!(
            line(Client::Wrk2, &load),
            "-t1 -c 64 -d 20s -R 50000 --latency http://127.0.0.1:80/bytes/16384"
        );
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
