//! Values of a program's variables by the names of its symbols: constants that a runtime keeps for
//! debuggers.

use std::fs::File;
use std::os::unix::fs::FileExt;

use object::LittleEndian as Little;
use object::elf;
use object::read::ReadCache;
use object::read::elf::{FileHeader, SectionHeader};

/// The addresses of the symbols whose names `is_wanted` accepts: of the full table, or without one
/// of that for dynamic linking.
pub(super) fn symbols(
    file: &File,
    is_wanted: impl Fn(&[u8]) -> bool,
) -> Option<Vec<(String, u64)>> {
    let cache = ReadCache::new(file);
    let reader = &cache;
    let header = elf::FileHeader64::<Little>::parse(reader).ok()?;
    let sections = header.sections(Little, reader).ok()?;
    let of_kind = |kind| sections.iter().find(|section| section.sh_type(Little) == kind);
    let table = of_kind(elf::SHT_SYMTAB).or_else(|| of_kind(elf::SHT_DYNSYM))?;
    let names = sections.section(object::SectionIndex(table.sh_link(Little) as usize)).ok()?;
    // Both are read whole: each small read of its own would take a second for a large program.
    let read = |range: Option<(u64, u64)>| {
        let (start, size) = range.filter(|&(_, size)| size <= TABLE_MAX)?;
        let mut bytes = vec![0; size as usize];
        file.read_exact_at(&mut bytes, start).ok()?;
        Some(bytes)
    };
    let (table, names) = (read(table.file_range(Little))?, read(names.file_range(Little))?);
    let mut found = Vec::new();
    for symbol in table.as_chunks::<SYMBOL_SIZE>().0 {
        let (name, address) = (u32_at(symbol, 0)?, u64_at(symbol, 8)?);
        let Some(name) = names.get(name as usize..) else { continue };
        let name = &name[..name.iter().take(NAME_MAX).position(|&byte| byte == 0).unwrap_or(0)];
        if is_wanted(name) {
            found.push((String::from_utf8_lossy(name).into_owned(), address));
        }
    }
    Some(found)
}

fn u32_at(symbol: &[u8; SYMBOL_SIZE], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*symbol[at..].first_chunk()?))
}

fn u64_at(symbol: &[u8; SYMBOL_SIZE], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*symbol[at..].first_chunk()?))
}

/// `Elf64_Sym`.
const SYMBOL_SIZE: usize = 24;
/// Larger tables are not read: Node's have 10 MB.
const TABLE_MAX: u64 = 64 << 20;
/// Longer names are of no use here.
const NAME_MAX: usize = 256;
