//! Bodies in parts: uploaded files, and a stream.

use std::convert::Infallible;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::Multipart;
use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::http::header;
use axum::response::IntoResponse;
use futures_util::stream;
use serde::Serialize;

use crate::error_response::ErrorResponse;

const PARTS_MAX: usize = 1_000;
const CHUNKS: usize = 100;
const CHUNK: [u8; 10 << 10] = [b's'; 10 << 10];

/// The size of one part.
#[derive(Serialize)]
pub(crate) struct Part {
    name: Option<String>,
    file_name: Option<String>,
    bytes: u64,
}

/// The sizes of all parts.
#[derive(Serialize)]
pub(crate) struct Upload {
    bytes: u64,
    parts: Vec<Part>,
}

/// Parts are counted as they arrive and not kept, so that memory does not grow with them.
pub(crate) async fn upload(
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<Upload>, ErrorResponse> {
    let mut form =
        form.map_err(|error| ErrorResponse::Unreadable(error.status(), error.body_text()))?;
    let mut upload = Upload { bytes: 0, parts: Vec::new() };
    while let Some(mut field) = form.next_field().await.map_err(unreadable)? {
        if upload.parts.len() == PARTS_MAX {
            return Err(ErrorResponse::Invalid(format!("send {PARTS_MAX} parts at most")));
        }
        let mut part = Part {
            name: field.name().map(str::to_owned),
            file_name: field.file_name().map(str::to_owned),
            bytes: 0,
        };
        while let Some(chunk) = field.chunk().await.map_err(unreadable)? {
            part.bytes += chunk.len() as u64;
        }
        upload.bytes += part.bytes;
        upload.parts.push(part);
    }
    Ok(Json(upload))
}

fn unreadable(error: MultipartError) -> ErrorResponse {
    ErrorResponse::Unreadable(error.status(), error.body_text())
}

/// A body of known content without a Content-Length: it is sent in chunks.
pub(super) async fn stream() -> impl IntoResponse {
    let chunks = (0..CHUNKS).map(|_| Ok::<_, Infallible>(Bytes::from_static(&CHUNK)));
    ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from_stream(stream::iter(chunks)))
}
