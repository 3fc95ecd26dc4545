//! Compiles steps whose answer is an event stream or opens a WebSocket: the messages, and fields
//! that contradict them.

use uringbench_core::flow::exchange::{Exchange, Socket};
use uringbench_core::flow::text as core;
use uringbench_core::flow::value::Escape;
use uringbench_core::http::body::{Alphabet, Body, Generated};
use uringbench_core::time::Nanos;
use uringbench_core::websocket::frame::Kind;
use uringbench_core::websocket::handshake::Opening;

use crate::diagnostic::{Diagnostics, FieldPath};
use crate::format::{self, Step};
use crate::request::{GENERATED_MAX, checked_json};
use crate::text::{Names, Text};

/// The default of `--stall`.
const STALL: Nanos = Nanos::SECOND;
/// The largest number of messages; a larger one is a typing error.
pub(crate) const MESSAGES_MAX: u32 = 1_000_000;

/// What follows the request of a step.
pub(crate) enum Wanted {
    Http,
    Events { count: Option<u64>, stall: Nanos },
    Socket(Talk),
}

/// The messages over a WebSocket.
pub(crate) struct Talk {
    kind: Kind,
    message: core::Text,
    messages: u32,
    is_echo: bool,
    greeting: u32,
    pub(crate) protocols: Vec<String>,
}

impl Wanted {
    /// Compiles it; a WebSocket needs the `opening` made of the step's request.
    pub(crate) fn compiled(self, opening: Option<Opening>) -> Exchange {
        match (self, opening) {
            (Self::Socket(talk), Some(opening)) => Exchange::Socket(Box::new(Socket {
                opening,
                kind: talk.kind,
                message: talk.message,
                messages: talk.messages,
                is_echo: talk.is_echo,
                greeting: talk.greeting,
            })),
            (Self::Events { count, stall }, _) => Exchange::Events { count, stall },
            (Self::Http | Self::Socket(_), _) => Exchange::Http,
        }
    }
}

/// What follows a step's request; adds mistakes and returns `None` if it has any.
pub(crate) fn read(
    step: &Step,
    place: &FieldPath,
    names: &Names<'_>,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<Wanted> {
    match (&step.events, &step.websocket) {
        (None, None) => Some(Wanted::Http),
        (Some(given), None) => {
            beside_events(step, place, diagnostics);
            if given.count == Some(0) {
                let why = "a step waits for at least 1 event: write 1 or more";
                diagnostics.add(&place.key("events").key("count"), why);
            }
            let stall = given.stall.map_or(STALL, |span| span.0);
            Some(Wanted::Events { count: given.count, stall })
        }
        (None, Some(given)) => {
            beside_socket(step, place, diagnostics);
            talk(given, &place.key("websocket"), names, diagnostics).map(Wanted::Socket)
        }
        (Some(_), Some(_)) => {
            let why = "`events` already sets the answer: keep one of them";
            diagnostics.add(&place.key("websocket"), why);
            None
        }
    }
}

/// Rejects fields that a stream does not support: its body is read as it arrives, and not kept.
fn beside_events(step: &Step, place: &FieldPath, diagnostics: &mut Diagnostics<'_>) {
    if step.method.as_deref() == Some("HEAD") {
        let why = "an answer to HEAD has no events: write another method";
        diagnostics.add(&place.key("method"), why);
    }
    let mut contradict = |place: &FieldPath| {
        let why = "a stream is not kept: check its status or a header";
        diagnostics.add(place, why);
    };
    if let Some(check) = &step.check {
        let place = place.key("check");
        let named = [
            ("contains", check.contains.is_some()),
            ("excludes", check.excludes.is_some()),
            ("equals", check.equals.is_some()),
            ("length", check.length.is_some()),
            ("json", !check.json.is_empty()),
        ];
        let named = named.iter().filter(|(_, is_named)| *is_named);
        named.for_each(|(field, _)| contradict(&place.key(field)));
    }
    for (name, capture) in &step.capture {
        if capture.json.is_some() || capture.regex.is_some() {
            contradict(&place.key("capture").key(name));
        }
    }
}

/// Rejects fields that a WebSocket does not support: messages have no status, no headers and no
/// method.
fn beside_socket(step: &Step, place: &FieldPath, diagnostics: &mut Diagnostics<'_>) {
    if step.body.is_some() {
        let why = "a WebSocket is opened without a body: put the message into `websocket`";
        diagnostics.add(&place.key("body"), why);
    }
    if step.method.as_ref().is_some_and(|method| method != "GET") {
        let why = "a WebSocket is opened with GET: leave `method` out";
        diagnostics.add(&place.key("method"), why);
    }
    let mut contradict = |place: &FieldPath| {
        let why = "messages have no status and no headers: check their text";
        diagnostics.add(place, why);
    };
    if let Some(check) = &step.check {
        let place = place.key("check");
        let named = [("status", check.status.is_some()), ("header", !check.header.0.is_empty())];
        let named = named.iter().filter(|(_, is_named)| *is_named);
        named.for_each(|(field, _)| contradict(&place.key(field)));
    }
    for (name, capture) in &step.capture {
        if capture.header.is_some() || capture.cookie.is_some() {
            contradict(&place.key("capture").key(name));
        }
    }
}

fn talk(
    given: &format::Socket,
    place: &FieldPath,
    names: &Names<'_>,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<Talk> {
    let messages = given.messages.unwrap_or(1);
    if !(1..=MESSAGES_MAX).contains(&messages) {
        let why = format!("1 to {MESSAGES_MAX} messages are sent: write such a number");
        diagnostics.add(&place.key("messages"), why);
    }
    if given.greeting.is_some_and(|greeting| greeting > MESSAGES_MAX) {
        let why = format!("at most {MESSAGES_MAX} messages are waited for: write such a number");
        diagnostics.add(&place.key("greeting"), why);
    }
    let message = match (&given.text, &given.json, given.size) {
        (Some(text), None, None) => {
            let text = diagnostics.take(&place.key("text"), Text::read(text, names))?;
            text.alone(Escape::None)
        }
        (None, Some(text), None) => {
            let text = Text::read(text, names).and_then(checked_json);
            diagnostics.take(&place.key("json"), text)?.alone(Escape::Json)
        }
        (None, None, Some(size)) if size > GENERATED_MAX => {
            let why = format!("more than 1 GiB: write at most {GENERATED_MAX}");
            diagnostics.add(&place.key("size"), why);
            return None;
        }
        (None, None, Some(size)) => {
            let alphabet = if given.is_binary { Alphabet::Binary } else { Alphabet::Text };
            let made = Generated { len: size as usize, seed: 0, alphabet };
            core::Text::new().literal(&Body::Generated(made).content())
        }
        _ => {
            diagnostics.add(place, "messages have one content: write one of text, json and size");
            return None;
        }
    };
    let kind = if given.is_binary { Kind::Binary } else { Kind::Text };
    let (is_echo, protocols) = (given.is_echo, given.protocols.clone());
    let greeting = given.greeting.unwrap_or(0);
    Some(Talk { kind, message, messages, is_echo, greeting, protocols })
}
