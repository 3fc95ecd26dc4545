//! Faults on request, by switch: leaked memory, stalls, delays, errors, CPU time.
//!
//! `/health` and `/stats` are exempt, so that a run can still wait for the application and observe
//! it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rustix::time::{ClockId, Timespec, clock_gettime};
use serde_json::json;
use tokio::time::sleep;

use crate::extract::read_through;
use crate::router::AppState;
use crate::shootout::UPLOAD_MAX;

/// The faults; none by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// Bytes that each request leaks.
    pub leak_bytes: usize,
    /// When nothing is answered.
    pub stall: Option<Stall>,
    /// Delay of each request; rounded up to a millisecond.
    pub delay: Duration,
    /// The share of requests answered with status 500, 0 to 1, spread evenly.
    pub error_rate: f64,
    /// Additional CPU time of each request.
    pub burn: Duration,
}

/// A periodic pause: requests that arrive during it wait for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// How long it lasts, less than `every`.
    pub length: Duration,
    /// Time from one start to the next. The first starts after `every - length`.
    pub every: Duration,
}

/// The active switches.
pub(crate) struct FaultInjector {
    switches: Faults,
    started: Instant,
    leak: Mutex<Leak>,
    leaked_bytes: AtomicU64,
}

/// Memory that is never freed. It is cut from blocks, so that a request leaks exactly its bytes: an
/// allocation of its own would add the allocator's header and rounding.
#[derive(Default)]
struct Leak {
    full: Vec<Vec<u8>>,
    open: Vec<u8>,
}

const LEAK_BLOCK: usize = 1 << 20;

impl FaultInjector {
    pub(crate) fn new(switches: Faults) -> Self {
        Self {
            switches,
            started: Instant::now(),
            leak: Mutex::default(),
            leaked_bytes: AtomicU64::new(0),
        }
    }

    pub(crate) fn leaked_bytes(&self) -> u64 {
        self.leaked_bytes.load(Relaxed)
    }

    /// Inject the faults of this request before its handler runs. True if it must fail.
    async fn inject(&self, number: u64) -> bool {
        let switches = &self.switches;
        if switches.leak_bytes > 0 {
            self.remember_request();
        }
        if !switches.delay.is_zero() {
            sleep(switches.delay).await;
        }
        // After the delay, which may end in a stall.
        if let Some(rest) = switches.stall.and_then(|stall| stall.rest(self.started.elapsed())) {
            sleep(rest).await;
        }
        if !switches.burn.is_zero() {
            burn_cpu(switches.burn);
        }
        is_failing(number, switches.error_rate)
    }

    /// The leak. A function of its own, so that it has a name in a flame graph.
    #[inline(never)]
    fn remember_request(&self) {
        let bytes = self.switches.leak_bytes;
        // A panic in here cannot leave a block incomplete: the data is valid even if the lock is
        // poisoned.
        let mut leak = self.leak.lock().unwrap_or_else(PoisonError::into_inner);
        if leak.open.capacity() - leak.open.len() < bytes {
            let block = Vec::with_capacity(bytes.max(LEAK_BLOCK));
            let full = std::mem::replace(&mut leak.open, block);
            leak.full.push(full);
        }
        let length = leak.open.len() + bytes;
        // Written, not only reserved: memory that was never written is not resident.
        leak.open.resize(length, 1);
        self.leaked_bytes.fetch_add(bytes as u64, Relaxed);
    }
}

impl Stall {
    /// The rest of the stall at this time since the start, if there is one.
    fn rest(self, elapsed: Duration) -> Option<Duration> {
        let every = self.every.as_nanos().max(1);
        let to_next_round = every - elapsed.as_nanos() % every;
        let is_stalled = to_next_round <= self.length.as_nanos();
        // Less than `every`, which was a duration: it fits.
        is_stalled.then(|| Duration::from_nanos(to_next_round as u64))
    }
}

/// Whether the request with this number is in the failing share. Spread evenly, so that the share
/// is exact after few requests, and the same in each run.
fn is_failing(number: u64, rate: f64) -> bool {
    let failures = |requests: u64| (requests as f64 * rate) as u64;
    failures(number + 1) > failures(number)
}

/// Use CPU time. A function of its own, so that it has a name in a flame graph.
#[inline(never)]
fn burn_cpu(length: Duration) {
    let now = || thread_time(clock_gettime(ClockId::ThreadCPUTime));
    let end = now() + length;
    while now() < end {
        std::hint::spin_loop();
    }
}

/// A clock of the kernel never shows a time before its start.
fn thread_time(time: Timespec) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The layer in front of every route: counts requests, injects faults, calls the handler.
pub(crate) async fn layer(
    State(app): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    if matches!(request.uri().path(), "/health" | "/stats") {
        return next.run(request).await;
    }
    let number = app.stats.begin();
    let answer = if app.faults.inject(number).await {
        // An answer before the end of the body would be lost with the connection.
        let _discarded = read_through(request.into_body(), UPLOAD_MAX, |_| {}).await;
        let body = Json(json!({ "error": "failed on purpose, see --error-rate" }));
        (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
    } else {
        next.run(request).await
    };
    app.stats.end(answer.status());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_meet_their_share_exactly() {
        for (rate, expected) in [(0.0, 0), (0.01, 10), (0.25, 250), (1.0, 1_000)] {
            let failures = (0..1_000).filter(|&number| is_failing(number, rate)).count();
            assert_eq!(failures, expected, "of 1,000 at {rate}");
        }
    }

    #[test]
    fn a_stall_ends_each_round() {
        let stall =
            Stall { length: Duration::from_millis(200), every: Duration::from_millis(1_000) };
        let rest = |at| stall.rest(Duration::from_millis(at)).map(|rest| rest.as_millis());
        assert_eq!(rest(0), None);
        assert_eq!(rest(799), None);
        assert_eq!(rest(800), Some(200));
        assert_eq!(rest(1_950), Some(50));
        assert_eq!(rest(2_000), None);
    }

    #[test]
    fn burning_takes_cpu_time() {
        let before = thread_time(clock_gettime(ClockId::ThreadCPUTime));
        burn_cpu(Duration::from_millis(5));
        let after = thread_time(clock_gettime(ClockId::ThreadCPUTime));
        assert!(after - before >= Duration::from_millis(5));
    }
}
