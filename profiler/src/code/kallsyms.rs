//! Names of kernel addresses, from the text of `/proc/kallsyms`.
//!
//! The list has some 200,000 lines in no order; it is read once, and only requested names are kept.
//! Every address is zero for a reader without the right to see them (`kptr_restrict`); then nothing
//! has a name.

use std::io::{self, BufRead};

use super::address_spaces::hex;

/// A function of the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KernelFunction {
    start: u64,
    /// Its name.
    pub(super) name: String,
    /// Its loadable module.
    pub(super) module: Option<String>,
}

/// The function at each of `addresses`, which are sorted: the last one that starts at or before it.
pub(super) fn functions(
    mut list: impl BufRead,
    addresses: &[u64],
) -> io::Result<Vec<Option<KernelFunction>>> {
    let mut found: Vec<Option<KernelFunction>> = vec![None; addresses.len()];
    let mut line = Vec::new();
    while list.read_until(b'\n', &mut line)? > 0 {
        if let Some(symbol) = symbol(&line) {
            // The first address that the function may contain; later ones are handled below.
            let first = addresses.partition_point(|&address| address < symbol.start);
            if let Some(best) = found.get_mut(first) {
                // Of several names for one address the first stays: aliases follow it.
                if best.as_ref().is_none_or(|best| best.start < symbol.start) {
                    *best = Some(symbol.own());
                }
            }
        }
        line.clear();
    }
    for at in 1..found.len() {
        let (before, here) = found.split_at_mut(at);
        if here[0].is_none() {
            here[0].clone_from(&before[at - 1]);
        }
    }
    Ok(found)
}

struct Symbol<'a> {
    start: u64,
    name: &'a [u8],
    module: Option<&'a [u8]>,
}

impl Symbol<'_> {
    fn own(&self) -> KernelFunction {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        KernelFunction { start: self.start, name: text(self.name), module: self.module.map(text) }
    }
}

/// The symbol in a line, if it is code: `ffffffff81000000 T name [module]`.
fn symbol(line: &[u8]) -> Option<Symbol<'_>> {
    let mut fields = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty());
    let start = hex(fields.next()?).filter(|&start| start != 0)?;
    let is_code = matches!(fields.next()?, b"t" | b"T" | b"w" | b"W");
    let name = fields.next()?;
    is_code.then(|| Symbol { start, name, module: fields.next() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &[u8] = b"ffff0000000000a0 t later
ffff000000000010 T first
ffff000000000010 T alias_of_first
ffff000000000050 D variable
ffff000000000040 t second
ffff0000000000f0 t of_module\t[nf_tables]
0000000000000000 T hidden
";

    #[test]
    fn an_address_has_the_name_that_starts_nearest_before_it() {
        let addresses = [0x0f, 0x10, 0x3f, 0x41, 0x60, 0x9f, 0xa0, 0xf5]
            .map(|low: u64| 0xffff_0000_0000_0000 + low);
        let found = functions(LIST, &addresses).unwrap();
        let names: Vec<_> =
            found.iter().map(|found| found.as_ref().map_or("", |found| &found.name)).collect();
        assert_eq!(
            names,
            ["", "first", "first", "second", "second", "second", "later", "of_module"]
        );
        assert_eq!(found[7].as_ref().unwrap().module.as_deref(), Some("[nf_tables]"));
        assert_eq!(found[6].as_ref().unwrap().module, None);
    }

    #[test]
    fn hidden_addresses_name_nothing() {
        let list = &b"0000000000000000 T a\n0000000000000000 T b\n"[..];
        assert_eq!(functions(list, &[5, 0xffff_ffff_8100_0000]).unwrap(), [None, None]);
        assert_eq!(functions(list, &[]).unwrap(), []);
    }
}
