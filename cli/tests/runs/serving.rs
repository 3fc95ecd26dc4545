//! `uringbench serve`: stored results in a browser, for those alone who know the address.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::support::program::Program;

/// A run as it is stored.
const RUN: &str = include_str!("../../document/tests/run-v1-tagged.json");
const BEGAN: &str = "2026-11-23T10:00:00.000Z";

/// Stores a run that began at this time.
fn store(results: &Path, place: &str, began: &str) {
    let folder = results.join(place);
    fs::create_dir_all(&folder).expect("the folder is ours");
    let mut run: serde_json::Value = serde_json::from_str(RUN).expect("JSON");
    run["started"] = began.into();
    fs::write(folder.join("run.json"), run.to_string()).expect("the folder is ours");
}

/// The results of a folder, served.
pub(crate) struct Shown {
    _server: Program,
    /// Host and port.
    host: String,
    token: String,
}

impl Shown {
    pub(crate) fn of(results: &Path) -> Self {
        let words = ["serve", results.to_str().expect("a plain name")];
        let server = Program::start(Path::new(env!("CARGO_BIN_EXE_uringbench")), &words);
        let url = server.said().strip_prefix("results at http://").expect("an address").to_owned();
        let (host, token) = url.trim_end_matches('/').split_once('/').expect("a token");
        Self { host: host.to_owned(), token: token.to_owned(), _server: server }
    }

    /// The answer to a request for this path below the token.
    pub(crate) fn get(&self, path: &str) -> String {
        self.ask(&format!("/{}/{path}", self.token), &self.host)
    }

    fn ask(&self, path: &str, host: &str) -> String {
        let mut stream = TcpStream::connect(&self.host).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }
}

/// The first reference of this kind in a page.
pub(crate) fn reference<'a>(page: &'a str, begin: &str) -> &'a str {
    let at = page.find(&format!("href=\"{begin}")).unwrap_or_else(|| panic!("{begin}: {page}"));
    let rest = &page[at + 6..];
    &rest[..rest.find('"').expect("it ends")]
}

#[test]
fn runs_comparisons_trends_and_other_results_are_shown() {
    let folder = tempfile::tempdir().expect("room for a folder");
    let results = folder.path().join("results");
    store(&results, "t/a/1", BEGAN);
    store(&results, "t/a/2", "2026-11-24T10:00:00.000Z");
    fs::create_dir_all(results.join("suites/x")).expect("the folder is ours");
    fs::write(results.join("suites/x/suite.json"), "{").expect("the folder is ours");
    let shown = Shown::of(&results);
    let list = shown.get("");
    assert!(list.starts_with("HTTP/1.1 200") && list.contains("2 runs"), "{list}");
    assert!(list.contains("2026-11-24 10:00:00") && list.contains("script-src 'none'"), "{list}");
    let newest = reference(&list, "run/");
    let page = shown.get(newest);
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("All results"), "{page}");
    let chosen = shown.get(&reference(&list, "./?with=").replace("./", ""));
    let compared = shown.get(&reference(&chosen, "compare?").replace("&amp;", "&"));
    assert!(compared.starts_with("HTTP/1.1 200"), "{compared}");
    let trend = shown.get(reference(&list, "trend?"));
    assert!(trend.starts_with("HTTP/1.1 200") && trend.contains("All results"), "{trend}");
    // A damaged one says so.
    let suite = shown.get(reference(&list, "result/"));
    assert!(suite.starts_with("HTTP/1.1 404") && suite.contains("damaged"), "{suite}");
    let none = shown.get("?find=elsewhere");
    assert!(none.contains("0 runs") && none.contains("none fits"), "{none}");
    // A page behind the last one still says how many there are.
    assert!(shown.get("?page=99").contains("2 runs"));
}

#[test]
fn nothing_else_is_shown_to_nobody_else() {
    let folder = tempfile::tempdir().expect("room for a folder");
    let results = folder.path().join("results");
    store(&results, "t/a/1", BEGAN);
    fs::write(folder.path().join("secret"), "S3cret").expect("the folder is ours");
    let shown = Shown::of(&results);
    for path in ["run/../../secret", "run/%2e%2e%2fsecret", "result/../../secret", "secret", "run/"]
    {
        let answer = shown.get(path);
        assert!(answer.starts_with("HTTP/1.1 404") && !answer.contains("S3cret"), "{answer}");
    }
    let port = shown.host.rsplit_once(':').expect("a port").1;
    let foreign = shown.ask(&format!("/{}/", shown.token), &format!("evil.example:{port}"));
    assert!(foreign.starts_with("HTTP/1.1 421"), "{foreign}");
    for path in ["/", "/0123/", "/0123/run/1"] {
        let answer = shown.ask(path, &shown.host);
        assert!(answer.starts_with("HTTP/1.1 404") && !answer.contains("Results in"), "{answer}");
    }
}
