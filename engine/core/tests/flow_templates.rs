//! A compiled request equals a plain rendering of its texts for any request and any values: header,
//! body and `Content-Length`.

use proptest::collection::vec;
use proptest::prelude::*;
use uringbench_core::flow::answer::Answer;
use uringbench_core::flow::cookie_jar::{CookieJar, Origin};
use uringbench_core::flow::skew::{Skew, SkewForm, SkewParts};
use uringbench_core::flow::table::Table;
use uringbench_core::flow::template::{Marks, Template};
use uringbench_core::flow::text::Text;
use uringbench_core::flow::value::{Escape, Scope, TemplateValue, Value};
use uringbench_core::http::body::Body;
use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::statistics::random::Random;

/// A piece of a text: literal bytes, or a value.
#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Value(Value),
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Sequence),
        Just(Value::User),
        Just(Value::Uuid),
        Just(Value::Timestamp),
        (any::<i32>(), any::<u32>()).prop_map(|(low, by)| Value::Int {
            low: low.into(),
            high: i64::from(low) + i64::from(by)
        }),
        (100..1_000_i64).prop_map(|low| Value::Int { low, high: 999 }),
        (any::<i32>(), any::<u32>(), 0..3_usize, any::<bool>()).prop_map(
            |(low, by, form, pads)| {
                let form =
                    [SkewForm::Zipf(990), SkewForm::Gaussian(2_500), SkewForm::Exponential(5_000)]
                        [form];
                let low = if pads { i64::from(low.unsigned_abs()) } else { low.into() };
                let width = if pads { 19 } else { 0 };
                let high = low + i64::from(by);
                Value::Skewed(Skew::new(SkewParts { form, low, high, width }))
            }
        ),
        (1..40_usize).prop_map(Value::Letters),
        vec(vec(any::<u8>(), 0..6), 1..4).prop_map(Value::Choice),
        (0..2_usize).prop_map(|column| Value::Cell { table: 0, column }),
        (0..2_usize).prop_map(Value::Capture),
    ]
}

fn text(letters: &'static str) -> impl Strategy<Value = Vec<Piece>> {
    // Literal text may also contain bytes that look like a mark.
    let literal = prop_oneof![Just("zSlot00000000n".to_owned()), letters.prop_map(String::from)];
    vec(prop_oneof![literal.prop_map(Piece::Literal), value().prop_map(Piece::Value)], 0..6)
}

fn literals(text: &[Piece]) -> impl Iterator<Item = &[u8]> + Clone {
    text.iter().filter_map(|piece| match piece {
        Piece::Literal(text) => Some(text.as_bytes()),
        Piece::Value(_) => None,
    })
}

fn marked(text: &[Piece], escape: Escape, marks: &mut Marks) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Literal(text) => text.clone(),
        Piece::Value(value) => marks.mark(TemplateValue::new(value.clone(), escape)),
    };
    text.iter().map(piece).collect()
}

/// The text with its values, rendered in the simplest way.
fn plain(text: &[Piece], escape: Escape, scope: &Scope<'_>, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in text {
        match piece {
            Piece::Literal(text) => bytes.extend_from_slice(text.as_bytes()),
            Piece::Value(value) => {
                let slot = TemplateValue::new(value.clone(), escape);
                slot.pieces(scope, random, &mut |piece| bytes.extend_from_slice(piece));
            }
        }
    }
    bytes
}

/// The request with the padding of its `Content-Length` removed.
fn without_padding(request: &[u8]) -> Vec<u8> {
    let name = b"\r\nContent-Length: ";
    let Some(at) = request.windows(name.len()).position(|window| window == name) else {
        return request.to_vec();
    };
    let (before, after) = request.split_at(at + name.len());
    let digits = after.iter().position(|byte| *byte != b' ').expect("a number");
    [before, &after[digits..]].concat()
}

proptest! {
    #[test]
    fn a_template_gives_what_plain_rendering_gives(
        path in text("[a-z/%.]{0,8}"),
        header in text("[a-zA-Z :;=]{0,8}"),
        body in text("[ -~\n]{0,12}"),
        captures in vec(vec(any::<u8>(), 0..12), 2),
        cells in vec("[ -~é]{0,9}", 2),
        seed in any::<u64>(),
        numbers in (any::<u64>(), any::<u64>(), 1_000_000_000_000..9_999_999_999_999_u64),
    ) {
        let mut table = Table::new(2);
        table.push(&cells);
        let tables = [table];
        let scope = Scope {
            user: numbers.0,
            sequence: numbers.1,
            unix_ms: numbers.2,
            captures: &captures,
            tables: &tables,
            rows: &[0],
            cookies: CookieJar::empty(),
        };
        let all = literals(&path).chain(literals(&header)).chain(literals(&body));
        let mut marks = Marks::unlike(all);
        let target = format!("/{}", marked(&path, Escape::Url, &mut marks));
        let line = marked(&header, Escape::Header, &mut marks);
        let content = marked(&body, Escape::Json, &mut marks);
        let headers = [("X-It".to_owned(), format!("<{line}>"))];
        let parts = RequestParts {
            headers: &headers,
            body: Body::Bytes(content.as_bytes()),
            ..RequestParts::new("POST", "a", &target)
        };
        let template = Template::build(parts, &marks).expect("a request");

        let mut random = Random::new(seed);
        let target = [&b"/"[..], &plain(&path, Escape::Url, &scope, &mut random)].concat();
        let line = plain(&header, Escape::Header, &scope, &mut random);
        let content = plain(&body, Escape::Json, &scope, &mut random);
        let mut expected = [b"POST ", &target[..], b" HTTP/1.1\r\nHost: a\r\n"].concat();
        let version = env!("CARGO_PKG_VERSION");
        expected.extend(format!("User-Agent: uringbench/{version}\r\n").bytes());
        expected.extend([b"X-It: <", &line[..], b">\r\n"].concat());
        expected.extend(format!("Content-Length: {}\r\n\r\n", content.len()).bytes());
        expected.extend_from_slice(&content);

        let mut rendered = b"before".to_vec();
        template.render(&scope, &mut Random::new(seed), &mut rendered);
        let rendered = rendered.strip_prefix(b"before").expect("what was there stays");
        let request = without_padding(rendered);
        prop_assert_eq!(
            String::from_utf8_lossy(&request),
            String::from_utf8_lossy(&expected)
        );
        if template.is_fixed() {
            let mut patched = template.bytes().to_vec();
            template.patch(&scope, &mut Random::new(seed), &mut patched);
            prop_assert_eq!(&patched, rendered);
        }
    }
}

fn nowhere() -> Scope<'static> {
    Scope {
        user: 7,
        sequence: 8,
        unix_ms: 9,
        captures: &[],
        tables: &[],
        rows: &[],
        cookies: CookieJar::empty(),
    }
}

#[test]
fn a_request_without_slots_is_the_plain_request() {
    let parts = RequestParts { body: Body::Bytes(b"x"), ..RequestParts::new("PUT", "a", "/b") };
    let template = Template::build(parts, &Marks::default()).unwrap();
    let plain = RequestTemplate::build(parts).unwrap();
    assert_eq!(template.bytes(), plain.bytes());
    let mut rendered = Vec::new();
    template.render(&nowhere(), &mut Random::new(1), &mut rendered);
    assert_eq!(rendered, plain.bytes());
}

#[test]
fn values_look_as_they_should() {
    let text = |value: Value, random: &mut Random| {
        let mut text = String::new();
        TemplateValue::new(value, Escape::None).pieces(&nowhere(), random, &mut |piece| {
            text.push_str(std::str::from_utf8(piece).expect("text"));
        });
        text
    };
    let mut random = Random::new(3);
    for _ in 0..1_000 {
        let uuid = text(Value::Uuid, &mut random);
        let groups: Vec<&str> = uuid.split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(
            groups[2].starts_with('4') && groups[3].starts_with(['8', '9', 'a', 'b']),
            "{uuid}"
        );
        let number: i64 = text(Value::Int { low: -3, high: 3 }, &mut random).parse().unwrap();
        assert!((-3..=3).contains(&number));
        assert_eq!(text(Value::Letters(12), &mut random).len(), 12);
    }
    let widest = Value::Int { low: i64::MIN, high: -2 };
    assert!(text(widest, &mut random).parse::<i64>().is_ok());
    assert_eq!(text(Value::User, &mut random), "7");
    assert_eq!(text(Value::Sequence, &mut random), "8");
    assert_eq!(text(Value::Timestamp, &mut random), "0000000000009");
}

fn jar(user: usize, lines: &[(&str, &str)]) -> CookieJar {
    let mut jar = CookieJar::new();
    for (name, path) in lines {
        let head = format!("Set-Cookie: {name}=of{user}; Path={path}\r\n\r\n");
        let answer = Answer { status: 200, head: head.as_bytes(), body: b"", body_bytes: 0 };
        jar.take(&answer, Origin { authority: "a", target: b"/", unix_ms: 1 });
    }
    jar
}

fn with_cookies(fixed: &[(&str, Text)]) -> Template {
    let mut marks = Marks::default();
    let mark = marks.mark(TemplateValue::new(Value::Capture(0), Escape::Url));
    let text = marks.mark(TemplateValue::new(Value::User, Escape::None));
    let target = format!("/{mark}?q=/z");
    let parts = RequestParts {
        body: Body::Bytes(text.as_bytes()),
        ..RequestParts::new("POST", "a", &target)
    };
    let fixed = fixed.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
    Template::build(parts, &marks).expect("a request").with_cookies(fixed)
}

fn rendered(template: &Template, scope: &Scope<'_>) -> String {
    let mut bytes = b"before GET /x ".to_vec();
    template.render(scope, &mut Random::new(1), &mut bytes);
    String::from_utf8(bytes.split_off(14)).expect("text")
}

#[test]
fn cookies_are_one_line_or_none() {
    let jar = jar(3, &[("a", "/"), ("b", "/s"), ("c", "/t")]);
    let user = Text::from("u").slot(TemplateValue::new(Value::User, Escape::Cookie));
    let captures = [b"s".to_vec()];
    let scope = Scope { captures: &captures, unix_ms: 9, cookies: &jar, ..nowhere() };
    let cases = [
        (with_cookies(&[]), nowhere(), ""),
        (with_cookies(&[]), scope, "Cookie: b=of3; a=of3\r\n"),
        (with_cookies(&[("a", user.clone())]), scope, "Cookie: a=u7; b=of3\r\n"),
        (with_cookies(&[("x", "1".into()), ("y", user)]), nowhere(), "Cookie: x=1; y=u7\r\n"),
    ];
    for (template, scope, line) in cases {
        assert!(template.uses_jar() && !template.is_fixed() && !template.is_constant());
        let target = if scope.captures.is_empty() { "/?q=/z" } else { "/s?q=/z" };
        let request = rendered(&template, &scope);
        let begin = format!("POST {target} HTTP/1.1\r\nHost: a\r\n{line}User-Agent: ");
        assert!(request.starts_with(&begin), "{request}");
        assert!(request.ends_with("\r\nContent-Length:          1\r\n\r\n7"), "{request}");
    }
}

proptest! {
    #[test]
    fn no_user_sends_the_cookies_of_another(
        kept in vec(vec((0..4_usize, 0..3_usize), 0..5), 1..20),
        turns in vec((0..20_usize, 0..3_usize), 0..40),
    ) {
        let names = ["a", "b", "sid", "of"];
        let paths = ["/", "/s", "/s/t"];
        let jars: Vec<CookieJar> = kept.iter().enumerate().map(|(user, lines)| {
            let lines: Vec<_> = lines.iter().map(|(n, p)| (names[*n], paths[*p])).collect();
            jar(user, &lines)
        }).collect();
        let template = with_cookies(&[]);
        for (user, path) in turns {
            let user = user % jars.len();
            let captures = [paths[path].as_bytes()[1..].to_vec()];
            let scope =
                Scope { captures: &captures, unix_ms: 9, cookies: &jars[user], ..nowhere() };
            let request = rendered(&template, &scope);
            let line = request.lines().find_map(|line| line.strip_prefix("Cookie: "));
            for pair in line.into_iter().flat_map(|line| line.split("; ")) {
                let (name, value) = pair.split_once('=').expect("a pair");
                prop_assert_eq!(value, format!("of{user}"));
                let is_his = kept[user].iter().any(|(n, _)| names[*n] == name);
                prop_assert!(is_his, "{} of {}", name, user);
            }
        }
    }
}
