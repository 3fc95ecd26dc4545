//! One request of a flow, and whether its answer passes: checks first, then what is kept of it.

use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::capture::{Capture, CaptureError, Source};
use super::check::Check;
use super::exchange::Exchange;
use super::template::Template;
use super::value::Scope;

/// From here on a status says that something went wrong (RFC 9110 section 15).
const FIRST_ERROR: u16 = 400;
/// The status under which messages come.
const SWITCHING: u16 = 101;

/// One request of a flow, and what its answer is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// What reports call it.
    pub name: String,
    /// The request.
    pub template: Template,
    /// What comes of it.
    pub exchange: Exchange,
    /// All must hold. Without one of the status, a status below 400 is enough. With a WebSocket
    /// they, and the captures, are about each message that comes.
    pub checks: Vec<Check>,
    /// What is kept of the answer, each with the number of the user's capture it goes to.
    pub captures: Vec<(usize, Capture)>,
    /// Whether the flow ends here when the step fails.
    pub is_last_when_failed: bool,
}

/// What of a step failed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failed {
    /// The status is not one that was asked for or, where none was, it is 400 or above.
    Status,
    /// This one of the step's checks does not hold.
    Check(usize),
    /// The answer does not have what this one of the step's captures keeps.
    Capture(usize),
    /// What this one of the step's captures keeps is longer than it may be.
    TooLong(usize),
    /// The message that came is not the one that was sent.
    Echo,
}

/// What an answer comes to.
pub type Judgement = Result<(), Failed>;

impl Step {
    /// A step that checks the status alone and keeps nothing: the rest of a struct that names
    /// what else there is.
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

    /// Whether it asks with HEAD, so that the answer has no body (RFC 9110 section 9.3.2).
    pub const fn is_head(&self) -> bool {
        self.template.is_head()
    }

    /// Whether it sends the cookies of the user's jar, which then keeps those of the answer: before
    /// it is judged, and whatever comes of that.
    pub fn uses_jar(&self) -> bool {
        self.template.uses_jar()
    }

    /// Whether the answer's header has to be kept until it is judged.
    pub fn needs_head(&self) -> bool {
        self.uses_jar()
            || self.checks.iter().any(Check::needs_head)
            || self.captures.iter().any(|(_, capture)| capture.needs_head())
    }

    /// Whether the answer's body has to be kept until it is checked. Its length alone comes from
    /// [`Answer::body_bytes`].
    pub fn needs_body(&self) -> bool {
        self.checks.iter().any(Check::needs_body)
            || self.captures.iter().any(|(_, capture)| capture.needs_body())
    }

    /// Whether an answer with this status, 300 or above, is one that the step asks for: it checks
    /// for the status, or looks at where it is redirected to.
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

    /// Whether a message is known to be an answer by what it holds, so that one that the target
    /// sent of its own accord is not taken for it.
    pub fn knows_answers(&self) -> bool {
        let is_echo = matches!(&self.exchange, Exchange::Socket(socket) if socket.is_echo);
        is_echo || !self.checks.is_empty() || !self.captures.is_empty()
    }

    /// Whether the answer passes. If all checks hold, what is kept of it goes into `captures`,
    /// which are all of the user's; those before a capture that fails keep their new values, and
    /// the one that fails becomes empty.
    ///
    /// `scope` is the user's, as the request was made with; what it says of captures is not
    /// looked at. `scratch` is room for texts that are compared with.
    ///
    /// # Errors
    /// With what failed first: the status, the checks in their order, the captures in theirs.
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

    /// Whether a message that came over the step's WebSocket passes, where `sent` was the last one
    /// that went; as [`Self::judge`] otherwise.
    ///
    /// # Errors
    /// With what failed first: the echo, the checks in their order, the captures in theirs.
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

    /// What failed, for reports: `status is not 200`, `no JSON /token`.
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
