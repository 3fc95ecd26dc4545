//! Requests are rendered and answers checked without allocation, once a user's buffers have grown.

use uringbench_core::flow::Step;
use uringbench_core::flow::answer::Answer;
use uringbench_core::flow::capture::{Capture, Source};
use uringbench_core::flow::check::{Check, Scalar};
use uringbench_core::flow::cookie_jar::{CookieJar, Origin};
use uringbench_core::flow::expected::Expected;
use uringbench_core::flow::pattern::Pattern;
use uringbench_core::flow::template::{Marks, Template};
use uringbench_core::flow::text::Text;
use uringbench_core::flow::value::{Escape, Scope, TemplateValue, Value};
use uringbench_core::http::request::RequestParts;
use uringbench_core::statistics::random::Random;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nLocation: http://a/b?c\r\nSet-Cookie: sid=1; Max-Age=9\r\n\r\n";
const BODY: &[u8] = br#"{"id":"u7","token":"abc\u0041","n":[1,2,3]}"#;

fn step() -> Step {
    let mut marks = Marks::default();
    let target = Text::new().slot(TemplateValue::new(Value::Capture(0), Escape::None));
    let target = marks.mark(TemplateValue::new(Value::Target(target), Escape::None));
    let token = marks.mark(TemplateValue::new(Value::Capture(1), Escape::Header));
    let target = format!("/{target}");
    let headers = [("Authorization".to_owned(), format!("Bearer {token}"))];
    let parts = RequestParts { headers: &headers, ..RequestParts::new("GET", "a", &target) };
    let template = Template::build(parts, &marks).expect("a request");
    let user = Text::from("u").slot(TemplateValue::new(Value::User, Escape::None));
    let capture = |source| Capture { source, bytes_max: 64 };
    let regex = Pattern::new("\"n\":\\[(\\d)").expect("a pattern");
    Step {
        checks: vec![
            Check::Status(vec![200]),
            Check::Header { name: "location".into(), value: "http://a/b?c".into() },
            Check::Contains(Expected::new("", user.clone())),
            Check::Json {
                pointer: "/id".parse().expect("a pointer"),
                expected: Scalar::Text(Expected::new("", user)),
            },
        ],
        captures: vec![
            (0, capture(Source::Header("location".into()))),
            (1, capture(Source::Json("/token".parse().expect("a pointer")))),
            (2, capture(Source::Regex(regex))),
        ],
        ..Step::new("s", template.with_cookies(vec![("a".to_owned(), "b".into())]))
    }
}

fn scope<'a>(unix_ms: u64, captures: &'a [Vec<u8>], cookies: &'a CookieJar) -> Scope<'a> {
    Scope { user: 7, sequence: unix_ms, unix_ms, captures, tables: &[], rows: &[], cookies }
}

#[test]
fn a_step_allocates_nothing_once_it_has_been_taken() {
    let step = step();
    let mut captures = vec![Vec::new(); 3];
    let (mut jar, mut out, mut scratch) = (CookieJar::new(), Vec::new(), Vec::new());
    let mut random = Random::new(1);
    let answer = Answer { status: 200, head: HEAD, body: BODY, body_bytes: BODY.len() as u64 };
    let mut take = |unix_ms: u64| {
        out.clear();
        step.template.render(&scope(unix_ms, &captures, &jar), &mut random, &mut out);
        jar.take(&answer, Origin { authority: "a", target: b"/b?c", unix_ms });
        let scope = scope(unix_ms, &[], &jar);
        assert_eq!(step.judge(&answer, &scope, &mut captures, &mut scratch), Ok(()));
    };
    let _profiler = dhat::Profiler::builder().testing().build();
    (0..10).for_each(&mut take);
    // The test's runner is a thread beside this one, and may allocate during a round or two.
    let rounds = (0..5).map(|round| {
        let before = dhat::HeapStats::get().total_blocks;
        (10..1_000).for_each(|step| take(1_000 * round + step));
        dhat::HeapStats::get().total_blocks - before
    });
    assert_eq!(rounds.min(), Some(0));
    let request = String::from_utf8(out).expect("text");
    assert!(
        request.starts_with("GET /b?c HTTP/1.1\r\nHost: a\r\nCookie: a=b; sid=1\r\n"),
        "{request}"
    );
    assert!(request.ends_with("Authorization: Bearer abcA\r\n\r\n"), "{request}");
    assert_eq!(captures[2], b"1");
}
