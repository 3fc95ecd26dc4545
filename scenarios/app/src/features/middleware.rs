//! Layers around one small handler, each alone and all together: the cost of a layer is the
//! difference to `none`.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use axum::extract::{Extension, OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::lock;
use super::ring_buffer::RingBuffer;
use crate::error_response::ErrorResponse;
use crate::router::AppState;
use crate::storage::hexadecimal;

const AUTHORIZATION: &str = "Bearer let-me-in";
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const NUMBER: HeaderName = HeaderName::from_static("x-number");
const DIGEST: HeaderName = HeaderName::from_static("x-body-sha256");
/// Longest text of a client in a line.
const TEXT_MAX: usize = 100;
const BODY_MAX: usize = 64 << 10;

/// The newest lines of the log.
pub(super) struct Lines(RingBuffer<Line>);

/// The log entry of a request.
#[derive(Clone, Serialize)]
struct Line {
    id: String,
    method: String,
    path: String,
    status: u16,
    micros: u64,
}

/// The result of processing a request.
#[derive(Clone, Copy)]
struct Number(i64);

impl Default for Lines {
    fn default() -> Self {
        Self(RingBuffer::new(100))
    }
}

pub(super) fn routes(app: &Arc<AppState>) -> Router<Arc<AppState>> {
    let log = from_fn_with_state(app.clone(), log);
    let auth = from_fn(check_auth);
    let process = from_fn(process);
    let all = get(answer).layer(process.clone()).layer(auth.clone()).layer(log.clone());
    Router::new()
        .route("/none", get(answer))
        .route("/auth", get(answer).layer(auth))
        .route("/logging", get(answer).layer(log))
        .route("/processing", get(answer).layer(process))
        .route("/all", all)
        .route("/lines", get(lines))
}

async fn answer(number: Option<Extension<Number>>) -> Json<Value> {
    let number = number.map(|Extension(Number(number))| number);
    Json(json!({ "message": "through", "number": number }))
}

async fn lines(State(app): State<Arc<AppState>>) -> Json<Vec<Line>> {
    Json(lock(&app.features.lines).0.iter().cloned().collect())
}

/// Only requests with the right word.
async fn check_auth(request: Request, next: Next) -> Result<Response, ErrorResponse> {
    let given = request.headers().get(header::AUTHORIZATION);
    if given.is_none_or(|given| given != AUTHORIZATION) {
        return Err(ErrorResponse::Unauthorized("send `Authorization: Bearer let-me-in`"));
    }
    Ok(next.run(request).await)
}

/// Give each request an id, or keep its own, and log its result.
async fn log(
    State(app): State<Arc<AppState>>,
    OriginalUri(uri): OriginalUri,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let [method, path] = [request.method().as_str(), uri.path()].map(start_of);
    let id = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).map(start_of);
    let mut answer = next.run(request).await;
    let micros = begun.elapsed().as_micros() as u64;
    let id = {
        let Lines(lines) = &mut *lock(&app.features.lines);
        let id = id.unwrap_or_else(|| format!("request-{}", lines.next()));
        let status = answer.status().as_u16();
        lines.push(Line { id: id.clone(), method, path, status, micros });
        id
    };
    // A value from a header, or made of digits, is valid in one.
    if let Ok(id) = HeaderValue::try_from(id) {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    answer
}

/// Before the handler a header becomes a number; after it the body gets its digest.
async fn process(mut request: Request, next: Next) -> Result<Response, ErrorResponse> {
    let number = number_of(request.headers())?;
    request.extensions_mut().insert(Number(number));
    let (mut head, body) = next.run(request).await.into_parts();
    let Ok(bytes) = to_bytes(body, BODY_MAX).await else {
        // No answer here is that large.
        return Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response());
    };
    if let Ok(digest) = HeaderValue::try_from(hexadecimal(&Sha256::digest(&bytes))) {
        head.headers.insert(DIGEST, digest);
    }
    Ok(Response::from_parts(head, Body::from(bytes)))
}

fn number_of(headers: &HeaderMap) -> Result<i64, ErrorResponse> {
    let Some(given) = headers.get(NUMBER) else { return Ok(0) };
    let number = given.to_str().ok().and_then(|digits| digits.trim().parse().ok());
    number.ok_or_else(|| ErrorResponse::Invalid("give a whole number in x-number".to_owned()))
}

fn start_of(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}
