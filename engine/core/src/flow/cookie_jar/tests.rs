//! Cookies are stored and sent according to RFC 6265, its examples first.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const NOW: u64 = 1_700_000_000_000;

fn origin<'a>(path: &'a str) -> Origin<'a> {
    Origin { authority: "www.example.com:8080", target: path.as_bytes(), unix_ms: NOW }
}

fn take(jar: &mut CookieJar, line: &str, origin: Origin<'_>) {
    let head = format!("HTTP/1.1 200 OK\r\nSet-Cookie: {line}\r\n\r\n");
    let answer = Answer { status: 200, head: head.as_bytes(), body: b"", body_bytes: 0 };
    jar.take(&answer, origin);
}

fn jar(lines: &[&str]) -> CookieJar {
    let mut jar = CookieJar::new();
    for line in lines {
        take(&mut jar, line, origin("/docs/index.html?a=/b"));
    }
    jar
}

fn sent(jar: &CookieJar, path: &str) -> String {
    sent_at(jar, path, NOW)
}

fn sent_at(jar: &CookieJar, path: &str, unix_ms: u64) -> String {
    let cookies = jar.cookies().iter().filter(|cookie| cookie.is_sent(path.as_bytes(), unix_ms));
    let pairs: Vec<_> = cookies.map(|cookie| String::from_utf8_lossy(cookie.pair())).collect();
    pairs.join("; ")
}

#[test]
fn the_examples_of_the_rfc() {
    // Section 3.1.
    assert_eq!(sent(&jar(&["SID=31d4d96e407aad42"]), "/docs/a"), "SID=31d4d96e407aad42");
    let both =
        jar(&["SID=31d4d96e407aad42; Path=/; Domain=example.com", "lang=en-US; Path=/; Secure"]);
    assert_eq!(sent(&both, "/"), "SID=31d4d96e407aad42; lang=en-US");
    let mut jar = jar(&["lang=en-US; Expires=Wed, 09 Jun 2100 10:18:14 GMT; Path=/"]);
    assert_eq!(sent(&jar, "/"), "lang=en-US");
    take(&mut jar, "lang=; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Path=/", origin("/"));
    assert_eq!(sent(&jar, "/"), "");
    assert!(jar.0.is_none(), "its memory is given back");
}

#[test]
fn only_what_a_browser_keeps_is_kept() {
    let cases = [
        ("a=b", "a=b"),
        (" a = b ; path = /", "a=b"),
        ("a=b=c; unknown; HttpOnly", "a=b=c"),
        ("a=\"b\"", "a=\"b\""),
        ("a=", "a="),
        ("a", ""),
        ("=b", ""),
        ("a=b\tc", ""),
        ("a=b; Max-Age=0", ""),
        ("a=b; Max-Age=-5", ""),
        ("a=b; Max-Age=5; Expires=Sun, 06 Nov 1994 08:49:37 GMT", "a=b"),
        ("a=b; Max-Age=soon", "a=b"),
        ("a=b; Max-Age=99999999999999999999999", "a=b"),
        ("a=b; Expires=never", "a=b"),
        ("a=b; Domain=", "a=b"),
        ("a=b; Domain=.Example.com", "a=b"),
        ("a=b; Domain=www.example.com", "a=b"),
        ("a=b; Domain=ample.com", ""),
        ("a=b; Domain=a.www.example.com", ""),
        ("a=b; Domain=other.org", ""),
        ("a=b; Path=relative", "a=b"),
        ("a=b; Path=/docs", "a=b"),
        ("a=b; Path=/doc", ""),
        ("a=b; Path=/docs/a", "a=b"),
        ("a=b; Path=/docs/a/", ""),
    ];
    for (line, expected) in cases {
        assert_eq!(sent(&jar(&[line]), "/docs/a"), expected, "{line}");
    }
    for (authority, domain, is_kept) in [
        ("127.0.0.1:80", "127.0.0.1", true),
        ("127.0.0.1", "0.0.1", false),
        ("[::1]:80", "[::1]", true),
        ("a.example", "example", true),
    ] {
        let mut jar = CookieJar::new();
        take(&mut jar, &format!("a=b; domain={domain}"), Origin { authority, ..origin("/") });
        assert_eq!(!jar.cookies().is_empty(), is_kept, "{domain} from {authority}");
    }
}

#[test]
fn paths_decide_where_a_cookie_goes_and_in_which_order() {
    let jar = jar(&["a=1; Path=/", "b=2", "c=3; Path=/docs/a", "a=4; Path=/docs", "d=5; Path=/"]);
    assert_eq!(sent(&jar, "/docs/a/b"), "c=3; b=2; a=4; a=1; d=5");
    assert_eq!(sent(&jar, "/docs/ab"), "b=2; a=4; a=1; d=5");
    assert_eq!(sent(&jar, "/docs?x=/docs/a"), "b=2; a=4; a=1; d=5");
    assert_eq!(sent(&jar, "/"), "a=1; d=5");
    let folders = [("/", "/"), ("/a", "/"), ("/a/", "/a"), ("/a/b", "/a"), ("", "/"), ("a/b", "/")];
    for (asked, folder) in folders {
        assert_eq!(default_path(asked.as_bytes()), folder.as_bytes(), "{asked}");
    }
}

#[test]
fn a_new_value_takes_the_place_of_the_old_one() {
    let jar = jar(&["a=1", "b=2", "a=3; Max-Age=10"]);
    assert_eq!(sent(&jar, "/docs/a"), "a=3; b=2");
    assert_eq!(sent_at(&jar, "/docs/a", NOW + 10_000), "b=2");
}

#[test]
fn no_server_fills_the_memory() {
    let long = format!("a={}", "x".repeat(COOKIE_BYTES_MAX - 2 - "/docs".len()));
    assert_eq!(jar(&[&long]).cookies().len(), 1);
    assert_eq!(jar(&[&format!("{long}x")]).cookies().len(), 0);
    let mut jar = CookieJar::new();
    for number in 0..200 {
        take(&mut jar, &format!("n{number}={number}; Path=/"), origin("/"));
    }
    assert_eq!(jar.cookies().len(), COOKIES_MAX);
    assert!(sent(&jar, "/").starts_with("n150=150; "), "the oldest went");
    take(&mut jar, "over=1; Max-Age=1; Path=/", origin("/"));
    let later = Origin { unix_ms: NOW + 1_000, ..origin("/") };
    take(&mut jar, "new=1; Path=/", later);
    assert!(sent(&jar, "/").starts_with("n151=151; "), "what is over went first");
    assert_eq!(size_of::<CookieJar>(), size_of::<usize>());
}

/// A `Set-Cookie` that is almost valid.
fn line() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("a=1"),
        Just("b=2"),
        Just("sid=x"),
        Just("Path=/"),
        Just("path=/a"),
        Just("Max-Age=0"),
        Just("Max-Age=9"),
        Just("Domain=com"),
        Just("Domain=b"),
        Just("Expires=1 jan 70 0:0:0"),
        Just("Expires=1 jan 2090 0:0:0"),
        Just(""),
        Just("="),
        Just("é\u{1}"),
    ];
    vec(part, 1..5).prop_map(|parts| parts.join(";"))
}

proptest! {
    /// A reference model: every cookie in a list, the latest one for a name and a path counts.
    #[test]
    fn what_is_sent_is_what_the_newest_answers_say(lines in vec(line(), 0..30)) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let jar = jar(&lines);
        let mut plain: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)> = Vec::new();
        for line in &lines {
            let asked = origin("/docs/index.html");
            let Some(given) = SetCookie::read(line.as_bytes(), &asked) else { continue };
            let key = (given.name.to_vec(), given.path.to_vec());
            let known = plain.iter().position(|(name, path, _)| (name, path) == (&key.0, &key.1));
            match known {
                Some(at) if given.expires <= NOW => drop(plain.remove(at)),
                Some(at) => plain[at].2 = given.value.to_vec(),
                None if given.expires <= NOW => {}
                None => plain.push((key.0, key.1, given.value.to_vec())),
            }
        }
        plain.sort_by_key(|(_, path, _)| Reverse(path.len()));
        let expected: Vec<Vec<u8>> =
            plain.iter().map(|(name, _, value)| [&name[..], b"=", value].concat()).collect();
        let found: Vec<Vec<u8>> =
            jar.cookies().iter().map(|cookie| cookie.pair().to_vec()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_are_survived(head in vec(any::<u8>(), 0..80), path in vec(any::<u8>(), 0..9)) {
        let mut jar = CookieJar::new();
        let head = [&b"Set-Cookie: a="[..], &head, b"\r\n\r\n"].concat();
        let answer = Answer { status: 200, head: &head, body: b"", body_bytes: 0 };
        jar.take(&answer, Origin { target: &path, ..origin("/") });
        for cookie in jar.cookies() {
            prop_assert!(!cookie.pair().iter().any(u8::is_ascii_control));
        }
    }
}
