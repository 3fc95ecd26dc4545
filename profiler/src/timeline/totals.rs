//! Totals of a tree of processes that start and end, computed from the counters of each: they never
//! decrease, and the usage of a short-lived child counts even if it was never observed.
//!
//! A child that was waited for leaves its CPU time and faults in its parent's `cutime` and related
//! fields (getrusage(2), RUSAGE_CHILDREN). So the growth of the parent's fields counts, less the
//! usage that was already counted while the child was observed.

use rustc_hash::FxHashMap;

/// The usage that the kernel adds to the parent that waits for a child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Nanoseconds in user mode.
    pub(super) user: u64,
    /// Nanoseconds in the kernel.
    pub(super) system: u64,
    /// Faults without disk access.
    pub(super) minor: u64,
    /// Faults with disk access.
    pub(super) major: u64,
}

impl Usage {
    fn with(self, other: Self, of: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            user: of(self.user, other.user),
            system: of(self.system, other.system),
            minor: of(self.minor, other.minor),
            major: of(self.major, other.major),
        }
    }

    fn plus(self, other: Self) -> Self {
        self.with(other, u64::saturating_add)
    }

    fn less(self, other: Self) -> Self {
        self.with(other, u64::saturating_sub)
    }

    fn at_most(self, other: Self) -> Self {
        self.with(other, u64::min)
    }
}

/// The scheduler's counts for a thread, which it adds to no other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scheduling {
    /// Nanoseconds on a CPU.
    pub(super) on_cpu: u64,
    /// Nanoseconds waiting for one.
    pub(super) run_queue: u64,
    /// Switches to wait.
    pub(super) voluntary: u64,
    /// Preemptions.
    pub(super) involuntary: u64,
}

impl Scheduling {
    fn add_growth(&mut self, from: Self, to: Self) {
        self.on_cpu += to.on_cpu.saturating_sub(from.on_cpu);
        self.run_queue += to.run_queue.saturating_sub(from.run_queue);
        self.voluntary += to.voluntary.saturating_sub(from.voluntary);
        self.involuntary += to.involuntary.saturating_sub(from.involuntary);
    }
}

/// The counters of one process at a reading.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// Its start in ticks since boot, which with the PID identifies it.
    pub(super) start: u64,
    /// The usage of its own threads, including ended ones.
    pub(super) own: Usage,
    /// The usage of the children it waited for, and of theirs.
    pub(super) reaped: Usage,
    /// The counts of its threads, by thread ID.
    pub(super) threads: Vec<(u32, Scheduling)>,
    /// Whether `threads` contains all its threads.
    pub(super) has_all_threads: bool,
}

/// The totals since the first reading.
#[derive(Debug)]
pub(super) struct Totals {
    /// A process that is first observed after the first reading and started at this tick or later
    /// is new, and all its usage counts.
    attached: u64,
    has_begun: bool,
    known: FxHashMap<u32, Known>,
    /// The usage already counted for ended children, by the process to which the kernel may still
    /// add it.
    owed: FxHashMap<u32, Usage>,
    usage: Usage,
    scheduling: Scheduling,
}

#[derive(Debug)]
struct Known {
    parent: u32,
    start: u64,
    own: Usage,
    reaped: Usage,
    threads: FxHashMap<u32, Scheduling>,
    has_all_threads: bool,
}

impl Totals {
    /// Empty totals; `attached` is the current time in ticks since boot.
    pub(super) fn new(attached: u64) -> Self {
        Self {
            attached,
            has_begun: false,
            known: FxHashMap::default(),
            owed: FxHashMap::default(),
            usage: Usage::default(),
            scheduling: Scheduling::default(),
        }
    }

    /// CPU time and faults.
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// The scheduler's counts.
    pub(super) fn scheduling(&self) -> Scheduling {
        self.scheduling
    }

    /// Adds the next reading: all living processes, including zombies, with parents read before
    /// children (otherwise a child that ends in between would be counted twice).
    pub(super) fn add(&mut self, present: Vec<Counters>) {
        let left = self.leave(&present);
        let mut owed = std::mem::take(&mut self.owed);
        for (&heir, &usage) in &left {
            let debt = owed.entry(heir).or_default();
            *debt = debt.plus(usage);
        }
        for process in present {
            let known = self.known.remove(&process.pid).filter(|k| k.start == process.start);
            let known = known.unwrap_or_else(|| self.first_sight(&process));
            self.usage = self.usage.plus(process.own.less(known.own));
            let growth = process.reaped.less(known.reaped);
            let debt = owed.entry(process.pid).or_default();
            let repaid = growth.at_most(*debt);
            *debt = debt.less(repaid);
            self.usage = self.usage.plus(growth.less(repaid));
            self.schedule(&process, &known);
            let now = Known {
                parent: process.parent,
                start: process.start,
                own: process.own,
                reaped: process.reaped,
                threads: process.threads.into_iter().collect(),
                has_all_threads: process.has_all_threads,
            };
            self.known.insert(process.pid, now);
        }
        // If a parent was read just before its child ended, the next reading adds the child's usage
        // to it. Usage that is not added by then never will be (a parent that ignores SIGCHLD).
        self.has_begun = true;
        for (heir, usage) in left {
            let rest = owed.get(&heir).copied().unwrap_or_default().at_most(usage);
            if rest != Usage::default() {
                self.owed.insert(heir, rest);
            }
        }
    }

    /// Forgets ended processes; the usage counted for each is owed by the nearest living ancestor.
    fn leave(&mut self, present: &[Counters]) -> FxHashMap<u32, Usage> {
        let here: FxHashMap<u32, u64> = present.iter().map(|p| (p.pid, p.start)).collect();
        let is_here = |pid: u32, known: &Known| here.get(&pid) == Some(&known.start);
        let heir = |gone: &Known| {
            let mut at = gone.parent;
            // A chain of parents is not longer than the number of processes.
            for _ in 0..=self.known.len() {
                match self.known.get(&at) {
                    None => return None,
                    Some(known) if is_here(at, known) => return Some(at),
                    Some(known) => at = known.parent,
                }
            }
            None
        };
        let mut left: FxHashMap<u32, Usage> = FxHashMap::default();
        let mut moved = Vec::new();
        for (&pid, gone) in self.known.iter().filter(|(pid, known)| !is_here(**pid, known)) {
            moved.push(pid);
            let Some(heir) = heir(gone) else { continue };
            let debt = self.owed.get(&pid).copied().unwrap_or_default();
            let counted = gone.own.plus(gone.reaped).plus(debt);
            let entry = left.entry(heir).or_default();
            *entry = entry.plus(counted);
        }
        for pid in moved {
            self.known.remove(&pid);
            self.owed.remove(&pid);
        }
        left
    }

    /// The usage from which to count a new process: zero if it started after the first reading,
    /// otherwise its current usage.
    fn first_sight(&self, process: &Counters) -> Known {
        let is_new = self.has_begun && process.start >= self.attached;
        let before = |usage: Usage| if is_new { Usage::default() } else { usage };
        Known {
            parent: process.parent,
            start: process.start,
            own: before(process.own),
            reaped: before(process.reaped),
            threads: FxHashMap::default(),
            has_all_threads: is_new,
        }
    }

    fn schedule(&mut self, process: &Counters, known: &Known) {
        for &(tid, now) in &process.threads {
            match known.threads.get(&tid) {
                Some(&before) => self.scheduling.add_growth(before, now),
                // All threads were known and this one was not among them, so it is new.
                None if known.has_all_threads => {
                    self.scheduling.add_growth(Scheduling::default(), now);
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
