//! Why a request is refused, and the answer for it.

use actix_web::error::{JsonPayloadError, PathError};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde_json::error::Category;
use serde_json::json;

/// The fault of a request, or of the application.
#[derive(Debug)]
pub(crate) enum ErrorResponse {
    /// The request cannot be read: the status, and why.
    Unreadable(StatusCode, String),
    /// The request can be read, but its values are invalid.
    Invalid(String),
    /// No credentials, or wrong ones.
    Unauthorized,
    /// The user is known, but not allowed to.
    Forbidden(&'static str),
    /// It does not exist, or this user may not see it.
    NotFound(&'static str),
    /// It exists already.
    Conflict(&'static str),
    /// The database failed.
    Storage(rusqlite::Error),
}

impl ErrorResponse {
    /// 400 for bytes that are not JSON, 415 for another Content-Type, 422 for other JSON.
    pub(crate) fn of_json(error: &JsonPayloadError) -> Self {
        let status = match error {
            JsonPayloadError::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            JsonPayloadError::Deserialize(json) if json.classify() == Category::Data => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            other => other.status_code(),
        };
        Self::Unreadable(status, error.to_string())
    }

    pub(crate) fn of_path(error: &PathError) -> Self {
        Self::Unreadable(StatusCode::BAD_REQUEST, error.to_string())
    }

    fn cause(&self) -> String {
        match self {
            Self::Unreadable(_, cause) | Self::Invalid(cause) => cause.clone(),
            Self::Unauthorized => {
                "log in, and send the token as `Authorization: Bearer TOKEN`".to_owned()
            }
            Self::Forbidden(cause) | Self::Conflict(cause) => (*cause).to_owned(),
            Self::NotFound(what) => format!("there is no such {what}"),
            Self::Storage(error) => format!("the database failed: {error}"),
        }
    }
}

impl std::fmt::Display for ErrorResponse {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.cause())
    }
}

impl ResponseError for ErrorResponse {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Unreadable(status, _) => *status,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        if matches!(self, Self::Unauthorized) {
            answer.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        answer.json(json!({ "error": self.cause() }))
    }
}

impl From<rusqlite::Error> for ErrorResponse {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            // The record refers to one that was deleted meanwhile.
            rusqlite::Error::SqliteFailure(failure, _)
                if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY =>
            {
                Self::NotFound("thing any more, it was deleted")
            }
            error => Self::Storage(error),
        }
    }
}

/// Refuse a text that is empty, or too long.
pub(crate) fn check_text(what: &str, text: &str) -> Result<(), ErrorResponse> {
    const LENGTH_MAX: usize = 200;
    if text.trim().is_empty() || text.chars().count() > LENGTH_MAX {
        let cause = format!("give a {what} of 1 to {LENGTH_MAX} characters");
        return Err(ErrorResponse::Invalid(cause));
    }
    check_nul(text)
}

/// Refuse a text that is too long for lists of many.
pub(crate) fn check_long_text(what: &str, text: &str) -> Result<(), ErrorResponse> {
    const LENGTH_MAX: usize = 2_000;
    if text.chars().count() > LENGTH_MAX {
        let cause = format!("give a {what} of {LENGTH_MAX} characters at most");
        return Err(ErrorResponse::Invalid(cause));
    }
    check_nul(text)
}

fn check_nul(text: &str) -> Result<(), ErrorResponse> {
    if text.contains('\0') {
        return Err(ErrorResponse::Invalid("give text without NUL characters".to_owned()));
    }
    Ok(())
}
