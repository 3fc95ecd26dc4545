//! Tables made by hand, and those of real programs.

use std::io::Read;

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 3] = ["main.main", "pkg.Sum[go.shape.int_0].func1", "pkg.(*T).Close"];
const STARTS: [u64; 4] = [0x40_1000, 0x40_1080, 0x40_1200, 0x40_1300];
/// The frame of the last function has 8 bytes, from its fifth byte on 24, and none in the last two.
const SIZES: [(u64, Option<u64>); 6] = [
    (0x40_1200, Some(8)),
    (0x40_1203, Some(8)),
    (0x40_1204, Some(24)),
    (0x40_12fd, Some(24)),
    (0x40_12fe, Some(0)),
    (0x40_12ff, Some(0)),
];
/// The same as steps: 9 up for 4 bytes, 16 up for 250, 24 down for 2.
const STEPS: [u8; 8] = [18, 4, 32, 0xfa, 1, 47, 2, 0];

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
    let record = size + 36;
    let names_at = 8 + 8 * head_words + if head_words == 1 { 7 * size + 3 * record } else { 0 };
    let mut names = Vec::new();
    let offsets = NAMES.map(|name| {
        let at = names.len();
        names.extend(name.bytes().chain([0]));
        at
    });
    let steps_at = names_at + names.len();
    names.extend(STEPS);
    let index_at = if head_words == 1 { 16 } else { names_at + names.len() };
    let base = if head_words == 1 { 0 } else { index_at };
    let mut index = Vec::new();
    for (nth, start) in STARTS.iter().enumerate() {
        put(&mut index, if is_narrow { start - 0x40_1000 } else { *start }, size);
        if nth < NAMES.len() {
            put(&mut index, (index_at - base + 7 * size + nth * record) as u64, size);
        }
    }
    for offset in offsets {
        let from = if head_words == 1 { names_at } else { 0 };
        put(&mut index, 0, size);
        put(&mut index, (from + offset) as u64, 4);
        index.extend([0; 8]);
        let steps = if head_words == 1 { steps_at } else { steps_at - names_at };
        put(&mut index, steps as u64, 4);
        index.extend([0; 20]);
    }
    let mut table = magic.to_le_bytes().to_vec();
    table.extend([0, 0, 1, 8]);
    put(&mut table, 3, 8);
    let (names_word, index_word) = (names_at as u64, index_at as u64);
    let words = match head_words {
        7 => vec![0, names_word, 0, 0, names_word, index_word],
        8 => vec![0, text, names_word, 0, 0, names_word, index_word],
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
        let table = table(magic, text).into_boxed_slice();
        let functions = GoFunctions::read(table, module_text).expect("a table");
        for (address, name) in [
            (0x40_0fff, None),
            (0x40_1000, Some("main.main")),
            (0x40_107f, Some("main.main")),
            (0x40_1080, Some("pkg.Sum[...].func1")),
            (0x40_12ff, Some("pkg.(*T).Close")),
            (0x40_1300, None),
            (u64::MAX, None),
        ] {
            let found = functions.find(address).and_then(|function| functions.name(function));
            assert_eq!(found.as_deref(), name, "{magic:x} {address:x}");
        }
        for (address, size) in SIZES {
            let function = functions.find(address).expect("the last one");
            assert_eq!(functions.frame_size(function, address), size, "{magic:x} {address:x}");
        }
        let starts: Vec<_> = functions.iter().map(|function| function.start).collect();
        assert_eq!(starts, STARTS[..3]);
    }
    // The start of the code is unknown.
    assert!(GoFunctions::read(table(0xffff_fff1, 0).into(), None).is_none());
}

/// A table of a stripped program; bytes of functions that are not checked are zero. Each line of
/// `facts` is an address, its function, the size of its frame (the oracle is `.debug_frame` of the
/// same program unstripped) and the functions inlined there (`runtime.CallersFrames` and the debug
/// information); before them stand the addresses of code, trees and table, and entries of trees.
struct Recorded {
    functions: GoFunctions,
    trees: u64,
    data: Vec<(u64, Vec<u8>)>,
    facts: Vec<(u64, [String; 3])>,
}

impl Recorded {
    fn new(packed: &[u8], facts: &str) -> Self {
        let mut table = Vec::new();
        flate2::read::GzDecoder::new(packed).read_to_end(&mut table).expect("it is whole");
        let hex = |text: &str| u64::from_str_radix(text, 16).expect("a number");
        let (mut known, mut data, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        for line in facts.lines() {
            match *line.split(' ').collect::<Vec<_>>() {
                [_, address] => known.push(hex(address)),
                ["data", address, bytes] => {
                    let bytes = bytes
                        .as_bytes()
                        .chunks(2)
                        .map(|digits| hex(std::str::from_utf8(digits).expect("digits")) as u8);
                    data.push((hex(address), bytes.collect()));
                }
                [address, name, size, inlined] => {
                    lines.push((hex(address), [name, size, inlined].map(str::to_owned)));
                }
                _ => panic!("{line}"),
            }
        }
        let [text, trees, start] = *known else { panic!("three addresses") };
        data.push((start, table.clone()));
        let functions = GoFunctions::read(table.into(), Some(text)).expect("a table");
        Self { functions, trees, data, facts: lines }
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> Option<()> {
        self.data.iter().find_map(|(start, data)| {
            let at = usize::try_from(address.checked_sub(*start)?).ok()?;
            bytes.copy_from_slice(data.get(at..at.checked_add(bytes.len())?)?);
            Some(())
        })
    }
}

#[test]
fn tables_of_real_programs_agree_with_their_debug_information() {
    let recordings = [
        (GoFormat::Go1_18, &include_bytes!("go1.19.gz")[..], include_str!("go1.19.txt")),
        (GoFormat::Go1_20, &include_bytes!("go1.27.gz")[..], include_str!("go1.27.txt")),
    ];
    for (format, packed, facts) in recordings {
        let recorded = Recorded::new(packed, facts);
        let functions = &recorded.functions;
        assert_eq!(functions.format(), format);
        assert!(functions.has_trees(recorded.trees, |at, bytes| recorded.read(at, bytes)));
        for near in [recorded.trees - 4, recorded.trees + 16, 0, u64::MAX] {
            assert!(!functions.has_trees(near, |at, bytes| recorded.read(at, bytes)), "{near:x}");
        }
        for (address, expected) in &recorded.facts {
            let function = functions.find(*address).expect("a function");
            let inlined = functions
                .inlined(function, *address, recorded.trees, |at, bytes| recorded.read(at, bytes));
            let inlined: Vec<_> =
                inlined.into_iter().filter_map(|name| functions.text_of(name)).collect();
            let found = [
                functions.name(function).expect("a name").into_owned(),
                functions.frame_size(function, *address).expect("a size").to_string(),
                if inlined.is_empty() { "-".to_owned() } else { inlined.join(",") },
            ];
            assert_eq!(found, *expected, "{format:?} {address:x}");
        }
        assert!(recorded.facts.len() > 100, "{}", recorded.facts.len());
    }
}

proptest! {
    #[test]
    fn a_damaged_table_is_survived(
        magic in prop::sample::select(vec![
            0xffff_fffb_u32, 0xffff_fffa, 0xffff_fff0, 0xffff_fff1,
        ]),
        damage in prop::collection::vec((8_usize..500, any::<u8>()), 0..12),
        cut in 0_usize..500,
        address in 0x40_0000_u64..0x40_2000,
    ) {
        let mut table = table(magic, 0x40_1000);
        for (at, byte) in damage {
            if let Some(kind) = table.get_mut(at) {
                *kind = byte;
            }
        }
        table.truncate(cut);
        if let Some(functions) = GoFunctions::read(table.into(), Some(1))
            && let Some(function) = functions.find(address)
        {
            let _ = functions.name(function);
            let _ = functions.frame_size(function, address);
            let _ = functions.inlined(function, address, 0, |_, bytes| {
                bytes.fill(1);
                Some(())
            });
        }
    }
}
