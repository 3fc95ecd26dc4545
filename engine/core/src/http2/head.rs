//! What a header block means: the status, the length of the body, the status of a call of gRPC, and
//! whether it is well-formed (RFC 9113 sections 8.1 to 8.3). Whether it may stand where it does is
//! decided by `machine`.

use crate::grpc::status::GrpcStatus;

/// The fields of a block that an exchange needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerFields {
    /// The value of `:status`: 100 to 999.
    pub status: Option<u16>,
    /// The value of `content-length`.
    pub content_length: Option<u64>,
    /// The value of `grpc-status`.
    pub grpc_status: GrpcStatus,
    /// Whether `content-type` is that of gRPC.
    pub is_grpc: bool,
    /// Why it is malformed, if it is.
    pub fault: Option<&'static str>,
    /// An ordinary field has been seen.
    is_ordinary: bool,
}

/// Fields of HTTP/1.1 connections (RFC 9113 section 8.2.2).
pub(super) const OF_CONNECTIONS: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

impl AnswerFields {
    /// The next field of the block.
    pub(super) fn add(&mut self, (name, value): (&[u8], &[u8])) {
        let fault = self.fault_of(name, value);
        self.fault = self.fault.or(fault);
    }

    fn fault_of(&mut self, name: &[u8], value: &[u8]) -> Option<&'static str> {
        if value.iter().any(|byte| matches!(byte, 0 | b'\n' | b'\r')) {
            return Some("a field value contains a line break or NUL");
        }
        if name.first() == Some(&b':') {
            if name != b":status" {
                return Some("a header has another pseudo field than :status");
            }
            if self.is_ordinary {
                return Some(":status stands behind other fields");
            }
            let status = digits(value).filter(|status| (100..=999).contains(status));
            let Some(status) = status.filter(|_| value.len() == 3) else {
                return Some(":status is not a number of three digits");
            };
            let before = self.status.replace(status as u16);
            return before.map(|_| ":status is given twice");
        }
        self.is_ordinary = true;
        let is_lower = |byte: &u8| matches!(byte, 0x21..=0x7e) && !byte.is_ascii_uppercase();
        if name.is_empty() || !name.iter().all(is_lower) {
            return Some("a field name is empty, or has capitals or control characters");
        }
        if OF_CONNECTIONS.iter().any(|it| it.as_bytes() == name) {
            return Some("a header has a field of HTTP/1.1 connections");
        }
        match name {
            b"content-length" => {
                let Some(length) = digits(value) else {
                    return Some("content-length is no number");
                };
                let before = self.content_length.replace(length);
                return before.filter(|before| *before != length).map(|_| "content-length differs");
            }
            b"content-type" => self.is_grpc = is_of_grpc(value),
            b"grpc-status" => self.grpc_status = GrpcStatus::read(value),
            _ => {}
        }
        None
    }
}

/// Whether a media type is `application/grpc`, or that with a coding such as `+proto`.
fn is_of_grpc(value: &[u8]) -> bool {
    let rest = value.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

fn digits(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_number)?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&str, &str)]) -> AnswerFields {
        let mut head = AnswerFields::default();
        fields.iter().for_each(|(name, value)| head.add((name.as_bytes(), value.as_bytes())));
        head
    }

    #[test]
    fn status_and_length_are_read() {
        let seen = head(&[(":status", "204"), ("content-length", "12"), ("content-length", "12")]);
        assert_eq!((seen.status, seen.content_length, seen.fault), (Some(204), Some(12), None));
        assert_eq!(head(&[("x", "y")]).status, None);
    }

    #[test]
    fn calls_of_grpc_are_recognised() {
        let of = |content_type| {
            head(&[(":status", "200"), ("content-type", content_type), ("grpc-status", "5")])
        };
        for content_type in ["application/grpc", "application/grpc+proto", "application/grpc;x=y"] {
            let seen = of(content_type);
            assert!(seen.is_grpc && seen.grpc_status == GrpcStatus::Code(5), "{content_type}");
        }
        for content_type in ["application/grpc-web", "text/html", "application/json"] {
            assert!(!of(content_type).is_grpc, "{content_type}");
        }
        assert_eq!(head(&[("grpc-status", "x")]).grpc_status, GrpcStatus::Unreadable);
    }

    #[test]
    fn malformed_fields_are_named() {
        let cases: [(&[(&str, &str)], &str); 13] = [
            (&[(":path", "/")], "pseudo"),
            (&[("a", "b"), (":status", "200")], "behind"),
            (&[(":status", "200"), (":status", "200")], "twice"),
            (&[(":status", "99")], "three digits"),
            (&[(":status", "2000")], "three digits"),
            (&[(":status", "20x")], "three digits"),
            (&[("Date", "b")], "capitals"),
            (&[("", "b")], "empty"),
            (&[("a b", "")], "control"),
            (&[("connection", "close")], "HTTP/1.1"),
            (&[("content-length", "-1")], "no number"),
            (&[("content-length", "1"), ("content-length", "2")], "differs"),
            (&[("a", "b\r\nc")], "line break"),
        ];
        for (fields, part) in cases {
            let fault = head(fields).fault.unwrap_or_default();
            assert!(fault.contains(part), "{fields:?}: {fault}");
        }
    }
}
