//! The only file that speaks to the kernel about perf events. What makes its `unsafe` sound:
//!
//! 1. What a call takes by address lives across the call, and the kernel keeps no address.
//! 2. A descriptor the kernel returns belongs to an `OwnedFd` at once, and to nobody else.
//! 3. A mapping belongs to one [`Ring`], which alone unmaps it, when it is dropped.
//! 4. The kernel writes only what lies outside of tail..head. Head is read with Acquire and tail
//!    published with Release, which takes the ring mutably: no slice of it is left then.
//! 5. What the kernel wrote is data: sizes are checked against head and ring before use.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use perf_event_open_sys as sys;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};
use sys::bindings::{perf_event_attr, perf_event_mmap_page};

/// `struct perf_event_header`: u32 type, u16 misc, u16 size.
const HEADER: usize = 8;

/// Whom an event observes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who<'a> {
    Everybody,
    /// The tasks of a cgroup2 directory and of those below it.
    Cgroup(BorrowedFd<'a>),
    /// A task by its number; 0 is the calling thread.
    Task(u32),
}

/// `perf_event_open(2)`; without a CPU the event follows its task on all of them.
pub(crate) fn open(
    attr: &perf_event_attr,
    who: Who<'_>,
    cpu: Option<u32>,
) -> Result<OwnedFd, Errno> {
    let mut attr = *attr;
    attr.size = size_of::<perf_event_attr>() as u32;
    let (pid, flags) = match who {
        Who::Everybody => (-1, 0),
        Who::Cgroup(directory) => (directory.as_raw_fd(), sys::bindings::PERF_FLAG_PID_CGROUP),
        Who::Task(tid) => (tid.cast_signed(), 0),
    };
    let flags = (flags | sys::bindings::PERF_FLAG_FD_CLOEXEC).into();
    let cpu = cpu.map_or(-1, u32::cast_signed);
    // SAFETY: `attr` is initialised, states its size, and lives across the call (invariant 1).
    let returned = unsafe { sys::perf_event_open(&raw mut attr, pid, cpu, -1, flags) };
    checked(returned)?;
    // SAFETY: just returned by the kernel, so open and nobody else's (invariant 2).
    Ok(unsafe { OwnedFd::from_raw_fd(returned) })
}

pub(crate) fn enable(event: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: the request takes no address.
    checked(unsafe { sys::ioctls::ENABLE(event.as_raw_fd(), 0) })
}

pub(crate) fn disable(event: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: the request takes no address.
    checked(unsafe { sys::ioctls::DISABLE(event.as_raw_fd(), 0) })
}

/// Let `event` write into the ring of `owner`: same CPU, same clock.
pub(crate) fn set_output(event: &OwnedFd, owner: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: the request takes a descriptor, no address.
    checked(unsafe { sys::ioctls::SET_OUTPUT(event.as_raw_fd(), owner.as_raw_fd()) })
}

/// Sample one of `period` from here on.
pub(crate) fn set_period(event: &OwnedFd, period: u64) -> Result<(), Errno> {
    // The binding hands on its argument as it is, but the kernel wants an address.
    let address = (&raw const period) as u64;
    // SAFETY: the kernel reads 8 bytes at the address of `period`, which lives across the call.
    checked(unsafe { sys::ioctls::PERIOD(event.as_raw_fd(), address) })
}

/// Take a counter's descriptor over, and keep it from programs that are executed.
pub(crate) fn adopt(counter: perf_event::Counter) -> Result<OwnedFd, Errno> {
    let raw = counter.into_raw_fd();
    // SAFETY: `into_raw_fd` gave the ownership away (invariant 2).
    let owned = unsafe { OwnedFd::from_raw_fd(raw) };
    rustix::io::fcntl_setfd(&owned, rustix::io::FdFlags::CLOEXEC)?;
    Ok(owned)
}

/// Bytes of a page.
pub(crate) fn page_size() -> usize {
    // SAFETY: takes and returns numbers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).expect("every Linux states its page size")
}

fn checked(returned: c_int) -> Result<(), Errno> {
    if returned >= 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
}

/// A ring's mapping: one page of positions, then the data.
#[derive(Debug)]
pub(crate) struct Ring {
    page: NonNull<perf_event_mmap_page>,
    /// Bytes before the data.
    before: usize,
    /// Bytes of data, a power of two.
    size: usize,
    /// Where reading goes on; nobody else writes `data_tail`.
    tail: u64,
}

// SAFETY: the mapping is the ring's alone (invariant 3) and tied to no thread.
unsafe impl Send for Ring {}

impl Ring {
    /// Map the ring of an event, with `pages` (a power of two) of data.
    pub(crate) fn map(event: impl AsFd, pages: usize) -> Result<Self, Errno> {
        assert!(pages.is_power_of_two(), "positions are taken modulo the size of the data");
        let before = page_size();
        let length = before * (pages + 1);
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let null = std::ptr::null_mut();
        // SAFETY: a new mapping at an address the kernel chooses touches no memory of ours.
        let mapped = unsafe { rustix::mm::mmap(null, length, access, MapFlags::SHARED, event, 0) }?;
        let page = NonNull::new(mapped.cast()).ok_or(Errno::FAULT)?;
        let mut ring = Self { page, before, size: before * pages, tail: 0 };
        ring.tail = ring.data_tail().load(Ordering::Relaxed);
        Ok(ring)
    }

    /// Bytes of data it has room for.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// How far the kernel has written, in bytes since the beginning.
    pub(crate) fn head(&self) -> u64 {
        self.data_head().load(Ordering::Acquire)
    }

    /// Hand every whole record to `sink` with its position, then give the room back. Returns the
    /// bytes that were no records, which the kernel never writes.
    pub(crate) fn drain(&mut self, scratch: &mut Vec<u8>, sink: &mut dyn FnMut(u64, &[u8])) -> u64 {
        let head = self.head();
        let mut at = self.tail;
        let mut rest = head.wrapping_sub(at);
        if rest > self.size as u64 {
            self.publish(head);
            return rest;
        }
        while let Some(length) = self.record_length(at, rest) {
            let (first, second) = self.slices(at, length);
            if second.is_empty() {
                sink(at, first);
            } else {
                scratch.clear();
                scratch.extend_from_slice(first);
                scratch.extend_from_slice(second);
                sink(at, scratch);
            }
            at = at.wrapping_add(length as u64);
            rest -= length as u64;
        }
        self.publish(head);
        rest
    }

    /// The length of the record at a position, when there is a whole one in what is left.
    fn record_length(&self, at: u64, rest: u64) -> Option<usize> {
        if rest < HEADER as u64 {
            return None;
        }
        // Records are multiples of 8 bytes, and so is the ring: a header never wraps.
        let (header, _) = self.slices(at, HEADER);
        let size = usize::from(u16::from_ne_bytes([header[6], header[7]]));
        (size >= HEADER && size.is_multiple_of(8) && size as u64 <= rest).then_some(size)
    }

    /// The bytes at a position; the second part continues at the start of the ring.
    fn slices(&self, at: u64, length: usize) -> (&[u8], &[u8]) {
        let start = (at & (self.size as u64 - 1)) as usize;
        let first = length.min(self.size - start);
        (self.part(start, first), self.part(0, length - first))
    }

    fn part(&self, start: usize, length: usize) -> &[u8] {
        assert!(start <= self.size && length <= self.size - start, "a part lies in the ring");
        let base = self.page.as_ptr().cast::<u8>();
        // SAFETY: the mapping has `before + size` bytes, and `start <= size`.
        let first = unsafe { base.add(self.before + start) };
        // SAFETY: in the mapping as asserted, initialised by the kernel, and not written while
        // the ring is borrowed, as it lies in tail..head (invariant 4).
        unsafe { std::slice::from_raw_parts(first, length) }
    }

    fn publish(&mut self, tail: u64) {
        self.tail = tail;
        self.data_tail().store(tail, Ordering::Release);
    }

    fn data_head(&self) -> &AtomicU64 {
        // SAFETY: a field of the first page, which is mapped; no reference is made.
        let field = unsafe { &raw mut (*self.page.as_ptr()).data_head };
        // SAFETY: aligned, mapped as long as `self`, and shared with the kernel atomically.
        unsafe { AtomicU64::from_ptr(field) }
    }

    fn data_tail(&self) -> &AtomicU64 {
        // SAFETY: a field of the first page, which is mapped; no reference is made.
        let field = unsafe { &raw mut (*self.page.as_ptr()).data_tail };
        // SAFETY: aligned, mapped as long as `self`, and shared with the kernel atomically.
        unsafe { AtomicU64::from_ptr(field) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length, and not used after (invariant 3).
        let _ = unsafe { rustix::mm::munmap(self.page.as_ptr().cast(), self.before + self.size) };
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
    use rustix::io::{pread, pwrite};

    use super::*;

    /// The kernel's side of a ring, played on shared memory with the same layout.
    struct Writer {
        memory: OwnedFd,
        size: usize,
        head: u64,
    }

    impl Writer {
        fn new(pages: usize) -> (Self, Ring) {
            let memory = memfd_create("ring", MemfdFlags::CLOEXEC).unwrap();
            ftruncate(&memory, (page_size() * (pages + 1)) as u64).unwrap();
            let ring = Ring::map(&memory, pages).unwrap();
            (Self { memory, size: page_size() * pages, head: 0 }, ring)
        }

        fn tail(&self) -> u64 {
            let mut bytes = [0; 8];
            let offset = offset_of!(perf_event_mmap_page, data_tail) as u64;
            pread(&self.memory, &mut bytes, offset).unwrap();
            u64::from_ne_bytes(bytes)
        }

        fn bytes(&mut self, bytes: &[u8]) {
            for byte in bytes {
                let at = page_size() as u64 + self.head % self.size as u64;
                pwrite(&self.memory, &[*byte], at).unwrap();
                self.head += 1;
            }
        }

        /// A record of `size` bytes, filled with `fill`.
        fn record(&mut self, size: u16, fill: u8) {
            let mut bytes = vec![fill; usize::from(size).max(HEADER)];
            bytes[6..8].copy_from_slice(&size.to_ne_bytes());
            self.bytes(&bytes);
        }

        fn publish(&self) {
            let offset = offset_of!(perf_event_mmap_page, data_head) as u64;
            pwrite(&self.memory, &self.head.to_ne_bytes(), offset).unwrap();
        }
    }

    fn drained(ring: &mut Ring) -> (Vec<(u64, usize, u8)>, u64) {
        let mut records = Vec::new();
        let broken = ring.drain(&mut Vec::new(), &mut |at, record| {
            let body = &record[HEADER..];
            assert!(body.iter().all(|byte| *byte == body[0]), "a record comes out whole");
            let size = u16::from_ne_bytes([record[6], record[7]]);
            assert_eq!(usize::from(size), record.len());
            records.push((at, record.len(), body[0]));
        });
        (records, broken)
    }

    #[test]
    fn every_record_comes_out_once_and_whole_however_it_wraps() {
        let (mut writer, mut ring) = Writer::new(1);
        // A size that does not divide the page, so that the end falls on every place of it.
        let size = 1_000u16;
        let mut expected_at = 0;
        let mut wrapped = 0;
        for round in 0..200u8 {
            writer.record(size, round);
            writer.record(16, round ^ 0x80);
            writer.publish();
            let (records, broken) = drained(&mut ring);
            assert_eq!(broken, 0);
            assert_eq!(
                records,
                [(expected_at, 1_000, round), (expected_at + 1_000, 16, round ^ 0x80)]
            );
            let start = expected_at % ring.size() as u64;
            wrapped += u32::from(start + 1_000 > ring.size() as u64);
            expected_at += 1_016;
            assert_eq!(writer.tail(), expected_at, "the room is given back");
        }
        assert!(wrapped > 10, "{wrapped} records wrapped");
        assert_eq!(drained(&mut ring), (Vec::new(), 0));
    }

    #[test]
    fn the_room_is_given_back_after_the_batch_and_not_before() {
        let (mut writer, mut ring) = Writer::new(1);
        writer.record(64, 1);
        writer.record(64, 2);
        writer.publish();
        let mut seen = 0;
        ring.drain(&mut Vec::new(), &mut |_, _| {
            seen += 1;
            assert_eq!(writer.tail(), 0);
        });
        assert_eq!((seen, writer.tail(), ring.head()), (2, 128, 128));
    }

    #[test]
    fn what_is_no_record_is_skipped_and_counted() {
        for size in [0u16, 4, 12, 4_096] {
            let (mut writer, mut ring) = Writer::new(1);
            writer.record(24, 7);
            writer.bytes(&[0, 0, 0, 0, 0, 0]);
            writer.bytes(&size.to_ne_bytes());
            writer.bytes(&[9; 24]);
            writer.publish();
            assert_eq!(drained(&mut ring), (vec![(0, 24, 7)], 32), "size {size}");
            writer.record(24, 8);
            writer.publish();
            assert_eq!(drained(&mut ring), (vec![(56, 24, 8)], 0), "it goes on after {size}");
        }
        let (mut writer, mut ring) = Writer::new(1);
        writer.record(24, 7);
        writer.head = 3 * ring.size() as u64;
        writer.publish();
        assert_eq!(drained(&mut ring), (Vec::new(), 3 * ring.size() as u64));
        writer.record(24, 8);
        writer.bytes(&[1; 5]);
        writer.publish();
        let (records, broken) = drained(&mut ring);
        assert_eq!((records.len(), broken), (1, 5), "a head in the middle of a record");
    }

    #[test]
    fn a_ring_moves_to_another_thread_and_is_unmapped_when_dropped() {
        let maps = || std::fs::read_to_string("/proc/self/maps").unwrap();
        let (mut writer, mut ring) = Writer::new(4);
        let address = format!("{:x}-", ring.page.as_ptr().addr());
        assert!(maps().contains(&address));
        writer.record(24, 3);
        writer.publish();
        let records = std::thread::spawn(move || drained(&mut ring).0).join().unwrap();
        assert_eq!(records, [(0, 24, 3)]);
        let kept = maps().lines().any(|m| m.contains(&address) && m.contains("memfd:ring"));
        assert!(!kept, "the mapping is gone");
    }

    #[test]
    fn every_descriptor_stays_out_of_executed_programs() {
        let attr = perf_event_attr {
            type_: sys::bindings::PERF_TYPE_SOFTWARE,
            config: sys::bindings::PERF_COUNT_SW_TASK_CLOCK.into(),
            ..Default::default()
        };
        let mut attr = attr;
        attr.set_exclude_kernel(1);
        let event = match open(&attr, Who::Task(0), None) {
            Ok(event) => event,
            Err(errno) => return eprintln!("SKIPPED close-on-exec: perf_event_open: {errno}"),
        };
        let counter = perf_event::Builder::new()
            .kind(perf_event::events::Software::TASK_CLOCK)
            .build()
            .unwrap();
        for fd in [event, adopt(counter).unwrap()] {
            let flags = rustix::io::fcntl_getfd(&fd).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
    }
}
