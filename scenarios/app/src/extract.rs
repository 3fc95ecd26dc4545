//! The data of a request, read from JSON, the path or the query. Invalid data is refused in JSON,
//! like everything else.

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use crate::error_response::ErrorResponse;

/// A JSON body: 400 for bytes that are not JSON, 415 for another Content-Type, 422 for other JSON.
pub(crate) struct JsonBody<T>(pub(crate) T);

/// Parameters of the query: 422 for unexpected ones.
pub(crate) struct QueryParams<T>(pub(crate) T);

/// Parameters of the path: 400 for unexpected ones.
pub(crate) struct PathParams<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ErrorResponse;

    async fn from_request(request: Request, state: &S) -> Result<Self, ErrorResponse> {
        match Json::from_request(request, state).await {
            Ok(Json(given)) => Ok(Self(given)),
            Err(error) => Err(ErrorResponse::Unreadable(error.status(), error.body_text())),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ErrorResponse> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(ErrorResponse::Invalid(error.body_text())),
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParams<T> {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ErrorResponse> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(named)) => Ok(Self(named)),
            Err(error) => Err(ErrorResponse::Unreadable(error.status(), error.body_text())),
        }
    }
}

/// Read a body as it arrives, up to this many bytes; returns its length. 413 for more.
pub(crate) async fn read_through(
    body: Body,
    most: usize,
    mut take: impl FnMut(&[u8]),
) -> Result<usize, ErrorResponse> {
    let (mut chunks, mut length) = (body.into_data_stream(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            let cause = format!("the body ended early: {error}");
            ErrorResponse::Unreadable(StatusCode::BAD_REQUEST, cause)
        })?;
        length += chunk.len();
        if length > most {
            let cause = format!("send {most} bytes at most");
            return Err(ErrorResponse::Unreadable(StatusCode::PAYLOAD_TOO_LARGE, cause));
        }
        take(&chunk);
    }
    Ok(length)
}

/// Refuse a number out of range.
pub(crate) fn check_range<T: PartialOrd + std::fmt::Display>(
    name: &str,
    given: T,
    least: T,
    most: T,
) -> Result<T, ErrorResponse> {
    if given < least || given > most {
        return Err(ErrorResponse::Invalid(format!("give {name} from {least} to {most}")));
    }
    Ok(given)
}

/// Refuse a text that is empty, or too long.
pub(crate) fn check_text(what: &str, text: &str) -> Result<(), ErrorResponse> {
    const LENGTH_MAX: usize = 200;
    if text.trim().is_empty() || text.chars().count() > LENGTH_MAX {
        return Err(ErrorResponse::Invalid(format!(
            "give a {what} of 1 to {LENGTH_MAX} characters"
        )));
    }
    Ok(())
}

/// Refuse a text that is too long for lists of many.
pub(crate) fn check_long_text(what: &str, text: &str) -> Result<(), ErrorResponse> {
    const LENGTH_MAX: usize = 2_000;
    if text.chars().count() > LENGTH_MAX {
        return Err(ErrorResponse::Invalid(format!(
            "give a {what} of {LENGTH_MAX} characters at most"
        )));
    }
    Ok(())
}
