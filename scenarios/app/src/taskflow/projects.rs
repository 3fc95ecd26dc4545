//! Projects: members see them, owners change them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::error_response::ErrorResponse;
use crate::extract::{JsonBody, PathParams, check_long_text, check_text};
use crate::router::AppState;
use crate::storage::{Project, ProjectDraft, User};

/// The user to add.
#[derive(Deserialize)]
pub(super) struct Newcomer {
    name: String,
}

pub(super) async fn create(
    State(app): State<Arc<AppState>>,
    user: User,
    JsonBody(draft): JsonBody<ProjectDraft>,
) -> Result<(StatusCode, Json<Project>), ErrorResponse> {
    check(&draft)?;
    Ok((StatusCode::CREATED, Json(app.store.create_project(user.id, &draft).await?)))
}

pub(super) async fn list(
    State(app): State<Arc<AppState>>,
    user: User,
) -> Result<Json<Vec<Project>>, ErrorResponse> {
    Ok(Json(app.store.projects(user.id).await?))
}

pub(super) async fn show(
    State(app): State<Arc<AppState>>,
    user: User,
    PathParams(project): PathParams<i64>,
) -> Result<Json<Project>, ErrorResponse> {
    visible(&app, &user, project).await.map(Json)
}

pub(super) async fn update(
    State(app): State<Arc<AppState>>,
    user: User,
    PathParams(project): PathParams<i64>,
    JsonBody(draft): JsonBody<ProjectDraft>,
) -> Result<Json<Project>, ErrorResponse> {
    owned(&app, &user, project).await?;
    check(&draft)?;
    app.store
        .update_project(project, &draft)
        .await?
        .map(Json)
        .ok_or(ErrorResponse::NotFound("project"))
}

pub(super) async fn delete(
    State(app): State<Arc<AppState>>,
    user: User,
    PathParams(project): PathParams<i64>,
) -> Result<StatusCode, ErrorResponse> {
    owned(&app, &user, project).await?;
    app.store.delete_project(project).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn members(
    State(app): State<Arc<AppState>>,
    user: User,
    PathParams(project): PathParams<i64>,
) -> Result<Json<Vec<User>>, ErrorResponse> {
    visible(&app, &user, project).await?;
    Ok(Json(app.store.members(project).await?))
}

pub(super) async fn add_member(
    State(app): State<Arc<AppState>>,
    user: User,
    PathParams(project): PathParams<i64>,
    JsonBody(newcomer): JsonBody<Newcomer>,
) -> Result<(StatusCode, Json<User>), ErrorResponse> {
    owned(&app, &user, project).await?;
    let member = app.store.add_member(project, &newcomer.name).await?;
    Ok((StatusCode::CREATED, Json(member.ok_or(ErrorResponse::NotFound("user"))?)))
}

/// A project this user may see.
pub(super) async fn visible(
    app: &AppState,
    user: &User,
    project: i64,
) -> Result<Project, ErrorResponse> {
    app.store.project(user.id, project).await?.ok_or(ErrorResponse::NotFound("project"))
}

async fn owned(app: &AppState, user: &User, project: i64) -> Result<(), ErrorResponse> {
    if visible(app, user, project).await?.owner != user.id {
        return Err(ErrorResponse::Forbidden("only its owner may change a project"));
    }
    Ok(())
}

fn check(draft: &ProjectDraft) -> Result<(), ErrorResponse> {
    check_text("name", &draft.name)?;
    check_long_text("description", &draft.description)
}
