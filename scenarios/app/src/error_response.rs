//! Why a request is refused, and the answer for it.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::storage::StoreError;

/// The fault of a request, or of the application.
#[derive(Debug)]
pub(crate) enum ErrorResponse {
    /// The request cannot be read: the status, and why.
    Unreadable(StatusCode, String),
    /// The request can be read, but its values are invalid.
    Invalid(String),
    /// No credentials, or wrong ones: the scheme to use.
    Unauthorized(&'static str),
    /// The user is known, but not allowed to.
    Forbidden(&'static str),
    /// It does not exist, or this user may not see it.
    NotFound(&'static str),
    /// The path has other methods.
    WrongMethod,
    /// It exists already, or no longer.
    Conflict(&'static str),
    /// More work than can be accepted now.
    Busy(&'static str),
    /// The database failed.
    Storage(StoreError),
}

impl From<StoreError> for ErrorResponse {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Nul => Self::Invalid("give text without NUL characters".to_owned()),
            error if error.is_dangling() => Self::NotFound("thing any more, it was deleted"),
            error => Self::Storage(error),
        }
    }
}

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        let (status, cause) = match self {
            Self::Unreadable(status, cause) => (status, cause),
            Self::Invalid(cause) => (StatusCode::UNPROCESSABLE_ENTITY, cause),
            Self::Unauthorized(fix) => (StatusCode::UNAUTHORIZED, fix.to_owned()),
            Self::Forbidden(cause) => (StatusCode::FORBIDDEN, cause.to_owned()),
            Self::NotFound(what) => (StatusCode::NOT_FOUND, format!("there is no such {what}")),
            Self::WrongMethod => {
                let cause = "this path takes other methods, see `Allow`";
                (StatusCode::METHOD_NOT_ALLOWED, cause.to_owned())
            }
            Self::Conflict(cause) => (StatusCode::CONFLICT, cause.to_owned()),
            Self::Busy(cause) => (StatusCode::SERVICE_UNAVAILABLE, cause.to_owned()),
            Self::Storage(error) => {
                let status = if error.is_passing() {
                    StatusCode::SERVICE_UNAVAILABLE
                } else {
                    StatusCode::INTERNAL_SERVER_ERROR
                };
                (status, format!("the database failed: {error}"))
            }
        };
        let mut answer = (status, Json(json!({ "error": cause }))).into_response();
        let more = match status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
            _ => None,
        };
        if let Some((name, value)) = more {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        answer
    }
}
