//! Secrets that the target sends back: in no file, no page that is served, no export, nothing that
//! is sent to a monitoring system, and no result of a suite.

use std::fs;
use std::process::Command;

use crate::secrets::{BODY, HEADERS, MARK, QUERY, SHOP, command, marked, receiver};
use crate::serving::{Shown, reference};
use crate::support::nginx::free_port;
use crate::support::recording::{Answer, Asked, Recording, answer};
use crate::support::run::Run;

/// Fails, and sends back all that it got: in a field, in a place to go to, and in the body.
fn parrot(asked: &Asked) -> Answer {
    let whole = String::from_utf8_lossy(&asked.bytes).into_owned();
    let value = |name: &str| {
        let line = whole.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.to_owned()
    };
    let path = whole.split(' ').nth(1).unwrap_or_default();
    let fields = [
        format!("X-Was-{}", value("Authorization")),
        format!("X-Was-{}", value("Cookie")),
        format!("Location: {path}"),
    ];
    Answer::Bytes(answer(500, &fields.each_ref().map(String::as_str), &whole))
}

#[test]
fn a_target_that_sends_secrets_back_spreads_none() {
    let server = Recording::start(parrot);
    let (otlp, metrics) = receiver();
    let (prometheus, samples) = receiver();
    let url = format!("{}{QUERY}", server.target());
    let options = format!(
        "--name parrot -n 40 -c 2 -m POST --otlp {otlp} --prometheus-remote-write {prometheus}"
    );
    let mut run = Run::text(&options);
    for header in HEADERS {
        run = run.arg("-H").arg(header);
    }
    let first = run.arg("--body").arg(BODY).arg(&url).finish().expect_code(0);
    assert!(first.stdout.contains("500 × 40"), "{first}");
    let asked = server.asked();
    assert!(String::from_utf8_lossy(&asked[0].bytes).contains(MARK), "it has something to repeat");
    assert!(!first.stdout.contains(MARK) && !first.stderr.contains(MARK), "{first}");
    let mut second = Command::new(env!("CARGO_BIN_EXE_uringbench"));
    second.args(["--name", "parrot", "-n", "40", "-c", "2", "-m", "POST", "--body", BODY]);
    for header in HEADERS {
        second.args(["-H", header]);
    }
    let second = second.arg(&url).current_dir(first.folder()).output().expect("it starts");
    assert!(second.status.success());
    let mut made = String::new();
    for words in [
        "history list",
        "history show parrot",
        "history export --format csv",
        "history export --format jsonl",
        "history rebuild",
        "trend parrot",
    ] {
        made += &command(&first, words);
    }
    assert!(made.contains("parrot") && !made.contains(MARK), "{made}");
    let shown = Shown::of(&first.folder().join("results"));
    let list = shown.get("");
    let page = shown.get(reference(&list, "run/"));
    let chosen = shown.get(&reference(&list, "./?with=").replace("./", ""));
    let compared = shown.get(&reference(&chosen, "compare?").replace("&amp;", "&"));
    for shown in [&list, &page, &chosen] {
        assert!(shown.starts_with("HTTP/1.1 200") && !shown.contains(MARK), "{shown}");
    }
    // Whether or not both ran on the same CPU.
    assert!(compared.contains("parrot") && !compared.contains(MARK), "{compared}");
    assert_eq!(marked(first.folder()), Vec::<String>::new());
    for sent in [metrics, samples] {
        let sent = sent.lock().expect("nobody panics with it");
        assert!(sent.len() > 500, "{} bytes were sent", sent.len());
        assert!(!sent.windows(MARK.len()).any(|part| part == MARK.as_bytes()));
    }
}

/// Sends each request back; with a failure on `sys.argv[1]`.
const SERVER: &str = r#"
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = self.path.encode() + b"\n" + bytes(self.headers) + body
        self.send_response(500 if self.path.startswith(sys.argv[1]) else 200)
        self.send_header("X-Was", self.headers.get("Authorization", "nothing"))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_POST = do_GET
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

#[test]
fn a_suite_of_servers_that_send_secrets_back_spreads_none() {
    let folder = tempfile::tempdir().expect("room for a folder");
    let mut suite = "name = \"fake\"\n[run]\nwarmup = 0\nduration = \"1s\"\n\
                     connections = [2]\n"
        .to_owned();
    for (name, failing) in [("fine", "/nothing"), ("failing", "/form")] {
        let port = free_port("127.0.0.1:0").port();
        suite += &format!(
            "[[target]]\nname = \"{name}\"\nport = {port}\nhealth = \"/health\"\n\
             ready_within = \"10s\"\ncommand = \"exec python3 server.py {failing}\"\n"
        );
    }
    suite += "[[scenario]]\nfile = \"shop.toml\"\n";
    let scenario = format!("target = \"http://127.0.0.1:1\"\n{SHOP}");
    for (name, text) in [("suite.toml", &*suite), ("server.py", SERVER), ("shop.toml", &scenario)] {
        fs::write(folder.path().join(name), text).expect("the folder is ours");
    }
    let ended = Command::new(env!("CARGO_BIN_EXE_uringbench"))
        .args(["suite", "--runs", "1", "-o", "out", "suite.toml"])
        .current_dir(folder.path())
        .env("URINGBENCH_TEST_WORD", "S3cr3tOfEnvironment")
        .output()
        .expect("the binary under test starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = text(&ended.stdout) + &text(&ended.stderr);
    assert!(all.contains("fine") && all.contains("failing"), "{all}");
    assert!(!all.contains(MARK), "{all}");
    assert!(folder.path().join("out/final_report.md").exists(), "{all}");
    assert_eq!(marked(folder.path()), Vec::<String>::new());
}
