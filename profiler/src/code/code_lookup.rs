//! One process's code at the moment of a sample: what lies at an address.
//!
//! Joins the bookkeeping of mappings to the table of modules, and finds out about a file when the
//! first address falls into it.

#[cfg(target_arch = "x86_64")]
use std::{fs::File, os::unix::fs::FileExt};

use rustc_hash::FxHashMap;

use super::address_spaces::{AddressSpaces, Backing};
use super::module::Modules;
use crate::stack::{Location, Marker, ModuleId};

/// What lies at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CodeKind {
    /// Code of a file, at an address as the file states it.
    File { module: ModuleId, address: u64 },
    /// Code of no file.
    Anonymous,
    /// Nothing known.
    Unmapped,
}

/// A process's code.
pub(super) struct CodeLookup<'a> {
    pub(super) pid: u32,
    pub(super) address_spaces: &'a mut AddressSpaces,
    pub(super) modules: &'a mut Modules,
    pub(super) snippets: &'a mut Snippets,
}

/// The code of no file that was looked at, by process and address: read once each.
#[derive(Debug, Default)]
pub(super) struct Snippets(FxHashMap<u32, FxHashMap<u64, Option<Snippet>>>);

/// A few bytes of code.
pub(super) type Snippet = [u8; 7];

/// Addresses kept of a process; beyond, all are read anew.
#[cfg(target_arch = "x86_64")]
const SNIPPETS_MAX: usize = 16_384;

impl Snippets {
    /// Forgets those of a process that ended or runs another program.
    pub(super) fn forget(&mut self, pid: u32) {
        self.0.remove(&pid);
    }
}

impl CodeLookup<'_> {
    /// What lies at an address.
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

    /// The code at an address, from the process itself; `None` when it may not be read.
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
