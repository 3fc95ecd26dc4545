//! Bodies in parts: files that come, a stream that goes.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::Multipart;
use axum::extract::multipart::MultipartError;
use axum::http::header;
use axum::response::IntoResponse;
use futures_util::stream;
use serde::Serialize;

const CHUNKS: usize = 100;
const CHUNK: [u8; 10 << 10] = [b's'; 10 << 10];

/// What came in one part.
#[derive(Serialize)]
pub(super) struct Part {
    name: Option<String>,
    file_name: Option<String>,
    bytes: u64,
}

/// What came.
#[derive(Serialize)]
pub(super) struct Upload {
    bytes: u64,
    parts: Vec<Part>,
}

/// Parts are counted as they come and not kept, so that memory does not grow with them.
pub(super) async fn upload(mut form: Multipart) -> Result<Json<Upload>, MultipartError> {
    let mut upload = Upload { bytes: 0, parts: Vec::new() };
    while let Some(mut field) = form.next_field().await? {
        let mut part = Part {
            name: field.name().map(str::to_owned),
            file_name: field.file_name().map(str::to_owned),
            bytes: 0,
        };
        while let Some(chunk) = field.chunk().await? {
            part.bytes += chunk.len() as u64;
        }
        upload.bytes += part.bytes;
        upload.parts.push(part);
    }
    Ok(Json(upload))
}

/// A body of known content whose length is not told: it goes out in chunks.
pub(super) async fn stream() -> impl IntoResponse {
    let chunks = (0..CHUNKS).map(|_| Ok::<_, Infallible>(Bytes::from_static(&CHUNK)));
    ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(stream::iter(chunks)))
}
