//! Names of a Go program's functions, from the table that its runtime uses for stack traces, which
//! stripping does not remove.
//!
//! Format: `debug/gosym/pclntab.go` and `runtime/symtab.go` of Go 1.2 to 1.26. Pure: the bytes come
//! as an argument and may be anything.

/// A table's functions.
#[derive(Debug)]
pub(super) struct GoFunctions<'a> {
    table: &'a [u8],
    layout: Layout,
    count: usize,
    /// Base address of the entries in newer tables.
    text: u64,
    /// The start of names, index and function records.
    names: usize,
    index: usize,
    records: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// Addresses in full.
    Wide,
    /// Addresses as 32 bits from the start of the code (1.18).
    Narrow,
}

impl Layout {
    /// The size of an address and of the offset after it; in a function's record the name's offset
    /// follows the address.
    const fn size(self) -> usize {
        match self {
            Self::Wide => 8,
            Self::Narrow => 4,
        }
    }
}

impl<'a> GoFunctions<'a> {
    /// Parse a table; `module_text` is the start of the code in the program's module data, which Go
    /// 1.26 no longer writes into the table. `None` for any other format.
    pub(super) fn read(table: &'a [u8], module_text: Option<u64>) -> Option<Self> {
        let magic = u32::from_le_bytes(*table.first_chunk()?);
        let [0, 0, 1 | 4, 8] = table.get(4..8)? else { return None };
        let at = |nth: usize| usize::try_from(word(table, 8 + 8 * nth, 8)?).ok();
        let functions = match magic {
            // 1.2, 1.16
            0xffff_fffb => {
                let (names, index, records) = (0, 16, 0);
                Self { table, layout: Layout::Wide, count: at(0)?, text: 0, names, index, records }
            }
            0xffff_fffa => {
                let (names, records) = (at(2)?, at(6)?);
                let (layout, index) = (Layout::Wide, records);
                Self { table, layout, count: at(0)?, text: 0, names, index, records }
            }
            // 1.18, 1.20
            0xffff_fff0 | 0xffff_fff1 => {
                let text = Some(at(2)? as u64).filter(|&text| text != 0).or(module_text)?;
                let (names, records) = (at(3)?, at(7)?);
                let (layout, index) = (Layout::Narrow, records);
                Self { table, layout, count: at(0)?, text, names, index, records }
            }
            _ => return None,
        };
        // The index ends with the end of the code.
        let end = functions.count.checked_mul(2 * functions.layout.size())?;
        (functions.index.checked_add(end)? < table.len()).then_some(functions)
    }

    /// The function at an address, with its name in the program's own stack traces.
    pub(super) fn name(&self, address: u64) -> Option<String> {
        let (mut low, mut high) = (0, self.count);
        // The last one that starts at or before the address.
        while low < high {
            let middle = low.midpoint(high);
            if self.start(middle)? <= address { low = middle + 1 } else { high = middle }
        }
        let nth = low.checked_sub(1)?;
        if address >= self.start(nth + 1)? {
            return None;
        }
        let size = self.layout.size();
        let offset = word(self.table, self.index + nth * 2 * size + size, size)?;
        let record = self.records.checked_add(usize::try_from(offset).ok()?)?;
        let name = word(self.table, record.checked_add(self.layout.size())?, 4)?;
        let name = self.table.get(self.names.checked_add(usize::try_from(name).ok()?)?..)?;
        let length = name.iter().take(NAME_MAX).position(|&byte| byte == 0)?;
        let name = std::str::from_utf8(&name[..length]).ok().filter(|name| !name.is_empty())?;
        Some(without_shapes(name))
    }

    /// The start of a function; for the one past the last, the end of the code.
    fn start(&self, nth: usize) -> Option<u64> {
        let size = self.layout.size();
        let entry = word(self.table, self.index.checked_add(nth * 2 * size)?, size)?;
        self.text.checked_add(entry)
    }
}

/// Longest name: nested generics are long.
const NAME_MAX: usize = 4_096;

fn word(table: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = table.get(at..at.checked_add(size)?)?;
    let mut word = [0; 8];
    word[..size].copy_from_slice(bytes);
    Some(u64::from_le_bytes(word))
}

/// `pkg.Sum[go.shape.int]` as Go prints it: `pkg.Sum[...]`.
fn without_shapes(name: &str) -> String {
    match (name.find("[go.shape"), name.rfind(']')) {
        (Some(from), Some(to)) if from < to => format!("{}[...]{}", &name[..from], &name[to + 1..]),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 3] = ["main.main", "pkg.Sum[go.shape.int_0].func1", "pkg.(*T).Close"];
    const STARTS: [u64; 4] = [0x40_1000, 0x40_1080, 0x40_1200, 0x40_1300];

    /// A table of three functions, in the layout of the linker with this `magic`.
    fn table(magic: u32, text: u64) -> Vec<u8> {
        let is_narrow = magic <= 0xffff_fff1;
        let size = if is_narrow { 4 } else { 8 };
        let put = |to: &mut Vec<u8>, value: u64, size: usize| {
            to.extend(&value.to_le_bytes()[..size]);
        };
        let head_words = match magic {
            0xffff_fffb => 1,
            0xffff_fffa => 7,
            _ => 8,
        };
        let names_at = 8 + 8 * head_words + if head_words == 1 { 7 * size + 3 * 12 } else { 0 };
        let mut names = Vec::new();
        let offsets = NAMES.map(|name| {
            let at = names.len();
            names.extend(name.bytes().chain([0]));
            at
        });
        let index_at = if head_words == 1 { 16 } else { names_at + names.len() };
        let base = if head_words == 1 { 0 } else { index_at };
        let mut index = Vec::new();
        for (nth, start) in STARTS.iter().enumerate() {
            put(&mut index, if is_narrow { start - 0x40_1000 } else { *start }, size);
            if nth < NAMES.len() {
                put(&mut index, (index_at - base + 7 * size + nth * (size + 4)) as u64, size);
            }
        }
        for offset in offsets {
            put(&mut index, 0, size);
            let from = if head_words == 1 { names_at } else { 0 };
            put(&mut index, (from + offset) as u64, 4);
        }
        let mut table = magic.to_le_bytes().to_vec();
        table.extend([0, 0, 1, 8]);
        put(&mut table, 3, 8);
        let words = match head_words {
            7 => vec![0, names_at as u64, 0, 0, 0, index_at as u64],
            8 => vec![0, text, names_at as u64, 0, 0, 0, index_at as u64],
            _ => Vec::new(),
        };
        words.into_iter().for_each(|word| put(&mut table, word, 8));
        let parts = if head_words == 1 { [index, names] } else { [names, index] };
        table.extend(parts.concat());
        table
    }

    #[test]
    fn every_format_names_its_functions_and_nothing_around_them() {
        for (magic, text, module_text) in [
            (0xffff_fffb, 0, None),
            (0xffff_fffa, 0, None),
            (0xffff_fff0, 0x40_1000, None),
            (0xffff_fff1, 0x40_1000, Some(7)),
            (0xffff_fff1, 0, Some(0x40_1000)),
        ] {
            let table = table(magic, text);
            let functions = GoFunctions::read(&table, module_text).expect("a table");
            for (address, name) in [
                (0x40_0fff, None),
                (0x40_1000, Some("main.main")),
                (0x40_107f, Some("main.main")),
                (0x40_1080, Some("pkg.Sum[...].func1")),
                (0x40_12ff, Some("pkg.(*T).Close")),
                (0x40_1300, None),
                (u64::MAX, None),
            ] {
                assert_eq!(functions.name(address).as_deref(), name, "{magic:x} {address:x}");
            }
        }
        // The start of the code is unknown.
        assert!(GoFunctions::read(&table(0xffff_fff1, 0), None).is_none());
    }

    proptest! {
        #[test]
        fn a_damaged_table_is_survived(
            magic in prop::sample::select(vec![
                0xffff_fffb_u32, 0xffff_fffa, 0xffff_fff0, 0xffff_fff1, 7,
            ]),
            damage in prop::collection::vec((8_usize..400, any::<u8>()), 0..12),
            cut in 0_usize..400,
            address in 0x40_0000_u64..0x40_2000,
        ) {
            let mut table = table(magic.max(0xffff_fff0), 0x40_1000);
            for (at, byte) in damage {
                if let Some(kind) = table.get_mut(at) {
                    *kind = byte;
                }
            }
            table.truncate(cut);
            if let Some(functions) = GoFunctions::read(&table, Some(1)) {
                let _ = functions.name(address);
            }
        }
    }
}
