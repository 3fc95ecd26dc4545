//! Compares the requests of curl with those of its imported command: request line, headers and
//! body, byte for byte, except curl's own additions: `Accept: */*`, `User-Agent`, `Expect`, and the
//! boundary of a form.

mod commands;
mod recorder;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use commands::{CASES, DIFFERENT};
use recorder::Recorder;
use uringbench_core::flow::cookie_jar::CookieJar;
use uringbench_core::flow::value::Scope;
use uringbench_core::statistics::random::Random;
use uringbench_import::curl;
use uringbench_scenario::{Context, compile};

/// A request without curl's own additions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    line: String,
    /// Names in lower case, sorted.
    fields: Vec<(String, String)>,
    body: String,
}

impl Sent {
    fn read(bytes: &[u8]) -> Self {
        // One character for each byte, so that all bytes are compared.
        let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        let (head, body) = text.split_once("\r\n\r\n").expect("a request has a header");
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let field = |line: &str| {
            let (name, value) = line.split_once(':').expect("a header line has a colon");
            (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned())
        };
        let mut fields: Vec<(String, String)> = lines.map(field).collect();
        let boundary = fields.iter().find_map(|(name, value)| {
            let (_, boundary) = value.rsplit_once("; boundary=")?;
            (name == "content-type").then(|| boundary.to_owned())
        });
        let is_own = |name: &str, value: &str| match name {
            "accept" => value == "*/*",
            "user-agent" => value.starts_with("curl/") || value.starts_with("uringbench/"),
            "expect" => true,
            // Boundaries have different lengths.
            "content-length" => boundary.is_some(),
            _ => false,
        };
        fields.retain(|(name, value)| !is_own(name, value));
        let mut body = body.to_owned();
        if let Some(boundary) = boundary {
            fields.iter_mut().for_each(|(_, value)| *value = value.replace(&boundary, "BOUNDARY"));
            body = body.replace(&boundary, "BOUNDARY");
        }
        fields.sort();
        Self { line, fields, body }
    }
}

/// The requests of curl, run by bash as pasted.
fn of_curl(paste: &str, folder: &Path, recorder: &Recorder) -> Vec<Sent> {
    let mut child = Command::new("bash")
        .current_dir(folder)
        // No options file, no proxy.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("LC_ALL", "C.UTF-8")
        .env("TOKEN", "t0k/en")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("bash runs");
    let mut stdin = child.stdin.take().expect("it was piped");
    stdin.write_all(paste.as_bytes()).expect("bash reads the paste");
    drop(stdin);
    child.wait().expect("bash ends");
    recorder.take().iter().map(|bytes| Sent::read(bytes)).collect()
}

/// The requests of the imported command, and its notes.
fn of_import(paste: &str, folder: &Path) -> (Vec<Sent>, Vec<String>) {
    let read = |name: &str| std::fs::read(folder.join(name)).map_err(|why| why.to_string());
    let imported = curl::import(paste, &read).unwrap_or_else(|why| panic!("{paste}\n{why}"));
    let text = imported.toml();
    let context = Context {
        target: None,
        read: &read,
        env: &|name| (name == "TOKEN").then(|| "t0k/en".to_owned()),
        authority: &|target| Ok(target.trim_start_matches("http://").to_owned()),
    };
    let plan = compile(&text, &context).unwrap_or_else(|diagnostics| {
        let diagnostics: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        panic!("{paste}\n{text}\n{}", diagnostics.join("\n"))
    });
    let scope = Scope {
        user: 0,
        sequence: 0,
        unix_ms: 0,
        captures: &[],
        tables: &[],
        rows: &[],
        cookies: CookieJar::empty(),
    };
    let mut random = Random::new(1);
    let mut render = |step: &uringbench_core::flow::Step| {
        let mut bytes = Vec::new();
        step.template.render(&scope, &mut random, &mut bytes);
        Sent::read(&bytes)
    };
    let sent = plan.flows.iter().flat_map(|flow| &flow.steps).map(&mut render).collect();
    (sent, imported.notes())
}

fn has_curl() -> bool {
    let found = Command::new("curl").arg("--version").stdout(Stdio::null()).status();
    let is_there = found.is_ok_and(|status| status.success());
    // Bypasses the capture of the test's output.
    if !is_there {
        assert!(std::env::var_os("CI").is_none(), "must not be skipped in CI: no curl");
        let _ = writeln!(std::io::stderr(), "\n*** skipped: no curl here ***");
    }
    is_there
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    for (name, bytes) in commands::FILES {
        std::fs::write(folder.path().join(name), bytes).expect("it can be written");
    }
    folder
}

fn placed(paste: &str, recorder: &Recorder) -> String {
    let host = recorder.host();
    let port = host.rsplit(':').next().unwrap_or_default();
    paste.replace("$U", &format!("http://{host}")).replace("$H", &host).replace("$P", port)
}

#[test]
fn imported_commands_send_what_curl_sends() {
    if !has_curl() {
        return;
    }
    let (folder, recorder) = (folder(), Recorder::start());
    let mut wrong = Vec::new();
    for paste in CASES {
        let paste = placed(paste, &recorder);
        let theirs = of_curl(&paste, folder.path(), &recorder);
        let (ours, notes) = of_import(&paste, folder.path());
        if ours != theirs || theirs.is_empty() {
            wrong.push(format!("{paste}\n  curl {theirs:#?}\n  ours {ours:#?}\n  {notes:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn what_is_sent_otherwise_is_noted() {
    if !has_curl() {
        return;
    }
    let (folder, recorder) = (folder(), Recorder::start());
    for (paste, expected) in DIFFERENT {
        let paste = placed(paste, &recorder);
        let theirs = of_curl(&paste, folder.path(), &recorder);
        let (ours, notes) = of_import(&paste, folder.path());
        assert_ne!(ours, theirs, "no difference is left: {paste}");
        assert!(notes.iter().any(|note| note.contains(expected)), "{paste}: {notes:?}");
    }
}
