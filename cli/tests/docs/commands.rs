//! Runs the commands of a page as written, but against test servers and for a shorter time.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use crate::pages::{Page, root};
use crate::support::script::Behaviour;
use crate::support::socket_server::SocketServer;
use crate::support::tls_front::{Front, Manner};

/// The address of the user's server in the pages.
const USERS_URL: &str = "http://127.0.0.1:8080/";
/// The same over TLS, and one for WebSocket.
const USERS_TLS_URL: &str = "https://127.0.0.1:8443/";
const USERS_SOCKET_URL: &str = "ws://127.0.0.1:8081/";
/// The gRPC server of the user, which is the test application.
const USERS_CALLS_URL: &str = "http://127.0.0.1:50051";
/// The process name of the user's server in the pages.
const USERS_SERVER: &str = "nginx";
/// Long enough for every worker to measure something.
const SHORT: &str = "300ms";
/// The shortest search for a capacity.
const SHORT_SEARCH: &str = "10s";
/// The command that runs uringbench from a checkout.
const BY_CARGO: &str = "cargo run --release -- ";

/// Runs a page's commands in order, in one folder, since some read the results of others.
pub(crate) fn work(path: &str) {
    let page = Page::read(path);
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    // A block with a file name is that file.
    for (mark, block) in page.blocks() {
        if let Some(name) = mark.strip_prefix("toml ") {
            fs::write(folder.path().join(name), block).expect("the folder is ours");
        }
    }
    let commands = page.commands();
    assert!(!commands.is_empty(), "{path} has no commands");
    let target = Target::start(&["target"]);
    let app = commands.iter().any(|line| is_scenario(line) || line.contains(USERS_CALLS_URL));
    let app = app.then(|| Target::start(&["target", "--app", "--listen", "127.0.0.1:0"]));
    let secure = Front::start(&Behaviour::Good, Manner::Proper);
    let socket = SocketServer::echo();
    for command in commands {
        let line = command
            .replace(BY_CARGO, "uringbench ")
            .replace(USERS_TLS_URL, &format!("https://{}/", secure.address()))
            .replace(USERS_SOCKET_URL, &socket.url())
            .replace(" scenarios/", &format!(" {}/scenarios/", root().display()));
        let line = match &app {
            Some(app) if line.contains(USERS_CALLS_URL) => line.replace(USERS_CALLS_URL, &app.url),
            Some(app) if is_scenario(&line) => to_app(&line, app),
            _ => line,
        };
        assert!(line.starts_with("uringbench"), "mark the block of `{command}` as `sh skip`");
        succeeds(&line, &target, folder.path());
    }
}

fn succeeds(line: &str, target: &Target, folder: &Path) {
    let output = run_shortened(line, target, folder);
    let code = output.status.code();
    // Whether an objective is met depends on the machine; all other commands must succeed.
    let expected: &[i32] = match line {
        line if line.contains("--slo") || is_scenario(line) => &[0, 11, 12, 13],
        // A few short runs seldom decide.
        line if line.contains(" compare ") => &[0, 10, 12, 13],
        // Such a short soak cannot give a verdict.
        line if line.contains(" soak ") => &[12],
        _ => &[0],
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(code.is_some_and(|code| expected.contains(&code)), "{line}: {code:?}\n{stderr}");
}

#[test]
fn durations_are_shortened_and_the_target_replaced() {
    let line =
        shortened("uringbench -d 10s -n 1M --warmup 5s http://127.0.0.1:8080/x", "http://t/", "7");
    assert_eq!(line, "uringbench -d 300ms -n 1000 --warmup 300ms http://t/x");
    assert_eq!(shortened("uringbench demo", "http://t/", "7"), "uringbench demo -d 300ms");
    let line = shortened("uringbench profile -d 30s nginx", "http://t/", "7");
    assert_eq!(line, "uringbench profile -d 300ms 7");
}

fn shortened(line: &str, url: &str, pid: &str) -> String {
    let line = line.replace(USERS_URL, url);
    let mut words: Vec<_> = line.split(' ').collect();
    for at in 1..words.len() {
        match words[at - 1] {
            "-d" | "--duration" | "--warmup" => words[at] = SHORT,
            "-n" | "--requests" => words[at] = "1000",
            "--budget" => words[at] = SHORT_SEARCH,
            _ => {}
        }
        if words[at] == USERS_SERVER {
            words[at] = pid;
        }
    }
    if words[1..] == ["demo"] {
        words.extend(["-d", SHORT]);
    }
    if words[1] == "capacity" && !words.contains(&"--budget") {
        words.extend(["--budget", SHORT_SEARCH]);
    }
    words.join(" ")
}

/// Whether a command runs a scenario.
fn is_scenario(line: &str) -> bool {
    let has_file = line.split(' ').any(|word| word.ends_with(".toml"));
    has_file && ![" scenario ", " suite ", " import "].iter().any(|command| line.contains(command))
}

/// Replaces the user's server by the address of the test application, and shortens the time.
fn to_app(line: &str, app: &Target) -> String {
    let address = app.url.trim_start_matches("http://").trim_end_matches('/');
    let short = if line.contains(" -d ") { "" } else { "-d 1s " };
    let options = format!("uringbench --connect-to {address} --warmup 1s {short}");
    line.replacen("uringbench ", &options, 1)
}

/// Runs the line in a shell, since quotes and pipes are part of the page.
fn run_shortened(line: &str, target: &Target, folder: &Path) -> Output {
    let binaries = Path::new(env!("CARGO_BIN_EXE_uringbench")).parent().expect("it is in a folder");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(binaries.to_owned()).chain(std::env::split_paths(&path));
    Command::new("sh")
        .args(["-c", &shortened(line, &target.url, &target.child.id().to_string())])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(paths).expect("the paths came from such a list"))
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell")
}

/// The command of the binary, to run in `folder`.
pub(crate) fn uringbench(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uringbench"));
    command.current_dir(folder);
    command
}

/// A running `uringbench target`; killed on drop.
pub(crate) struct Target {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Target {
    pub(crate) fn start(words: &[&str]) -> Self {
        let child = uringbench(Path::new(".")).args(words).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("the binary starts");
        let stdout = child.stdout.take().expect("it was piped");
        let mut target = Self { child, url: String::new() };
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("the target speaks UTF-8");
        let url = line.trim().strip_prefix("listening on ").expect("it says where it listens");
        target.url = url.to_owned();
        target
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
