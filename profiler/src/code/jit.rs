//! Names of code made at run time, from the perf maps that JIT compilers write.
//!
//! Format: one function per line, `START SIZE name`, the numbers in hexadecimal (Linux
//! `tools/perf/Documentation/jit-interface.txt`). A later line replaces earlier ones at the same
//! addresses, because compilers reuse memory. The map is read once from its oldest line to its
//! newest and only requested names are kept, so that a map of any length costs no memory.

use std::io::{self, BufRead, Read};
use std::ops::Range;

use super::address_spaces::hex;

/// Longer lines are ignored: no compiler has such names.
const LINE_MAX: u64 = 64 << 10;

/// The function at each of `addresses`, which are sorted: that of the newest line that contains it.
/// Lines of another format are ignored, and so is an incomplete last line.
pub(super) fn functions(
    mut map: impl BufRead,
    addresses: &[u64],
) -> io::Result<Vec<Option<String>>> {
    let mut found: Vec<Option<String>> = vec![None; addresses.len()];
    let mut line = Vec::new();
    while map.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)? > 0 {
        if line.len() as u64 == LINE_MAX && !line.ends_with(b"\n") {
            map.skip_until(b'\n')?;
        } else if let Some((covered, name)) = function(&line) {
            let first = addresses.partition_point(|&address| address < covered.start);
            let those = addresses[first..].iter().take_while(|&&address| address < covered.end);
            for found in &mut found[first..first + those.count()] {
                *found = Some(String::from_utf8_lossy(name).into_owned());
            }
        }
        line.clear();
    }
    Ok(found.into_iter().map(|name| name.filter(|name| !name.is_empty())).collect())
}

/// The addresses and the name in a line; `None` for a line that is incomplete or invalid.
fn function(line: &[u8]) -> Option<(Range<u64>, &[u8])> {
    let line = line.strip_suffix(b"\n")?;
    let space = |from: usize| Some(from + line[from..].iter().position(|&byte| byte == b' ')?);
    let first = space(0)?;
    let second = space(first + 1)?;
    let start = hex(strip(&line[..first]))?;
    let size = hex(strip(&line[first + 1..second]))?;
    let end = start.checked_add(size).filter(|&end| end > start)?;
    Some((start..end, &line[second + 1..]))
}

/// Some compilers write `0x`, which the format does not have.
fn strip(number: &[u8]) -> &[u8] {
    number.strip_prefix(b"0x").unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use proptest::prelude::*;

    use super::*;

    fn names(map: &[u8], addresses: &[u64]) -> Vec<Option<String>> {
        functions(map, addresses).expect("memory can be read")
    }

    #[test]
    fn names_may_hold_spaces_and_the_last_unfinished_line_is_left_out() {
        let map = b"1000 10 int Foo::bar(int, char)\nbroken\n0x2000 0x8 two\n3000 10 cut off";
        let found = names(map, &[0x1000, 0x100f, 0x1010, 0x2007, 0x3000]);
        let bar = Some("int Foo::bar(int, char)".to_owned());
        assert_eq!(found, [bar.clone(), bar, None, Some("two".to_owned()), None]);
        assert_eq!(names(b"", &[1]), [None]);
    }

    #[test]
    fn the_newest_line_of_a_map_of_40_mib_wins_and_an_endless_line_is_left_out() {
        let other = format!("9000000 10 other{}\n", "s".repeat(1_007)).repeat(1 << 10);
        assert_eq!(other.len(), 1 << 20);
        let endless = format!("1000 100 {}\n", "x".repeat(3 * LINE_MAX as usize));
        let mut map: Box<dyn BufRead> = Box::new(&b"1000 100 old\n"[..]);
        for _ in 0..40 {
            map = Box::new(map.chain(other.as_bytes()));
        }
        let map = map.chain(endless.as_bytes()).chain(&b"1000 80 new\n"[..]);
        let found = functions(map, &[0x1000, 0x1080, 0x0900_0000]).expect("memory can be read");
        let found: Vec<_> =
            found.iter().map(|name| name.as_deref().map(|name| &name[..3])).collect();
        assert_eq!(found, [Some("new"), Some("old"), Some("oth")]);
    }

    #[test]
    fn a_file_is_read_from_its_oldest_line_to_its_newest() {
        let map = tempfile::tempfile().expect("a file");
        map.write_all_at(b"1000 100 old\n", 0).expect("room");
        // In between is a hole.
        map.write_all_at(b"\n1000 80 new\n", 40 << 20).expect("room");
        let found = super::super::of_perf_map(&map, &[0x1000, 0x1080]).expect("it can be read");
        assert_eq!(found, [Some("new".to_owned()), Some("old".to_owned())]);
    }

    proptest! {
        /// The model searches all lines for the last one that contains the address.
        #[test]
        fn the_newest_line_names_an_address(
            lines in proptest::collection::vec((0..64_u64, 0..16_u64), 0..40)
        ) {
            let text: String = lines
                .iter()
                .enumerate()
                .map(|(number, (start, size))| format!("{start:x} {size:x} f{number}\n"))
                .collect();
            let addresses: Vec<u64> = (0..90).collect();
            let found = names(text.as_bytes(), &addresses);
            for (address, found) in addresses.into_iter().zip(found) {
                let newest = lines
                    .iter()
                    .rposition(|&(start, size)| (start..start + size).contains(&address));
                prop_assert_eq!(found, newest.map(|number| format!("f{number}")));
            }
        }
    }
}
