//! A Go program's functions, from the table that its runtime uses for stack traces, which stripping
//! does not remove: their names, the sizes of their frames, and what was inlined into them.
//!
//! Formats: `debug/gosym/pclntab.go`, `runtime/symtab.go` and `runtime/symtabinl.go` of Go 1.2 to
//! 1.27. Pure: the bytes come as an argument and may be anything.

use std::borrow::Cow;

/// A table of functions.
#[derive(Debug)]
pub struct GoFunctions {
    table: Box<[u8]>,
    format: GoFormat,
    count: usize,
    /// The unit of distances in the code.
    quantum: u64,
    /// Base address of the entries in newer tables.
    text: u64,
    /// The start of names, values by address, index and function records.
    names: usize,
    values: usize,
    index: usize,
    records: usize,
}

/// The version of Go that introduced a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GoFormat {
    /// 1.2 to 1.15.
    Go1_2,
    /// 1.16 and 1.17.
    Go1_16,
    /// 1.18 and 1.19.
    Go1_18,
    /// 1.20 and newer.
    Go1_20,
}

/// A function of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoFunction {
    /// Its first address.
    pub start: u64,
    /// The address after its last.
    pub end: u64,
    record: usize,
}

/// The position of a name among the names of its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoName(u32);

impl GoFormat {
    fn of(magic: u32) -> Option<Self> {
        match magic {
            0xffff_fffb => Some(Self::Go1_2),
            0xffff_fffa => Some(Self::Go1_16),
            0xffff_fff0 => Some(Self::Go1_18),
            0xffff_fff1 => Some(Self::Go1_20),
            _ => None,
        }
    }

    /// The size of an address, and of the offset after it, in the index: addresses in full, or 32
    /// bits from the start of the code.
    const fn size(self) -> usize {
        match self {
            Self::Go1_2 | Self::Go1_16 => 8,
            Self::Go1_18 | Self::Go1_20 => 4,
        }
    }

    /// The position of a record's list of tables, and the sizes and positions in an entry of an
    /// inline tree; `None` if trees are addressed in another way.
    const fn inlining(self) -> Option<Inlining> {
        match self {
            Self::Go1_2 | Self::Go1_16 => None,
            Self::Go1_18 => Some(Inlining { tables: 40, entry: 20, name: 12, call: 16 }),
            Self::Go1_20 => Some(Inlining { tables: 44, entry: 16, name: 4, call: 8 }),
        }
    }
}

/// Positions in a function's record and in an entry of its inline tree.
#[derive(Clone, Copy, Debug)]
struct Inlining {
    tables: usize,
    entry: u64,
    name: usize,
    call: usize,
}

impl GoFunctions {
    /// Parse a table; `module_text` is the start of the code in the program's module data, which Go
    /// 1.26 no longer writes into the table. `None` for any other format.
    pub fn read(table: Box<[u8]>, module_text: Option<u64>) -> Option<Self> {
        let format = GoFormat::of(u32::from_le_bytes(*table.first_chunk()?))?;
        let [0, 0, quantum @ (1 | 4), 8] = *table.get(4..8)? else { return None };
        let quantum = u64::from(quantum);
        let at = |nth: usize| usize::try_from(word(&table, 8 + 8 * nth, 8)?).ok();
        let count = at(0)?;
        let (text, names, values, records) = match format {
            GoFormat::Go1_2 => (0, 0, 0, 0),
            GoFormat::Go1_16 => (0, at(2)?, at(5)?, at(6)?),
            GoFormat::Go1_18 | GoFormat::Go1_20 => {
                let text = Some(at(2)? as u64).filter(|&text| text != 0).or(module_text)?;
                (text, at(3)?, at(6)?, at(7)?)
            }
        };
        let index = if format == GoFormat::Go1_2 { 16 } else { records };
        // The index ends with the end of the code.
        let end = count.checked_mul(2 * format.size())?.checked_add(format.size())?;
        let is_inside = index.checked_add(end)? <= table.len() && count > 0;
        let functions = Self { table, format, count, quantum, text, names, values, index, records };
        is_inside.then_some(functions)
    }

    /// The format of the table.
    pub const fn format(&self) -> GoFormat {
        self.format
    }

    /// The function at an address.
    pub fn find(&self, address: u64) -> Option<GoFunction> {
        let (mut low, mut high) = (0, self.count);
        // The last one that starts at or before the address.
        while low < high {
            let middle = low.midpoint(high);
            if self.start(middle)? <= address { low = middle + 1 } else { high = middle }
        }
        self.nth(low.checked_sub(1)?).filter(|function| address < function.end)
    }

    /// All functions in the order of their addresses.
    pub fn iter(&self) -> impl Iterator<Item = GoFunction> + '_ {
        (0..self.count).map_while(|nth| self.nth(nth))
    }

    /// The name of a function in the program's own stack traces.
    pub fn name(&self, function: GoFunction) -> Option<Cow<'_, str>> {
        self.text_of(GoName(self.field(function, self.format.size())?))
    }

    /// The text of a name.
    pub fn text_of(&self, name: GoName) -> Option<Cow<'_, str>> {
        let name = self.table.get(self.names.checked_add(name.0 as usize)?..)?;
        let length = name.iter().take(NAME_MAX).position(|&byte| byte == 0)?;
        let name = std::str::from_utf8(&name[..length]).ok().filter(|name| !name.is_empty())?;
        Some(without_shapes(name))
    }

    /// The size of a function's frame while the instruction at `address` runs, in bytes: without
    /// the return address on processors whose calls push it.
    pub fn frame_size(&self, function: GoFunction, address: u64) -> Option<u64> {
        let table = self.field(function, self.format.size() + 12)?;
        self.value(table, function, address).and_then(|size| size.try_into().ok())
    }

    /// The functions that were inlined at an address, innermost first; `trees` is the start of all
    /// inline trees, `read` reads the program's data at an address.
    pub fn inlined(
        &self,
        function: GoFunction,
        address: u64,
        trees: u64,
        read: impl Fn(u64, &mut [u8]) -> Option<()>,
    ) -> Vec<GoName> {
        let mut names = Vec::new();
        let mut address = address;
        while names.len() < INLINED_MAX {
            let Some((name, call)) = self.inlined_call(function, address, trees, &read) else {
                break;
            };
            names.push(name);
            address = call;
        }
        names
    }

    /// Whether inline trees are at `trees`: the first ones name functions, and calls inside of
    /// theirs.
    pub fn has_trees(&self, trees: u64, read: impl Fn(u64, &mut [u8]) -> Option<()>) -> bool {
        let Some(inlining) = self.format.inlining() else { return false };
        let offsets = self.iter().filter_map(|function| {
            self.table_of(function, inlining)?;
            Some((function, self.tree_of(function, inlining)?))
        });
        let mut checked = 0;
        for (function, offset) in offsets.take(TREES_CHECKED) {
            let Some((name, call)) = self.entry(function, trees, offset, 0, inlining, &read) else {
                return false;
            };
            let before = self.names.checked_add(name.0 as usize).and_then(|at| at.checked_sub(1));
            let is_start = before.is_some_and(|before| {
                name.0 == 0 || self.table.get(before).is_some_and(|&byte| byte == 0)
            });
            let is_call = (function.start..function.end).contains(&call);
            if !(is_start && is_call && self.text_of(name).is_some()) {
                return false;
            }
            checked += 1;
        }
        checked > 0
    }

    /// The function inlined at an address, and the address of its call.
    fn inlined_call(
        &self,
        function: GoFunction,
        address: u64,
        trees: u64,
        read: &impl Fn(u64, &mut [u8]) -> Option<()>,
    ) -> Option<(GoName, u64)> {
        let inlining = self.format.inlining()?;
        let table = self.table_of(function, inlining)?;
        let nth = u64::try_from(self.value(table, function, address)?).ok()?;
        let offset = self.tree_of(function, inlining)?;
        self.entry(function, trees, offset, nth, inlining, read)
    }

    fn entry(
        &self,
        function: GoFunction,
        trees: u64,
        offset: u32,
        nth: u64,
        inlining: Inlining,
        read: &impl Fn(u64, &mut [u8]) -> Option<()>,
    ) -> Option<(GoName, u64)> {
        let at = trees.checked_add(u64::from(offset))?;
        let at = at.checked_add(nth.checked_mul(inlining.entry)?)?;
        let mut entry = [0; 20];
        let entry = &mut entry[..inlining.entry as usize];
        read(at, entry)?;
        let name = word(entry, inlining.name, 4)? as u32;
        let call = word(entry, inlining.call, 4)?;
        Some((GoName(name), function.start.checked_add(call)?))
    }

    /// The position of the table of a function's inlined calls by address.
    fn table_of(&self, function: GoFunction, inlining: Inlining) -> Option<u32> {
        const NTH: u32 = 2;
        (self.field(function, COUNT_AT)? > NTH).then_some(())?;
        let table = self.field(function, inlining.tables + 4 * NTH as usize)?;
        (table != 0).then_some(table)
    }

    /// The position of a function's inline tree among all trees.
    fn tree_of(&self, function: GoFunction, inlining: Inlining) -> Option<u32> {
        const NTH: u32 = 3;
        let counts = word(&self.table, function.record.checked_add(inlining.tables - 1)?, 1)?;
        (counts > u64::from(NTH)).then_some(())?;
        let before = (self.field(function, COUNT_AT)?.checked_add(NTH)? as usize).checked_mul(4)?;
        let tree = self.field(function, inlining.tables.checked_add(before)?)?;
        (tree != u32::MAX).then_some(tree)
    }

    /// The value at an address in a table of steps: of the value (zig-zag) and of the address.
    fn value(&self, table: u32, function: GoFunction, address: u64) -> Option<i32> {
        let mut steps = self.table.get(self.values.checked_add(table as usize)?..)?;
        let (mut value, mut end) = (-1_i32, function.start);
        for nth in 0..STEPS_MAX {
            let step = number(&mut steps)?;
            if step == 0 && nth > 0 {
                return None;
            }
            let magnitude = (step >> 1).cast_signed();
            value = value.wrapping_add(if step & 1 == 0 { magnitude } else { !magnitude });
            end = end.checked_add(u64::from(number(&mut steps)?) * self.quantum)?;
            if address < end {
                return Some(value);
            }
        }
        None
    }

    fn nth(&self, nth: usize) -> Option<GoFunction> {
        let size = self.format.size();
        let at = self.index.checked_add(nth.checked_mul(2 * size)?)?.checked_add(size)?;
        let offset = word(&self.table, at, size)?;
        let record = self.records.checked_add(usize::try_from(offset).ok()?)?;
        Some(GoFunction { start: self.start(nth)?, end: self.start(nth + 1)?, record })
    }

    /// The start of a function; for the one past the last, the end of the code.
    fn start(&self, nth: usize) -> Option<u64> {
        let size = self.format.size();
        let entry = word(&self.table, self.index.checked_add(nth * 2 * size)?, size)?;
        self.text.checked_add(entry)
    }

    /// A field of 32 bits of a function's record.
    fn field(&self, function: GoFunction, at: usize) -> Option<u32> {
        Some(word(&self.table, function.record.checked_add(at)?, 4)? as u32)
    }
}

/// The position of the number of tables in the record of a function of Go 1.18 or newer.
const COUNT_AT: usize = 28;
/// Longest name: nested generics are long.
const NAME_MAX: usize = 4_096;
/// Most functions inlined into each other.
const INLINED_MAX: usize = 64;
/// Most steps in the table of a function.
const STEPS_MAX: usize = 1 << 16;
/// How many trees prove that trees are at an address.
const TREES_CHECKED: usize = 16;

fn word(table: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = table.get(at..at.checked_add(size)?)?;
    let mut word = [0; 8];
    word[..size].copy_from_slice(bytes);
    Some(u64::from_le_bytes(word))
}

/// A number of seven bits a byte, the lowest first.
fn number(bytes: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in (0..32).step_by(7) {
        let &byte = bytes.split_off_first()?;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// `pkg.Sum[go.shape.int]` as Go prints it: `pkg.Sum[...]`.
fn without_shapes(name: &str) -> Cow<'_, str> {
    match (name.find("[go.shape"), name.rfind(']')) {
        (Some(from), Some(to)) if from < to => {
            format!("{}[...]{}", &name[..from], &name[to + 1..]).into()
        }
        _ => name.into(),
    }
}

#[cfg(test)]
mod tests;
