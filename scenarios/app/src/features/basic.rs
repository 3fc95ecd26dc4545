//! Basic requests: text, JSON in and out, routes with parameters.

use std::sync::Arc;

use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::extract::{JsonBody, PathParams, QueryParams};
use crate::router::AppState;

/// A small object.
#[derive(Deserialize)]
struct Numbers {
    name: String,
    numbers: Vec<i64>,
}

/// The visible part of a list.
#[derive(Deserialize)]
struct Window {
    #[serde(default)]
    skip: u32,
    #[serde(default = "ten")]
    limit: u32,
}

const fn ten() -> u32 {
    10
}

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/hello", get(async || "hello, world"))
        .route("/json", get(small).post(sum))
        .route("/hello/{name}", get(greet))
        .route("/users/{user}/posts/{post}", get(route))
}

async fn small() -> Json<Value> {
    Json(json!({ "message": "hello, world", "number": 42, "list": [1, 2, 3] }))
}

/// Sums wrap around: the test is of reading and writing, not of arithmetic.
async fn sum(JsonBody(given): JsonBody<Numbers>) -> Json<Value> {
    let sum = given.numbers.iter().fold(0, |sum: i64, number| sum.wrapping_add(*number));
    Json(json!({ "name": given.name, "count": given.numbers.len(), "sum": sum }))
}

async fn greet(PathParams(name): PathParams<String>) -> Json<Value> {
    Json(json!({ "hello": name }))
}

async fn route(
    PathParams((user, post)): PathParams<(u64, u64)>,
    QueryParams(window): QueryParams<Window>,
) -> Json<Value> {
    Json(json!({ "user": user, "post": post, "skip": window.skip, "limit": window.limit }))
}
