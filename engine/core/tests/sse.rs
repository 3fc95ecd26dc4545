//! Server-sent events for any split of the stream: the examples of the WHATWG standard, the corner
//! cases of its grammar, and generated streams compared with a simple reader.

use proptest::collection::vec;
use proptest::prelude::*;
use uringbench_core::http::header_cache::HeaderCache;
use uringbench_core::http::response::{Progress, ResponseParser};
use uringbench_core::sse::{Event, EventReader};

#[expect(unreachable_pub, reason = "it is part of the fuzz targets' crate")]
#[path = "../fuzz/src/sse.rs"]
mod readings;

use readings::{Reading, in_pieces, plainly};

const fn message(data_bytes: u64) -> Event {
    Event { data_bytes, has_type: false, has_id: false }
}

/// The events of the stream, which are the same for any split, also when read twice.
fn read(stream: &[u8]) -> Reading {
    let expected = plainly(stream);
    assert_eq!(in_pieces(stream, |_| 1), expected, "{stream:?} byte by byte");
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let mut cuts = [first, second - first].into_iter().filter(|len| *len > 0);
            let found = in_pieces(stream, |left| cuts.next().unwrap_or(left));
            assert_eq!(found, expected, "{stream:?} split at {first} and {second}");
        }
    }
    expected
}

fn events(stream: &str) -> Vec<Event> {
    read(stream.as_bytes()).events
}

#[test]
fn the_examples_of_the_whatwg_read_as_it_says() {
    // Section 9.2.1.
    let stream = "data: This is the first message.\n\n\
                  data: This is the second message, it\ndata: has two lines.\n\n\
                  data: This is the third message.\n\n";
    assert_eq!(events(stream), [message(26), message(30 + 1 + 14), message(26)]);
    let stream = "event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n\
                  event: add\ndata: 113411\n\n";
    let typed = |data_bytes| Event { has_type: true, ..message(data_bytes) };
    assert_eq!(events(stream), [typed(8), typed(4), typed(6)]);
    // Section 9.2.6.
    assert_eq!(events("data: YHOO\ndata: +2\ndata: 10\n\n"), [message(10)]);
    let stream = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\n\
                  data:  third event\n";
    let with_id = |data_bytes| Event { has_id: true, ..message(data_bytes) };
    let reading = read(stream.as_bytes());
    assert_eq!(reading.events, [with_id(11), with_id(12)]);
    assert_eq!((reading.comments, reading.is_cut), (1, true));
    let whole = format!("{stream}\n");
    assert_eq!(events(&whole), [with_id(11), with_id(12), message(12)]);
    let reading = read(b"data\n\ndata\ndata\n\ndata:");
    assert_eq!((reading.events, reading.is_cut), (vec![message(0), message(1)], true));
    assert_eq!(events("data:test\n\ndata: test\n\n"), [message(4), message(4)]);
}

#[test]
fn lines_end_in_three_ways() {
    for end in ["\n", "\r", "\r\n"] {
        let stream = "data: ab|data: c||:|id:|data|||data:x||".replace('|', end);
        let reading = read(stream.as_bytes());
        let with_id = Event { has_id: true, ..message(0) };
        assert_eq!(reading.events, [message(4), with_id, message(1)], "{end:?}");
        assert_eq!((reading.comments, reading.is_cut), (1, false));
    }
    // A CR and a LF together end one line, a LF and a CR two.
    assert_eq!(events("data:a\r\ndata:b\n\rdata:c\r\r\n"), [message(3), message(1)]);
    assert_eq!(events("data:a\r\n\r\n"), [message(1)]);
    assert_eq!(events("data:a\r\r"), [message(1)]);
}

#[test]
fn an_event_ends_with_the_cr_and_does_not_wait_for_the_lf() {
    let mut reader = EventReader::new();
    let mut found = Vec::new();
    reader.feed(b"data:a\r\n\r", &mut |event| found.push(event));
    assert_eq!(found, [message(1)]);
    reader.feed(b"", &mut |event| found.push(event));
    reader.feed(b"\ndata:bc\r\n\r\n", &mut |event| found.push(event));
    assert_eq!(found, [message(1), message(2)]);
    // An empty piece between the two does not separate them either.
    for piece in ["data:d\r", "", "\ndata:e\n\n"] {
        reader.feed(piece.as_bytes(), &mut |event| found.push(event));
    }
    assert_eq!(found, [message(1), message(2), message(3)]);
    assert!(!reader.end_of_stream());
}

#[test]
fn a_byte_order_mark_counts_for_nothing_at_the_start_alone() {
    let with = |stream: &[u8]| read(stream).events;
    assert_eq!(with(b"\xef\xbb\xbfdata:a\n\n"), [message(1)]);
    assert_eq!(with(b"\xef\xbb\xbf\xef\xbb\xbfdata:a\n\n"), []);
    assert_eq!(with(b"\n\xef\xbb\xbfdata:a\n\n"), []);
    assert_eq!(with(b"\xef\xbbdata:a\n\n"), []);
    assert_eq!(with(b"\xef\xbb\ndata:a\n\n"), [message(1)]);
    assert_eq!(read(b"\xef\xbb\xbf: a\n\xef\xbb\xbf: a\n").comments, 1);
    assert_eq!(with(b"\xef\xbb\xbf\n\ndata:\xef\xbb\xbf\n\n"), [message(3)]);
}

#[test]
fn fields_mean_something_by_their_exact_names() {
    for (line, has_type, has_id) in [
        ("event: x", true, false),
        ("event:  ", true, false),
        ("event: ", false, false),
        ("event", false, false),
        ("event: x\nevent", false, false),
        ("event\nevent:y", true, false),
        ("id: 1", false, true),
        ("id", false, true),
        ("id:a\0b", false, false),
        ("id:\0\nid:1", false, true),
        ("Event: x", false, false),
        (" event: x", false, false),
        ("event : x", false, false),
        ("events: x", false, false),
        ("even: x", false, false),
        ("ids: 1", false, false),
        ("eventid", false, false),
    ] {
        let expected = [Event { data_bytes: 1, has_type, has_id }];
        assert_eq!(events(&format!("{line}\ndata:d\n\n")), expected, "{line:?}");
        assert_eq!(events(&format!("data:d\n{line}\n\n")), expected, "{line:?}");
        // An event without data is ignored, and no field of it is kept for the next.
        assert_eq!(events(&format!("{line}\n\ndata:d\n\n")), [message(1)], "{line:?}");
    }
    for line in ["Data:x", "dat:x", "datas:x", " data:x", "data :x", "\0data:x", "dätä:x"] {
        assert_eq!(events(&format!("{line}\n\n")), [], "{line:?}");
    }
}

#[test]
fn the_last_time_to_retry_that_is_one_counts() {
    for (stream, retry) in [
        ("retry: 10\n", Some(10)),
        ("retry:10\nretry: 020\n\n", Some(20)),
        ("retry: 7\nretry: x\nretry: -1\nretry: 1.5\nretry: 5 \nretry:\nretry\n", Some(7)),
        ("retry:  5\n", None),
        ("retry: 4294967295\n", Some(u32::MAX)),
        ("retry: 99999999999999999999999\n", Some(u32::MAX)),
        ("retry: 10", None),
    ] {
        assert_eq!(read(stream.as_bytes()).retry, retry, "{stream:?}");
    }
}

#[test]
fn what_was_counted_stays_over_the_end_of_a_stream() {
    let mut reader = EventReader::default();
    let mut count = 0;
    for (stream, is_cut) in [
        (":a\nretry:5\nid:1\nevent:x\n", false),
        ("data:a", true),
        ("data:a\n", true),
        ("data:a\r\n\r", false),
        ("\n\n:b\n:c", false),
        ("data", false),
        ("\r\ndata:a\n\n", false),
    ] {
        reader.feed(stream.as_bytes(), &mut |event| {
            assert_eq!(event, message(1));
            count += 1;
        });
        assert_eq!(reader.end_of_stream(), is_cut, "{stream:?}");
    }
    assert_eq!((count, reader.comments(), reader.retry()), (2, 2, Some(5)));
}

#[test]
fn events_are_read_out_of_a_chunked_response() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    let stream = format!("{head}8\r\n: hi\r\n\r\n\r\n3\r\ndat\r\n9\r\na: abc\r\n\r\r\n1\r\n\n\r\n");
    for cut in 0..=stream.len() {
        let (mut parser, mut reader) = (ResponseParser::new(), EventReader::new());
        let (mut found, header_cache) = (Vec::new(), &mut HeaderCache::new());
        for piece in [&stream.as_bytes()[..cut], &stream.as_bytes()[cut..]] {
            let mut read = |payload: &[u8]| reader.feed(payload, &mut |event| found.push(event));
            assert_eq!(
                parser.feed_into(piece, header_cache, false, &mut read),
                Ok(Progress::NeedMore)
            );
        }
        assert!(parser.under_way().is_some_and(|response| response.is_event_stream));
        assert_eq!((found, reader.comments()), (vec![message(3)], 1), "cut at {cut}");
    }
}

const NAMES: [&str; 9] = ["data", "event", "id", "retry", "", "dat", "datas", "x", "\u{feff}"];
const COLONS: [&str; 5] = ["", ":", ": ", ":  ", " :"];
const ENDS: [&str; 5] = ["\n", "\r", "\r\n", "\n\n", "\r\r\n"];

fn line() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        "[a-c: ]{0,6}".prop_map(String::into_bytes),
        "[0-9]{0,12}".prop_map(String::into_bytes),
        vec(any::<u8>(), 0..8),
        Just(b"\0".to_vec()),
    ];
    (proptest::sample::select(&NAMES[..]), proptest::sample::select(&COLONS[..]), value)
        .prop_map(|(name, colon, value)| [name.as_bytes(), colon.as_bytes(), &value].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_split_of_a_stream_reads_as_the_plain_reading(
        lines in vec((line(), proptest::sample::select(&ENDS[..])), 0..12),
        mark in any::<bool>(),
        tail in line(),
        pieces in vec(1..9_usize, 1..6),
    ) {
        let mut stream = if mark { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        for (line, end) in &lines {
            stream.extend_from_slice(line);
            stream.extend_from_slice(end.as_bytes());
        }
        stream.extend_from_slice(&tail);
        let expected = plainly(&stream);
        prop_assert_eq!(&in_pieces(&stream, |left| left), &expected);
        prop_assert_eq!(&in_pieces(&stream, |_| 1), &expected);
        let mut lens = pieces.iter().cycle();
        prop_assert_eq!(&in_pieces(&stream, |_| *lens.next().expect("at least one")), &expected);
        for cut in 1..stream.len() {
            let mut first = Some(cut);
            prop_assert_eq!(&in_pieces(&stream, |left| first.take().unwrap_or(left)), &expected);
        }
    }
}
