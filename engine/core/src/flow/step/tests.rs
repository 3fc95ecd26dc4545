//! The result of an answer, and its description.

use super::*;
use crate::flow::capture::Source;
use crate::flow::check::Scalar;
use crate::flow::cookie_jar::CookieJar;
use crate::flow::exchange::Socket;
use crate::flow::expected::Expected;
use crate::flow::table::Table;
use crate::flow::template::Marks;
use crate::flow::text::Text;
use crate::flow::value::{Escape, TemplateValue, Value};
use crate::http::request::RequestParts;
use crate::websocket::frame::Kind;
use crate::websocket::handshake::{Opening, OpeningParts};

fn step(checks: Vec<Check>, captures: Vec<(usize, Capture)>) -> Step {
    let template = Template::build(RequestParts::new("GET", "a", "/"), &Marks::default());
    Step { checks, captures, ..Step::new("s", template.expect("a request")) }
}

fn capture(number: usize, source: Source) -> (usize, Capture) {
    (number, Capture { source, bytes_max: 4 })
}

fn json(pointer: &str) -> Source {
    Source::Json(pointer.parse().expect("a pointer"))
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

fn answer<'a>(status: u16, body: &'a [u8]) -> Answer<'a> {
    let head = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nSet-Cookie: sid=ab\r\n\r\n";
    Answer { status, head, body, body_bytes: body.len() as u64 }
}

fn judge(step: &Step, answer: &Answer<'_>, captures: &mut [Vec<u8>]) -> Judgement {
    step.judge(answer, &nowhere(), captures, &mut Vec::new())
}

#[test]
fn a_status_below_400_is_enough_where_none_is_named() {
    let plain = step(Vec::new(), Vec::new());
    for status in 100..600 {
        let expected = if status < 400 { Ok(()) } else { Err(Failed::Status) };
        assert_eq!(judge(&plain, &answer(status, b""), &mut []), expected);
    }
    assert_eq!(plain.describe(Failed::Status), "status is 400 or above");
    let named = step(vec![Check::Length(0), Check::Status(vec![404, 410])], Vec::new());
    assert_eq!(judge(&named, &answer(404, b""), &mut []), Ok(()));
    assert_eq!(judge(&named, &answer(404, b"x"), &mut []), Err(Failed::Check(0)));
    assert_eq!(judge(&named, &answer(200, b"x"), &mut []), Err(Failed::Status));
    assert_eq!(named.describe(Failed::Status), "status is not 404 or 410");
}

#[test]
fn what_fails_first_is_told_in_words() {
    let checks = || {
        vec![
            Check::Status(vec![200]),
            Check::Header { name: "X-A".into(), value: "1".into() },
            Check::Contains("token".into()),
            Check::Json { pointer: "/n".parse().expect("a pointer"), expected: Scalar::Integer(3) },
        ]
    };
    let captures = || vec![capture(1, json("/token")), capture(0, Source::Cookie("sid".into()))];
    let whole = step(checks(), captures());
    let cases: [(u16, &[u8], Judgement, &str); 7] = [
        (200, br#"{"token":"abcd","n":3}"#, Ok(()), ""),
        (201, br#"{"token":"abcd","n":3}"#, Err(Failed::Status), "status is not 200"),
        (200, b"{}", Err(Failed::Check(2)), "body does not hold `token`"),
        (200, br#"{"token":"abcd"}"#, Err(Failed::Check(3)), "JSON /n is not 3"),
        (200, br#"{"tokens":"abcd","n":3}"#, Err(Failed::Capture(0)), "no JSON /token"),
        (
            200,
            br#"{"token":"abcde","n":3}"#,
            Err(Failed::TooLong(0)),
            "JSON /token is longer than 4 bytes",
        ),
        (500, b"", Err(Failed::Status), "status is not 200"),
    ];
    for (status, body, expected, words) in cases {
        let mut kept = vec![b"old".to_vec(), b"old".to_vec()];
        let result = judge(&whole, &answer(status, body), &mut kept);
        assert_eq!(result, expected, "{words}");
        match result {
            Ok(()) => assert_eq!(kept, [b"ab".to_vec(), b"abcd".to_vec()]),
            Err(failed) => {
                assert_eq!(whole.describe(failed), words);
                assert_eq!(kept[0], b"old", "not reached");
            }
        }
    }
    let without_room = judge(&whole, &answer(200, br#"{"token":"abcd","n":3}"#), &mut []);
    assert_eq!(without_room, Err(Failed::Capture(0)));
    assert_eq!(whole.describe(Failed::Capture(9)), "something this step does not have");
}

#[test]
fn checks_compare_with_what_the_user_knows() {
    let mut table = Table::new(2);
    table.push(["x", "y"]);
    let tables = [table];
    let scope = Scope { tables: &tables, rows: &[0], ..nowhere() };
    let slot = |value| TemplateValue::new(value, Escape::None);
    let id = || {
        let text = Text::new().slot(slot(Value::Cell { table: 0, column: 1 })).literal(b"-");
        let text = text.slot(slot(Value::Capture(0))).literal(b"-").slot(slot(Value::User));
        Expected::new("{{t.b}}-{{id}}-{{user}}", text)
    };
    let whole = Text::from("{\"id\":\"").slot(slot(Value::Capture(1)));
    let pointer = || "/id".parse().expect("a pointer");
    let checks = [
        Check::Contains(id()),
        Check::Equals(Expected::new("", whole)),
        Check::Json { pointer: pointer(), expected: Scalar::Text(id()) },
    ];
    let body = br#"{"id":"y-42-7"}"#;
    for (at, check) in checks.into_iter().enumerate() {
        let one = step(vec![check], vec![capture(0, Source::Header("X-A".into()))]);
        let mut kept = vec![b"42".to_vec(), b"y-42-7\"}".to_vec()];
        let mut scratch = Vec::new();
        assert_eq!(one.judge(&answer(200, body), &scope, &mut kept, &mut scratch), Ok(()), "{at}");
        assert_eq!(kept[0], b"1", "captures follow checks");
        let again = one.judge(&answer(200, body), &scope, &mut kept, &mut scratch);
        // Only comparisons with the first capture see its new value.
        assert_eq!(again, if at == 1 { Ok(()) } else { Err(Failed::Check(0)) });
    }
    let reported = step(vec![Check::Contains(id())], Vec::new()).describe(Failed::Check(0));
    assert_eq!(reported, "body does not hold `{{t.b}}-{{id}}-{{user}}`");
}

#[test]
fn a_step_says_what_it_needs_of_an_answer() {
    let needs = |step: Step| (step.needs_head(), step.needs_body());
    let of_check = |check| needs(step(vec![check], Vec::new()));
    let of_capture = |source| needs(step(Vec::new(), vec![capture(0, source)]));
    assert_eq!(needs(step(Vec::new(), Vec::new())), (false, false));
    assert_eq!(of_check(Check::Status(vec![200])), (false, false));
    assert_eq!(of_check(Check::Length(3)), (false, false));
    assert_eq!(of_check(Check::Equals("".into())), (false, true));
    assert_eq!(of_check(Check::Header { name: "a".into(), value: "b".into() }), (true, false));
    assert_eq!(of_capture(Source::Cookie("a".into())), (true, false));
    assert_eq!(of_capture(json("/a")), (false, true));
    let length = step(vec![Check::Length(3)], Vec::new());
    let unkept = Answer { body: b"", body_bytes: 3, ..answer(200, b"") };
    assert_eq!(judge(&length, &unkept, &mut []), Ok(()), "without its bytes");
}

#[test]
fn messages_are_judged_as_answers_are_and_against_what_was_sent() {
    let opening =
        OpeningParts { authority: "a", target: "/", headers: &[], protocols: &[], key: [0; 16] };
    let socket = |is_echo| {
        Exchange::Socket(Box::new(Socket {
            opening: Opening::build(opening).expect("an opening"),
            kind: Kind::Text,
            message: "m".into(),
            messages: 1,
            is_echo,
            greeting: 0,
        }))
    };
    let plain = step(vec![Check::Contains("m".into())], vec![capture(0, json("/n"))]);
    let judge = |is_echo, received: &[u8]| {
        let step = Step { exchange: socket(is_echo), ..plain.clone() };
        let mut kept = vec![Vec::new()];
        let sent = b"{\"m\":1,\"n\":2}";
        let result = step.judge_message(sent, received, &nowhere(), &mut kept, &mut Vec::new());
        (result, kept.remove(0))
    };
    assert_eq!(judge(true, b"{\"m\":1,\"n\":2}"), (Ok(()), b"2".to_vec()));
    assert_eq!(judge(true, b"{\"m\":1,\"n\":3}"), (Err(Failed::Echo), Vec::new()));
    assert_eq!(judge(false, b"{\"m\":1,\"n\":3}"), (Ok(()), b"3".to_vec()));
    assert_eq!(judge(false, b"{\"n\":3}"), (Err(Failed::Check(0)), Vec::new()));
    assert_eq!(plain.describe(Failed::Echo), "message is not the one sent");
}
