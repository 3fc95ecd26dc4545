//! Trees made up by hand, and a simulated kernel whose processes fork, work, end and are waited
//! for at random: what was used is what is counted.

use proptest::prelude::*;

use super::*;

fn used(nanos: u64) -> Usage {
    Usage { user: nanos, system: 2 * nanos, minor: nanos / 10, major: 0 }
}

fn process(pid: u32, parent: u32, start: u64, own: u64, reaped: u64) -> Counters {
    Counters {
        pid,
        parent,
        start,
        own: used(own),
        reaped: used(reaped),
        threads: vec![(pid, Scheduling { on_cpu: own, ..Scheduling::default() })],
        has_all_threads: true,
    }
}

#[test]
fn what_was_used_before_counts_for_nobody_and_what_a_newcomer_used_counts_whole() {
    let mut totals = Totals::new(100);
    totals.add(vec![process(1, 0, 50, 1_000, 500), process(2, 1, 99, 70, 0)]);
    assert_eq!((totals.usage(), totals.scheduling()), Default::default());
    totals.add(vec![process(1, 0, 50, 1_010, 500), process(3, 1, 100, 40, 0)]);
    // Process 2 was counted for nothing since; what its parent will be handed was used before.
    assert_eq!(totals.usage(), used(50));
    assert_eq!(totals.scheduling().on_cpu, 50);
    totals.add(vec![process(1, 0, 50, 1_010, 570), process(3, 1, 100, 40, 0)]);
    assert_eq!(totals.usage(), used(50));
}

#[test]
fn a_child_nobody_saw_counts_when_its_parent_has_waited_for_it() {
    let mut totals = Totals::new(100);
    totals.add(vec![process(1, 0, 50, 0, 0)]);
    totals.add(vec![process(1, 0, 50, 0, 300)]);
    assert_eq!(totals.usage(), used(300));
}

#[test]
fn a_child_that_was_seen_counts_once_whenever_its_parent_is_told() {
    for is_told_late in [false, true] {
        let mut totals = Totals::new(100);
        totals.add(vec![process(1, 0, 50, 0, 0)]);
        totals.add(vec![process(1, 0, 50, 0, 0), process(2, 1, 120, 200, 0)]);
        assert_eq!(totals.usage(), used(200));
        // It used 50 more before its end.
        totals.add(vec![process(1, 0, 50, 0, if is_told_late { 0 } else { 250 })]);
        totals.add(vec![process(1, 0, 50, 0, 250)]);
        assert_eq!(totals.usage(), used(250));
        // The next child is a new account.
        totals.add(vec![process(1, 0, 50, 0, 290)]);
        assert_eq!(totals.usage(), used(290));
    }
}

#[test]
fn a_parent_that_never_waits_owes_nothing_for_ever() {
    let mut totals = Totals::new(100);
    totals.add(vec![process(1, 0, 50, 0, 0)]);
    totals.add(vec![process(1, 0, 50, 0, 0), process(2, 1, 120, 900, 0)]);
    totals.add(vec![process(1, 0, 50, 0, 0)]);
    totals.add(vec![process(1, 0, 50, 0, 0)]);
    totals.add(vec![process(1, 0, 50, 0, 30)]);
    assert_eq!(totals.usage(), used(930));
}

#[test]
fn what_a_chain_of_the_gone_used_comes_to_the_grandparent_once() {
    let mut totals = Totals::new(100);
    totals.add(vec![process(1, 0, 50, 0, 0)]);
    let family = [process(1, 0, 50, 0, 0), process(2, 1, 110, 10, 0), process(3, 2, 120, 20, 0)];
    totals.add(family.to_vec());
    totals.add(vec![process(1, 0, 50, 0, 30)]);
    assert_eq!(totals.usage(), used(30));
}

#[test]
fn a_number_that_is_given_again_is_another_process() {
    let mut totals = Totals::new(100);
    totals.add(vec![process(1, 0, 50, 0, 0)]);
    totals.add(vec![process(1, 0, 50, 0, 0), process(7, 1, 110, 500, 0)]);
    totals.add(vec![process(1, 0, 50, 0, 500), process(7, 1, 130, 20, 0)]);
    assert_eq!(totals.usage(), used(520));
    assert_eq!(totals.scheduling().on_cpu, 520);
}

#[test]
fn a_thread_counts_from_its_start_unless_it_only_came_into_view() {
    let threads = |threads: &[(u32, u64)], has_all_threads| Counters {
        threads: threads
            .iter()
            .map(|&(tid, run_queue)| (tid, Scheduling { run_queue, ..Scheduling::default() }))
            .collect(),
        has_all_threads,
        ..process(1, 0, 50, 0, 0)
    };
    let mut totals = Totals::new(100);
    totals.add(vec![threads(&[(1, 1_000)], true)]);
    totals.add(vec![threads(&[(1, 1_100), (2, 30)], true)]);
    assert_eq!(totals.scheduling().run_queue, 130);
    // Thread 2 has ended; from now on not all are read.
    totals.add(vec![threads(&[(1, 1_100)], false)]);
    totals.add(vec![threads(&[(1, 1_101), (3, 9_000)], false)]);
    assert_eq!(totals.scheduling().run_queue, 131);
}

/// A kernel in which time passes by steps.
#[derive(Debug, Default)]
struct Kernel {
    /// The living, in order of birth; the first never ends.
    living: Vec<Counters>,
    next_pid: u32,
    clock: u64,
    used: u64,
}

impl Kernel {
    fn step(&mut self, choice: u8, which: usize, amount: u64) {
        self.clock += 1;
        let index = which % self.living.len();
        match choice % 4 {
            0 | 1 => {
                self.used += amount;
                let one = &mut self.living[index];
                let own = one.own.user + amount;
                one.own = used(own);
            }
            2 => {
                self.next_pid += 1;
                let parent = self.living[index].pid;
                self.living.push(process(self.next_pid, parent, self.clock, 0, 0));
            }
            // Only who has no children ends, and its parent waits for it at once.
            _ => {
                let pid = self.living[index].pid;
                if pid == 1 || self.living.iter().any(|other| other.parent == pid) {
                    return;
                }
                let gone = self.living.remove(index);
                let heir = self.living.iter_mut().find(|other| other.pid == gone.parent);
                let heir = heir.expect("parents outlive their children here");
                heir.reaped = used(heir.reaped.user + gone.own.user + gone.reaped.user);
            }
        }
    }
}

proptest! {
    #[test]
    fn all_that_is_used_is_counted_and_totals_never_fall(
        steps in prop::collection::vec((any::<u8>(), any::<usize>(), 0_u64..1_000), 1..200),
        read_every in 1_usize..20,
    ) {
        let mut kernel = Kernel { next_pid: 1, ..Kernel::default() };
        kernel.living.push(process(1, 0, 0, 12_345, 6_789));
        let mut totals = Totals::new(1);
        totals.add(kernel.living.clone());
        let mut before = Usage::default();
        for (index, &(choice, which, amount)) in steps.iter().enumerate() {
            kernel.step(choice, which, amount);
            if index % read_every == 0 {
                totals.add(kernel.living.clone());
                prop_assert_eq!(totals.usage().user, kernel.used);
                prop_assert_eq!(before.less(totals.usage()), Usage::default());
                before = totals.usage();
            }
        }
    }

    #[test]
    fn readings_of_anything_at_all_never_make_a_total_fall(
        readings in prop::collection::vec(
            prop::collection::vec((1_u32..6, 0_u32..6, 0_u64..4, 0_u64..99, 0_u64..99), 0..6),
            1..20,
        ),
    ) {
        let mut totals = Totals::new(2);
        for reading in readings {
            let (before, scheduled) = (totals.usage(), totals.scheduling());
            let mut present: Vec<_> =
                reading.iter().map(|&(p, q, s, o, r)| process(p, q, s, o, r)).collect();
            present.sort_by_key(|process| process.pid);
            present.dedup_by_key(|process| process.pid);
            totals.add(present);
            prop_assert_eq!(before.less(totals.usage()), Usage::default());
            prop_assert!(scheduled.on_cpu <= totals.scheduling().on_cpu);
        }
    }
}
