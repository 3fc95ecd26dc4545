//! Percent-encoding (RFC 3986 section 2.1), read as browsers do: what is no escape stands for
//! itself.

/// The bytes of a text, with `plus` in place of each `+`, which is a blank in forms.
pub fn decoded(text: &str, plus: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let escaped = behind.get(..2).filter(|_| first == b'%').and_then(byte_of);
        bytes.push(escaped.unwrap_or(if first == b'+' { plus } else { first }));
        rest = if escaped.is_some() { &behind[2..] } else { behind };
    }
    bytes
}

/// Whether every `%` of a text begins an escape.
pub fn is_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|behind| behind.as_bytes().get(..2).and_then(byte_of).is_some())
}

/// The byte of two digits. A sign is no digit, although numbers may have one.
fn byte_of(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    Some((digit(0)? << 4 | digit(1)?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        for (coded, expected, is_whole) in [
            ("", &b""[..], true),
            ("a%41%7e", b"aA~", true),
            ("%", b"%", false),
            ("%4", b"%4", false),
            ("%zz", b"%zz", false),
            ("%+1", b"% 1", false),
            ("%41%", b"A%", false),
            ("%ff%C3%bc", b"\xff\xc3\xbc", true),
            ("%2541", b"%41", true),
        ] {
            assert_eq!(decoded(coded, b' '), expected, "{coded}");
            assert_eq!(is_encoded(coded), is_whole, "{coded}");
        }
        assert_eq!(decoded("a+b", b'+'), b"a+b");
    }
}
