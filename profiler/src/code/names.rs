//! Names of locations, looked up once for each, after the run.
//!
//! The function table of a Go program, which it has stripped or not, is searched first. Then follow
//! a file's symbol table and its debug information (its own or that behind a debug link): tables
//! are quick and name every part of a function, while reading debug information can take minutes.
//! Tables may be compressed within the file, or in a file of their own that has its build-id.
//! Other stripped code is named by the start of its function according to the unwind rules, so that
//! functions stay separate. Line numbers are left out, and so are inlined calls except Go's.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::os::fd::AsRawFd;

use blazesym::symbolize::source::{Elf, Source};
use blazesym::symbolize::{Input, Symbolized, Symbolizer};

use super::kallsyms;
use super::module::{Content, Module, Modules};
use crate::stack::{FrameKind, FrameName, Location, ModuleId, StackTable};

/// Names every location of a table, in its order. `perf_map` looks up sorted addresses in a
/// process's perf map.
pub(super) fn names(
    stacks: &StackTable,
    modules: &Modules,
    mut perf_map: impl FnMut(u32, &[u64]) -> Option<Vec<Option<String>>>,
) -> Vec<FrameName> {
    let mut names = vec![name("", "", FrameKind::Marker); stacks.locations().len()];
    let mut of_module: BTreeMap<ModuleId, Asked> = BTreeMap::new();
    let mut of_process: BTreeMap<u32, Asked> = BTreeMap::new();
    let mut of_kernel = Asked::new();
    let mut inlined = Vec::new();
    for (index, &location) in stacks.locations().iter().enumerate() {
        match location {
            Location::Kernel(address) => of_kernel.push((address, index)),
            Location::Code { module, address } => {
                of_module.entry(module).or_default().push((address, index));
            }
            Location::Inlined { module, address, nth } => {
                inlined.push((module, address, nth, index));
            }
            Location::Anonymous { pid, address } => {
                of_process.entry(pid).or_default().push((address, index));
            }
            Location::Named(id) => {
                names[index] = FrameName::interpreted(stacks.name_text(id));
            }
            Location::Marker(marker) => names[index] = name(marker.text(), "", FrameKind::Marker),
        }
    }
    for (id, mut asked) in of_module {
        asked.sort_unstable();
        of_file(modules.module(id), &asked, &mut names);
    }
    for (id, address, nth, index) in inlined {
        names[index] = of_inlined(modules.module(id), address, nth);
    }
    for (pid, mut asked) in of_process {
        asked.sort_unstable();
        let addresses: Vec<_> = asked.iter().map(|&(address, _)| address).collect();
        let found = perf_map(pid, &addresses).unwrap_or_else(|| vec![None; addresses.len()]);
        for (&(_, index), function) in asked.iter().zip(found) {
            names[index] = name(function.as_deref().unwrap_or("[jit]"), "", FrameKind::Jit);
        }
    }
    of_kernel.sort_unstable();
    of_the_kernel(&of_kernel, &mut names);
    names
}

/// Addresses, each with the index of its name.
type Asked = Vec<(u64, usize)>;

fn name(function: &str, module: &str, kind: FrameKind) -> FrameName {
    FrameName { function: function.into(), module: module.into(), kind }
}

fn of_file(module: &Module, asked: &[(u64, usize)], names: &mut [FrameName]) {
    let addresses: Vec<_> = asked.iter().map(|&(address, _)| address).collect();
    let found = match &module.content {
        Ok(content) => functions(&module.name, content, &addresses),
        Err(_) => vec![None; addresses.len()],
    };
    for (&(_, index), function) in asked.iter().zip(found) {
        let function = function.unwrap_or_else(|| format!("[{}]", module.name));
        names[index] = name(&function, &module.name, FrameKind::Native);
    }
}

/// The function that is the `nth` of those inlined at an address.
fn of_inlined(module: &Module, address: u64, nth: u8) -> FrameName {
    let content = module.content.as_ref().ok();
    let functions = content
        .and_then(|content| Some(content.go()?.inlined(&content.image, &content.file, address)));
    let function = functions.unwrap_or_default().into_iter().nth(nth.into());
    let function = function.unwrap_or_else(|| format!("[{}]", module.name));
    name(&function, &module.name, FrameKind::Native)
}

/// The function at each of `addresses`.
fn functions(module: &str, content: &Content, addresses: &[u64]) -> Vec<Option<String>> {
    let mut found = match content.go() {
        Some(program) => addresses.iter().map(|&address| program.name(address)).collect(),
        None => vec![None; addresses.len()],
    };
    for source in SymbolSource::ALL {
        let missing: Vec<_> = (0..found.len()).filter(|&at| found[at].is_none()).collect();
        let asked: Vec<_> = missing.iter().map(|&at| addresses[at]).collect();
        if asked.is_empty() {
            return found;
        }
        let symbols = source.symbols(content, &asked);
        let is_any_sizeless = symbols.iter().flatten().any(|symbol| symbol.size.is_none());
        let edges = match is_any_sizeless {
            true => content.image.edges(&content.file, content.functions()),
            false => Vec::new(),
        };
        for (at, symbol) in missing.into_iter().zip(symbols) {
            found[at] = symbol.filter(|symbol| symbol.holds(addresses[at], &edges)).map(|s| s.name);
        }
    }
    for (found, &address) in found.iter_mut().zip(addresses) {
        if found.is_none() {
            *found =
                content.function(address).map(|range| format!("{module}+fn@{:x}", range.start));
        }
    }
    found
}

/// Where the functions of a file may have names, the quickest first.
#[derive(Clone, Copy, Debug)]
enum SymbolSource {
    /// The file's tables.
    OwnTables,
    /// A table compressed within it.
    PackedTable,
    /// The tables of the file that has its symbols.
    SeparateTables,
    /// Debug information: its own, or that behind a debug link.
    DebugInformation,
}

impl SymbolSource {
    const ALL: [Self; 4] =
        [Self::OwnTables, Self::PackedTable, Self::SeparateTables, Self::DebugInformation];

    fn symbols(self, content: &Content, addresses: &[u64]) -> Vec<Option<Symbol>> {
        let has_debug_information = matches!(self, Self::DebugInformation);
        let packed = match self {
            Self::PackedTable => content.packed_symbols(),
            _ => None,
        };
        let file = match self {
            Self::OwnTables | Self::DebugInformation => Some((&content.file, content.size)),
            Self::PackedTable => packed.as_ref().map(|file| (file, 0)),
            Self::SeparateTables => content.debug.as_ref().map(|(file, size)| (file, *size)),
        };
        // blazesym maps the file; one that was truncated since would kill this process with SIGBUS.
        let is_whole = |file: &File, size| file.metadata().is_ok_and(|now| now.len() >= size);
        match file {
            Some((file, size)) if is_whole(file, size) => {
                symbols(file, addresses, has_debug_information)
            }
            _ => addresses.iter().map(|_| None).collect(),
        }
    }
}

struct Symbol {
    name: String,
    start: u64,
    size: Option<u64>,
}

impl Symbol {
    /// Whether an address is really part of it. A symbol without a size (usually of assembly)
    /// extends to whatever starts or ends next, up to a limit.
    fn holds(&self, address: u64, edges: &[u64]) -> bool {
        let Some(offset) = address.checked_sub(self.start) else { return false };
        match self.size {
            Some(size) => offset < size,
            None if offset == 0 => true,
            None => {
                let next = edges.partition_point(|&edge| edge <= self.start);
                offset <= SIZELESS_MAX && edges.get(next).is_none_or(|&next| address < next)
            }
        }
    }
}

/// Longest function without a size: code further on may have any name.
const SIZELESS_MAX: u64 = 4_096;

/// Look up with blazesym, through the open file: another file may be at its path now.
fn symbols(file: &File, addresses: &[u64], debug_syms: bool) -> Vec<Option<Symbol>> {
    let mut file = Elf::new(format!("/proc/self/fd/{}", file.as_raw_fd()));
    file.debug_syms = debug_syms;
    let symbolizer = Symbolizer::builder()
        .enable_code_info(false)
        .enable_inlined_fns(false)
        .enable_auto_reload(false)
        .build();
    match symbolizer.symbolize(&Source::Elf(file), Input::VirtOffset(addresses)) {
        Ok(symbols) => symbols.into_iter().map(symbol).collect(),
        Err(_) => addresses.iter().map(|_| None).collect(),
    }
}

fn symbol(symbolized: Symbolized<'_>) -> Option<Symbol> {
    let Symbolized::Sym(symbol) = symbolized else { return None };
    let size = symbol.size.map(|size| size as u64);
    Some(Symbol { name: symbol.name.into_owned(), start: symbol.addr, size })
        .filter(|symbol| !symbol.name.is_empty())
}

fn of_the_kernel(asked: &[(u64, usize)], names: &mut [FrameName]) {
    if asked.is_empty() {
        return;
    }
    let addresses: Vec<_> = asked.iter().map(|&(address, _)| address).collect();
    let found = File::open("/proc/kallsyms")
        .and_then(|list| kallsyms::functions(BufReader::new(list), &addresses))
        .unwrap_or_else(|_| vec![None; addresses.len()]);
    for (&(_, index), function) in asked.iter().zip(found) {
        names[index] = match function {
            Some(found) => {
                let module = found.module.as_deref().unwrap_or(KERNEL);
                name(&found.name, module, FrameKind::Kernel)
            }
            None => name(KERNEL, KERNEL, FrameKind::Kernel),
        };
    }
}

const KERNEL: &str = "[kernel]";
