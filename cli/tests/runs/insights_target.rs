//! What stands out in a target's use of CPU and memory, provoked on real servers; and servers of
//! the same kind of which nothing is to be said.

use std::path::Path;

use crate::insights::{expect, insight, is_disturbed, run};
use crate::support::document::Document;
use crate::support::program::Program;
use crate::support::run::Run;
use crate::support::target::Target;

const PYTHON: &str = "/usr/bin/python3";

fn expect_none(document: &Document, kinds: &[&str]) {
    for kind in kinds {
        let said = insight(document, kind);
        document.expect(said.is_none(), &format!("nothing of {kind}: {said:?}"));
    }
}

/// A program in Python that prints its port.
fn python(text: &str, words: &[&str]) -> (Program, String) {
    let words = [&["-c", text], words].concat();
    let program = Program::start(Path::new(PYTHON), &words);
    let url = format!("http://127.0.0.1:{}/", program.said());
    (program, url)
}

#[test]
fn a_target_at_ease_has_no_insight() {
    let target = Target::start();
    let document = run(&format!("-R 200 -c 4 -d 2s --cost {}", target.url()));
    let of_target = [
        "target_saturated",
        "target_throttled",
        "one_worker",
        "unequal_workers",
        "swapping",
        "memory_growth",
        "redirects",
        "errors_alike",
        "falling_rate",
    ];
    expect_none(&document, &of_target);
}

#[test]
fn a_generator_that_is_the_limit_is_named() {
    let target = Target::start();
    // 60,000 random letters a request take more CPU time than there is at this rate.
    let flow = "[load]\nrate = 100000\nconnections = 16\nduration = \"2s\"\nwarmup = \"0s\"\n\
                [[flow]]\nname = \"f\"\n[[flow.step]]\nname = \"big\"\npath = \"/\"\n\
                method = \"POST\"\nbody = { text = \"{{string 60000}}\" }\n";
    let args = "--cores 1 --timeout 1s";
    let document = Run::scenario(args, target.url(), flow).finish().expect_code(0).document();
    if is_disturbed(&document) {
        // Other programs had its CPU: then they are named, and not the generator.
        return document.expect(document.text("verdict.validity") != "valid", "it says so");
    }
    expect(&document, "generator_limited", &["of its CPU", "generator_limited"]);
    expect_none(&document, &["target_saturated"]);
}

/// Two processes with a thread per connection; arguments are how many connections each takes.
/// Each request takes half a millisecond of CPU time.
const UNEQUAL: &str = "
import os, socket, sys, threading, time
def talk(peer, places):
    try:
        while peer.recv(65536):
            until = time.thread_time() + 0.0005
            while time.thread_time() < until: pass
            peer.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok')
    except ConnectionError: pass
    peer.close()
    places.release()
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
for count in sys.argv[1:]:
    if os.fork() == 0:
        places = threading.Semaphore(int(count))
        while places.acquire():
            peer = listener.accept()[0]
            threading.Thread(target=talk, args=(peer, places), daemon=True).start()
os.wait()
";

#[test]
fn workers_that_share_unequally_are_named() {
    let args = "-R 600 -c 8 -d 3s";
    let (_workers, url) = python(UNEQUAL, &["7", "1"]);
    let document = run(&format!("{args} {url}"));
    expect(&document, "unequal_workers", &["2 workers of python3", "the busiest used"]);
    let (_workers, url) = python(UNEQUAL, &["4", "4"]);
    expect_none(&run(&format!("{args} {url}")), &["unequal_workers", "one_worker"]);
}

/// Reads from a file that the kernel keeps in memory if the second argument says so.
const FROM_DISK: &str = "
import mmap, os, random, socket, sys, tempfile
size = 32 << 20
file = tempfile.TemporaryFile(dir=sys.argv[1])
file.write(bytes(size))
file.flush()
os.fsync(file.fileno())
pages = mmap.mmap(file.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ)
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
while True:
    peer = listener.accept()[0]
    while peer.recv(65536):
        if sys.argv[2] == 'cold':
            pages.madvise(mmap.MADV_DONTNEED)
            os.posix_fadvise(file.fileno(), 0, size, os.POSIX_FADV_DONTNEED)
        pages[random.randrange(size)]
        peer.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok')
";

#[test]
fn a_target_that_waits_for_pages_from_disk_is_named() {
    // On a disk, where the tests are built: a file in memory is never read back.
    let folder = env!("CARGO_TARGET_TMPDIR");
    let args = "-R 50 -c 1 -d 4s --cost";
    let (_server, url) = python(FROM_DISK, &[folder, "cold"]);
    let document = run(&format!("{args} {url}"));
    expect(&document, "swapping", &["waited for pages from disk", "times a second"]);
    let (_server, url) = python(FROM_DISK, &[folder, "warm"]);
    expect_none(&run(&format!("{args} {url}")), &["swapping"]);
}
