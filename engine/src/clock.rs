//! The only place that reads the operating system's clock.

use rustix::time::{ClockId, clock_gettime};
use uringbench_core::time::Timestamp;

/// The time of `CLOCK_MONOTONIC` (the profiler's samples use the same clock). Through the vDSO this
/// costs some 20 ns and no system call if the clock source is the TSC.
#[inline]
pub(crate) fn now() -> Timestamp {
    let time = clock_gettime(ClockId::Monotonic);
    // Monotonic time is never negative and 64 bits of nanoseconds last 584 years.
    Timestamp(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Milliseconds since 1970 (UTC) at the zero of [`now`], according to the system's clock.
pub(crate) fn epoch() -> u64 {
    let today = clock_gettime(ClockId::Realtime);
    let unix_ms = today.tv_sec as u64 * 1_000 + today.tv_nsec as u64 / 1_000_000;
    unix_ms.saturating_sub(now().0 / 1_000_000)
}
