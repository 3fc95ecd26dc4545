//! Pages touched for the first time and never freed: the origin of memory that stays.
//!
//! Every page fault on an anonymous page shows the stack that grew the process. A page that is
//! unmapped and mapped again faults again, so the last fault of an address counts, and a page that
//! is missing at the end (`/proc/PID/pagemap`) was freed. No call of `free` has to be traced.
//! Memory is bounded: above [`PAGES_MAX`] every second page is dropped and the others count double.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustc_hash::FxHashMap;
use uringbench_core::time::Timestamp;

use crate::sample::{Sample, SampleKind};
use crate::stack::StackId;

/// Pages kept at a time: about 24 MiB.
pub const PAGES_MAX: usize = 1 << 19;

/// Pages by address, each with its first touch.
#[derive(Debug)]
pub struct PageFaults {
    pages: FxHashMap<Page, Touch>,
    page_bytes: u64,
    /// One page in 2^this is kept.
    thinning: u32,
    pages_max: usize,
    seen: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Page {
    pid: u32,
    number: u64,
}

#[derive(Clone, Copy, Debug)]
struct Touch {
    time: Timestamp,
    tid: u32,
    stack: StackId,
}

/// Pages that still exist, as samples whose weight is bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LivePages {
    /// One for each page kept, in order of time.
    pub samples: Vec<Sample>,
    /// The bytes they represent.
    pub bytes: u64,
    /// Processes whose pages could not be read, and why.
    pub unread: Vec<(u32, String)>,
}

impl PageFaults {
    /// Empty; a page has this many bytes.
    pub fn new(page_bytes: u64) -> Self {
        Self::with_limit(page_bytes, PAGES_MAX)
    }

    fn with_limit(page_bytes: u64, pages_max: usize) -> Self {
        Self { pages: FxHashMap::default(), page_bytes, thinning: 0, pages_max, seen: 0 }
    }

    /// A new page was touched.
    pub fn note(&mut self, touched: &Sample, address: u64) {
        self.seen += 1;
        let page = Page { pid: touched.pid, number: address / self.page_bytes };
        if !self.is_kept(page) {
            return;
        }
        let Sample { time, tid, stack, .. } = *touched;
        self.pages.insert(page, Touch { time, tid, stack });
        while self.pages.len() > self.pages_max {
            self.thinning += 1;
            let thinning = self.thinning;
            self.pages.retain(|page, _| is_kept(*page, thinning));
        }
    }

    /// A process has ended or runs another program: its pages are freed.
    pub fn forget(&mut self, pid: u32) {
        self.pages.retain(|page, _| page.pid != pid);
    }

    /// First touches seen.
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// Those touched from `from` until before `to` that still exist. `presence` opens a process's
    /// page map.
    pub fn live_pages(
        &self,
        from: Timestamp,
        to: Timestamp,
        mut presence: impl FnMut(u32) -> io::Result<PageMap>,
    ) -> LivePages {
        let mut pages: Vec<(Page, Touch)> = self
            .pages
            .iter()
            .filter(|(_, touch)| (from..to).contains(&touch.time))
            .map(|(&page, &touch)| (page, touch))
            .collect();
        pages.sort_unstable_by_key(|(page, _)| (page.pid, page.number));
        let weight = self.page_bytes << self.thinning;
        let mut live_pages = LivePages::default();
        for of_process in pages.chunk_by(|(a, _), (b, _)| a.pid == b.pid) {
            let pid = of_process[0].0.pid;
            let mut map = match presence(pid) {
                Ok(map) => map,
                Err(why) => {
                    live_pages.unread.push((pid, why.to_string()));
                    continue;
                }
            };
            for (page, touch) in of_process {
                if map.is_private_and_there(page.number) {
                    live_pages.bytes += weight;
                    live_pages.samples.push(touch.sample(pid, weight));
                }
            }
        }
        live_pages.samples.sort_unstable_by_key(|sample| sample.time);
        live_pages
    }

    fn is_kept(&self, page: Page) -> bool {
        is_kept(page, self.thinning)
    }
}

/// By a hash of the page number, since heaps grow page by page. (Multiplier: Knuth, TAOCP 3, 6.4.)
const fn is_kept(page: Page, thinning: u32) -> bool {
    let mixed = (page.number ^ ((page.pid as u64) << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    thinning == 0 || mixed >> (64 - thinning) == 0
}

impl Touch {
    const fn sample(&self, pid: u32, weight: u64) -> Sample {
        let Self { time, tid, stack } = *self;
        Sample { time, cpu: 0, pid, tid, kind: SampleKind::FirstTouch, weight, stack }
    }
}

/// A process's page map (`Documentation/admin-guide/mm/pagemap.rst`).
#[derive(Debug)]
pub struct PageMap {
    file: File,
    /// Number of the first page read ahead, and the entries.
    from: u64,
    entries: Vec<u8>,
}

/// Entries read at a time: pages are looked up in order.
const READ_AHEAD: usize = 512;
/// Bit 63: in memory. Bit 62: swapped out. Bit 61: of a file, or shared.
const IN_MEMORY: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_FILE: u64 = 1 << 61;

impl PageMap {
    /// The page map of a process.
    ///
    /// # Errors
    /// The process has ended, or may not be read (`ptrace` access).
    pub fn open(pid: u32) -> io::Result<Self> {
        let file = File::open(format!("/proc/{pid}/pagemap"))?;
        Ok(Self { file, from: 0, entries: Vec::new() })
    }

    /// Whether a page is in memory or swapped out, and belongs to no file.
    fn is_private_and_there(&mut self, number: u64) -> bool {
        let entry = self.entry(number).unwrap_or(0);
        entry & (IN_MEMORY | SWAPPED) != 0 && entry & OF_FILE == 0
    }

    /// The private bytes of a range of addresses that are in memory or swapped out.
    pub(crate) fn private_bytes(&mut self, range: std::ops::Range<u64>) -> u64 {
        let page = rustix::param::page_size() as u64;
        let pages = range.start / page..range.end / page;
        pages.filter(|&number| self.is_private_and_there(number)).count() as u64 * page
    }

    fn entry(&mut self, number: u64) -> Option<u64> {
        let is_read = number >= self.from && number - self.from < (self.entries.len() / 8) as u64;
        if !is_read {
            self.entries.resize(READ_AHEAD * 8, 0);
            let read = self.file.read_at(&mut self.entries, number.checked_mul(8)?).unwrap_or(0);
            self.entries.truncate(read);
            self.from = number;
        }
        let at = usize::try_from(number - self.from).ok()? * 8;
        let bytes = self.entries.get(at..at + 8)?;
        Some(u64::from_ne_bytes(bytes.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = 4_096;

    fn touch(pid: u32, time: u64, stack: u32) -> Sample {
        Touch { time: Timestamp(time), tid: pid, stack: StackId(stack) }.sample(pid, PAGE)
    }

    /// Pages of this process that exist, and one that never did.
    fn own_pages(count: usize) -> (Vec<u8>, Vec<u64>) {
        let memory = vec![1u8; (count + 1) * PAGE as usize];
        let first = (memory.as_ptr() as u64).div_ceil(PAGE) * PAGE;
        let pages = (0..count as u64).map(|page| first + page * PAGE).collect();
        (memory, pages)
    }

    #[test]
    fn what_is_still_there_survives_with_its_last_stack() {
        let (memory, pages) = own_pages(3);
        let pid = std::process::id();
        let mut touches = PageFaults::new(PAGE);
        touches.note(&touch(pid, 10, 1), pages[0]);
        touches.note(&touch(pid, 20, 2), pages[0] + 17);
        touches.note(&touch(pid, 30, 3), pages[1]);
        touches.note(&touch(pid, 90, 4), pages[2]);
        // No process has a page at address 0.
        touches.note(&touch(pid, 40, 5), 0);
        let found = touches.live_pages(Timestamp(0), Timestamp(90), PageMap::open);
        let stacks: Vec<u32> = found.samples.iter().map(|sample| sample.stack.0).collect();
        assert_eq!((stacks, found.bytes), (vec![2, 3], 2 * PAGE));
        assert_eq!(touches.seen(), 5);
        touches.forget(pid);
        let gone = touches.live_pages(Timestamp(0), Timestamp(90), PageMap::open);
        assert_eq!(gone, LivePages::default());
        drop(memory);
    }

    #[test]
    fn a_process_that_is_gone_is_named() {
        let mut touches = PageFaults::new(PAGE);
        touches.note(&touch(u32::MAX - 1, 1, 1), PAGE);
        let found = touches.live_pages(Timestamp(0), Timestamp(9), PageMap::open);
        assert_eq!((found.samples.len(), found.unread.len()), (0, 1));
        assert_eq!(found.unread[0].0, u32::MAX - 1);
    }

    #[test]
    fn too_many_pages_are_thinned_and_their_sum_stays() {
        let (memory, pages) = own_pages(1_024);
        let pid = std::process::id();
        let mut touches = PageFaults::with_limit(PAGE, 256);
        for &page in &pages {
            touches.note(&touch(pid, 1, 1), page);
        }
        assert!(touches.pages.len() <= 256 && touches.thinning >= 2);
        let found = touches.live_pages(Timestamp(0), Timestamp(9), PageMap::open);
        let truth = 1_024.0 * PAGE as f64;
        // Binomial: at least 64 of 1,024 pages are kept, so 4 sigmas are half of the sum.
        assert!((found.bytes as f64 - truth).abs() < truth / 2.0, "{}", found.bytes);
        drop(memory);
    }
}
