//! Long-lived connections: server-sent events and a WebSocket.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use axum::response::sse::{Event, Sse};
use futures_util::{Stream, stream};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::time::sleep;

use crate::error_response::ErrorResponse;
use crate::extract::QueryParams;

const EVENTS: u32 = 50;
/// A longer gap would outlast every run.
const GAP_MAX_MS: u64 = 60_000;
/// Most memory of one connection.
const MESSAGE_MAX: usize = 1 << 20;

/// Timing and number of the events.
#[derive(Deserialize)]
pub(super) struct Pace {
    /// Milliseconds before each event but the first.
    #[serde(default)]
    gap_ms: u64,
}

pub(super) async fn events(
    QueryParams(pace): QueryParams<Pace>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let gap = Duration::from_millis(pace.gap_ms.min(GAP_MAX_MS));
    Sse::new(stream::unfold(1, move |number| async move {
        if number > EVENTS {
            return None;
        }
        if number > 1 && !gap.is_zero() {
            sleep(gap).await;
        }
        let event = Event::default()
            .id(number.to_string())
            .event("tick")
            .data(format!("{{\"number\":{number},\"of\":{EVENTS}}}"));
        Some((Ok(event), number + 1))
    }))
}

pub(super) async fn echo(
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ErrorResponse> {
    let upgrade =
        upgrade.map_err(|error| ErrorResponse::Unreadable(error.status(), error.body_text()))?;
    Ok(upgrade.max_message_size(MESSAGE_MAX).on_upgrade(serve_echo))
}

/// Send messages back. Text must be JSON; it is parsed completely and sent back unchanged.
async fn serve_echo(mut socket: WebSocket) {
    // A peer that has left or breaks the protocol ends its connection: nobody is left to inform.
    while let Some(Ok(message)) = socket.recv().await {
        let answer = match message {
            Message::Text(text) if serde_json::from_str::<IgnoredAny>(&text).is_err() => {
                Message::Close(Some(CloseFrame {
                    code: close_code::INVALID,
                    reason: "text must be JSON".into(),
                }))
            }
            Message::Text(_) | Message::Binary(_) => message,
            // The library answers these.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => continue,
        };
        if socket.send(answer).await.is_err() {
            return;
        }
    }
}
