//! Waiting: only time, many at once, one after another, and with work in between.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::error_response::ErrorResponse;
use crate::extract::{QueryParams, check_range};
use crate::router::AppState;
use crate::storage::hexadecimal;

const TASKS_MAX: u64 = 100;
const WAIT_MAX_MS: u64 = 10_000;

/// How many wait how long.
#[derive(Deserialize)]
struct Plan {
    #[serde(default = "ten")]
    tasks: u64,
    #[serde(default = "one")]
    ms: u64,
}

/// A wait and its bound.
#[derive(Deserialize)]
struct Bounded {
    ms: u64,
    limit_ms: u64,
}

const fn ten() -> u64 {
    10
}

const fn one() -> u64 {
    1
}

impl Plan {
    fn checked(self) -> Result<(u64, Duration), ErrorResponse> {
        let tasks = check_range("tasks", self.tasks, 1, TASKS_MAX)?;
        Ok((tasks, wait_of(self.ms)?))
    }
}

fn wait_of(ms: u64) -> Result<Duration, ErrorResponse> {
    check_range("ms", ms, 0, WAIT_MAX_MS).map(Duration::from_millis)
}

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/sleep", get(wait))
        .route("/concurrent", get(concurrent))
        .route("/sequential", get(sequential))
        .route("/mixed", get(mixed))
        .route("/timeout", get(bounded))
}

async fn wait(QueryParams(plan): QueryParams<Plan>) -> Result<Json<Value>, ErrorResponse> {
    sleep(wait_of(plan.ms)?).await;
    Ok(Json(json!({ "slept_ms": plan.ms })))
}

/// Separate tasks, which other workers may run.
async fn concurrent(QueryParams(plan): QueryParams<Plan>) -> Result<Json<Value>, ErrorResponse> {
    let (count, length) = plan.checked()?;
    let mut tasks = (0..count).map(|number| square(number, length)).collect::<JoinSet<_>>();
    let mut sum = 0;
    // They neither panic nor are they cancelled, unless the application ends.
    while let Some(Ok(square)) = tasks.join_next().await {
        sum += square;
    }
    Ok(Json(json!({ "tasks": count, "sum": sum })))
}

/// The same, one after another.
async fn sequential(QueryParams(plan): QueryParams<Plan>) -> Result<Json<Value>, ErrorResponse> {
    let (count, length) = plan.checked()?;
    let mut sum = 0;
    for number in 0..count {
        sum += square(number, length).await;
    }
    Ok(Json(json!({ "tasks": count, "sum": sum })))
}

/// Waits with work between them.
async fn mixed(QueryParams(plan): QueryParams<Plan>) -> Result<Json<Value>, ErrorResponse> {
    let (count, length) = plan.checked()?;
    let mut digest = Sha256::digest(b"uringbench");
    for _ in 0..count {
        sleep(length).await;
        digest = Sha256::digest(digest);
    }
    Ok(Json(json!({ "rounds": count, "digest": hexadecimal(&digest) })))
}

/// Abort a wait that takes too long.
async fn bounded(
    QueryParams(plan): QueryParams<Bounded>,
) -> Result<(StatusCode, Json<Value>), ErrorResponse> {
    let limit = check_range("limit_ms", plan.limit_ms, 1, WAIT_MAX_MS)?;
    Ok(match timeout(Duration::from_millis(limit), sleep(wait_of(plan.ms)?)).await {
        Ok(()) => (StatusCode::OK, Json(json!({ "slept_ms": plan.ms }))),
        Err(_) => {
            let cause = format!("given up after {limit} ms");
            (StatusCode::GATEWAY_TIMEOUT, Json(json!({ "error": cause })))
        }
    })
}

async fn square(number: u64, length: Duration) -> u64 {
    if !length.is_zero() {
        sleep(length).await;
    }
    number * number
}
