//! Answers: their headers, which forbid what a page might do, and their way out within a time.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::access::Refused;

/// The types of bodies.
pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

/// Longest time for an answer, however slowly it is read.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes of an update that are written within one span of patience.
const PIECE: usize = 16 * 1_024;

/// In every answer. The pages have policies of their own in addition.
const SAFETY: &str = "X-Content-Type-Options: nosniff\r\n\
    X-Frame-Options: DENY\r\n\
    Content-Security-Policy: frame-ancestors 'none'; base-uri 'none'; form-action 'self'\r\n\
    Referrer-Policy: no-referrer\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\n\
    Cross-Origin-Opener-Policy: same-origin\r\n\
    Cache-Control: no-store\r\n";

/// The head of a stream of events.
pub(crate) fn stream_head() -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{SAFETY}Connection: close\r\n\r\n"
    )
}

/// A whole answer; `HEAD` gets its head.
pub(crate) fn whole(
    stream: &mut TcpStream,
    status: &str,
    kind: &str,
    body: &str,
    is_head: bool,
) -> io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         {SAFETY}Connection: close\r\n\r\n"
    );
    let until = Instant::now() + PATIENCE;
    write_until(stream, head.as_bytes(), until)?;
    if is_head { Ok(()) } else { write_until(stream, body.as_bytes(), until) }
}

/// A refusal.
pub(crate) fn refuse(stream: &mut TcpStream, why: Refused) -> io::Result<()> {
    let (status, text) = match why {
        Refused::Malformed => ("400 Bad Request", "this is no request\n"),
        Refused::Forbidden => ("403 Forbidden", "another page asked for it\n"),
        Refused::NotFound => ("404 Not Found", "the address is in the terminal\n"),
        Refused::Method => ("405 Method Not Allowed", "results can only be looked at\n"),
        Refused::TooLarge => ("431 Request Header Fields Too Large", "the head is too large\n"),
        Refused::Misdirected => ("421 Misdirected Request", "ask for the address itself\n"),
    };
    whole(stream, status, TEXT, text, false)
}

/// There is no room.
pub(crate) fn busy(stream: &mut TcpStream) -> io::Result<()> {
    let text = "there are too many viewers\n";
    whole(stream, "503 Service Unavailable", TEXT, text, false)
}

/// Writes all of it, as long as some of it is read within each span of `patience`: all rows may be
/// more than a slow network carries in that time.
pub(crate) fn write_while_read(
    stream: &mut TcpStream,
    bytes: &[u8],
    patience: Duration,
) -> io::Result<()> {
    bytes.chunks(PIECE).try_for_each(|piece| write_until(stream, piece, Instant::now() + patience))
}

/// Writes all of it until then.
pub(crate) fn write_until(
    stream: &mut TcpStream,
    mut bytes: &[u8],
    until: Instant,
) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            Err(why) => return Err(why),
        }
    }
    Ok(())
}
