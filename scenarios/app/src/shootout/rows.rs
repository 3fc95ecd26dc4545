//! Answers that use the database, before or after they are sent.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::error_response::ErrorResponse;
use crate::extract::{JsonBody, PathParams, check_long_text, check_text};
use crate::router::AppState;
use crate::storage::{Row, RowDraft};

/// Most accepted background tasks: neither memory nor waits for the database may grow if they
/// arrive faster than they are done.
const BACKGROUND_MAX: u64 = 1_000;

pub(super) async fn read(
    State(app): State<Arc<AppState>>,
    PathParams(id): PathParams<i64>,
) -> Result<Json<Row>, ErrorResponse> {
    app.store.row(id).await?.map(Json).ok_or(ErrorResponse::NotFound("row, they go from 1 to 1000"))
}

pub(super) async fn write(
    State(app): State<Arc<AppState>>,
    JsonBody(draft): JsonBody<RowDraft>,
) -> Result<(StatusCode, Json<Row>), ErrorResponse> {
    check_text("name", &draft.name)?;
    check_long_text("e-mail address", &draft.email)?;
    Ok((StatusCode::CREATED, Json(app.store.insert_row(&draft).await?)))
}

/// Answered at once; the work is done later, and counted in `/stats`.
pub(super) async fn background(
    State(app): State<Arc<AppState>>,
) -> Result<(StatusCode, Json<Value>), ErrorResponse> {
    let task = app.stats.begin_background(BACKGROUND_MAX);
    let task =
        task.ok_or(ErrorResponse::Busy("too much is to be done already, ask again later"))?;
    tokio::spawn(async move {
        // No client waits for it: `/stats` shows failures.
        let is_done = app.store.note_background(task).await.is_ok();
        app.stats.end_background(is_done);
    });
    Ok((StatusCode::ACCEPTED, Json(json!({ "task": task, "status": "accepted" }))))
}
