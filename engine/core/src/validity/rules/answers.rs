//! The answers: what failed, and why.

use super::{ERRORS_MAX, Reason, Run, invalid, suspect};
use crate::ending::{CLOSED_IDLE, CLOSED_NEW, CLOSED_UNSAID, Ending, STREAM_CUT};
use crate::flow::exchange::Exchange;
use crate::flow::step::Step;
use crate::outcome::Outcome;
use crate::plan::{Load, StreamKind};
use crate::summary::{Grouped, Percent, plural};
use crate::time::Nanos;

impl Run<'_> {
    pub(super) fn nothing_completed(&self) -> Option<Reason> {
        (self.record.counts.completed() == 0).then(|| {
            const CHECK: &str = "check that the target listens at this address and speaks HTTP/1.1";
            let message = match self.error_kinds() {
                kinds if !kinds.is_empty() => {
                    let cause = self.main_cause();
                    let cause = cause.or_else(|| self.connect_failure().map(str::to_owned));
                    let cause = cause.map(|cause| format!("{cause}{}", self.tls_perhaps()));
                    let causes: Vec<_> =
                        cause.into_iter().chain(self.certificate_perhaps()).collect();
                    let causes = causes.join("; ");
                    let causes = if causes.is_empty() { CHECK } else { &causes };
                    format!("no request was answered ({kinds}): {causes}")
                }
                _ if self.record.interrupted && self.summary.measured == Nanos::ZERO => {
                    "the run was interrupted before its measured window; --warmup 0s measures from \
                     the start"
                        .to_owned()
                }
                _ if self.record.counts.released == 0 && self.plan.load != Load::Closed => {
                    "no request was due in the measured window: the schedule has none there; \
                     measure longer (-d), or raise the rate"
                        .to_owned()
                }
                _ if self.record.warmup_counts.released > 0 => {
                    const BUSY: &str = "no request was sent in the measured window: every \
                                        connection still waited for the answer to a warm-up \
                                        request";
                    let stream = self.plan.workload.stream();
                    if stream.is_some_and(|it| it.kind != StreamKind::Messages) {
                        format!("{BUSY}; end each stream after some events (--events N)")
                    } else {
                        format!("{BUSY}; measure longer (-d)")
                    }
                }
                _ => format!("no request was sent: {CHECK}"),
            };
            invalid("nothing_completed", message)
        })
    }

    /// A probable cause when every connection over TLS ends without an alert.
    fn certificate_perhaps(&self) -> Option<String> {
        let endings = self.record.endings();
        let has_begun = [Ending::BrokenOff, Ending::Truncated].map(|cut| endings.of(cut)) != [0, 0];
        let was_reset = self.record.counts.of(Outcome::Reset) == self.record.counts.ended();
        let was_reset = was_reset && !has_begun;
        let tls = self.plan.tls().filter(|_| was_reset && self.connect_failure().is_none())?;
        let fix = match tls.identity {
            None => "and give --cert and --key",
            Some(_) => "where --cert is sent",
        };
        Some(format!(
            "if the server requests a client certificate late (post-handshake authentication, \
             renegotiation), make it do so in the handshake, {fix}"
        ))
    }

    /// Answers were read as streams, and none contained an event.
    pub(super) fn no_events(&self) -> Option<String> {
        let answers = self.record.counts.completed();
        let is_silent = self.plan.workload.stream().is_some() && self.total(|w| w.events) == 0;
        let has_calls = self.plan.workload.calls().is_some();
        (is_silent && answers > 0).then(|| {
            if has_calls {
                let calls = plural(answers, "call");
                return format!("{calls} brought no message: check what the method returns");
            }
            format!(
                "no event arrived in {}: check that they are streams; --sse reads \
                 text/event-stream, --stream counts each arrival of any body",
                plural(answers, "answer"),
            )
        })
    }

    /// The fix when plain HTTP was sent to a port that answers with TLS.
    pub(super) fn tls_perhaps(&self) -> &'static str {
        let tls =
            crate::http::response::Malformed::Protocol(crate::http::protocol::OtherProtocol::Tls)
                .to_string();
        let causes = self.record.causes.list();
        let is_tls = |cause: &crate::cause::Cause| cause.text.starts_with(&tls);
        if self.plan.tls().is_some() {
            ""
        } else if causes.iter().any(is_tls) {
            "; write https:// in the URL"
        } else if causes.iter().all(|cause| cause.text == CLOSED_NEW) && !causes.is_empty() {
            "; if the server expects TLS, write https:// in the URL"
        } else {
            ""
        }
    }

    /// One note for each harmless deviation from the protocol.
    pub(super) fn tolerated(&self) -> impl Iterator<Item = String> {
        self.record.tolerated.list().map(|(deviation, count, example)| {
            format!(
                "{} had {}, read as browsers and curl read it; the first: {example}",
                if count == 1 {
                    "1 answer".to_owned()
                } else {
                    format!("{} answers", Grouped(count))
                },
                deviation.describe(),
            )
        })
    }

    pub(super) fn errors(&self) -> Option<Reason> {
        let share = self.summary.error_share?;
        (share > ERRORS_MAX).then(|| {
            let main_cause = self.main_cause();
            let is_closed_idle = main_cause
                .as_deref()
                .is_some_and(|cause| [CLOSED_IDLE, CLOSED_UNSAID].contains(&cause));
            let what = if self.target_gone().is_some() {
                "the target was gone by then"
            } else if self.refusals().is_some() {
                "the times are those of refusals"
            } else if main_cause.as_deref() == Some(STREAM_CUT) {
                "the run ended before they did"
            } else if is_closed_idle {
                "the target is not failing"
            } else {
                "check the target first, it was failing when the times were taken"
            };
            let mut message = format!(
                "{} of the requests failed ({}): {what}",
                Percent(share),
                self.error_kinds()
            );
            if let Some(cause) = main_cause {
                message += &format!("; most often: {cause}");
            } else if let Some(cause) = self.tls_broke_off() {
                message += &format!("; the latest connection that failed: {cause}");
            }
            suspect("errors", message)
        })
    }

    /// The most frequent known cause.
    fn main_cause(&self) -> Option<String> {
        self.record.causes.list().into_iter().next().map(|cause| cause.text)
    }

    /// `12 timeout, 3 reset`: the outcomes other than `ok`, the most frequent first.
    pub(super) fn error_kinds(&self) -> String {
        let mut kinds: Vec<_> = Outcome::ALL
            .into_iter()
            .filter(|&outcome| outcome != Outcome::Ok)
            .map(|outcome| (self.record.counts.of(outcome), outcome.key()))
            .filter(|(count, _)| *count > 0)
            .collect();
        kinds.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let kinds: Vec<_> =
            kinds.iter().map(|(count, key)| format!("{} {key}", Grouped(*count))).collect();
        kinds.join(", ")
    }

    pub(super) fn unsolicited(&self) -> Option<Reason> {
        let unsolicited = self.total(|w| w.unsolicited);
        (unsolicited > 0).then(|| {
            let samples =
                self.record.workers.iter().filter_map(|w| w.unsolicited_sample.as_deref());
            let first = samples.take(1).map(|sample| format!(" ({sample})")).collect::<String>();
            let message = format!(
                "the target sent bytes that belong to no answer {}{first}: check whether its \
                 answers are longer than they declare",
                plural(unsolicited, "time"),
            );
            suspect("unsolicited", message)
        })
    }

    /// The target sent messages on its own, and replies are matched by their order alone.
    pub(super) fn unsolicited_messages(&self) -> Option<Reason> {
        if self.unsolicited_count() == 0 || self.knows_answers() {
            return None;
        }
        let message = format!(
            "{} without a request; replies are matched by order, so times may be too short: wait \
             for greetings with --greeting N, or match replies by content (--echo, `check`)",
            self.unasked(),
        );
        Some(suspect("unsolicited_messages", message))
    }

    /// The same where replies are matched by content, so that it does no harm.
    pub(super) fn unsolicited_note(&self) -> Option<String> {
        (self.unsolicited_count() > 0 && self.knows_answers()).then(|| {
            format!(
                "{} without a request; none was taken for a reply, which are matched by content",
                self.unasked()
            )
        })
    }

    fn unsolicited_count(&self) -> u64 {
        self.total(|w| w.unsolicited_messages)
    }

    fn unasked(&self) -> String {
        match self.unsolicited_count() {
            1 => "the server sent 1 message".to_owned(),
            count => format!("the server sent {} messages", Grouped(count)),
        }
    }

    /// Whether every reply over a WebSocket is matched by its content.
    fn knows_answers(&self) -> bool {
        let is_blind =
            |step: &Step| matches!(step.exchange, Exchange::Socket(_)) && !step.knows_answers();
        match (self.plan.workload.websocket(), self.plan.workload.script()) {
            (Some(websocket), _) => websocket.expected.is_some(),
            (None, Some(script)) => !script.steps().any(|(_, step)| is_blind(step)),
            (None, None) => true,
        }
    }
}
