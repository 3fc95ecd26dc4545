//! Answers as bytes, built once per path.

/// The largest body `/bytes/N` makes: 64 MiB.
const BODY_MAX: usize = 64 << 20;

/// The answer to a path, header and body, ready to send.
pub(crate) fn answer(path: &str, is_head: bool, close: bool) -> Vec<u8> {
    let (status, kind, body) = body_of(path);
    let mut bytes = format!(
        "HTTP/1.1 {status} {}\r\nServer: uringbench-reference\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\n{}\r\n",
        reason(status),
        body.len(),
        if close { "Connection: close\r\n" } else { "" },
    )
    .into_bytes();
    if !is_head {
        bytes.extend_from_slice(&body);
    }
    bytes
}

/// The status of a path, and the type and the bytes of its body.
pub(crate) fn body_of(path: &str) -> (u16, &'static str, Vec<u8>) {
    let (status, body) = status_and_body(path);
    let kind = if body.starts_with(b"{") { "application/json" } else { "text/plain" };
    (status, kind, body)
}

fn status_and_body(path: &str) -> (u16, Vec<u8>) {
    if let Some(length) = path.strip_prefix("/bytes/").and_then(|n| n.parse::<usize>().ok())
        && length <= BODY_MAX
    {
        return (200, (0..length).map(|index| b'a' + (index % 26) as u8).collect());
    }
    if let Some(status) = path.strip_prefix("/status/").and_then(|n| n.parse::<u16>().ok())
        && (200..=599).contains(&status)
    {
        // 204 and 304 never have a body (RFC 9110 section 6.4.1).
        let body = if matches!(status, 204 | 304) { Vec::new() } else { b"status\n".to_vec() };
        return (status, body);
    }
    match path {
        "/" => (200, b"Hello, world!".to_vec()),
        "/health" => (200, br#"{"status":"ok"}"#.to_vec()),
        _ => (404, b"not found\n".to_vec()),
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        404 => "Not Found",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_true() {
        for (path, status, length) in
            [("/", 200, 13), ("/bytes/5000", 200, 5000), ("/status/503", 503, 7), ("/x", 404, 10)]
        {
            let bytes = answer(path, false, false);
            let text = String::from_utf8(bytes).expect("the answers are text");
            let (head, body) = text.split_once("\r\n\r\n").expect("a header ends");
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert!(head.contains(&format!("Content-Length: {length}")), "{head}");
            assert_eq!(body.len(), length);
        }
        assert!(answer("/", true, false).ends_with(b"\r\n\r\n"));
    }
}
