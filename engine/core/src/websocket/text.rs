//! Whether text that arrives in pieces is UTF-8, decided at the first invalid byte.
//!
//! The standard library checks each piece, two words of ASCII at a time; between pieces only the
//! range of the next byte is kept.

use std::str;

/// The position in one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Utf8 {
    /// Bytes that the current character still needs, 0 to 3.
    missing: u8,
    /// The least and the greatest value of the next byte.
    low: u8,
    high: u8,
}

impl Utf8 {
    /// Before the first byte of a text.
    pub(super) const fn new() -> Self {
        Self::lacking(0)
    }

    /// Read the next bytes. `false`: the text is not UTF-8; later results have no meaning.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while self.missing > 0 {
            let Some((byte, after)) = rest.split_first() else { return true };
            if !(self.low..=self.high).contains(byte) {
                return false;
            }
            *self = Self::lacking(self.missing - 1);
            rest = after;
        }
        let Err(error) = str::from_utf8(rest) else { return true };
        if error.error_len().is_some() {
            return false;
        }
        *self = Self::after(&rest[error.valid_up_to()..]);
        true
    }

    /// Whether the text may end here: no character is cut.
    pub(super) const fn is_whole(self) -> bool {
        self.missing == 0
    }

    const fn lacking(missing: u8) -> Self {
        Self { missing, low: 0x80, high: 0xbf }
    }

    /// After the first bytes of a character, the rest of it cut off (Unicode, table 3-7).
    const fn after(begun: &[u8]) -> Self {
        let (length, low, high) = match begun {
            [0xe0, ..] => (3, 0xa0, 0xbf),
            [0xed, ..] => (3, 0x80, 0x9f),
            [0xf0, ..] => (4, 0x90, 0xbf),
            [0xf4, ..] => (4, 0x80, 0x8f),
            [0xe1..=0xef, ..] => (3, 0x80, 0xbf),
            [0xf1..=0xf3, ..] => (4, 0x80, 0xbf),
            _ => (2, 0x80, 0xbf),
        };
        match begun {
            [_] => Self { missing: length - 1, low, high },
            more => Self::lacking(length - more.len() as u8), // fewer than `length`
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the standard library says of a text of which no more than `bytes` is known.
    fn begins_a_text(bytes: &[u8]) -> bool {
        str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none(), |_| true)
    }

    fn agree(bytes: &[u8]) {
        for cut in 0..=bytes.len() {
            let mut text = Utf8::new();
            let (first, second) = bytes.split_at(cut);
            let taken = text.feed(first) && text.feed(second);
            assert_eq!(taken, begins_a_text(bytes), "{bytes:x?} cut at {cut}");
            if taken {
                assert_eq!(text.is_whole(), str::from_utf8(bytes).is_ok(), "{bytes:x?} at {cut}");
            }
        }
        let mut text = Utf8::new();
        let mut taken = bytes.iter().map(|byte| text.feed(&[*byte]));
        let is_refused_at = taken.position(|taken| !taken);
        let expected = (1..=bytes.len()).position(|end| !begins_a_text(&bytes[..end]));
        assert_eq!(is_refused_at, expected, "{bytes:x?} byte by byte");
    }

    #[test]
    fn every_beginning_of_a_character_is_judged_as_the_standard_library_does() {
        for first in 0..=255 {
            agree(&[first]);
            for second in 0..=255 {
                agree(&[first, second]);
                // The third and fourth bytes have one range after every lead.
                for third in [0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff] {
                    agree(&[first, second, third]);
                    for fourth in [0x41, 0x7f, 0x80, 0xbf, 0xc0] {
                        agree(&[first, second, third, fourth]);
                    }
                }
            }
        }
    }

    #[test]
    fn long_texts_are_judged_to_the_end() {
        for end in ["", "x", "µ", "€", "𝄞"] {
            let text = "The quick brown fox, ".repeat(3) + end;
            agree(text.as_bytes());
            agree(&[text.as_bytes(), b"\xff"].concat());
            agree(&[text.as_bytes(), b"\xf0\x9d"].concat());
        }
    }
}
