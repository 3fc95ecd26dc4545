//! File operations: uploads, downloads, and processing as bytes arrive. No body is ever kept whole.

use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error_response::ErrorResponse;
use crate::extract::{QueryParams, check_range, read_through};
use crate::router::AppState;
use crate::shootout::{self, UPLOAD_MAX};
use crate::storage::hexadecimal;

const DOWNLOAD_MAX: u64 = 1 << 30;
const CHUNK_MAX: u64 = 1 << 20;

/// The content of chunks: the alphabet, repeated.
static LETTERS: LazyLock<Bytes> =
    LazyLock::new(|| (0..CHUNK_MAX).map(|index| b'a' + (index % 26) as u8).collect());

/// A download.
#[derive(Deserialize)]
struct Download {
    #[serde(default = "mebibyte")]
    bytes: u64,
    #[serde(default = "chunk")]
    chunk: u64,
}

const fn mebibyte() -> u64 {
    1 << 20
}

const fn chunk() -> u64 {
    64 << 10
}

pub(super) fn routes() -> Router<Arc<AppState>> {
    let parts = post(shootout::upload).layer(DefaultBodyLimit::max(UPLOAD_MAX));
    Router::new()
        .route("/upload", post(upload))
        .route("/upload/parts", parts)
        .route("/process", post(process))
        .route("/download", get(download))
}

/// A body of any kind, counted.
async fn upload(body: Body) -> Result<Json<Value>, ErrorResponse> {
    let bytes = read_through(body, UPLOAD_MAX, |_| {}).await?;
    Ok(Json(json!({ "bytes": bytes })))
}

/// A checksum and further results of a pass over the bytes.
async fn process(body: Body) -> Result<Json<Value>, ErrorResponse> {
    let (mut hash, mut lines) = (Sha256::new(), 0);
    let bytes = read_through(body, UPLOAD_MAX, |chunk| {
        hash.update(chunk);
        lines += chunk.iter().filter(|byte| **byte == b'\n').count();
    })
    .await?;
    let sha256 = hexadecimal(&hash.finalize());
    Ok(Json(json!({ "bytes": bytes, "lines": lines, "sha256": sha256 })))
}

/// This many bytes, in pieces of this size. No Content-Length is sent: they go out in chunks.
async fn download(
    QueryParams(asked): QueryParams<Download>,
) -> Result<impl IntoResponse, ErrorResponse> {
    let length = check_range("bytes", asked.bytes, 0, DOWNLOAD_MAX)?;
    let size = check_range("chunk", asked.chunk, 1, CHUNK_MAX)?;
    let starts = (0..length).step_by(size as usize);
    let chunks = starts.map(move |start| {
        // At most a chunk, so it fits.
        let length = (length - start).min(size) as usize;
        Ok::<_, Infallible>(LETTERS.slice(..length))
    });
    let body = Body::from_stream(stream::iter(chunks));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body))
}
