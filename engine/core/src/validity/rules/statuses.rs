//! The statuses: answers that turn the load away, and what to do about them.
//!
//! Only unexpected ones count: a step that checks for a status expects it.

use super::{Reason, Run, suspect};
use crate::flow::step::Step;
use crate::status::StatusSample;
use crate::summary::{Grouped, Percent};

/// Share of the answers above which the times are those of turning away.
const MOST: f64 = 0.5;
/// Share of the answers from which on a note names them.
const NOTED: f64 = 0.01;
/// `304 Not Modified` is the success of a conditional request (RFC 9110 section 15.4.5).
const NOT_MODIFIED: u16 = 304;
/// Statuses named in one sentence, the most frequent first.
const NAMED_MAX: usize = 3;

/// Answers that turn the load away in one way.
pub(super) struct TurnedAway {
    /// Share of all answers, 0..=1.
    share: f64,
    message: String,
}

impl Run<'_> {
    /// Most answers redirect: the resource itself was never served.
    pub(super) fn redirects(&self) -> Option<Reason> {
        let most = self.redirected().filter(|away| away.share > MOST)?;
        Some(suspect("redirects", most.message))
    }

    /// Most answers refuse: the times are those of refusing.
    pub(super) fn refusals(&self) -> Option<Reason> {
        let most = self.refused().filter(|away| away.share > MOST)?;
        Some(suspect("refusals", most.message))
    }

    /// Shares that are no reason, but large enough for a note.
    pub(super) fn status_notes(&self) -> impl Iterator<Item = String> {
        [self.redirected(), self.refused()]
            .into_iter()
            .flatten()
            .filter(|away| (NOTED..=MOST).contains(&away.share))
            .map(|away| away.message)
    }

    fn redirected(&self) -> Option<TurnedAway> {
        self.turned_away(300..400, |_, sample| {
            let location = match sample.and_then(|sample| sample.location.as_deref()) {
                Some(location) => format!("to `{location}`"),
                None => "without a Location".to_owned(),
            };
            let advice = "redirects are not followed, so these are their times; load the URL they \
                          lead to, or check for the status in a scenario";
            (location, advice.to_owned())
        })
    }

    fn refused(&self) -> Option<TurnedAway> {
        self.turned_away(400..1000, |status, sample| {
            let scheme = sample.and_then(|sample| sample.scheme.as_deref());
            let retry_after = sample.and_then(|sample| sample.retry_after.as_deref());
            let asked = [
                scheme.map(|scheme| format!("asks for {scheme} credentials")),
                retry_after.map(|after| format!("Retry-After: {after}")),
            ];
            let seen: Vec<_> = asked.into_iter().flatten().collect();
            (seen.join(", "), self.advice(status, scheme))
        })
    }

    /// `explain` returns the facts about the most frequent status, and what to do.
    fn turned_away(
        &self,
        statuses: std::ops::Range<u16>,
        explain: impl Fn(u16, Option<&StatusSample>) -> (String, String),
    ) -> Option<TurnedAway> {
        let mut found = self.unexpected();
        found.retain(|(status, _)| statuses.contains(status));
        found.sort_by_key(|(_, answers)| std::cmp::Reverse(*answers));
        let (most_frequent, _) = *found.first()?;
        let answers: u64 = found.iter().map(|(_, answers)| answers).sum();
        let answered = self.record.codes.iter();
        let all: u64 =
            answered.filter(|(code, _)| code.status().is_some()).map(|(_, answers)| answers).sum();
        let share = answers as f64 / all.max(1) as f64;
        let mut samples = self.record.workers.iter().flat_map(|worker| &worker.statuses);
        let sample = samples.find(|sample| sample.status == most_frequent);
        let (seen, advice) = explain(most_frequent, sample);
        let seen = if seen.is_empty() { seen } else { format!(" ({seen})") };
        let are = if answers == 1 { "is" } else { "are" };
        let named: Vec<_> = match &found[..] {
            [(status, _)] => vec![status.to_string()],
            many => {
                let many = many.iter().take(NAMED_MAX);
                many.map(|(status, answers)| format!("{status} × {}", Grouped(*answers))).collect()
            }
        };
        let message = format!(
            "{} of {} answers ({}) {are} {}{seen}: {advice}",
            Grouped(answers),
            Grouped(all),
            Percent(share),
            named.join(", "),
        );
        Some(TurnedAway { share, message })
    }

    /// Answers from 300 on by status, less those that a step checks for.
    fn unexpected(&self) -> Vec<(u16, u64)> {
        let Some(script) = self.plan.workload.script() else {
            let answered = self.record.codes.iter();
            let statuses = answered.filter_map(|(code, answers)| Some((code.status()?, answers)));
            return statuses.filter(|(status, _)| is_judged(*status)).collect();
        };
        let mut sums: Vec<(u16, u64)> = Vec::new();
        for ((_, step), record) in script.steps().zip(&self.record.steps) {
            for (code, answers) in &record.codes {
                let Some(status) = code.status().filter(|status| is_judged(*status)) else {
                    continue;
                };
                if Step::expects_status(step, status) {
                    continue;
                }
                match sums.iter_mut().find(|(known, _)| *known == status) {
                    Some((_, sum)) => *sum += answers,
                    None => sums.push((status, *answers)),
                }
            }
        }
        sums
    }

    fn advice(&self, status: u16, scheme: Option<&str>) -> String {
        let is_script = self.plan.workload.script().is_some();
        let header = |name: &str, value: &str| match is_script {
            true => format!("headers = {{ {name} = \"{value}\" }}"),
            false => format!("-H '{name}: {value}'"),
        };
        match status {
            400 => self.advice_on_400().to_owned(),
            401 if self.sends_header("authorization") => {
                "the target does not take the credentials that are sent; check them".to_owned()
            }
            401 => {
                let value = format!("{} …", scheme.unwrap_or("Bearer"));
                format!("send credentials, {}", header("Authorization", &value))
            }
            403 => format!(
                "the target lets this client have nothing: does it want credentials ({}), a \
                 cookie, or another Host?",
                header("Authorization", "…"),
            ),
            404 | 410 => "nothing is there; check the path, and the name in the URL or \
                          the Host header"
                .to_owned(),
            405 | 501 => "the target does not take this method here; check method and path".into(),
            407 => "a proxy answers and wants credentials; load the target itself, or send \
                    Proxy-Authorization"
                .to_owned(),
            413 | 414 | 431 => "the request is larger than the target takes; raise the target's \
                                limit, or send less"
                .to_owned(),
            415 | 422 => "the target does not take this body; check it and its Content-Type".into(),
            421 => self.advice_on_421(),
            429 => "a rate limit answers instead of the application; lower -R or -c, or lift the \
                    limit for this client"
                .to_owned(),
            502 | 504 => "a proxy answers for a server behind it that does not; look there, or \
                          lower -R or -c"
                .to_owned(),
            503 => "the target turns load away; lower -R or -c, or see its log".to_owned(),
            600.. => "HTTP gives this status no meaning; see what the target means by it".into(),
            500.. => {
                "the target fails and its log says why; lower -R or -c if it is overloaded".into()
            }
            _ => "the target does not take this request; check method, path, headers and body"
                .to_owned(),
        }
    }

    /// nginx answers with it to plain text on a TLS port, and to a client without the certificate
    /// that it requires.
    fn advice_on_400(&self) -> &'static str {
        match self.plan.tls() {
            None => "is it https:// that is wanted, or is a header wrong?",
            Some(tls) if tls.identity.is_none() => {
                "does the target want a client certificate (--cert, --key), or is a header wrong?"
            }
            Some(_) => "does the target trust the certificate of --cert, or is a header wrong?",
        }
    }

    /// RFC 9110 section 15.5.20: the connection was made for another name.
    fn advice_on_421(&self) -> String {
        let host = self.header("host").unwrap_or_default();
        match self.plan.tls() {
            Some(tls) if !host.eq_ignore_ascii_case(&tls.server_name) => format!(
                "TLS asked for `{}` (SNI) and the request for `{host}` (Host): use one name for \
                 both, that of the URL; --connect-to says where it is",
                tls.server_name,
            ),
            _ => format!("the target does not serve `{host}` (Host) over this connection"),
        }
    }

    fn sends_header(&self, name: &str) -> bool {
        self.header(name).is_some()
    }

    /// A header of the request, where there is one request and not many.
    fn header(&self, name: &str) -> Option<&str> {
        let lines = std::str::from_utf8(self.plan.workload.heads()).ok()?.lines();
        lines
            .filter_map(|line| line.split_once(':'))
            .find_map(|(given, value)| given.eq_ignore_ascii_case(name).then(|| value.trim()))
    }
}

const fn is_judged(status: u16) -> bool {
    status >= 300 && status != NOT_MODIFIED
}
