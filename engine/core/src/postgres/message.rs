//! Messages to a server as bytes, each with its length before its body.

/// Asks for TLS before anything else.
pub const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// The end of a connection, so that the server does not report a lost client.
pub const TERMINATE: [u8; 5] = [b'X', 0, 0, 0, 4];
/// The end of a transaction that is sent in several messages.
pub(super) const SYNC: [u8; 5] = [b'S', 0, 0, 0, 4];
/// Version 3.0 of the protocol.
const VERSION: u32 = 3 << 16;
/// The name under which connections stand in `pg_stat_activity`.
const NAME: &str = "uringbench";

/// Append a message; its length is filled in behind its body.
pub(super) fn put(tag: u8, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let at = begin(out);
    body(out);
    end(at, out);
}

/// Begin a length. Returns where it stands.
pub(super) fn begin(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(&[0; 4]);
    out.len() - 4
}

/// Fill in the length that begins there: of all that follows, and of itself.
pub(super) fn end(at: usize, out: &mut [u8]) {
    let length = (out.len() - at) as u32; // messages are built in memory
    out[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

/// Append a text, which ends with a zero. It has none in it.
pub(super) fn text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

/// The first message, of this user and database.
pub(super) fn startup(user: &str, database: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let at = begin(&mut out);
    out.extend_from_slice(&VERSION.to_be_bytes());
    let pairs = [
        ("user", user),
        ("database", database),
        ("application_name", NAME),
        ("client_encoding", "UTF8"),
    ];
    for (name, value) in pairs {
        text(name, &mut out);
        text(value, &mut out);
    }
    out.push(0);
    end(at, &mut out);
    out
}

/// A statement under a name; the empty name is that of the next one.
pub(super) fn parse(name: &str, sql: &str, out: &mut Vec<u8>) {
    put(b'P', out, |out| {
        text(name, out);
        text(sql, out);
        // The server infers the types of parameters.
        out.extend_from_slice(&[0, 0]);
    });
}

/// A statement, or several, as text.
pub fn query(sql: &str) -> Vec<u8> {
    let mut out = Vec::new();
    put(b'Q', &mut out, |out| text(sql, out));
    out
}

/// The answer to a request for a password.
pub(super) fn password(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put(b'p', &mut out, |out| out.extend_from_slice(bytes));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_what_follows() {
        let startup = startup("u", "d");
        assert_eq!(startup.len(), usize::from(startup[3]));
        assert!(startup.starts_with(&[0, 0, 0]) && startup.ends_with(b"UTF8\0\0"));
        assert_eq!(startup[4..8], [0, 3, 0, 0]);
        assert_eq!(query("END"), b"Q\0\0\0\x08END\0");
        assert_eq!(password(b"pw\0"), b"p\0\0\0\x07pw\0");
        let mut out = Vec::new();
        parse("s0", "BEGIN", &mut out);
        assert_eq!(out, b"P\0\0\0\x0fs0\0BEGIN\0\0\0");
    }
}
