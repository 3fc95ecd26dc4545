//! Secrets of requests are in no file of a result, whatever is made of it, unless they are kept.
//!
//! Every secret contains one mark, and the search is over the bytes of every file and stream.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use crate::support::recording::Recording;
use crate::support::run::{Finished, Run};

/// Part of every secret.
pub(crate) const MARK: &str = "S3cr3t";
/// A URL with secrets in its query.
pub(crate) const QUERY: &str =
    "/search?q=x&access_token=S3cr3tOfUrl&sort_key=name&sig=S3cr3tOfSignature";
pub(crate) const BODY: &str =
    r#"{"user":"me","password":"S3cr3tOfBody","otp":"S3cr3tOfPin","author":"A"}"#;
pub(crate) const HEADERS: [&str; 5] = [
    "Authorization: Bearer S3cr3tOfHeader",
    "Proxy-Authorization: Basic S3cr3tOfProxy",
    "Cookie: sid=S3cr3tOfCookie",
    "X-Api-Key: S3cr3tOfKey",
    "Referer: http://h/?token=S3cr3tOfReferer",
];

pub(crate) const SHOP: &str = r#"
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
pub(crate) fn marked(folder: &Path) -> Vec<String> {
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
pub(crate) fn command(run: &Finished, args: &str) -> String {
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
pub(crate) fn receiver() -> (String, Arc<Mutex<Vec<u8>>>) {
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
    let url = format!("{}{QUERY}", server.target());
    let mut run = Run::text(&format!("-n 40 -c 2 -m POST -o one --otlp {otlp}"));
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
