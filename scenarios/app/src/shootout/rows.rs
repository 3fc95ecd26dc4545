//! Answers that need the database, before they are given or after.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::site::Site;
use crate::storage::{Row, RowDraft};

pub(super) async fn read(
    State(site): State<Arc<Site>>,
    Path(id): Path<i64>,
) -> Result<Json<Row>, Refusal> {
    site.store.row(id)?.map(Json).ok_or(Refusal::NotFound("row, they go from 1 to 1000"))
}

pub(super) async fn write(
    State(site): State<Arc<Site>>,
    Json(draft): Json<RowDraft>,
) -> Result<(StatusCode, Json<Row>), Refusal> {
    Ok((StatusCode::CREATED, Json(site.store.insert_row(&draft)?)))
}

/// Answered at once; the work is done afterwards, and counted in `/stats`.
pub(super) async fn background(State(site): State<Arc<Site>>) -> (StatusCode, Json<Value>) {
    let task = site.stats.begin_background();
    tokio::spawn(async move {
        // Nobody is there to be told: `/stats` shows that fewer are done than were begun.
        if site.store.note_background(task).is_ok() {
            site.stats.end_background();
        }
    });
    (StatusCode::ACCEPTED, Json(json!({ "task": task, "status": "accepted" })))
}
