//! Who belongs to the target at each tick. A member stays one until it ends, whoever its parent
//! becomes; children of members join; a name is looked up again when nobody of it is left.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;
use uringbench_machine::cgroup;

use crate::selector::{self, Entry, Found, Selector};

/// Every so many listings strangers are looked at again: a PID may have been given to another
/// process meanwhile, and a stranger may have been adopted by a member.
const REVIEW: u32 = 30;

/// The members, followed.
#[derive(Debug)]
pub struct Membership {
    selector: Selector,
    found: Found,
    members: BTreeMap<u32, Entry>,
    /// Processes known not to be members, so that only newcomers have to be read.
    strangers: FxHashSet<u32>,
    listings: u32,
}

/// One process of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The process.
    pub pid: u32,
    /// When it started, in ticks since boot: with the PID, who it is.
    pub start: u64,
}

impl Membership {
    /// Follows what `selector` was found to mean.
    pub fn new(selector: Selector, found: Found) -> Self {
        let entry = |&pid: &u32| Some((pid, Entry::read(pid)?));
        let members = found.members.iter().filter_map(entry).collect();
        Self { selector, found, members, strangers: FxHashSet::default(), listings: 0 }
    }

    /// The members now, zombies included, parents before children.
    pub fn list(&mut self) -> Vec<Member> {
        let ourselves = std::process::id();
        match &self.found.cgroup {
            Some(folder) => {
                let pids = cgroup::processes(folder);
                let pids = pids.into_iter().filter(|&pid| pid != ourselves);
                self.members = pids.filter_map(|pid| Some((pid, Entry::read(pid)?))).collect();
            }
            None => self.follow(ourselves),
        }
        let mut listed: Vec<_> =
            self.members.iter().map(|(&pid, entry)| Member { pid, start: entry.start }).collect();
        listed.sort_by_key(|member| (member.start, member.pid));
        listed
    }

    fn follow(&mut self, ourselves: u32) {
        self.members.retain(|&pid, member| match Entry::read(pid) {
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
        let present = selector::all();
        let mut newcomers: Vec<_> = present
            .iter()
            .filter(|pid| !self.strangers.contains(pid) && !self.members.contains_key(pid))
            .filter(|&&pid| pid != ourselves)
            .filter_map(|&pid| Some((pid, Entry::read(pid)?)))
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
        // A number given to another process later is another target.
        let Selector::Name(_) = self.selector else { return };
        let Ok(found) = selector::resolve(&self.selector) else { return };
        let entry = |&pid: &u32| Some((pid, Entry::read(pid)?));
        self.members.extend(found.members.iter().filter_map(entry));
    }
}
