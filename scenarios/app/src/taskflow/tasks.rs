//! Tasks: every member of a project may do everything with them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use super::projects::visible;
use crate::given::{Asked, Given, Named, check_long_text, check_text};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::storage::{Task, TaskDraft, User};

const STATUSES: [&str; 3] = ["todo", "in_progress", "done"];

/// What is looked for.
#[derive(Deserialize)]
pub(super) struct Search {
    q: String,
}

/// Who is to do it.
#[derive(Deserialize)]
pub(super) struct Assignment {
    user: i64,
}

pub(super) async fn create(
    State(site): State<Arc<Site>>,
    user: User,
    Named(project): Named<i64>,
    Given(draft): Given<TaskDraft>,
) -> Result<(StatusCode, Json<Task>), Refusal> {
    visible(&site, &user, project).await?;
    check(&draft)?;
    Ok((StatusCode::CREATED, Json(site.store.create_task(project, &draft).await?)))
}

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    user: User,
    Named(project): Named<i64>,
) -> Result<Json<Vec<Task>>, Refusal> {
    visible(&site, &user, project).await?;
    Ok(Json(site.store.tasks(project).await?))
}

pub(super) async fn search(
    State(site): State<Arc<Site>>,
    user: User,
    Asked(search): Asked<Search>,
) -> Result<Json<Vec<Task>>, Refusal> {
    check_text("text to search for", &search.q)?;
    Ok(Json(site.store.search_tasks(user.id, &search.q).await?))
}

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    user: User,
    Named(task): Named<i64>,
) -> Result<Json<Task>, Refusal> {
    seen(&site, &user, task).await.map(Json)
}

pub(super) async fn update(
    State(site): State<Arc<Site>>,
    user: User,
    Named(task): Named<i64>,
    Given(draft): Given<TaskDraft>,
) -> Result<Json<Task>, Refusal> {
    seen(&site, &user, task).await?;
    check(&draft)?;
    site.store.update_task(task, &draft).await?.map(Json).ok_or(Refusal::NotFound("task"))
}

pub(super) async fn assign(
    State(site): State<Arc<Site>>,
    user: User,
    Named(task): Named<i64>,
    Given(assignment): Given<Assignment>,
) -> Result<Json<Task>, Refusal> {
    seen(&site, &user, task).await?;
    let assigned = site.store.assign_task(task, assignment.user).await?;
    assigned.map(Json).ok_or(Refusal::NotFound("member of the project"))
}

pub(super) async fn delete(
    State(site): State<Arc<Site>>,
    user: User,
    Named(task): Named<i64>,
) -> Result<StatusCode, Refusal> {
    seen(&site, &user, task).await?;
    site.store.delete_task(task).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A task this user may see.
async fn seen(site: &Site, user: &User, task: i64) -> Result<Task, Refusal> {
    site.store.task(user.id, task).await?.ok_or(Refusal::NotFound("task"))
}

fn check(draft: &TaskDraft) -> Result<(), Refusal> {
    check_text("title", &draft.title)?;
    check_long_text("description", &draft.description)?;
    if !STATUSES.contains(&draft.status.as_str()) {
        return Err(Refusal::Invalid(format!("give a status of {}", STATUSES.join(", "))));
    }
    Ok(())
}
