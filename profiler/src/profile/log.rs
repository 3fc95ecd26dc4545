//! Samples on disk: records of one size, so that memory does not grow with their number.
//!
//! Samples are read back in the order in which they were pushed, at any time and without disturbing
//! writes. The first write that fails is an error; after it the log only counts further samples,
//! and keeps what it has. `sample` defines the meaning of a sample.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use uringbench_core::time::Timestamp;

use crate::sample::{Sample, SampleKind};
use crate::stack::StackId;

/// Bytes of a sample on disk, little-endian: time, weight, cpu, pid, tid, stack, kind.
pub(super) const RECORD_BYTES: usize = 36;
/// Samples buffered before they are written, and read at once: 72 KiB.
const BATCH: usize = 2_048;

/// Samples spilled to a file.
#[derive(Debug)]
pub struct SampleLog {
    file: File,
    /// Position of the first sample in the file.
    origin: u64,
    /// Samples in the file.
    stored: u64,
    /// Encoded samples that are not written yet.
    pending: Vec<u8>,
    /// Samples rejected since a write failed; `None` without a failure.
    refused: Option<u64>,
    /// The number of stacks, the empty one included: samples may refer only to these.
    stacks: Option<u32>,
}

/// Samples that are already in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// Position of the first one.
    pub(super) origin: u64,
    /// Their number.
    pub(super) count: u64,
    /// How many were rejected when they were taken.
    pub(super) refused: u64,
    /// The number of stacks, the empty one included.
    pub(super) stacks: u32,
}

impl SampleLog {
    /// A new log at `path`; an existing file is emptied.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        Ok(Self::in_file(options.open(path)?))
    }

    /// A new log in an empty file that is open for reading and writing.
    pub fn in_file(file: File) -> Self {
        Self {
            file,
            origin: 0,
            stored: 0,
            pending: Vec::with_capacity(BATCH * RECORD_BYTES),
            refused: None,
            stacks: None,
        }
    }

    /// The samples in `file`. It takes no more.
    pub(super) const fn kept(file: File, kept: Kept) -> Self {
        let Kept { origin, count, refused, stacks } = kept;
        let (refused, stacks) = (Some(refused), Some(stacks));
        Self { file, origin, stored: count, pending: Vec::new(), refused, stacks }
    }

    /// Append a sample. After a failed write samples are only counted, as
    /// [`refused`](Self::refused).
    ///
    /// # Errors
    /// If the file cannot be written, for instance on a full disk: once, with the fix.
    pub fn push(&mut self, sample: &Sample) -> io::Result<()> {
        if let Some(refused) = &mut self.refused {
            *refused += 1;
            return Ok(());
        }
        self.pending.extend_from_slice(&encode(sample));
        if self.pending.len() < BATCH * RECORD_BYTES { Ok(()) } else { self.flush() }
    }

    /// Write buffered samples; readers need not wait for it.
    ///
    /// # Errors
    /// See [`push`](Self::push); after a failed write nothing is tried or reported.
    pub fn flush(&mut self) -> io::Result<()> {
        if self.refused.is_some() || self.pending.is_empty() {
            return Ok(());
        }
        // Always at the same position: the remains of a failed write are overwritten.
        let end = self.origin + self.stored * RECORD_BYTES as u64;
        if let Err(cause) = self.file.write_all_at(&self.pending, end) {
            self.refused = Some(0);
            let kept = self.len();
            return Err(io::Error::new(
                cause.kind(),
                format!(
                    "no more samples can be stored ({cause}); the first {kept} are kept; free \
                     some space or set TMPDIR to a folder on another disk"
                ),
            ));
        }
        self.stored += (self.pending.len() / RECORD_BYTES) as u64;
        self.pending.clear();
        Ok(())
    }

    /// All samples, in the order in which they were pushed, read from the file batch by batch.
    ///
    /// # Errors
    /// An item is an error if the file cannot be read or contains other data; it is the last one.
    pub fn samples(&self) -> Samples<'_> {
        Samples { log: self, next: 0, batch: Vec::new(), at: 0, is_broken: false }
    }

    /// The number of samples to read.
    pub fn len(&self) -> u64 {
        self.stored + (self.pending.len() / RECORD_BYTES) as u64
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many samples were rejected since a write failed.
    pub fn refused(&self) -> u64 {
        self.refused.unwrap_or(0)
    }

    /// The samples from number `first` on, up to one batch.
    fn read_batch(&self, first: u64, batch: &mut Vec<u8>) -> io::Result<()> {
        batch.clear();
        if first >= self.stored {
            let from = (first - self.stored) as usize * RECORD_BYTES;
            batch.extend_from_slice(self.pending.get(from..).unwrap_or_default());
            return Ok(());
        }
        let count = (self.stored - first).min(BATCH as u64) as usize;
        batch.resize(count * RECORD_BYTES, 0);
        self.file.read_exact_at(batch, self.origin + first * RECORD_BYTES as u64)
    }
}

/// The samples of a log; see [`SampleLog::samples`].
#[derive(Debug)]
pub struct Samples<'a> {
    log: &'a SampleLog,
    /// The number of the first sample after the batch.
    next: u64,
    batch: Vec<u8>,
    /// Position of the next sample in the batch.
    at: usize,
    is_broken: bool,
}

impl Iterator for Samples<'_> {
    type Item = io::Result<Sample>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_broken {
            return None;
        }
        if self.at == self.batch.len() {
            self.at = 0;
            if let Err(cause) = self.log.read_batch(self.next, &mut self.batch) {
                self.is_broken = true;
                return Some(Err(cause));
            }
            self.next += (self.batch.len() / RECORD_BYTES) as u64;
        }
        let record = self.batch[self.at..].first_chunk()?;
        self.at += RECORD_BYTES;
        let sample = decode(record).and_then(|sample| match self.log.stacks {
            Some(stacks) if sample.stack.0 >= stacks => {
                let what = format!("the file of samples was changed: no stack {}", sample.stack.0);
                Err(io::Error::new(io::ErrorKind::InvalidData, what))
            }
            _ => Ok(sample),
        });
        self.is_broken = sample.is_err();
        Some(sample)
    }
}

pub(super) fn encode(sample: &Sample) -> [u8; RECORD_BYTES] {
    let kind: u32 = match sample.kind {
        SampleKind::Cpu => 0,
        SampleKind::Blocked => 1,
        SampleKind::Preempted => 2,
        SampleKind::FirstTouch => 3,
    };
    let mut record = [0; RECORD_BYTES];
    record[..8].copy_from_slice(&sample.time.0.to_le_bytes());
    record[8..16].copy_from_slice(&sample.weight.to_le_bytes());
    let words = [sample.cpu, sample.pid, sample.tid, sample.stack.0, kind];
    for (place, word) in record[16..].as_chunks_mut().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    record
}

fn decode(record: &[u8; RECORD_BYTES]) -> io::Result<Sample> {
    let (longs, _) = record[..16].as_chunks();
    let (words, _) = record[16..].as_chunks();
    let long = |index: usize| u64::from_le_bytes(longs[index]);
    let word = |index: usize| u32::from_le_bytes(words[index]);
    let kind = match word(4) {
        0 => SampleKind::Cpu,
        1 => SampleKind::Blocked,
        2 => SampleKind::Preempted,
        3 => SampleKind::FirstTouch,
        other => {
            let what = format!("the file of samples was changed: there is no kind {other}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
    };
    Ok(Sample {
        time: Timestamp(long(0)),
        weight: long(1),
        cpu: word(0),
        pid: word(1),
        tid: word(2),
        stack: StackId(word(3)),
        kind,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(time: u64) -> Sample {
        let kind =
            [SampleKind::Cpu, SampleKind::Blocked, SampleKind::Preempted, SampleKind::FirstTouch]
                [time as usize % 4];
        Sample {
            time: Timestamp(time),
            cpu: 3,
            pid: 70_000,
            tid: u32::MAX,
            kind,
            weight: time * 7,
            stack: StackId(time as u32),
        }
    }

    fn read(log: &SampleLog) -> Vec<Sample> {
        log.samples().collect::<io::Result<_>>().unwrap()
    }

    #[test]
    fn a_record_is_little_endian_and_of_36_bytes() {
        let record = encode(&Sample {
            time: Timestamp(0x0102),
            cpu: 1,
            pid: 2,
            tid: 3,
            kind: SampleKind::FirstTouch,
            weight: u64::MAX,
            stack: StackId(0x0400),
        });
        let expected: [u8; 36] = [
            2, 1, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 1, 0, 0, 0, 2, 0, 0, 0,
            3, 0, 0, 0, 0, 4, 0, 0, 3, 0, 0, 0,
        ];
        assert_eq!(record, expected);
    }

    #[test]
    fn samples_come_back_while_more_are_written() {
        let mut log = SampleLog::in_file(tempfile::tempfile().unwrap());
        assert!(log.is_empty() && read(&log).is_empty());
        // Two full batches and part of a third that is still in memory.
        let count = 2 * BATCH as u64 + 5;
        for time in 0..count {
            log.push(&sample(time)).unwrap();
        }
        assert_eq!((log.len(), log.stored), (count, 2 * BATCH as u64));
        let expected: Vec<_> = (0..=count).map(sample).collect();
        assert_eq!(read(&log), expected[..count as usize]);
        log.flush().unwrap();
        assert_eq!(log.stored, count);
        log.push(&sample(count)).unwrap();
        assert_eq!(read(&log), expected);
        assert!(log.pending.capacity() <= (BATCH + 1) * RECORD_BYTES, "memory grew");
    }

    #[test]
    fn a_full_disk_is_said_once_and_what_is_there_stays() {
        // Writing to it always fails with ENOSPC: full(4).
        let mut log = SampleLog::create(Path::new("/dev/full")).unwrap();
        for time in 0..BATCH as u64 - 1 {
            log.push(&sample(time)).unwrap();
        }
        let said = log.push(&sample(BATCH as u64 - 1)).unwrap_err();
        assert_eq!(said.kind(), io::ErrorKind::StorageFull);
        assert!(said.to_string().contains("the first 2048 are kept"), "{said}");
        for time in 0..10 {
            log.push(&sample(time)).unwrap();
        }
        log.flush().unwrap();
        assert_eq!((log.len(), log.refused()), (BATCH as u64, 10));
        assert_eq!(read(&log), (0..BATCH as u64).map(sample).collect::<Vec<_>>());
    }

    #[test]
    fn a_file_changed_by_another_is_an_error_and_no_sample() {
        let file = tempfile::tempfile().unwrap();
        let mut log = SampleLog::in_file(file.try_clone().unwrap());
        for time in 0..3 {
            log.push(&sample(time)).unwrap();
        }
        log.flush().unwrap();
        file.write_all_at(&[9], 2 * RECORD_BYTES as u64 - 4).unwrap();
        let read: Vec<_> = log.samples().collect();
        assert_eq!(read.len(), 2, "the error is the last item");
        assert_eq!(read[1].as_ref().unwrap_err().kind(), io::ErrorKind::InvalidData);
        file.set_len(40).unwrap();
        let read: Vec<_> = log.samples().collect();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].as_ref().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    proptest! {
        #[test]
        fn every_sample_comes_back(
            time: u64, weight: u64, cpu: u32, pid: u32, tid: u32, stack: u32, kind in 0..4u64
        ) {
            let kind = sample(kind).kind;
            let time = Timestamp(time);
            let sample = Sample { time, cpu, pid, tid, kind, weight, stack: StackId(stack) };
            prop_assert_eq!(decode(&encode(&sample)).unwrap(), sample);
        }
    }
}
