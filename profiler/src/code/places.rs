//! One process's code at the moment of a sample: what lies at an address.
//!
//! Joins the bookkeeping of mappings to the table of modules, and finds out about a file when the
//! first address falls into it.

use super::module::Modules;
use super::spaces::{Backing, Spaces};
use crate::stack::{Location, Marker, ModuleId};

/// What lies at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Code of a file, at an address as the file states it.
    File { module: ModuleId, address: u64 },
    /// Code of no file.
    Anonymous,
    /// Nothing known.
    Unmapped,
}

/// A process's code.
pub(super) struct Places<'a> {
    pub(super) pid: u32,
    pub(super) spaces: &'a mut Spaces,
    pub(super) modules: &'a mut Modules,
}

impl Places<'_> {
    /// What lies at an address.
    pub(super) fn place(&mut self, address: u64) -> Place {
        let Some(region) = self.spaces.find(self.pid, address) else { return Place::Unmapped };
        let backing = match region.backing {
            Backing::Unchecked(path) => {
                let checked = self.modules.check(self.pid, &region, path);
                self.spaces.back(self.pid, region.start, checked);
                checked
            }
            known => known,
        };
        match backing {
            Backing::Module(module) => {
                let address = self.modules.address(module, region.offset_of(address));
                Place::File { module, address }
            }
            Backing::Anonymous | Backing::Unchecked(_) => Place::Anonymous,
        }
    }

    /// The same as a frame of a stack.
    pub(super) fn location(&self, place: Place, address: u64) -> Location {
        match place {
            Place::File { module, address } => Location::Code { module, address },
            Place::Anonymous => Location::Anonymous { pid: self.pid, address },
            Place::Unmapped => Location::Marker(Marker::Unmapped),
        }
    }
}
