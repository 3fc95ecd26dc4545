//! Soaks of real servers with known behaviour: the verdict must cover all memory that they keep,
//! and must report a target that ends.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::program::Program;
use crate::support::run::Run;
use crate::support::target::Target;
use rustix::process::Signal;

/// Answers on a free port, prints its number, and keeps 4 KiB of each request in memory that a
/// child process maps as well.
const KEEPS_SHARED: &str = r"
import mmap, os, signal, socket, threading
area, at, lock = mmap.mmap(-1, 1 << 30), [0], threading.Lock()
end, held = os.pipe()
if not os.fork():
    os.close(held)
    os.read(end, 1)
    os._exit(0)
def talk(peer):
    while peer.recv(65536):
        with lock:
            area[at[0]:at[0] + 4096] = b'x' * 4096
            at[0] += 4096
        peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
while True: threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
";

#[test]
fn memory_that_is_kept_in_shared_mappings_is_a_leak() {
    let server = Program::start(Path::new("python3"), &["-c", KEEPS_SHARED]);
    let (pid, port) = (server.pid(), server.said());
    let words = format!(
        "soak --json -q -c 2 -R 400 -d 8s --warmup 0s --timeline-hz 10 --profile {pid} \
         http://127.0.0.1:{port}/"
    );
    let document = Run::text(&words).finish().expect_code(10).document();
    document.expect(document.text("soak.verdict") == "leak", "it keeps each request");
    let bytes = document.number("soak.bytes_per_request");
    document.expect((3_900.0..4_300.0).contains(&bytes), "4 KiB of each");
    document.expect(document.at("soak.growing") == &serde_json::json!(["shared"]), "the kind");
}

#[test]
fn a_target_that_ends_leaves_the_soak_without_a_verdict() {
    let target = Target::start();
    let words = format!(
        "soak --json -q -o out -c 2 -R 100 -d 6s --warmup 0s --timeline-hz 10 --profile {} {}",
        target.pid(),
        target.url()
    );
    let running = Run::text(&words).start();
    // Rows are written while the load runs.
    let timeline = running.folder().join("out/timeline.jsonl");
    let began = Instant::now();
    while std::fs::read_to_string(&timeline).map_or(0, |text| text.lines().count()) < 12 {
        assert!(began.elapsed() < Duration::from_secs(30), "no rows within 30 s");
        thread::sleep(Duration::from_millis(20));
    }
    target.signal(Signal::KILL);
    let document = running.finish().document();
    document.expect(document.text("soak.verdict") == "inconclusive", "it was not seen to the end");
    let ended = document.number("soak.target_ended_s");
    document.expect(ended > 0.0 && ended < 6.0, "when it ended");
    let reason = document.text("soak.reason");
    document.expect(reason.starts_with("the target ended "), "and says so");
}

/// The verdict on what a soak wrote into a folder.
pub(crate) fn read_back(folder: &Path, code: i32) -> serde_json::Value {
    let read = Run::text("soak --json --read").arg(folder.display().to_string()).finish();
    let read = read.expect_code(code);
    serde_json::from_str(&read.stdout).unwrap_or_else(|why| panic!("no JSON: {why}\n{read}"))
}

#[test]
fn a_soak_that_is_killed_leaves_all_that_its_verdict_rests_on() {
    let target = Target::start();
    let words = format!(
        "soak --json -q -o out -c 2 -R 100 -d 1h --warmup 0s --timeline-hz 10 --profile {} {}",
        target.pid(),
        target.url()
    );
    let running = Run::text(&words).start();
    let out = running.folder().join("out");
    let rows = || {
        let text = std::fs::read_to_string(out.join("timeline.jsonl")).unwrap_or_default();
        let rows = text.lines().skip(1).map(|row| serde_json::from_str(row).unwrap_or_default());
        rows.collect::<Vec<serde_json::Value>>()
    };
    let began = Instant::now();
    while rows().len() < 30 {
        assert!(began.elapsed() < Duration::from_secs(30), "no rows within 30 s");
        thread::sleep(Duration::from_millis(20));
    }
    running.signal(Signal::KILL);
    // The last row may be cut.
    let rows = rows();
    for row in &rows[..rows.len() - 1] {
        for key in ["rss_anon_bytes", "rss_shmem_bytes", "swap_bytes", "fds", "threads"] {
            assert!(row["target"][key].is_number(), "{key} in {row}");
        }
        assert!(row["soak"]["requests"].is_number(), "{row}");
    }
    let soak = read_back(&out, 12);
    assert_eq!(soak["verdict"], "inconclusive");
    let notes = soak["notes"].to_string();
    assert!(notes.contains("3600 s were planned"), "{notes}");
}
