//! Real servers: started, waited for, and ended with all that they started.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use uringbench_machine::processes;

use super::*;

/// Listens after half of a second's work of another process, which stays.
const SLOW: &str = "sleep 1000 & python3 -c 'import http.server as h; \
                    h.ThreadingHTTPServer((\"127.0.0.1\", PORT), \
                    h.SimpleHTTPRequestHandler).serve_forever()'";

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn server(folder: &Path, command: &str) -> (ServerCommand, Probe) {
    let port = free_port();
    let command = ServerCommand {
        command: command.replace("PORT", &port.to_string()),
        folder: folder.to_path_buf(),
        cpus: [uringbench_machine::cpus::allowed().iter().next().unwrap_or(0)]
            .into_iter()
            .collect(),
        log: folder.join("target.log"),
        variables: Vec::new(),
        groups: Vec::new(),
    };
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    (
        command,
        Probe {
            peer: Peer::Tcp(address),
            ready: Ready::Answers("/".to_owned()),
            within: READY_WITHIN,
        },
    )
}

#[test]
fn a_server_is_ready_when_it_answers_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (command, probe) = server(folder.path(), SLOW);
    let running = command.start(&probe, &Control::new()).unwrap();
    assert!(probe.answers());
    let family = processes::descendants(&[running.pid()]);
    assert!(family.len() >= 3, "{family:?}");
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
    let cpus = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
    assert_eq!(cpus.trim(), command.cpus.to_string());
    drop(running);
    let alive = |pid: &u32| ProcessEntry::read(*pid).is_some_and(|entry| !entry.is_ended);
    // Those that are not ours to wait for end at once, and their new parent reaps them.
    while family.iter().any(alive) {
        thread::yield_now();
    }
    assert!(probe.connect().is_none());
}

#[test]
fn a_server_that_cannot_serve_is_named_with_its_output() {
    let folder = tempfile::tempdir().unwrap();
    let (command, probe) = server(folder.path(), "echo no database >&2; exit 3");
    let why = command.start(&probe, &Control::new()).unwrap_err().to_string();
    assert!(why.contains("ended before it answered"), "{why}");
    assert!(why.ends_with("its output ends with: no database"), "{why}");
}

#[test]
fn an_address_in_use_is_not_measured_by_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let (command, mut probe) = server(folder.path(), SLOW);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    probe.peer = Peer::Tcp(listener.local_addr().unwrap());
    let why = command.start(&probe, &Control::new()).unwrap_err().to_string();
    assert!(why.contains("is in use before"), "{why}");
}

#[test]
fn a_start_can_be_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let (command, probe) = server(folder.path(), "sleep 1000");
    let control = Control::new();
    control.interrupt();
    let why = command.start(&probe, &control).unwrap_err();
    assert!(matches!(why, ServerError::Interrupted(_)), "{why}");
}

#[test]
fn a_process_that_left_the_group_ends_with_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let (mut command, probe) = server(folder.path(), &format!("setsid sleep 4711 & {SLOW}"));
    command.variables =
        vec![("URINGBENCH_TEST_LEAVES".to_owned(), folder.path().display().to_string())];
    let running = command.start(&probe, &Control::new()).unwrap();
    let members = || {
        let all = processes::with_variable("URINGBENCH_TEST_LEAVES").into_iter();
        let ours = all.filter(|(_, value)| *value == folder.path().display().to_string());
        let entries = ours.filter_map(|(pid, _)| ProcessEntry::read(pid));
        entries.filter(|entry| !entry.is_ended).count()
    };
    // The command's shell, both sleeps, Python, and the watching process with its reader.
    assert!(members() >= 5, "{}", members());
    drop(running);
    while members() > 0 {
        thread::yield_now();
    }
}

#[test]
fn a_server_is_healthy_only_with_a_good_status() {
    let folder = tempfile::tempdir().unwrap();
    let (command, mut probe) = server(folder.path(), SLOW);
    let running = command.start(&probe, &Control::new()).unwrap();
    let listing = probe.fetch("/").unwrap();
    assert!(listing.contains("target.log"), "{listing}");
    assert_eq!(probe.fetch("/missing"), None);
    probe.ready = Ready::Succeeds("/".to_owned());
    assert!(probe.answers());
    probe.ready = Ready::Succeeds("/missing".to_owned());
    assert!(!probe.answers());
    probe.ready = Ready::Answers("/missing".to_owned());
    assert!(probe.answers());
    drop(running);
}

#[test]
fn names_tell_whether_their_owner_is_gone() {
    assert!(!has_gone(&own_name()));
    let (pid, start) =
        own_name().split_once('-').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    assert!(has_gone(&format!("{pid}-{}", start.parse::<u64>().unwrap() + 1)));
    assert!(has_gone("4194305-1-7"));
    assert!(!has_gone("somebody"));
}
