//! A recording as one file, `profile.samples`, from which views can be made later and on other
//! machines.
//!
//! The file: a magic word, a version, two lengths, a JSON header (how it was taken, the load during
//! it, stacks by the names of their frames), then the samples as `log` writes them, and a checksum
//! of all of it. Addresses are not stored: without the processes they are meaningless. The reader
//! chooses the views.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::Crc;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use uringbench_core::record::Interval;
use uringbench_core::time::{Nanos, Timestamp};
use uringbench_core::window::{NamedWindow, NamedWindows};

use super::log::{Kept, RECORD_BYTES, encode};
use super::{Clock, Facts, Profile, SampleLog, Windows, write_whole};
use crate::stack::{FrameKind, FrameName, Location, StackId, StackTable};

/// Its name in a run's folder.
pub const FILE: &str = "profile.samples";
const MAGIC: &[u8; 8] = b"uringsmp";
const VERSION: u32 = 1;
/// Magic, version, length of the header, number of samples.
const PREAMBLE_BYTES: u64 = 8 + 4 + 8 + 8;
const CHECKSUM_BYTES: u64 = 4;

/// A profile that was read back, and its origin.
#[derive(Debug)]
pub struct Stored {
    /// The profile.
    pub profile: Profile,
    /// Its origin.
    pub about: About,
}

/// The origin of a profile.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The title of the run.
    pub title: String,
    /// How samples were taken, in the document's words.
    pub mode: String,
    /// Whether the kernel's frames are missing.
    pub is_user_only: bool,
    /// The load during it, if there was one.
    pub load: Option<StoredLoad>,
}

/// The facts of a load that views need.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredLoad {
    /// When its first phase began.
    pub start: Timestamp,
    /// Its windows.
    pub windows: NamedWindows,
    /// Its intervals, in order.
    pub steps: Vec<LoadStep>,
    /// The spikes.
    pub spikes: Windows,
}

/// An interval of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadStep {
    /// Its start, in nanoseconds from the start of the first phase.
    pub start_ns: u64,
    /// Its length, nanoseconds.
    pub length_ns: u64,
    /// Complete answers that arrived in it.
    pub completed: u64,
    /// Response p99, nanoseconds; `None` if nothing ended in it.
    pub response_p99_ns: Option<u64>,
    /// Exchanges in flight at its end.
    pub in_flight: u64,
}

/// Why a file cannot be read as a profile: one line with cause and fix.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// The file does not exist.
    #[error("{path} is not there: name the folder of a profiled run (one with {FILE} in it)")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It is another kind of file.
    #[error("{path} is not a stored profile")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later version wrote it.
    #[error("{path} is of version {version}, this uringbench reads {VERSION}: use a newer one")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Its end is missing.
    #[error("{path} is cut off ({there} of {whole} bytes): copy it again from where it was made")]
    CutOff {
        /// The file.
        path: PathBuf,
        /// Its length.
        there: u64,
        /// Its complete length.
        whole: u64,
    },
    /// It was changed since it was written.
    #[error("{path} is damaged ({what}): copy it again from where it was made")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The fault.
        what: String,
    },
    /// The system refuses.
    #[error("{path} cannot be read: {cause}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

impl StoredLoad {
    /// The stored facts of a load.
    pub fn new<'a>(
        start: Timestamp,
        windows: NamedWindows,
        intervals: impl IntoIterator<Item = &'a Interval>,
        spikes: Windows,
    ) -> Self {
        let step = |interval: &Interval| LoadStep {
            start_ns: interval.start.0,
            length_ns: interval.length.0,
            completed: interval.completed,
            response_p99_ns: interval.response.map(|response| response.p99),
            in_flight: interval.in_flight,
        };
        let steps = intervals.into_iter().map(step).collect();
        Self { start, windows, steps, spikes }
    }

    /// When a step began.
    pub fn start_of(&self, step: &LoadStep) -> Timestamp {
        self.start + Nanos(step.start_ns)
    }

    /// The intervals that were sampled: all, unless the recording was switched off at times.
    pub fn covered(&self) -> Windows {
        let range = |step: &LoadStep| {
            let start = self.start_of(step);
            start..start + Nanos(step.length_ns)
        };
        Windows::covering(self.steps.iter().map(range))
    }

    /// When the last step or phase ended.
    pub fn end(&self) -> Timestamp {
        let steps = self.steps.iter().map(|step| self.start_of(step) + Nanos(step.length_ns));
        steps.chain(self.windows.end()).fold(self.start, Timestamp::max)
    }
}

/// Write `profile` into `folder`. Returns the file's path.
///
/// # Errors
/// If the samples cannot be read back or the file cannot be written completely; then there is no
/// file.
pub fn write_stored(profile: &Profile, about: &About, folder: &Path) -> io::Result<PathBuf> {
    let reduced = Reduced::of(profile);
    let header = serde_json::to_vec(&Header::of(profile, about, &reduced))?;
    write_whole(folder, FILE, |out| {
        let mut out = Summed { out, sum: Crc::new() };
        out.write_all(MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&profile.samples.len().to_le_bytes())?;
        out.write_all(&header)?;
        for sample in profile.samples.samples() {
            let mut sample = sample?;
            sample.stack = StackId(reduced.stack_of[sample.stack.0 as usize]);
            out.write_all(&encode(&sample))?;
        }
        let sum = out.sum.sum();
        out.out.write_all(&sum.to_le_bytes())
    })
}

/// Read the profile in `folder`. Its samples stay in the file until they are needed.
///
/// # Errors
/// If there is none, or it was changed since it was written.
pub fn read_stored(folder: &Path) -> Result<Stored, StoredError> {
    let path = folder.join(FILE);
    let unreadable = |cause| StoredError::Unreadable { path: path.clone(), cause };
    let mut file = File::open(&path).map_err(|cause| match cause.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            StoredError::Missing { path: path.clone() }
        }
        _ => unreadable(cause),
    })?;
    let there = file.metadata().map_err(unreadable)?.len();
    let mut preamble = [0; PREAMBLE_BYTES as usize];
    let have = read_up_to(&mut file, &mut preamble).map_err(unreadable)?;
    if have < MAGIC.len() || !preamble.starts_with(MAGIC) {
        return Err(StoredError::Foreign { path });
    }
    let (words, _) = preamble[8..].as_chunks::<4>();
    let version = u32::from_le_bytes(words[0]);
    if have >= 12 && version > VERSION {
        return Err(StoredError::Newer { path, version });
    }
    let long = |at: usize| {
        u64::from(u32::from_le_bytes(words[at]))
            | u64::from(u32::from_le_bytes(words[at + 1])) << 32
    };
    let (header_bytes, count) = (long(1), long(3));
    let origin = PREAMBLE_BYTES.saturating_add(header_bytes);
    let samples_bytes = count.saturating_mul(RECORD_BYTES as u64);
    let whole = origin.saturating_add(samples_bytes).saturating_add(CHECKSUM_BYTES);
    if there < whole || have < preamble.len() {
        return Err(StoredError::CutOff { path, there, whole });
    }
    let damaged = |what: String| StoredError::Damaged { path: path.clone(), what };
    if there > whole {
        return Err(damaged(format!("{} bytes too many", there - whole)));
    }
    let header = checked_header(&mut file, header_bytes, whole).map_err(unreadable)?;
    let header = header.ok_or_else(|| damaged("its checksum is another".to_owned()))?;
    let header: Header =
        serde_json::from_slice(&header).map_err(|why| damaged(format!("its header: {why}")))?;
    header.open(file, origin, count).map_err(damaged)
}

/// The header's bytes, if the checksum is that of the whole file.
fn checked_header(file: &mut File, bytes: u64, whole: u64) -> io::Result<Option<Vec<u8>>> {
    file.seek(SeekFrom::Start(0))?;
    let mut input = BufReader::with_capacity(1 << 16, &mut *file).take(whole - CHECKSUM_BYTES);
    let mut sum = Crc::new();
    let mut chunk = vec![0; 1 << 16];
    let mut at = 0;
    let mut header = Vec::new();
    loop {
        let read = input.read(&mut chunk)?;
        if read == 0 {
            break;
        }
        sum.update(&chunk[..read]);
        let from = PREAMBLE_BYTES.saturating_sub(at).min(read as u64);
        let to = (PREAMBLE_BYTES + bytes).saturating_sub(at).min(read as u64);
        header.extend_from_slice(&chunk[from as usize..to.max(from) as usize]);
        at += read as u64;
    }
    let mut stated = [0; CHECKSUM_BYTES as usize];
    file.seek(SeekFrom::Start(whole - CHECKSUM_BYTES))?;
    file.read_exact(&mut stated)?;
    Ok((u32::from_le_bytes(stated) == sum.sum()).then_some(header))
}

fn read_up_to(file: &mut File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut have = 0;
    while have < bytes.len() {
        match file.read(&mut bytes[have..])? {
            0 => break,
            read => have += read,
        }
    }
    Ok(have)
}

/// Writes through and computes the checksum.
struct Summed<'a> {
    out: &'a mut dyn Write,
    sum: Crc,
}

impl Write for Summed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Stacks with names instead of addresses: stacks that differ in addresses alone are merged.
struct Reduced<'a> {
    frames: Vec<&'a FrameName>,
    /// Caller's stack and frame of each stack but the empty one.
    stacks: Vec<(u32, u32)>,
    /// The new number of each of the profile's stacks.
    stack_of: Vec<u32>,
}

impl<'a> Reduced<'a> {
    fn of(profile: &'a Profile) -> Self {
        let mut frames = Vec::new();
        let mut frame_of: FxHashMap<&FrameName, u32> = FxHashMap::default();
        let mut stacks = Vec::new();
        let mut known: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        let mut stack_of = vec![0];
        for (caller, frame) in profile.stacks.nodes() {
            let name = profile.name(frame);
            let frame = *frame_of.entry(name).or_insert_with(|| {
                frames.push(name);
                frames.len() as u32 - 1
            });
            let node = (stack_of[caller.0 as usize], frame);
            stack_of.push(*known.entry(node).or_insert_with(|| {
                stacks.push(node);
                stacks.len() as u32
            }));
        }
        Self { frames, stacks, stack_of }
    }
}

/// The header before the samples.
#[derive(Serialize, Deserialize)]
struct Header {
    title: String,
    mode: String,
    is_user_only: bool,
    start_ns: u64,
    end_ns: u64,
    clock: String,
    hz: u32,
    records: u64,
    lost: u64,
    throttled: u64,
    refused: u64,
    coverage: Option<f64>,
    unwound: Option<f64>,
    notes: Vec<String>,
    load: Option<LoadHeader>,
    /// Function, module, kind.
    frames: Vec<(String, String, char)>,
    /// Caller's stack and frame; the first has number 1.
    stacks: Vec<(u32, u32)>,
}

#[derive(Serialize, Deserialize)]
struct LoadHeader {
    start_ns: u64,
    /// Word, start and end in nanoseconds of the monotonic clock.
    phases: Vec<(String, u64, u64)>,
    spikes: Vec<(u64, u64)>,
    steps: Vec<LoadStep>,
}

/// Kinds and their letters.
const KINDS: [(FrameKind, char); 5] = [
    (FrameKind::Kernel, 'k'),
    (FrameKind::Native, 'n'),
    (FrameKind::Interpreted, 'i'),
    (FrameKind::Jit, 'j'),
    (FrameKind::Marker, 'm'),
];

impl Header {
    fn of(profile: &Profile, about: &About, reduced: &Reduced<'_>) -> Self {
        let facts = &profile.facts;
        let letter = |kind| KINDS.iter().find(|known| known.0 == kind).map_or('n', |known| known.1);
        let frames = reduced.frames.iter();
        Self {
            title: about.title.clone(),
            mode: about.mode.clone(),
            is_user_only: about.is_user_only,
            start_ns: facts.start.0,
            end_ns: facts.end.0,
            clock: facts.clock.word().to_owned(),
            hz: facts.hz,
            records: facts.records,
            lost: facts.lost,
            throttled: facts.throttled,
            refused: profile.samples.refused(),
            coverage: facts.coverage,
            unwound: facts.unwound,
            notes: facts.notes.clone(),
            load: about.load.as_ref().map(LoadHeader::of),
            frames: frames
                .map(|name| (name.function.clone(), name.module.clone(), letter(name.kind)))
                .collect(),
            stacks: reduced.stacks.clone(),
        }
    }

    /// Make a profile of it, or return the fault.
    fn open(self, file: File, origin: u64, count: u64) -> Result<Stored, String> {
        let clock = [Clock::Cycles, Clock::CpuClock].into_iter().find(|c| c.word() == self.clock);
        let facts = Facts {
            start: Timestamp(self.start_ns),
            end: Timestamp(self.end_ns),
            clock: clock.ok_or_else(|| format!("there is no clock `{}`", self.clock))?,
            hz: self.hz,
            records: self.records,
            lost: self.lost,
            throttled: self.throttled,
            coverage: self.coverage,
            unwound: self.unwound,
            notes: self.notes,
        };
        let (stacks, names) = grow(self.frames, &self.stacks)?;
        let kept = Kept { origin, count, refused: self.refused, stacks: stacks.len() as u32 + 1 };
        let profile = Profile { stacks, names, samples: SampleLog::kept(file, kept), facts };
        let about = About {
            title: self.title,
            mode: self.mode,
            is_user_only: self.is_user_only,
            load: self.load.map(LoadHeader::open).transpose()?,
        };
        Ok(Stored { profile, about })
    }
}

/// Add the stacks and the names of their frames.
fn grow(
    frames: Vec<(String, String, char)>,
    nodes: &[(u32, u32)],
) -> Result<(StackTable, Vec<FrameName>), String> {
    let mut stacks = StackTable::default();
    let mut known = Vec::with_capacity(frames.len());
    for (function, module, letter) in frames {
        let kind = KINDS.iter().find(|known| known.1 == letter).map(|known| known.0);
        let kind = kind.ok_or_else(|| format!("there is no kind of frame `{letter}`"))?;
        let id = stacks.name(&format!("{letter}{function}\0{module}"));
        if id.0 as usize != known.len() {
            return Err(format!("the frame `{function}` stands there twice"));
        }
        known.push((id, FrameName { function, module, kind }));
    }
    for (index, &(caller, frame)) in nodes.iter().enumerate() {
        let id = known.get(frame as usize).filter(|_| caller as usize <= index);
        let (id, _) = id.ok_or_else(|| format!("stack {} is of nothing known", index + 1))?;
        let stack = stacks.extend(StackId(caller), [Location::Named(*id)]);
        if stack.0 as usize != index + 1 {
            return Err(format!("stack {} stands there twice", index + 1));
        }
    }
    // Frames are numbered in the order of their occurrence in stacks, and names use that number.
    let named = stacks.locations().iter().filter_map(|location| match location {
        Location::Named(id) => known.get(id.0 as usize),
        _ => None,
    });
    let names = named.map(|(_, name)| name.clone()).collect();
    Ok((stacks, names))
}

impl LoadHeader {
    fn of(load: &StoredLoad) -> Self {
        let window = |it: &NamedWindow| (it.name.to_string(), it.start.0, it.end.0);
        Self {
            start_ns: load.start.0,
            phases: load.windows.as_slice().iter().map(window).collect(),
            spikes: load.spikes.as_slice().iter().map(|s| (s.start.0, s.end.0)).collect(),
            steps: load.steps.clone(),
        }
    }

    fn open(self) -> Result<StoredLoad, String> {
        let window =
            |(name, start, end): (String, u64, u64)| (name, Timestamp(start), Timestamp(end));
        let spikes = self.spikes.into_iter();
        Ok(StoredLoad {
            start: Timestamp(self.start_ns),
            windows: NamedWindows::stored(self.phases.into_iter().map(window))?,
            steps: self.steps,
            spikes: Windows::covering(spikes.map(|(from, to)| Timestamp(from)..Timestamp(to))),
        })
    }
}

#[cfg(test)]
mod tests;
