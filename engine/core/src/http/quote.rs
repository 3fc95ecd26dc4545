//! Quotations of a peer's bytes for users: escaped, shortened, and without secrets.

use std::fmt::{self, Display, Write as _};

/// Longest quotation in bytes; `…` marks an omission.
const SHOWN_MAX: usize = 60;

/// Most bytes of a header's value or of a URL that are shown.
const VALUE_MAX: usize = 120;

/// Headers whose name contains one of these may carry secrets.
const SECRETS: [&[u8]; 7] = [b"cookie", b"auth", b"token", b"secret", b"key", b"session", b"passw"];

/// Any bytes, in backquotes.
pub(crate) struct Quoted<'a>(pub(crate) &'a [u8]);

/// A header line, in backquotes. The value of one that may carry a secret is left out.
pub(crate) struct QuotedLine<'a>(pub(crate) &'a [u8]);

/// Whether a header of this name may carry a secret.
pub fn is_secret(name: &[u8]) -> bool {
    SECRETS
        .iter()
        .any(|word| name.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word)))
}

/// The first line of `bytes` as a header line, in backquotes, and `…` if there is more.
pub fn first_line(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let more = if line.len() < bytes.len() { " …" } else { "" };
    format!("{}{more}", QuotedLine(line.strip_suffix(b"\r").unwrap_or(line)))
}

/// A value, printable and of a bounded length: it is cut between characters, escaped ones too, and
/// ends in `…` then.
pub(crate) fn shortened(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut shown = String::new();
    let mut rest = text.as_ref();
    while let Some(first) = rest.chars().next() {
        let is_hex = |at: usize| rest.as_bytes().get(at).is_some_and(u8::is_ascii_hexdigit);
        // An escaped byte of a URL is one character.
        let length = if first == '%' && is_hex(1) && is_hex(2) { 3 } else { first.len_utf8() };
        let piece = match first {
            '`' => r"\x60".to_owned(),
            '\'' | '"' | '\\' => first.to_string(),
            _ => rest[..length].escape_debug().to_string(),
        };
        if shown.len() + piece.len() > VALUE_MAX {
            shown.push('…');
            break;
        }
        shown += &piece;
        rest = &rest[length..];
    }
    shown
}

/// A URL without what may be a secret in it: user and password, parameters, query and fragment.
pub(crate) fn public_url(url: &[u8]) -> String {
    let end = url.iter().position(|byte| b";?#".contains(byte)).unwrap_or(url.len());
    let left_out = url.get(end).map(|&first| format!("{}…", char::from(first)));
    let url = &url[..end];
    let authority = url.windows(2).position(|pair| pair == b"//").map_or(0, |at| at + 2);
    let is_absolute = authority > 0 && !url[..authority - 2].contains(&b'/');
    let path = url[authority..].iter().position(|byte| *byte == b'/');
    let host_end = path.map_or(url.len(), |at| authority + at);
    let user_end = url[authority..host_end].iter().rposition(|byte| *byte == b'@');
    let shown = match user_end.filter(|_| is_absolute) {
        Some(at) => {
            shortened(&[&url[..authority], "…".as_bytes(), &url[authority + at..]].concat())
        }
        None => shortened(url),
    };
    if shown.ends_with('…') { shown } else { shown + left_out.as_deref().unwrap_or_default() }
}

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('`')?;
        for byte in self.0.iter().take(SHOWN_MAX) {
            match byte {
                b'\r' => f.write_str("\\r")?,
                b'\n' => f.write_str("\\n")?,
                b'\t' => f.write_str("\\t")?,
                b'`' | b'\\' | 0..b' ' | 0x7f.. => write!(f, "\\x{byte:02x}")?,
                _ => f.write_char(char::from(*byte))?,
            }
        }
        f.write_str(if self.0.len() > SHOWN_MAX { "…`" } else { "`" })
    }
}

impl Display for QuotedLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let until = |is_end: fn(&u8) -> bool| self.0.split(is_end).next().unwrap_or_default();
        // The possible name: all before the colon, or the first word of a line without one.
        let first = until(|byte| matches!(byte, b':' | b'=' | b' ' | b'\t'));
        let named = until(|byte| *byte == b':');
        let name = if named.len() < self.0.len() { named } else { first };
        // Blanks may precede the colon; other words before it may be part of the value.
        let shown = if named.trim_ascii_end() == first { named } else { first };
        if is_secret(name) && shown.len() < self.0.len() {
            return write!(f, "{} (its value is left out)", Quoted(&self.0[..=shown.len()]));
        }
        Quoted(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_stands_for_what_comes_and_keeps_secrets() {
        assert_eq!(first_line(b"Set-Cookie sid=x"), "`Set-Cookie ` (its value is left out)");
        let later = b"Set-Cookie sid=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
        assert_eq!(first_line(later), "`Set-Cookie ` (its value is left out)");
        assert_eq!(first_line(b"push"), "`push`");
        assert_eq!(first_line(b"HTTP/1.1 200 OK\r\nX: y\r\n"), "`HTTP/1.1 200 OK` …");
        assert_eq!(first_line(b"Set-Cookie: a=b\n"), "`Set-Cookie:` (its value is left out) …");
        assert_eq!(first_line(b""), "``");
    }

    #[test]
    fn bytes_are_escaped_and_shortened() {
        assert_eq!(
            Quoted(b"a\r\n\t\0\x7f\xff`\\ z").to_string(),
            r"`a\r\n\t\x00\x7f\xff\x60\x5c z`"
        );
        assert_eq!(Quoted(&[b'x'; 60]).to_string(), format!("`{}`", "x".repeat(60)));
        assert_eq!(Quoted(&[b'x'; 61]).to_string(), format!("`{}…`", "x".repeat(60)));
    }

    #[test]
    fn values_are_cut_between_characters() {
        assert_eq!(shortened(&[b'a'; 120]), "a".repeat(120));
        assert_eq!(shortened(&[b'a'; 121]), format!("{}…", "a".repeat(120)));
        for (piece, shown) in [("é", "é"), ("%C3", "%C3"), ("\x1b", r"\u{1b}"), ("`", r"\x60")] {
            for filled in 110..=121 {
                let value = format!("{}{piece}z", "a".repeat(filled));
                let whole = format!("{}{shown}", "a".repeat(filled));
                let expected = match (whole.len(), filled) {
                    (..=119, _) => format!("{whole}z"),
                    (120, _) => format!("{whole}…"),
                    (_, ..=120) => format!("{}…", "a".repeat(filled)),
                    _ => format!("{}…", "a".repeat(120)),
                };
                assert_eq!(shortened(value.as_bytes()), expected);
            }
        }
        assert_eq!(shortened(b"100%, \"it's\" %zz \xff"), "100%, \"it's\" %zz \u{fffd}");
    }

    #[test]
    fn urls_keep_their_secrets() {
        for (url, shown) in [
            ("/a/b%2Fc", "/a/b%2Fc"),
            ("/users/@me", "/users/@me"),
            ("/a//b@c/", "/a//b@c/"),
            ("/login?token=secret", "/login?…"),
            ("/a;jsessionid=7", "/a;…"),
            ("https://x/#access_token=7", "https://x/#…"),
            ("http://me:p@ss@x:1/a@b", "http://…@x:1/a@b"),
            ("//me@x", "//…@x"),
            ("", ""),
        ] {
            assert_eq!(public_url(url.as_bytes()), shown, "{url}");
        }
        let long = format!("/{}?a=b", "a".repeat(200));
        assert_eq!(public_url(long.as_bytes()), format!("/{}…", "a".repeat(119)));
    }

    #[test]
    fn secrets_are_left_out() {
        let line = |line: &str| QuotedLine(line.as_bytes()).to_string();
        assert_eq!(line("X-Powered-By : php"), "`X-Powered-By : php`");
        assert_eq!(line("no colon"), "`no colon`");
        for name in ["Set-Cookie ", "WWW-Authenticate", "X-Api-Key", "x-csrf-token"] {
            let expected = format!("`{name}:` (its value is left out)");
            assert_eq!(line(&format!("{name}: s3cret")), expected);
        }
    }
}
