//! README holds what it says: its commands run, its options, files and reason codes exist.
//!
//! Commands of `uringbench` are run as they stand, but against a target of our own and for a
//! shorter time. Commands of other programs are only known or not: running them is CI's.

#[path = "runs/support/mod.rs"]
#[expect(dead_code, reason = "what README shows needs few of the servers")]
mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use support::script::Behaviour;
use support::socket_server::SocketServer;
use support::tls_front::{Front, Manner};

/// Where README says the user's server is.
const USERS_URL: &str = "http://127.0.0.1:8080/";
/// The same over TLS, and one that speaks WebSocket.
const USERS_TLS_URL: &str = "https://127.0.0.1:8443/";
const USERS_SOCKET_URL: &str = "ws://127.0.0.1:8081/";
/// What it is called.
const USERS_SERVER: &str = "nginx";
/// Long enough for every worker to measure something.
const SHORT: &str = "300ms";
/// Commands that are not run here; CI or a person does.
const KNOWN: [&str; 4] = [
    "cargo test --workspace",
    "cargo build --release",
    "cargo run --release -p uringbench-peers --bin peers",
    "cargo run --release -p uringbench-peers --bin peers -- --smoke",
];
/// How a checkout without an installed binary runs it.
const BY_CARGO: &str = "cargo run --release -- ";

#[test]
fn every_command_works() {
    let target = Target::start(&["target"]);
    let app = Target::start(&["target", "--app", "--listen", "127.0.0.1:0"]);
    let secure = Front::start(&Behaviour::Good, Manner::Proper);
    let socket = SocketServer::echo();
    // One for all, as for somebody who follows it: some commands read what others left.
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    let mut run = 0;
    for command in commands(&readme()) {
        if KNOWN.contains(&command.as_str()) {
            continue;
        }
        let line = command
            .replace(BY_CARGO, "uringbench ")
            .replace(USERS_TLS_URL, &format!("https://{}/", secure.address()))
            .replace(USERS_SOCKET_URL, &socket.url())
            .replace(" scenarios/", &format!(" {}/scenarios/", root().display()));
        let line = if is_scenario(&line) { to_app(&line, &app) } else { line };
        assert!(line.starts_with("uringbench"), "say in KNOWN what becomes of `{command}`");
        let output = run_shortened(&line, &target, folder.path());
        let code = output.status.code();
        // Whether an objective is met depends on the machine; all else must succeed.
        let expected: &[i32] = match &line {
            line if line.contains("--slo") || is_scenario(line) => &[0, 11, 12, 13],
            // So short a soak can tell nothing.
            line if line.contains(" soak ") => &[12],
            _ => &[0],
        };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(code.is_some_and(|code| expected.contains(&code)), "{line}: {code:?}\n{stderr}");
        run += 1;
    }
    assert!(run >= 5, "README shows {run} commands of uringbench, too few to be its own");
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

#[test]
fn every_option_is_one_of_the_help() {
    let commands = [
        "--help",
        "target --help",
        "demo --help",
        "profile --help",
        "soak --help",
        "scenario show --help",
        "import curl --help",
        "import har --help",
        "import log --help",
        "import hurl --help",
    ];
    let help = commands.map(|words| {
        let output = uringbench(Path::new(".")).args(words.split(' ')).output();
        String::from_utf8(output.expect("the binary starts").stdout).expect("help is UTF-8")
    });
    let options = options(&help.concat());
    assert!(options.contains("--rate") && options.contains("-R"), "{options:?}");
    let text = readme();
    let spans = spans(&text).filter(|span| span.starts_with('-') || span.starts_with("uringbench"));
    let unknown: Vec<_> =
        spans.flat_map(self::options).filter(|option| !options.contains(option)).collect();
    assert!(unknown.is_empty(), "README names options that do not exist: {unknown:?}");
}

#[test]
fn every_link_and_every_file_leads_somewhere() {
    let text = readme();
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = spans(&text).filter(|span| {
        let is_file = [".rs", ".md", ".toml", "/"].iter().any(|end| span.ends_with(end));
        is_file && !span.starts_with('/') && !span.contains(['<', ' ', ':', '*'])
    });
    let gone: Vec<_> = links
        .filter(|link| !link.starts_with("http"))
        .chain(files)
        .filter(|place| match place.strip_prefix('#') {
            Some(anchor) => !anchors(&text).contains(anchor),
            None => !root().join(place).exists(),
        })
        .collect();
    assert!(gone.is_empty(), "README names what is not there: {gone:?}");
}

#[test]
fn every_reason_of_the_verdict_is_explained() {
    let folder = root().join("engine/core/src/validity");
    let files = std::fs::read_dir(folder.join("rules")).expect("the rules are there");
    let files = files.map(|file| file.expect("a folder can be listed").path());
    let rules: String = std::iter::once(folder.join("rules.rs"))
        .chain(files)
        .map(|file| std::fs::read_to_string(file).expect("rules are text"))
        .collect();
    let codes: BTreeSet<_> = ["suspect(\"", "invalid(\"", "stolen(\""]
        .iter()
        .flat_map(|call| rules.split(call).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(codes.len() > 20, "these are not all the rules: {codes:?}");
    let text = readme();
    let explained: BTreeSet<_> = spans(&text).collect();
    let unexplained: Vec<_> = codes.difference(&explained).collect();
    assert!(unexplained.is_empty(), "README does not explain {unexplained:?}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).expect("there is a README")
}

/// The lines of its `sh` blocks, continued ones joined, remarks left out.
fn commands(text: &str) -> Vec<String> {
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("\n```").next());
    let joined: Vec<_> = blocks.map(|block| block.replace("\\\n", " ")).collect();
    let lines = joined.iter().flat_map(|block| block.lines());
    let lines = lines.map(|line| line.split(" # ").next().unwrap_or(line).trim());
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// What stands between backquotes, code blocks left out.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|prose| prose.split('`').skip(1).step_by(2))
}

/// `-x` and `--long`, each with nothing that belongs to it.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| c.is_whitespace() || "[],|=(`)".contains(c));
    let is_option = |word: &&str| {
        let name = word.trim_start_matches('-');
        let dashes = word.len() - name.len();
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        is_name && (dashes == 2 || dashes == 1 && name.len() == 1)
    };
    words
        .map(|word| word.trim_end_matches([':', '.', ';']))
        .filter(is_option)
        .map(Into::into)
        .collect()
}

/// Headings as links name them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let letters = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().to_lowercase();
        kept.chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    headings.map(letters).collect()
}

fn shortened(line: &str, url: &str, pid: &str) -> String {
    let line = line.replace(USERS_URL, url);
    let mut words: Vec<_> = line.split(' ').collect();
    for at in 1..words.len() {
        match words[at - 1] {
            "-d" | "--duration" | "--warmup" => words[at] = SHORT,
            "-n" | "--requests" => words[at] = "1000",
            _ => {}
        }
        if words[at] == USERS_SERVER {
            words[at] = pid;
        }
    }
    if words[1..] == ["demo"] {
        words.extend(["-d", SHORT]);
    }
    words.join(" ")
}

/// Whether a command runs a scenario.
fn is_scenario(line: &str) -> bool {
    let has_file = line.split(' ').any(|word| word.ends_with(".toml"));
    has_file && ![" scenario ", " import "].iter().any(|command| line.contains(command))
}

/// Files name the user's server; the application here is elsewhere, and the time is short.
fn to_app(line: &str, app: &Target) -> String {
    let address = app.url.trim_start_matches("http://").trim_end_matches('/');
    let short = if line.contains(" -d ") { "" } else { "-d 1s " };
    let options = format!("uringbench --connect-to {address} --warmup 1s {short}");
    line.replacen("uringbench ", &options, 1)
}

/// In a shell, since quotes and pipes are part of what README shows, and in a folder of its own.
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

fn uringbench(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uringbench"));
    command.current_dir(folder);
    command
}

/// `uringbench target`, running; killed on drop.
struct Target {
    child: Child,
    url: String,
}

impl Target {
    fn start(words: &[&str]) -> Self {
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
