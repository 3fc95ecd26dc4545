//! The thread that reads Python stacks during a run.
//!
//! It reads every Python process among the members `hertz` times per second, at random offsets
//! around regular times, so that a target with a period of its own is not always read at the same
//! point. New members are checked when they appear. Memory is bounded: stacks are interned in a
//! table with a limit, samples wait in a queue with one, and the rest is counted.

use std::collections::{HashMap, VecDeque};
use std::mem::take;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rand_core::Rng;
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::SeedableRng;
use rustix::time::{ClockId, clock_gettime};
use uringbench_core::time::{Nanos, Timestamp};

use super::process::{Interpreter, PythonFailure, Reading, is_alive, is_python};
use super::repair::{Repairs, repair};
use super::stacks::{PythonSample, PythonStacks};

/// Most samples that wait for [`PythonSampler::take`]: 12 MiB, nine minutes of ten workers.
const MOST_WAITING: usize = 1 << 19;
/// How often the members are listed.
const LIST_EVERY: Nanos = Nanos::from_millis(250);
/// Attempts to attach to a process that may still be starting, each at a listing.
const MOST_ATTEMPTS: u32 = 8;
/// Failed readings in a row after which the process is checked again: it may have called exec.
const MOST_FAILED: u32 = 50;

/// Options of the sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PythonSettings {
    /// Readings of each process per second, 1 to 1000.
    pub hertz: u32,
}

impl Default for PythonSettings {
    fn default() -> Self {
        Self { hertz: 100 }
    }
}

/// Counts of the readings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PythonCounts {
    /// Processes that were read, in order of first sight.
    pub processes: Vec<u32>,
    /// Python processes that could not be read.
    pub failures: Vec<PythonFailure>,
    /// Readings attempted.
    pub readings: u64,
    /// Readings that found no Python code running.
    pub idle: u64,
    /// Readings that failed because the interpreter changed.
    pub failed: u64,
    /// Stacks whose thread is unknown.
    pub without_thread: u64,
    /// Stacks lost because the table of stacks was full.
    pub forgotten: u64,
    /// Samples lost because they were not taken in time.
    pub dropped: u64,
    /// Stacks sampled.
    pub samples: u64,
    /// Of those not taken before the end: how many were read in part.
    pub repairs: Repairs,
    /// Time of the readings, on the sampler's own CPU.
    pub cost: Nanos,
}

/// A running sampler.
#[derive(Debug)]
pub struct PythonSampler {
    /// Dropped to end the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Mutex<Shared>>,
}

/// The result of a sampler.
#[derive(Debug)]
pub struct PythonRecording {
    /// The samples that were not taken yet, in order of time for each thread.
    pub samples: Vec<PythonSample>,
    /// The stacks of all samples, also of those taken before.
    pub stacks: PythonStacks,
    /// Its counts.
    pub counts: PythonCounts,
}

#[derive(Debug, Default)]
struct Shared {
    samples: VecDeque<PythonSample>,
    stacks: PythonStacks,
    counts: PythonCounts,
}

impl PythonSampler {
    /// Start to read the Python processes among those listed by `members` (called four times per
    /// second). Nothing of it stops or slows the target; [`PythonSampler::counts`] reports the
    /// processes that cannot be read.
    ///
    /// # Errors
    /// If the thread could not be started.
    pub fn start(
        settings: PythonSettings,
        members: impl FnMut() -> Vec<u32> + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::<Mutex<Shared>>::default();
        let (stop, stopped) = channel();
        let mut reader = Reader {
            settings,
            members: Box::new(members),
            shared: Arc::clone(&shared),
            targets: HashMap::new(),
            spread: SplitMix64::seed_from_u64(u64::from(std::process::id())),
        };
        let thread = std::thread::Builder::new()
            .name("python".into())
            .spawn(move || reader.run(&stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread), shared })
    }

    /// The samples since the last call, in order of time for each thread.
    pub fn take(&self) -> Vec<PythonSample> {
        take(&mut lock(&self.shared).samples).into()
    }

    /// The counts so far.
    pub fn counts(&self) -> PythonCounts {
        lock(&self.shared).counts.clone()
    }

    /// End the readings and return the rest, completed by [`repair`].
    pub fn stop(mut self) -> PythonRecording {
        self.end();
        let Shared { samples, mut stacks, mut counts } = take(&mut *lock(&self.shared));
        let mut samples: Vec<_> = samples.into();
        counts.repairs = repair(&mut stacks, &mut samples);
        PythonRecording { samples, stacks, counts }
    }

    fn end(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; samples before it are complete.
            let _ended = thread.join();
        }
    }
}

impl Drop for PythonSampler {
    fn drop(&mut self) {
        self.end();
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sampler's thread.
struct Reader {
    settings: PythonSettings,
    members: Box<dyn FnMut() -> Vec<u32> + Send>,
    shared: Arc<Mutex<Shared>>,
    targets: HashMap<u32, Target>,
    spread: SplitMix64,
}

/// The state of a member of the target.
enum Target {
    /// Probably Python, but not readable so far; with the number of attempts.
    Starting(u32),
    /// Being read; with the number of failed readings in a row.
    Read(Box<Interpreter>, u32),
    /// Not Python; checked again after this many listings (it may load it, or call exec), and then
    /// after twice as many.
    Other { listings_left: u32, pause: u32 },
    /// Given up.
    Unreadable,
}

impl Reader {
    fn run(&mut self, stopped: &Receiver<()>) {
        let mut list_at = Timestamp(0);
        loop {
            let begin = now();
            if begin >= list_at {
                self.list();
                list_at = begin + LIST_EVERY;
            }
            self.read_all();
            let period = 1_000_000_000 / u64::from(self.settings.hertz.clamp(1, 1000));
            // Uniform in 0.5 .. 1.5 periods from the start of this round to that of the next.
            let wait = period / 2 + self.spread.next_u64() % period;
            let left = wait.saturating_sub(now().since(begin).0);
            match stopped.recv_timeout(Duration::from_nanos(left)) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn list(&mut self) {
        let members = (self.members)();
        self.targets.retain(|pid, _| members.contains(pid));
        for pid in members {
            let target =
                self.targets.remove(&pid).unwrap_or(Target::Other { listings_left: 0, pause: 1 });
            if let Some(target) = self.look_at(pid, target) {
                self.targets.insert(pid, target);
            }
        }
    }

    fn look_at(&mut self, pid: u32, target: Target) -> Option<Target> {
        match target {
            Target::Other { listings_left: 0, pause } => match is_python(pid)? {
                true => self.attach(pid, 1),
                false => Some(Target::Other { listings_left: pause, pause: (pause * 2).min(240) }),
            },
            Target::Other { listings_left, pause } => {
                Some(Target::Other { listings_left: listings_left - 1, pause })
            }
            Target::Starting(attempts) => self.attach(pid, attempts + 1),
            Target::Read(_, failed) if failed > MOST_FAILED => {
                is_alive(pid).then_some(Target::Other { listings_left: 0, pause: 1 })
            }
            kept => Some(kept),
        }
    }

    fn attach(&mut self, pid: u32, attempt: u32) -> Option<Target> {
        match Interpreter::attach(pid) {
            Ok(interpreter) => {
                let processes = &mut lock(&self.shared).counts.processes;
                if !processes.contains(&pid) {
                    processes.push(pid);
                }
                Some(Target::Read(Box::new(interpreter), 0))
            }
            Err(_) if !is_alive(pid) => None,
            // A process that is starting has no interpreter yet; a missing right stays missing.
            Err(failure)
                if attempt < MOST_ATTEMPTS
                    && !matches!(failure, PythonFailure::NotPermitted(_)) =>
            {
                Some(Target::Starting(attempt))
            }
            Err(failure) => {
                lock(&self.shared).counts.failures.push(failure);
                Some(Target::Unreadable)
            }
        }
    }

    fn read_all(&mut self) {
        for (&pid, target) in &mut self.targets {
            let Target::Read(interpreter, failed_in_row) = target else { continue };
            // The innermost frame is read first, a few µs later; the outer ones change less.
            let time = now();
            let reading = interpreter.read();
            let cost = now().since(time);
            let mut shared = lock(&self.shared);
            shared.counts.readings += 1;
            shared.counts.cost += cost;
            *failed_in_row = match reading {
                Reading::Failed => {
                    shared.counts.failed += 1;
                    *failed_in_row + 1
                }
                Reading::Idle => {
                    shared.counts.idle += 1;
                    0
                }
                Reading::Running(threads) => {
                    for (tid, frames) in threads {
                        shared.keep(time, pid, tid, frames);
                    }
                    0
                }
            };
        }
    }
}

impl Shared {
    fn keep(
        &mut self,
        time: Timestamp,
        pid: u32,
        tid: Option<u32>,
        frames: Vec<super::PythonFrame>,
    ) {
        let Some(tid) = tid else {
            self.counts.without_thread += 1;
            return;
        };
        let Some(stack) = self.stacks.intern(frames) else {
            self.counts.forgotten += 1;
            return;
        };
        if self.samples.len() == MOST_WAITING {
            self.samples.pop_front();
            self.counts.dropped += 1;
        }
        self.samples.push_back(PythonSample { time, pid, tid, stack });
        self.counts.samples += 1;
    }
}

fn now() -> Timestamp {
    let time = clock_gettime(ClockId::Monotonic);
    Timestamp(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
