//! Fields to header blocks. Which fields enter the peer's table is decided by `request` and
//! `encoder`.

use super::super::huffman;
use super::table::{ENTRY_ADDS, STATIC_LEN, find_static};

/// How a field that the static table does not have is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http2) enum Form {
    /// Literally, and as the newest entry of the peer's table.
    Inserted,
    /// Literally.
    Literal,
    /// As the entry with this age of the peer's table: 0 is the newest. Not for fields that the
    /// static table has.
    Indexed(usize),
}

/// The size of a field as an entry of a table.
pub(in crate::http2) const fn entry_size(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + ENTRY_ADDS
}

/// Whether the static table has exactly this field.
pub(in crate::http2) fn is_static(name: &[u8], value: &[u8]) -> bool {
    find_static(name, value).is_some_and(|(_, is_exact)| is_exact)
}

/// Add a field to a block.
pub(in crate::http2) fn field((name, value): (&[u8], &[u8]), form: Form, block: &mut Vec<u8>) {
    let (pattern, prefix) = match form {
        Form::Indexed(age) => return integer(0x80, 7, STATIC_LEN + 1 + age, block),
        Form::Inserted => (0x40, 6),
        Form::Literal => (0, 4),
    };
    let found = find_static(name, value);
    if let Some((index, true)) = found {
        return integer(0x80, 7, index, block);
    }
    let named = found.map_or(0, |(index, _)| index);
    integer(pattern, prefix, named, block);
    if named == 0 {
        text(name, block);
    }
    text(value, block);
}

/// The table is empty, and stays so.
pub(in crate::http2) const SIZE_ZERO: u8 = 0x20;

fn integer(pattern: u8, prefix: u32, value: usize, block: &mut Vec<u8>) {
    let most = (1usize << prefix) - 1;
    if value < most {
        return block.push(pattern | value as u8);
    }
    block.push(pattern | most as u8);
    let mut left = value - most;
    while left >= 0x80 {
        block.push(0x80 | (left & 0x7f) as u8);
        left >>= 7;
    }
    block.push(left as u8);
}

/// A string, in the Huffman code if that is shorter.
fn text(text: &[u8], block: &mut Vec<u8>) {
    let coded = huffman::encoded_len(text);
    if coded < text.len() {
        integer(0x80, 7, coded, block);
        huffman::encode(text, block);
    } else {
        integer(0, 7, text.len(), block);
        block.extend_from_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode::Decoder;
    use super::*;

    #[test]
    fn the_requests_of_the_rfc() {
        let mut block = Vec::new();
        for (name, value) in [(":method", "GET"), (":scheme", "http"), (":path", "/")] {
            field((name.as_bytes(), value.as_bytes()), Form::Inserted, &mut block);
        }
        field((b":authority", b"www.example.com"), Form::Inserted, &mut block);
        let expected = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
        assert_eq!(block, expected);
        block.clear();
        field((b":authority", b"www.example.com"), Form::Indexed(0), &mut block);
        field((b"cache-control", b"no-cache"), Form::Inserted, &mut block);
        assert_eq!(block, b"\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf");
    }

    #[test]
    fn every_field_reads_back() {
        let long = "x".repeat(5_000);
        let fields = [("a", ""), ("date", "x"), ("x-long", &long), ("x-\u{fc}", "\u{1}\u{ff}")];
        for form in [Form::Literal, Form::Inserted] {
            let mut block = Vec::new();
            for (name, value) in fields {
                field((name.as_bytes(), value.as_bytes()), form, &mut block);
            }
            let mut found = Vec::new();
            let mut decoder = Decoder::new(4_096);
            let read = decoder.decode(&block, |(name, value)| {
                found.push((name.to_vec(), value.to_vec()));
            });
            assert!(read.is_ok());
            let expected = fields.map(|(n, v)| (n.as_bytes().to_vec(), v.as_bytes().to_vec()));
            assert_eq!(found, expected);
            assert_eq!(decoder.table().size() > 0, form == Form::Inserted);
        }
    }
}
