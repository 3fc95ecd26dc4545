//! Projects: members see them, owners change them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;

use crate::given::{Given, Named, check_long_text, check_text};
use crate::refusal::Refusal;
use crate::site::Site;
use crate::storage::{Project, ProjectDraft, User};

/// Who is to be taken in.
#[derive(Deserialize)]
pub(super) struct Newcomer {
    name: String,
}

pub(super) async fn create(
    State(site): State<Arc<Site>>,
    user: User,
    Given(draft): Given<ProjectDraft>,
) -> Result<(StatusCode, Json<Project>), Refusal> {
    check(&draft)?;
    Ok((StatusCode::CREATED, Json(site.store.create_project(user.id, &draft).await?)))
}

pub(super) async fn list(
    State(site): State<Arc<Site>>,
    user: User,
) -> Result<Json<Vec<Project>>, Refusal> {
    Ok(Json(site.store.projects(user.id).await?))
}

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    user: User,
    Named(project): Named<i64>,
) -> Result<Json<Project>, Refusal> {
    visible(&site, &user, project).await.map(Json)
}

pub(super) async fn update(
    State(site): State<Arc<Site>>,
    user: User,
    Named(project): Named<i64>,
    Given(draft): Given<ProjectDraft>,
) -> Result<Json<Project>, Refusal> {
    owned(&site, &user, project).await?;
    check(&draft)?;
    site.store.update_project(project, &draft).await?.map(Json).ok_or(Refusal::NotFound("project"))
}

pub(super) async fn delete(
    State(site): State<Arc<Site>>,
    user: User,
    Named(project): Named<i64>,
) -> Result<StatusCode, Refusal> {
    owned(&site, &user, project).await?;
    site.store.delete_project(project).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn members(
    State(site): State<Arc<Site>>,
    user: User,
    Named(project): Named<i64>,
) -> Result<Json<Vec<User>>, Refusal> {
    visible(&site, &user, project).await?;
    Ok(Json(site.store.members(project).await?))
}

pub(super) async fn add_member(
    State(site): State<Arc<Site>>,
    user: User,
    Named(project): Named<i64>,
    Given(newcomer): Given<Newcomer>,
) -> Result<(StatusCode, Json<User>), Refusal> {
    owned(&site, &user, project).await?;
    let member = site.store.add_member(project, &newcomer.name).await?;
    Ok((StatusCode::CREATED, Json(member.ok_or(Refusal::NotFound("user"))?)))
}

/// A project this user may see.
pub(super) async fn visible(site: &Site, user: &User, project: i64) -> Result<Project, Refusal> {
    site.store.project(user.id, project).await?.ok_or(Refusal::NotFound("project"))
}

async fn owned(site: &Site, user: &User, project: i64) -> Result<(), Refusal> {
    if visible(site, user, project).await?.owner != user.id {
        return Err(Refusal::Forbidden("only its owner may change a project"));
    }
    Ok(())
}

fn check(draft: &ProjectDraft) -> Result<(), Refusal> {
    check_text("name", &draft.name)?;
    check_long_text("description", &draft.description)
}
