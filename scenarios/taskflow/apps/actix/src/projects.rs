//! Projects: members see them, owners change them. Projects of others are treated as missing.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use crate::auth::User;
use crate::error_response::{ErrorResponse, check_long_text, check_text};
use crate::store::{LIST_MAX, Record, Store};

#[derive(Serialize)]
pub(crate) struct Project {
    id: i64,
    /// The number of the user who may change it.
    owner: i64,
    name: String,
    description: String,
}

/// A user's data for a project.
#[derive(Deserialize)]
pub(crate) struct ProjectDraft {
    name: String,
    #[serde(default)]
    description: String,
}

/// The user to add.
#[derive(Deserialize)]
pub(crate) struct Newcomer {
    name: String,
}

impl Record for Project {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let [id, owner] = [row.get(0)?, row.get(1)?];
        Ok(Self { id, owner, name: row.get(2)?, description: row.get(3)? })
    }
}

pub(crate) async fn create(
    store: Data<Store>,
    user: User,
    draft: Json<ProjectDraft>,
) -> Result<HttpResponse, ErrorResponse> {
    check(&draft)?;
    let project: Project = store.create(
        "INSERT INTO projects (owner, name, description) VALUES ($1, $2, $3)
         RETURNING id, owner, name, description",
        params![user.id, draft.name, draft.description],
    )?;
    Ok(HttpResponse::Created().json(project))
}

/// The newest projects this user is a member of.
pub(crate) async fn list(
    store: Data<Store>,
    user: User,
) -> Result<Json<Vec<Project>>, ErrorResponse> {
    let projects = store.list(
        "SELECT id, owner, name, description
         FROM members JOIN projects ON projects.id = members.project
         WHERE members.member = $1 ORDER BY members.project DESC LIMIT $2",
        [user.id, LIST_MAX],
    )?;
    Ok(Json(projects))
}

pub(crate) async fn show(
    store: Data<Store>,
    user: User,
    project: Path<i64>,
) -> Result<Json<Project>, ErrorResponse> {
    visible(&store, &user, *project).map(Json)
}

pub(crate) async fn update(
    store: Data<Store>,
    user: User,
    project: Path<i64>,
    draft: Json<ProjectDraft>,
) -> Result<Json<Project>, ErrorResponse> {
    owned(&store, &user, *project)?;
    check(&draft)?;
    let updated = store.first(
        "UPDATE projects SET name = $1, description = $2 WHERE id = $3
         RETURNING id, owner, name, description",
        params![draft.name, draft.description, *project],
    )?;
    updated.map(Json).ok_or(ErrorResponse::NotFound("project"))
}

pub(crate) async fn delete(
    store: Data<Store>,
    user: User,
    project: Path<i64>,
) -> Result<HttpResponse, ErrorResponse> {
    owned(&store, &user, *project)?;
    store.execute("DELETE FROM projects WHERE id = $1", [*project])?;
    Ok(HttpResponse::NoContent().finish())
}

pub(crate) async fn members(
    store: Data<Store>,
    user: User,
    project: Path<i64>,
) -> Result<Json<Vec<User>>, ErrorResponse> {
    visible(&store, &user, *project)?;
    let members = store.list(
        "SELECT id, name, email FROM members JOIN users ON users.id = members.member
         WHERE members.project = $1 ORDER BY id LIMIT $2",
        [*project, LIST_MAX],
    )?;
    Ok(Json(members))
}

pub(crate) async fn add_member(
    store: Data<Store>,
    user: User,
    project: Path<i64>,
    newcomer: Json<Newcomer>,
) -> Result<HttpResponse, ErrorResponse> {
    owned(&store, &user, *project)?;
    let statement = "SELECT id, name, email FROM users WHERE name = $1";
    let member: Option<User> = store.first(statement, [&newcomer.name])?;
    let member = member.ok_or(ErrorResponse::NotFound("user"))?;
    store.execute(
        "INSERT INTO members (member, project) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        [member.id, *project],
    )?;
    Ok(HttpResponse::Created().json(member))
}

/// A project this user may see.
pub(crate) fn visible(store: &Store, user: &User, project: i64) -> Result<Project, ErrorResponse> {
    let visible = store.first(
        "SELECT id, owner, name, description
         FROM members JOIN projects ON projects.id = members.project
         WHERE members.member = $1 AND members.project = $2",
        [user.id, project],
    )?;
    visible.ok_or(ErrorResponse::NotFound("project"))
}

fn owned(store: &Store, user: &User, project: i64) -> Result<(), ErrorResponse> {
    if visible(store, user, project)?.owner != user.id {
        return Err(ErrorResponse::Forbidden("only its owner may change a project"));
    }
    Ok(())
}

fn check(draft: &ProjectDraft) -> Result<(), ErrorResponse> {
    check_text("name", &draft.name)?;
    check_long_text("description", &draft.description)
}
