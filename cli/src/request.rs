//! From the options about requests to the bytes that are sent repeatedly.

use std::fs::File;
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;

use uringbench_core::http::body::{Alphabet, Body, Generated};
use uringbench_core::http::multipart::{Multipart, MultipartPart};
use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::plan::{Messages, Requests, WebSocketPlan, Workload};
use uringbench_core::websocket::frame::{Kind, Masks, message};
use uringbench_core::websocket::handshake::{Opening, OpeningParts};

use crate::args::{FormField, FormValue, RequestArgs};
use crate::exit::Failure;
use crate::url::Url;

/// The largest body that is kept in memory and sent from there.
const BODY_MAX: u64 = 1 << 30;
/// What a WebSocket sends when nothing was typed, in bytes.
const MESSAGE_SIZE: u32 = 32;
/// Stands for the method of what has none.
const MESSAGES: &str = "WS";

/// What is sent to a target.
#[derive(Debug)]
pub(crate) struct BuiltRequest {
    /// The request's method.
    pub(crate) method: String,
    /// The request, or the message of a WebSocket.
    pub(crate) workload: Workload,
}

/// What was described, for `url`. `seed` is for what is made up.
pub(crate) fn build(args: &RequestArgs, url: &Url, seed: u64) -> Result<BuiltRequest, Failure> {
    let headers = Headers::read(&args.headers).map_err(Failure::Usage)?;
    let built = if url.scheme.is_websocket() {
        websocket(args, url, &headers, seed)
    } else {
        http(args, url, headers, seed)
    };
    built.map_err(Failure::Usage)
}

/// What `-H` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Headers {
    sent: Vec<(String, String)>,
    /// Names of those that are not sent, although they would be.
    omitted: Vec<String>,
}

impl Headers {
    /// `K: V`, or as of curl `K:` for none and `K;` for an empty one. What may stand in a name and
    /// a value is the template's to judge.
    fn read(lines: &[String]) -> Result<Self, String> {
        let mut headers = Self::default();
        for text in lines {
            let shown = text.escape_debug();
            if text.contains(['\r', '\n', '\0']) {
                return Err(format!(
                    "-H '{shown}' has a line break in it: give each header its own -H 'K: V'"
                ));
            }
            // Whitespace around the value is not part of it (RFC 9110 section 5.5).
            let blanks = [' ', '\t'];
            match text.split_once(':').map(|(name, value)| (name, value.trim_matches(blanks))) {
                Some((name, "")) if !name.is_empty() => headers.omitted.push(name.to_owned()),
                Some((name, value)) if !name.is_empty() => {
                    headers.sent.push((name.to_owned(), value.to_owned()));
                }
                None if text.len() > 1 && text.ends_with(';') => {
                    headers.sent.push((text[..text.len() - 1].to_owned(), String::new()));
                }
                _ => return Err(format!("-H '{shown}' is not a header: write -H 'K: V'")),
            }
        }
        Ok(headers)
    }

    /// The type of a form, which writes it itself with its boundary.
    fn take_content_type(&mut self) -> Option<String> {
        let is_type = |(name, _): &(String, String)| name.eq_ignore_ascii_case("Content-Type");
        let at = self.sent.iter().position(is_type)?;
        Some(self.sent.remove(at).1)
    }
}

fn http(
    args: &RequestArgs,
    url: &Url,
    mut headers: Headers,
    seed: u64,
) -> Result<BuiltRequest, String> {
    if args.binary || args.echo || args.greeting.is_some() || !args.subprotocol.is_empty() {
        return Err("--binary, --echo, --greeting and --subprotocol are for WebSockets: use a \
                    ws:// or wss:// URL"
            .to_owned());
    }
    let read = match (&args.body, &args.body_file) {
        (Some(text), _) => Some(typed_body(text)?),
        (None, Some(path)) => Some(read_input("--body-file", path)?),
        (None, None) => None,
    };
    let contents = contents(&args.form, seed)?;
    let parts: Vec<MultipartPart<'_>> = args.form.iter().zip(&contents).map(part).collect();
    let form_type = if parts.is_empty() { None } else { headers.take_content_type() };
    let (body, has_body) = match (read.as_deref(), args.body_size) {
        (Some(read), _) => (Body::Bytes(read), true),
        (None, Some(size)) => (Body::Generated(generated(size, seed)), true),
        (None, None) if parts.is_empty() => (Body::Bytes(b""), false),
        (None, None) => {
            let form = Multipart::new(&parts).and_then(|form| match &form_type {
                Some(kind) => form.with_content_type(kind),
                None => Ok(form),
            });
            (Body::Multipart(form.map_err(|why| format!("--form: {why}"))?), true)
        }
    };
    let by_body = if has_body { "POST" } else { "GET" };
    let method = args.method.clone().unwrap_or_else(|| by_body.to_owned());
    if args.chunked.is_some() && !has_body {
        return Err("--chunked needs a body: add --body, --body-file, --body-size or --form".into());
    }
    let request = RequestTemplate::build(RequestParts {
        headers: &headers.sent,
        omitted: &headers.omitted,
        body,
        chunk_bytes: args.chunked.and_then(|bytes| NonZeroUsize::new(bytes as usize)),
        expect_continue: args.expect_continue,
        ..RequestParts::new(&method, &url.authority(), &url.path)
    })
    .map_err(|why| why.to_string())?;
    Ok(BuiltRequest { method, workload: Workload::Requests(Requests::of(request)) })
}

fn websocket(
    args: &RequestArgs,
    url: &Url,
    headers: &Headers,
    seed: u64,
) -> Result<BuiltRequest, String> {
    if let Some(name) = headers.omitted.first() {
        return Err(format!(
            "-H '{name}:' removes a header, which the WebSocket handshake needs: write -H \
             '{name}: V', or -H '{name};' to send it empty"
        ));
    }
    let is_http = args.method.is_some()
        || !args.form.is_empty()
        || args.chunked.is_some()
        || args.expect_continue;
    if is_http {
        return Err("-m, --form, --chunked and --expect-continue are for HTTP requests: a \
                    WebSocket sends messages (--body, --body-file, --body-size)"
            .to_owned());
    }
    let payload = match (&args.body, &args.body_file) {
        (Some(text), _) => typed_body(text)?,
        (None, Some(path)) => read_input("--body-file", path)?,
        (None, None) => {
            let size = args.body_size.unwrap_or(MESSAGE_SIZE);
            Body::Generated(generated(size, seed)).content()
        }
    };
    let kind = if args.binary { Kind::Binary } else { Kind::Text };
    if kind == Kind::Text && std::str::from_utf8(&payload).is_err() {
        return Err("the message is not UTF-8, which text messages must be: send it with \
                    --binary"
            .into());
    }
    let mut masks = Masks::new(seed);
    let opening = Opening::build(OpeningParts {
        authority: &url.authority(),
        target: &url.path,
        headers: &headers.sent,
        protocols: &args.subprotocol,
        key: key(seed),
    })
    .map_err(|why| why.to_string())?;
    let message = RequestTemplate::of_bytes(message(&payload, kind, None, &mut masks));
    let websocket = WebSocketPlan {
        opening,
        expected: args.echo.then_some(payload),
        checks_text: true,
        greeting: args.greeting.unwrap_or(0),
    };
    let workload = Workload::Messages(Messages::of(message, websocket));
    Ok(BuiltRequest { method: MESSAGES.to_owned(), workload })
}

/// The key of an opening: any sixteen bytes (RFC 6455 section 4.1).
fn key(seed: u64) -> [u8; 16] {
    let made = Body::Generated(Generated { len: 16, seed, alphabet: Alphabet::Binary }).content();
    made.try_into().unwrap_or([0; 16])
}

/// Text, so that it can be a message as well.
const fn generated(size: u32, seed: u64) -> Generated {
    Generated { len: size as usize, seed, alphabet: Alphabet::Text }
}

/// What the fields of a form hold, in their order.
fn contents(fields: &[FormField], seed: u64) -> Result<Vec<Vec<u8>>, String> {
    let content = |field: &FormField| match &field.value {
        FormValue::Text(text) => Ok(text.clone().into_bytes()),
        FormValue::File(path) | FormValue::TextOf(path) => read_input("--form", path),
        FormValue::Random(size) => Ok(Body::Generated(generated(*size, seed)).content()),
    };
    fields.iter().map(content).collect()
}

fn part<'a>((field, content): (&'a FormField, &'a Vec<u8>)) -> MultipartPart<'a> {
    let on_disk = match &field.value {
        FormValue::Text(_) | FormValue::TextOf(_) => None,
        FormValue::File(path) => path.file_name().and_then(|name| name.to_str()),
        FormValue::Random(_) => Some("random"),
    };
    MultipartPart {
        name: &field.name,
        filename: field.filename.as_deref().or(on_disk),
        content_type: field.content_type.as_deref(),
        headers: &field.headers,
        content,
    }
}

/// The text of `--body`, unless it is meant as the name of a file, as with curl.
fn typed_body(text: &str) -> Result<Vec<u8>, String> {
    match text.strip_prefix('@') {
        Some(file) if Path::new(file).is_file() => Err(format!(
            "--body sends its text as it is, but `{file}` is a file here: write --body-file \
             {file}"
        )),
        _ => Ok(text.as_bytes().to_vec()),
    }
}

/// The same as [`read_body`], or the bytes of the standard input where the name is `-`.
fn read_input(option: &str, path: &Path) -> Result<Vec<u8>, String> {
    if path != Path::new("-") {
        return read_body(option, path);
    }
    let mut body = Vec::new();
    let read = std::io::stdin().lock().take(BODY_MAX + 1).read_to_end(&mut body);
    kept(option, "-", read, body)
}

/// The bytes of a file; `option` says in an error who asked for it.
pub(crate) fn read_body(option: &str, path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let mut body = Vec::new();
    let read = File::open(path).and_then(|file| {
        // Of its size at once: growing would take up to twice the room.
        let size = file.metadata().map_or(0, |metadata| metadata.len()).min(BODY_MAX);
        body.reserve_exact(size as usize);
        file.take(BODY_MAX + 1).read_to_end(&mut body)
    });
    kept(option, &shown.to_string(), read, body)
}

fn kept(
    option: &str,
    shown: &str,
    read: std::io::Result<usize>,
    body: Vec<u8>,
) -> Result<Vec<u8>, String> {
    match read {
        Err(why) => Err(format!("{option} {shown} cannot be read: {why}")),
        Ok(_) if body.len() as u64 > BODY_MAX => {
            Err(format!("{option} {shown} is larger than 1 GiB: send a smaller body"))
        }
        Ok(_) => Ok(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn built(args: RequestArgs) -> Result<(String, String), String> {
        let url = Url::parse("http://example.com:8080/a?b").unwrap();
        let built = build(&args, &url, 1).map_err(|failure| failure.to_string())?;
        Ok((built.method, String::from_utf8(built.workload.bytes().to_vec()).unwrap()))
    }

    fn headers(lines: &[&str]) -> RequestArgs {
        let headers = lines.iter().map(|&line| line.to_owned()).collect();
        RequestArgs { headers, ..RequestArgs::default() }
    }

    #[test]
    fn a_plain_request_names_path_and_host() {
        let (method, text) = built(RequestArgs::default()).unwrap();
        assert_eq!(method, "GET");
        assert!(text.starts_with("GET /a?b HTTP/1.1\r\n"), "{text}");
        assert!(text.to_lowercase().contains("host: example.com:8080\r\n"), "{text}");
    }

    #[test]
    fn a_body_makes_it_a_post_unless_a_method_was_given() {
        let body = || RequestArgs { body: Some("x=1".to_owned()), ..RequestArgs::default() };
        let (method, text) = built(body()).unwrap();
        assert!(method == "POST" && text.ends_with("\r\n\r\nx=1"), "{text}");
        let put = RequestArgs { method: Some("PUT".to_owned()), ..body() };
        assert_eq!(built(put).unwrap().0, "PUT");

        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"from a file").unwrap();
        let args =
            RequestArgs { body_file: Some(file.path().to_owned()), ..RequestArgs::default() };
        assert!(built(args).unwrap().1.ends_with("\r\n\r\nfrom a file"));
    }

    #[test]
    fn headers_are_sent_as_given() {
        let (_, text) = built(headers(&["X-One:  1 ", "X-Time: 10:30"])).unwrap();
        assert!(text.contains("X-One: 1\r\n") && text.contains("X-Time: 10:30\r\n"), "{text}");
    }

    #[test]
    fn headers_are_left_out_and_sent_empty_as_of_curl() {
        let (_, text) = built(headers(&["User-Agent:", "Accept: ", "X-Empty;"])).unwrap();
        assert_eq!(text, "GET /a?b HTTP/1.1\r\nHost: example.com:8080\r\nX-Empty: \r\n\r\n");
        let why = built(headers(&["Host:"])).unwrap_err();
        assert!(why.contains("cannot be left out"), "{why}");
    }

    #[test]
    fn a_form_can_be_of_another_type() {
        let form = vec!["a=b".parse().unwrap()];
        let args = RequestArgs { form, ..headers(&["content-type: multipart/related"]) };
        let (_, text) = built(args.clone()).unwrap();
        assert!(text.contains("\r\nContent-Type: multipart/related; boundary=--"), "{text}");
        assert!(text.contains("\r\nContent-Disposition: attachment; name=\"a\"\r\n"), "{text}");
        let lines = vec!["Content-Type: multipart/form-data; boundary=x".to_owned()];
        let why = built(RequestArgs { headers: lines, ..args }).unwrap_err();
        assert!(why.contains("without a boundary"), "{why}");
    }

    #[test]
    fn a_body_that_names_a_file_is_refused_with_the_option_that_reads_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let body = |text: String| RequestArgs { body: Some(text), ..RequestArgs::default() };
        let path = file.path().display();
        let why = built(body(format!("@{path}"))).unwrap_err();
        assert!(why.ends_with(&format!("write --body-file {path}")), "{why}");
        assert!(built(body("@nobody".to_owned())).unwrap().1.ends_with("\r\n\r\n@nobody"));
    }

    #[test]
    fn what_is_not_a_header_is_refused_in_one_line() {
        for line in ["X-One", ": v", "", ";", "A: b\r\nC: d", "A: b\nC", "A b: c"] {
            let why = built(headers(&[line])).unwrap_err();
            assert!(!why.contains('\n') && why.contains("header"), "{line:?}: {why}");
        }
    }

    #[test]
    fn a_body_that_cannot_be_read_says_why() {
        for path in ["/no/such/file", "/"] {
            let args = RequestArgs { body_file: Some(path.into()), ..RequestArgs::default() };
            let why = built(args).unwrap_err();
            assert!(why.starts_with(&format!("--body-file {path} cannot be read")), "{why}");
        }
    }
}
