//! TaskFlow, a task tracker's API: users, projects, members, tasks.

mod auth;
mod projects;
mod tasks;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post, put};

use crate::router::AppState;

/// Its routes, below `/api/v1`.
pub(crate) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/auth/register", post(auth::register))
        .route("/auth/login", post(auth::log_in))
        .route("/auth/me", get(auth::me))
        .route("/projects", get(projects::list).post(projects::create))
        .route(
            "/projects/{project}",
            get(projects::show).put(projects::update).delete(projects::delete),
        )
        .route("/projects/{project}/members", get(projects::members).post(projects::add_member))
        .route("/projects/{project}/tasks", get(tasks::list).post(tasks::create))
        .route("/tasks/search", get(tasks::search))
        .route("/tasks/{task}", get(tasks::show).put(tasks::update).delete(tasks::delete))
        .route("/tasks/{task}/assignee", put(tasks::assign))
}
