//! Wrong input on the command line: one clear line on stderr, exit code 2, and no run is started.
//!
//! Also the uses that need no server: help, version, completions, man pages, doctor, a reader that
//! closes the pipe early.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

fn uringbench(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_uringbench")).args(words).output().expect("the binary runs")
}

/// The one line on stderr, without the program's name.
fn complaint(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 1, "one line, not:\n{stderr}");
    lines[0].strip_prefix("uringbench: ").expect("the line says who speaks").to_owned()
}

#[test]
fn bad_input_is_one_line_and_exit_2() {
    // A target that would notice a connection.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let cases: &[(&[&str], &str)] = &[
        (&["-c", "0"], "at least 1"),
        (&["-c", "-1"], "whole number"),
        (&["-c", "many"], "whole number"),
        (&["-n", "0"], "at least 1"),
        (&["-d", "0"], "give a duration"),
        (&["-d", "soon"], "30s, 1m30s"),
        (&["-R", "0"], "above 0"),
        (&["-R", "-1"], "requests per second"),
        (&["-R", "99999999M"], "at most 1000M"),
        (&["-R", "fast"], "100k"),
        (&["-p", "0"], "at least 1"),
        (&["-p", "257"], "at most 256"),
        (&["--timeout", "0"], "1ms to 1h"),
        (&["--arrivals", "poisson"], "needs -R"),
        (&["--seed", "1"], "needs -R"),
        (&["--seed", "x", "-R", "1"], "--seed"),
        (&["--cores", "0"], "at least 1 CPU"),
        (&["--cores", "8000"], "choose among these"),
        (&["--cores", "8000-8001"], "choose among these"),
        (&["--cores", "a-b"], "2-5,8"),
        (&["-c", "3000M"], "ulimit -n"),
        (&["-H", "NoColon"], "-H 'K: V'"),
        (&["-H", "A: b\r\nC: d"], "line break"),
        (&["-H", "A B: c"], "header name"),
        (&["-m", "GE T"], "method"),
        (&["-m", "CONNECT"], "tunnel"),
        (&["-F", "a=b;c"], "put quotes around"),
        (&["-F", "json={\"k\":\"a;type=b\"}"], "is no media type"),
        (&["-F", "f=@a,b"], "several files are several fields"),
        (&["-H", "Host:"], "cannot be left out"),
        (&["--body", "a", "--body-file", "/dev/null"], "cannot be used with"),
        (&["--body-file", "/no/such/file"], "cannot be read"),
        (&["--slo", "p98<1ms"], "is not a term"),
        (&["--slo", ""], "empty"),
        (&["--wait", "sleep"], "batch, block, hybrid, spin"),
        (&["--no-such-option"], "--no-such-option"),
        (&["http://127.0.0.1:1/"], "unexpected argument"),
    ];
    for (words, part) in cases {
        let output = uringbench(&[words, &[url.as_str()][..]].concat());
        let line = complaint(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {line}");
        assert!(line.contains(part), "{words:?}: {line}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
    let error = listener.accept().expect_err("nothing was started");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn bad_urls_are_one_line_and_exit_2() {
    let cases = [
        ("ftp://127.0.0.1/", "use http://"),
        ("http://", "host is missing"),
        ("http://127.0.0.1:99999/", "65535"),
        ("http://[::1/", "in brackets"),
        ("http://a b/", "%20"),
        ("http://user@127.0.0.1/", "Authorization"),
        ("doctr", "neither a command nor a URL"),
        ("", "neither a command nor a URL"),
    ];
    for (url, part) in cases {
        for words in [&[url][..], &["run", url]] {
            let output = uringbench(words);
            let line = complaint(&output);
            assert_eq!(output.status.code(), Some(2), "{words:?}: {line}");
            assert!(line.contains(part), "{words:?}: {line}");
        }
    }
    let output = uringbench(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(complaint(&output).contains("no URL given"));
}

#[test]
fn a_name_that_only_a_proxy_could_look_up_is_explained() {
    let looked_up = |proxy: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_uringbench"));
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command.envs(proxy.map(|proxy| ("HTTP_PROXY", proxy)));
        let output = command.arg("http://no-such-host.invalid/").output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(1));
        complaint(&output)
    };
    let without = looked_up(None);
    assert!(without.contains("cannot look up `no-such-host.invalid`"), "{without}");
    assert!(!without.contains("uses no proxy"), "{without}");
    let with = looked_up(Some("http://127.0.0.1:3128"));
    assert!(with.contains("HTTP_PROXY is set, but uringbench"), "{with}");
    assert!(with.contains("uses no proxy"), "{with}");
    assert_eq!(looked_up(Some("")), without, "an empty value is none");
}

#[test]
fn scenarios_are_checked_and_shown_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let flow = "target = \"http://127.0.0.1:1\"\n[[flow]]\nname = \"f\"\n[[flow.step]]\n";
    let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
    write(
        "good.toml",
        &format!("{flow}path = \"/{{{{users.id}}}}\"\n[data.users]\nfile = \"u.csv\""),
    );
    write("u.csv", "id\n7\n");
    write("bad.toml", &format!("{flow}path = \"x\"\nrepeat = 0"));
    write("worse.toml", &format!("{flow}pth = 1"));

    let output = uringbench(&["scenario", "check", &path("good.toml")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text,
        format!("{}: 1 flow, 1 step, 1 data file; closed loop, 64 users\n", path("good.toml"))
    );
    let output = uringbench(&["scenario", "show", "--seed", "2", &path("good.toml")]);
    assert!(output.status.success() && output.stdout.starts_with(b"=== f (weight 1)"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("GET /7 HTTP/1.1\\r\\n\n"));

    let files = ["good.toml", "bad.toml", "worse.toml", "none.toml"].map(path);
    let words: Vec<&str> =
        ["scenario", "check"].into_iter().chain(files.iter().map(|f| &**f)).collect();
    let output = uringbench(&words);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1, "the good one");
    let stderr = String::from_utf8_lossy(&output.stderr);
    let reported: Vec<_> = stderr.lines().collect();
    let expected = [
        "bad.toml:5:1: flow.step.path: `x` does not begin with `/`: write /x",
        "bad.toml:6:1: flow.step.repeat: a step is taken 1 to 1000000 times",
        "worse.toml:5:1: flow.step.pth: `pth` is unknown here, did you mean `path`?",
        "none.toml cannot be read",
    ];
    assert_eq!(reported.len(), expected.len(), "{stderr}");
    for (line, part) in reported.iter().zip(expected) {
        assert!(line.starts_with("uringbench: ") && line.contains(part), "{line}");
    }
    let output = uringbench(&["scenario", "show", &path("worse.toml")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(complaint(&output).contains("did you mean `path`?"));
}

#[test]
fn a_scenario_may_be_sent_to_another_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    let file = file.to_str().unwrap();
    let text = "target = \"{{env URINGBENCH_TEST_NOT_SET}}\"\n[[flow]]\nname = \"f\"\n\
                [[flow.step]]\npath = \"/\"\n";
    std::fs::write(file, text).unwrap();
    let other = ["--target", "http://127.0.0.1:9"];
    let output = uringbench(&[&["scenario", "check", file][..], &other].concat());
    assert!(output.status.success(), "{output:?}");
    let output = uringbench(&[&["scenario", "show", file][..], &other].concat());
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("Host: 127.0.0.1:9\\r\\n"), "{shown}");
    let cases = [
        (&["scenario", "check", file][..], "f.toml:1:1: target: "),
        (&["scenario", "check", file, "--target", "127.0.0.1:9/a"], "--target: the target has no"),
        (&["scenario", "show", file, "--target", "ws://h"], "--target: scenarios speak HTTP"),
        (&["-d", "1", file, "--target", "ftp://h"], "--target: "),
        (&[file, "--target", "http://h", "--flow", "g"], "--flow: there is no flow `g`"),
        (&["http://127.0.0.1:9/", "--target", "http://h"], "--target and --flow are for"),
    ];
    for (words, part) in cases {
        let output = uringbench(words);
        let line = complaint(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {line}");
        assert!(line.contains(part), "{words:?}: {line}");
    }
}

#[test]
fn the_schema_describes_every_field() {
    let output = uringbench(&["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema["required"], serde_json::json!(["target"]));
    assert_eq!(schema["additionalProperties"], serde_json::json!(false));
    for (name, step) in schema["$defs"]["Step"]["properties"].as_object().unwrap() {
        assert!(step["description"].is_string(), "{name}: {step}");
    }
}

#[test]
fn more_connections_than_open_files_names_the_limit() {
    let script = "ulimit -n 64; exec \"$0\" -c 100 --cores 1 http://127.0.0.1:1/";
    let output =
        Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_uringbench")]).output().unwrap();
    let line = complaint(&output);
    assert_eq!(output.status.code(), Some(2), "{line}");
    assert!(line.contains("the limit is 64") && line.contains("ulimit -n"), "{line}");
}

#[test]
fn a_name_without_an_address_could_not_run() {
    // RFC 6761: `.invalid` never resolves.
    let output = uringbench(&["http://no-such-host.invalid/"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("no-such-host.invalid"));
}

#[test]
fn help_and_version_go_to_stdout() {
    for (words, part) in [
        (&["--help"][..], "Examples:"),
        (&["run", "--help"], "Examples:"),
        (&["-h"], "--cores"),
        (&["--version"], env!("CARGO_PKG_VERSION")),
        (&["demo", "--help"], "--duration"),
        (&["target", "--help"], "--listen"),
    ] {
        let output = uringbench(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert!(output.stderr.is_empty(), "{words:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(part), "{words:?}: {text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{words:?}: {text}");
    }
}

#[test]
fn completions_are_written_for_every_common_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let output = uringbench(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("body-file"), "{shell}");
    }
}

#[test]
fn man_pages_are_written_for_the_program_and_its_commands() {
    for (words, part) in [
        (&["man"][..], "body\\-file"),
        (&["man", "soak"], "uringbench\\-soak"),
        (&["man", "import", "har"], "origin"),
    ] {
        let output = uringbench(words);
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        let page = String::from_utf8(output.stdout).unwrap();
        assert!(page.contains(".TH uringbench") && page.contains(part), "{words:?}: {page}");
    }
    let output = uringbench(&["man", "sook"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(complaint(&output).contains("soak"));
}

#[test]
fn doctor_names_what_it_looked_at() {
    let output = uringbench(&["doctor"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for subject in ["kernel", "io_uring", "open files", "ephemeral ports", "CPU governor"] {
        assert!(text.contains(subject), "{subject}: {text}");
    }
    assert!(!text.contains('\u{1b}'), "no colours in a pipe: {text}");
    let forbidden = text.lines().any(|line| line.starts_with("bad ") && line.contains("io_uring"));
    assert_eq!(output.status.code(), Some(i32::from(forbidden)), "{text}");
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_uringbench"))
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}
