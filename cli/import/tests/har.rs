//! HTTP archives as browsers, proxies and less careful exporters write them.

mod support;

use support::{compiled, scenario};
use uringbench_import::har;

const GOOD: &str = r#"{"startedDateTime": "2026-01-02T03:04:05.000Z", "time": 1, "request":
    {"method": "GET", "url": "http://a/good", "headers": [{"name": "Accept", "value": "*/*"}],
    "queryString": [], "cookies": []}, "response": {"status": 200, "headers": [], "content": {}}}"#;

fn import_of(creator: &str, entries: &[&str]) -> (String, Vec<String>) {
    let text = format!(
        r#"{{"log": {{"version": "1.2", "creator": {{"name": "{creator}"}}, "entries": [{}]}}}}"#,
        entries.join(", ")
    );
    let options = har::HarOptions { origin: None, filter: None, has_think: true };
    let imported = har::import(&text, &options).unwrap_or_else(|why| panic!("{why}\n{text}"));
    compiled(&imported);
    let others = imported.files().iter().map(|file| format!("{:02x?}\n", file.bytes));
    (scenario(&imported) + &others.collect::<String>(), imported.notes())
}

/// One request and its answer, without the valid one next to it.
fn entry(request: &str, response: &str) -> (String, Vec<String>) {
    let entry = format!(r#"{{"request": {{{request}}}, "response": {{{response}}}}}"#);
    let (text, notes) = import_of("test", &[&entry]);
    let step = text.split_once("[[flow.step]]\n").map_or(text.as_str(), |(_, step)| step);
    (step.to_owned(), notes)
}

/// The text in place of a value, and the note on it; without a second request the step is left out.
#[test]
fn odd_types_cost_an_entry_at_most() {
    const ODD: [&str; 8] = ["null", "7", "-1.5", "true", "\"\"", "\"x\"", "[]", "{}"];
    const PLACES: [&str; 22] = [
        "",
        "/startedDateTime",
        "/time",
        "/request",
        "/request/method",
        "/request/url",
        "/request/headers",
        "/request/headers/0",
        "/request/headers/0/name",
        "/request/headers/0/value",
        "/request/cookies",
        "/request/cookies/0",
        "/request/postData",
        "/request/postData/mimeType",
        "/request/postData/text",
        "/request/postData/encoding",
        "/request/postData/params",
        "/request/postData/params/0",
        "/request/postData/params/0/value",
        "/response",
        "/response/status",
        "/response/headers",
    ];
    let whole = r#"{"startedDateTime": "2026-01-02T03:04:06Z", "time": 2, "request": {"method":
        "POST", "url": "http://a/odd", "headers": [{"name": "x", "value": "y"}], "cookies":
        [{"name": "c", "value": "d"}], "postData": {"mimeType": "multipart/form-data", "text": "",
        "encoding": "", "params": [{"name": "p", "value": "v"}]}},
        "response": {"status": 201, "headers": []}}"#;
    for place in PLACES {
        for odd in ODD {
            let mut entry: serde_json::Value = serde_json::from_str(whole).unwrap();
            *entry.pointer_mut(place).unwrap() = serde_json::from_str(odd).unwrap();
            let (text, notes) = import_of("test", &[GOOD, &entry.to_string(), GOOD]);
            assert_eq!(text.matches("\"/good\"").count(), 2, "{place} {odd}: {text}");
            let is_there = text.matches("[[flow.step]]").count() == 3;
            assert!(is_there || !notes.is_empty(), "{place} {odd}: {text}");
        }
    }
}

#[test]
fn what_is_missing_is_reported() {
    for (odd, expected) in [
        ("null", "entry 2: left out, it has no request"),
        ("{}", "entry 2: left out, it has no request"),
        (r#"{"request": {"method": "GET"}}"#, "entry 2: left out, its request has no url"),
        (r#"{"request": {"url": "http://a/"}}"#, "entry 2: left out, its request has no method"),
        (
            r#"{"request": {"method": "GET", "url": "http://a/", "headers":
                [{"name": "x", "value": null}]}, "response": {"status": 200}}"#,
            "header x: left out, it has no value",
        ),
        (
            r#"{"request": {"method": "GET", "url": "http://a/"}, "response": null}"#,
            "GET /: no answer was recorded, so its status is not checked",
        ),
        (
            r#"{"request": {"method": "GET", "url": "data:text/css,x"}}"#,
            "an address of data: left out, it is not http",
        ),
        (
            r#"{"request": {"method": "GET", "url": "wss://a/"}}"#,
            "an address of wss: left out, it is not http",
        ),
        (
            r#"{"request": {"method": "GET", "url": "http://a/ws"}, "response": {"status": 101}}"#,
            "GET /ws: left out, it left HTTP for another protocol",
        ),
        (
            r#"{"_fromCache": "disk", "request": {"method": "GET", "url": "http://a/"},
                "response": {"status": "200"}}"#,
            "answers from the browser's cache are requested anyway",
        ),
    ] {
        let (_, notes) = import_of("test", &[GOOD, odd]);
        assert_eq!(notes, [expected], "{odd}");
    }
    for text in ["", "[]", "{\"log\": {}}", "{\"log\": {\"entries\": null}}"] {
        let options = har::HarOptions { origin: None, filter: None, has_think: true };
        let why = har::import(text, &options).unwrap_err().to_string();
        assert!(why.starts_with("not an HTTP archive: export one with log.entries: "), "{why}");
    }
}

#[test]
fn what_only_the_browser_had_is_not_expected_again() {
    let get = |headers: &str, status: u16| {
        entry(
            &format!(r#""method": "GET", "url": "http://a/x", "headers": [{headers}]"#),
            &format!(r#""status": {status}"#),
        )
    };
    let condition = r#"{"name": "If-None-Match", "value": "\"a\""},
                       {"name": "If-Modified-Since", "value": "x"}"#;
    let (text, notes) = get(condition, 304);
    assert_eq!(text, "path = \"/x\"\n");
    assert_eq!(
        notes,
        [
            "header If-None-Match: left out, users have no copy to compare",
            "header If-Modified-Since: left out, users have no copy to compare",
            "GET /x: 304 was recorded for the browser's copy, it is not expected again",
        ]
    );
    let (text, _) = get(condition, 200);
    assert_eq!(text, "path = \"/x\"\ncheck = { status = [200] }\n");
    // A condition on a change is part of its effect.
    let (text, notes) = entry(
        r#""method": "PUT", "url": "http://a/x", "headers": {"If-None-Match": "*"}"#,
        r#""status": 412"#,
    );
    assert!(text.contains("If-None-Match = \"*\"") && text.contains("[412]"), "{text}");
    assert_eq!(notes, Vec::<String>::new());
    let (text, notes) = get(r#"{"name": "Authorization", "value": "Bearer old"}"#, 401);
    assert_eq!(text, "path = \"/x\"\nheaders = { Authorization = \"Bearer old\" }\n");
    assert!(notes[0].starts_with("GET /x: 401 was recorded, its Authorization was refused"));
    // Without a key the server requests one each time.
    assert!(get("", 401).0.contains("check = { status = [401] }"));
}

#[test]
fn bodies_are_sent_as_they_are_held() {
    let post = |coding: &str, data: &str| {
        entry(
            &format!(
                r#""method": "POST", "url": "http://a/", "headers":
                [{{"name": "Content-Encoding", "value": "{coding}"}}], "postData": {{{data}}}"#
            ),
            r#""status": 200"#,
        )
    };
    let unpacked = "header Content-Encoding: left out, the archive contains the decompressed body";
    for (coding, data, expected, is_reported) in [
        (
            "gzip",
            r#""mimeType": "application/json", "text": "{\"a\":1}""#,
            "json = '{\"a\":1}'",
            true,
        ),
        ("br", r#""mimeType": "text/plain", "text": "x""#, "text = \"x\"", true),
        ("identity", r#""mimeType": "text/plain", "text": "x""#, "identity", false),
        ("gzip", r#""text": "H4sA/w==", "encoding": "base64""#, "[1f, 8b, 00, ff]", false),
        ("gzip", r#""text": "\u001f\u008b\u0000\u00ff""#, "[1f, 8b, 00, ff]", false),
        ("br", r#""text": "/wA=", "encoding": "base64""#, "[ff, 00]", false),
    ] {
        let (text, notes) = post(coding, data);
        assert!(text.contains(expected), "{data}: {text}");
        assert_eq!(text.contains("Content-Encoding"), !is_reported, "{data}: {text}");
        assert_eq!(notes.iter().any(|note| note.starts_with(unpacked)), is_reported, "{notes:?}");
    }
}

#[test]
fn addresses_keep_their_bytes_and_credentials() {
    let (text, notes) = entry(
        r#""method": "GET", "url": "http://me%40x.org:p%2Fw@a/?sig=a%2fb%2Bc+d&X=%7Ey&e=""#,
        r#""status": 200"#,
    );
    assert!(text.contains(r#"url = "/?sig=a%2fb%2Bc+d&X=%7Ey&e=""#), "{text}");
    // For `me@x.org:p/w`.
    assert!(text.contains(r#"Authorization = "Basic bWVAeC5vcmc6cC93""#), "{text}");
    assert_eq!(notes, Vec::<String>::new());
    let (text, _) = entry(
        r#""method": "GET", "url": "http://u:p@a/", "headers": {"authorization": "Bearer t"}"#,
        r#""status": 200"#,
    );
    assert!(text.contains("headers = { authorization = \"Bearer t\" }"), "{text}");
}

#[test]
fn cookies_of_one_name_are_all_sent() {
    let both = r#""cookies": [{"name": "sid", "value": "core"}, {"name": "sid", "value": "root"}]"#;
    let header = r#""headers": [{"name": "cookie", "value": "sid=core; sid=root"}]"#;
    for given in [both, header] {
        let request = format!(r#""method": "GET", "url": "http://a/", {given}"#);
        let (text, notes) = entry(&request, r#""status": 200"#);
        assert!(text.contains(r#"cookies = { sid = ["core", "root"] }"#), "{text}");
        assert_eq!(notes, Vec::<String>::new());
    }
}

#[test]
fn cleaned_archives_are_reported() {
    let sanitized = "no request has a cookie or an Authorization";
    let with = |creator: &str, cookie: &str| {
        let cookies = format!(r#""cookies": [{cookie}]"#);
        import_of(creator, &[&GOOD.replace("\"cookies\": []", &cookies)]).1
    };
    assert!(with("WebInspector", "")[0].starts_with(sanitized));
    assert_eq!(with("mitmproxy", ""), Vec::<String>::new());
    assert_eq!(with("WebInspector", r#"{"name": "a", "value": "b"}"#), Vec::<String>::new());
    for value in ["[REDACTED]", "***", "<redacted>", "removed"] {
        let headers = format!(r#""headers": [{{"name": "X-Key", "value": "{value}"}}]"#);
        let (_, notes) = entry(
            &format!(r#""method": "GET", "url": "http://a/", {headers}"#),
            r#""status": 200"#,
        );
        assert_eq!(notes, ["header X-Key: the archive does not contain its value"], "{value}");
    }
}

#[test]
fn an_archive_of_chromium_is_read() {
    let text = include_str!("recordings/chromium.har");
    let options = har::HarOptions { origin: None, filter: None, has_think: false };
    let imported = har::import(text, &options).unwrap();
    assert_eq!(compiled(&imported).flows.len(), 1);
    assert_eq!(scenario(&imported).matches("[[flow.step]]").count(), 10);
    assert_eq!(imported.files()[0].bytes, [0xff, 0, 1, 0x80]);
    for expected in [
        "an address of data: left out, it is not http",
        "an address of blob: left out, it is not http",
        "GET /a.css: 304 was recorded for the browser's copy, it is not expected again",
        "header If-None-Match: left out, users have no copy to compare (2 times)",
        "GET /me: 401 was recorded, its Authorization was refused, this is not expected again: put \
         in a valid one",
        "POST: files of the form are sent if the archive contains them",
    ] {
        let notes = imported.notes();
        assert!(notes.iter().any(|note| note == expected), "{expected}: {notes:#?}");
    }
}

#[test]
fn a_body_may_be_a_bare_text_and_anything_else_is_reported() {
    let of = |data| {
        let request = format!(r#""method": "POST", "url": "http://a/", "postData": {data}"#);
        entry(&request, r#""status": 200"#)
    };
    let (step, notes) = of(r#""a=b""#);
    assert!(step.contains("a=b") && notes.is_empty(), "{step} {notes:?}");
    let (step, notes) = of("[1]");
    assert!(!step.contains("body") && notes.concat().contains("postData"), "{step} {notes:?}");
    assert!(of("null").1.is_empty());
}

#[test]
fn entries_are_sent_in_the_order_of_their_times() {
    let at = |second: u8| {
        format!(
            r#"{{"startedDateTime": "2026-01-02T03:04:0{second}Z", "time": 1, "request":
            {{"method": "GET", "url": "http://a/{second}"}}, "response": {{"status": 200}}}}"#
        )
    };
    let (text, notes) = import_of("test", &[&at(7), &at(5), &at(6)]);
    let places: Vec<_> =
        ["/5", "/6", "/7"].map(|path| text.find(path).expect("each is sent")).into();
    assert!(places.is_sorted(), "{text}");
    assert!(notes.concat().contains("sorted by their times"), "{notes:?}");
    assert!(import_of("test", &[&at(5), &at(6)]).1.is_empty());
}
