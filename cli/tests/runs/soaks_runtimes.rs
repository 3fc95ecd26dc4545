//! Short soaks of healthy servers under garbage collectors: their heaps grow, and none is a leak.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::soaks::read_back;
use crate::support::program::Program;
use crate::support::run::Run;
use crate::support::turn::skip;

/// Answers on a free port, prints its number, and makes 20 kB of garbage for each request.
const JAVA: &str = r#"
import com.sun.net.httpserver.*;
import java.net.*;
public class Server {
  public static void main(String[] words) throws Exception {
    HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 1024);
    server.createContext("/", exchange -> {
      byte[] garbage = new byte[20000];
      byte[] answer = ("ok " + garbage.length).getBytes();
      exchange.sendResponseHeaders(200, answer.length);
      exchange.getResponseBody().write(answer);
      exchange.close();
    });
    server.setExecutor(java.util.concurrent.Executors.newFixedThreadPool(4));
    server.start();
    System.out.println(server.getAddress().getPort());
  }
}
"#;

/// The same in JavaScript.
const NODE: &str = "const server = require('http').createServer((request, answer) => { \
                    const garbage = new Array(2000).fill(0).map((_, at) => 'x' + at); \
                    answer.end('ok ' + garbage.length) }); \
                    server.listen(0, '127.0.0.1', () => console.log(server.address().port))";

/// Answers on a free port, prints its number, and keeps 3 kB of each request.
const PYTHON: &str = "
import socket, threading
kept = []
def remember(request):
    kept.append(bytearray(request * 0 + 3000))
def talk(peer):
    # A buffer of its own for each request would touch the pages at the heap's end first.
    buffer = bytearray(65536)
    while request := peer.recv_into(buffer):
        remember(request)
        peer.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok')
listener = socket.create_server(('127.0.0.1', 0))
print(listener.getsockname()[1], flush=True)
while True: threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
";

fn is_there(program: &str) -> bool {
    let tried = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// The document of a soak of six seconds that must not end with LEAK, its folder's verdict, and
/// whether the resident part of a heap was read in it.
fn soaked(server: &Program) -> (serde_json::Value, serde_json::Value, bool) {
    let (pid, port) = (server.pid(), server.said());
    let words = format!(
        "soak --json -q -o out -c 2 -R 400 -d 6s --warmup 0s --timeline-hz 5 --profile {pid} \
         http://127.0.0.1:{port}/"
    );
    let finished = Run::text(&words).finish().expect_code(12);
    let document: serde_json::Value = serde_json::from_str(&finished.stdout).expect("JSON");
    let out = finished.folder().join("out");
    let timeline = std::fs::read_to_string(out.join("timeline.jsonl")).expect("its rows");
    let is_resident = timeline.contains("\"resident\":");
    (document["soak"].clone(), read_back(&out, 12), is_resident)
}

#[test]
fn a_healthy_jvm_is_no_leak_and_says_what_its_heap_needs() {
    let test = "a_healthy_jvm_is_no_leak_and_says_what_its_heap_needs";
    if !is_there("java") || !is_there("javac") {
        return skip(test, "no JDK (install default-jdk-headless)");
    }
    let folder = TempDir::new().expect("a folder");
    let source = folder.path().join("Server.java");
    std::fs::write(&source, JAVA).expect("space");
    let source = source.display().to_string();
    let words = ["-Xmx64m", "-XX:+UseSerialGC", &source];
    let server = Program::start(Path::new("java"), &words);
    let (soak, read, is_resident) = soaked(&server);
    assert_eq!(soak["runtimes"], serde_json::json!(["JVM"]), "{soak}");
    assert_ne!(soak["memory"]["verdict"], "leak", "{soak}");
    let heap = &soak["heaps"][0];
    assert_eq!((&heap["collector"], &heap["pid"]), (&"Serial".into(), &server.pid().into()));
    assert_ne!(heap["verdict"], "leak", "{soak}");
    // The rows that were written meanwhile have the same heap.
    assert_eq!(read["heaps"][0]["collector"], "Serial", "{read}");
    assert_ne!(read["memory"]["verdict"], "leak", "{read}");
    if !is_resident {
        return skip(test, "the heap's page map cannot be read (run as root)");
    }
    assert!(soak["beside_heaps"]["verdict"].is_string(), "{soak}");
}

#[test]
fn a_healthy_node_is_no_leak() {
    if !is_there("node") {
        return skip("a_healthy_node_is_no_leak", "no node (install nodejs)");
    }
    let server = Program::start(Path::new("node"), &["-e", NODE]);
    let (soak, read, _) = soaked(&server);
    assert_eq!(soak["runtimes"], serde_json::json!(["V8"]), "{soak}");
    for memory in [&soak["memory"], &read["memory"]] {
        assert_ne!(memory["verdict"], "leak", "{soak}");
    }
}

#[test]
fn a_leak_in_python_is_blamed_on_the_function_that_keeps() {
    let test = "a_leak_in_python_is_blamed_on_the_function_that_keeps";
    if let Err(why) = uringbench_profiler::capabilities::probe().system_wide {
        return skip(test, &why.to_string());
    }
    let is_known = "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))";
    if !Command::new("python3").args(["-c", is_known]).status().is_ok_and(|it| it.success()) {
        return skip(test, "no python3 of 3.11 to 3.13 (install python3)");
    }
    let folder = TempDir::new().expect("a folder");
    let source = folder.path().join("server.py");
    std::fs::write(&source, PYTHON).expect("space");
    let server = Program::start(Path::new("python3"), &[&source.display().to_string()]);
    let (pid, port) = (server.pid(), server.said());
    let words = format!(
        "soak --json -q -o out -c 4 -R 1k -d 8s --warmup 0s --timeline-hz 10 --profile {pid} \
         http://127.0.0.1:{port}/"
    );
    // A busy machine may serve too few requests for a verdict.
    let finished = Run::text(&words).finish().expect_one_of([10, 12]);
    let document = finished.document();
    let most = document.at("soak.leak_functions.0.function");
    document.expect(most == "remember (server.py)", "the function that keeps");
    let share = document.number("soak.leak_functions.0.share");
    document.expect(share > 0.5, "it has most of the pages");
    let svg = std::fs::read_to_string(finished.folder().join("out/leak.svg")).expect("a graph");
    document.expect(svg.contains("remember (server.py)"), "and stands in the flame graph");
}
