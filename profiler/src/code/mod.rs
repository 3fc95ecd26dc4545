//! From addresses to stacks, and from stacks to names.
//!
//! `address_spaces` tracks mappings, `module` keeps the files, `image` reads them, `code_lookup`
//! joins the two, `unwind` unwinds stacks with the help of `callers` and `copied_stack`, `names`
//! names their frames (`jit`, `kallsyms`, `gopclntab`, `v8`, `hotspot`, `python_code` and others
//! read the formats). Recording, and which processes belong to the target, are decided elsewhere.

mod address_spaces;
#[cfg(test)]
mod burner;
mod callers;
mod code_lookup;
mod copied_stack;
mod go_program;
pub mod gopclntab;
pub mod hotspot;
mod hotspot_program;
mod image;
mod jit;
mod kallsyms;
mod module;
mod names;
mod process_memory;
pub mod python_code;
mod python_program;
mod runtimes;
mod symbol_values;
#[cfg(test)]
mod tests;
mod unwind;
mod unwind_rules;
pub mod v8;
mod v8_program;

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

use rustc_hash::FxHashMap;

use self::address_spaces::{AddressSpaces, Region, maps_line};
use self::code_lookup::{CodeLookup, Snippets};
use self::hotspot::HotSpotLayoutError;
pub use self::image::ImageError;
use self::module::{Module, Modules, Sight};
use self::process_memory::ProcessMemory;
use self::runtimes::Runtimes;
use self::unwind::Unwinder;
pub use self::unwind::{FRAMES_MAX, UnwindCounts};
use crate::record::{Content, Mapping, Record, SampleRecord, UserState};
use crate::stack::{FrameName, Location, Marker, StackId, StackTable};

/// How the user frames of a stack are found.
type UnwindStack = fn(&mut Unwinder, &UserState<'_>, &mut CodeLookup<'_>, &mut Vec<Location>);

/// The code of all observed processes.
#[derive(Debug, Default)]
pub struct Code {
    address_spaces: AddressSpaces,
    modules: Modules,
    snippets: Snippets,
    memory: ProcessMemory,
    runtimes: Runtimes,
    unwinder: Unwinder,
    /// The perf maps of processes that ran code without a file, kept open after their exit.
    perf_maps: FxHashMap<u32, Option<File>>,
    /// Processes that ended, oldest first.
    exited: VecDeque<u32>,
    /// Buffer for one stack.
    frames: Vec<Location>,
}

impl Code {
    /// Without processes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Read the mappings of a running process, replacing earlier ones. Call it for each process
    /// that exists when recording begins, and when records were lost.
    ///
    /// # Errors
    /// If `/proc/PID/maps` cannot be read: the process has ended or belongs to another user.
    pub fn attach(&mut self, pid: u32) -> io::Result<()> {
        let maps = fs::read(format!("/proc/{pid}/maps"))?;
        self.address_spaces.exec(pid);
        for line in maps.split(|&byte| byte == b'\n').filter_map(maps_line) {
            if line.is_executable {
                let sight = Sight { pid, start: line.start, end: line.end, path: line.path };
                self.map(sight, line.file_offset);
            }
        }
        Ok(())
    }

    /// Apply a record about mappings or processes; others are ignored.
    pub fn observe(&mut self, record: &Record<'_>) {
        match &record.content {
            Content::Mapping(mapping) => self.observe_mapping(mapping),
            Content::Name { is_exec: true, .. } => {
                self.address_spaces.exec(record.pid);
                self.perf_maps.remove(&record.pid);
                self.snippets.forget(record.pid);
                self.memory.forget(record.pid);
                self.runtimes.forget(record.pid);
            }
            Content::Fork { pid, parent, .. } if pid != parent => {
                self.exited.retain(|exited| exited != pid);
                // The number may have been another process's.
                self.perf_maps.remove(pid);
                self.snippets.forget(*pid);
                self.memory.forget(*pid);
                self.runtimes.forget(*pid);
                self.address_spaces.fork(*parent, *pid);
            }
            Content::Exit { pid, tid } if pid == tid => self.expire(*pid),
            _ => {}
        }
    }

    /// The stack of a sample, from the outermost user frame to the innermost kernel frame.
    pub fn stack(
        &mut self,
        pid: u32,
        sample: &SampleRecord<'_>,
        stacks: &mut StackTable,
    ) -> StackId {
        self.stack_of(pid, sample, stacks, Unwinder::user_stack)
    }

    /// The same with Python functions in the place of the interpreter's loops: the innermost of
    /// each run, exactly as of the sample. It costs more reads of the target's memory.
    pub fn stack_with_python(
        &mut self,
        pid: u32,
        sample: &SampleRecord<'_>,
        stacks: &mut StackTable,
    ) -> StackId {
        self.stack_of(pid, sample, stacks, Unwinder::user_stack_with_python)
    }

    fn stack_of(
        &mut self,
        pid: u32,
        sample: &SampleRecord<'_>,
        stacks: &mut StackTable,
        unwind: UnwindStack,
    ) -> StackId {
        let mut frames = std::mem::take(&mut self.frames);
        frames.clear();
        kernel_frames(sample, &mut frames);
        let has_user_half = sample.user.is_some() || !sample.is_kernel;
        if has_user_half {
            self.user_frames((pid, sample), stacks, &mut frames, unwind);
        }
        let stack = stacks.intern(frames.iter().rev().copied());
        self.frames = frames;
        stack
    }

    /// Reopen the perf map of a process, if it ran code without a file: some runtimes write theirs
    /// on request, or at their end. Call it before [`Code::names`] while the process lives.
    pub fn refresh_jit(&mut self, pid: u32) {
        if let Some(known) = self.perf_maps.get_mut(&pid)
            && let Some(file) = open_perf_map(pid)
        {
            *known = Some(file);
        }
    }

    /// Names every frame of a table; a [`FrameId`](crate::stack::FrameId) is an index into the
    /// result. Takes seconds if large files' debug information has to be read.
    pub fn names(&mut self, stacks: &StackTable) -> Vec<FrameName> {
        let pids: Vec<_> = self.perf_maps.keys().copied().collect();
        pids.into_iter().for_each(|pid| self.refresh_jit(pid));
        let perf_maps = &self.perf_maps;
        names::names(stacks, &self.modules, |pid, addresses| {
            of_perf_map(perf_maps.get(&pid)?.as_ref()?, addresses).ok()
        })
    }

    /// Whether names are read from processes that move what they are read of: then a sample has to
    /// be decoded soon after it was taken.
    pub fn names_move(&self) -> bool {
        self.runtimes.v8.is_any()
    }

    /// The frames of JavaScript that have a name, and all of them.
    pub const fn script_frames(&self) -> (u64, u64) {
        (self.runtimes.v8.named, self.runtimes.v8.frames)
    }

    /// Counts of how unwinding of user stacks ended.
    pub const fn counts(&self) -> UnwindCounts {
        self.unwinder.counts
    }

    /// Files whose code can be neither unwound by rules nor named, and why.
    pub fn unreadable(&self) -> impl Iterator<Item = (&str, &ImageError)> {
        self.modules.all().iter().filter_map(|module| {
            module.content.as_ref().err().map(|reason| (&*module.name, reason))
        })
    }

    /// Files whose functions have no names although they had them when built, and the fix.
    pub fn unnamed(&self) -> Vec<String> {
        // A distribution's `node` has its V8 in a library, and any program may have that name.
        let has_v8 = self.modules.all().iter().any(|it| matches!(it.v8(), Some(Ok(_))));
        let is_unnamed = !has_v8 && self.perf_maps.values().any(Option::is_none);
        let advice = |module: &Module| {
            let content = module.content.as_ref().ok()?;
            if let Some(Err(why)) = module.v8().filter(|_| is_unnamed) {
                return Some(format!(
                    "the JavaScript functions of {} have no names, because {why}: run it with \
                     --perf-basic-prof --interpreted-frames-native-stack",
                    module.name
                ));
            }
            // A Go table is large: it is read only if nothing else has the names.
            let is_named = content.image.has_symbols || content.go().is_some();
            Some(format!("{} {}", module.name, content.image.unnamed(is_named)?))
        };
        let java = &self.runtimes.java;
        let is_final = |why: &&HotSpotLayoutError| matches!(why, HotSpotLayoutError::Missing(_));
        let java = java.failure.as_ref().filter(|why| is_final(why) || !java.is_any_read);
        let java = java.map(|why| format!("Java methods have no names, because {why}"));
        self.modules.all().iter().filter_map(advice).chain(java).collect()
    }

    /// Remove the mappings of a process that ended. Its stacks keep their names.
    pub fn forget(&mut self, pid: u32) {
        self.address_spaces.forget(pid);
        self.snippets.forget(pid);
        self.memory.forget(pid);
        self.runtimes.forget(pid);
    }

    fn observe_mapping(&mut self, mapping: &Mapping<'_>) {
        let &Mapping { pid, start, length, file_offset, is_executable, path } = mapping;
        let end = start.saturating_add(length);
        if is_executable {
            self.map(Sight { pid, start, end, path }, file_offset);
        } else {
            self.address_spaces.unmap(pid, start, end);
        }
    }

    fn map(&mut self, sight: Sight<'_>, file_offset: u64) {
        let Sight { pid, start, end, .. } = sight;
        let backing = self.modules.backing(sight);
        self.address_spaces.map(pid, Region { start, end, file_offset, backing });
    }

    /// Samples of other CPUs may still arrive for a process that ended, so it is kept for a while.
    fn expire(&mut self, pid: u32) {
        self.exited.push_back(pid);
        if self.exited.len() > EXITED_MAX
            && let Some(oldest) = self.exited.pop_front()
        {
            self.forget(oldest);
        }
    }

    fn user_frames(
        &mut self,
        (pid, sample): (u32, &SampleRecord<'_>),
        stacks: &mut StackTable,
        frames: &mut Vec<Location>,
        unwind: UnwindStack,
    ) {
        if !self.address_spaces.knows(pid) && self.attach(pid).is_err() {
            // Not tried again.
            self.address_spaces.exec(pid);
        }
        let Self { address_spaces, modules, snippets, memory, runtimes, unwinder, .. } = self;
        let mut lookup =
            CodeLookup { pid, address_spaces, modules, snippets, memory, stacks, runtimes };
        match &sample.user {
            Some(state) => unwind(unwinder, state, &mut lookup, frames),
            None => {
                let kind = lookup.kind(sample.ip);
                frames.push(lookup.location(kind, sample.ip));
                frames.push(Location::Marker(Marker::Truncated));
            }
        }
        let is_jit = |frame: &Location| matches!(frame, Location::Anonymous { .. });
        if frames.iter().any(is_jit) {
            self.perf_maps.entry(pid).or_insert_with(|| open_perf_map(pid));
        }
    }
}

/// Append a sample's kernel frames, innermost first.
fn kernel_frames(sample: &SampleRecord<'_>, frames: &mut Vec<Location>) {
    if sample.is_kernel && sample.kernel.is_empty() {
        frames.push(Location::Kernel(sample.ip));
    }
    for (depth, address) in sample.kernel.iter().enumerate() {
        let is_caller = depth > 0;
        frames.push(Location::Kernel(address.saturating_sub(u64::from(is_caller))));
    }
}

/// Open a process's perf map in that process's `/tmp`, under the PID it has in its own namespace.
fn open_perf_map(pid: u32) -> Option<File> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let own_pid = own_pid(&status).unwrap_or(pid);
    let path = PathBuf::from(format!("/proc/{pid}/root/tmp/perf-{own_pid}.map"));
    let is_file = fs::metadata(&path).ok()?.is_file();
    is_file.then(|| File::open(path).ok())?
}

/// A process's PID in its innermost namespace, from `/proc/PID/status`.
pub(crate) fn own_pid(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_ascii_whitespace().next_back()?.parse().ok()
}

/// The names in a perf map for sorted addresses.
fn of_perf_map(file: &File, addresses: &[u64]) -> io::Result<Vec<Option<String>>> {
    // Reopened, so that it is read from its start each time.
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    let mut file = File::open(path)?;
    // A compiler adds lines at the end: if a map is too long to be read, the newest lines count.
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(PERF_MAP_SIZE_MAX)))?;
    // Lines added in the meantime are for code that is in no sample.
    jit::functions(BufReader::with_capacity(1 << 20, file.take(PERF_MAP_SIZE_MAX)), addresses)
}

/// Ended processes that are kept.
const EXITED_MAX: usize = 512;
/// Of longer perf maps only the end is read, to bound the time: some seconds.
const PERF_MAP_SIZE_MAX: u64 = 1 << 30;
