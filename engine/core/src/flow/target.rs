//! A request target taken from an answer, such as its `Location`: a URL, whose host is left out, or
//! part of one.
//!
//! This file decides which of its bytes go into the request line, not where they come from.

/// Before the host, in any case.
const SCHEMES: [&[u8]; 2] = [b"http://", b"https://"];
const SCHEME_BYTES_MAX: usize = 8;
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Turns a text that comes in pieces into a request target, without its first `/`, which the
/// request already contains.
///
/// A leading scheme and host are left out, and so is a fragment; spaces, control characters and
/// non-ASCII bytes are percent-encoded; all else stays.
#[derive(Clone, Copy, Debug)]
pub struct RequestTarget(State);

#[derive(Clone, Copy, Debug)]
enum State {
    /// These first bytes could be a scheme.
    Beginning([u8; SCHEME_BYTES_MAX], usize),
    /// After the scheme.
    Host,
    /// After the `/`.
    Path,
    /// After `#`.
    Fragment,
}

impl RequestTarget {
    /// Before its first byte.
    pub const fn new() -> Self {
        Self(State::Beginning([0; SCHEME_BYTES_MAX], 0))
    }

    /// Read the next piece.
    pub fn push(&mut self, piece: &[u8], take: &mut dyn FnMut(&[u8])) {
        for &byte in piece {
            self.0 = match self.0 {
                State::Beginning(begun, len) => beginning(begun, len, byte, take),
                State::Host if byte == b'/' => State::Path,
                State::Host if byte == b'?' => path(byte, take),
                State::Host if byte == b'#' => State::Fragment,
                State::Host => State::Host,
                State::Path => path(byte, take),
                State::Fragment => State::Fragment,
            };
        }
    }

    /// The text ends here.
    pub fn end(self, take: &mut dyn FnMut(&[u8])) {
        if let State::Beginning(begun, len) = self.0 {
            rest(&begun[..len], take);
        }
    }
}

impl Default for RequestTarget {
    fn default() -> Self {
        Self::new()
    }
}

/// One more byte of a possible scheme.
fn beginning(
    mut begun: [u8; SCHEME_BYTES_MAX],
    len: usize,
    byte: u8,
    take: &mut dyn FnMut(&[u8]),
) -> State {
    begun[len] = byte;
    let read = &begun[..=len];
    let begins = |scheme: &&[u8]| {
        scheme.get(..read.len()).is_some_and(|part| part.eq_ignore_ascii_case(read))
    };
    match SCHEMES.iter().find(|scheme| begins(scheme)) {
        Some(scheme) if scheme.len() == read.len() => State::Host,
        Some(_) => State::Beginning(begun, len + 1),
        None => rest(read, take),
    }
}

/// A target without a scheme begins with these bytes.
fn rest(bytes: &[u8], take: &mut dyn FnMut(&[u8])) -> State {
    let bytes = bytes.strip_prefix(b"/").unwrap_or(bytes);
    let mut state = State::Path;
    for &byte in bytes {
        // A `#` is not part of a scheme, so it comes last.
        state = path(byte, take);
    }
    state
}

fn path(byte: u8, take: &mut dyn FnMut(&[u8])) -> State {
    match byte {
        b'#' => return State::Fragment,
        b'!'..=b'~' => take(&[byte]),
        _ => {
            let digit = |half: u8| HEX[usize::from(half)];
            take(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    State::Path
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(pieces: &[&[u8]]) -> String {
        let mut bytes = b"/".to_vec();
        let mut target = RequestTarget::new();
        for piece in pieces {
            target.push(piece, &mut |piece| bytes.extend_from_slice(piece));
        }
        target.end(&mut |piece| bytes.extend_from_slice(piece));
        String::from_utf8(bytes).expect("ASCII")
    }

    #[test]
    fn a_location_becomes_a_target() {
        let cases = [
            ("", "/"),
            ("/", "/"),
            ("/a/b?c=d%20e&f", "/a/b?c=d%20e&f"),
            ("http://a", "/"),
            ("HTTP://a:80/b", "/b"),
            ("https://u@a.example/b?c=http://d#e", "/b?c=http://d"),
            ("http://a?b", "/?b"),
            ("https://a#b", "/"),
            ("http:/a", "/http:/a"),
            ("https:", "/https:"),
            ("httpx://a", "/httpx://a"),
            ("items/7", "/items/7"),
            ("?page=2", "/?page=2"),
            ("//a/b", "//a/b"),
            ("#top", "/"),
            ("h#top", "/h"),
            ("/a b\r\nX: é", "/a%20b%0D%0AX:%20%C3%A9"),
        ];
        for (text, expected) in cases {
            assert_eq!(target(&[text.as_bytes()]), expected, "{text}");
            for at in 0..=text.len() {
                let (before, after) = text.as_bytes().split_at(at);
                assert_eq!(target(&[before, after]), expected, "{text} split at {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_leaves_the_request_line(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let target = target(&[&text]);
            prop_assert!(target.starts_with('/'));
            prop_assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
        }
    }
}
