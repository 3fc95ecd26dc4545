//! Header blocks to fields, with every change that they make to the table.
//!
//! `block` decides which blocks need this at all, `head` what the fields mean.

use super::super::error::Violation;
use super::super::huffman;
use super::table::{DynamicTable, HpackField, SIZE_DEFAULT};

/// The most bytes of fields in one block, counted as in a table (RFC 9113 section 10.5.1).
const FIELDS_MAX: usize = 256 << 10;

const CUT: Violation = Violation::compression("a header block ends in the middle of a field");
const DANGLING: Violation =
    Violation::compression("a header block refers to an entry that its table does not have");

/// What decoding a block did beside its fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// It changed the size of the table.
    pub resizes: bool,
    /// It inserted entries.
    pub inserts: bool,
    /// Their sizes, summed.
    pub inserted: usize,
    /// It used entries of the dynamic table.
    pub refers: bool,
}

/// A decoder of one connection.
#[derive(Debug)]
pub struct Decoder {
    table: DynamicTable,
    /// The size that this side has allowed.
    allowed: usize,
    name: Vec<u8>,
    value: Vec<u8>,
}

impl Decoder {
    /// One whose table may have at most `allowed` bytes; the peer knows it from SETTINGS.
    pub fn new(allowed: usize) -> Self {
        // The peer begins with the default (RFC 7541 section 4.2), and may not say if it uses less.
        let allowed = allowed.max(SIZE_DEFAULT);
        Self { table: DynamicTable::default(), allowed, name: Vec::new(), value: Vec::new() }
    }

    /// Its table.
    pub const fn table(&self) -> &DynamicTable {
        &self.table
    }

    /// Decode a whole block: `field` gets each name with its value.
    ///
    /// # Errors
    /// If it cannot be decoded: the table is then unknown, and the connection is of no use.
    pub fn decode(
        &mut self,
        block: &[u8],
        mut field: impl FnMut(HpackField<'_>),
    ) -> Result<Effects, Violation> {
        let mut effects = Effects::default();
        let (mut rest, mut fields, mut is_begun) = (block, 0, false);
        while let Some(&first) = rest.first() {
            let (name, value) = match first {
                0x80.. => {
                    let index = integer(&mut rest, 7)?;
                    effects.refers |= index > super::table::STATIC_LEN;
                    self.table.get(index).ok_or(DANGLING)?
                }
                0x20..0x40 => {
                    if is_begun {
                        return Err(Violation::compression(
                            "a header block changes the table's size behind a field",
                        ));
                    }
                    let size = integer(&mut rest, 5)?;
                    if size > self.allowed {
                        return Err(Violation::compression(
                            "a header block makes the table larger than allowed",
                        ));
                    }
                    self.table.resize(size);
                    effects.resizes = true;
                    continue;
                }
                _ => {
                    let is_inserted = first >= 0x40;
                    let index = integer(&mut rest, if is_inserted { 6 } else { 4 })?;
                    self.name.clear();
                    self.value.clear();
                    if index > 0 {
                        effects.refers |= index > super::table::STATIC_LEN;
                        let (name, _) = self.table.get(index).ok_or(DANGLING)?;
                        self.name.extend_from_slice(name);
                    } else {
                        text(&mut rest, &mut self.name)?;
                    }
                    text(&mut rest, &mut self.value)?;
                    if is_inserted {
                        effects.inserts = true;
                        effects.inserted += self.name.len() + self.value.len() + 32;
                        self.table.insert(&self.name, &self.value);
                    }
                    (self.name.as_slice(), self.value.as_slice())
                }
            };
            is_begun = true;
            fields += name.len() + value.len() + super::table::ENTRY_ADDS;
            if fields > FIELDS_MAX {
                return Err(Violation::flood("a header block says more than 256 KiB"));
            }
            field((name, value));
        }
        Ok(effects)
    }
}

/// Take an integer whose first byte has this many bits of it (RFC 7541 section 5.1).
fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, Violation> {
    let (&first, mut more) = rest.split_first().ok_or(CUT)?;
    let most = (1 << prefix) - 1;
    let mut value = u32::from(first) & most;
    if value == most {
        // Four further bytes hold more than any index or length here.
        let mut shift = 0;
        loop {
            let (&byte, behind) = more.split_first().ok_or(CUT)?;
            more = behind;
            value += u32::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
            if shift > 21 {
                return Err(Violation::compression("an integer of a header block is too large"));
            }
        }
    }
    *rest = more;
    Ok(value as usize)
}

/// Take a string (RFC 7541 section 5.2).
fn text(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), Violation> {
    let is_huffman = rest.first().ok_or(CUT)? & 0x80 != 0;
    let length = integer(rest, 7)?;
    let (text, behind) = rest.split_at_checked(length).ok_or(CUT)?;
    *rest = behind;
    if !is_huffman {
        out.extend_from_slice(text);
        return Ok(());
    }
    huffman::decode(text, out).map_err(|huffman::NotHuffman| {
        Violation::compression("a string is not in the Huffman code")
    })
}

#[cfg(test)]
mod tests;
