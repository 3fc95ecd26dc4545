//! Processes that run HotSpot: the names of their Java methods, and the callers of their frames.
//!
//! Compiled methods keep no frame pointer, but HotSpot knows the size of each one's frame; the
//! interpreter's frames hold the method and where the caller's begins.

use rustc_hash::FxHashMap;

use super::code_lookup::CodeLookup;
use super::copied_stack::CopiedStack;
use super::hotspot::{BlobKind, CodeBlob, HotSpotLayout, HotSpotLayoutError, JavaMemory};
use super::module::Module;
use super::symbol_values::symbols;
use crate::stack::{Location, NameId};

/// Java processes.
#[derive(Debug, Default)]
pub(super) struct JavaProcesses {
    of: FxHashMap<u32, JavaProcess>,
    /// Why the tables of a process could not be used.
    pub(super) failure: Option<HotSpotLayoutError>,
    /// Whether those of any process could.
    pub(super) is_any_read: bool,
}

#[derive(Debug, Default)]
struct JavaProcess {
    layout: Option<HotSpotLayout>,
    /// Whether its version lacks a field: no later look finds it.
    is_unknown: bool,
    /// The number of mappings when the library was searched.
    mappings: usize,
    /// What is at an address of code.
    code: FxHashMap<u64, JavaCode>,
    methods: FxHashMap<u64, Option<NameId>>,
}

/// Code at an address.
#[derive(Debug)]
struct JavaCode {
    blob: CodeBlob,
    /// The methods there, the innermost first; empty for the interpreter.
    names: Box<[NameId]>,
}

/// The registers that frames are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JavaFrame {
    /// The instruction, or the return address.
    pub(super) pc: u64,
    pub(super) sp: u64,
    pub(super) fp: u64,
}

impl JavaProcesses {
    /// Forget a process that ended or runs another program.
    pub(super) fn forget(&mut self, pid: u32) {
        self.of.remove(&pid);
    }

    /// Append the methods at an address of code without a file, the innermost first, by the frame
    /// pointer.
    pub(super) fn append(
        &mut self,
        address: u64,
        pointer: Option<u64>,
        stack: &CopiedStack<'_>,
        lookup: &mut CodeLookup<'_>,
        out: &mut Vec<Location>,
    ) {
        let Some(process) = self.process(lookup) else { return };
        let Some(code) = process.code(address, lookup) else { return };
        if code.blob.kind != BlobKind::Interpreter {
            return out.extend(code.names.iter().copied().map(Location::Named));
        }
        let method = pointer.and_then(|pointer| stack.word(pointer.checked_sub(METHOD)?));
        let method = method.and_then(|method| process.method(method, lookup));
        // At the entry of a method its frame is not there yet.
        let name = method.unwrap_or_else(|| lookup.stacks.name("Interpreter (JVM)"));
        out.push(Location::Named(name));
    }

    /// The caller of a frame in code without a file, whose methods were appended just before.
    pub(super) fn caller(
        &mut self,
        at: JavaFrame,
        is_innermost: bool,
        stack: &CopiedStack<'_>,
        lookup: &mut CodeLookup<'_>,
    ) -> Option<JavaFrame> {
        let address = if is_innermost { at.pc } else { at.pc.checked_sub(1)? };
        let code = self.of.get(&lookup.pid)?.code.get(&address)?;
        let around = is_innermost.then(|| lookup.code_around(at.pc));
        caller(&code.blob, at, around, |at| stack.word(at))
    }

    fn process<'a>(&'a mut self, lookup: &mut CodeLookup<'_>) -> Option<&'a mut JavaProcess> {
        let process = self.of.entry(lookup.pid).or_default();
        let is_searched = process.layout.is_none() && !process.is_unknown;
        if is_searched && process.mappings != lookup.mappings() {
            process.mappings = lookup.mappings();
            match layout(lookup) {
                Some(Ok(layout)) => {
                    process.layout = Some(layout);
                    self.is_any_read = true;
                }
                Some(Err(why)) => {
                    process.is_unknown = matches!(why, HotSpotLayoutError::Missing(_));
                    // What will not pass is not forgotten for what may.
                    if process.is_unknown || self.failure.is_none() {
                        self.failure = Some(why);
                    }
                }
                None => {}
            }
        }
        process.layout.is_some().then_some(process)
    }
}

impl JavaProcess {
    /// What is at an address now.
    fn code<'a>(&'a mut self, address: u64, lookup: &mut CodeLookup<'_>) -> Option<&'a JavaCode> {
        let layout = self.layout.as_ref()?;
        let known = self.code.get(&address);
        if !known.is_some_and(|known| layout.is_same(&known.blob, &mut memory(lookup))) {
            let found = self.find(address, lookup);
            let is_new = !self.code.contains_key(&address);
            if found.is_some() && is_new && self.code.len() >= KEPT_MAX {
                self.code.clear();
            }
            match found {
                Some(found) => self.code.insert(address, found),
                None => self.code.remove(&address),
            };
        }
        self.code.get(&address)
    }

    fn find(&mut self, address: u64, lookup: &mut CodeLookup<'_>) -> Option<JavaCode> {
        let layout = self.layout.as_ref()?;
        let blob = layout.blob(address, &mut memory(lookup))?;
        let methods = layout.methods(&blob, address, &mut memory(lookup));
        let mut names: Vec<_> =
            methods.into_iter().filter_map(|method| self.method(method, lookup)).collect();
        if let BlobKind::Stub(name) = &blob.kind {
            names.push(lookup.stacks.name(&format!("{name} (JVM)")));
        }
        Some(JavaCode { blob, names: names.into() })
    }

    fn method(&mut self, method: u64, lookup: &mut CodeLookup<'_>) -> Option<NameId> {
        if let Some(known) = self.methods.get(&method) {
            return *known;
        }
        let name = self.layout.as_ref()?.name(method, &mut memory(lookup));
        let name = name.map(|name| lookup.stacks.name(&name));
        if self.methods.len() >= KEPT_MAX {
            self.methods.clear();
        }
        self.methods.insert(method, name);
        name
    }
}

/// The tables of the process's HotSpot, if it has one.
fn layout(lookup: &mut CodeLookup<'_>) -> Option<Result<HotSpotLayout, HotSpotLayoutError>> {
    let is_hotspot = |module: &Module| &*module.name == "libjvm.so";
    let library = lookup.find_module(is_hotspot)?;
    let loaded = lookup.loaded_at(library)?;
    let content = lookup.modules.module(library).content.as_ref().ok()?;
    let wanted = |name: &[u8]| name.starts_with(b"gHotSpotVM");
    let symbols: FxHashMap<_, _> = symbols(&content.file, wanted)?.into_iter().collect();
    let symbol = |name: &str| symbols.get(name).map(|at| at.wrapping_add(loaded));
    Some(HotSpotLayout::read(symbol, &mut memory(lookup)))
}

/// The memory of the process.
fn memory(lookup: &mut CodeLookup<'_>) -> impl JavaMemory {
    |at, bytes: &mut [u8]| (lookup.read(at, bytes) == bytes.len()).then_some(())
}

/// The bytes before and at an instruction.
pub(super) type CodeAround = [u8; 16];

/// The caller of a frame. `code` are the bytes around the instruction of an innermost frame, which
/// may be incomplete. `None` if it cannot be known.
fn caller(
    blob: &CodeBlob,
    at: JavaFrame,
    code: Option<CodeAround>,
    word: impl Fn(u64) -> Option<u64>,
) -> Option<JavaFrame> {
    let JavaFrame { pc, sp, fp } = at;
    let above = |sp: u64, fp: u64| Some(JavaFrame { pc: word(sp)?, sp: sp.checked_add(8)?, fp });
    if let Some(code) = code {
        let is_in_frame = pc >= blob.complete_from && !is_epilogue(&code);
        match blob.kind {
            BlobKind::Vtable => return above(sp, fp),
            BlobKind::Compiled { .. } if !is_in_frame => {
                let is_saved = is_behind_push(&code) || code[8] == POP_FP;
                return if is_saved { above(sp.checked_add(8)?, word(sp)?) } else { above(sp, fp) };
            }
            _ => {}
        }
    }
    let is_fp_used = blob.kind == BlobKind::Interpreter || blob.frame_size == 0;
    if !is_fp_used {
        let top = sp.checked_add(blob.frame_size)?;
        let saved = word(top.checked_sub(16)?)?;
        return Some(JavaFrame { pc: word(top - 8)?, sp: top, fp: saved });
    }
    // Frames grow downwards, and those that are followed by a pointer are small.
    (sp..sp.checked_add(FRAME_MAX)?).contains(&fp).then_some(())?;
    let sp = match blob.kind {
        BlobKind::Interpreter => word(fp.checked_sub(SENDER)?).filter(|sender| *sender > fp),
        _ => None,
    };
    let sp = sp.unwrap_or(fp.checked_add(16)?);
    Some(JavaFrame { pc: word(fp.checked_add(8)?)?, sp, fp: word(fp)? })
}

/// Whether the instruction is one after the frame was removed, or the one that does it: `pop %rbp`,
/// the check whether the thread shall stop, `ret`.
fn is_epilogue(code: &CodeAround) -> bool {
    let next = &code[8..];
    matches!(next, [0xc3 | POP_FP, ..] | [0x49, 0x3b, 0xa7, ..] | [0x0f, 0x87, ..])
        && (next[0] != 0x0f || code[1..4] == [0x49, 0x3b, 0xa7])
}

/// Whether the instruction before is `push %rbp`.
const fn is_behind_push(code: &CodeAround) -> bool {
    code[7] == 0x55
}

const POP_FP: u8 = 0x5d;
/// Below the frame pointer of the interpreter: the stack pointer of the caller, and the method.
const SENDER: u64 = 8;
const METHOD: u64 = 24;
/// The interpreter's frames hold the operands of one method.
const FRAME_MAX: u64 = 1 << 20;
/// Addresses and methods that are kept for a process.
const KEPT_MAX: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: u64 = 0x1000;

    /// The caller of a frame whose stack pointer is 0 on a stack of these words.
    fn caller_of(
        kind: BlobKind,
        (frame_size, fp): (u64, u64),
        pc: u64,
        code: Option<[u8; 16]>,
        words: &[u64],
    ) -> Option<JavaFrame> {
        let code_range = CODE..CODE + 0x100;
        let complete_from = CODE + 8;
        let blob = CodeBlob { start: 0, kind, code: code_range, frame_size, complete_from };
        let word = |at: u64| words.get(usize::try_from(at / 8).ok()?).copied();
        caller(&blob, JavaFrame { pc, sp: 0, fp }, code, word)
    }

    /// Code that ends with these bytes before the instruction, and goes on with those.
    fn around(before: &[u8], from: &[u8]) -> Option<CodeAround> {
        let mut code = [0x90; 16];
        code[8 - before.len()..8].copy_from_slice(before);
        code[8..8 + from.len()].copy_from_slice(from);
        Some(code)
    }

    #[test]
    fn compiled_frames_have_their_size_and_parts_of_it_at_their_ends() {
        let compiled = || BlobKind::Compiled { method: 1, id: 1 };
        let found = |pc, sp, fp| Some(JavaFrame { pc, sp, fp });
        let frame = (32, 77);
        let words = [0xa, 0xb, 0xf, 0xc];
        let inner = |pc, code| caller_of(compiled(), frame, pc, code, &words);
        // Whole, as a caller or the innermost.
        assert_eq!(inner(CODE + 0x40, None), found(0xc, 32, 0xf));
        assert_eq!(inner(CODE + 0x40, around(&[], &[0x90])), found(0xc, 32, 0xf));
        // Before and after `push %rbp`.
        assert_eq!(inner(CODE, around(&[], &[0x55])), found(0xa, 8, 77));
        assert_eq!(inner(CODE + 1, around(&[0x55], &[0x48])), found(0xb, 16, 0xa));
        // `pop %rbp`, `cmp 0x338(%r15), %rsp`, `ja`, `ret`.
        assert_eq!(inner(CODE + 0x80, around(&[], &[0x5d])), found(0xb, 16, 0xa));
        let check = [0x49, 0x3b, 0xa7, 0x38, 3, 0, 0];
        assert_eq!(inner(CODE + 0x81, around(&[0x5d], &check)), found(0xa, 8, 77));
        assert_eq!(inner(CODE + 0x88, around(&check, &[0x0f, 0x87])), found(0xa, 8, 77));
        assert_eq!(inner(CODE + 0x8e, around(&[], &[0xc3])), found(0xa, 8, 77));
        // Another jump is not an end.
        assert_eq!(inner(CODE + 0x88, around(&[], &[0x0f, 0x87])), found(0xc, 32, 0xf));
        assert_eq!(caller_of(compiled(), (64, 0), CODE + 0x40, None, &words), None, "no such word");
    }

    #[test]
    fn the_interpreter_keeps_where_its_caller_s_frame_begins() {
        let words = [0, 0, 0x100, 0xf, 0xc, 0, 0];
        // The word below the frame pointer is the caller's stack pointer.
        let at = |fp, words: &[u64]| caller_of(BlobKind::Interpreter, (0, fp), 0x1040, None, words);
        assert_eq!(at(24, &words), Some(JavaFrame { pc: 0xc, sp: 0x100, fp: 0xf }));
        let stub = caller_of(BlobKind::Stub(String::new()), (0, 24), 0x1040, None, &words);
        assert_eq!(stub, Some(JavaFrame { pc: 0xc, sp: 40, fp: 0xf }));
        assert_eq!(at(1 << 40, &words), None, "far away");
        let vtable = caller_of(BlobKind::Vtable, (0, 24), 0x1000, around(&[], &[]), &[0xd]);
        assert_eq!(vtable, Some(JavaFrame { pc: 0xd, sp: 8, fp: 24 }));
    }
}
