//! Calls of gRPC as HTTP carries them: messages with their lengths in front, a status as trailer,
//! deadlines.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use http_body_util::StreamBody;
use prost::Message;
use tokio::time::timeout;

/// The most bytes of a request.
const REQUEST_MAX: usize = 64 << 20;
const PREFIX: usize = 5;
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/grpc");

/// How a call fails.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) code: u32,
    pub(super) text: String,
}

impl Status {
    const INVALID_ARGUMENT: u32 = 3;
    const DEADLINE_EXCEEDED: u32 = 4;
    pub(super) const RESOURCE_EXHAUSTED: u32 = 8;
    pub(super) const UNIMPLEMENTED: u32 = 12;

    fn fields(&self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        fields.insert(STATUS, self.code.into());
        let text = encoded(&self.text);
        if let Ok(text) = HeaderValue::from_str(&text)
            && !text.is_empty()
        {
            fields.insert(MESSAGE, text);
        }
        fields
    }
}

/// Percent-encoded, as `grpc-message` has it.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'%' => encoded.push_str("%25"),
            b' '..=b'~' => encoded.push(byte.into()),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The messages of a request.
pub(super) async fn messages<M: Message + Default>(request: Request) -> Result<Vec<M>, Status> {
    let invalid = |text: String| Status { code: Status::INVALID_ARGUMENT, text };
    let body = to_bytes(request.into_body(), REQUEST_MAX).await;
    let body = body.map_err(|why| Status {
        code: Status::RESOURCE_EXHAUSTED,
        text: format!("the request cannot be read: {why}"),
    })?;
    let mut messages = Vec::new();
    let mut rest = &body[..];
    while let Some(([flag, length @ ..], behind)) = rest.split_first_chunk::<PREFIX>() {
        let length = u32::from_be_bytes(*length) as usize;
        let message = behind.get(..length).filter(|_| *flag == 0);
        let message = message.ok_or_else(|| invalid("a message is not whole".to_owned()))?;
        messages.push(M::decode(message).map_err(|why| invalid(why.to_string()))?);
        rest = &behind[length..];
    }
    if rest.is_empty() { Ok(messages) } else { Err(invalid("a message is not whole".to_owned())) }
}

/// A message with its length in front.
pub(super) fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut framed = Vec::with_capacity(PREFIX + length);
    framed.push(0);
    framed.extend_from_slice(&(length as u32).to_be_bytes());
    framed.extend_from_slice(&message.encode_to_vec());
    framed.into()
}

/// An answer with these messages, and success behind them.
pub(super) fn answer(messages: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let fields = Status { code: 0, text: String::new() }.fields();
    let end = stream::once(async move { http_body::Frame::trailers(fields) });
    let frames = messages.map(http_body::Frame::data).chain(end).map(Ok::<_, Infallible>);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], Body::new(StreamBody::new(frames))).into_response()
}

/// An answer without a body.
pub(super) fn failed(status: &Status) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], status.fields(), Body::empty()).into_response()
}

/// The answer of a call, unless this deadline is over before it begins.
pub(super) async fn in_time(
    deadline: Option<Duration>,
    called: impl Future<Output = Result<Response, Status>>,
) -> Response {
    let answered = match deadline {
        None => called.await,
        Some(deadline) => timeout(deadline, called).await.unwrap_or_else(|_late| {
            let text = format!("it took longer than {deadline:?}");
            Err(Status { code: Status::DEADLINE_EXCEEDED, text })
        }),
    };
    answered.unwrap_or_else(|status| failed(&status))
}

/// The time that the `grpc-timeout` of a request gives.
pub(super) fn deadline(request: &Request) -> Option<Duration> {
    let value = request.headers().get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number.checked_mul(3_600)?)),
        "M" => Some(Duration::from_secs(number.checked_mul(60)?)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}
