//! `/health` and `/stats`: the application's own figures.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::router::AppState;

/// Counts since the start. `/health` and `/stats` are left out, so that reading them changes
/// nothing.
pub(crate) struct Stats {
    started: Instant,
    requests: AtomicU64,
    errors: AtomicU64,
    refused: AtomicU64,
    background_begun: AtomicU64,
    background_done: AtomicU64,
    background_failed: AtomicU64,
}

impl Stats {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            background_begun: AtomicU64::new(0),
            background_done: AtomicU64::new(0),
            background_failed: AtomicU64::new(0),
        }
    }

    /// A request has arrived: its number, from 0.
    pub(crate) fn begin(&self) -> u64 {
        self.requests.fetch_add(1, Relaxed)
    }

    /// It was answered with this.
    pub(crate) fn end(&self, status: StatusCode) {
        if status.is_server_error() {
            self.errors.fetch_add(1, Relaxed);
        } else if status.is_client_error() {
            self.refused.fetch_add(1, Relaxed);
        }
    }

    /// A background task is accepted: its number, from 1; none if this many are in progress.
    pub(crate) fn begin_background(&self, most: u64) -> Option<u64> {
        let over = self.background_done.load(Relaxed) + self.background_failed.load(Relaxed);
        self.background_begun
            .fetch_update(Relaxed, Relaxed, |begun| {
                (begun.saturating_sub(over) < most).then_some(begun + 1)
            })
            .ok()
            .map(|begun| begun + 1)
    }

    /// A background task is over.
    pub(crate) fn end_background(&self, is_done: bool) {
        let count = if is_done { &self.background_done } else { &self.background_failed };
        count.fetch_add(1, Relaxed);
    }
}

pub(crate) async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

pub(crate) async fn show(State(app): State<Arc<AppState>>) -> Json<Value> {
    let stats = &app.stats;
    Json(json!({
        "requests": stats.requests.load(Relaxed),
        "errors": stats.errors.load(Relaxed),
        "refused": stats.refused.load(Relaxed),
        "uptime_s": stats.started.elapsed().as_secs_f64(),
        "rss_bytes": rss_bytes(),
        "leaked_bytes": app.faults.leaked_bytes(),
        "background": {
            "begun": stats.background_begun.load(Relaxed),
            "done": stats.background_done.load(Relaxed),
            "failed": stats.background_failed.load(Relaxed),
        },
    }))
}

/// Resident memory, or null if the kernel does not report it.
fn rss_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024)
}
