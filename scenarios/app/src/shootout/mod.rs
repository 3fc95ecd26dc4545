//! The fourteen endpoints of framework comparisons.

mod live;
mod pages;
mod rows;
mod transfer;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::router::AppState;

pub(crate) use transfer::upload;

/// The largest upload, its envelope included: 64 MiB of file and the form around it.
pub(crate) const UPLOAD_MAX: usize = (64 << 20) + (64 << 10);

/// Their routes.
pub(crate) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/ping", get(pages::ping))
        .route("/json", get(pages::json))
        .route("/json-large", get(pages::json_large))
        .route("/html", get(pages::html))
        .route("/path/{id}", get(pages::path))
        .route("/query", get(pages::query))
        .route("/db/{id}", get(rows::read))
        .route("/db", post(rows::write))
        .route("/background", get(rows::background).post(rows::background))
        .route("/upload", post(transfer::upload).layer(DefaultBodyLimit::max(UPLOAD_MAX)))
        .route("/stream", get(transfer::stream))
        .route("/sse", get(live::events))
        .route("/ws", get(live::echo))
}
