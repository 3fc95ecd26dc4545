//! Secrets of requests are in no file of a result, whatever is made of it, unless they are kept.
//!
//! Every secret contains one mark, and the search is over the bytes of every file and stream.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::support::nginx::free_port;
use crate::support::recording::{Answer, Recording, answer, ok};
use crate::support::run::{Finished, Run};
use crate::support::turn::Turn;

/// Part of every secret.
const MARK: &str = "S3cr3t";
/// A URL with secrets in its query.
const QUERY: &str = "/search?q=x&access_token=S3cr3tOfUrl&sort_key=name&sig=S3cr3tOfSignature";
const BODY: &str = r#"{"user":"me","password":"S3cr3tOfBody","otp":"S3cr3tOfPin","author":"A"}"#;
const HEADERS: [&str; 5] = [
    "Authorization: Bearer S3cr3tOfHeader",
    "Proxy-Authorization: Basic S3cr3tOfProxy",
    "Cookie: sid=S3cr3tOfCookie",
    "X-Api-Key: S3cr3tOfKey",
    "Referer: http://h/?token=S3cr3tOfReferer",
];

const SHOP: &str = r#"
[load]
users = 2
connections = 2
[[flow]]
name = "log in"
[[flow.step]]
method = "POST"
path = "/login"
query = { token = "S3cr3tOfStep" }
headers = { Authorization = "Bearer S3cr3tOfHeader", X-Env = "{{env URINGBENCH_TEST_WORD}}" }
body = { json = '{"user":"me","password":"S3cr3tOfBody"}' }
[[flow.step]]
name = "form"
method = "POST"
path = "/form"
body = { form = { name = "me", password = "S3cr3tOfForm" } }
"#;

/// Files in which the mark stands, of those below a folder.
fn marked(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is ours").flatten() {
            let path = entry.path();
            if path.to_string_lossy().contains(MARK) {
                found.push(path.display().to_string());
            }
            match path.is_dir() {
                true => folders.push(path),
                // The input of the test itself.
                false if entry.file_name() == "shop.toml" => {}
                false => {
                    let bytes = std::fs::read(&path).expect("a file just found can be read");
                    if bytes.windows(MARK.len()).any(|part| part == MARK.as_bytes()) {
                        found.push(path.display().to_string());
                    }
                }
            }
        }
    }
    found
}

/// Another command in the folder of a run.
fn command(run: &Finished, args: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_uringbench"))
        .args(args.split(' '))
        .current_dir(run.folder())
        .env_remove("GITHUB_ACTIONS")
        .output()
        .expect("the binary under test starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = text(&output.stdout) + &text(&output.stderr);
    // A comparison of two short runs may decide nothing, or find them invalid.
    let code = output.status.code().expect("no signal ended it");
    assert!([0, 10, 12, 13].contains(&code), "{args}: {code}: {all}");
    all
}

/// A receiver that accepts everything and keeps it.
fn receiver() -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let kept = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&kept);
    let accept = move |mut stream: TcpStream| {
        let mut part = [0; 65_536];
        while let Ok(read) = stream.read(&mut part) {
            if read == 0 {
                return;
            }
            to.lock().expect("nobody panics with it").extend_from_slice(&part[..read]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    };
    std::thread::spawn(move || listener.incoming().flatten().for_each(accept));
    (url, kept)
}

/// All that can be made of two runs that were stored in `one` and `two`.
fn make_everything(run: &Finished) -> String {
    let mut all = String::new();
    for format in [
        "text",
        "markdown",
        "json",
        "junit",
        "github",
        "csv",
        "bmf",
        "github-benchmark",
        "prometheus",
        "benchfmt",
        "hgrm",
    ] {
        all += &command(run, &format!("report one --format {format}"));
    }
    all += &command(run, "report one -o one.html");
    all += &command(run, "report one two -o two.html");
    all += &command(run, "compare one two");
    all += &command(run, "compare one two --json");
    all
}

#[test]
fn no_file_of_a_run_and_of_what_is_made_of_it_has_a_secret() {
    let server = Recording::good();
    let (otlp, sent) = receiver();
    let (remote, written) = receiver();
    let url = format!("{}{QUERY}", server.target());
    let mut run = Run::text(&format!(
        "-n 40 -c 2 -m POST -o one --otlp {otlp} --prometheus-remote-write {remote}/api/v1/write"
    ));
    for header in HEADERS {
        run = run.arg("-H").arg(header);
    }
    let first = run.arg("--body").arg(BODY).arg(&url).finish().expect_code(0);
    let asked = server.asked();
    let asked = String::from_utf8_lossy(&asked[0].bytes);
    for part in ["S3cr3tOfUrl", "S3cr3tOfHeader", "S3cr3tOfBody", "S3cr3tOfCookie"] {
        assert!(asked.contains(part), "the server gets {part}: {asked}");
    }
    for part in [&first.stdout, &first.stderr] {
        assert!(!part.contains(MARK), "{first}");
    }
    // Repeated with its secrets given again, in the folder of the first.
    let stored = first.folder().join("one/plan.json");
    let plan = std::fs::read_to_string(stored).expect("it is stored");
    assert!(plan.contains("sort_key=name") && plan.contains("author"), "{plan}");
    let mut again = Command::new(env!("CARGO_BIN_EXE_uringbench"));
    again.args(["--again", "one", "-o", "two"]).current_dir(first.folder());
    let refused = again.output().expect("the binary under test starts");
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    for part in ["Authorization", "Cookie", "access_token=", "password=", "otp=", "sig="] {
        assert!(why.contains(part), "{part} is missing: {why}");
    }
    for header in &HEADERS[..4] {
        again.args(["-H", header]);
    }
    for variable in [
        "access_token=S3cr3tOfUrl",
        "sig=S3cr3tOfSignature",
        "token=S3cr3tOfReferer",
        "password=S3cr3tOfBody",
        "otp=S3cr3tOfPin",
    ] {
        again.args(["--variable", variable]);
    }
    let repeated = again.output().expect("the binary under test starts");
    let shown = String::from_utf8_lossy(&repeated.stderr);
    assert!(repeated.status.success(), "{shown}");
    let all = server.asked();
    assert_eq!(all.first().map(|it| &it.bytes), all.last().map(|it| &it.bytes), "the same bytes");
    let made = make_everything(&first);
    assert!(!made.contains(MARK), "{made}");
    assert_eq!(marked(first.folder()), Vec::<String>::new());
    let sent = sent.lock().expect("nobody panics with it");
    assert!(sent.windows(9).any(|part| part == b"benchmark"), "metrics were sent");
    assert!(!sent.windows(MARK.len()).any(|part| part == MARK.as_bytes()), "in metrics");
    let written = written.lock().expect("nobody panics with it");
    let blocks = snappy_blocks(&written);
    assert!(!blocks.is_empty(), "metrics were written");
    for block in blocks {
        assert!(block.windows(9).any(|part| part == b"benchmark"), "with their labels");
        assert!(!block.windows(MARK.len()).any(|part| part == MARK.as_bytes()), "in a label");
    }
}

/// The bodies of requests that were sent with a length, decompressed.
fn snappy_blocks(sent: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = sent;
    let mut blocks = Vec::new();
    while let Some(end) = rest.windows(4).position(|part| part == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&rest[..end]).to_lowercase();
        assert!(!head.contains(&MARK.to_lowercase()), "{head}");
        let length = head.split("content-length: ").nth(1).and_then(|it| it.lines().next());
        let length: usize = length.expect("a length").trim().parse().expect("a number");
        let body = &rest[end + 4..end + 4 + length];
        blocks.push(snap::raw::Decoder::new().decompress_vec(body).expect("snappy"));
        rest = &rest[end + 4 + length..];
    }
    blocks
}

#[test]
fn no_file_of_a_scenario_has_a_secret() {
    let server = Recording::good();
    let first = Run::scenario("--warmup 0s -d 300ms -o one", &server.target(), SHOP)
        .through("", "URINGBENCH_TEST_WORD=S3cr3tOfEnvironment exec \"$@\"")
        .finish()
        .expect_code(0);
    assert!(!first.stdout.contains(MARK) && !first.stderr.contains(MARK), "{first}");
    std::fs::create_dir(first.folder().join("two")).expect("the folder is ours");
    for file in ["run.json", "intervals.hlog"] {
        let [from, to] = ["one", "two"].map(|part| first.folder().join(part).join(file));
        std::fs::copy(from, to).expect("the folder is ours");
    }
    let made = make_everything(&first);
    assert!(!made.contains(MARK), "{made}");
    assert_eq!(marked(first.folder()), Vec::<String>::new());
}

#[test]
fn a_name_of_a_folder_has_no_secret() {
    let server = Recording::good();
    let url = format!("{}{QUERY}", server.target());
    let run = Run::text("-n 4 -c 1").arg(&url).finish().expect_code(0);
    assert!(!run.stdout.contains(MARK) && !run.stderr.contains(MARK), "{run}");
    // It is in the history, and in what that makes.
    for args in
        ["history list", "history list --json", "history export", "history export --format csv"]
    {
        let shown = command(&run, args);
        assert!(shown.contains("127.0.0.1") && !shown.contains(MARK), "{args}: {shown}");
    }
    assert_eq!(marked(run.folder()), Vec::<String>::new());
}

#[test]
fn secrets_are_kept_if_that_is_asked_for_but_in_no_page() {
    let server = Recording::good();
    let url = format!("{}{QUERY}", server.target());
    let run = Run::text("--keep-secrets -n 4 -c 1 -o one -H").arg(HEADERS[0]).arg(&url);
    let run = run.finish().expect_code(0);
    let read = |file: &str| {
        std::fs::read_to_string(run.folder().join("one").join(file)).expect("it is stored")
    };
    assert!(read("run.json").contains("S3cr3tOfUrl"));
    assert!(read("plan.json").contains("S3cr3tOfUrl") && read("plan.json").contains("S3cr3tOfHe"));
    command(&run, "--again one -o two");
    let all = server.asked();
    assert_eq!(all.first().map(|it| &it.bytes), all.last().map(|it| &it.bytes), "the same bytes");
    command(&run, "report one -o one.html");
    let page = std::fs::read_to_string(run.folder().join("one.html")).expect("it was written");
    assert!(!page.contains(MARK));
}

/// The value that answers repeat.
const ECHO: &str = "Bearer S3cr3tOfHeader";

/// Faulty answers that repeat a secret, each in its way; the result quotes them.
fn echoes() -> [(&'static str, Vec<u8>); 9] {
    let whole = |text: String| text.into_bytes();
    let head = "HTTP/1.1 200 OK\r\n";
    [
        ("value", whole(format!("{head}X-Echo: {ECHO}\x01\r\nContent-Length: 0\r\n\r\n"))),
        ("colon", whole(format!("{head}{ECHO}\r\nContent-Length: 0\r\n\r\n"))),
        ("start", whole(format!("{ECHO} is what you sent\r\n\r\n"))),
        ("length", whole(format!("{head}Content-Length: {ECHO}\r\n\r\n"))),
        ("chunk", whole(format!("{head}Transfer-Encoding: chunked\r\n\r\n{ECHO}\r\n\r\n"))),
        ("behind", whole(format!("{head}Content-Length: 2\r\n\r\nok{ECHO}"))),
        (
            "cut",
            whole(format!(
                "{head}X-Of-A-Name-That-Is-Long-Enough: 0123456789 {ECHO}{}\x01\r\n\r\n",
                "x".repeat(80)
            )),
        ),
        (
            "refused",
            answer(403, &[&format!("Set-Cookie: sid={ECHO}"), "Location: /?token=S3cr3t"], ECHO),
        ),
        ("good", answer(200, &[&format!("X-Echo: {ECHO}")], ECHO)),
    ]
}

#[test]
fn no_secret_that_a_server_repeats_is_in_a_result() {
    let server = Recording::start(|asked| {
        let line = asked.line();
        let named = |name: &str| line.ends_with(&format!("/{name}"));
        let echo = echoes().into_iter().find(|(name, _)| named(name));
        echo.map_or_else(|| Answer::Bytes(ok("hello")), |(_, bytes)| Answer::Last(bytes))
    });
    for (name, _) in echoes() {
        let url = format!("{}/{name}", server.target());
        let run =
            Run::text("-n 6 -c 1 -o one").arg("-H").arg(format!("Authorization: {ECHO}")).arg(&url);
        let run = run.finish();
        for part in [&run.stdout, &run.stderr] {
            assert!(!part.contains(MARK), "{name}: {part}");
        }
        command(&run, "report one -o one.html");
        let made = command(&run, "report one --format junit") + &command(&run, "report one");
        assert!(!made.contains(MARK), "{name}: {made}");
        assert_eq!(marked(run.folder()), Vec::<String>::new(), "{name}");
    }
}

const TOKEN: &str = r#"
[load]
users = 1
connections = 1
[[flow]]
name = "log in"
[[flow.step]]
name = "token"
path = "/token"
headers = { Authorization = "Bearer S3cr3tOfHeader" }
capture = { token = { json = "/token" } }
[[flow.step]]
name = "use"
path = "/use?token={{token}}"
headers = { Authorization = "Bearer {{token}}" }
check = { contains = "{{token}} is welcome", header = { X-Echo = "{{token}}" } }
"#;

#[test]
fn no_secret_that_is_captured_is_in_a_result() {
    let server = Recording::start(|asked| {
        let echo = format!("X-Echo: {ECHO}");
        let body = match asked.line().contains("/token") {
            true => r#"{"token":"S3cr3tOfAnswer"}"#,
            false => "S3cr3tOfAnswer is not welcome",
        };
        Answer::Bytes(answer(200, &[&echo], body))
    });
    let run = Run::scenario("--warmup 0s -d 300ms -o one", &server.target(), TOKEN).finish();
    assert!(run.stdout.contains("use"), "{run}");
    let used = server.asked().iter().any(|it| it.line().ends_with("token=S3cr3tOfAnswer"));
    assert!(used, "what is captured is sent");
    for part in [&run.stdout, &run.stderr] {
        assert!(!part.contains(MARK), "{part}");
    }
    command(&run, "report one -o one.html");
    let made = command(&run, "report one --format junit") + &command(&run, "report one");
    assert!(!made.contains(MARK), "{made}");
    assert_eq!(marked(run.folder()), Vec::<String>::new());
}

/// Answers with what it was asked for, as servers in trouble do.
const SERVER: &str = r#"
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length) + str(self.headers).encode()
        self.send_response(500 if self.path.startswith("/form") else 200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Echo", self.headers.get("Authorization", "none"))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"#;

#[test]
fn no_file_of_a_suite_has_a_secret() {
    let _turn = Turn::together();
    let folder = tempfile::tempdir().expect("room for a folder");
    let port = free_port("127.0.0.1:0").port();
    let suite = format!(
        "name = \"shop\"\n[run]\nwarmup = 0\nduration = \"200ms\"\nruns = 2\n[[target]]\n\
         name = \"echo\"\nport = {port}\nready_within = \"20s\"\n\
         command = \"exec python3 server.py\"\nenv = {{ TOKEN = \"S3cr3tOfTarget\" }}\n\
         [[scenario]]\nfile = \"shop.toml\"\n"
    );
    for (name, text) in [
        ("shop-suite.toml", suite.as_str()),
        ("server.py", SERVER),
        ("shop.toml", &format!("target = \"http://127.0.0.1:1\"\n{SHOP}")),
    ] {
        std::fs::write(folder.path().join(name), text).expect("the folder is ours");
    }
    let uringbench = |args: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_uringbench"));
        command.args(args.split(' ')).current_dir(folder.path());
        command.env("URINGBENCH_TEST_WORD", "S3cr3tOfEnvironment").env_remove("GITHUB_ACTIONS");
        let output = command.output().expect("the binary under test starts");
        let all = [&output.stdout, &output.stderr].map(|it| String::from_utf8_lossy(it));
        (output.status.code(), all.concat())
    };
    let (code, said) = uringbench("suite -q -o out shop-suite.toml");
    assert!(code.is_some_and(|code| [0, 10, 12].contains(&code)), "{code:?}: {said}");
    let (_, page) = uringbench("report out -o out.html");
    let (_, run) = uringbench("history export");
    assert!(std::fs::metadata(folder.path().join("out.html")).is_ok(), "{page}");
    for text in [said, page, run] {
        assert!(!text.contains(MARK), "{text}");
    }
    // The inputs are ours.
    std::fs::remove_file(folder.path().join("shop-suite.toml")).expect("it is there");
    assert_eq!(marked(folder.path()), Vec::<String>::new());
}
