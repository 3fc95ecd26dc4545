//! Functions of real heaps, and damaged ones.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Functions of a running Node, recorded from outside: the values of its symbols, the functions of
/// one script, and the memory around what they refer to.
struct Recorded {
    symbols: BTreeMap<String, i32>,
    functions: Vec<u64>,
    memory: BTreeMap<u64, Vec<u8>>,
}

const NODE_20: &str = include_str!("node20.txt");
const NODE_24: &str = include_str!("node24.txt");

impl Recorded {
    fn new(text: &str) -> Self {
        let mut recorded =
            Self { symbols: BTreeMap::new(), functions: Vec::new(), memory: BTreeMap::new() };
        let hex = |digits: &str| u64::from_str_radix(digits, 16).expect("a number");
        for line in text.lines() {
            match *line.split(' ').collect::<Vec<_>>() {
                ["symbol", name, value] => {
                    let value = value.parse().expect("a number");
                    recorded.symbols.insert(name.to_owned(), value);
                }
                ["function", address] => recorded.functions.push(hex(address)),
                ["memory", address, bytes] => {
                    let bytes = bytes.as_bytes().chunks(2);
                    let byte = |digits| hex(std::str::from_utf8(digits).expect("digits")) as u8;
                    recorded.memory.insert(hex(address), bytes.map(byte).collect());
                }
                _ => panic!("{line}"),
            }
        }
        recorded
    }

    fn layout(&self) -> Result<V8Layout, V8LayoutError> {
        V8Layout::read(|name| self.symbols.get(name).copied())
    }

    fn read(&self, address: u64, bytes: &mut [u8]) -> Option<()> {
        let (start, part) = self.memory.range(..=address).next_back()?;
        let at = usize::try_from(address - start).ok()?;
        bytes.copy_from_slice(part.get(at..at.checked_add(bytes.len())?)?);
        Some(())
    }

    fn texts(&self) -> BTreeSet<String> {
        let layout = self.layout().expect("a layout");
        let types = &mut FxHashMap::default();
        let read = |address, bytes: &mut [u8]| self.read(address, bytes);
        let mut heap = V8Heap { layout: &layout, types, read };
        let shared = self.functions.iter().filter_map(|&function| heap.shared(function));
        let shared: Vec<_> = shared.collect();
        assert_eq!(shared.len(), self.functions.len());
        shared.into_iter().filter_map(|it| heap.describe(it)).map(|it| it.text()).collect()
    }
}

#[test]
fn functions_of_node_are_named_with_their_files() {
    let names = ["(anonymous)", "Cart", "arrow", "inner", "load", "maker", "of", "plain", "счёт"];
    for recording in [NODE_20, NODE_24] {
        let texts = Recorded::new(recording).texts();
        for name in names {
            let text = format!("{name} (app.js)");
            assert!(texts.contains(&text), "{name} is not among {texts:?}");
        }
        let known = |text: &String| {
            let name = text.strip_suffix(" (app.js)").unwrap_or_default();
            names.contains(&name) || matches!(name, "get total" | "total" | "keep")
        };
        assert!(texts.iter().all(known), "{texts:?}");
    }
}

#[test]
fn a_layout_needs_every_symbol_and_known_tags() {
    let recorded = Recorded::new(NODE_20);
    let layout = recorded.layout().expect("a layout");
    assert_eq!((layout.function_below, layout.context_below), (16, 8));
    let functions = layout.functions.clone();
    assert_eq!((*functions.start(), functions.count()), (2_066, 16));
    let changed = |name: &str, value: Option<i32>| {
        let mut recorded = Recorded::new(NODE_20);
        match value {
            Some(value) => recorded.symbols.insert(name.to_owned(), value),
            None => recorded.symbols.remove(name),
        };
        recorded.layout()
    };
    let missing = changed("v8dbg_class_Script__name__Object", None).expect_err("missing");
    assert_eq!(missing.to_string(), "its table for debuggers lacks class_Script__name__Object");
    // Half of a word: pointers are compressed.
    let unsupported = Err(V8LayoutError::Unsupported);
    assert_eq!(changed("v8dbg_SmiShiftSize", Some(0)), unsupported);
    assert_eq!(changed("_ZN2v88internal7Version6major_E", Some(7)), unsupported);
    assert_eq!(changed("v8dbg_off_fp_function", Some(16)), unsupported);
    assert_eq!(changed("v8dbg_class_Map__instance_type__uint16_t", Some(-1)), unsupported);
}

#[test]
fn the_function_of_a_frame_is_below_its_pointer() {
    let layout = Recorded::new(NODE_20).layout().expect("a layout");
    let stack = |context: u64, function: u64| {
        move |address| match address {
            0xff8 => Some(context),
            0xff0 => Some(function),
            _ => None,
        }
    };
    assert_eq!(layout.function(0x1000, stack(0x7001, 0x8001)), Some(0x8001));
    // The kind of a frame in place of the context.
    assert_eq!(layout.function(0x1000, stack(14 << 1, 0x8001)), None);
    assert_eq!(layout.function(0x1000, stack(0x7001, 0x8000)), None);
    assert_eq!(layout.function(0x2000, stack(0x7001, 0x8001)), None);
    assert_eq!(layout.function(0, stack(0x7001, 0x8001)), None);
}

#[test]
fn a_file_is_named_without_its_folder() {
    let text = |name: &str, script: &str| {
        JsFunction { name: name.to_owned(), script: script.to_owned() }.text()
    };
    assert_eq!(text("render", "/srv/lib/page.js"), "render (page.js)");
    assert_eq!(text("", "file:///srv/app.mjs"), "(anonymous) (app.mjs)");
    assert_eq!(text("emit", "node:events"), "emit (node:events)");
    assert_eq!(text("next", "node:internal/timers"), "next (node:internal/timers)");
    assert_eq!(text("map", ""), "map");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    /// Objects that change while they are read, or refer to each other in circles.
    #[test]
    fn a_damaged_heap_is_survived(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 1..40),
        is_circular in any::<bool>(),
    ) {
        let mut recorded = Recorded::new(NODE_20);
        let layout = recorded.layout().expect("a layout");
        let starts: Vec<_> = recorded.memory.keys().copied().collect();
        for (index, word) in damage {
            let start = *index.get(&starts);
            let part = recorded.memory.get_mut(&start).expect("it is there");
            let at = index.index(part.len() / 8) * 8;
            let word = if is_circular { start | 1 } else { word };
            part[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        let types = &mut FxHashMap::default();
        let reads = Cell::new(0);
        let read = |address, bytes: &mut [u8]| {
            reads.set(reads.get() + 1);
            recorded.read(address, bytes)
        };
        let mut heap = V8Heap { layout: &layout, types, read };
        for &function in &recorded.functions {
            if let Some(shared) = heap.shared(function)
                && let Some(function) = heap.describe(shared)
            {
                prop_assert!(function.name.chars().count() <= TEXT_MAX);
            }
        }
        prop_assert!(reads.get() < 40_000, "{} reads", reads.get());
    }
}
