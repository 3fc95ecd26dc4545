//! One request of a flow, and whether its answer passes: checks first, then captures.

use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::capture::{Capture, CaptureError, Source};
use super::check::Check;
use super::exchange::Exchange;
use super::template::Template;
use super::value::Scope;

/// Statuses from here on are errors (RFC 9110 section 15).
const FIRST_ERROR: u16 = 400;
/// The status of the answer that opens a WebSocket.
const SWITCHING: u16 = 101;

/// One request of a flow, with the checks and captures of its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Its name in reports.
    pub name: String,
    /// The request.
    pub template: Template,
    /// The kind of exchange.
    pub exchange: Exchange,
    /// All must hold. Without a check of the status, it must be below 400. With a WebSocket, checks
    /// and captures apply to each message received.
    pub checks: Vec<Check>,
    /// The captures, each with the index of the user's value that it sets.
    pub captures: Vec<(usize, Capture)>,
    /// Whether the flow ends if the step fails.
    pub is_last_when_failed: bool,
}

/// The first failure of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failed {
    /// The status is not one of those checked for or, without such a check, it is 400 or above.
    Status,
    /// This check of the step does not hold.
    Check(usize),
    /// The answer does not contain the value of this capture.
    Capture(usize),
    /// The value of this capture is longer than its limit.
    TooLong(usize),
    /// The message received is not the one that was sent.
    Echo,
}

/// The result of an answer.
pub type Judgement = Result<(), Failed>;

impl Step {
    /// A step that checks the status alone and captures nothing, as a base for struct updates.
    pub fn new(name: impl Into<String>, template: Template) -> Self {
        Self {
            name: name.into(),
            template,
            exchange: Exchange::Http,
            checks: Vec::new(),
            captures: Vec::new(),
            is_last_when_failed: false,
        }
    }

    /// Whether its method is HEAD, so that the answer has no body (RFC 9110 section 9.3.2).
    pub const fn is_head(&self) -> bool {
        self.template.is_head()
    }

    /// Whether it sends the cookies in the user's jar, which then stores those of the answer:
    /// before the checks, and whatever their result.
    pub fn uses_jar(&self) -> bool {
        self.template.uses_jar()
    }

    /// Whether the answer's header must be kept for checks and captures.
    pub fn needs_head(&self) -> bool {
        self.uses_jar()
            || self.checks.iter().any(Check::needs_head)
            || self.captures.iter().any(|(_, capture)| capture.needs_head())
    }

    /// Whether the answer's body must be kept for checks and captures. Its length alone comes from
    /// [`Answer::body_bytes`].
    pub fn needs_body(&self) -> bool {
        self.checks.iter().any(Check::needs_body)
            || self.captures.iter().any(|(_, capture)| capture.needs_body())
    }

    /// Whether the step expects this status, 300 or above: it checks for it, or reads the
    /// `Location` of a redirect.
    pub fn expects_status(&self, status: u16) -> bool {
        let is_location = |name: &str| name.eq_ignore_ascii_case("location");
        let is_redirect = (300..FIRST_ERROR).contains(&status);
        let checks = self.checks.iter().any(|check| match check {
            Check::Status(statuses) => statuses.contains(&status),
            Check::Header { name, .. } => is_redirect && is_location(name),
            _ => false,
        });
        checks
            || is_redirect
                && self.captures.iter().any(|(_, capture)| match &capture.source {
                    Source::Header(name) => is_location(name),
                    _ => false,
                })
    }

    /// Whether messages are matched as replies by content, so that one sent by the target on its
    /// own is not taken for a reply.
    pub fn knows_answers(&self) -> bool {
        let is_echo = matches!(&self.exchange, Exchange::Socket(socket) if socket.is_echo);
        is_echo || !self.checks.is_empty() || !self.captures.is_empty()
    }

    /// Whether the answer passes. If all checks hold, its captured values go into `captures`, which
    /// are all of the user's; those before a failed capture keep their new values, and the failed
    /// one becomes empty.
    ///
    /// `scope` is the user's, as for the request; its captures are not read. `scratch` is a buffer
    /// for texts to compare with.
    ///
    /// # Errors
    /// The first failure: the status, the checks in order, the captures in order.
    pub fn judge(
        &self,
        answer: &Answer<'_>,
        scope: &Scope<'_>,
        captures: &mut [Vec<u8>],
        scratch: &mut Vec<u8>,
    ) -> Judgement {
        let scope_now = Scope { captures, ..*scope };
        let mut is_status_named = false;
        for check in &self.checks {
            if let Check::Status(statuses) = check {
                is_status_named = true;
                if !statuses.contains(&answer.status) {
                    return Err(Failed::Status);
                }
            }
        }
        if !is_status_named && answer.status >= FIRST_ERROR {
            return Err(Failed::Status);
        }
        if let Some(at) = self.checks.iter().position(|c| !c.holds(answer, &scope_now, scratch)) {
            return Err(Failed::Check(at));
        }
        for (at, (number, capture)) in self.captures.iter().enumerate() {
            let Some(kept) = captures.get_mut(*number) else { return Err(Failed::Capture(at)) };
            capture.take(answer, kept).map_err(|why| match why {
                CaptureError::Missing => Failed::Capture(at),
                CaptureError::TooLong => Failed::TooLong(at),
            })?;
        }
        Ok(())
    }

    /// Whether a message over the step's WebSocket passes, where `sent` was the last one sent;
    /// otherwise as [`Self::judge`].
    ///
    /// # Errors
    /// The first failure: the echo, the checks in order, the captures in order.
    pub fn judge_message(
        &self,
        sent: &[u8],
        received: &[u8],
        scope: &Scope<'_>,
        captures: &mut [Vec<u8>],
        scratch: &mut Vec<u8>,
    ) -> Judgement {
        if let Exchange::Socket(socket) = &self.exchange
            && socket.is_echo
            && sent != received
        {
            return Err(Failed::Echo);
        }
        let body_bytes = received.len() as u64;
        let answer = Answer { status: SWITCHING, head: b"", body: received, body_bytes };
        self.judge(&answer, scope, captures, scratch)
    }

    /// The failure for reports: `status is not 200`, `no JSON /token`.
    pub fn describe(&self, failed: Failed) -> String {
        let capture = |at: usize| self.captures.get(at).map(|(_, capture)| capture);
        let status = |check: &Check| match check {
            Check::Status(_) => Some(check.to_string()),
            _ => None,
        };
        let found = match failed {
            Failed::Echo => Some("message is not the one sent".to_owned()),
            Failed::Status => self.checks.iter().find_map(status),
            Failed::Check(at) => self.checks.get(at).map(ToString::to_string),
            Failed::Capture(at) => capture(at).map(|capture| format!("no {}", capture.source)),
            Failed::TooLong(at) => capture(at).map(|capture| {
                format!("{} is longer than {} bytes", capture.source, capture.bytes_max)
            }),
        };
        match (found, failed) {
            (Some(text), _) => text,
            (None, Failed::Status) if matches!(self.exchange, Exchange::Socket(_)) => {
                "the WebSocket is refused".to_owned()
            }
            (None, Failed::Status) => format!("status is {FIRST_ERROR} or above"),
            (None, _) => "something this step does not have".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
