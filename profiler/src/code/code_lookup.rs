//! The code of one process at the time of a sample: what kind of code is at an address.
//!
//! Joins the address spaces with the table of modules, and checks a file when the first address
//! falls into it.

#[cfg(target_arch = "x86_64")]
use std::{fs::File, os::unix::fs::FileExt};

use rustc_hash::FxHashMap;

use super::address_spaces::{AddressSpaces, Backing};
use super::module::Modules;
use crate::stack::{Location, Marker, ModuleId};

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
}

/// Code without a file that was read, by process and address: each once.
#[derive(Debug, Default)]
pub(super) struct Snippets(FxHashMap<u32, FxHashMap<u64, Option<Snippet>>>);

/// A few bytes of code.
pub(super) type Snippet = [u8; 7];

/// Addresses cached per process; beyond, each is read every time.
#[cfg(target_arch = "x86_64")]
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
    #[cfg(target_arch = "x86_64")]
    pub(super) fn code_at(&mut self, address: u64) -> Option<Snippet> {
        let pid = self.pid;
        let known = self.snippets.0.entry(pid).or_default();
        if known.len() >= SNIPPETS_MAX {
            known.clear();
        }
        *known.entry(address).or_insert_with(|| {
            let mut snippet = Snippet::default();
            let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
            memory.read_exact_at(&mut snippet, address).ok()?;
            Some(snippet)
        })
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
