//! A request as bytes, built once and sent many times.
//!
//! Parts that a server would read differently than the user meant are refused: line breaks in
//! values, two framings, a length that is not the body's. `body` decides the content of a body; the
//! caller provides the parts (command line, scenario, URL).

use std::num::NonZeroUsize;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::body::Body;
use super::chunked::{is_field_value, is_token};

/// The bytes of one request, and its properties that affect the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct RequestTemplate {
    /// Shared: a body may be large, and several places use it.
    bytes: Arc<Vec<u8>>,
    head_length: usize,
    is_head: bool,
    expects_continue: bool,
}

/// Whether a request that begins with these bytes may be sent twice with the same effect: its
/// method is idempotent (RFC 9110 section 9.2.2).
pub fn is_idempotent(request: &[u8]) -> bool {
    const METHODS: [&[u8]; 6] = [b"GET ", b"HEAD ", b"PUT ", b"DELETE ", b"OPTIONS ", b"TRACE "];
    METHODS.iter().any(|method| request.starts_with(method))
}

/// The parts of a request.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// `GET` and so on: a token, any but `CONNECT`. Methods are case-sensitive (RFC 9110 section
    /// 9.1).
    pub method: &'a str,
    /// Host and, unless it is the scheme's default, port: the value of `Host`.
    pub authority: &'a str,
    /// Path and query, from the `/` on; `*` with `OPTIONS`.
    pub target: &'a str,
    /// Further headers. They replace those that are added by default.
    pub headers: &'a [(String, String)],
    /// Names of headers that are added by default and shall not be sent, such as `User-Agent`.
    pub omitted: &'a [String],
    /// The content.
    pub body: Body<'a>,
    /// Send the body in the chunked coding, in chunks of this size, instead of with its length.
    pub chunk_bytes: Option<NonZeroUsize>,
    /// Send `Expect: 100-continue`, and the body after the answer to it (RFC 9110 section 10.1.1).
    pub expect_continue: bool,
}

impl<'a> RequestParts<'a> {
    /// A request without a body and without headers of its own, as a base for struct updates.
    pub const fn new(method: &'a str, authority: &'a str, target: &'a str) -> Self {
        Self {
            method,
            authority,
            target,
            headers: &[],
            omitted: &[],
            body: Body::Bytes(&[]),
            chunk_bytes: None,
            expect_continue: false,
        }
    }
}

/// Why parts are not a request, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Not a token.
    #[error("method {0:?} is not a word: write one like `GET`")]
    Method(String),
    /// A tunnel, not an exchange.
    #[error("method `CONNECT` opens a tunnel, which cannot be measured: name another method")]
    Connect,
    /// A space, a control character, a `#` or a byte beyond ASCII, or no `/` in front.
    #[error(
        "target {0:?} is not a path: it begins with `/`, has no `#`, and anything but visible \
         ASCII is percent-encoded (a space is `%20`)"
    )]
    Target(String),
    /// Empty, or with bytes that are not allowed in a host.
    #[error("host {0:?} is not `host` or `host:port`: leave out user, path and spaces")]
    Authority(String),
    /// Not a token.
    #[error("header name {0:?} is not a word of letters, digits and `-`")]
    HeaderName(String),
    /// A line break or another control character.
    #[error("the value of header `{0}` contains a line break or control character: remove it")]
    HeaderValue(String),
    /// A header that every request needs.
    #[error("header `{0}` cannot be left out: the request would have no host or no end")]
    Omitted(String),
    /// A header that may occur only once.
    #[error("header `{0}` is given more than once: keep one of them")]
    HeaderTwice(&'static str),
    /// The given length is wrong.
    #[error(
        "header `Content-Length: {given}` does not match the body of {body} bytes: leave the \
         header out, it is added"
    )]
    ContentLength {
        /// As given.
        given: String,
        /// Length of the body.
        body: usize,
    },
    /// A length beside the chunked coding (RFC 9112 section 6.2).
    #[error(
        "header `Content-Length` contradicts `--chunked`, by which chunks tell the length: leave \
         one of them out"
    )]
    LengthOfChunks,
    /// A header would announce it, and it would not happen.
    #[error(
        "header `Transfer-Encoding` cannot be given: leave it out; `--chunked` adds it, and sends \
         the body in chunks"
    )]
    TransferEncoding,
    /// It names the boundary between the parts, which only the writer of the parts knows: give
    /// another type to the form itself.
    #[error(
        "header `Content-Type` is given, but that of a form names the boundary between its \
         parts: leave it out, it is added"
    )]
    FormType,
    /// The body would not be held back.
    #[error(
        "header `Expect` cannot be given: leave it out; `--expect-continue` adds it, and holds \
         the body back"
    )]
    Expect,
    /// RFC 9110 section 10.1.1.
    #[error("`--expect-continue` holds back a body, but there is none: give one, or leave it out")]
    ExpectWithoutBody,
    /// More than 1 GiB on the wire.
    #[error(
        "the body takes more than 1 GiB, framing included: send a smaller one, or larger chunks"
    )]
    BodyTooLarge,
}

/// Most bytes of a body on the wire: a template is kept in memory.
const BODY_BYTES_MAX: usize = 1 << 30;

const USER_AGENT: &str = concat!("uringbench/", env!("CARGO_PKG_VERSION"));

impl RequestTemplate {
    /// Build the request: `Host` first (RFC 9110 section 7.2), then `User-Agent` unless given or
    /// omitted, the given headers in their order, and the headers that announce the body: the
    /// `Content-Type` of a form, `Transfer-Encoding` or, if there is a body or the method implies
    /// one, `Content-Length`; and `Expect`.
    ///
    /// # Errors
    /// If a part would be read differently than meant.
    pub fn build(parts: RequestParts<'_>) -> Result<Self, RequestError> {
        check_method(parts.method)?;
        check_target(parts.method, parts.target)?;
        let body = parts.body.len();
        for (name, value) in parts.headers {
            check_header(name, value)?;
            check_announcement(name, value, &parts, body)?;
        }
        parts.omitted.iter().try_for_each(|name| check_omitted(name, &parts))?;
        if parts.expect_continue && body == 0 {
            return Err(RequestError::ExpectWithoutBody);
        }
        if body > BODY_BYTES_MAX || Body::framed_len(body, parts.chunk_bytes) > BODY_BYTES_MAX {
            return Err(RequestError::BodyTooLarge);
        }
        let mut bytes = head(&parts, body)?.into_bytes();
        let head_length = bytes.len();
        bytes.reserve_exact(Body::framed_len(body, parts.chunk_bytes));
        parts.body.append_to(&mut bytes, parts.chunk_bytes);
        Ok(Self {
            bytes: Arc::new(bytes),
            head_length,
            is_head: parts.method == "HEAD",
            expects_continue: parts.expect_continue,
        })
    }

    /// Bytes that are complete already, such as a WebSocket message, sent unchanged.
    pub fn of_bytes(bytes: Vec<u8>) -> Self {
        Self {
            head_length: bytes.len(),
            bytes: Arc::new(bytes),
            is_head: false,
            expects_continue: false,
        }
    }

    /// The request, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same bytes, shared without a copy.
    pub const fn shared(&self) -> &Arc<Vec<u8>> {
        &self.bytes
    }

    /// The length of the header, empty line included; the body begins there.
    pub const fn head_length(&self) -> usize {
        self.head_length
    }

    /// Whether its method is HEAD, so that the answer has no body (RFC 9110 section 9.3.2).
    pub const fn is_head(&self) -> bool {
        self.is_head
    }

    /// Whether its body waits for `100 Continue`.
    pub const fn expects_continue(&self) -> bool {
        self.expects_continue
    }
}

/// The stored form of a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Form {
    #[serde(with = "crate::stored")]
    head: Vec<u8>,
    #[serde(with = "crate::stored")]
    body: Vec<u8>,
    is_head: bool,
    expects_continue: bool,
}

impl From<RequestTemplate> for Form {
    fn from(request: RequestTemplate) -> Self {
        let RequestTemplate { bytes, head_length, is_head, expects_continue } = request;
        let (head, body) = bytes.split_at(head_length);
        Self { head: head.to_vec(), body: body.to_vec(), is_head, expects_continue }
    }
}

impl TryFrom<Form> for RequestTemplate {
    type Error = RequestError;

    fn try_from(form: Form) -> Result<Self, RequestError> {
        let Form { head: mut bytes, body, is_head, expects_continue } = form;
        let lines = String::from_utf8_lossy(&bytes);
        let named = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("Content-Length").then(|| value.trim().to_owned())
        };
        match lines.lines().find_map(named) {
            Some(given) if given != body.len().to_string() => {
                return Err(RequestError::ContentLength { given, body: body.len() });
            }
            _ => {}
        }
        let head_length = bytes.len();
        bytes.extend_from_slice(&body);
        Ok(Self { bytes: Arc::new(bytes), head_length, is_head, expects_continue })
    }
}

/// Request line to empty line, for a body of this length.
fn head(parts: &RequestParts<'_>, body: usize) -> Result<String, RequestError> {
    let host = match given(parts.headers, "Host")? {
        Some(host) => host,
        None => checked_authority(parts.authority)?,
    };
    let mut head = format!("{} {} HTTP/1.1\r\n", parts.method, parts.target);
    let mut line = |name: &str, value: &str| {
        for part in [name, ": ", value.trim_matches([' ', '\t']), "\r\n"] {
            head.push_str(part);
        }
    };
    line("Host", host);
    let is_agent = |name: &str| name.eq_ignore_ascii_case("User-Agent");
    if !omits(parts, "User-Agent") && !parts.headers.iter().any(|(name, _)| is_agent(name)) {
        line("User-Agent", USER_AGENT);
    }
    for (name, value) in parts.headers {
        if !name.eq_ignore_ascii_case("Host") {
            line(name, value);
        }
    }
    if let Body::Multipart(form) = &parts.body {
        line("Content-Type", &form.content_type());
    }
    // RFC 9110 section 8.6: a method that implies content sends its length even if it is empty,
    // unless that is omitted, as in curl.
    let has_length = body > 0
        || (matches!(parts.method, "POST" | "PUT" | "PATCH") && !omits(parts, "Content-Length"));
    if parts.chunk_bytes.is_some() {
        line("Transfer-Encoding", "chunked");
    } else if given(parts.headers, "Content-Length")?.is_none() && has_length {
        line("Content-Length", &body.to_string());
    }
    if parts.expect_continue {
        line("Expect", "100-continue");
    }
    head.push_str("\r\n");
    Ok(head)
}

fn omits(parts: &RequestParts<'_>, name: &str) -> bool {
    parts.omitted.iter().any(|omitted| omitted.eq_ignore_ascii_case(name))
}

fn check_method(method: &str) -> Result<(), RequestError> {
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(RequestError::Method(method.to_owned()));
    }
    if method == "CONNECT" { Err(RequestError::Connect) } else { Ok(()) }
}

fn check_target(method: &str, target: &str) -> Result<(), RequestError> {
    let is_origin_form = target.starts_with('/')
        && target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let is_asterisk_form = method == "OPTIONS" && target == "*";
    if is_origin_form || is_asterisk_form {
        Ok(())
    } else {
        Err(RequestError::Target(target.to_owned()))
    }
}

fn checked_authority(authority: &str) -> Result<&str, RequestError> {
    let is_host = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#' | b'@');
    if authority.is_empty() || !authority.bytes().all(is_host) {
        return Err(RequestError::Authority(authority.to_owned()));
    }
    Ok(authority)
}

fn check_header(name: &str, value: &str) -> Result<(), RequestError> {
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(RequestError::HeaderName(name.to_owned()));
    }
    if !value.bytes().all(is_field_value) {
        return Err(RequestError::HeaderValue(name.to_owned()));
    }
    Ok(())
}

/// Host and framing are needed; all other default headers may be omitted.
fn check_omitted(name: &str, parts: &RequestParts<'_>) -> Result<(), RequestError> {
    let is_form = matches!(parts.body, Body::Multipart(_));
    let is_needed = |needed: &&str| needed.eq_ignore_ascii_case(name);
    let mut needed = ["Host", "Content-Length", "Transfer-Encoding", "Content-Type"].iter();
    match needed.find(|needed| is_needed(needed)) {
        Some(&"Content-Type") if !is_form => Ok(()),
        Some(&"Transfer-Encoding") if parts.chunk_bytes.is_none() => Ok(()),
        Some(&"Content-Length") if parts.chunk_bytes.is_some() || parts.body.is_empty() => Ok(()),
        Some(needed) => Err(RequestError::Omitted((*needed).to_owned())),
        None if name.is_empty() || !name.bytes().all(is_token) => {
            Err(RequestError::HeaderName(name.to_owned()))
        }
        None => Ok(()),
    }
}

/// A given header must not contradict the body that is sent, which has this length.
fn check_announcement(
    name: &str,
    value: &str,
    parts: &RequestParts<'_>,
    body: usize,
) -> Result<(), RequestError> {
    let is = |announcing: &str| name.eq_ignore_ascii_case(announcing);
    // Compared as digits: `+5` parses as a number but is not a valid length.
    let given = value.trim_matches([' ', '\t']);
    if is("Transfer-Encoding") {
        Err(RequestError::TransferEncoding)
    } else if is("Expect") {
        Err(RequestError::Expect)
    } else if is("Content-Type") && matches!(parts.body, Body::Multipart(_)) {
        Err(RequestError::FormType)
    } else if is("Content-Length") && parts.chunk_bytes.is_some() {
        Err(RequestError::LengthOfChunks)
    } else if is("Content-Length") && given != body.to_string() {
        Err(RequestError::ContentLength { given: given.to_owned(), body })
    } else {
        Ok(())
    }
}

/// The value given for a header that may occur at most once.
fn given<'a>(
    headers: &'a [(String, String)],
    name: &'static str,
) -> Result<Option<&'a str>, RequestError> {
    let mut values = headers
        .iter()
        .filter(|(given, _)| given.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(RequestError::HeaderTwice(name)),
        (value, None) => Ok(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: RequestParts<'static> = RequestParts::new("GET", "a:81", "/");

    fn headers(lines: &[(&str, &str)]) -> Vec<(String, String)> {
        lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn text(parts: RequestParts<'_>) -> String {
        let template = RequestTemplate::build(parts).unwrap();
        let text = String::from_utf8(template.bytes().to_vec()).unwrap();
        text.replace(USER_AGENT, "uringbench/0")
    }

    fn error(parts: RequestParts<'_>) -> RequestError {
        RequestTemplate::build(parts).unwrap_err()
    }

    #[test]
    fn requests_are_these_bytes() {
        let usual = "Host: a:81\r\nUser-Agent: uringbench/0\r\n";
        assert_eq!(text(GET), format!("GET / HTTP/1.1\r\n{usual}\r\n"));
        let post = RequestParts { method: "POST", target: "/x?y=%20", ..GET };
        let line = "POST /x?y=%20 HTTP/1.1\r\n";
        assert_eq!(text(post), format!("{line}{usual}Content-Length: 0\r\n\r\n"));
        let body = RequestParts { body: Body::Bytes(b"\r\nhi"), ..post };
        assert_eq!(text(body), format!("{line}{usual}Content-Length: 4\r\n\r\n\r\nhi"));
        let get_with_body = RequestParts { body: Body::Bytes(b"hi"), ..GET };
        let line = "GET / HTTP/1.1\r\n";
        assert_eq!(text(get_with_body), format!("{line}{usual}Content-Length: 2\r\n\r\nhi"));
        let options = RequestParts { method: "OPTIONS", target: "*", ..GET };
        assert_eq!(text(options), format!("OPTIONS * HTTP/1.1\r\n{usual}\r\n"));
    }

    #[test]
    fn given_headers_take_the_place_of_the_added_ones() {
        let given = headers(&[
            ("X-One", " a\tb "),
            ("user-agent", ""),
            ("ACCEPT", "text/html"),
            ("content-length", "2"),
            ("host", "other"),
            ("X-One", "ü"),
        ]);
        assert_eq!(
            text(RequestParts { method: "PUT", headers: &given, body: Body::Bytes(b"hi"), ..GET }),
            "PUT / HTTP/1.1\r\nHost: other\r\nX-One: a\tb\r\nuser-agent: \r\nACCEPT: text/html\r\n\
             content-length: 2\r\nX-One: ü\r\n\r\nhi"
        );
    }

    #[test]
    fn methods_keep_their_case() {
        let text = text(RequestParts { method: "post", ..GET });
        assert!(text.starts_with("post / HTTP/1.1\r\n"), "{text}");
    }

    #[test]
    fn added_headers_can_be_left_out_but_for_those_a_server_needs() {
        let omitted = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let agent: Vec<String> = omitted(&["user-agent", "Accept", "Content-Type"]);
        let parts = RequestParts { omitted: &agent, ..GET };
        assert_eq!(text(parts), "GET / HTTP/1.1\r\nHost: a:81\r\n\r\n");
        let length: Vec<String> = omitted(&["Content-Length"]);
        let empty = RequestParts { method: "POST", omitted: &length, ..GET };
        assert!(!text(empty).contains("Content-Length"));
        for name in ["host", "content-length"] {
            let names: Vec<String> = omitted(&[name]);
            let body = Body::Bytes(b"x");
            let refused = error(RequestParts { omitted: &names, body, ..GET });
            assert!(refused.to_string().contains("cannot be left out"), "{name}: {refused}");
        }
        let names: Vec<String> = omitted(&["a b"]);
        let refused = error(RequestParts { omitted: &names, ..GET });
        assert_eq!(refused, RequestError::HeaderName("a b".to_owned()));
    }

    #[test]
    fn only_head_is_head() {
        let is_head =
            |method| RequestTemplate::build(RequestParts { method, ..GET }).unwrap().is_head;
        assert_eq!((is_head("HEAD"), is_head("GET"), is_head("HEADS")), (true, false, false));
    }

    #[test]
    fn a_large_body_is_written_once_into_memory_of_its_size() {
        let content = "x".repeat(1_000_000);
        let body = Body::Bytes(content.as_bytes());
        for chunk_bytes in [None, NonZeroUsize::new(1), NonZeroUsize::new(4096)] {
            let parts = RequestParts { body, chunk_bytes, ..GET };
            let template = RequestTemplate::build(parts).unwrap();
            assert_eq!(template.bytes.capacity(), template.bytes.len());
        }
    }

    #[test]
    fn methods_targets_and_hosts_that_are_none_are_refused() {
        for method in ["", "G T", "GET\r\n", "G\0", "GÉT", "GET:"] {
            let refused = error(RequestParts { method, ..GET });
            assert_eq!(refused, RequestError::Method(method.to_owned()));
        }
        assert_eq!(error(RequestParts { method: "CONNECT", ..GET }), RequestError::Connect);
        for target in ["", "x", "*", "/a b", "/\r\nX:y", "/\0", "/\x7f", "/ü", "/#a", "h://a/"] {
            let refused = error(RequestParts { target, ..GET });
            assert_eq!(refused, RequestError::Target(target.to_owned()));
        }
        for authority in ["", "a b", "a\r\n", "u@a", "a/", "ä"] {
            let refused = error(RequestParts { authority, ..GET });
            assert_eq!(refused, RequestError::Authority(authority.to_owned()));
        }
    }

    #[test]
    fn headers_that_would_break_the_request_are_refused() {
        let refused = |lines: &[(&str, &str)]| {
            error(RequestParts { headers: &headers(lines), body: Body::Bytes(b"hello"), ..GET })
        };
        for name in ["", "a b", "a:", "a\r\n", "ä"] {
            assert_eq!(refused(&[(name, "x")]), RequestError::HeaderName(name.to_owned()));
        }
        for value in ["a\r\nb: c", "a\rb", "a\nb", "\0", "\x7f", "\x1b[0m"] {
            assert_eq!(refused(&[("a", value)]), RequestError::HeaderValue("a".to_owned()));
        }
        for given in ["4", "05", "+5", "", "5, 5", "five"] {
            let expected = RequestError::ContentLength { given: given.to_owned(), body: 5 };
            assert_eq!(refused(&[("content-Length", given)]), expected);
        }
        let twice = refused(&[("Content-Length", "5"), ("content-length", "5")]);
        assert_eq!(twice, RequestError::HeaderTwice("Content-Length"));
        assert_eq!(refused(&[("Host", "a"), ("host", "a")]), RequestError::HeaderTwice("Host"));
        let coded = refused(&[("transfer-encoding", "chunked")]);
        assert_eq!(coded, RequestError::TransferEncoding);
    }

    #[test]
    fn errors_are_one_line_with_a_remedy() {
        let refused = error(RequestParts { target: "/a b", ..GET });
        assert_eq!(
            refused.to_string(),
            "target \"/a b\" is not a path: it begins with `/`, has no `#`, and anything but \
             visible ASCII is percent-encoded (a space is `%20`)"
        );
    }
}
