//! The Huffman code of HPACK (RFC 7541 appendix B). It is canonical: codes of one length follow
//! each other in the order of their symbols, so the lengths alone define it.

/// The length of each byte's code, in bits.
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];
/// The longest code; that of EOS (256) has this length and only ones.
const LONGEST: usize = 30;

struct Code {
    /// The code of each byte.
    codes: [u32; 256],
    /// The bytes in the order of their codes.
    symbols: [u8; 256],
    /// By length: the first code that is longer, left-aligned in 32 bits.
    ends: [u32; LONGEST + 1],
    /// By length: the index of its first symbol, and its first code.
    firsts: [(u16, u32); LONGEST + 1],
}

static CODE: Code = Code::new();

impl Code {
    const fn new() -> Self {
        let mut made = Self {
            codes: [0; 256],
            symbols: [0; 256],
            ends: [0; LONGEST + 1],
            firsts: [(0, 0); LONGEST + 1],
        };
        let (mut next, mut count, mut length) = (0u32, 0, 1);
        while length <= LONGEST {
            next <<= 1;
            made.firsts[length] = (count as u16, next);
            let mut symbol = 0;
            while symbol < 256 {
                if LENGTHS[symbol] as usize == length {
                    made.codes[symbol] = next;
                    made.symbols[count] = symbol as u8;
                    next += 1;
                    count += 1;
                }
                symbol += 1;
            }
            made.ends[length] = next << (32 - length);
            length += 1;
        }
        made
    }
}

/// The text is not one that the code can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotHuffman;

/// Add the text that `coded` says to `out`.
///
/// # Errors
/// If it contains EOS, or ends with anything but up to seven ones (RFC 7541 section 5.2).
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), NotHuffman> {
    // The next bits, left-aligned; `have` of them are real.
    let (mut bits, mut have) = (0u64, 0u32);
    let mut rest = coded.iter();
    loop {
        while have <= 56 {
            let Some(&byte) = rest.next() else { break };
            bits |= u64::from(byte) << (56 - have);
            have += 8;
        }
        let window = (bits >> 32) as u32;
        let length = (5..=LONGEST).find(|&length| window < CODE.ends[length]);
        match length {
            Some(length) if length as u32 <= have => {
                let (index, first) = CODE.firsts[length];
                let code = window >> (32 - length);
                out.push(CODE.symbols[usize::from(index) + (code - first) as usize]);
                bits <<= length;
                have -= length as u32;
            }
            // Only padding is left: ones, fewer than a byte.
            _ if have < 8 && rest.len() == 0 => {
                let padding = !(u64::MAX >> have);
                return if bits == padding { Ok(()) } else { Err(NotHuffman) };
            }
            _ => return Err(NotHuffman),
        }
    }
}

/// The length of `text` in this code, in bytes.
pub(super) fn encoded_len(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|&byte| usize::from(LENGTHS[usize::from(byte)])).sum();
    bits.div_ceil(8)
}

/// Add `text` in this code to `out`.
pub(super) fn encode(text: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut have) = (0u64, 0u32);
    for &byte in text {
        let length = u32::from(LENGTHS[usize::from(byte)]);
        bits = bits << length | u64::from(CODE.codes[usize::from(byte)]);
        have += length;
        while have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    if have > 0 {
        out.push((bits << (8 - have) | 0xff >> have) as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        encode(text, &mut out);
        assert_eq!(out.len(), encoded_len(text));
        out
    }

    fn decoded(coded: &[u8]) -> Result<Vec<u8>, NotHuffman> {
        let mut out = Vec::new();
        decode(coded, &mut out).map(|()| out)
    }

    #[test]
    fn the_code_is_that_of_the_rfc() {
        // The first and last code of some lengths, from appendix B.
        for (symbol, code) in [
            (b'0', 0x0),
            (b't', 0x9),
            (b' ', 0x14),
            (b'u', 0x2d),
            (b':', 0x5c),
            (b'z', 0x7b),
            (b'&', 0xf8),
            (b'?', 0x3fc),
            (b'\\', 0x7fff0),
            (0, 0x1ff8),
            (1, 0x7f_ffd8),
            (249, 0xfff_fffe),
            (22, 0x3fff_fffe),
        ] {
            assert_eq!(CODE.codes[usize::from(symbol)], code, "{symbol}");
        }
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let cases: [(&str, &[u8]); 4] = [
            ("www.example.com", b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"),
            ("no-cache", b"\xa8\xeb\x10\x64\x9c\xbf"),
            ("302", b"\x64\x02"),
            (
                "Mon, 21 Oct 2013 20:13:21 GMT",
                b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\
                \x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff",
            ),
        ];
        for (text, coded) in cases {
            assert_eq!(encoded(text.as_bytes()), coded);
            assert_eq!(decoded(coded).as_deref(), Ok(text.as_bytes()));
        }
    }

    #[test]
    fn every_text_reads_back() {
        let all: Vec<u8> = (0..=255).collect();
        for start in 0..256 {
            for length in [0, 1, 2, 3, 17] {
                let text = &all[start..(start + length).min(256)];
                assert_eq!(decoded(&encoded(text)).as_deref(), Ok(text));
            }
        }
    }

    #[test]
    fn padding_is_short_and_of_ones() {
        assert_eq!(decoded(b""), Ok(Vec::new()));
        assert_eq!(decoded(b"\x07"), Ok(b"0".to_vec()));
        for coded in
            [b"\x06".as_slice(), b"\xff", b"\x07\xff", b"\xff\xff\xff\xff", b"\x00\x00\x0e"]
        {
            assert_eq!(decoded(coded), Err(NotHuffman), "{coded:x?}");
        }
    }
}
