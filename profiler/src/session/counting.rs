//! The kernel's counts for the target and for uringbench in the measured window: CPU time,
//! switches, migrations, faults, and with a PMU cycles and instructions.
//!
//! Counters are opened when the window begins and closed when it ends: outside it they would add a
//! small cost to every thread switch without use. `analysis` computes the figures per request.

use rustc_hash::FxHashSet;
use uringbench_core::time::Timestamp;
use uringbench_machine::processes;
use uringbench_perf::{CounterValues, Counters, PerfError};

use super::now;

/// The largest number of counted threads: each needs up to six file descriptors.
const THREADS_MAX: usize = 512;

/// The counts in the measured window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// The start of counting.
    pub from: Timestamp,
    /// The end of counting.
    pub to: Timestamp,
    /// The target's counts; `None` if nothing could be counted.
    pub target: Option<CounterValues>,
    /// The load generator's counts, without the sidecar's own threads.
    pub generator: Option<CounterValues>,
}

/// The counters of a window.
#[derive(Debug, Default)]
pub(super) struct Counting {
    /// The sidecar's own threads, which are not part of the cost per request.
    ours: FxHashSet<u32>,
    open: Option<Open>,
    counted: Option<Counted>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Open {
    from: Timestamp,
    target: Vec<Counters>,
    generator: Vec<Counters>,
}

impl Counting {
    /// Counting without these threads of this process.
    pub(super) fn without(ours: FxHashSet<u32>) -> Self {
        Self { ours, ..Self::default() }
    }

    /// The window begins: counts these processes and this one from now on.
    pub(super) fn begin(&mut self, target: &[u32]) {
        let threads = target.iter().flat_map(|&pid| processes::threads(pid)).collect();
        let target = self.counters("the target", threads);
        let generator = self.counters("the load generator", self.generators());
        self.open = Some(Open { from: now(), target, generator });
    }

    /// The window ends.
    pub(super) fn end(&mut self) {
        let Some(Open { from, target, generator }) = self.open.take() else { return };
        let (target, generator) = (sum(&target), sum(&generator));
        self.counted = Some(Counted { from, to: now(), target, generator });
    }

    /// The counts of the last window, and notes on them.
    pub(super) fn finish(mut self) -> (Option<Counted>, Vec<String>) {
        self.end();
        (self.counted, self.notes)
    }

    /// This process's threads without the sidecar's.
    fn generators(&self) -> Vec<u32> {
        let mut threads = processes::threads(std::process::id());
        threads.retain(|tid| !self.ours.contains(tid));
        threads
    }

    /// Lists threads only once: a thread started later inherits the counters of a counted one, and
    /// would be counted twice if it were listed too.
    fn counters(&mut self, whose: &str, threads: Vec<u32>) -> Vec<Counters> {
        if threads.len() > THREADS_MAX {
            self.notes.push(format!(
                "{whose} has {} threads: its counters are not read for more than {THREADS_MAX}, \
                 as each takes file descriptors",
                threads.len()
            ));
            return Vec::new();
        }
        let mut counters = Vec::with_capacity(threads.len());
        for tid in threads {
            match Counters::of_task(tid, true) {
                Ok(opened) => counters.push(opened),
                // The thread has ended since it was listed.
                Err(PerfError::TaskGone { .. }) => {}
                // The counts of some threads could be mistaken for those of all.
                Err(why) => {
                    self.notes.push(format!("no counters of {whose}: {why}"));
                    return Vec::new();
                }
            }
        }
        counters
    }
}

/// The sum of the counters that can be read; `None` if there are none. A value that one counter
/// lacks is missing in the sum.
fn sum(counters: &[Counters]) -> Option<CounterValues> {
    let values: Option<Vec<_>> = counters.iter().map(|counter| counter.read().ok()).collect();
    values?.into_iter().reduce(|a, b| CounterValues {
        task_clock_ns: a.task_clock_ns + b.task_clock_ns,
        context_switches: both(a.context_switches, b.context_switches),
        migrations: both(a.migrations, b.migrations),
        page_faults: a.page_faults + b.page_faults,
        cycles: both(a.cycles, b.cycles),
        instructions: both(a.instructions, b.instructions),
        is_user_only: a.is_user_only || b.is_user_only,
    })
}

fn both(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    Some(a? + b?)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use rustix::thread::gettid;

    use super::*;

    /// Whether counters can be opened at all; if not, prints why.
    fn is_possible() -> bool {
        match Counters::of_task(0, false) {
            Ok(_) => true,
            Err(why) => {
                eprintln!("SKIPPED counting: {why}");
                false
            }
        }
    }

    /// A shell that answers each line with one line, by a child process of its own.
    fn shell() -> Child {
        let script = "while read line; do /bin/echo \"$line\"; done";
        let pipe = || Stdio::piped();
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(pipe()).stdout(pipe()).spawn().unwrap()
    }

    #[test]
    fn a_target_s_switches_and_faults_are_counted_with_its_children_s() {
        if !is_possible() {
            return;
        }
        let mut shell = shell();
        let mut input = shell.stdin.take().unwrap();
        let mut output = BufReader::new(shell.stdout.take().unwrap());
        let mut ask = |times: u32| {
            for _ in 0..times {
                writeln!(input, "x").unwrap();
                let mut line = String::new();
                output.read_line(&mut line).unwrap();
                assert_eq!(line, "x\n");
            }
        };
        ask(1);
        let mut counting = Counting::default();
        counting.begin(&[shell.id()]);
        ask(20);
        // What the last child still has to do, until the shell waits for a line again.
        std::thread::sleep(Duration::from_millis(100));
        let (counted, notes) = counting.finish();
        drop(input);
        shell.wait().unwrap();
        let counted = counted.unwrap();
        assert!(notes.is_empty() && counted.to > counted.from, "{notes:?}");
        let target = counted.target.unwrap();
        // Each answer: the shell waits for a line and for its child at least once, and a new
        // process touches dozens of pages (its stack, its code, the C library's data).
        assert!(target.task_clock_ns > 0);
        assert!(target.page_faults >= 20 * 20, "{target:?}");
        assert!(target.page_faults <= 20 * 2_000, "{target:?}");
        if let Some(switches) = target.context_switches {
            assert!((20..20 * 50).contains(&switches), "{target:?}");
        }
    }

    #[test]
    fn our_own_threads_are_counted_but_for_the_sidecar_s() {
        if !is_possible() {
            return;
        }
        let tid = gettid().as_raw_nonzero().get().cast_unsigned();
        assert!(Counting::default().generators().contains(&tid));
        assert!(!Counting::without([tid].into_iter().collect()).generators().contains(&tid));
        let mut counting = Counting::default();
        counting.begin(&[]);
        // More than any allocator keeps at hand: 10,240 pages, or 20 huge ones.
        let memory = vec![1_u8; 40 << 20];
        assert_eq!(std::hint::black_box(&memory).len(), 40 << 20);
        let counted = counting.finish().0.unwrap();
        let generator = counted.generator.unwrap();
        assert!(generator.task_clock_ns > 0 && generator.page_faults >= 15, "{generator:?}");
        assert_eq!(counted.target, None);
    }

    #[test]
    fn too_many_threads_are_said_and_not_counted() {
        let mut counting = Counting::default();
        let counters = counting.counters("the target", vec![1; THREADS_MAX + 1]);
        assert!(counters.is_empty() && counting.notes[0].contains("513 threads"));
        assert_eq!(sum(&counters), None);
    }
}
