//! From a run's parts to its document: every figure to its key.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

use uringbench_core::answer_code::{AnswerCode, CodeWord, RedisReply};
use uringbench_core::cause::Cause;
use uringbench_core::grpc::status;
use uringbench_core::http::deviation::Deviation;
use uringbench_core::http2::settings::Http2Settings;
use uringbench_core::outcome::{Counts, Outcome};
use uringbench_core::plan::{
    Arrivals, Closing, ConnectionOrder, Load, Plan, ProxyVersion, StreamKind, TlsPlan, TlsVersions,
    Trust, WaitMode, Workload,
};
use uringbench_core::postgres::statement::QueryMode;
use uringbench_core::rate::Rate;
use uringbench_core::record::{Interval, RunRecord, Times, WorkerRecord};
use uringbench_core::resp::opening::RespVersion;
use uringbench_core::slo::{Met, SloFinding};
use uringbench_core::summary::{
    FlowSummary, Quantile, Spread, StepSummary, Summary, TcpSummary, TimeSummary, WorkerShare,
};
use uringbench_core::validity::{Severity, Verdict};
use uringbench_core::window::NamedWindows;

use super::{
    ByteFigures, CauseFigures, ClientFigures, CountFigures, Document, EncodedHistograms,
    Environment, FailureCounted, FlowFigures, GitRevision, HandshakeFigures, IdleFigures,
    IntervalFigures, OutcomeFigures, PhaseFigures, PlanFigures, RateFigures, ReasonGiven, SCHEMA,
    SloHeld, SpreadFigures, StepFigures, StreamFigures, TcpFigures, TimeFigures, TimesFigures,
    TlsPlanned, ToleratedFigures, VerdictGiven, WorkerFigures,
};
use crate::EncodeError;
use crate::civil::Civil;
use crate::cost::CostFigures;
use crate::soak::SoakFigures;
use crate::target::{TargetFigures, TargetUsage};
use crate::timeline::TimelineFigures;

/// The parts of a document.
#[derive(Clone, Debug)]
pub struct DocumentParts<'a> {
    /// The plan that ran.
    pub plan: &'a Plan,
    /// The target as the user typed it.
    pub url: &'a str,
    /// `GET` and so on.
    pub method: &'a str,
    /// The name of the run.
    pub name: Option<&'a str>,
    /// When the first phase began.
    pub started: SystemTime,
    /// The engine's record.
    pub record: &'a RunRecord,
    /// Its figures.
    pub summary: &'a Summary,
    /// Their verdict.
    pub verdict: &'a Verdict,
    /// The results of the objectives; empty without any.
    pub slo: &'a [SloFinding],
    /// The machine.
    pub environment: &'a Environment,
    /// The use of this machine by the target.
    pub target_usage: Option<TargetUsage>,
    /// The revision of the source.
    pub git: Option<GitRevision>,
    /// The names given to the run.
    pub tags: &'a [String],
    /// The profile of the target.
    pub target: Option<TargetFigures>,
    /// What a request costs the target.
    pub cost: Option<CostFigures>,
    /// The verdict of a soak.
    pub soak: Option<SoakFigures>,
    /// The course of load, target and host.
    pub timeline: Option<TimelineFigures>,
}

impl Document {
    /// The document of one run, not profiled.
    ///
    /// # Errors
    /// [`EncodeError`] if a histogram cannot be serialised.
    pub fn build(parts: DocumentParts<'_>) -> Result<Self, EncodeError> {
        let DocumentParts { record, summary, .. } = parts;
        let mut plan = plan(&parts);
        let steps = steps(record, summary);
        plan.fingerprint = Some(plan.compute_fingerprint(steps.iter().map(|it| it.name.as_str())));
        let mut host = parts.environment.clone();
        host.fingerprint = Some(host.compute_fingerprint());
        Ok(Self {
            schema: SCHEMA.to_owned(),
            started: Civil::of(parts.started).rfc3339(),
            git: parts.git,
            tags: parts.tags.to_vec(),
            verdict: verdict(parts.verdict),
            slo: parts.slo.iter().map(SloHeld::from).collect(),
            plan,
            host,
            phases: phases(&record.windows),
            rate: RateFigures {
                offered: summary.rate.offered,
                achieved: summary.rate.achieved,
                completed: summary.rate.completed,
            },
            counts: counts(record),
            latency_ns: times(summary),
            bytes: ByteFigures { sent: summary.bytes.sent, received: summary.bytes.received },
            tls: parts.plan.tls().map(|_| handshakes(record)),
            stream: (parts.plan.workload.stream().is_some() || summary.times.first_event.count > 0)
                .then(|| stream(record, summary)),
            idle: (parts.plan.transport.connections.idle > 0).then(|| idle(parts.plan, record)),
            client: client(parts.plan, record, summary),
            steps,
            flows: flows(summary),
            intervals: record.intervals.iter().map(IntervalFigures::from).collect(),
            target_usage: parts.target_usage,
            target: parts.target,
            insights: Vec::new(),
            cost: parts.cost,
            soak: parts.soak,
            chaos: None,
            timeline: parts.timeline,
            histograms: histograms(&record.times)?,
        })
    }

    /// The document as it is printed and stored, without a final line break.
    ///
    /// # Errors
    /// [`EncodeError`] if a figure cannot be encoded as JSON.
    pub fn to_json(&self) -> Result<String, EncodeError> {
        serde_json::to_string_pretty(self).map_err(EncodeError::of)
    }
}

fn steps(record: &RunRecord, summary: &Summary) -> Vec<StepFigures> {
    let Some(script) = &summary.script else {
        return vec![StepFigures {
            name: "request".to_owned(),
            released: record.counts.released,
            completed: record.counts.completed(),
            response: response(summary),
            service: time(&summary.times.service),
            first_byte: Some(time(&summary.times.first_byte)),
            flow: None,
            ok: None,
            errors: None,
            failures: Vec::new(),
            causes: Vec::new(),
            lateness: None,
            rate: None,
        }];
    };
    let step = |step: &StepSummary| {
        let errors = Outcome::ALL.into_iter().filter(|outcome| *outcome != Outcome::Ok);
        let errors = errors.map(|outcome| (outcome.key().to_owned(), step.counts.of(outcome)));
        let failures = step.failures.iter();
        StepFigures {
            name: step.name.clone(),
            released: step.counts.released,
            completed: step.counts.completed(),
            response: time(&step.response),
            service: time(&step.service),
            first_byte: None,
            flow: Some(step.flow.clone()),
            ok: Some(step.counts.of(Outcome::Ok)),
            errors: Some(errors.filter(|(_, count)| *count > 0).collect()),
            failures: failures
                .map(|(what, count)| FailureCounted { what: what.clone(), count: *count })
                .collect(),
            causes: step.causes.iter().cloned().map(cause).collect(),
            lateness: Some(time(&step.lateness)),
            rate: Some(step.rate),
        }
    };
    script.steps.iter().map(step).collect()
}

fn flows(summary: &Summary) -> Vec<FlowFigures> {
    let flow = |flow: &FlowSummary| FlowFigures {
        name: flow.name.clone(),
        passed: flow.passed,
        failed: flow.failed,
        unfinished: flow.unfinished,
        rate: flow.rate,
        response: time(&flow.response),
        service: time(&flow.service),
        lateness: time(&flow.lateness),
    };
    summary.script.iter().flat_map(|script| &script.flows).map(flow).collect()
}

fn verdict(verdict: &Verdict) -> VerdictGiven {
    let reasons = verdict.reasons.iter().map(|reason| ReasonGiven {
        code: reason.code.to_owned(),
        message: reason.message.clone(),
        severity: match reason.severity {
            Severity::Suspect => "suspect".to_owned(),
            Severity::Invalid => "invalid".to_owned(),
        },
    });
    VerdictGiven {
        validity: verdict.validity.key().to_owned(),
        reasons: reasons.collect(),
        notes: verdict.notes.clone(),
    }
}

impl From<&SloFinding> for SloHeld {
    fn from(finding: &SloFinding) -> Self {
        Self {
            objective: finding.text.clone(),
            measured: finding.measured.clone(),
            met: match finding.met {
                Met::Yes => Some(true),
                Met::No => Some(false),
                Met::Unknown => None,
            },
        }
    }
}

fn plan(parts: &DocumentParts<'_>) -> PlanFigures {
    let plan = parts.plan;
    let (load, rate, arrivals) = match &plan.load {
        Load::Closed => ("closed", None, None),
        Load::Open { rate, arrivals: Arrivals::Constant, .. } => {
            ("open", Some(rate), Some("constant"))
        }
        Load::Open { rate, arrivals: Arrivals::Poisson, .. } => {
            ("open", Some(rate), Some("poisson"))
        }
        Load::Replay => ("open", None, Some("replay")),
    };
    let (http2, usual) = (plan.transport.connections.http2, Http2Settings::default());
    let wait = match plan.transport.wait {
        WaitMode::Batch => "batch",
        WaitMode::Block => "block",
        WaitMode::Hybrid => "hybrid",
        WaitMode::Spin => "spin",
    };
    PlanFigures {
        url: parts.url.to_owned(),
        method: parts.method.to_owned(),
        cores: plan.transport.cpus.clone(),
        connections: plan.connections(),
        pipeline: plan.workload.pipeline(),
        protocol: protocol(plan),
        h2_table: Some(http2.table).filter(|table| *table != usual.table),
        h2_window: Some(http2.window).filter(|window| *window != usual.window),
        load: load.to_owned(),
        rate: rate.map(|rate| rate.as_f64()),
        arrivals: arrivals.map(str::to_owned),
        seed: plan.seed,
        duration_s: plan.limits.window.duration().map(|span| span.as_secs_f64()),
        requests: plan.limits.window.requests(),
        warmup_s: plan.limits.warmup.as_secs_f64(),
        timeout_s: plan.limits.timeout.as_secs_f64(),
        wait: rate.is_some().then(|| wait.to_owned()),
        name: parts.name.map(str::to_owned),
        peers: plan.peers().iter().map(ToString::to_string).collect(),
        tls: plan.tls().map(tls),
        requests_per_connection: plan.transport.connections.requests,
        close: Some(match plan.closing() {
            Closing::Fin => "fin".to_owned(),
            Closing::Rst => "rst".to_owned(),
        }),
        websocket: plan.workload.websocket().is_some(),
        stream: plan.workload.stream().map(|stream| match stream.kind {
            StreamKind::Events => "events".to_owned(),
            StreamKind::Arrivals => "arrivals".to_owned(),
            StreamKind::Messages => "messages".to_owned(),
        }),
        connection_order: Some(match plan.transport.connections.order {
            ConnectionOrder::RoundRobin => "round-robin".to_owned(),
            ConnectionOrder::Lifo => "lifo".to_owned(),
        }),
        connect_rate: plan.transport.connections.rate.map(Rate::as_f64),
        idle_connections: plan.transport.connections.idle,
        users: plan.workload.script().and_then(|script| script.users()),
        read_rate: plan.read_rate(),
        write_rate: plan.transport.connections.write_rate,
        proxy_protocol: plan.proxy().map(|version| match version {
            ProxyVersion::V1 => "v1".to_owned(),
            ProxyVersion::V2 => "v2".to_owned(),
        }),
        source_ips: plan.sources().iter().map(ToString::to_string).collect(),
        fingerprint: None,
    }
}

fn protocol(plan: &Plan) -> Option<String> {
    let name = match &plan.workload {
        Workload::Commands(commands) => match commands.login.version {
            RespVersion::Resp2 => "RESP2",
            RespVersion::Resp3 => "RESP3",
        },
        Workload::Transactions(transactions) => match transactions.transaction.mode() {
            QueryMode::Simple => "PostgreSQL simple",
            QueryMode::Extended => "PostgreSQL extended",
            QueryMode::Prepared => "PostgreSQL prepared",
        },
        workload if workload.calls().is_some() => "gRPC",
        workload => workload.is_http2().then_some("HTTP/2")?,
    };
    Some(name.to_owned())
}

fn tls(plan: &TlsPlan) -> TlsPlanned {
    let versions = match plan.versions {
        TlsVersions::Both => &["1.3", "1.2"][..],
        TlsVersions::Only12 => &["1.2"],
        TlsVersions::Only13 => &["1.3"],
    };
    TlsPlanned {
        server_name: plan.server_name.clone(),
        verify: plan.trust != Trust::Anything,
        versions: versions.iter().map(|&version| version.to_owned()).collect(),
        client_certificate: plan.identity.is_some(),
        resumption: plan.resumes,
        tolerate_truncation: plan.tolerates_truncation,
    }
}

fn stream(record: &RunRecord, summary: &Summary) -> StreamFigures {
    StreamFigures {
        events: record.workers.iter().map(|worker| worker.events).sum(),
        stalls: record.workers.iter().map(|worker| worker.stalls).sum(),
        first_event_ns: time(&summary.times.first_event),
        gap_ns: time(&summary.times.gap),
    }
}

fn idle(plan: &Plan, record: &RunRecord) -> IdleFigures {
    let held = record.workers.iter().map(|worker| u64::from(worker.idle)).sum();
    let all = held + u64::from(plan.connections());
    IdleFigures {
        held,
        lost: record.workers.iter().map(|worker| worker.idle_lost).sum(),
        bytes_per_connection: record.rss_of_connections / all.max(1),
    }
}

fn handshakes(record: &RunRecord) -> HandshakeFigures {
    HandshakeFigures {
        full: record.workers.iter().map(|worker| worker.handshakes_full).sum(),
        resumed: record.workers.iter().map(|worker| worker.handshakes_resumed).sum(),
    }
}

fn phases(windows: &NamedWindows) -> Vec<PhaseFigures> {
    let Some(start) = windows.start() else { return Vec::new() };
    let figures = windows.as_slice().iter().map(|window| PhaseFigures {
        name: window.name.to_string(),
        start_s: window.start.since(start).as_secs_f64(),
        duration_s: window.end.since(window.start).as_secs_f64(),
    });
    figures.collect()
}

fn counts(record: &RunRecord) -> CountFigures {
    let statuses = record.codes.iter();
    let statuses = statuses.filter_map(|(code, answers)| Some((code.status()?, answers)));
    let replies = |reply| record.codes.get(AnswerCode::redis_reply(reply));
    let mut by_code = BTreeMap::new();
    for (code, answers) in record.codes.iter() {
        let word = match code.word() {
            CodeWord::Redis(word) => word.unwrap_or("other").to_owned(),
            CodeWord::Grpc(status) => status::name(status).to_owned(),
            CodeWord::SqlState(state) if code.is_error() => {
                String::from_utf8_lossy(&state).into_owned()
            }
            CodeWord::Other => "other".to_owned(),
            _ => continue,
        };
        *by_code.entry(word).or_default() += answers;
    }
    CountFigures {
        released: record.counts.released,
        completed: record.counts.completed(),
        outcomes: outcomes(&record.counts),
        retried: record.counts.retried,
        causes: record.causes.list().into_iter().map(cause).collect(),
        tolerated: record.tolerated.list().map(tolerated).collect(),
        by_status: statuses.collect(),
        messages: record.codes.get(AnswerCode::MESSAGE),
        by_code,
        hits: replies(RedisReply::Value),
        misses: replies(RedisReply::Nil),
        acknowledged: replies(RedisReply::Status) + record.codes.get(AnswerCode::SQL_SUCCESS),
        rows: record.workers.iter().map(|worker| worker.rows).sum(),
        warmup_released: record.warmup_counts.released,
    }
}

fn cause(cause: Cause) -> CauseFigures {
    let Cause { outcome, text, count } = cause;
    CauseFigures { outcome: outcome.key().to_owned(), cause: text, count }
}

fn tolerated((deviation, count, example): (Deviation, u64, &str)) -> ToleratedFigures {
    ToleratedFigures { kind: deviation.key().to_owned(), count, example: example.to_owned() }
}

fn outcomes(counts: &Counts) -> OutcomeFigures {
    OutcomeFigures {
        ok: counts.of(Outcome::Ok),
        status: counts.of(Outcome::Status),
        timeout: counts.of(Outcome::Timeout),
        reset: counts.of(Outcome::Reset),
        connect_failed: counts.of(Outcome::ConnectFailed),
        malformed: counts.of(Outcome::Malformed),
        check_failed: counts.of(Outcome::CheckFailed),
        not_sent: counts.of(Outcome::NotSent),
        censored: counts.of(Outcome::Censored),
    }
}

fn times(summary: &Summary) -> TimesFigures {
    TimesFigures {
        response: response(summary),
        service: time(&summary.times.service),
        lateness: time(&summary.times.lateness),
        connect: time(&summary.times.connect),
        handshake: (summary.times.handshake.count > 0).then(|| time(&summary.times.handshake)),
        first_byte: time(&summary.times.first_byte),
    }
}

fn response(summary: &Summary) -> TimeFigures {
    TimeFigures { censored: Some(summary.times.censored), ..time(&summary.times.response) }
}

fn time(time: &TimeSummary) -> TimeFigures {
    TimeFigures {
        p50: time.at(Quantile::P50),
        p90: time.at(Quantile::P90),
        p95: time.at(Quantile::P95),
        p99: time.at(Quantile::P99),
        p999: time.at(Quantile::P999),
        p9999: time.at(Quantile::P9999),
        mean: time.mean,
        min: time.min,
        max: time.max,
        count: time.count,
        censored: None,
    }
}

fn client(plan: &Plan, record: &RunRecord, summary: &Summary) -> ClientFigures {
    let client = &summary.client;
    let time = plan.limits.warmup + summary.measured;
    ClientFigures {
        cpu_ns_per_request: client.cpu_ns_per_request,
        user_s: client.user.as_secs_f64(),
        system_s: client.system.as_secs_f64(),
        rss_peak_bytes: client.rss_peak,
        enters_per_request: client.enters_per_request,
        connections_used: Some(record.workers.iter().map(|w| u64::from(w.connections_used)).sum()),
        streams_max: record.streams_limited(),
        streams_vary: record.do_streams_vary(),
        window_wait_share: record.window_wait_share(plan.connections(), time),
        connection_endings: endings(record),
        tcp: summary.tcp.map(tcp),
        workers: record.workers.iter().zip(&summary.workers).map(worker).collect(),
    }
}

fn tcp(tcp: TcpSummary) -> TcpFigures {
    let spread = |spread: Spread| SpreadFigures {
        min: spread.min,
        p50: spread.p50,
        p90: spread.p90,
        max: spread.max,
    };
    TcpFigures {
        connections_asked: tcp.connections,
        connections_made: tcp.made,
        retransmits: tcp.retransmits,
        rtt_ns: tcp.rtt.map(spread),
        rtt_min_ns: tcp.rtt_min,
        delivery_rate_bytes: tcp.delivery_rate.map(spread),
    }
}

fn endings(record: &RunRecord) -> BTreeMap<String, u64> {
    let endings = record.endings();
    endings.list().map(|(ending, count)| (ending.key().to_owned(), count)).collect()
}

fn worker((worker, share): (&WorkerRecord, &WorkerShare)) -> WorkerFigures {
    WorkerFigures {
        cpu: worker.cpu,
        connections: worker.connections,
        established: worker.established,
        established_min: worker.established_min,
        connections_used: Some(worker.connections_used),
        reconnects: worker.reconnects,
        connects_failed: worker.connects_failed,
        busy: share.busy,
        spun: share.spun,
        run_queue: share.run_queue,
        preempted: worker.preempted,
        waited: worker.waited,
        buffers_exhausted: worker.buffers_exhausted,
        completions_overflowed: worker.completions_overflowed,
        unsolicited: worker.unsolicited,
        unsolicited_messages: worker.unsolicited_messages,
    }
}

impl From<&Interval> for IntervalFigures {
    fn from(interval: &Interval) -> Self {
        Self {
            t_s: interval.start.as_secs_f64(),
            length_s: interval.length.as_secs_f64(),
            phase: interval.phase.key().to_owned(),
            released: interval.released,
            completed: interval.completed,
            errors: interval.errors,
            outcomes: occurred(&interval.outcomes),
            in_flight: interval.in_flight,
            connected: interval.connected,
            response_p50_ns: interval.response.map(|quantiles| quantiles.p50),
            response_p99_ns: interval.response.map(|quantiles| quantiles.p99),
            response_max_ns: interval.response.map(|quantiles| quantiles.max),
            lateness_p99_ns: interval.lateness_p99,
            sent_bytes: interval.sent_bytes,
            received_bytes: interval.received_bytes,
        }
    }
}

/// The outcomes that occurred, by name.
fn occurred(counts: &[u64; Outcome::ALL.len()]) -> BTreeMap<String, u64> {
    let all = Outcome::ALL.into_iter().zip(counts).filter(|(_, count)| **count > 0);
    all.map(|(outcome, count)| (outcome.key().to_owned(), *count)).collect()
}

fn histograms(times: &Times) -> Result<EncodedHistograms, EncodeError> {
    let mut serializer = V2DeflateSerializer::new();
    let mut encoded = |histogram: &Histogram<u64>| {
        let mut bytes = Vec::new();
        serializer.serialize(histogram, &mut bytes).map_err(EncodeError::of)?;
        Ok::<_, EncodeError>(STANDARD.encode(bytes))
    };
    Ok(EncodedHistograms {
        response: encoded(&times.response)?,
        service: encoded(&times.service)?,
        lateness: encoded(&times.lateness)?,
    })
}

#[cfg(test)]
mod tests;
