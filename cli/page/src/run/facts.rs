//! What was run, where, and how to run it again; the words of the page.

use maud::{Markup, html};
use uringbench_core::http::secrets::without_secrets;
use uringbench_core::summary::{Percent, plural};
use uringbench_document::{Document, Environment, PlanFigures};

use super::RunPage;
use crate::foreign::Foreign;
use crate::show;

/// The words of the page and their meaning.
const WORDS: [(&str, &str); 9] = [
    ("response time", "done − due: what a user waits"),
    ("service time", "done − sent: the target and the network"),
    ("lateness", "sent − due: the load generator"),
    (
        "p99",
        "99 of 100 requests take no longer; a “-” means that there are too few requests for it",
    ),
    ("completed", "answers with a 2xx or 3xx status that passed every check, per second"),
    ("errors", "all other ends: bad status, no answer in time, lost connections, failed checks"),
    ("open loop", "requests are due at planned times, however slow the target is"),
    ("closed loop", "a connection sends its next request when the answer has arrived"),
    ("interval", "one second of reporting, shorter at the edges of phases"),
];

/// Plan, host and words.
pub(super) fn section(page: &RunPage<'_>) -> Markup {
    let document = page.document;
    html! {
        section aria-label="Plan and host" {
            h2 { "Plan and host" }
            @if let Some(again) = page.again {
                p { "The same run again:" }
                pre { code { (Foreign(again)) } }
            }
            details {
                summary { "Plan, machine, phases" }
                div.facts {
                    (list("Plan", &plan(&document.plan)))
                    (list("Machine", &machine(&document.host)))
                    (list("Run", &of_run(document, page.folder)))
                }
            }
            details {
                summary { "Words" }
                dl { @for (word, meaning) in WORDS { dt { (word) } dd { (meaning) } } }
            }
            p.made {
                "Made by uringbench"
                @if let Some(version) = &document.host.uringbench { " " (Foreign(version)) }
                ". This file is complete: it needs no network, and holds no secret of the load."
            }
        }
    }
}

type Fact = (&'static str, String);

fn list(title: &str, facts: &[Fact]) -> Markup {
    html! {
        div {
            h3 { (title) }
            dl { @for (name, value) in facts { dt { (name) } dd { (Foreign(value)) } } }
        }
    }
}

fn plan(plan: &PlanFigures) -> Vec<Fact> {
    let seconds = |value: f64| format!("{} s", show::three(value));
    let cores: Vec<String> = plan.cores.iter().map(usize::to_string).collect();
    let mut facts = vec![
        ("target", format!("{} {}", plan.method, without_secrets(&plan.url))),
        ("addresses", plan.peers.join(", ")),
        ("load", format!("{} loop", plan.load)),
        ("connections", show::count(plan.connections.into())),
        ("CPUs of the workers", cores.join(", ")),
        ("warm-up", seconds(plan.warmup_s)),
        ("timeout", seconds(plan.timeout_s)),
        ("seed", plan.seed.to_string()),
    ];
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    add("rate", plan.rate.map(show::per_second));
    add("arrivals", plan.arrivals.clone());
    add("users", plan.users.map(|users| show::count(users.into())));
    add("length", plan.duration_s.map(seconds));
    add("requests", plan.requests.map(show::count));
    add("wait", plan.wait.clone());
    add("protocol", plan.protocol.clone());
    add("pipeline", (plan.pipeline > 1).then(|| plan.pipeline.to_string()));
    add("TLS", plan.tls.as_ref().map(|tls| tls.versions.join(", ")));
    add("fingerprint of the load", plan.fingerprint.clone());
    facts
}

fn machine(host: &Environment) -> Vec<Fact> {
    let named = [
        ("name", &host.hostname),
        ("CPU", &host.cpu),
        ("kernel", &host.kernel),
        ("governor", &host.governor),
        ("clock", &host.clock),
        ("congestion control", &host.congestion_control),
        ("engine", &host.engine),
        ("fingerprint", &host.fingerprint),
    ];
    let mut facts: Vec<Fact> =
        named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    facts.extend(host.cores.map(|cores| ("CPUs", cores.to_string())));
    facts
}

fn of_run(document: &Document, folder: &str) -> Vec<Fact> {
    let mut facts = vec![("folder", folder.to_owned()), ("began", document.started.clone())];
    if let Some(git) = &document.git {
        facts.push(("commit", git.commit.clone()));
        facts.extend(git.branch.clone().map(|branch| ("branch", branch)));
    }
    if !document.tags.is_empty() {
        facts.push(("tags", document.tags.join(", ")));
    }
    let phases =
        document.phases.iter().map(|it| format!("{} {} s", it.name, show::three(it.duration_s)));
    facts.push(("phases", phases.collect::<Vec<_>>().join(", ")));
    let counts = &document.counts;
    let looked_up = counts.hits + counts.misses;
    if looked_up > 0 {
        let share = Percent(counts.hits as f64 / looked_up as f64);
        let (hits, misses) = (show::count(counts.hits), show::count(counts.misses));
        facts.push(("hits", format!("{share}: {hits} hits, {misses} misses")));
    }
    if counts.rows > 0 {
        facts.push(("rows", show::count(counts.rows)));
    }
    let client = &document.client;
    let cost = client.cpu_ns_per_request.map(|ns| show::nanos(Some(ns.round() as u64)));
    facts.extend(cost.map(|cost| ("client CPU/request", cost)));
    facts.push(("client workers", plural(client.workers.len() as u64, "worker")));
    facts
}
