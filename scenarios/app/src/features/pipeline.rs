//! A file pipeline: a text is uploaded, processed in stages, and its result fetched.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::lock;
use super::ring_buffer::RingBuffer;
use crate::error_response::ErrorResponse;
use crate::extract::{PathParams, read_through};
use crate::router::AppState;
use crate::storage::hexadecimal;

/// Together at most 64 MiB.
const TEXTS_KEPT: usize = 256;
const TEXT_MAX: usize = 256 << 10;
const MISSING: ErrorResponse = ErrorResponse::NotFound("file, or it is an old one");

/// The newest texts.
pub(super) struct Texts(RingBuffer<Text>);

enum Text {
    Uploaded(Arc<str>),
    Processed(Summary),
}

/// The state of a text.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Summary {
    rows: usize,
    skipped: usize,
    names: usize,
    sum: f64,
    mean: f64,
    /// Of the kept rows, in normal form.
    sha256: String,
}

impl Default for Texts {
    fn default() -> Self {
        Self(RingBuffer::new(TEXTS_KEPT))
    }
}

impl Summary {
    /// Parse lines of `name,number`, skip the others, normalise, sum.
    fn of(text: &str) -> Self {
        let (mut rows, mut skipped, mut sum) = (0, 0, 0.0);
        let (mut names, mut hash) = (BTreeSet::new(), Sha256::new());
        for line in text.lines() {
            let Some((name, number)) = parse(line) else {
                skipped += 1;
                continue;
            };
            let name = name.to_lowercase();
            hash.update(format!("{name},{number}\n"));
            names.insert(name);
            rows += 1;
            sum += number;
        }
        let mean = if rows == 0 { 0.0 } else { sum / rows as f64 };
        let sha256 = hexadecimal(&hash.finalize());
        Self { rows, skipped, names: names.len(), sum, mean, sha256 }
    }
}

fn parse(line: &str) -> Option<(&str, f64)> {
    let (name, number) = line.split_once(',')?;
    let number: f64 = number.trim().parse().ok()?;
    let name = name.trim();
    (!name.is_empty() && number.is_finite()).then_some((name, number))
}

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/files", post(upload))
        .route("/files/{file}", get(show))
        .route("/files/{file}/process", post(process))
}

async fn upload(
    State(app): State<Arc<AppState>>,
    body: Body,
) -> Result<(StatusCode, Json<Value>), ErrorResponse> {
    let mut bytes = Vec::new();
    read_through(body, TEXT_MAX, |chunk| bytes.extend_from_slice(chunk)).await?;
    bytes.shrink_to_fit();
    let text = String::from_utf8(bytes).map_err(|_| {
        ErrorResponse::Invalid("send text in UTF-8, in lines of name,number".to_owned())
    })?;
    let length = text.len();
    let file = lock(&app.features.texts).0.push(Text::Uploaded(text.into()));
    let figures = json!({ "file": file, "bytes": length, "status": "uploaded" });
    Ok((StatusCode::CREATED, Json(figures)))
}

/// Once; after that the text is gone and its result remains.
async fn process(
    State(app): State<Arc<AppState>>,
    PathParams(file): PathParams<u64>,
) -> Result<Json<Value>, ErrorResponse> {
    let texts = &app.features.texts;
    let uploaded = match lock(texts).0.get(file).ok_or(MISSING)? {
        Text::Uploaded(text) => text.clone(),
        done @ Text::Processed(_) => return Ok(figures(file, done)),
    };
    // Other requests need not wait for this.
    let done = Text::Processed(Summary::of(&uploaded));
    let answer = figures(file, &done);
    if let Some(kept) = lock(texts).0.get_mut(file) {
        *kept = done;
    }
    Ok(answer)
}

async fn show(
    State(app): State<Arc<AppState>>,
    PathParams(file): PathParams<u64>,
) -> Result<Json<Value>, ErrorResponse> {
    lock(&app.features.texts).0.get(file).map(|text| figures(file, text)).ok_or(MISSING)
}

fn figures(file: u64, text: &Text) -> Json<Value> {
    Json(match text {
        Text::Uploaded(text) => json!({ "file": file, "bytes": text.len(), "status": "uploaded" }),
        Text::Processed(result) => json!({ "file": file, "status": "done", "result": result }),
    })
}
