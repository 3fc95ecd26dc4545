//! One record from raw bytes: nothing is copied, and every size is checked before use.
//!
//! All events of a ring have the sample format that `uringbench_perf` requests, so the layout is
//! known before the event is. Layouts are those of `include/uapi/linux/perf_event.h`, in this
//! machine's byte order. `uringbench_perf` decides which bytes a ring delivers.

use thiserror::Error;
use uringbench_core::time::Timestamp;

use super::{Content, Mapping, Record, SampleRecord, UserState, Words};

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The size in the header is not that of the bytes.
    #[error("a record of {found} bytes states {stated}; the ring was not read record by record")]
    Size {
        /// The size in the header; 0 without a complete header.
        stated: usize,
        /// The number of bytes.
        found: usize,
    },
    /// The body does not have the layout of its type.
    #[error("a record of type {0} is not laid out as was asked for; was it mangled on its way?")]
    Layout(u32),
}

const MMAP: u32 = 1;
const LOST: u32 = 2;
const COMM: u32 = 3;
const EXIT: u32 = 4;
const THROTTLE: u32 = 5;
const UNTHROTTLE: u32 = 6;
const FORK: u32 = 7;
const SAMPLE: u32 = 9;
const MMAP2: u32 = 10;
const LOST_SAMPLES: u32 = 13;
const SWITCH: u32 = 14;
const SWITCH_CPU_WIDE: u32 = 15;

const HEADER_LEN: usize = 8;
/// The end of every record except samples: pid, tid, time, cpu, a reserved word, identifier.
const TRAILER_LEN: usize = 32;
/// The position of the time in a sample: after header, identifier, instruction, pid and tid.
const SAMPLE_TIME_AT: usize = HEADER_LEN + 24;

const MISC_CPUMODE: u16 = 7;
const MISC_CPUMODE_KERNEL: u16 = 1;
/// `PERF_RECORD_MISC_MMAP_DATA`, `_COMM_EXEC` and `_SWITCH_OUT`, by the record's type.
const MISC_BIT_13: u16 = 1 << 13;
const MISC_SWITCH_OUT_PREEMPT: u16 = 1 << 14;

const PROT_EXEC: u32 = 4;
/// `PERF_SAMPLE_REGS_ABI_64`; the other two are none, and that of a 32-bit program.
const ABI_64: u64 = 2;
/// `PERF_CONTEXT_MAX`: words from here on are not addresses but markers for the addresses after
/// them.
const CONTEXT_MAX: u64 = -4095_i64 as u64;
const CONTEXT_KERNEL: u64 = -128_i64 as u64;
const CONTEXT_USER: u64 = -512_i64 as u64;

/// Decode one complete record, header included.
///
/// The user half of a 32-bit program's sample is left out, as it could not be unwound.
///
/// # Errors
/// If the number of bytes differs from the header's size, or the body does not fit its type.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let (kind, misc) = header(bytes)?;
    let body = &bytes[HEADER_LEN..];
    let record = if kind == SAMPLE {
        sample(body, misc)
    } else {
        body.len().checked_sub(TRAILER_LEN).and_then(|at| {
            let (body, trailer) = body.split_at(at);
            other(kind, misc, Fields(body), Fields(trailer))
        })
    };
    record.ok_or(DecodeError::Layout(kind))
}

/// The time of a record, without decoding the rest of it; `None` if it is too short.
#[inline]
pub fn peek_time(bytes: &[u8]) -> Option<Timestamp> {
    let (kind, _) = header(bytes).ok()?;
    let at = match kind {
        SAMPLE => SAMPLE_TIME_AT,
        _ => bytes.len().checked_sub(TRAILER_LEN).filter(|&at| at >= HEADER_LEN)? + 8,
    };
    Fields(bytes.get(at..)?).u64().map(Timestamp)
}

/// The type and the flags of a record whose size is correct.
fn header(bytes: &[u8]) -> Result<(u32, u16), DecodeError> {
    let mut fields = Fields(bytes);
    let parts = (fields.u32(), fields.u16(), fields.u16());
    let (Some(kind), Some(misc), Some(stated)) = parts else {
        return Err(DecodeError::Size { stated: 0, found: bytes.len() });
    };
    let (stated, found) = (usize::from(stated), bytes.len());
    if stated == found { Ok((kind, misc)) } else { Err(DecodeError::Size { stated, found }) }
}

fn sample(body: &[u8], misc: u16) -> Option<Record<'_>> {
    let mut fields = Fields(body);
    let event = fields.u64()?;
    let ip = fields.u64()?;
    let (pid, tid) = (fields.u32()?, fields.u32()?);
    let time = Timestamp(fields.u64()?);
    let address = fields.u64()?;
    let (cpu, _reserved) = (fields.u32()?, fields.u32()?);
    let period = fields.u64()?;
    let frames = fields.u64()?;
    let chain = fields.words(frames)?;
    let kernel = frames_after(CONTEXT_KERNEL, chain);
    let abi = fields.u64()?;
    let registers = match abi {
        0 => Words::default(),
        _ => fields.words(u64::from(uringbench_perf::REGISTERS.count_ones()))?,
    };
    let (stack, is_full) = fields.stack()?;
    let callers = frames_after(CONTEXT_USER, chain);
    let user = (abi == ABI_64).then_some(UserState { registers, stack, is_full, callers });
    let is_kernel = misc & MISC_CPUMODE == MISC_CPUMODE_KERNEL;
    let content = Content::Sample(SampleRecord { ip, address, period, is_kernel, kernel, user });
    fields.0.is_empty().then_some(Record { event, time, cpu, pid, tid, content })
}

/// The addresses after a mode's marker, up to the next one.
fn frames_after(mode: u64, chain: Words<'_>) -> Words<'_> {
    let Some(marker) = chain.iter().position(|word| word == mode) else {
        return Words::default();
    };
    let frames = &chain.0[(marker + 1) * 8..];
    let len = Words(frames).iter().take_while(|&word| word < CONTEXT_MAX).count();
    Words(&frames[..len * 8])
}

/// A record other than a sample: its body, then the common end.
fn other<'a>(
    kind: u32,
    misc: u16,
    mut body: Fields<'a>,
    mut trailer: Fields<'a>,
) -> Option<Record<'a>> {
    // Its default owner: the thread that ran when it was written.
    let (mut pid, mut tid) = (trailer.u32()?, trailer.u32()?);
    let time = Timestamp(trailer.u64()?);
    let (cpu, _reserved) = (trailer.u32()?, trailer.u32()?);
    let event = trailer.u64()?;
    let is_flagged = misc & MISC_BIT_13 != 0;
    let content = match kind {
        MMAP | MMAP2 => {
            let mapping;
            (tid, mapping) = body.mapping(kind, is_flagged)?;
            pid = mapping.pid;
            Content::Mapping(mapping)
        }
        COMM => {
            // Another thread may have set the name, through /proc.
            (pid, tid) = (body.u32()?, body.u32()?);
            Content::Name { name: body.text(), is_exec: is_flagged }
        }
        FORK | EXIT => {
            let (task, parent) = (body.u32()?, body.u32()?);
            let (thread, parent_tid) = (body.u32()?, body.u32()?);
            body.u64()?;
            if kind == FORK {
                Content::Fork { pid: task, tid: thread, parent, parent_tid }
            } else {
                (pid, tid) = (task, thread);
                Content::Exit { pid, tid }
            }
        }
        SWITCH | SWITCH_CPU_WIDE if is_flagged => {
            Content::SwitchedOut { is_preempted: misc & MISC_SWITCH_OUT_PREEMPT != 0 }
        }
        SWITCH | SWITCH_CPU_WIDE => Content::SwitchedIn,
        LOST => {
            body.u64()?;
            Content::Lost(body.u64()?)
        }
        LOST_SAMPLES => Content::LostSamples(body.u64()?),
        THROTTLE => Content::Throttled,
        UNTHROTTLE => Content::Unthrottled,
        kind => Content::Other(kind),
    };
    Some(Record { event, time, cpu, pid, tid, content })
}

/// Bytes not read yet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*field)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_ne_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_ne_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_ne_bytes)
    }

    fn bytes(&mut self, len: u64) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(bytes)
    }

    fn words(&mut self, count: u64) -> Option<Words<'a>> {
        self.bytes(count.checked_mul(8)?).map(Words)
    }

    /// The stack: a buffer of fixed size, followed by the length that is filled; and whether that
    /// is all of it.
    fn stack(&mut self) -> Option<(&'a [u8], bool)> {
        let size = self.u64()?;
        if size == 0 {
            return Some((&[], false));
        }
        let room = self.bytes(size)?;
        let filled = self.u64()?;
        Some((room.get(..usize::try_from(filled).ok()?)?, filled == size))
    }

    /// The thread that maps, and its mapping.
    fn mapping(&mut self, kind: u32, is_data: bool) -> Option<(u32, Mapping<'a>)> {
        let (pid, tid) = (self.u32()?, self.u32()?);
        let (start, length, file_offset) = (self.u64()?, self.u64()?, self.u64()?);
        let mut is_executable = !is_data;
        if kind == MMAP2 {
            // Device and inode, or the build id: the path identifies the file.
            self.bytes(24)?;
            let (protection, _flags) = (self.u32()?, self.u32()?);
            is_executable = protection & PROT_EXEC != 0;
        }
        let path = self.text();
        Some((tid, Mapping { pid, start, length, file_offset, is_executable, path }))
    }

    /// The rest, up to the first zero.
    fn text(&self) -> &'a [u8] {
        self.0.split(|&byte| byte == 0).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
