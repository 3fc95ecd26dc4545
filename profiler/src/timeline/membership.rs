//! The processes of the target at each tick. A member stays one until it ends, even if its parent
//! changes; children of members join; a name is looked up again when no process with it is left.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;
use uringbench_machine::cgroup;
use uringbench_machine::processes::{self, ProcessEntry};

use crate::selector::{self, Found, Selector};

/// The number of listings after which other processes are checked again: a PID may have been
/// reused, and a process may have been adopted by a member.
const REVIEW: u32 = 30;

/// The followed members.
#[derive(Debug)]
pub struct Membership {
    selector: Selector,
    found: Found,
    members: BTreeMap<u32, ProcessEntry>,
    /// Processes known not to be members, so that only new ones must be read.
    strangers: FxHashSet<u32>,
    listings: u32,
}

/// One process of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The process.
    pub pid: u32,
    /// Its start in ticks since boot, which with the PID identifies it.
    pub start: u64,
}

impl Membership {
    /// Follows the processes found for `selector`.
    pub fn new(selector: Selector, found: Found) -> Self {
        let entry = |&pid: &u32| Some((pid, ProcessEntry::read(pid)?));
        let members = found.members.iter().filter_map(entry).collect();
        Self { selector, found, members, strangers: FxHashSet::default(), listings: 0 }
    }

    /// The current members, including zombies, parents before children.
    pub fn list(&mut self) -> Vec<Member> {
        let ourselves = std::process::id();
        match &self.found.cgroup {
            Some(folder) => {
                let pids = cgroup::processes(folder);
                let pids = pids.into_iter().filter(|&pid| pid != ourselves);
                self.members =
                    pids.filter_map(|pid| Some((pid, ProcessEntry::read(pid)?))).collect();
            }
            None => self.follow(ourselves),
        }
        let mut listed: Vec<_> =
            self.members.iter().map(|(&pid, entry)| Member { pid, start: entry.start }).collect();
        listed.sort_by_key(|member| (member.start, member.pid));
        listed
    }

    fn follow(&mut self, ourselves: u32) {
        self.members.retain(|&pid, member| match ProcessEntry::read(pid) {
            Some(now) if now.start == member.start => {
                *member = now;
                true
            }
            _ => false,
        });
        if self.members.values().all(|member| member.is_ended) {
            self.look_up_again();
        }
        if self.listings.is_multiple_of(REVIEW) {
            self.strangers.clear();
        }
        self.listings = self.listings.wrapping_add(1);
        let present = processes::all();
        let mut newcomers: Vec<_> = present
            .iter()
            .filter(|pid| !self.strangers.contains(pid) && !self.members.contains_key(pid))
            .filter(|&&pid| pid != ourselves)
            .filter_map(|&pid| Some((pid, ProcessEntry::read(pid)?)))
            .collect();
        loop {
            let before = newcomers.len();
            newcomers.retain(|&(pid, entry)| {
                let joins = self.members.contains_key(&entry.parent);
                if joins {
                    self.members.insert(pid, entry);
                }
                !joins
            });
            if newcomers.len() == before {
                break;
            }
        }
        let present: FxHashSet<u32> = present.into_iter().collect();
        self.strangers.retain(|pid| present.contains(pid));
        self.strangers.extend(newcomers.into_iter().map(|(pid, _)| pid));
    }

    fn look_up_again(&mut self) {
        // If a PID is reused later, that process is another target.
        let Selector::Name(_) = self.selector else { return };
        let Ok(found) = selector::resolve(&self.selector) else { return };
        let entry = |&pid: &u32| Some((pid, ProcessEntry::read(pid)?));
        self.members.extend(found.members.iter().filter_map(entry));
    }
}
