//! From `-m`, `-H`, `--body` and `--body-file` to the bytes that are sent again and again.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use uringbench_core::http::body::Body;
use uringbench_core::http::request::{RequestParts, RequestTemplate};

use crate::args::RequestArgs;
use crate::exit::Failure;
use crate::url::Url;

/// The largest body that is kept in memory and sent from there.
const BODY_MAX: u64 = 1 << 30;

/// The method, and the request to `url` that was described.
pub(crate) fn build(args: RequestArgs, url: &Url) -> Result<(String, RequestTemplate), Failure> {
    let body = match (args.body, &args.body_file) {
        (Some(text), _) => Some(text.into_bytes()),
        (None, Some(path)) => Some(read_body(path).map_err(Failure::Usage)?),
        (None, None) => None,
    };
    let by_body = if body.is_some() { "POST" } else { "GET" };
    let method = args.method.unwrap_or_else(|| by_body.to_owned());
    let headers: Vec<(String, String)> = args
        .headers
        .iter()
        .map(|text| header(text))
        .collect::<Result<_, _>>()
        .map_err(Failure::Usage)?;
    let template = RequestTemplate::build(RequestParts {
        headers: &headers,
        body: Body::Bytes(body.as_deref().unwrap_or_default()),
        ..RequestParts::new(&method, &url.authority(), &url.path)
    })
    .map_err(|why| Failure::Usage(why.to_string()))?;
    Ok((method, template))
}

/// `K: V` in two. What may stand in a name and a value is the template's to judge.
fn header(text: &str) -> Result<(String, String), String> {
    let shown = text.escape_debug();
    if text.contains(['\r', '\n', '\0']) {
        return Err(format!(
            "-H '{shown}' has a line break in it: give each header its own -H 'K: V'"
        ));
    }
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => {
            // Whitespace around the value is not part of it (RFC 9110 section 5.5).
            Ok((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()))
        }
        _ => Err(format!("-H '{shown}' is not a header: write -H 'K: V'")),
    }
}

fn read_body(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let mut body = Vec::new();
    let read = File::open(path).and_then(|file| file.take(BODY_MAX + 1).read_to_end(&mut body));
    match read {
        Err(why) => Err(format!("--body-file {shown} cannot be read: {why}")),
        Ok(_) if body.len() as u64 > BODY_MAX => {
            Err(format!("--body-file {shown} is larger than 1 GiB: send a smaller body"))
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
        let (method, template) = build(args, &url).map_err(|failure| failure.to_string())?;
        Ok((method, String::from_utf8(template.bytes().to_vec()).unwrap()))
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
    fn what_is_not_a_header_is_refused_in_one_line() {
        for line in ["X-One", ": v", "", "A: b\r\nC: d", "A: b\nC", "A b: c"] {
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
