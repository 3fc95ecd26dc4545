//! TaskFlow on actix-web: the routes, rules and statements of the reference application, which is
//! on axum. It is a second implementation to compare with; both keep their rows in SQLite, in
//! memory.
//!
//! The choices are those of actix's documentation (<https://actix.rs/docs>):
//! - Server: a worker for each CPU unless WORKERS says otherwise; each runs its requests itself.
//! - Application: the state is `web::Data`, made once, outside the factory that each worker calls.
//! - Extractors: `Json`, `Path` and `Query`, configured to refuse in JSON; `User` requires a login.
//! - Errors: one type that is a `ResponseError`, so that handlers can use `?`.

mod auth;
mod error_response;
mod projects;
mod store;
mod tasks;

use actix_web::web::{self, JsonConfig, PathConfig, QueryConfig, ServiceConfig};
use actix_web::{HttpResponse, ResponseError};
use serde_json::json;

use crate::error_response::ErrorResponse;
pub use crate::store::Store;

/// Everything but the state: the routes, and the refusals of requests that cannot be read.
pub fn configure(app: &mut ServiceConfig) {
    refusals(app);
    routes(app);
}

fn routes(app: &mut ServiceConfig) {
    app.service(web::resource("/health").get(health));
    app.service(
        web::scope("/api/v1")
            .service(web::resource("/auth/register").post(auth::register))
            .service(web::resource("/auth/login").post(auth::log_in))
            .service(web::resource("/auth/me").get(auth::me))
            .service(web::resource("/projects").get(projects::list).post(projects::create))
            .service(
                web::resource("/projects/{project}")
                    .get(projects::show)
                    .put(projects::update)
                    .delete(projects::delete),
            )
            .service(
                web::resource("/projects/{project}/members")
                    .get(projects::members)
                    .post(projects::add_member),
            )
            .service(
                web::resource("/projects/{project}/tasks").get(tasks::list).post(tasks::create),
            )
            .service(web::resource("/tasks/search").get(tasks::search))
            .service(
                web::resource("/tasks/{task}")
                    .get(tasks::show)
                    .put(tasks::update)
                    .delete(tasks::delete),
            )
            .service(web::resource("/tasks/{task}/assignee").put(tasks::assign)),
    );
    app.default_service(web::to(async || ErrorResponse::NotFound("path").error_response()));
}

/// What the extractors answer to a request that they cannot read.
fn refusals(app: &mut ServiceConfig) {
    app.app_data(
        JsonConfig::default().error_handler(|error, _| ErrorResponse::of_json(&error).into()),
    );
    app.app_data(
        PathConfig::default().error_handler(|error, _| ErrorResponse::of_path(&error).into()),
    );
    app.app_data(
        QueryConfig::default()
            .error_handler(|error, _| ErrorResponse::Invalid(error.to_string()).into()),
    );
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}
