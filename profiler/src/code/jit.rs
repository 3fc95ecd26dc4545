//! Names of code made at run time, from the perf maps that JIT compilers write.
//!
//! Format: one function a line, `START SIZE name`, the numbers in hexadecimal (Linux
//! `tools/perf/Documentation/jit-interface.txt`). A later line replaces what it covers, because
//! compilers use memory again. Pure: the text comes as an argument.

use std::collections::BTreeMap;
use std::ops::Range;

use super::spaces::hex;

/// The functions of one perf map.
#[derive(Debug, Default)]
pub(super) struct PerfMap {
    text: Box<[u8]>,
    /// Start of a function to its end and the place of its name in `text`.
    functions: BTreeMap<u64, (u64, Range<usize>)>,
}

impl PerfMap {
    /// Reads a perf map; lines that are none are left out (the last one may still be written).
    pub(super) fn parse(text: Vec<u8>) -> Self {
        let mut map = Self { text: text.into(), functions: BTreeMap::new() };
        let mut line_start = 0;
        let mut lines = Vec::new();
        for line in map.text.split_inclusive(|&byte| byte == b'\n') {
            if let Some((addresses, name)) = function(line) {
                lines.push((addresses, line_start + name.start..line_start + name.end));
            }
            line_start += line.len();
        }
        for (addresses, name) in lines {
            map.insert(addresses, name);
        }
        map
    }

    /// The name of the function at an address.
    pub(super) fn name(&self, address: u64) -> Option<String> {
        let (_, (end, name)) = self.functions.range(..=address).next_back()?;
        (address < *end)
            .then(|| String::from_utf8_lossy(&self.text[name.clone()]).into_owned())
            .filter(|name| !name.is_empty())
    }

    /// Whether there is no function in it.
    pub(super) fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    fn insert(&mut self, addresses: Range<u64>, name: Range<usize>) {
        while let Some((&start, (end, old))) = self.functions.range(..addresses.end).next_back() {
            if *end <= addresses.start {
                break;
            }
            let (end, old) = (*end, old.clone());
            self.functions.remove(&start);
            if end > addresses.end {
                self.functions.insert(addresses.end, (end, old.clone()));
            }
            if start < addresses.start {
                self.functions.insert(start, (addresses.start, old));
            }
        }
        self.functions.insert(addresses.start, (addresses.end, name));
    }
}

/// The addresses of a line's function and where in the line its name stands; `None` for a line
/// that is not finished or not of the format.
fn function(line: &[u8]) -> Option<(Range<u64>, Range<usize>)> {
    let line = line.strip_suffix(b"\n")?;
    let space = |from: usize| Some(from + line[from..].iter().position(|&byte| byte == b' ')?);
    let first = space(0)?;
    let second = space(first + 1)?;
    let start = hex(strip(&line[..first]))?;
    let size = hex(strip(&line[first + 1..second]))?;
    let end = start.checked_add(size).filter(|&end| end > start)?;
    Some((start..end, second + 1..line.len()))
}

/// Some compilers write `0x` although the format has none.
fn strip(number: &[u8]) -> &[u8] {
    number.strip_prefix(b"0x").unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_may_hold_spaces_and_the_last_unfinished_line_is_left_out() {
        let text = b"1000 10 int Foo::bar(int, char)\nbroken\n0x2000 0x8 two\n3000 10 cut off";
        let map = PerfMap::parse(text.to_vec());
        assert_eq!(map.name(0x1000).as_deref(), Some("int Foo::bar(int, char)"));
        assert_eq!(map.name(0x100f).as_deref(), Some("int Foo::bar(int, char)"));
        assert_eq!(map.name(0x1010), None);
        assert_eq!(map.name(0x2007).as_deref(), Some("two"));
        assert_eq!(map.name(0x3000), None);
        assert!(PerfMap::parse(Vec::new()).is_empty());
    }

    proptest! {
        /// The model looks through all lines for the last that holds the address.
        #[test]
        fn the_newest_line_names_an_address(
            lines in proptest::collection::vec((0..64_u64, 0..16_u64), 0..40)
        ) {
            let text: String = lines
                .iter()
                .enumerate()
                .map(|(number, (start, size))| format!("{start:x} {size:x} f{number}\n"))
                .collect();
            let map = PerfMap::parse(text.into_bytes());
            for address in 0..90 {
                let newest = lines
                    .iter()
                    .rposition(|&(start, size)| (start..start + size).contains(&address));
                prop_assert_eq!(map.name(address), newest.map(|number| format!("f{number}")));
            }
        }
    }
}
