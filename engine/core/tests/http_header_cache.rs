//! The header cache: what it learns, and that it never accepts what parsing would read
//! differently.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::response::{Malformed, Persistence, Progress, Response, ResponseParser};

type Outcome = (Result<Progress, Malformed>, u64);

fn feed(bytes: &[u8], header_cache: &mut HeaderCache, is_head: bool) -> Outcome {
    let mut parser = ResponseParser::new();
    let fed = parser.feed(bytes, header_cache, is_head);
    (fed, parser.opaque())
}

/// Feed each of them, and tell the hits and misses.
fn learn(header_cache: &mut HeaderCache, responses: &[&str]) -> (u64, u64) {
    let before = (header_cache.hits(), header_cache.misses());
    for response in responses {
        let with = feed(response.as_bytes(), header_cache, false);
        assert_eq!(with, feed(response.as_bytes(), &mut HeaderCache::disabled(), false));
    }
    (header_cache.hits() - before.0, header_cache.misses() - before.1)
}

#[test]
fn a_header_seen_once_is_recognised_and_its_date_may_differ() {
    let header_cache = &mut HeaderCache::new();
    let at = |date: &str| {
        format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nServer: a\r\nContent-Length: 2\r\n\r\nhi")
    };
    assert_eq!(learn(header_cache, &[&at("Mon, 20 Nov 2023 22:28:00 GMT")]), (0, 1));
    assert_eq!(learn(header_cache, &[&at("Tue, 21 Nov 2023 00:00:01 GMT")]), (1, 0));
    assert_eq!(learn(header_cache, &[&at("Tue, 21 Nov 2023 00:00:01\tGMT")]), (0, 1));
    assert_eq!(learn(header_cache, &[&at("Wed, 22 Nov 2023 00:00:01 GMT")]), (1, 0));
}

#[test]
fn equal_answers_behind_a_recognised_one_are_counted_and_no_others() {
    let header_cache = &mut HeaderCache::new();
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let other = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nho";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let repeats = |cache: &mut HeaderCache, bytes: &str, most| {
        let before = cache.hits();
        let _fed = feed(bytes.as_bytes(), cache, false);
        let fed = cache.hits();
        let count = cache.repeats(bytes.as_bytes(), most);
        assert_eq!(cache.hits() - fed, u64::from(count));
        (fed - before, count)
    };
    let three = answer.repeat(3);
    assert_eq!(repeats(header_cache, &three, 9), (0, 0), "parsed, not recognised");
    assert_eq!(repeats(header_cache, &three, 9), (1, 2));
    assert_eq!(repeats(header_cache, &three, 1), (1, 1));
    assert_eq!(repeats(header_cache, &format!("{three}HTTP/1.1"), 9), (1, 2));
    assert_eq!(repeats(header_cache, &format!("{answer}{other}{answer}"), 9), (1, 0));
    assert_eq!(repeats(header_cache, &answer[..answer.len() - 1], 9), (1, 0), "not whole");
    let _learned = feed(chunked.as_bytes(), header_cache, false);
    assert_eq!(repeats(header_cache, &chunked.repeat(2), 9), (1, 0), "no length is announced");
}

#[test]
fn other_values_may_differ_once_two_have_been_seen() {
    let header_cache = &mut HeaderCache::new();
    let with = |id: &str, kind: &str| {
        format!("HTTP/1.1 200 OK\r\nX-Id: {id}\r\nX-Kind: {kind}\r\nContent-Length: 0\r\n\r\n")
    };
    assert_eq!(learn(header_cache, &[&with("00", "a"), &with("01", "a")]), (0, 2));
    assert_eq!(learn(header_cache, &[&with("77", "a"), &with("  ", "a")]), (2, 0));
    assert_eq!(learn(header_cache, &[&with("77", "b"), &with("88", "c")]), (1, 1));
}

#[test]
fn what_decides_is_compared_however_often_it_differs() {
    let header_cache = &mut HeaderCache::new();
    for (line, other) in [
        ("Content-Length: 10", "Content-Length: 11"),
        ("Connection: close\r\nContent-Length: 0", "Connection: clore\r\nContent-Length: 0"),
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunkes"),
        (
            "Content-Type: text/event-streaM\r\nContent-Length: 0",
            "Content-Type: text/event-streax\r\nContent-Length: 0",
        ),
        ("X-A: 1\r\nContent-Length: 0", "X-B: 1\r\nContent-Length: 0"),
    ] {
        let [one, two] = [line, other].map(|line| format!("HTTP/1.1 200 OK\r\n{line}\r\n\r\n"));
        learn(header_cache, &[&one, &two, &one, &two]);
    }
    // Nor does what had no effect twice pass for what never has one.
    for (first, second, third) in [
        ("204 N\r\nConnection: aaaaa", "204 N\r\nConnection: bbbbb", "204 N\r\nConnection: close"),
        (
            "304 N\r\nContent-Length: 10",
            "304 N\r\nContent-Length: 11",
            "304 N\r\nContent-Length: 1x",
        ),
    ] {
        let pages = [first, second, third].map(|lines| format!("HTTP/1.1 {lines}\r\n\r\n"));
        learn(header_cache, &[&pages[0], &pages[1], &pages[2]]);
    }
    let [one, two] = ["200", "201"].map(|code| format!("HTTP/1.1 {code} O\r\na: b\r\n\r\n"));
    learn(header_cache, &[&one, &two, &one, &two]);
    assert!(header_cache.hits() > 0);
}

#[test]
fn a_shape_answers_the_method_it_was_learned_from() {
    let header_cache = &mut HeaderCache::new();
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx";
    for is_head in [false, true, false, true] {
        assert_eq!(
            feed(bytes, header_cache, is_head),
            feed(bytes, &mut HeaderCache::disabled(), is_head)
        );
    }
    assert_eq!((header_cache.hits(), header_cache.misses()), (2, 2));
}

#[test]
fn four_shapes_are_kept_and_the_useful_ones_survive() {
    let header_cache = &mut HeaderCache::new();
    let page = |name: usize| format!("HTTP/1.1 200 OK\r\nX-{name}: x\r\nContent-Length: 0\r\n\r\n");
    for name in 0..4 {
        assert_eq!(learn(header_cache, &[&page(name), &page(name)]), (1, 1));
    }
    assert_eq!(learn(header_cache, &[&page(0), &page(1), &page(2)]), (3, 0));
    // The fifth takes the place of the fourth, which was of use least often.
    assert_eq!(learn(header_cache, &[&page(4), &page(4)]), (1, 1));
    assert_eq!(learn(header_cache, &[&page(0), &page(1), &page(2), &page(4)]), (4, 0));
    assert_eq!(learn(header_cache, &[&page(3)]), (0, 1));
}

#[test]
fn trying_stops_where_it_does_not_pay_and_starts_again_later() {
    let header_cache = &mut HeaderCache::new();
    let page = |name: u32| format!("HTTP/1.1 200 OK\r\nX-{name}: x\r\nContent-Length: 0\r\n\r\n");
    let steady = page(9_999_999);
    for name in 0..2000 {
        learn(header_cache, &[&page(name)]);
    }
    assert_eq!(learn(header_cache, &[&steady, &steady, &steady]), (0, 3));
    let mut misses = 0;
    while learn(header_cache, &[&steady]).0 == 0 {
        misses += 1;
        assert!(misses < 70_000, "never tried again");
    }
    // Once they pay they stay, for windows without end.
    for _ in 0..10_000 {
        assert_eq!(learn(header_cache, &[&steady]), (1, 0));
    }
}

#[test]
fn disabled_shapes_recognise_nothing() {
    let header_cache = &mut HeaderCache::disabled();
    let page = "HTTP/1.1 204 N\r\n\r\n";
    assert_eq!(learn(header_cache, &[page, page, page]), (0, 3));
}

#[test]
fn headers_split_over_receives_are_recognised_too() {
    let header_cache = &mut HeaderCache::new();
    let page = b"HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 2\r\n\r\nhi";
    assert!(feed(page, header_cache, false).0.is_ok());
    let mut parser = ResponseParser::new();
    for cut in 1..page.len() {
        assert_eq!(parser.feed(&page[..cut], header_cache, false), Ok(Progress::NeedMore));
        let response = Response {
            status: 200,
            persistence: Persistence::Kept,
            is_event_stream: false,
            head_bytes: 47,
            body_bytes: 2,
        };
        let rest = Progress::Complete { consumed: page.len() - cut, response };
        assert_eq!(parser.feed(&page[cut..], header_cache, false), Ok(rest));
    }
    assert_eq!((header_cache.hits(), header_cache.misses()), (page.len() as u64 - 1, 1));
}

#[test]
fn a_split_header_may_be_shorter_than_the_one_before_it() {
    let header_cache = &mut HeaderCache::new();
    let short = "HTTP/1.1 204 N\r\n\r\n";
    let long = "HTTP/1.1 200 OK\r\nServer: a server\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(learn(header_cache, &[short, long]), (0, 2));
    let mut parser = ResponseParser::new();
    let followed = [&short[1..], short, short].concat();
    assert_eq!(parser.feed(b"H", header_cache, false), Ok(Progress::NeedMore));
    let fed = parser.feed(followed.as_bytes(), header_cache, false);
    assert!(matches!(fed, Ok(Progress::Complete { consumed: 17, .. })), "{fed:?}");
}

/// Two responses that differ in some values, so that spans of all kinds are learned.
const TAUGHT: [&str; 2] = [
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Mon, 20 Nov 2023 22:28:00 GMT\r\nX-Id: 0123456789\
     \r\nE:1\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 21 Nov 2023 22:28:01 GMT\r\nX-Id: 9876543210\
     \r\nE:2\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc",
];

fn taught() -> HeaderCache {
    let mut header_cache = HeaderCache::new();
    assert_eq!(learn(&mut header_cache, &TAUGHT), (0, 2));
    header_cache
}

#[test]
fn no_single_byte_makes_shapes_and_parsing_disagree() {
    let mut accepted = 0;
    let taught = taught();
    for at in 0..TAUGHT[0].len() {
        for byte in 0..=u8::MAX {
            let mut bytes = TAUGHT[0].as_bytes().to_vec();
            bytes[at] = byte;
            let mut header_cache = taught.clone();
            let with = feed(&bytes, &mut header_cache, false);
            assert_eq!(with, feed(&bytes, &mut HeaderCache::disabled(), false), "{byte} at {at}");
            accepted += header_cache.hits();
        }
    }
    // 29 bytes of date, 10 of id and 1 of another: all but 33 controls each; 3 of body; and
    // every other byte as it is.
    assert_eq!(accepted, 40 * 223 + 3 * 256 + (TAUGHT[0].len() as u64 - 43));
}

#[derive(Clone, Debug)]
enum Edit {
    Replace(Index, u8),
    Insert(Index, u8),
    Delete(Index),
    /// Over the beginning of something that decides.
    Overwrite(Index, &'static str),
}

fn edit() -> impl Strategy<Value = Edit> {
    let byte = prop_oneof![
        any::<u8>(),
        proptest::sample::select(b"\r\n\t :,;09\x7f\0\x80close".to_vec()),
    ];
    let text = proptest::sample::select(vec![
        "\r\nContent-Length: 9",
        "\r\n\r\n",
        "\n\n",
        "\r\nConnection: close",
        "\r\nTransfer-Encoding: chunked",
        "Content-Length: 77",
        "HTTP/1.0 100",
    ]);
    prop_oneof![
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Edit::Replace(at, byte)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Edit::Insert(at, byte)),
        any::<Index>().prop_map(Edit::Delete),
        (any::<Index>(), text).prop_map(|(at, text)| Edit::Overwrite(at, text)),
    ]
}

fn apply(edit: &Edit, bytes: &mut Vec<u8>) {
    match edit {
        Edit::Replace(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Edit::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
        Edit::Delete(at) => {
            bytes.remove(at.index(bytes.len()));
        }
        Edit::Overwrite(at, text) => {
            let at = at.index(bytes.len());
            let end = bytes.len().min(at + text.len());
            bytes.splice(at..end, text.bytes());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn shapes_read_edited_responses_as_parsing_does(
        rounds in vec((vec(edit(), 0..5), any::<bool>(), any::<Index>()), 1..6),
    ) {
        // What one round teaches is there for the next: bad lessons would show.
        let mut header_cache = taught();
        for (edits, is_head, cut) in rounds {
            let mut bytes = TAUGHT[0].as_bytes().to_vec();
            edits.iter().for_each(|edit| apply(edit, &mut bytes));
            for end in [bytes.len(), cut.index(bytes.len())] {
                let with = feed(&bytes[..end], &mut header_cache, is_head);
                let without = feed(&bytes[..end], &mut HeaderCache::disabled(), is_head);
                prop_assert_eq!(with, without);
            }
        }
    }
}
