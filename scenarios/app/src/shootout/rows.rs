//! Answers that need the database, before they are given or after.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::given::{Given, Named, check_long_text, check_text};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::storage::{Row, RowDraft};

/// Work that is accepted and not done yet: neither memory nor the wait for the database may grow
/// when it comes faster than it goes.
const BACKGROUND_MAX: u64 = 1_000;

pub(super) async fn read(
    State(site): State<Arc<Site>>,
    Named(id): Named<i64>,
) -> Result<Json<Row>, Refusal> {
    site.store.row(id).await?.map(Json).ok_or(Refusal::NotFound("row, they go from 1 to 1000"))
}

pub(super) async fn write(
    State(site): State<Arc<Site>>,
    Given(draft): Given<RowDraft>,
) -> Result<(StatusCode, Json<Row>), Refusal> {
    check_text("name", &draft.name)?;
    check_long_text("e-mail address", &draft.email)?;
    Ok((StatusCode::CREATED, Json(site.store.insert_row(&draft).await?)))
}

/// Answered at once; the work is done afterwards, and counted in `/stats`.
pub(super) async fn background(
    State(site): State<Arc<Site>>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let task = site.stats.begin_background(BACKGROUND_MAX);
    let task = task.ok_or(Refusal::Busy("too much is to be done already, ask again later"))?;
    tokio::spawn(async move {
        // Nobody is there to be told: `/stats` shows what failed.
        let is_done = site.store.note_background(task).await.is_ok();
        site.stats.end_background(is_done);
    });
    Ok((StatusCode::ACCEPTED, Json(json!({ "task": task, "status": "accepted" }))))
}
