//! Authentication: registration, login, and the token of a user.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error_response::ErrorResponse;
use crate::extract::{JsonBody, check_text};
use crate::router::AppState;
use crate::storage::{Account, User};

const PASSWORD_MIN: usize = 8;
const UNAUTHORIZED: ErrorResponse =
    ErrorResponse::Unauthorized("log in, and send the token as `Authorization: Bearer TOKEN`");

/// The data of a registration.
#[derive(Deserialize)]
pub(super) struct Registration {
    name: String,
    email: String,
    password: String,
}

/// The data of a login.
#[derive(Deserialize)]
pub(super) struct Login {
    name: String,
    password: String,
}

pub(super) async fn register(
    State(app): State<Arc<AppState>>,
    JsonBody(asked): JsonBody<Registration>,
) -> Result<(StatusCode, Json<User>), ErrorResponse> {
    check_text("name", &asked.name)?;
    check_text("e-mail address", &asked.email)?;
    if !asked.email.contains('@') {
        return Err(ErrorResponse::Invalid("give an e-mail address with an @ in it".to_owned()));
    }
    if asked.password.chars().count() < PASSWORD_MIN {
        let cause = format!("give a password of at least {PASSWORD_MIN} characters");
        return Err(ErrorResponse::Invalid(cause));
    }
    let account = Account { name: &asked.name, email: &asked.email, password: &asked.password };
    let user = app.store.register(&account).await?;
    let user = user.ok_or(ErrorResponse::Conflict("this name is taken, register another"))?;
    Ok((StatusCode::CREATED, Json(user)))
}

pub(super) async fn log_in(
    State(app): State<Arc<AppState>>,
    JsonBody(asked): JsonBody<Login>,
) -> Result<Json<Value>, ErrorResponse> {
    let token = app.store.log_in(&asked.name, &asked.password).await?;
    let token = token.ok_or(UNAUTHORIZED)?;
    Ok(Json(json!({ "token": token, "token_type": "Bearer" })))
}

pub(super) async fn me(user: User) -> Json<User> {
    Json(user)
}

/// A handler with a `User` parameter requires a login.
impl FromRequestParts<Arc<AppState>> for User {
    type Rejection = ErrorResponse;

    async fn from_request_parts(
        parts: &mut Parts,
        app: &Arc<AppState>,
    ) -> Result<Self, ErrorResponse> {
        let given = parts.headers.get(header::AUTHORIZATION);
        let token = given
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "))
            .ok_or(UNAUTHORIZED)?;
        app.store.user_of(token.trim()).await?.ok_or(UNAUTHORIZED)
    }
}
