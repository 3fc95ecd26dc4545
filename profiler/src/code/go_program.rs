//! A Go program: its table of functions found in its file, and the rules that follow from it for
//! unwinding.

use std::fs::File;
use std::os::unix::fs::FileExt;

use framehop::{Error, UnwindRegsNative};

use super::gopclntab::GoFunctions;
use super::image::{GoParts, Image};

/// A Go program's functions, and where its file keeps what was inlined into them.
#[derive(Debug)]
pub(super) struct GoProgram {
    functions: GoFunctions,
    /// The address of the inline trees.
    trees: Option<u64>,
}

/// The rule for the caller of code at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GoRule {
    /// The frame has this size.
    Frame(u64),
    /// The code may run on another stack than its frame: only the frame pointer leads to its
    /// caller.
    FramePointer,
    /// It has no caller.
    Root,
}

impl GoProgram {
    /// Find the table in a file; `None` if it is no Go program, or its table is unknown or too
    /// large to be kept.
    pub(super) fn read(image: &Image, file: &File) -> Option<Self> {
        let parts = image.go.as_ref()?;
        let (start, size) = parts.functions.or_else(|| {
            // The linker of a position-independent program put it between other constants.
            parts.constants.iter().find_map(|&part| table_within(file, part))
        })?;
        let mut table = vec![0; usize::try_from(size).ok().filter(|&size| size <= TABLE_MAX)?];
        file.read_exact_at(&mut table, start).ok()?;
        let module = module(file, parts, image.address_of(start)?).unwrap_or_default();
        let text = module.get(TEXT).copied().filter(|&text| text != 0);
        let functions = GoFunctions::read(table.into(), text)?;
        let read = |at, bytes: &mut [u8]| read(image, file, at, bytes);
        let mut candidates = module.get(TREES).into_iter().flatten().copied();
        let trees = candidates.find(|&trees| functions.has_trees(trees, read));
        Some(Self { functions, trees })
    }

    /// The name of the function at an address.
    pub(super) fn name(&self, address: u64) -> Option<String> {
        let function = self.functions.find(address)?;
        self.functions.name(function).map(Into::into)
    }

    /// The start of a function.
    #[cfg(test)]
    pub(super) fn start(&self, name: &str) -> Option<u64> {
        let mut functions = self.functions.iter();
        let is_it = |function| self.functions.name(function).is_some_and(|found| found == name);
        functions.find(|&function| is_it(function)).map(|function| function.start)
    }

    /// The names of the functions inlined at an address, innermost first.
    pub(super) fn inlined(&self, image: &Image, file: &File, address: u64) -> Vec<String> {
        let (Some(function), Some(trees)) = (self.functions.find(address), self.trees) else {
            return Vec::new();
        };
        let read = |at, bytes: &mut [u8]| read(image, file, at, bytes);
        let names = self.functions.inlined(function, address, trees, read);
        names.into_iter().map_while(|name| self.functions.text_of(name)).map(Into::into).collect()
    }

    /// The rule for the caller of code at an address; `None` for other code, such as C.
    pub(super) fn rule(&self, address: u64) -> Option<GoRule> {
        let function = self.functions.find(address)?;
        let name = self.functions.name(function)?;
        if ROOTS.contains(&&*name) {
            return Some(GoRule::Root);
        }
        if SWITCHING.contains(&&*name) {
            return Some(GoRule::FramePointer);
        }
        self.functions.frame_size(function, address).map(GoRule::Frame)
    }
}

/// The return address of a frame, and the registers of its caller; a root has none. `read` reads
/// the thread's stack.
#[cfg(target_arch = "x86_64")]
pub(super) fn caller(
    rule: GoRule,
    registers: &UnwindRegsNative,
    read: impl Fn(u64) -> Result<u64, Error>,
) -> Result<(u64, UnwindRegsNative), Error> {
    let (above, pointer) = match rule {
        GoRule::Frame(size) => {
            let above = registers.sp().checked_add(size).and_then(|at| at.checked_add(16));
            let above = above.ok_or(Error::IntegerOverflow)? - 8;
            // Only while the frame is complete does the pointer lead to its caller's.
            let is_set = size >= 8 && registers.bp() == above - 16;
            (above, if is_set { read(registers.bp())? } else { registers.bp() })
        }
        GoRule::FramePointer => {
            let pointer = registers.bp();
            (pointer.checked_add(16).ok_or(Error::IntegerOverflow)?, read(pointer)?)
        }
        GoRule::Root => return Ok((0, *registers)),
    };
    let to = read(above - 8)?;
    Ok((to, UnwindRegsNative::new(to, above, pointer)))
}

/// The return address of a frame, and the registers of its caller; a root has none. `read` reads
/// the thread's stack: a return address is at the frame's lower end, and below it the pointer to
/// the caller's frame.
#[cfg(target_arch = "aarch64")]
pub(super) fn caller(
    rule: GoRule,
    registers: &UnwindRegsNative,
    read: impl Fn(u64) -> Result<u64, Error>,
) -> Result<(u64, UnwindRegsNative), Error> {
    let mut above = *registers;
    let to = match rule {
        GoRule::Frame(0) => registers.lr(),
        GoRule::Frame(size) => {
            let sp = registers.sp();
            above.set_sp(sp.checked_add(size).ok_or(Error::IntegerOverflow)?);
            if registers.fp() == sp.wrapping_sub(8) {
                above.set_fp(read(registers.fp()).unwrap_or(registers.fp()));
            }
            read(sp)?
        }
        GoRule::FramePointer => {
            let pointer = registers.fp();
            above.set_sp(pointer.checked_add(16).ok_or(Error::IntegerOverflow)?);
            above.set_fp(read(pointer)?);
            read(pointer + 8)?
        }
        GoRule::Root => 0,
    };
    above.set_lr(to);
    Ok((to, above))
}

/// Functions without callers: the first of a goroutine and of a thread, and the one that leaves a
/// goroutine for good, whose caller may run elsewhere by then.
const ROOTS: [&str; 6] = [
    "runtime.goexit",
    "runtime.mcall",
    "runtime.mstart",
    "runtime.rt0_go",
    "_rt0_amd64_linux",
    "_rt0_arm64_linux",
];
/// Functions that switch to another stack, and keep their caller's in the frame pointer.
const SWITCHING: [&str; 9] = [
    "runtime.systemstack",
    "runtime.asmcgocall",
    "runtime.asmcgocall_no_g",
    "runtime.cgocallback",
    "runtime.morestack",
    "runtime.nanotime1",
    "runtime.walltime",
    "runtime.vgetrandom1",
    "time.now",
];

/// The words of the module data that may be the start of inline trees: the 39th of Go 1.18, the
/// 41st of 1.20, the 44th of 1.26.
const TREES: std::ops::Range<usize> = 38..46;
/// The word of the module data that is the start of the code.
const TEXT: usize = 22;

/// The most constants that are searched for a table.
const CONSTANTS_MAX: u64 = 256 << 20;

/// The position of a table in a part of the file, and the size of the rest from there on.
fn table_within(file: &File, (start, size): (u64, u64)) -> Option<(u64, u64)> {
    const STEP: usize = 1 << 20;
    let mut bytes = Vec::new();
    for offset in (0..size.min(CONSTANTS_MAX)).step_by(STEP) {
        bytes.resize(STEP.min((size - offset) as usize), 0);
        file.read_exact_at(&mut bytes, start + offset).ok()?;
        let is_header = |word: &[u8]| {
            matches!(word, [0xf0 | 0xf1 | 0xfa | 0xfb, 0xff, 0xff, 0xff, 0, 0, 1 | 4, 8])
        };
        if let Some(nth) = bytes.chunks_exact(8).position(is_header) {
            let at = offset + 8 * nth as u64;
            return Some((start + at, size - at));
        }
    }
    None
}

/// The words of the program's module data: the part of that name (Go 1.26), or the data that begins
/// with the address of the table.
fn module(file: &File, parts: &GoParts, table: u64) -> Option<Vec<u64>> {
    let start = match (parts.module, parts.data) {
        (Some((start, _)), _) => start,
        (None, Some((start, size))) if size <= DATA_MAX => {
            let mut data = vec![0; size as usize];
            file.read_exact_at(&mut data, start).ok()?;
            let nth = data.chunks_exact(8).position(|word| word == table.to_le_bytes())?;
            start + 8 * nth as u64
        }
        _ => return None,
    };
    let mut bytes = [0; 8 * TREES.end];
    file.read_exact_at(&mut bytes, start).ok()?;
    let words = bytes.chunks_exact(8).map(|word| word.try_into().map(u64::from_le_bytes));
    words.collect::<Result<_, _>>().ok()
}

/// Reads a program's data at an address.
fn read(image: &Image, file: &File, address: u64, bytes: &mut [u8]) -> Option<()> {
    file.read_exact_at(bytes, image.offset_of(address)?).ok()
}

/// The largest table that is kept: that of a large program has 30 MB.
const TABLE_MAX: usize = 64 << 20;
/// The most data that is searched.
const DATA_MAX: u64 = 64 << 20;

#[cfg(test)]
mod tests;
