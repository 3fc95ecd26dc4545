//! Which processes belong to the target, according to forks, execs and exits.
//!
//! A process that has ended still counts as the target's until its PID is reused, or many more have
//! ended: the kernel frees its memory after announcing its end, and that time is the target's too.
//! `selector` chooses the first processes.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use super::{Content, Record};

/// Ended processes that are remembered. The kernel assigns PIDs in turn, so none of these is reused
/// soon.
const ENDED_MAX: usize = 4_096;

/// The target's processes.
#[derive(Debug, Default)]
pub struct ProcessTree {
    /// Whether all processes belong to the target.
    is_everything: bool,
    processes: FxHashMap<u32, Process>,
    /// In the order of their ends.
    ended: VecDeque<u32>,
    counts: TreeCounts,
}

/// Counts of a tree since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TreeCounts {
    /// Processes, ended ones included.
    pub processes: u64,
    /// Threads started, first threads of new processes included; those from before are not.
    pub threads_started: u64,
}

#[derive(Debug, Default)]
struct Process {
    name: Option<Box<str>>,
    is_ended: bool,
}

impl ProcessTree {
    /// These processes, and all that they start from now on.
    pub fn new(pids: impl IntoIterator<Item = u32>) -> Self {
        let mut tree = Self::default();
        pids.into_iter().for_each(|pid| tree.adopt(pid));
        tree
    }

    /// Every process with records: for events of the target alone.
    pub fn everything() -> Self {
        Self { is_everything: true, ..Self::default() }
    }

    /// A process belongs to the target from now on, with all that it starts.
    pub fn adopt(&mut self, pid: u32) {
        self.begin(pid, None);
    }

    /// Apply a record about processes; call it before the record is used.
    pub fn observe(&mut self, record: &Record<'_>) {
        match record.content {
            Content::Fork { pid, parent, .. } if pid == parent => {
                self.counts.threads_started += u64::from(self.contains(pid));
            }
            Content::Fork { pid, parent, .. } if self.contains(parent) => {
                let name = self.processes.get(&parent).and_then(|process| process.name.clone());
                self.begin(pid, name);
                self.counts.threads_started += 1;
            }
            // The PID was a member's, but is no longer.
            Content::Fork { pid, .. } => drop(self.processes.remove(&pid)),
            Content::Exit { pid, tid } if pid == tid => self.end(pid),
            Content::Name { name, is_exec } if record.pid == record.tid => {
                self.see(record.pid);
                if let Some(process) = self.processes.get_mut(&record.pid) {
                    process.name = Some(String::from_utf8_lossy(name).into());
                    // If a thread other than the first calls exec, the first one ends.
                    process.is_ended &= !is_exec;
                }
            }
            _ => self.see(record.pid),
        }
    }

    /// Whether a process belongs to the target. The idle task, 0, never does.
    #[inline]
    pub fn contains(&self, pid: u32) -> bool {
        if self.is_everything { pid != 0 } else { self.processes.contains_key(&pid) }
    }

    /// The last name of a process of the target; `None` if it was not named since it was adopted.
    pub fn name(&self, pid: u32) -> Option<&str> {
        self.processes.get(&pid)?.name.as_deref()
    }

    /// The processes that have not ended, in no order.
    pub fn living(&self) -> impl Iterator<Item = u32> + '_ {
        let living = self.processes.iter().filter(|(_, process)| !process.is_ended);
        living.map(|(&pid, _)| pid)
    }

    /// The ended processes that are remembered, in no order.
    pub fn ended(&self) -> impl Iterator<Item = u32> + '_ {
        let ended = self.processes.iter().filter(|(_, process)| process.is_ended);
        ended.map(|(&pid, _)| pid)
    }

    /// The counts.
    pub const fn counts(&self) -> TreeCounts {
        self.counts
    }

    /// A process that existed before, in a tree of everything.
    fn see(&mut self, pid: u32) {
        let is_process = !matches!(pid, 0 | u32::MAX);
        if self.is_everything && is_process && !self.processes.contains_key(&pid) {
            self.begin(pid, None);
        }
    }

    fn begin(&mut self, pid: u32, name: Option<Box<str>>) {
        let known = self.processes.get(&pid);
        if known.is_none_or(|process| process.is_ended) {
            self.counts.processes += 1;
            self.processes.insert(pid, Process { name, is_ended: false });
        }
    }

    fn end(&mut self, pid: u32) {
        let Some(process) = self.processes.get_mut(&pid) else { return };
        if !std::mem::replace(&mut process.is_ended, true) {
            self.ended.push_back(pid);
        }
        if self.ended.len() > ENDED_MAX
            && let Some(oldest) = self.ended.pop_front()
            && self.processes.get(&oldest).is_some_and(|process| process.is_ended)
        {
            self.processes.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use uringbench_core::time::Timestamp;

    use super::*;

    fn observe(tree: &mut ProcessTree, pid: u32, tid: u32, content: Content<'_>) {
        tree.observe(&Record { event: 1, time: Timestamp(0), cpu: 0, pid, tid, content });
    }

    fn fork(tree: &mut ProcessTree, parent: u32, pid: u32) {
        let content = Content::Fork { pid, tid: pid, parent, parent_tid: parent };
        observe(tree, parent, parent, content);
    }

    fn start_thread(tree: &mut ProcessTree, pid: u32, tid: u32) {
        observe(tree, pid, pid, Content::Fork { pid, tid, parent: pid, parent_tid: pid });
    }

    fn exit(tree: &mut ProcessTree, pid: u32, tid: u32) {
        observe(tree, pid, tid, Content::Exit { pid, tid });
    }

    fn call(tree: &mut ProcessTree, pid: u32, tid: u32, name: &str, is_exec: bool) {
        observe(tree, pid, tid, Content::Name { name: name.as_bytes(), is_exec });
    }

    fn living(tree: &ProcessTree) -> Vec<u32> {
        let mut pids: Vec<_> = tree.living().collect();
        pids.sort_unstable();
        pids
    }

    #[test]
    fn children_of_members_are_members_and_others_are_not() {
        let mut tree = ProcessTree::new([10, 11]);
        fork(&mut tree, 10, 20);
        fork(&mut tree, 20, 30);
        fork(&mut tree, 99, 40);
        start_thread(&mut tree, 30, 31);
        start_thread(&mut tree, 99, 98);
        assert_eq!(living(&tree), [10, 11, 20, 30]);
        assert!(tree.contains(30) && !tree.contains(40) && !tree.contains(99));
        assert!(!tree.contains(31), "a thread is no process");
        assert_eq!(tree.counts(), TreeCounts { processes: 4, threads_started: 3 });
        tree.adopt(40);
        tree.adopt(40);
        assert!(tree.contains(40));
        assert_eq!(tree.counts().processes, 5);
    }

    #[test]
    fn a_process_that_ended_is_a_member_until_its_number_is_anothers() {
        let mut tree = ProcessTree::new([10]);
        fork(&mut tree, 10, 20);
        start_thread(&mut tree, 20, 21);
        exit(&mut tree, 20, 21);
        assert_eq!(living(&tree), [10, 20], "a thread ended, the process did not");
        exit(&mut tree, 20, 20);
        assert_eq!(living(&tree), [10]);
        assert_eq!(tree.ended().collect::<Vec<_>>(), [20]);
        assert!(tree.contains(20), "its memory is yet to be taken down");
        fork(&mut tree, 99, 20);
        assert!(!tree.contains(20));
        fork(&mut tree, 10, 30);
        exit(&mut tree, 30, 30);
        fork(&mut tree, 10, 30);
        assert_eq!(living(&tree), [10, 30]);
        assert_eq!(tree.counts().processes, 4);
    }

    #[test]
    fn a_reused_number_leaves_even_when_its_end_was_not_seen() {
        let mut tree = ProcessTree::new([10]);
        fork(&mut tree, 10, 20);
        fork(&mut tree, 99, 20);
        assert_eq!(living(&tree), [10]);
    }

    #[test]
    fn a_name_is_inherited_and_changed_by_exec() {
        let mut tree = ProcessTree::new([10]);
        assert_eq!(tree.name(10), None);
        call(&mut tree, 10, 10, "sh", true);
        call(&mut tree, 10, 15, "a thread", false);
        call(&mut tree, 99, 99, "stranger", true);
        fork(&mut tree, 10, 20);
        assert_eq!((tree.name(20), tree.name(99)), (Some("sh"), None));
        call(&mut tree, 20, 20, "nginx", true);
        assert_eq!((tree.name(20), tree.name(10)), (Some("nginx"), Some("sh")));
        assert!(tree.contains(20));
    }

    #[test]
    fn exec_by_another_than_the_first_thread_ends_no_process() {
        let mut tree = ProcessTree::new([10]);
        exit(&mut tree, 10, 10);
        call(&mut tree, 10, 10, "new", true);
        assert_eq!(living(&tree), [10]);
    }

    #[test]
    fn a_storm_of_short_lives_takes_no_memory() {
        let mut tree = ProcessTree::new([10]);
        let storm = 3 * ENDED_MAX as u32;
        for pid in 100..100 + storm {
            fork(&mut tree, 10, pid);
            exit(&mut tree, pid, pid);
        }
        assert_eq!(tree.processes.len(), 1 + ENDED_MAX);
        assert_eq!(tree.counts().processes, 1 + u64::from(storm));
        assert!(!tree.contains(100) && tree.contains(99 + storm) && tree.contains(10));
    }

    #[test]
    fn a_tree_of_everything_learns_processes_from_their_records() {
        let mut tree = ProcessTree::everything();
        for pid in [0, u32::MAX, 50] {
            observe(&mut tree, pid, pid, Content::SwitchedIn);
        }
        fork(&mut tree, 60, 70);
        exit(&mut tree, 50, 50);
        assert_eq!(living(&tree), [70]);
        assert!(tree.contains(50) && tree.contains(12_345) && !tree.contains(0));
        call(&mut tree, 80, 80, "x", false);
        assert_eq!(tree.name(80), Some("x"));
    }
}
