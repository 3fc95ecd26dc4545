//! Requests recorded or listed by other tools: HTTP archives, targets of vegeta, access logs.

mod support;

use support::{compiled, scenario};
use uringbench_import::{Imported, har, log, vegeta};

const ARCHIVE: &str = r#"{"log": {"version": "1.2", "entries": [
  {"startedDateTime": "2026-11-21T10:00:00.000Z", "time": 120.5,
   "request": {"method": "GET", "url": "https://shop.example/", "httpVersion": "h2",
    "headers": [{"name": ":authority", "value": "shop.example"}, {"name": "accept", "value": "*/*"},
                {"name": "connection", "value": "keep-alive"},
                {"name": "cookie", "value": "old=1"}],
    "queryString": [], "cookies": []},
   "response": {"status": 200,
    "headers": [{"name": "Set-Cookie", "value": "sid=abc; Path=/\nt=1"}]}},
  {"startedDateTime": "2026-11-21T10:00:00.200Z", "time": 1,
   "request": {"method": "GET", "url": "https://cdn.example/app.js", "headers": []},
   "response": {"status": 200, "headers": []}},
  {"startedDateTime": "2026-11-21T11:00:02.120+01:00", "time": 30,
   "request": {"method": "POST", "url": "https://shop.example/login?next=%2Fcart",
    "headers": [{"name": "cookie", "value": "old=1; sid=abc"},
                {"name": "content-length", "value": "9"}],
    "postData": {"mimeType": "application/x-www-form-urlencoded", "params": [
      {"name": "user", "value": "a%40b"}, {"name": "password", "value": "x y"}]}},
   "response": {"status": 302, "headers": []}},
  {"startedDateTime": "2026-11-21T10:00:02.151Z", "time": 0,
   "request": {"method": "PATCH", "url": "https://shop.example/cart", "headers": [],
    "postData": {"mimeType": "application/json; charset=utf-8", "text": "{\"n\": 1}"}},
   "response": {"status": 0}}
]}}"#;

fn archive(options: har::HarOptions) -> Imported {
    let imported = har::import(ARCHIVE, &options).expect("it is an archive");
    compiled(&imported);
    imported
}

fn all() -> har::HarOptions {
    har::HarOptions { origin: None, filter: None, has_think: true }
}

#[test]
fn an_archive_becomes_a_flow() {
    let imported = archive(all());
    assert_eq!(
        scenario(&imported),
        r#"target = "https://shop.example"
cookies = true

[[flow]]
name = "recorded"

[[flow.step]]
path = "/"
headers = { accept = "*/*" }
cookies = { old = "1" }
check = { status = [200] }
think = { constant = "2s" }

[[flow.step]]
path = "/login"
query = { next = "/cart" }
cookies = { old = "1" }
body = { form = { user = "a@b", password = "x y" } }
check = { status = [302] }

[[flow.step]]
method = "PATCH"
path = "/cart"
headers = { Content-Type = "application/json; charset=utf-8" }
body = { json = '{"n": 1}' }
"#
    );
    let expected = [
        "https://cdn.example: 1 request left out, a scenario has one target (--origin)",
        "header connection: left out, uringbench manages connections itself",
        "PATCH /cart: no answer was recorded, so its status is not checked",
    ];
    assert_eq!(imported.notes(), expected);
}

#[test]
fn an_archive_is_narrowed_down() {
    let other = har::HarOptions { origin: Some("https://CDN.example/".into()), ..all() };
    assert!(scenario(&archive(other)).contains("path = \"/app.js\""));
    let quick = scenario(&archive(har::HarOptions { has_think: false, ..all() }));
    assert!(!quick.contains("think"));
    let login = archive(har::HarOptions { filter: Some("login".into()), ..all() });
    assert_eq!(scenario(&login).matches("[[flow.step]]").count(), 1);
    assert!(login.notes()[0].contains("3 requests: left out, without `login`"));
    let nowhere = har::HarOptions { origin: Some("http://b".into()), ..all() };
    let why = har::import(ARCHIVE, &nowhere).unwrap_err().to_string();
    assert!(why.contains("choose among https://shop.example, https://cdn.example"), "{why}");
}

#[test]
fn uploads_of_an_archive_are_kept_as_far_as_they_are_there() {
    let data = |data: &str| {
        let text = format!(
            r#"{{"log": {{"entries": [{{"request": {{"method": "post", "url": "http://a/",
               "headers": [],
               "postData": {data}}}, "response": {{"status": 200}}}}]}}}}"#
        );
        let imported = har::import(&text, &all()).unwrap();
        compiled(&imported);
        (scenario(&imported), imported.notes(), imported.files().len())
    };
    let (text, notes, _) = data(
        r#"{"mimeType": "multipart/form-data; boundary=x", "params": [{"name": "a", "value": "1"},
           {"name": "f", "fileName": "x.png", "contentType": "image/png"}]}"#,
    );
    let part = "{ name = \"f\", text = \"\", filename = \"x.png\", content_type = \"image/png\" }";
    assert!(text.contains(part), "{text}");
    assert!(notes[0].contains("does not contain its file"));
    let (text, notes, _) = data(
        r#"{"mimeType": "multipart/form-data; boundary=x", "text":
           "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n"}"#,
    );
    assert!(text.contains(r"\r\n\r\n1\r\n--x--\r\n"), "{text}");
    assert_eq!(notes, [""; 0], "a form without a file is sent as it was");
    let (text, _, files) = data(r#"{"mimeType": "a/b", "text": "/wA=", "encoding": "base64"}"#);
    assert!(text.contains("body = { file = \"body-1.bin\" }") && files == 1, "{text}");
    let (text, ..) = data(r#"{"mimeType": "text/plain", "text": "{{x}}"}"#);
    assert!(text.contains("body = { text = \"{{{{x}}\" }"), "{text}");
}

#[test]
fn targets_of_vegeta_become_steps() {
    let http = "# comment\nGET http://a:80/x?q=1\nX-A: 1\nX-A: 2\n\nPOST http://a:80/y\n\
                Content-Type: application/json\n@data.json\nDELETE http://b/\n";
    let imported = vegeta::import(http).unwrap();
    compiled(&imported);
    assert_eq!(
        scenario(&imported),
        "target = \"http://a\"\n\n[[flow]]\nname = \"targets\"\n\n[[flow.step]]\npath = \"/x\"\n\
         query = { q = \"1\" }\nheaders = { X-A = [\"1\", \"2\"] }\n\n[[flow.step]]\n\
         path = \"/y\"\n\
         headers = { Content-Type = \"application/json\" }\nbody = { file = \"data.json\" }\n"
    );
    assert!(imported.notes()[0].contains("http://b: left out"));
    let json = r#"{"method": "POST", "url": "http://a/", "body": "eyJhIjoxfQ==",
        "header": {"Content-Type": ["application/json"]}}"#;
    let json = json.replace('\n', "") + "\n{\"method\": \"GET\", \"url\": \"http://a/z\"}\n";
    let imported = vegeta::import(&json).unwrap();
    compiled(&imported);
    assert!(scenario(&imported).contains("body = { json = '{\"a\":1}' }"));
    for (text, expected) in [
        ("", "no target"),
        ("http://a/", "line 1: `http://a/` is not a target"),
        ("GET http://a/\nx", "line 2: `x` is neither"),
        ("GET ftp://a/", "line 1: `ftp://a/` is not an address"),
        ("{\"method\": 1}", "line 1: no target in JSON"),
        ("{\"method\":\"g t\",\"url\":\"http://a\"}", "line 1: `g t` is not a method"),
        ("GET http://a/\n@", "line 2: `@` names no file"),
        ("{\n\"method\": \"GET\",\n}", "line 3: this is not JSON: fix it: trailing comma"),
        ("\n{\"method\": \"GET\"}", "line 2: no target in JSON: fix it: missing field `url`"),
        (
            "{\"method\":\"GET\",\"url\":\"http://a\",\"body\":\"?\"}",
            "line 1: no target in JSON: fix it: its body is not base64",
        ),
    ] {
        let why = vegeta::import(text).unwrap_err().to_string();
        assert!(why.contains(expected), "{text}: {why}");
    }
}

#[test]
fn a_signed_query_keeps_its_bytes() {
    const SIGNED: &str = "/a?sig=a%2fb%2Bc+d&X=%7Ey&e=";
    let archive = format!(
        r#"{{"log": {{"entries": [{{"request": {{"method": "GET", "url": "http://a{SIGNED}",
           "headers": []}}, "response": {{"status": 200}}}}]}}}}"#
    );
    let targets = format!("GET http://a{SIGNED}\n");
    for imported in [har::import(&archive, &all()), vegeta::import(&targets)] {
        let imported = imported.unwrap();
        let line = format!("GET {SIGNED} HTTP/1.1\r\n");
        let text = uringbench_scenario::show::requests(&compiled(&imported), 1);
        assert!(text.contains(&line.replace("\r\n", "\\r\\n")), "{text}");
    }
}

#[test]
fn targets_are_read_as_vegeta_reads_them() {
    let step = |text: &str| {
        let imported = vegeta::import(text).unwrap_or_else(|why| panic!("{why}\n{text}"));
        compiled(&imported);
        (scenario(&imported), imported.notes())
    };
    let (text, notes) = step("GET http://:8080/a");
    assert!(text.starts_with("target = \"http://localhost:8080\"\n"), "{text}");
    assert_eq!(notes, ["an address without a host is at localhost"]);
    let pretty = "{\n  \"method\": \"GET\",\n  \"url\": \"http://a/x\"\n}\n";
    for text in [pretty.to_owned(), format!("[{pretty}]"), pretty.replace('\n', "")] {
        assert!(step(&text).0.contains("path = \"/x\""), "{text}");
    }
    assert!(step("purge http://a/x").0.contains("method = \"purge\""));
    assert!(step("{\"method\": \"purge\", \"url\": \"http://a/\"}").0.contains("\"purge\""));
    // For `me@x.org:p/w`; an explicit header takes precedence.
    let (text, _) = step("GET http://me%40x.org:p%2Fw@a/");
    assert!(text.contains("Authorization = \"Basic bWVAeC5vcmc6cC93\""), "{text}");
    let (text, _) = step("GET http://u:p@a/\nAuthorization: Bearer t");
    assert!(text.contains("headers = { Authorization = \"Bearer t\" }"), "{text}");
}

#[test]
fn many_targets_become_rows() {
    let mut text = String::new();
    for at in 0..300 {
        text += &format!("GET http://a/items/{at}?q=a+b&x=%22,\n");
    }
    text += "HEAD http://a/\n";
    let mut imported = vegeta::import(&text).unwrap();
    imported.name_files("shop");
    let plan = compiled(&imported);
    assert_eq!(plan.flows.len(), 2);
    assert_eq!(plan.flows.iter().map(|flow| flow.weight).collect::<Vec<_>>(), [300, 1]);
    let rows = String::from_utf8(imported.files()[0].bytes.clone()).unwrap();
    assert!(rows.starts_with("url\n\"/items/0?q=a+b&x=%22,\"\n"), "{rows}");
    assert_eq!(imported.files()[0].name, "shop-targets.csv");
    assert!(scenario(&imported).contains("file = \"shop-targets-2.csv\""));
}

const LOG: &str = r#"192.0.2.1 - - [21/Nov/2026:10:00:00 +0000] "GET /a?x=1 HTTP/1.1" 200 1 "-" "a"
192.0.2.1 - - [21/Nov/2026:10:00:01 +0000] "GET /c HTTP/1.1" 404 12 "-" "agent \"x\""
192.0.2.1 - - [21/Nov/2026:10:00:00 +0000] "POST /b HTTP/2.0" 201 12 "-" "agent"
192.0.2.1 - - [21/Nov/2026:10:00:03 +0000] "-" 400 0 "-" "-"
::1 - bob [21/Nov/2026:11:00:02 +0100] "GET http://x/d\x22é#f HTTP/1.1" 304 0
nonsense
192.0.2.1 - - [21/Nov/2026:10:00:03 +0000] "\x16\x03\x01" 400 0
"#;

#[test]
fn a_log_is_replayed_at_its_times() {
    let options =
        log::LogOptions { target: Some("http://a:80/".into()), speed: Some(2.0), format: None };
    let imported = log::import(LOG, &options).unwrap();
    compiled(&imported);
    assert_eq!(
        scenario(&imported),
        r#"target = "http://a"

[load]
replay = { data = "requests", column = "at", flow = "flow", speed = 2.0 }

[data.requests]
file = "requests.csv"

[[flow]]
name = "GET"

[[flow.step]]
name = "GET"
url = "{{requests.url}}"
check = { status = [200, 304, 404] }

[[flow]]
name = "POST"

[[flow.step]]
name = "POST"
method = "POST"
url = "{{requests.url}}"
"#
    );
    let rows = String::from_utf8(imported.files()[0].bytes.clone()).unwrap();
    assert_eq!(
        rows,
        "at,flow,url\n0.000000,GET,/a?x=1\n0.500000,POST,/b\n1.000000,GET,/c\n\
         2.000000,GET,/d%22%C3%A9\n"
    );
    let notes = imported.notes();
    for expected in [
        "lines 4, 6, 7: left out, there is no request in it: 192.0.2.1 - - [21/Nov/2026:10:00:03",
        "spread evenly within each",
        "headers, such as the user agent",
        "POST: 1 request is sent without a body",
        "GET: recorded statuses below 499 count as success",
    ] {
        assert!(notes.iter().any(|note| note.contains(expected)), "{expected}: {notes:#?}");
    }
}

#[test]
fn logs_of_other_times_are_read() {
    let exact = "1795266455.250 192.0.2.1 \"GET /a HTTP/1.1\" 200\n\
                 1795266455.750 192.0.2.1 \"GET /b HTTP/1.1\" 200\n";
    let imported = log::import(exact, &log::LogOptions::default()).unwrap();
    compiled(&imported);
    let rows = String::from_utf8(imported.files()[0].bytes.clone()).unwrap();
    assert_eq!(rows, "at,flow,url\n0.000000,GET,/a\n0.500000,GET,/b\n");
    assert!(imported.notes().iter().all(|note| note.contains("(--target)")));
    let iso = "192.0.2.1 - - [2026-11-21T10:00:00+00:00] \"GET /a HTTP/1.1\" 200\n";
    assert!(log::import(iso, &log::LogOptions::default()).is_ok());
    let late = iso.to_owned() + &iso.replace("2026", "2036");
    let notes = log::import(&late, &log::LogOptions::default()).unwrap().notes();
    assert!(notes.contains(&"1 line: left out, a year or more after the first".to_owned()));
    let bad = "x\n".repeat(9);
    assert!(log::import(&bad, &log::LogOptions::default()).is_err());
    let notes = log::import(&(bad + iso), &log::LogOptions::default()).unwrap().notes();
    let expected = "lines 1, 2, 3, 4, 5 and 4 more: left out, there is no request in it: x";
    assert!(notes.contains(&expected.to_owned()), "{notes:?}");
}
