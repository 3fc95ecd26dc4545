//! Tasks: every member of a project may change them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use super::projects::visible;
use crate::error_response::ErrorResponse;
use crate::extract::{JsonBody, PathParams, QueryParams, check_long_text, check_text};
use crate::router::AppState;
use crate::storage::{Task, TaskDraft, User};

const STATUSES: [&str; 3] = ["todo", "in_progress", "done"];

/// The text to search for.
#[derive(Deserialize)]
pub(super) struct Search {
    q: String,
}

/// The assignee.
#[derive(Deserialize)]
pub(super) struct Assignment {
    user: i64,
}

pub(super) async fn create(
    State(app): State<Arc<AppState>>,
    user: User,
    PathParams(project): PathParams<i64>,
    JsonBody(draft): JsonBody<TaskDraft>,
) -> Result<(StatusCode, Json<Task>), ErrorResponse> {
    visible(&app, &user, project).await?;
    check(&draft)?;
    Ok((StatusCode::CREATED, Json(app.store.create_task(project, &draft).await?)))
}

pub(super) async fn list(
    State(app): State<Arc<AppState>>,
    user: User,
    PathParams(project): PathParams<i64>,
) -> Result<Json<Vec<Task>>, ErrorResponse> {
    visible(&app, &user, project).await?;
    Ok(Json(app.store.tasks(project).await?))
}

pub(super) async fn search(
    State(app): State<Arc<AppState>>,
    user: User,
    QueryParams(search): QueryParams<Search>,
) -> Result<Json<Vec<Task>>, ErrorResponse> {
    check_text("text to search for", &search.q)?;
    Ok(Json(app.store.search_tasks(user.id, &search.q).await?))
}

pub(super) async fn show(
    State(app): State<Arc<AppState>>,
    user: User,
    PathParams(task): PathParams<i64>,
) -> Result<Json<Task>, ErrorResponse> {
    seen(&app, &user, task).await.map(Json)
}

pub(super) async fn update(
    State(app): State<Arc<AppState>>,
    user: User,
    PathParams(task): PathParams<i64>,
    JsonBody(draft): JsonBody<TaskDraft>,
) -> Result<Json<Task>, ErrorResponse> {
    seen(&app, &user, task).await?;
    check(&draft)?;
    app.store.update_task(task, &draft).await?.map(Json).ok_or(ErrorResponse::NotFound("task"))
}

pub(super) async fn assign(
    State(app): State<Arc<AppState>>,
    user: User,
    PathParams(task): PathParams<i64>,
    JsonBody(assignment): JsonBody<Assignment>,
) -> Result<Json<Task>, ErrorResponse> {
    seen(&app, &user, task).await?;
    let assigned = app.store.assign_task(task, assignment.user).await?;
    assigned.map(Json).ok_or(ErrorResponse::NotFound("member of the project"))
}

pub(super) async fn delete(
    State(app): State<Arc<AppState>>,
    user: User,
    PathParams(task): PathParams<i64>,
) -> Result<StatusCode, ErrorResponse> {
    seen(&app, &user, task).await?;
    app.store.delete_task(task).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A task this user may see.
async fn seen(app: &AppState, user: &User, task: i64) -> Result<Task, ErrorResponse> {
    app.store.task(user.id, task).await?.ok_or(ErrorResponse::NotFound("task"))
}

fn check(draft: &TaskDraft) -> Result<(), ErrorResponse> {
    check_text("title", &draft.title)?;
    check_long_text("description", &draft.description)?;
    if !STATUSES.contains(&draft.status.as_str()) {
        return Err(ErrorResponse::Invalid(format!("give a status of {}", STATUSES.join(", "))));
    }
    Ok(())
}
