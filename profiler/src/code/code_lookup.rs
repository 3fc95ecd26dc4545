//! The code of one process at the time of a sample: what kind of code is at an address.
//!
//! Joins the address spaces with the table of modules, and checks a file when the first address
//! falls into it.

use rustc_hash::FxHashMap;

use super::address_spaces::{AddressSpaces, Backing};
use super::copied_stack::CopiedStack;
use super::hotspot_program::{CodeAround, JavaFrame};
use super::module::{Module, Modules};
use super::process_memory::ProcessMemory;
use super::python_program::LoopRun;
use super::runtimes::Runtimes;
use crate::stack::{Location, Marker, ModuleId, NameId, StackTable};

/// The kind of code at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeKind {
    /// Code of a file, at an address relative to the file.
    File { module: ModuleId, address: u64 },
    /// Code without a file.
    Anonymous,
    /// Unknown.
    Unmapped,
}

/// A process's code.
pub(super) struct CodeLookup<'a> {
    pub(super) pid: u32,
    pub(super) address_spaces: &'a mut AddressSpaces,
    pub(super) modules: &'a mut Modules,
    pub(super) snippets: &'a mut Snippets,
    pub(super) memory: &'a mut ProcessMemory,
    pub(super) stacks: &'a mut StackTable,
    pub(super) runtimes: &'a mut Runtimes,
}

/// Code that was read, by process and address: each once.
#[derive(Debug, Default)]
pub(super) struct Snippets(FxHashMap<u32, FxHashMap<u64, Option<Snippet>>>);

/// A few bytes of code.
pub(super) type Snippet = [u8; 7];

/// Addresses cached per process; beyond, all are read again.
const SNIPPETS_MAX: usize = 16_384;

impl Snippets {
    /// Remove those of a process that ended or runs another program.
    pub(super) fn forget(&mut self, pid: u32) {
        self.0.remove(&pid);
    }
}

impl CodeLookup<'_> {
    /// The kind of code at an address.
    pub(super) fn kind(&mut self, address: u64) -> CodeKind {
        let Some(region) = self.address_spaces.find(self.pid, address) else {
            return CodeKind::Unmapped;
        };
        let backing = match region.backing {
            Backing::Unchecked(path) => {
                let checked = self.modules.check(self.pid, &region, path);
                self.address_spaces.back(self.pid, region.start, checked);
                checked
            }
            known => known,
        };
        match backing {
            Backing::Module(module) => {
                let address = self.modules.address(module, region.offset_of(address));
                CodeKind::File { module, address }
            }
            Backing::Anonymous | Backing::Unchecked(_) => CodeKind::Anonymous,
        }
    }

    /// The code at an address, from the process itself; `None` if it may not be read.
    pub(super) fn code_at(&mut self, address: u64) -> Option<Snippet> {
        let Self { pid, snippets, memory, .. } = self;
        let known = snippets.0.entry(*pid).or_default();
        if known.len() >= SNIPPETS_MAX {
            known.clear();
        }
        *known.entry(address).or_insert_with(|| {
            let mut snippet = Snippet::default();
            let length = memory.read(*pid, address, &mut snippet);
            (length == snippet.len()).then_some(snippet)
        })
    }

    /// The target of the call before a return address, if the instruction names it.
    pub(super) fn call_target(&mut self, to: u64) -> Option<u64> {
        let code = self.code_at(to.checked_sub(7)?)?;
        if cfg!(target_arch = "x86_64") {
            let distance = i32::from_le_bytes(*code.last_chunk()?);
            return (code[2] == 0xe8).then(|| to.wrapping_add_signed(distance.into()));
        }
        let instruction = u32::from_le_bytes(*code.last_chunk()?);
        // 26 bits, in words.
        let distance = i64::from((instruction << 6).cast_signed() >> 4);
        (instruction >> 26 == 0b10_0101).then(|| (to - 4).wrapping_add_signed(distance))
    }

    /// Append the functions of a managed runtime that run at an address, the innermost first; the
    /// frame pointer is known unless the kernel found the frame.
    pub(super) fn append_managed(
        &mut self,
        kind: CodeKind,
        address: u64,
        pointer: Option<u64>,
        stack: &CopiedStack<'_>,
        out: &mut Vec<Location>,
    ) {
        if kind == CodeKind::Anonymous {
            let before = out.len();
            let mut java = std::mem::take(&mut self.runtimes.java);
            java.append(address, pointer, stack, self, out);
            self.runtimes.java = java;
            if out.len() > before {
                return;
            }
        }
        let Some(pointer) = pointer else { return };
        let mut v8 = std::mem::take(&mut self.runtimes.v8);
        out.extend(v8.function(kind, address, pointer, stack, self).map(Location::Named));
        self.runtimes.v8 = v8;
    }

    /// The caller of a Java frame.
    pub(super) fn java_caller(
        &mut self,
        at: JavaFrame,
        is_innermost: bool,
        stack: &CopiedStack<'_>,
    ) -> Option<JavaFrame> {
        let mut java = std::mem::take(&mut self.runtimes.java);
        let caller = java.caller(at, is_innermost, stack, self);
        self.runtimes.java = java;
        caller
    }

    /// The code before and at an instruction, as far as it can be read.
    pub(super) fn code_around(&mut self, address: u64) -> CodeAround {
        let mut code = CodeAround::default();
        let length = self.read(address.wrapping_sub(8), &mut code);
        if length < code.len() { CodeAround::default() } else { code }
    }

    /// How far the addresses of a file are moved in this process.
    pub(super) fn loaded_at(&self, module: ModuleId) -> Option<u64> {
        let regions = self.address_spaces.regions(self.pid).iter();
        let mut of_module = regions.filter(|region| match region.backing {
            Backing::Module(of) => of == module,
            Backing::Unchecked(path) => self.modules.at_path(path) == module,
            Backing::Anonymous => false,
        });
        let region = of_module.next()?;
        Some(region.start.wrapping_sub(self.modules.address(module, region.file_offset)))
    }

    /// The Python function that a run of the interpreter's loop executes.
    pub(super) fn python_function(
        &mut self,
        run: &LoopRun,
        stack: &CopiedStack<'_>,
    ) -> Option<NameId> {
        let mut python = std::mem::take(&mut self.runtimes.python);
        let name = python.function(run, stack, self);
        self.runtimes.python = python;
        name
    }

    /// The number of mappings with code.
    pub(super) fn mappings(&self) -> usize {
        self.address_spaces.regions(self.pid).len()
    }

    /// A file with code that is mapped.
    pub(super) fn find_module(&self, is_it: impl Fn(&Module) -> bool) -> Option<ModuleId> {
        let regions = self.address_spaces.regions(self.pid).iter();
        let mut modules = regions.filter_map(|region| match region.backing {
            Backing::Module(module) => Some(module),
            Backing::Unchecked(path) => Some(self.modules.at_path(path)),
            Backing::Anonymous => None,
        });
        modules.find(|&module| is_it(self.modules.module(module)))
    }

    /// Read the process's memory; returns how many bytes could be read.
    pub(super) fn read(&mut self, address: u64, bytes: &mut [u8]) -> usize {
        self.memory.read(self.pid, address, bytes)
    }

    /// The same as a frame of a stack.
    pub(super) fn location(&self, kind: CodeKind, address: u64) -> Location {
        match kind {
            CodeKind::File { module, address } => Location::Code { module, address },
            CodeKind::Anonymous => Location::Anonymous { pid: self.pid, address },
            CodeKind::Unmapped => Location::Marker(Marker::Unmapped),
        }
    }
}
