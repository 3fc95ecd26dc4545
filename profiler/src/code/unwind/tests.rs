//! Callers of code without rules of its own.

use super::super::address_spaces::{AddressSpaces, Backing, Region};
use super::super::code_lookup::Snippets;
use super::super::process_memory::ProcessMemory;
use super::super::runtimes::Runtimes;
use super::*;
use crate::stack::StackTable;

/// CPython 3.12's `_Py_trampoline_func_start`: `sub $8, %rsp`; `call *%rcx`; `add $8, %rsp`;
/// `ret`.
static TRAMPOLINE: [u8; 11] = [0x48, 0x83, 0xec, 0x08, 0xff, 0xd1, 0x48, 0x83, 0xc4, 0x08, 0xc3];
/// Drops two words.
static OTHER: [u8; 11] = [0x48, 0x83, 0xec, 0x10, 0xff, 0xd1, 0x48, 0x83, 0xc4, 0x10, 0xc3];
/// After the call.
const RETURN: u64 = 6;
const BASE: u64 = 0x7000;

/// Unwinds from code at 0x5000, with a frame pointer, that was called by `code`, which is in
/// this process; above the return address the stack holds `words`. The addresses found beyond
/// the call in `code`.
fn callers(code: &'static [u8], words: &[u64]) -> Vec<u64> {
    let pid = std::process::id();
    let start = code.as_ptr() as u64;
    let mut spaces = AddressSpaces::default();
    for (start, end) in [(start, start + code.len() as u64), (0x5000, 0x6000)] {
        let backing = Backing::Anonymous;
        spaces.map(pid, Region { start, end, file_offset: 0, backing });
    }
    let (modules, snippets) = (&mut Modules::default(), &mut Snippets::default());
    let (memory, runtimes) = (&mut ProcessMemory::default(), &mut Runtimes::default());
    let (address_spaces, stacks) = (&mut spaces, &mut StackTable::default());
    let mut lookup =
        CodeLookup { pid, address_spaces, modules, snippets, memory, stacks, runtimes };
    let bytes =
        |words: &[u64]| -> Vec<u8> { words.iter().flat_map(|word| word.to_ne_bytes()).collect() };
    let registers = bytes(&[0, 0, 0, 0, 0, 0, BASE, BASE, 0x5000]);
    let stack = bytes(&[&[0, start + RETURN], words].concat());
    let (registers, callers) = (Words(&registers), Words::default());
    let state = UserState { registers, stack: &stack, is_full: true, callers };
    let mut out = Vec::new();
    Unwinder::default().user_stack(&state, &mut lookup, &mut out);
    assert_eq!(out.pop(), Some(Location::Marker(Marker::Truncated)));
    let address = |location| match location {
        Location::Anonymous { address, .. } => address,
        other => panic!("{other:?}"),
    };
    let mut found = out.into_iter().map(address);
    assert_eq!(found.next(), Some(0x5000));
    assert_eq!(found.next(), Some(start + RETURN - 1));
    found.collect()
}

#[test]
fn the_caller_of_a_cpython_trampoline_is_behind_the_word_that_it_drops() {
    assert_eq!(callers(&TRAMPOLINE, &[0x5500, 0x5010]), [0x500f]);
    // Two in a row.
    let nested = TRAMPOLINE.as_ptr() as u64 + RETURN;
    assert_eq!(callers(&TRAMPOLINE, &[0, nested, 0, 0x5010]), [nested - 1, 0x500f]);
    assert_eq!(callers(&OTHER, &[0x5500, 0x5010]), [0; 0], "other code");
    assert_eq!(callers(&TRAMPOLINE, &[0x5500, 0x9010]), [0; 0], "no code calls it");
    assert_eq!(callers(&TRAMPOLINE, &[0x5500]), [0; 0], "the copy of the stack ends");
}
