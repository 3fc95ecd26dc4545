//! The sizes of a ring's completion queue and buffers: by the number of completions that the kernel
//! may post within one call, which depends on its version.

/// The parts of a kernel's version that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KernelVersion {
    major: u16,
    minor: u16,
}

/// Submissions queued at most; each completes at most once while it is submitted, and a
/// cancellation has one other operation complete.
pub(crate) const SUBMISSIONS_MAX: u32 = 256;
/// Both queues are used in turn from end to end, so all of their memory is touched: they are kept
/// small enough for the L1 and L2 caches. 32 KiB.
const COMPLETIONS_MIN: u32 = 2_048;
/// The kernel's maximum (`IORING_MAX_CQ_ENTRIES`).
const COMPLETIONS_MAX: u32 = 65_536;
/// Most memory of receive buffers: they are used in turn too.
const BUFFER_BYTES_MAX: u32 = 2 << 20;

impl KernelVersion {
    /// From this version on, one call runs at most 40 pieces of task work
    /// (`IO_LOCAL_TW_DEFAULT_MAX`, Linux f46b9cdb22f7); before, all of it.
    const WORK_IS_BOUNDED: Self = Self::new(6, 13);

    /// Version `major.minor`.
    pub(crate) const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The running kernel's. An unknown form counts as old.
    pub(crate) fn running() -> Self {
        let name = rustix::system::uname();
        Self::of(&name.release().to_string_lossy()).unwrap_or(Self::new(0, 0))
    }

    /// From a release such as `6.12.3-amd64`.
    fn of(release: &str) -> Option<Self> {
        let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        Some(Self { major: parts.next()?.ok()?, minor: parts.next()?.ok()? })
    }

    fn bounds_work(self) -> bool {
        self >= Self::WORK_IS_BOUNDED
    }
}

/// Receive buffers for so many connections, a power of two, at least `least`. If all connections
/// may be served within one call, a buffer for each, within the limit of memory: a connection
/// without a buffer has to be served again.
pub(crate) fn buffers(version: KernelVersion, slots: u32, least: u16, size: u32) -> u16 {
    if version.bounds_work() {
        return least;
    }
    let most = (BUFFER_BYTES_MAX / size.max(1)).max(u32::from(least));
    // At most the 32,768 that the kernel accepts, so it fits.
    slots.clamp(u32::from(least), most.min(1 << 15)).next_power_of_two() as u16
}

/// Completions that one call may post, and so the entries of a queue that is emptied before each
/// call.
pub(crate) fn completions(version: KernelVersion, slots: u32, buffers: u16) -> u32 {
    // Receives with bytes take a buffer each, so there are at most that many.
    let always = 2 * SUBMISSIONS_MAX + u32::from(buffers);
    // Besides, a connection may have the end of its receive and that of a send or connect.
    let work = if version.bounds_work() { 40 } else { slots.saturating_mul(2) };
    let posted = always.saturating_add(work).clamp(COMPLETIONS_MIN, COMPLETIONS_MAX);
    posted.next_power_of_two()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_as_kernels_and_distributions_write_them() {
        for (release, version) in [
            ("6.18.44-fc-v669", Some((6, 18))),
            ("5.15.0-105-generic", Some((5, 15))),
            ("6.13-rc1", Some((6, 13))),
            ("6.12.0+deb13-amd64", Some((6, 12))),
            ("10.0", Some((10, 0))),
            ("6", None),
            ("", None),
            ("next-20260101", None),
        ] {
            let version = version.map(|(major, minor)| KernelVersion::new(major, minor));
            assert_eq!(KernelVersion::of(release), version, "{release}");
        }
        assert!(KernelVersion::running() >= KernelVersion::new(5, 19), "this one is read too");
    }

    #[test]
    fn queues_hold_what_one_call_posts_by_version_and_connections() {
        let (old, last, bounded) = ((5, 19), (6, 12), (6, 13));
        for (version, slots, completions_wanted, small, records) in [
            (bounded, 1, 2_048, 128, 64),
            (bounded, 64, 2_048, 128, 64),
            (bounded, 1_000_000, 2_048, 128, 64),
            ((7, 0), 9_000, 2_048, 128, 64),
            (last, 1, 2_048, 128, 64),
            (last, 64, 2_048, 128, 64),
            (last, 512, 2_048, 512, 128),
            (last, 1_024, 4_096, 1_024, 128),
            (last, 9_000, 32_768, 1_024, 128),
            // The maximum: completions that do not fit are counted.
            (last, 1_000_000, 65_536, 1_024, 128),
            (last, u32::MAX, 65_536, 1_024, 128),
            (old, 9_000, 32_768, 1_024, 128),
        ] {
            let version = KernelVersion::new(version.0, version.1);
            let case = format!("{version:?}, {slots} connections");
            assert_eq!(buffers(version, slots, 128, 2_048), small, "{case}");
            assert_eq!(buffers(version, slots, 64, 16_384), records, "{case}");
            assert_eq!(completions(version, slots, small), completions_wanted, "{case}");
        }
    }
}
