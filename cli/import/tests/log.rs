//! Access logs of servers, proxies, balancers and applications.

mod support;

use support::{compiled, scenario};
use uringbench_import::{Imported, log};

fn options(format: Option<&str>) -> log::LogOptions {
    let target = Some("http://a:80/".to_owned());
    log::LogOptions { target, speed: None, format: format.map(str::to_owned) }
}

fn import(text: &str, format: Option<&str>) -> Imported {
    let imported =
        log::import(text, &options(format)).unwrap_or_else(|why| panic!("{why}\n{text}"));
    compiled(&imported);
    imported
}

/// The rows without their header, and the notes.
fn rows(text: &str, format: Option<&str>) -> (String, Vec<String>) {
    let imported = import(text, format);
    let rows = String::from_utf8(imported.files()[0].bytes.clone()).expect("rows are text");
    (rows.split_once('\n').expect("a line of names").1.to_owned(), imported.notes())
}

const NO_ZONE: &str = "times without a zone are read as UTC";
const HEADERS: &str = "headers, such as the user agent and the referer, are not sent";

/// A line of each kind that is a `GET /a?b` with status 404: its name with the expected note, and
/// the line.
fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    let all = include_str!("recordings/access-logs.txt").split("== ").skip(1);
    all.map(|one| one.split_once('\n').expect("a name has a line of its own"))
}

#[test]
fn lines_of_many_servers_are_read() {
    assert_eq!(lines().count(), 31);
    for (name, text) in lines() {
        let text = text.trim_end_matches('\n');
        let imported = import(text, None);
        let rows = String::from_utf8(imported.files()[0].bytes.clone()).expect("rows are text");
        assert_eq!(rows, "at,flow,url\n0.000000,GET,/a?b\n", "{text}");
        assert!(scenario(&imported).contains("check = { status = [404] }"), "{text}");
        let notes = imported.notes();
        let is_reported = |note: &str| notes.iter().any(|known| known == note);
        assert_eq!(is_reported(HEADERS), name.contains("(headers"), "{text}");
        assert_eq!(is_reported(NO_ZONE), name.contains("no zone)"), "{text}");
        // Two of a kind are a second apart.
        let next = text.lines().last().unwrap().replace("03:04:05", "03:04:06");
        let next = next.replace("1767323045", "1767323046");
        let both = import(&format!("{text}\n{next}\n"), None);
        let rows = String::from_utf8(both.files()[0].bytes.clone()).unwrap();
        assert_eq!(rows, "at,flow,url\n0.000000,GET,/a?b\n1.000000,GET,/a?b\n", "{text}");
    }
}

#[test]
fn rails_names_its_requests_without_a_status() {
    let line = "I, [2026-01-02T03:04:05.123456 #12]  INFO -- : Started POST \"/a\" for ::1 at \
                2026-01-02 03:04:05 +0000";
    assert_eq!(rows(line, None).0, "0.000000,POST,/a\n");
}

#[test]
fn formats_of_servers_are_taken_from_their_configuration() {
    let combined = r#"::1 - - [02/Jan/2026:03:04:05 +0000] "GET /a\"b HTTP/1.1" 404 5 "-" "x y""#;
    for (format, line, expected) in [
        ("combined", combined, "/a%22b"),
        (
            "$remote_addr - $remote_user [$time_local] \"$request\" $status",
            "::1 - a b [02/Jan/2026:03:04:05 +0000] \"GET /a HTTP/1.1\" 404",
            "/a",
        ),
        (
            "$msec|$request_method|$scheme://$host$request_uri|$status|${request_time}",
            "1767323045.123|GET|http|//x/a?b=1|404|0.003",
            "no",
        ),
        (
            "$msec|$request_method|$scheme://$host$request_uri|$status|${request_time}",
            "1767323045.123|GET|http://x.example/a?b=1|404|0.003",
            "/a?b=1",
        ),
        (
            "$time_iso8601 $status $request_method $uri$is_args$args",
            "2026-01-02T03:04:05+00:00 404 GET /a?b=1",
            "/a?b=1",
        ),
        (
            r#"{ "t": "$time_iso8601", "r": "$request", "s": $status }"#,
            r#"{ "t": "2026-01-02T03:04:05+00:00", "r": "GET /a\\b HTTP/1.1", "s": 404 }"#,
            "/a%5Cb",
        ),
        (r#"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""#, combined, "/a%22b"),
        (
            "%v:%p %h %l %u %t \"%r\" %>s %O",
            "x:80 ::1 - - [02/Jan/2026:03:04:05 +0000] \"GET /a HTTP/1.1\" 404 5",
            "/a",
        ),
        ("%{usec}t %m %U%q %s %% %D", "1767323045000000 GET /a?b=1 404 % 17", "/a?b=1"),
        ("%{%Y-%m-%d %T}t %m %U %s", "2026-01-02 03:04:05 GET /a 404", "no"),
        ("[%{%Y-%m-%d %T}t] %m %U %s", "[2026-01-02 03:04:05] GET /a 404", "/a"),
    ] {
        let imported = log::import(line, &options(Some(format)));
        match imported {
            Err(why) => {
                let why = why.to_string();
                assert!(expected == "no" && why.contains("line 1: left out"), "{format}: {why}");
            }
            Ok(imported) => {
                let rows =
                    String::from_utf8(imported.files()[0].bytes.clone()).expect("rows are text");
                assert_eq!(rows, format!("at,flow,url\n0.000000,GET,{expected}\n"), "{format}");
                assert!(scenario(&imported).contains("[404]"), "{format}");
            }
        }
    }
    for (format, expected) in [
        ("$remote_addr $request", "has no time with a date: write $time_local or %t"),
        ("%h %t", "has no request: write $request or %r"),
        ("%t%r", "has nothing between two of its values"),
        ("", "has no time"),
    ] {
        let why = log::import(combined, &options(Some(format))).unwrap_err().to_string();
        assert!(why.contains(expected), "{format}: {why}");
    }
}

#[test]
fn what_cannot_be_read_is_reported_by_kinds() {
    let good = "::1 - - [02/Jan/2026:03:04:05 +0000] \"GET /a HTTP/1.1\" 200 5\n";
    let other = "::1 - - [02/Jan/2026:03:04:05 +0000] \"-\" 400 0\n";
    let text = format!(
        "{}{good}{}INFO: ::1 - \"GET /b HTTP/1.1\" 200 OK\n",
        other.repeat(7),
        other.replace('-', "GET /a b HTTP/1.1").replace("::1 GET /a b HTTP/1.1", "::1 -")
    );
    let (rows, notes) = rows(&text, None);
    assert_eq!(rows, "0.000000,GET,/a\n");
    let shown = other.trim_end();
    assert_eq!(
        notes[0],
        format!("lines 1, 2, 3, 4, 5 and 2 more: left out, there is no request in it: {shown}")
    );
    assert!(
        notes.iter().any(|note| note
            == "line 10: left out, there is no time with a date in it: \
            INFO: ::1 - \"GET /b HTTP/1.1\" 200 OK"),
        "{notes:#?}"
    );
    assert!(notes.iter().any(|note| note.contains("line 9: left out, its request cannot be sent")));
    for (text, expected) in [
        ("GET / 200 1.2 ms - 5", "line 1: left out, there is no time with a date in it: GET /"),
        ("{\"a\": 1}", "line 1: left out, there is no request in it: {"),
        ("#Fields: date\na b", "line 2: left out, it has another number of columns than `#Fields`"),
        ("", "it has no line"),
    ] {
        let why = log::import(text, &options(None)).unwrap_err().to_string();
        assert!(why.contains(expected) && why.ends_with("by --log-format"), "{text}: {why}");
    }
}

#[test]
fn odd_requests_of_a_log_are_kept_or_reported() {
    let line = |second: u32, request: &str| {
        format!("::1 - - [02/Jan/2026:03:04:{second:02} +0000] \"{request}\" 200 5 \"-\" \"x\"\n")
    };
    let odd = [
        r#"GET /a\"b HTTP/1.1"#,
        "GET /a b HTTP/1.1",
        r"\x16\x03\x01",
        "-",
        "OPTIONS * HTTP/1.1",
        "GET http://h/x HTTP/1.1",
        "GET /a?x={{y}} HTTP/1.1",
        "GET //a//b HTTP/1.1",
        "CONNECT h:443 HTTP/1.1",
        "GET /old",
        r"GET /\xc3\xa4 HTTP/1.1",
    ];
    let text: String = (0..).zip(odd).map(|(at, request)| line(at, request)).collect();
    let (rows, notes) = rows(&(text + &line(5, "GET /late HTTP/1.1")), None);
    assert_eq!(
        rows,
        "0.000000,GET,/a%22b\n5.000000,GET,/x\n5.500000,GET,/late\n6.000000,GET,/a?x={{y}}\n\
         7.000000,GET,//a//b\n9.000000,GET,/old\n10.000000,GET,/%C3%A4\n"
    );
    assert!(notes[0].starts_with("lines 2, 5, 9: left out, its request cannot be sent"));
    assert!(notes[1].starts_with("lines 3, 4: left out, there is no request in it"));
}

#[test]
fn secrets_in_lines_that_cannot_be_read_are_not_reported() {
    let good = "1.2.3.4 - - [02/Jan/2026:03:04:05 +0000] \"GET / HTTP/1.1\" 200 1\n";
    for bad in [
        "1.2.3.4 - - [no time] \"GET /a?token=s3cret HTTP/1.1\" 200 1",
        "{\"time\": \"no\", \"uri\": \"/a\", \"access_token\": \"s3cret\"}",
        "GET http://me:s3cret@a/ without a time",
    ] {
        let imported = log::import(&format!("{good}{bad}\n"), &log::LogOptions::default()).unwrap();
        let notes = imported.notes().join("\n");
        assert!(notes.contains("line 2: left out") && !notes.contains("s3cret"), "{notes}");
    }
}
