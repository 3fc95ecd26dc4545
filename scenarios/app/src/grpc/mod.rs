//! A service of gRPC, `scenarios/grpc/echo.proto`: unary calls, and streams in one direction.
//!
//! `wire` has the form of bodies and statuses. Messages are the same as in the file; it is not
//! compiled, so that a build needs no compiler for it.

mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::post;
use futures_util::stream;
use prost::Message;
use tokio::time::sleep;

use crate::router::AppState;
use wire::{Status, messages};

/// The most messages of an answer, and the most bytes of its text.
const MESSAGES_MAX: u32 = 1_000_000;
const TEXT_MAX: usize = 64 << 20;
/// A longer wait would outlast every run.
const WAIT_MAX: Duration = Duration::from_secs(60);

#[derive(Clone, PartialEq, Message)]
struct Words {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(uint32, tag = "2")]
    repeat: u32,
    #[prost(uint32, tag = "3")]
    delay_ms: u32,
    #[prost(uint32, tag = "4")]
    status: u32,
}

#[derive(Clone, PartialEq, Message)]
struct CountRequest {
    #[prost(uint32, tag = "1")]
    messages: u32,
    #[prost(uint32, tag = "2")]
    gap_ms: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Collected {
    #[prost(uint64, tag = "1")]
    messages: u64,
    #[prost(uint64, tag = "2")]
    bytes: u64,
}

/// The methods of the service.
pub(crate) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/uringbench.demo.Echo/Say", post(say))
        .route("/uringbench.demo.Echo/Count", post(count))
        .route("/uringbench.demo.Echo/Collect", post(collect))
        .route("/uringbench.demo.Echo/{method}", post(unknown))
}

async fn say(request: Request) -> Response {
    wire::in_time(wire::deadline(&request), said(request)).await
}

async fn said(request: Request) -> Result<Response, Status> {
    let words = one::<Words>(request).await?;
    sleep(millis(words.delay_ms)).await;
    if words.status != 0 {
        return Err(Status { code: words.status, text: words.text });
    }
    let times = words.repeat.max(1) as usize;
    if words.text.len().saturating_mul(times) > TEXT_MAX {
        let text = "the text would have more than 64 MiB: repeat it less often".to_owned();
        return Err(Status { code: Status::RESOURCE_EXHAUSTED, text });
    }
    let reply = Words { text: words.text.repeat(times), ..Words::default() };
    Ok(wire::answer(stream::iter([wire::framed(&reply)])))
}

async fn count(request: Request) -> Response {
    wire::in_time(wire::deadline(&request), counted(request)).await
}

async fn counted(request: Request) -> Result<Response, Status> {
    let CountRequest { messages, gap_ms } = one(request).await?;
    let gap = millis(gap_ms);
    let counted = stream::unfold(1, move |number| async move {
        if number > messages.min(MESSAGES_MAX) {
            return None;
        }
        if number > 1 && !gap.is_zero() {
            sleep(gap).await;
        }
        let words = Words { text: number.to_string(), ..Words::default() };
        Some((wire::framed(&words), number + 1))
    });
    Ok(wire::answer(counted))
}

async fn collect(request: Request) -> Response {
    wire::in_time(wire::deadline(&request), collected(request)).await
}

async fn collected(request: Request) -> Result<Response, Status> {
    let mut collected = Collected::default();
    for words in messages::<Words>(request).await? {
        collected.messages += 1;
        collected.bytes += words.text.len() as u64;
    }
    Ok(wire::answer(stream::iter([wire::framed(&collected)])))
}

async fn unknown(request: Request) -> Response {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let text = format!("the service has no method {method}");
    wire::failed(&Status { code: Status::UNIMPLEMENTED, text })
}

/// The only message of a call.
async fn one<M: Message + Default>(request: Request) -> Result<M, Status> {
    let mut all = messages(request).await?;
    match (all.pop(), all.is_empty()) {
        (Some(message), true) => Ok(message),
        _ => Err(Status {
            code: Status::UNIMPLEMENTED,
            text: "the method takes one message".to_owned(),
        }),
    }
}

fn millis(millis: u32) -> Duration {
    Duration::from_millis(millis.into()).min(WAIT_MAX)
}
