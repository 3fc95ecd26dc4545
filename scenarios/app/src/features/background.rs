//! Background tasks: accepted at once, done by workers in order of priority.
//!
//! A full queue refuses, so that memory stays bounded however fast tasks arrive.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::lock;
use super::ring_buffer::RingBuffer;
use crate::error_response::ErrorResponse;
use crate::extract::{JsonBody, PathParams, check_range};
use crate::router::AppState;
use crate::storage::hexadecimal;

/// Most waiting tasks.
const QUEUE_MAX: usize = 10_000;
/// Most known tasks, the newest: those that wait, and about as many that are done.
const KNOWN_MAX: usize = 20_000;
const PRIORITY_MAX: u8 = 9;
const ROUNDS_MAX: u32 = 10_000;
const WAIT_MAX_MS: u64 = 10_000;
const FULL: ErrorResponse = ErrorResponse::Busy("the queue is full, send tasks later");
/// Tasks that a worker does before it lets requests run.
const TURN_TASKS: u32 = 64;
const TURN_ROUNDS: u32 = ROUNDS_MAX;

/// A task's work.
#[derive(Clone, Copy, Deserialize)]
struct Task {
    /// 0 to 9; the highest comes first.
    #[serde(default = "middle")]
    priority: u8,
    /// Work: this many SHA-256 in a row.
    #[serde(default)]
    rounds: u32,
    /// Waiting, as for a peer, before the work.
    #[serde(default)]
    wait_ms: u64,
}

/// Many of the same.
#[derive(Deserialize)]
struct Batch {
    count: usize,
    #[serde(flatten)]
    task: Task,
}

const fn middle() -> u8 {
    5
}

/// The tasks of the application.
#[derive(Default)]
pub(super) struct Jobs {
    board: Mutex<Board>,
    arrived: Notify,
}

struct Board {
    /// By priority, then by age.
    queue: BinaryHeap<(u8, Reverse<u64>, Waiting)>,
    known: RingBuffer<Known>,
    waiting: [usize; PRIORITY_MAX as usize + 1],
    running: usize,
    done: u64,
    refused: u64,
}

/// The part a worker needs. Numbers are unique, so comparisons never get past them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    rounds: u32,
    wait_ms: u64,
}

#[derive(Clone, Copy)]
struct Known {
    priority: u8,
    state: Progress,
}

#[derive(Clone, Copy)]
enum Progress {
    Queued,
    Running,
    /// Its place among the done ones, from 1.
    Done(u64),
}

impl Default for Board {
    fn default() -> Self {
        Self {
            queue: BinaryHeap::new(),
            known: RingBuffer::new(KNOWN_MAX),
            waiting: Default::default(),
            running: 0,
            done: 0,
            refused: 0,
        }
    }
}

impl Task {
    fn check(&self) -> Result<(), ErrorResponse> {
        check_range("priority", self.priority, 0, PRIORITY_MAX)?;
        check_range("rounds", self.rounds, 0, ROUNDS_MAX)?;
        check_range("wait_ms", self.wait_ms, 0, WAIT_MAX_MS)?;
        Ok(())
    }
}

impl Board {
    /// Accept `count` tasks, or none if they do not all fit: returns the first one's number.
    fn add(&mut self, task: Task, count: usize) -> Option<u64> {
        if self.queue.len() + count > QUEUE_MAX {
            self.refused += count as u64;
            return None;
        }
        let first = self.known.next();
        let Task { priority, rounds, wait_ms } = task;
        for _ in 0..count {
            let number = self.known.push(Known { priority, state: Progress::Queued });
            self.queue.push((priority, Reverse(number), Waiting { rounds, wait_ms }));
        }
        self.waiting[usize::from(priority)] += count;
        Some(first)
    }

    fn take(&mut self) -> Option<(u64, Waiting)> {
        let (priority, Reverse(number), work) = self.queue.pop()?;
        self.waiting[usize::from(priority)] -= 1;
        self.running += 1;
        self.note(number, Progress::Running);
        Some((number, work))
    }

    fn finish(&mut self, number: u64) {
        self.running -= 1;
        self.done += 1;
        self.note(number, Progress::Done(self.done));
    }

    /// A task that waited while many others came and went is no longer known.
    fn note(&mut self, number: u64, state: Progress) {
        if let Some(known) = self.known.get_mut(number) {
            known.state = state;
        }
    }
}

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/tasks", post(create))
        .route("/tasks/{task}", get(show))
        .route("/batch", post(create_many))
        .route("/run", post(run))
        .route("/monitor", get(monitor))
}

async fn create(
    State(app): State<Arc<AppState>>,
    JsonBody(task): JsonBody<Task>,
) -> Result<(StatusCode, Json<Value>), ErrorResponse> {
    task.check()?;
    let jobs = &app.features.jobs;
    let number = lock(&jobs.board).add(task, 1).ok_or(FULL)?;
    jobs.arrived.notify_one();
    Ok((StatusCode::ACCEPTED, Json(json!({ "task": number, "status": "queued" }))))
}

async fn create_many(
    State(app): State<Arc<AppState>>,
    JsonBody(batch): JsonBody<Batch>,
) -> Result<(StatusCode, Json<Value>), ErrorResponse> {
    batch.task.check()?;
    let count = check_range("count", batch.count, 1, QUEUE_MAX)?;
    let jobs = &app.features.jobs;
    let first = lock(&jobs.board).add(batch.task, count).ok_or(FULL)?;
    jobs.arrived.notify_waiters();
    jobs.arrived.notify_one();
    Ok((StatusCode::ACCEPTED, Json(json!({ "first": first, "count": count }))))
}

async fn show(
    State(app): State<Arc<AppState>>,
    PathParams(number): PathParams<u64>,
) -> Result<Json<Value>, ErrorResponse> {
    let known = lock(&app.features.jobs.board).known.get(number).copied();
    let known = known.ok_or(ErrorResponse::NotFound("task, or it is long done"))?;
    let (status, place) = match known.state {
        Progress::Queued => ("queued", None),
        Progress::Running => ("running", None),
        Progress::Done(place) => ("done", Some(place)),
    };
    let priority = known.priority;
    Ok(Json(json!({ "task": number, "priority": priority, "status": status, "place": place })))
}

/// The same work while the client waits.
async fn run(JsonBody(task): JsonBody<Task>) -> Result<Json<Value>, ErrorResponse> {
    task.check()?;
    let digest = execute(Waiting { rounds: task.rounds, wait_ms: task.wait_ms }).await;
    Ok(Json(json!({ "status": "done", "digest": digest })))
}

async fn monitor(State(app): State<Arc<AppState>>) -> Json<Value> {
    let board = lock(&app.features.jobs.board);
    Json(json!({
        "queued": board.queue.len(),
        "running": board.running,
        "done": board.done,
        "refused": board.refused,
        "queued_by_priority": board.waiting,
    }))
}

/// Do the tasks, for as long as the application lives.
pub(crate) async fn work(app: Arc<AppState>) {
    let jobs = &app.features.jobs;
    let (mut tasks, mut rounds) = (0, 0);
    loop {
        // The guard goes before the wait.
        let next = lock(&jobs.board).take();
        let Some((number, work)) = next else {
            jobs.arrived.notified().await;
            continue;
        };
        execute(work).await;
        lock(&jobs.board).finish(number);
        tasks += 1;
        rounds += work.rounds;
        if tasks >= TURN_TASKS || rounds >= TURN_ROUNDS {
            (tasks, rounds) = (0, 0);
            yield_now().await;
        }
    }
}

async fn execute(work: Waiting) -> String {
    if work.wait_ms > 0 {
        sleep(Duration::from_millis(work.wait_ms)).await;
    }
    let mut digest = Sha256::digest(b"uringbench");
    for _ in 0..work.rounds {
        digest = Sha256::digest(digest);
    }
    hexadecimal(&digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(priority: u8) -> Task {
        Task { priority, rounds: 0, wait_ms: 0 }
    }

    #[test]
    fn the_highest_priority_comes_first_and_then_the_oldest() {
        let mut board = Board::default();
        for priority in [1, 9, 5, 9, 1] {
            board.add(task(priority), 1).expect("there is room");
        }
        let order = std::iter::from_fn(|| board.take().map(|(number, _)| number));
        assert_eq!(order.collect::<Vec<_>>(), [2, 4, 3, 1, 5]);
        assert_eq!((board.running, board.waiting), (5, [0; 10]));
    }

    #[test]
    fn a_full_queue_refuses_and_what_is_known_is_bounded() {
        let mut board = Board::default();
        assert_eq!(board.add(task(0), QUEUE_MAX), Some(1));
        assert_eq!(board.add(task(9), 1), None);
        assert_eq!(board.refused, 1);
        for _ in 0..=KNOWN_MAX {
            let (number, _) = board.take().expect("some wait");
            board.finish(number);
            board.add(task(9), 1).expect("one has gone");
        }
        assert!(board.known.get(2).is_none(), "it waits, but newer ones are known instead");
        assert_eq!((board.queue.len(), board.running), (QUEUE_MAX, 0));
        assert_eq!(board.done, KNOWN_MAX as u64 + 1);
    }
}
