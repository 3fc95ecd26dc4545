//! Analytics: events arrive, one or many at a time, and are summed at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::lock;
use crate::error_response::ErrorResponse;
use crate::extract::{JsonBody, check_range};
use crate::router::AppState;

const BATCH_MAX: usize = 1_000;
/// How many seconds are counted individually.
const SECONDS_KEPT: usize = 60;
/// In the order of [`Kind`].
const KINDS: [&str; 5] = ["view", "click", "search", "signup", "purchase"];

/// The events so far.
pub(super) struct Events {
    started: Instant,
    sums: [Sum; KINDS.len()],
    /// The newest seconds with events: the second since the start, and the count.
    seconds: VecDeque<(u64, u64)>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    View,
    Click,
    Search,
    Signup,
    Purchase,
}

#[derive(Deserialize)]
struct Event {
    kind: Kind,
    #[serde(default)]
    value: f64,
}

/// One or many.
#[derive(Deserialize)]
#[serde(untagged)]
enum Posted {
    One(Event),
    Many(Vec<Event>),
}

#[derive(Clone, Copy, Default)]
struct Sum {
    count: u64,
    total: f64,
    least: f64,
    most: f64,
}

impl Default for Events {
    fn default() -> Self {
        Self { started: Instant::now(), sums: Default::default(), seconds: VecDeque::new() }
    }
}

impl Events {
    fn add(&mut self, events: &[Event], now: Instant) {
        for event in events {
            self.sums[event.kind as usize].add(event.value);
        }
        let second = now.saturating_duration_since(self.started).as_secs();
        let count = events.len() as u64;
        match self.seconds.back_mut() {
            // Another worker may have read the clock later and got here first.
            Some((newest, so_far)) if *newest >= second => *so_far += count,
            _ => self.seconds.push_back((second, count)),
        }
        if self.seconds.len() > SECONDS_KEPT {
            self.seconds.pop_front();
        }
    }
}

impl Sum {
    fn add(&mut self, value: f64) {
        let is_first = self.count == 0;
        self.least = if is_first { value } else { self.least.min(value) };
        self.most = if is_first { value } else { self.most.max(value) };
        self.count += 1;
        self.total += value;
    }
}

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/events", post(take))
        .route("/summary", get(summary))
        .route("/seconds", get(seconds))
}

async fn take(
    State(app): State<Arc<AppState>>,
    JsonBody(posted): JsonBody<Posted>,
) -> Result<(StatusCode, Json<Value>), ErrorResponse> {
    let events = match posted {
        Posted::One(event) => vec![event],
        Posted::Many(events) => events,
    };
    check_range("events", events.len(), 1, BATCH_MAX)?;
    lock(&app.features.events).add(&events, Instant::now());
    Ok((StatusCode::ACCEPTED, Json(json!({ "accepted": events.len() }))))
}

async fn summary(State(app): State<Arc<AppState>>) -> Json<Value> {
    let sums = lock(&app.features.events).sums;
    let count: u64 = sums.iter().map(|sum| sum.count).sum();
    let of_kind = |(kind, sum): (&&str, &Sum)| {
        let mean = sum.total / sum.count.max(1) as f64;
        let figures =
            json!({ "count": sum.count, "min": sum.least, "max": sum.most, "mean": mean });
        ((*kind).to_owned(), figures)
    };
    let kinds: Map<_, _> = KINDS.iter().zip(&sums).map(of_kind).collect();
    Json(json!({ "events": count, "kinds": kinds }))
}

/// The counts of the newest seconds with events.
async fn seconds(State(app): State<Arc<AppState>>) -> Json<Value> {
    let events = lock(&app.features.events);
    let figures = |(second, count): &(u64, u64)| json!({ "second": second, "events": count });
    Json(events.seconds.iter().map(figures).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn seconds_are_counted_apart_and_the_oldest_go() {
        let mut events = Events::default();
        let start = events.started;
        let one = [Event { kind: Kind::View, value: 1.0 }];
        for second in [0, 0, 3, 2] {
            events.add(&one, start + Duration::from_secs(second));
        }
        assert_eq!(events.seconds, [(0, 2), (3, 2)]);
        for second in 4..100 {
            events.add(&one, start + Duration::from_secs(second));
        }
        assert_eq!(events.seconds.len(), SECONDS_KEPT);
        assert_eq!(events.seconds.front(), Some(&(40, 1)));
    }
}
