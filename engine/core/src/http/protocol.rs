//! Protocols other than HTTP/1.1, recognised by their first bytes.

use std::fmt;

/// A protocol that is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherProtocol {
    /// A handshake or an alert (RFC 8446 section 5.1).
    Tls,
    /// A connection-level SETTINGS or GOAWAY frame (RFC 9113 sections 4.1, 6.5, 6.8).
    Http2,
    /// Its identification string (RFC 4253 section 4.2).
    Ssh,
    /// A greeting with reply code 220 (RFC 5321, RFC 959).
    MailOrFtp,
    /// An error of RESP, its answer to `GET / HTTP/1.1`.
    Redis,
    /// Its initial handshake packet, version 10.
    MySql,
    /// An ErrorResponse message with its severity.
    PostgreSql,
    /// A page without a header, as in HTTP/0.9.
    Html,
}

/// The protocol that begins with these bytes, if known.
pub(super) fn recognise(bytes: &[u8]) -> Option<OtherProtocol> {
    let begins =
        |word: &[u8]| bytes.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    match bytes {
        [0x15 | 0x16, 3, 0..=4, ..] => Some(OtherProtocol::Tls),
        [0, _, length, 4, 0 | 1, 0, 0, 0, 0, ..] if length % 6 == 0 => Some(OtherProtocol::Http2),
        [0, _, 8..=255, 7, 0, 0, 0, 0, 0, ..] => Some(OtherProtocol::Http2),
        [_, _, 0, 0, 10, b'0'..=b'9', ..] => Some(OtherProtocol::MySql),
        [b'E', 0, 0, _, _, b'S', ..] => Some(OtherProtocol::PostgreSql),
        _ if begins(b"SSH-") => Some(OtherProtocol::Ssh),
        _ if begins(b"220 ") || begins(b"220-") => Some(OtherProtocol::MailOrFtp),
        _ if begins(b"-ERR ") || begins(b"-DENIED ") || begins(b"-NOAUTH ") => {
            Some(OtherProtocol::Redis)
        }
        _ if begins(b"<html") || begins(b"<!doctype") => Some(OtherProtocol::Html),
        _ => None,
    }
}

impl fmt::Display for OtherProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls => "TLS answers",
            Self::Http2 => "HTTP/2 answers: load it with --http2",
            Self::Ssh => "an SSH server answers",
            Self::MailOrFtp => "a mail or FTP server answers",
            Self::Redis => "Redis answers",
            Self::MySql => "MySQL answers",
            Self::PostgreSql => "PostgreSQL answers",
            Self::Html => "a page without a header answers",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_name_the_protocol() {
        let cases: [(&[u8], Option<OtherProtocol>); 14] = [
            (b"\x15\x03\x01\x00\x02\x02\x46", Some(OtherProtocol::Tls)),
            (b"\x16\x03\x03\x00\x7a", Some(OtherProtocol::Tls)),
            (b"\x16\x05", None),
            (b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0d", Some(OtherProtocol::Http2)),
            (b"\0\0\0\x04\x01\0\0\0\0", Some(OtherProtocol::Http2)),
            (b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0", Some(OtherProtocol::Http2)),
            (b"\0\0\x05\x04\0\0\0\0\0", None),
            (b"SSH-2.0-OpenSSH_9.6\r\n", Some(OtherProtocol::Ssh)),
            (b"220 mail.example ESMTP\r\n", Some(OtherProtocol::MailOrFtp)),
            (b"-ERR wrong number of arguments\r\n", Some(OtherProtocol::Redis)),
            (b"J\0\0\0\x0a8.0.36\0", Some(OtherProtocol::MySql)),
            (b"E\0\0\0\x8cSFATAL\0", Some(OtherProtocol::PostgreSql)),
            (b"<!DOCTYPE html>", Some(OtherProtocol::Html)),
            (b"hello", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(recognise(bytes), expected, "{bytes:?}");
        }
    }
}
