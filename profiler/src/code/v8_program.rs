//! Programs that contain V8, and names of the JavaScript functions in their processes.
//!
//! Compiled JavaScript is code without a file. Interpreted functions run in V8's own handlers,
//! which are in the program's file. Both have a frame that refers to the function.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustc_hash::FxHashMap;

use super::code_lookup::{CodeKind, CodeLookup};
use super::copied_stack::CopiedStack;
use super::image::Image;
use super::symbol_values::symbols;
use super::v8::{V8Heap, V8Layout, V8LayoutError};
use crate::stack::{ModuleId, NameId, StackTable};

/// A program that contains V8.
#[derive(Debug)]
pub(super) struct V8Program {
    layout: V8Layout,
    /// The addresses of V8's own functions and handlers.
    handlers: Range<u64>,
}

impl V8Program {
    /// Whether a file contains V8, by its name. Chromium's and Electron's V8 has other objects.
    pub(super) fn is_named(file: &str) -> bool {
        matches!(file, "node" | "nodejs" | "nsolid") || file.starts_with("libnode.so")
    }

    /// Read the tables of a program.
    ///
    /// # Errors
    /// If it has none, or they are of an unknown kind.
    pub(super) fn read(image: &Image, file: &File) -> Result<Self, V8LayoutError> {
        let is_wanted = |name: &[u8]| {
            [&b"v8dbg_"[..], b"_ZN2v88internal7Version6", b"v8_Default_embedded_blob_code_"]
                .into_iter()
                .any(|start| name.starts_with(start))
        };
        let symbols = symbols(file, is_wanted).unwrap_or_default();
        let symbols: FxHashMap<&str, u64> =
            symbols.iter().map(|(name, address)| (name.as_str(), *address)).collect();
        let value = |name: &str| {
            // Zeros have no bytes in the file.
            let mut value = [0; 4];
            let at = *symbols.get(name)?;
            if let Some(offset) = image.offset_of(at) {
                file.read_exact_at(&mut value, offset).ok()?;
            }
            Some(i32::from_le_bytes(value))
        };
        let layout = V8Layout::read(value)?;
        let start = symbols.get("v8_Default_embedded_blob_code_").copied();
        let size = value("v8_Default_embedded_blob_code_size_").map(i32::cast_unsigned);
        let handlers =
            start.zip(size).map(|(start, size)| start..start.saturating_add(size.into()));
        Ok(Self { layout, handlers: handlers.unwrap_or_default() })
    }
}

/// JavaScript functions of processes.
#[derive(Debug, Default)]
pub(super) struct V8Processes {
    of: FxHashMap<u32, V8Process>,
    /// How many of their frames have names, of all.
    pub(super) named: u64,
    pub(super) frames: u64,
}

#[derive(Debug, Default)]
struct V8Process {
    program: Option<ModuleId>,
    /// The number of mappings when the program was searched.
    mappings: usize,
    types: FxHashMap<u64, u16>,
    /// Names by the information that closures share.
    shared: FxHashMap<u64, Option<NameId>>,
    /// Names by addresses of compiled code, for objects that moved since the sample was taken.
    compiled: FxHashMap<u64, NameId>,
}

impl V8Processes {
    /// Whether names are read from a process whose objects move.
    pub(super) fn is_any(&self) -> bool {
        self.of.values().any(|process| process.program.is_some())
    }

    /// Forget a process that ended or runs another program.
    pub(super) fn forget(&mut self, pid: u32) {
        self.of.remove(&pid);
    }

    /// The JavaScript function that runs at an address, by its frame.
    pub(super) fn function(
        &mut self,
        kind: CodeKind,
        address: u64,
        frame: u64,
        stack: &CopiedStack<'_>,
        lookup: &mut CodeLookup<'_>,
    ) -> Option<NameId> {
        // Most code is of files, and no file of most processes has V8.
        if let CodeKind::File { module, .. } = kind
            && !matches!(lookup.modules.module(module).v8(), Some(Ok(_)))
        {
            return None;
        }
        let process = self.of.entry(lookup.pid).or_default();
        if process.program.is_none() && process.mappings != lookup.mappings() {
            process.mappings = lookup.mappings();
            process.program = lookup.find_module(|module| matches!(module.v8(), Some(Ok(_))));
        }
        let program = process.program?;
        let CodeLookup { pid, modules, memory, stacks, .. } = lookup;
        let v8 = modules.module(program).v8()?.as_ref().ok()?;
        let is_compiled = kind == CodeKind::Anonymous;
        let is_handler = matches!(kind, CodeKind::File { module, address }
            if module == program && v8.handlers.contains(&address));
        if !is_compiled && !is_handler {
            return None;
        }
        let function = v8.layout.function(frame, |at| stack.word(at))?;
        let read =
            |at, bytes: &mut [u8]| (memory.read(*pid, at, bytes) == bytes.len()).then_some(());
        let found = process.describe(&v8.layout, function, read, stacks);
        self.frames += 1;
        self.named += u64::from(found.is_some());
        if !is_compiled {
            return found?;
        }
        if process.compiled.len() >= NAMES_MAX {
            process.compiled.clear();
        }
        match found.flatten() {
            Some(name) => Some(*process.compiled.entry(address).insert_entry(name).get()),
            None => process.compiled.get(&address).copied(),
        }
    }
}

impl V8Process {
    /// The name of a function, `None` within for one of V8's own, which has no file; `None` if it
    /// cannot be read.
    fn describe(
        &mut self,
        layout: &V8Layout,
        function: u64,
        read: impl FnMut(u64, &mut [u8]) -> Option<()>,
        stacks: &mut StackTable,
    ) -> Option<Option<NameId>> {
        let mut heap = V8Heap { layout, types: &mut self.types, read };
        let shared = heap.shared(function)?;
        if let Some(&known) = self.shared.get(&shared) {
            return Some(known);
        }
        let described = heap.describe(shared)?;
        let has_file = !described.script.is_empty();
        let name = has_file.then(|| stacks.name(&described.text()));
        if self.shared.len() >= NAMES_MAX {
            self.shared.clear();
        }
        self.shared.insert(shared, name);
        Some(name)
    }
}

/// Names that are kept for a process.
const NAMES_MAX: usize = 1 << 16;
