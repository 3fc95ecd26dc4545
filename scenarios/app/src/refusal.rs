//! Why a request is refused, and the answer that says so.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// What is wrong with a request, or with the application.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The request can be read, but not be meant.
    Invalid(String),
    /// No token, or one that nobody was given.
    Unauthorized,
    /// Known, but not allowed to.
    Forbidden(&'static str),
    /// Nothing there, or nothing this user may know of.
    NotFound(&'static str),
    /// It exists already.
    Conflict(&'static str),
    /// The database failed.
    Storage(rusqlite::Error),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, cause) = match self {
            Self::Invalid(cause) => (StatusCode::UNPROCESSABLE_ENTITY, cause),
            Self::Unauthorized => (
                StatusCode::UNAUTHORIZED,
                "log in, and send the token as `Authorization: Bearer TOKEN`".to_owned(),
            ),
            Self::Forbidden(cause) => (StatusCode::FORBIDDEN, cause.to_owned()),
            Self::NotFound(what) => (StatusCode::NOT_FOUND, format!("there is no such {what}")),
            Self::Conflict(cause) => (StatusCode::CONFLICT, cause.to_owned()),
            Self::Storage(error) => {
                (StatusCode::INTERNAL_SERVER_ERROR, format!("the database failed: {error}"))
            }
        };
        let body = Json(json!({ "error": cause }));
        if status == StatusCode::UNAUTHORIZED {
            return (status, [(header::WWW_AUTHENTICATE, "Bearer")], body).into_response();
        }
        (status, body).into_response()
    }
}
