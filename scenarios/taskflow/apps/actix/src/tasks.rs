//! Tasks: every member of a project may change them.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path, Query};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use crate::auth::User;
use crate::error_response::{ErrorResponse, check_long_text, check_text};
use crate::projects::visible;
use crate::store::{LIST_MAX, Record, Store};

const STATUSES: [&str; 3] = ["todo", "in_progress", "done"];

#[derive(Serialize)]
pub(crate) struct Task {
    id: i64,
    project: i64,
    title: String,
    description: String,
    status: String,
    assignee: Option<i64>,
}

/// A user's data for a task.
#[derive(Deserialize)]
pub(crate) struct TaskDraft {
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default = "new_status")]
    status: String,
}

fn new_status() -> String {
    "todo".to_owned()
}

/// The text to search for.
#[derive(Deserialize)]
pub(crate) struct Search {
    q: String,
}

/// The assignee.
#[derive(Deserialize)]
pub(crate) struct Assignment {
    user: i64,
}

impl Record for Task {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            project: row.get(1)?,
            title: row.get(2)?,
            description: row.get(3)?,
            status: row.get(4)?,
            assignee: row.get(5)?,
        })
    }
}

pub(crate) async fn create(
    store: Data<Store>,
    user: User,
    project: Path<i64>,
    draft: Json<TaskDraft>,
) -> Result<HttpResponse, ErrorResponse> {
    visible(&store, &user, *project)?;
    check(&draft)?;
    let task: Task = store.create(
        "INSERT INTO tasks (project, title, description, status) VALUES ($1, $2, $3, $4)
         RETURNING id, project, title, description, status, assignee",
        params![*project, draft.title, draft.description, draft.status],
    )?;
    Ok(HttpResponse::Created().json(task))
}

/// The newest tasks of a project.
pub(crate) async fn list(
    store: Data<Store>,
    user: User,
    project: Path<i64>,
) -> Result<Json<Vec<Task>>, ErrorResponse> {
    visible(&store, &user, *project)?;
    let tasks = store.list(
        "SELECT id, project, title, description, status, assignee FROM tasks
         WHERE project = $1 ORDER BY id DESC LIMIT $2",
        [*project, LIST_MAX],
    )?;
    Ok(Json(tasks))
}

/// The newest tasks with this text in their titles, among those in the lists of this user.
pub(crate) async fn search(
    store: Data<Store>,
    user: User,
    search: Query<Search>,
) -> Result<Json<Vec<Task>>, ErrorResponse> {
    check_text("text to search for", &search.q)?;
    let found = store.list(
        "SELECT id, tasks.project, title, description, status, assignee
         FROM (SELECT project FROM members WHERE member = $1
               ORDER BY project DESC LIMIT $2) AS mine
         JOIN tasks ON tasks.project = mine.project
          AND tasks.id >= COALESCE((SELECT id FROM tasks WHERE project = mine.project
                                    ORDER BY id DESC LIMIT 1 OFFSET $3), 0)
         WHERE replace(lower(title), lower($4), '') <> lower(title)
         ORDER BY id DESC LIMIT $2",
        params![user.id, LIST_MAX, LIST_MAX - 1, search.q],
    )?;
    Ok(Json(found))
}

pub(crate) async fn show(
    store: Data<Store>,
    user: User,
    task: Path<i64>,
) -> Result<Json<Task>, ErrorResponse> {
    seen(&store, &user, *task).map(Json)
}

pub(crate) async fn update(
    store: Data<Store>,
    user: User,
    task: Path<i64>,
    draft: Json<TaskDraft>,
) -> Result<Json<Task>, ErrorResponse> {
    seen(&store, &user, *task)?;
    check(&draft)?;
    let updated = store.first(
        "UPDATE tasks SET title = $1, description = $2, status = $3 WHERE id = $4
         RETURNING id, project, title, description, status, assignee",
        params![draft.title, draft.description, draft.status, *task],
    )?;
    updated.map(Json).ok_or(ErrorResponse::NotFound("task"))
}

/// Assign a task to a member of its project.
pub(crate) async fn assign(
    store: Data<Store>,
    user: User,
    task: Path<i64>,
    assignment: Json<Assignment>,
) -> Result<Json<Task>, ErrorResponse> {
    seen(&store, &user, *task)?;
    let assigned = store.first(
        "UPDATE tasks SET assignee = $1 WHERE EXISTS (
             SELECT 1 FROM members WHERE member = $1 AND project = tasks.project)
           AND id = $2
         RETURNING id, project, title, description, status, assignee",
        [assignment.user, *task],
    )?;
    assigned.map(Json).ok_or(ErrorResponse::NotFound("member of the project"))
}

pub(crate) async fn delete(
    store: Data<Store>,
    user: User,
    task: Path<i64>,
) -> Result<HttpResponse, ErrorResponse> {
    seen(&store, &user, *task)?;
    store.execute("DELETE FROM tasks WHERE id = $1", [*task])?;
    Ok(HttpResponse::NoContent().finish())
}

/// A task this user may see.
fn seen(store: &Store, user: &User, task: i64) -> Result<Task, ErrorResponse> {
    let seen = store.first(
        "SELECT id, tasks.project, title, description, status, assignee
         FROM tasks JOIN members ON members.project = tasks.project
         WHERE members.member = $1 AND tasks.id = $2",
        [user.id, task],
    )?;
    seen.ok_or(ErrorResponse::NotFound("task"))
}

fn check(draft: &TaskDraft) -> Result<(), ErrorResponse> {
    check_text("title", &draft.title)?;
    check_long_text("description", &draft.description)?;
    if !STATUSES.contains(&draft.status.as_str()) {
        let cause = format!("give a status of {}", STATUSES.join(", "));
        return Err(ErrorResponse::Invalid(cause));
    }
    Ok(())
}
