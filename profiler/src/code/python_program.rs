//! Programs that contain CPython, and names of the Python functions in the stacks of their
//! processes: used where a function must be that of the very moment, as for pages that stay.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustc_hash::FxHashMap;

use super::code_lookup::{CodeKind, CodeLookup};
use super::copied_stack::CopiedStack;
use super::image::Image;
use super::python_code::{PythonCode, PythonLayout, PythonStrings, WordTarget, executed};
use super::symbol_values::symbols;
use crate::stack::NameId;

/// A program that contains CPython; addresses are those of its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct PythonProgram {
    /// The interpreter's loop.
    eval: u64,
    code_type: u64,
    string_type: u64,
    code_size: u64,
    version: u32,
}

impl PythonProgram {
    /// Whether a file contains CPython, by its name.
    pub(super) fn is_named(file: &str) -> bool {
        file.starts_with("python3") || file.starts_with("libpython3")
    }

    /// Read a program's symbols; `None` if it has no interpreter, or one before 3.11.
    pub(super) fn read(image: &Image, file: &File) -> Option<Self> {
        /// The position of the size of objects in a type (`tp_basicsize`).
        const BASIC_SIZE: u64 = 32;
        const NAMES: [&[u8]; 4] =
            [b"_PyEval_EvalFrameDefault", b"PyCode_Type", b"PyUnicode_Type", b"Py_Version"];
        let symbols: FxHashMap<String, u64> =
            symbols(file, |name| NAMES.contains(&name))?.into_iter().collect();
        let value = |address: u64| {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, image.offset_of(address)?).ok()?;
            Some(u64::from_le_bytes(bytes))
        };
        let code_type = *symbols.get("PyCode_Type")?;
        Some(Self {
            eval: *symbols.get("_PyEval_EvalFrameDefault")?,
            code_type,
            string_type: *symbols.get("PyUnicode_Type")?,
            code_size: value(code_type + BASIC_SIZE)?,
            version: u32::try_from(value(*symbols.get("Py_Version")?)? & 0xffff_ffff).ok()?,
        })
    }

    /// Whether a function that begins at an address is the interpreter's loop.
    pub(super) const fn is_loop(&self, start: u64) -> bool {
        self.eval == start
    }

    /// The layout of objects in a process where the program is loaded so much higher.
    const fn layout(&self, bias: u64) -> Option<PythonLayout> {
        let code_type = self.code_type.wrapping_add(bias);
        let string_type = self.string_type.wrapping_add(bias);
        PythonLayout::of(self.version, code_type, string_type, self.code_size)
    }
}

/// A run of the interpreter's loop in a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoopRun {
    /// The index of its location.
    pub(super) location: usize,
    /// The address in it, in memory and in its file.
    pub(super) address: u64,
    pub(super) kind: CodeKind,
    /// Where its frame begins and ends on the stack.
    pub(super) frame: (u64, u64),
    /// The end of the frame of the run before, below it on the stack; 0 without one.
    pub(super) above: u64,
}

/// Python functions of processes.
#[derive(Debug, Default)]
pub(super) struct PythonProcesses(FxHashMap<u32, PythonProcess>);

#[derive(Debug, Default)]
struct PythonProcess {
    /// What words of stacks lead to; objects are freed, and others take their place.
    words: FxHashMap<u64, Option<PythonCode>>,
    names: FxHashMap<PythonStrings, NameId>,
}

impl PythonProcesses {
    /// Forget a process that ended or runs another program.
    pub(super) fn forget(&mut self, pid: u32) {
        self.0.remove(&pid);
    }

    /// The function that a run executes.
    pub(super) fn function(
        &mut self,
        run: &LoopRun,
        stack: &CopiedStack<'_>,
        lookup: &mut CodeLookup<'_>,
    ) -> Option<NameId> {
        let CodeKind::File { module, address } = run.kind else { return None };
        let program = lookup.modules.module(module).python()?;
        let layout = program.layout(run.address.wrapping_sub(address))?;
        let process = self.0.entry(lookup.pid).or_default();
        let (begin, end) = run.frame;
        let words = |begin: u64, end: u64| -> Vec<u64> {
            let places = (begin..end).step_by(8).take(WORDS_MAX);
            places.filter_map(|at| stack.word(at)).collect()
        };
        let own = words(begin, end);
        let below = words(begin.saturating_sub(CALLEES).max(run.above), begin);
        let CodeLookup { pid, memory, stacks, .. } = lookup;
        let mut read = |address: u64, bytes: &mut [u8]| memory.read(*pid, address, bytes);
        let code =
            executed(&layout, &own, &below, |word| process.code_of(&layout, word, &mut read))?;
        process.name(&layout, code, &mut read, |function, file| {
            stacks.name(&format!("{function} ({})", within_package(*pid, file)))
        })
    }
}

impl PythonProcess {
    fn code_of(
        &mut self,
        layout: &PythonLayout,
        word: u64,
        mut read: impl FnMut(u64, &mut [u8]) -> usize,
    ) -> Option<PythonCode> {
        match self.words.get(&word) {
            Some(None) => return None,
            Some(&Some(code)) if layout.is_code_of(code, word, &mut read) => return Some(code),
            Some(Some(_)) | None => {}
        }
        if self.words.len() >= CACHED_MAX {
            self.words.clear();
        }
        let code = match layout.code_at(word, read) {
            WordTarget::Code(code) => Some(code),
            // Where there was a function there may be one again.
            WordTarget::Other if !self.words.contains_key(&word) => None,
            WordTarget::Other | WordTarget::Unread => return None,
        };
        self.words.insert(word, code);
        code
    }

    fn name(
        &mut self,
        layout: &PythonLayout,
        code: PythonCode,
        mut read: impl FnMut(u64, &mut [u8]) -> usize,
        named: impl FnOnce(&str, &str) -> NameId,
    ) -> Option<NameId> {
        let strings = layout.strings(code, &mut read)?;
        if let Some(&name) = self.names.get(&strings) {
            return Some(name);
        }
        if self.names.len() >= CACHED_MAX {
            self.names.clear();
        }
        let (function, file) = layout.describe(strings, read)?;
        let name = named(&function, &file);
        self.names.insert(strings, name);
        Some(name)
    }
}

/// A file's path from its outermost package on, as Python's own sampler names it.
fn within_package(pid: u32, file: &str) -> String {
    let path = Path::new(file);
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let Some(mut shown) = name(path).filter(|_| path.is_absolute()) else { return file.to_owned() };
    for folder in path.ancestors().skip(1).take(PACKAGES_MAX) {
        let init = format!("/proc/{pid}/root{}/__init__.py", folder.display());
        match name(folder).filter(|_| Path::new(&init).exists()) {
            Some(package) => shown = format!("{package}/{shown}"),
            None => break,
        }
    }
    shown
}

/// Bytes of the frames below the loop's that are searched as well.
const CALLEES: u64 = 512;
/// Words of one frame that are searched.
const WORDS_MAX: usize = 256;
/// Words and names that are kept for a process.
const CACHED_MAX: usize = 1 << 16;
/// Packages within packages.
const PACKAGES_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::super::python_code::tests::{BASE, CODE, LAYOUT, memory, reader};
    use super::*;
    use crate::stack::StackTable;

    /// The position of an object's name in it.
    const NAME: usize = CODE + 128;

    fn name(process: &mut PythonProcess, memory: &[u8]) -> Option<String> {
        let word = BASE + CODE as u64 + LAYOUT.code_size + 4;
        let code = process.code_of(&LAYOUT, word, reader(memory))?;
        let mut stacks = StackTable::default();
        let mut found = None;
        process.name(&LAYOUT, code, reader(memory), |function, _| {
            found = Some(function.to_owned());
            stacks.name(function)
        })?;
        Some(found.unwrap_or_else(|| "as before".to_owned()))
    }

    #[test]
    fn a_function_that_took_the_place_of_another_has_its_own_name() {
        let mut memory = memory();
        let mut process = PythonProcess::default();
        assert_eq!(name(&mut process, &memory).as_deref(), Some("handler"));
        assert_eq!(name(&mut process, &memory).as_deref(), Some("as before"));
        // Another function at the same address: its name is another string.
        let string = memory[2_000..2_055].to_vec();
        memory[3_000..3_055].copy_from_slice(&string);
        memory[3_048..3_055].copy_from_slice(b"another");
        memory[NAME..NAME + 8].copy_from_slice(&(BASE + 3_000).to_le_bytes());
        assert_eq!(name(&mut process, &memory).as_deref(), Some("another"));
        // The object is freed, and later a function is there again.
        let whole = memory.clone();
        memory[CODE + 8..CODE + 16].fill(0);
        let word = BASE + CODE as u64 + LAYOUT.code_size + 4;
        assert_eq!(process.code_of(&LAYOUT, word, reader(&memory)), None);
        assert_eq!(name(&mut process, &whole).as_deref(), Some("as before"));
        let mut process = PythonProcess::default();
        assert_eq!(process.code_of(&LAYOUT, word, |_, _| 0), None, "a read that fails");
        assert_eq!(name(&mut process, &whole).as_deref(), Some("another"));
    }
}
