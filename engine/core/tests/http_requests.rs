//! Requests with every kind of body have the expected bytes, and can be read back: forms by a
//! simple multipart reader, chunks by the decoder of responses.

use std::num::NonZeroUsize;

use proptest::collection::vec;
use proptest::prelude::*;
use uringbench_core::http::body::{Alphabet, Body, Generated};
use uringbench_core::http::chunked::ChunkedDecoder;
use uringbench_core::http::multipart::{Multipart, MultipartError, MultipartPart};
use uringbench_core::http::request::{RequestError, RequestParts, RequestTemplate};

const POST: RequestParts<'static> = RequestParts::new("POST", "a", "/");

const USUAL: &str = "POST / HTTP/1.1\r\nHost: a\r\nUser-Agent: uringbench/0\r\n";

fn built(parts: RequestParts<'_>) -> RequestTemplate {
    RequestTemplate::build(parts).expect("a request")
}

fn error(parts: RequestParts<'_>) -> RequestError {
    RequestTemplate::build(parts).expect_err("no request")
}

fn text(parts: RequestParts<'_>) -> String {
    let text = String::from_utf8_lossy(built(parts).bytes()).into_owned();
    text.replace(concat!("uringbench/", env!("CARGO_PKG_VERSION")), "uringbench/0")
}

fn in_chunks(body: Body<'_>, size: usize) -> RequestParts<'_> {
    RequestParts { body, chunk_bytes: NonZeroUsize::new(size), ..POST }
}

const fn generated(len: usize, seed: u64, alphabet: Alphabet) -> Body<'static> {
    Body::Generated(Generated { len, seed, alphabet })
}

const fn field<'a>(name: &'a str, content: &'a [u8]) -> MultipartPart<'a> {
    MultipartPart { name, filename: None, content_type: None, headers: &[], content }
}

#[test]
fn bodies_in_chunks_are_these_bytes() {
    let coded = format!("{USUAL}Transfer-Encoding: chunked\r\n\r\n");
    for (body, size, chunks) in [
        ("hello, world", 5, "5\r\nhello\r\n5\r\n, wor\r\n2\r\nld\r\n0\r\n\r\n"),
        ("hello, world", 6, "6\r\nhello,\r\n6\r\n world\r\n0\r\n\r\n"),
        ("hello, world", 12, "c\r\nhello, world\r\n0\r\n\r\n"),
        ("hello, world", usize::MAX, "c\r\nhello, world\r\n0\r\n\r\n"),
        ("ab", 1, "1\r\na\r\n1\r\nb\r\n0\r\n\r\n"),
        ("hello, world, hello", 16, "10\r\nhello, world, he\r\n3\r\nllo\r\n0\r\n\r\n"),
        ("", 5, "0\r\n\r\n"),
    ] {
        let parts = in_chunks(Body::Bytes(body.as_bytes()), size);
        assert_eq!(text(parts), format!("{coded}{chunks}"), "{body:?} by {size}");
    }
}

#[test]
fn generated_bodies_are_these_bytes_in_every_version() {
    let letters = generated(20, 7, Alphabet::Text);
    assert_eq!(
        text(RequestParts { body: letters, ..POST }),
        format!("{USUAL}Content-Length: 20\r\n\r\n9RuqAasOUeO6dIPsyYUw")
    );
    let chunks = "10\r\n9RuqAasOUeO6dIPs\r\n4\r\nyYUw\r\n0\r\n\r\n";
    assert_eq!(
        text(in_chunks(letters, 16)),
        format!("{USUAL}Transfer-Encoding: chunked\r\n\r\n{chunks}")
    );
    let bytes = generated(16, 7, Alphabet::Binary).content();
    assert_eq!(bytes, b"\x3d\x91\xae\x2a\0\x1a\x2c\x0e\x14\x9e\x4e\xfa\xdd\xc8\x0f\x2c");
    assert!(generated(0, 7, Alphabet::Binary).is_empty());
}

#[test]
fn generated_bodies_differ_by_seed_and_go_on_from_shorter_ones() {
    for alphabet in [Alphabet::Text, Alphabet::Binary] {
        let long = generated(100_000, 1, alphabet).content();
        for len in [0, 1, 7, 8, 4095, 4096, 4097, 99_999] {
            assert_eq!(generated(len, 1, alphabet).content(), &long[..len]);
        }
        assert_ne!(generated(100_000, 2, alphabet).content(), long);
        let mut counts = [0_u32; 256];
        long.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
        let used: Vec<u32> = counts.into_iter().filter(|count| *count > 0).collect();
        let expected = if alphabet == Alphabet::Text { 64 } else { 256 };
        assert_eq!(used.len(), expected);
        // Six standard deviations around the mean.
        let mean = 100_000.0 / used.len() as f64;
        let is_even = |count: &u32| (f64::from(*count) - mean).abs() < 6.0 * mean.sqrt();
        assert!(used.iter().all(is_even), "{used:?}");
        let is_printable = long.iter().all(u8::is_ascii_graphic);
        assert_eq!(is_printable, alphabet == Alphabet::Text);
    }
}

#[test]
fn forms_are_these_bytes() {
    let parts = [
        field("comment", b"two\r\nlines"),
        MultipartPart {
            filename: Some("a.png"),
            content_type: Some("image/png"),
            ..field("f", b"\x89PNG")
        },
        MultipartPart { filename: Some("b"), ..field("f", b"") },
        MultipartPart { content_type: Some("application/json"), ..field("j", b"{}") },
    ];
    let form = Multipart::new(&parts).unwrap();
    let content = "------uringbench0000000000000000\r\n\
        Content-Disposition: form-data; name=\"comment\"\r\n\r\n\
        two\r\nlines\r\n\
        ------uringbench0000000000000000\r\n\
        Content-Disposition: form-data; name=\"f\"; filename=\"a.png\"\r\n\
        Content-Type: image/png\r\n\r\n\
        \u{89}PNG\r\n\
        ------uringbench0000000000000000\r\n\
        Content-Disposition: form-data; name=\"f\"; filename=\"b\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n\
        \r\n\
        ------uringbench0000000000000000\r\n\
        Content-Disposition: form-data; name=\"j\"\r\n\
        Content-Type: application/json\r\n\r\n\
        {}\r\n\
        ------uringbench0000000000000000--\r\n";
    // One byte, not the two that U+0089 takes in UTF-8.
    let content: Vec<u8> = content.chars().map(|letter| letter as u8).collect();
    let template = built(RequestParts { body: Body::Multipart(form), ..POST });
    let head = String::from_utf8_lossy(&template.bytes()[..template.head_length()]);
    let lines = format!(
        "Content-Type: multipart/form-data; boundary=----uringbench0000000000000000\r\n\
         Content-Length: {}\r\n\r\n",
        content.len()
    );
    assert!(head.ends_with(&lines), "{head}");
    assert_eq!(&template.bytes()[template.head_length()..], content);

    let chunked = built(in_chunks(Body::Multipart(form), 100));
    let head = String::from_utf8_lossy(&chunked.bytes()[..chunked.head_length()]);
    let lines = "boundary=----uringbench0000000000000000\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert!(head.ends_with(lines) && !head.contains("Content-Length"), "{head}");
    assert_eq!(unchunked(&chunked, 100), content);
}

#[test]
fn names_are_escaped_as_browsers_do() {
    let name = "a\"b\r\nc%22\\;ü";
    let parts = [MultipartPart { filename: Some("\"\n.txt"), ..field(name, b"x") }];
    let body = Body::Multipart(Multipart::new(&parts).unwrap()).content();
    let line = "form-data; name=\"a%22b%0D%0Ac%22\\;ü\"; filename=\"%22%0A.txt\"\r\n";
    assert!(String::from_utf8(body).unwrap().contains(line));
}

#[test]
fn a_boundary_occurs_in_no_part() {
    let number = |number: u64| format!("----uringbench{number:016}");
    let boundary = |parts: &[MultipartPart<'_>]| {
        let kind = Multipart::new(parts).unwrap().content_type();
        kind.strip_prefix("multipart/form-data; boundary=").map(str::to_owned).unwrap()
    };
    let (zero, one, two, three) = (number(0), number(1), number(2), number(3));
    let content = format!("x{zero}-{one}");
    assert_eq!(boundary(&[field("a", content.as_bytes())]), two);
    assert_eq!(boundary(&[field("a", b""), field("b", zero.as_bytes())]), one);
    assert_eq!(boundary(&[field("a", &zero.as_bytes()[..29])]), zero);
    let part =
        MultipartPart { filename: Some(&one), content_type: Some(&two), ..field(&zero, b"") };
    assert_eq!(boundary(&[part]), three);
    // A form in a form.
    let inner = [field("a", b"b")];
    let inner = Body::Multipart(Multipart::new(&inner).unwrap()).content();
    assert_eq!(boundary(&[field("form", &inner)]), one);
}

#[test]
fn parts_that_make_no_form_are_refused() {
    let refused = |parts: &[MultipartPart<'_>]| Multipart::new(parts).unwrap_err();
    assert_eq!(refused(&[]), MultipartError::NoParts);
    assert_eq!(refused(&[field("a", b""), field("", b"x")]), MultipartError::NoName);
    for kind in ["a/b\r\nX: y", "a/b\0"] {
        let refused = refused(&[MultipartPart { content_type: Some(kind), ..field("a", b"") }]);
        let (name, content_type) = ("a".to_owned(), kind.to_owned());
        assert_eq!(refused, MultipartError::ContentType { name, content_type });
        assert!(!refused.to_string().contains(['\r', '\n', '\0']), "{refused}");
    }
}

#[test]
fn a_form_of_another_type_has_attachments() {
    let headers = [("X-A".to_owned(), "b".to_owned())];
    let parts = [MultipartPart {
        filename: Some("a"),
        content_type: Some(""),
        headers: &headers,
        ..field("f", b"x")
    }];
    let form = Multipart::new(&parts).unwrap();
    let related = form.with_content_type("multipart/related; type=\"a/b\"").unwrap();
    let kind = "multipart/related; type=\"a/b\"; boundary=----uringbench0000000000000000";
    assert_eq!(related.content_type(), kind);
    let body = String::from_utf8(Body::Multipart(related).content()).unwrap();
    let head = "Content-Disposition: attachment; name=\"f\"; filename=\"a\"\r\nX-A: b\r\n\r\nx";
    assert!(body.contains(head), "{body}");
    let data = form.with_content_type("Multipart/Form-Data").unwrap();
    let body = String::from_utf8(Body::Multipart(data).content()).unwrap();
    assert!(body.contains("Content-Disposition: form-data; name"), "{body}");
    for kind in ["", "a/b\r\nX: y", "multipart/mixed; Boundary=x", "multipart/mixed;boundary"] {
        assert!(form.with_content_type(kind).is_err(), "{kind}");
    }
    for (name, value) in [("", "x"), ("A b", "x"), ("A", "x\r\ny"), ("content-type", "a/b")] {
        let headers = [(name.to_owned(), value.to_owned())];
        let parts = [MultipartPart { headers: &headers, ..field("f", b"x") }];
        let refused = Multipart::new(&parts).unwrap_err();
        assert!(matches!(refused, MultipartError::Header { .. }), "{name}: {refused}");
    }
}

#[test]
fn a_body_can_wait_for_a_continue() {
    let parts = RequestParts { body: Body::Bytes(b"hi"), expect_continue: true, ..POST };
    let head = format!("{USUAL}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(text(parts), format!("{head}hi"));
    let template = built(parts);
    assert!(template.expects_continue());
    assert_eq!(&template.bytes()[template.head_length()..], b"hi");
    let chunked = RequestParts { chunk_bytes: NonZeroUsize::new(9), ..parts };
    let head = format!("{USUAL}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(text(chunked), format!("{head}2\r\nhi\r\n0\r\n\r\n"));

    let template = built(POST);
    assert!(!template.expects_continue());
    assert_eq!(template.head_length(), template.bytes().len());
    for chunk_bytes in [None, NonZeroUsize::new(9)] {
        let bodiless = RequestParts { expect_continue: true, chunk_bytes, ..POST };
        assert_eq!(error(bodiless), RequestError::ExpectWithoutBody);
    }
}

#[test]
fn headers_that_contradict_the_body_are_refused_with_the_remedy() {
    let parts = [field("a", b"b")];
    let form = Body::Multipart(Multipart::new(&parts).unwrap());
    let plain = RequestParts { body: Body::Bytes(b"hello"), ..POST };
    let chunked = in_chunks(Body::Bytes(b"hello"), 2);
    let refused = |name: &str, value: &str, parts: RequestParts<'_>| {
        let headers = [(name.to_owned(), value.to_owned())];
        let refused = error(RequestParts { headers: &headers, ..parts });
        (refused.clone(), refused.to_string())
    };
    for (name, value, parts, expected, fix) in [
        (
            "content-type",
            "text/plain",
            RequestParts { body: form, ..POST },
            RequestError::FormType,
            "leave it out, it is added",
        ),
        ("Content-Length", "5", chunked, RequestError::LengthOfChunks, "leave one of them out"),
        ("content-length", "6", chunked, RequestError::LengthOfChunks, "`--chunked`"),
        ("Transfer-encoding", "chunked", plain, RequestError::TransferEncoding, "`--chunked`"),
        ("Transfer-Encoding", "gzip", chunked, RequestError::TransferEncoding, "`--chunked`"),
        ("expect", "100-continue", plain, RequestError::Expect, "`--expect-continue`"),
    ] {
        let (found, message) = refused(name, value, parts);
        assert_eq!(found, expected, "{name}");
        assert!(message.contains(fix) && !message.contains('\n'), "{message}");
    }
    // Headers that do not conflict are kept.
    let headers = [("Content-Type".to_owned(), "text/plain".to_owned())];
    let typed = text(RequestParts { headers: &headers, ..plain });
    let lines = "Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(typed, format!("{USUAL}{lines}"));
}

#[test]
fn a_body_too_large_to_keep_is_refused_before_it_is_made() {
    let large = |len: usize| generated(len, 1, Alphabet::Text);
    for parts in [
        RequestParts { body: large((1 << 30) + 1), ..POST },
        RequestParts { body: large(usize::MAX), ..POST },
        in_chunks(large(usize::MAX), 1),
        in_chunks(large(1 << 30), usize::MAX),
        // Six bytes on the wire for each byte of the content.
        in_chunks(large(200_000_000), 1),
    ] {
        assert_eq!(error(parts), RequestError::BodyTooLarge);
    }
}

/// The content of a chunked request body, from the decoder of responses; all chunks but the last
/// must have the requested size.
fn unchunked(template: &RequestTemplate, size: usize) -> Vec<u8> {
    let body = &template.bytes()[template.head_length()..];
    let mut chunks: Vec<Vec<u8>> = Vec::new();
    let mut decoder = ChunkedDecoder::new();
    let ended = decoder.feed_into(body, &mut |chunk: &[u8]| chunks.push(chunk.to_vec()));
    assert_eq!(ended, Ok(Some(body.len())));
    if let Some((last, others)) = chunks.split_last() {
        assert!(others.iter().all(|chunk| chunk.len() == size) && last.len() <= size);
    }
    chunks.concat()
}

/// A part as a server reads it: names as they were escaped.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    name: String,
    filename: Option<String>,
    content_type: Option<String>,
    content: Vec<u8>,
}

/// Reads a form in the simplest way: cuts at every delimiter. `None` if it is not a form.
fn read_form(content_type: &str, body: &[u8]) -> Option<Vec<Seen>> {
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=")?;
    let delimiter = format!("--{boundary}");
    match cut(body, delimiter.as_bytes()).as_slice() {
        [b"", parts @ .., b"--\r\n"] => parts.iter().map(|piece| read_part(piece)).collect(),
        _ => None,
    }
}

fn read_part(piece: &[u8]) -> Option<Seen> {
    let piece = piece.strip_prefix(b"\r\n")?.strip_suffix(b"\r\n")?;
    let head_end = piece.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let mut lines = std::str::from_utf8(&piece[..head_end]).ok()?.split("\r\n");
    let said = lines.next()?.strip_prefix("Content-Disposition: form-data; name=\"")?;
    let (name, after) = said.split_once('"')?;
    let filename = match after.strip_prefix("; filename=\"") {
        Some(said) => Some(said.split_once('"').filter(|(_, after)| after.is_empty())?.0),
        None if after.is_empty() => None,
        None => return None,
    };
    let content_type = match lines.next() {
        Some(line) => Some(line.strip_prefix("Content-Type: ")?),
        None => None,
    };
    lines.next().is_none().then(|| Seen {
        name: name.to_owned(),
        filename: filename.map(str::to_owned),
        content_type: content_type.map(str::to_owned),
        content: piece[head_end + 4..].to_vec(),
    })
}

fn cut<'a>(mut bytes: &'a [u8], delimiter: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    while let Some(at) = bytes.windows(delimiter.len()).position(|place| place == delimiter) {
        pieces.push(&bytes[..at]);
        bytes = &bytes[at + delimiter.len()..];
    }
    pieces.push(bytes);
    pieces
}

fn escaped(name: &str) -> String {
    let escape = |letter| match letter {
        '"' => "%22".to_owned(),
        '\r' => "%0D".to_owned(),
        '\n' => "%0A".to_owned(),
        other => other.to_string(),
    };
    name.chars().map(escape).collect()
}

/// Name, filename, content type, content.
type Given = (String, Option<String>, Option<String>, Vec<u8>);

/// Bytes that look like the delimiters and headers around them.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "\r\n",
        "--",
        "----uringbench0000000000000000",
        "------uringbench0000000000000001--\r\n",
        "\r\n------uringbench",
        "Content-Disposition: form-data; name=\"x\"\r\n\r\n",
        "0",
    ];
    let piece = prop_oneof![
        proptest::sample::select(pieces.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        vec(any::<u8>(), 0..20),
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn given_part() -> impl Strategy<Value = Given> {
    let name = "[a-z\"\r\n%;\\\\ü]{1,8}|----uringbench0000000000000000";
    let filename = proptest::option::of("[a-z\"\r\n.]{0,8}");
    let kind = proptest::option::of("[a-z]{1,5}/[a-z]{1,5}(; charset=utf-8)?");
    (name, filename, kind, content())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn forms_read_back_as_what_went_in(
        given in vec(given_part(), 1..6),
        size in 1..300_usize,
    ) {
        let part = |(name, filename, kind, content)| MultipartPart {
            name,
            filename: Option::as_deref(filename),
            content_type: Option::as_deref(kind),
            headers: &[],
            content,
        };
        let parts: Vec<_> = given.iter().map(|(a, b, c, d)| part((a, b, c, d))).collect();
        let form = Multipart::new(&parts).unwrap();
        let body = Body::Multipart(form);
        let content = body.content();
        prop_assert_eq!(content.len(), body.len());
        let expected: Vec<Seen> = given.iter().map(|(name, filename, kind, content)| Seen {
            name: escaped(name),
            filename: filename.as_deref().map(escaped),
            content_type: match (kind, filename) {
                (None, Some(_)) => Some("application/octet-stream".to_owned()),
                (kind, _) => kind.clone(),
            },
            content: content.clone(),
        }).collect();
        prop_assert_eq!(read_form(&form.content_type(), &content), Some(expected));
        let template = built(RequestParts { body, ..POST });
        prop_assert_eq!(&template.bytes()[template.head_length()..], &content);
        prop_assert_eq!(unchunked(&built(in_chunks(body, size)), size), content);
    }

    #[test]
    fn chunks_read_back_as_what_went_in(
        len in 0..20_000_usize,
        seed in any::<u64>(),
        size in prop_oneof![1..40_usize, 1..20_000_usize],
    ) {
        let body = generated(len, seed, Alphabet::Binary);
        let content = body.content();
        prop_assert_eq!(content.len(), len);
        prop_assert_eq!(&unchunked(&built(in_chunks(body, size)), size), &content);
        let same = in_chunks(Body::Bytes(&content), size);
        prop_assert_eq!(built(same), built(in_chunks(body, size)));
    }
}
