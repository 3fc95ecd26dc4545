//! Scenarios as their server sees them: the requests of each user, their order, and the values in
//! them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::certificates::{Certificates, Kind};
use crate::support::document::Document;
use crate::support::nginx::Nginx;
use crate::support::recording::{Answer, Asked, Recording, answer, ok};
use crate::support::run::Run;

/// No warm-up, so that the counts include all requests.
pub(crate) const SHORT: &str = "--warmup 0s -d 300ms --timeout 5s";

/// The step of a document with this name.
pub(crate) fn step<'a>(document: &'a Document, name: &str) -> &'a Value {
    named(document, "steps", name)
}

/// The flow of a document with this name.
pub(crate) fn flow<'a>(document: &'a Document, name: &str) -> &'a Value {
    named(document, "flows", name)
}

fn named<'a>(document: &'a Document, list: &str, name: &str) -> &'a Value {
    let all = document.at(list).as_array().expect("a list");
    let found = all.iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} among {list}: {all:?}"))
}

/// The requests of each user, who is named in a header.
fn by_user(server: &Recording) -> BTreeMap<u64, Vec<Asked>> {
    let mut users: BTreeMap<u64, Vec<Asked>> = BTreeMap::new();
    for asked in server.asked() {
        let user = asked.field("X-User").and_then(|user| user.parse().ok());
        users.entry(user.expect("every request names its user")).or_default().push(asked);
    }
    users
}

const SHOP: &str = r#"
cookies = true
[load]
connections = 2
users = 5
[data.people]
file = "people.csv"
order = "user"
[[on_start]]
name = "login"
path = "/login"
headers = { X-User = "{{user}}" }
body = { form = { email = "{{people.email}}", note = "{{people.note}}" } }
check = { status = [201] }
capture = { token = { json = "/auth/0/token" } }
[[flow]]
name = "order"
[[flow.step]]
name = "list"
path = "/items"
query = { q = "{{people.note}}" }
headers = { X-User = "{{user}}", Authorization = "Bearer {{token}}" }
capture = { next = { header = "Location" }, word = { regex = "<b>([a-z]+)</b>" } }
[[flow.step]]
name = "look"
url = "{{next}}"
headers = { X-User = "{{user}}" }
repeat = 3
[[flow.step]]
name = "buy"
method = "PUT"
path = "/buy/{{word}}"
headers = { X-User = "{{user}}" }
body = { json = '{"who":"{{people.note}}","what":"{{word}}"}' }
check = { status = [200], json = { "/of" = "{{people.email}}" } }
[[on_end]]
name = "logout"
method = "DELETE"
path = "/login"
headers = { X-User = "{{user}}", X-Token = "{{token}}" }
"#;

const PEOPLE: [(&str, &str); 5] =
    [("a@b", "plain"), ("c@d", "x, \"y\""), ("e f", "ü"), ("g", ""), ("h@i", "a&b=c")];

/// The answers of the shop, different for each user.
fn shop(asked: &Asked) -> Answer {
    let user = asked.field("X-User").unwrap_or_default();
    let email = PEOPLE[user.parse::<usize>().unwrap_or_default() % 5].0;
    Answer::Bytes(match asked.line().split('?').next().unwrap_or_default() {
        "POST /login" => answer(
            201,
            &[&format!("Set-Cookie: session=s{user}; Path=/")],
            &format!("{{\"auth\": [{{\"token\": \"t\\\"{user}\"}}]}}"),
        ),
        "GET /items" => answer(
            200,
            &[&format!("Location: http://elsewhere.test/item/{user}?of=a b&x")],
            &format!(
                "<p>no</p><b>word{}</b>",
                ["a", "b", "c", "d", "e"][user.parse::<usize>().unwrap_or(0) % 5]
            ),
        ),
        line if line.starts_with("PUT") => ok(&format!("{{\"of\":\"{email}\"}}")),
        _ => ok("hello"),
    })
}

/// The expected bytes of the shop's steps for a user, step by step.
fn expected(user: u64, host: &str) -> [Vec<u8>; 5] {
    let (email, note) = PEOPLE[user as usize % 5];
    let encoded = |text: &str| {
        text.replace('@', "%40")
            .replace(' ', "%20")
            .replace('ü', "%C3%BC")
            .replace(',', "%2C")
            .replace('"', "%22")
            .replace('&', "%26")
            .replace('=', "%3D")
    };
    let word = ["worda", "wordb", "wordc", "wordd", "worde"][user as usize % 5];
    let ours =
        format!("User-Agent: uringbench/{}\r\nX-User: {user}\r\n", env!("CARGO_PKG_VERSION"));
    let stranger = format!("Host: {host}\r\n{ours}");
    let usual = format!("Host: {host}\r\nCookie: session=s{user}\r\n{ours}");
    let form = format!("email={}&note={}", encoded(email), encoded(note));
    let json = format!("{{\"who\":\"{}\",\"what\":\"{word}\"}}", note.replace('"', "\\\""));
    [
        format!(
            "POST /login HTTP/1.1\r\n{stranger}Content-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {:>10}\r\n\r\n{form}",
            form.len()
        ),
        format!(
            "GET /items?q={} HTTP/1.1\r\n{usual}Authorization: Bearer t\"{user}\r\n\r\n",
            encoded(note)
        ),
        format!("GET /item/{user}?of=a%20b&x HTTP/1.1\r\n{usual}\r\n"),
        format!(
            "PUT /buy/{word} HTTP/1.1\r\n{usual}Content-Type: application/json\r\n\
             Content-Length: {:>10}\r\n\r\n{json}",
            json.len()
        ),
        format!("DELETE /login HTTP/1.1\r\n{usual}X-Token: t\"{user}\r\n\r\n"),
    ]
    .map(String::into_bytes)
}

fn people() -> String {
    let row = |(email, note): &(&str, &str)| format!("{email},\"{}\"\n", note.replace('"', "\"\""));
    format!("email,note\n{}", PEOPLE.iter().map(row).collect::<String>())
}

#[test]
fn every_byte_of_every_step_is_as_written_for_its_user() {
    for args in ["--cores 1", "--cores 2", "-c 7 --cores 1"] {
        let server = Recording::start(shop);
        let run = Run::scenario(&format!("{SHORT} {args}"), &server.target(), SHOP)
            .file("people.csv", &people());
        let finished = run.finish().expect_code(0);
        let document = finished.document();
        document.expect_only(&["ok"]);
        let users = by_user(&server);
        assert_eq!(users.len(), 5, "five users\n{finished}");
        let mut flows = 0;
        for (user, asked) in &users {
            let [login, list, look, buy, logout] = expected(*user, &server.address().to_string());
            let whole = [&list, &look, &look, &look, &buy];
            let all: Vec<&Vec<u8>> = asked.iter().map(|asked| &asked.bytes).collect();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(text(all[0]), text(&login), "first of all\n{finished}");
            assert_eq!(text(all[all.len() - 1]), text(&logout), "last of all\n{finished}");
            let between = &all[1..all.len() - 1];
            assert_eq!(between.len() % 5, 0, "every flow comes to its end\n{finished}");
            for flow in between.chunks(5) {
                for (sent, expected) in flow.iter().zip(whole) {
                    assert_eq!(text(sent), text(expected), "{finished}");
                }
                flows += 1;
            }
        }
        let counted = flow(&document, "order");
        assert_eq!(counted["passed"], flows, "every flow began in the window\n{finished}");
        assert_eq!(counted["failed"], 0);
        assert_eq!(step(&document, "login")["released"], 5, "{finished}");
        // Requests that end after the window are not part of it, except those of flows that began
        // in it.
        assert!(server.count() >= document.released(), "{finished}");
        let sent: u64 = ["list", "look", "buy"]
            .iter()
            .filter_map(|name| step(&document, name)["ok"].as_u64())
            .sum();
        assert!(sent > 0 && sent <= flows * 5, "{sent} of {flows} flows\n{finished}");
    }
}

#[test]
fn an_open_loop_has_a_user_for_each_flow() {
    let server = Recording::start(shop);
    let text = SHOP.replace("users = 5", "rate = 50");
    let run = Run::scenario("--warmup 0s -d 1s --cores 2", &server.target(), &text)
        .file("people.csv", &people());
    let document = run.finish().expect_code(0).document();
    let users = by_user(&server);
    document.expect(users.keys().copied().eq(0..50), "fifty users, from 0");
    for (user, asked) in users {
        let [login, list, look, buy, logout] = expected(user, &server.address().to_string());
        let sent: Vec<_> = asked.into_iter().map(|asked| asked.bytes).collect();
        let whole = [login, list, look.clone(), look.clone(), look, buy, logout];
        document.expect(sent == whole, "each logs in, orders once and logs out");
    }
    document.expect(flow(&document, "order")["passed"] == 50, "all of them");
    // The users who arrive last log out after the window.
    let inside = step(&document, "logout")["ok"].as_u64();
    document.expect((Some(30)..=Some(50)).contains(&inside), &format!("{inside:?} in it"));
}

#[test]
fn users_never_see_each_other_s_cookies() {
    let server = Recording::start(|asked| {
        let line = asked.line();
        let user = line.rsplit('/').next().unwrap_or_default().to_owned();
        let cookie = asked.field("Cookie").unwrap_or_default();
        if line.starts_with("POST") {
            let first = format!("Set-Cookie: id={user}");
            let again = format!("Set-Cookie: later={user}; Path=/page");
            return Answer::Bytes(answer(
                if cookie.is_empty() { 200 } else { 400 },
                &[&first, &again],
                "",
            ));
        }
        let mut kept: Vec<_> = cookie.split("; ").collect();
        kept.sort_unstable();
        let is_right = kept == [format!("id={user}"), format!("later={user}")];
        Answer::Bytes(answer(if is_right { 200 } else { 403 }, &[], ""))
    });
    let text = r#"
        cookies = true
        [[on_start]]
        path = "/page/{{user}}"
        body = { text = "" }
        [[flow]]
        name = "pages"
        [[flow.step]]
        path = "/page/of/{{user}}"
        repeat = 5
    "#;
    for load in ["[load]\nconnections = 8\nusers = 200", "[load]\nconnections = 4\nrate = 500"] {
        for cores in [1, 2] {
            let text = text.replacen("[[on_start]]", &format!("{load}\n[[on_start]]"), 1);
            let args = format!("--warmup 0s -d 1s --cores {cores}");
            let document =
                Run::scenario(&args, &server.target(), &text).finish().expect_code(0).document();
            document.expect_only(&["ok"]);
        }
    }
    let users: BTreeSet<_> = server.asked().iter().map(Asked::line).collect();
    assert!(users.len() > 400, "many users: {}", users.len());
}

#[test]
fn rows_are_shared_out_as_their_order_says() {
    let rows: String = (0..40).map(|row| format!("{row}\n")).collect();
    for (order, cores) in [("shared", 1), ("shared", 2), ("user", 1), ("user", 2), ("random", 1)] {
        let server = Recording::good();
        let text = format!(
            "[load]\nrate = 40\nconnections = 4\n[data.rows]\nfile = \"rows.csv\"\n\
             order = \"{order}\"\n[[flow]]\nname = \"f\"\n[[flow.step]]\n\
             path = \"/{{{{rows.n}}}}/{{{{seq}}}}\"\n"
        );
        let args = format!("--warmup 0s -d 1s --cores {cores} --seed 5");
        let run =
            Run::scenario(&args, &server.target(), &text).file("rows.csv", &format!("n\n{rows}"));
        let document = run.finish().expect_code(0).document();
        let lines: Vec<_> = server.asked().iter().map(Asked::line).collect();
        let part = |line: &str, at: usize| -> u64 {
            line.split('/').nth(at).and_then(|part| part.parse().ok()).expect("a number")
        };
        let mut numbers: Vec<_> = lines.iter().map(|line| part(line, 1)).collect();
        let mut sequence: Vec<_> = lines.iter().map(|line| part(line, 2)).collect();
        numbers.sort_unstable();
        sequence.sort_unstable();
        document.expect(sequence.iter().copied().eq(0..40), &format!("{sequence:?}"));
        if order == "random" {
            numbers.dedup();
            // Of 40 draws from 40 rows, about 25 are different.
            document.expect((15..=35).contains(&numbers.len()), &format!("{numbers:?}"));
        } else {
            document.expect(numbers.iter().copied().eq(0..40), &format!("{order}: {numbers:?}"));
        }
    }
}

#[test]
fn weights_and_choices_are_kept_to() {
    let server = Recording::good();
    let text = r#"
        [load]
        connections = 8
        users = 16
        [[flow]]
        name = "often"
        weight = 9
        [[flow.step]]
        path = "/often"
        [[flow]]
        name = "seldom"
        [[flow.step]]
        name = "left"
        path = "/left"
        choice = "way"
        weight = 3
        [[flow.step]]
        name = "right"
        path = "/right"
        choice = "way"
        [[flow.step]]
        name = "after"
        path = "/after"
    "#;
    let document = Run::scenario("--warmup 0s -d 2s --cores 1 --seed 3", &server.target(), text)
        .finish()
        .expect_code(0)
        .document();
    document.expect_only(&["ok"]);
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    for asked in server.asked() {
        *counts.entry(asked.line()).or_default() += 1.0;
    }
    let count = |line: &str| counts.get(line).copied().unwrap_or_default();
    let (often, after) = (count("GET /often"), count("GET /after"));
    let (left, right) = (count("GET /left"), count("GET /right"));
    document.expect(left + right == after, "one of the two, each time");
    // Five standard deviations of a binomial distribution: one seed in a million fails.
    let near = |some: f64, all: f64, share: f64| {
        (some - all * share).abs() < 5.0 * (all * share * (1.0 - share)).sqrt()
    };
    document.expect(after > 100.0, "enough to tell");
    document.expect(near(often, often + after, 0.9), &format!("{often} often, {after} seldom"));
    document.expect(near(left, after, 0.75), &format!("{left} left of {after}"));
    // Flows are chosen each time, not once for each connection.
    let of_first = |line: &str| {
        server.asked().iter().filter(|asked| asked.connection == 0 && asked.line() == line).count()
    };
    document.expect(of_first("GET /often") > 0 && of_first("GET /after") > 0, "on one connection");
}

#[test]
fn bodies_may_be_large_both_ways() {
    let items: String =
        (0..20_000).map(|n| format!("{{\"id\":{n},\"name\":\"thing\"}},")).collect();
    let large = format!("{{\"items\":[{items}{{\"id\":-1}}],\"last\":\"yes\"}}");
    let length = large.len();
    let last = large.clone();
    let server = Recording::start(move |asked| {
        Answer::Bytes(match asked.line().as_str() {
            "GET /large" => ok(&last),
            _ => ok(&format!("{}", asked.body().len())),
        })
    });
    let certificates = Certificates::make();
    let front = crate::support::tls_front::Front::before(
        "127.0.0.1:0",
        server.address(),
        crate::support::tls_front::Manner::Proper,
        std::sync::Arc::new(certificates),
    );
    let text = format!(
        r#"
        [load]
        connections = 3
        [[flow]]
        name = "f"
        [[flow.step]]
        name = "down"
        path = "/large"
        capture = {{ last = {{ json = "/items/20000/id" }} }}
        [flow.step.check]
        length = {length}
        contains = "19998"
        json = {{ "/last" = "yes", "/items/19999/id" = 19999 }}
        [[flow.step]]
        name = "up"
        path = "/up"
        headers = {{ X-Last = "{{{{last}}}}", X-Id = "{{{{uuid}}}}" }}
        body = {{ generated = {{ size = 10000000 }} }}
        check = {{ equals = "10000000" }}
        "#
    );
    for target in [server.target(), format!("https://{}", front.address())] {
        let run = Run::scenario("--warmup 0s -d 500ms --timeout 20s --cores 1", &target, &text);
        let run = if target.starts_with("https") { run.arg("-k") } else { run };
        let document = run.finish().expect_code(0).document();
        document.expect_only(&["ok"]);
        document.expect(document.count("bytes.sent") >= 30_000_000, "three users' at least");
    }
    let ups: Vec<_> =
        server.asked().into_iter().filter(|asked| asked.line() == "POST /up").collect();
    assert!(ups.iter().all(|asked| asked.field("X-Last").as_deref() == Some("-1")));
    assert!(ups.iter().all(|asked| asked.body() == ups[0].body()), "the same every time");
    let ids: BTreeSet<_> = ups.iter().map(|asked| asked.field("X-Id")).collect();
    assert_eq!(ids.len(), ups.len(), "generated each time");
}

#[test]
fn heads_have_no_body_and_the_next_step_follows() {
    let server = Recording::start(|asked| {
        Answer::Bytes(match asked.line().split(' ').next() {
            Some("HEAD") => {
                b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\nETag: \"7\"\r\n\r\n".to_vec()
            }
            _ if asked.field("If-None-Match").as_deref() == Some("\"7\"") => {
                b"HTTP/1.1 304 Not Modified\r\nETag: \"7\"\r\n\r\n".to_vec()
            }
            _ => answer(400, &[], "no"),
        })
    });
    let text = r#"
        [[flow]]
        name = "f"
        [[flow.step]]
        name = "ask"
        method = "HEAD"
        path = "/"
        check = { header = { Content-Length = "500" } }
        capture = { tag = { header = "ETag" } }
        [[flow.step]]
        name = "get"
        path = "/"
        headers = { If-None-Match = "{{tag}}" }
        check = { status = [304] }
    "#;
    let document = Run::scenario(&format!("{SHORT} -c 4"), &server.target(), text)
        .finish()
        .expect_code(0)
        .document();
    document.expect_only(&["ok"]);
    document.expect(document.status(200) > 0 && document.status(304) > 0, "both are answered");
}

#[test]
fn a_real_server_within_tls_is_walked_through() {
    const TEST: &str = "a_real_server_within_tls_is_walked_through";
    let certificates = Certificates::make();
    let places = r#"location /start {
            add_header Set-Cookie "way=$arg_n; Path=/";
            return 200 '{"n":"$arg_n"}';
        }
        location /go/ {
            default_type application/json;
            return 200 '{"way":"$cookie_way","uri":"$uri"}';
        }"#;
    let Some(nginx) = Nginx::start_tls(TEST, &certificates.leaf(Kind::Good), places) else {
        return;
    };
    let text = r#"
        cookies = true
        [load]
        connections = 4
        users = 9
        [[on_start]]
        path = "/start"
        query = { n = "{{user}}" }
        capture = { n = { json = "/n" } }
        [[flow]]
        name = "f"
        [[flow.step]]
        path = "/go/{{n}}"
        check = { json = { "/way" = "{{user}}", "/uri" = "/go/{{user}}" } }
        [[flow.step]]
        path = "/1m"
        check = { length = 1048576 }
    "#;
    for url in [nginx.https(""), nginx.url("")] {
        let run = Run::scenario(&format!("{SHORT} --cores 2"), url.trim_end_matches('/'), text);
        let run = if url.starts_with("https") {
            run.arg("--cacert").arg(certificates.authority().display().to_string())
        } else {
            run
        };
        run.finish().expect_code(0).document().expect_only(&["ok"]);
    }
}
