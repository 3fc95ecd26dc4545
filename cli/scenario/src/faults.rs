//! Checks `chaos`, `[[process]]`, `[[proxy]]` and `[[fault]]` and converts them; and the short form
//! of a fault on the command line.

use std::net::SocketAddr;

use uringbench_core::chaos::{
    ChaosObjective, ChaosPlan, FaultKind, PlannedFault, PlannedProcess, PlannedProxy,
    ProxyDirection, Toxic,
};
use uringbench_core::time::Nanos;
use uringbench_core::units;

use crate::diagnostic::{Diagnostics, FieldPath, did_you_mean};
use crate::form;
use crate::format::faults::{Fault, Inject, Way};
use crate::format::{Scenario, Slo};

/// How long a target may take to recover unless the file says.
const RECOVERY: Nanos = Nanos::from_secs(10);
/// The share of good answers that error budgets are counted for.
const AVAILABILITY: f64 = 0.999;
const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;
const CPUS_MIN: f64 = 0.01;

/// A plan without faults, for those of the command line.
pub fn chaos_plan() -> ChaosPlan {
    ChaosPlan { recovery: RECOVERY, availability: AVAILABILITY, ..ChaosPlan::default() }
}

/// A fault in its short form: `pause nginx at 20s for 5s`, `fds db spare=4 at 30s±2s for 5s`,
/// `pause db at 20s for 2s every 10s repeat 5`.
///
/// It may be for a process or a proxy of `given`.
///
/// # Errors
/// Cause and fix.
pub fn fault(text: &str, given: &ChaosPlan) -> Result<PlannedFault, String> {
    let wrong = || {
        format!(
            "`{text}` is not a fault: write what, whom, when and for how long, such as \
             'pause nginx at 20s for 5s'"
        )
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "at").filter(|at| *at > 0).ok_or_else(wrong)?;
    let (what, when) = words.split_at(at);
    let mut fields = Vec::new();
    for word in &what[1..] {
        let (key, value) = match word.split_once('=') {
            Some(pair) => pair,
            None if what[0] == "disk_full" => ("folder", *word),
            None => ("process", *word),
        };
        // A number stays one, unless it is the PID of a process.
        let is_number = key != "process" && value.parse::<f64>().is_ok();
        let value = if is_number { value.to_owned() } else { format!("{value:?}") };
        fields.push(format!("{key} = {value}"));
    }
    let mut file = format!("target = \"http://h\"\n[[fault]]\nname = {text:?}\n");
    for pair in when.chunks(2) {
        let [key, value] = pair else { return Err(wrong()) };
        match *key {
            "at" | "for" | "every" => file.push_str(&format!("{key} = {value:?}\n")),
            "repeat" => file.push_str(&format!("repeat = {value}\n")),
            _ => return Err(wrong()),
        }
    }
    file.push_str(&format!("inject = {{ {} = {{ {} }} }}\n", what[0], fields.join(", ")));
    let first = |mistakes: Vec<crate::Diagnostic>| {
        let message = mistakes.into_iter().next().map_or_else(wrong, |first| first.message);
        format!("`{text}`: {message}")
    };
    let scenario: Scenario = form::read(&file).map_err(first)?;
    let mut diagnostics = Diagnostics::new(&file);
    let mut plan = ChaosPlan { faults: Vec::new(), ..given.clone() };
    faults(&scenario.fault, &mut plan, &mut diagnostics);
    diagnostics.into_result(plan.faults.pop()).map_err(first)
}

/// Everything about faults in a file.
pub(crate) fn chaos(given: &Scenario, diagnostics: &mut Diagnostics<'_>) -> ChaosPlan {
    let mut plan = chaos_plan();
    if let Some(chaos) = &given.chaos {
        plan.good = chaos.good.map(|span| span.0);
        plan.recovery = chaos.recovery.map_or(RECOVERY, |span| span.0);
        if let Some(text) = &chaos.availability {
            let place = FieldPath::top("chaos").key("availability");
            plan.availability =
                diagnostics.take(&place, availability(text)).unwrap_or(AVAILABILITY);
        }
    }
    for (at, process) in given.process.iter().enumerate() {
        let place = FieldPath::top("process").index(at);
        if given.process[..at].iter().any(|other| other.name == process.name) {
            let why = format!("there is a process `{}` already: choose another name", process.name);
            diagnostics.add(&place.key("name"), why);
        }
        let address = process.ready.strip_prefix("tcp:").and_then(|it| it.parse().ok());
        let address: Result<SocketAddr, _> = address.ok_or_else(|| {
            format!("`{}` is not an address: write tcp:127.0.0.1:5432", process.ready)
        });
        if let Some(ready) = diagnostics.take(&place.key("ready"), address) {
            let (name, command) = (process.name.clone(), process.command.clone());
            plan.processes.push(PlannedProcess { name, command, ready });
        }
    }
    for (at, proxy) in given.proxy.iter().enumerate() {
        let place = FieldPath::top("proxy").index(at);
        if given.proxy[..at].iter().any(|other| other.name == proxy.name) {
            let why = format!("there is a proxy `{}` already: choose another name", proxy.name);
            diagnostics.add(&place.key("name"), why);
        }
        let address = |text: &str| {
            text.parse::<SocketAddr>()
                .map_err(|_| format!("`{text}` is not an address: write 127.0.0.1:15432"))
        };
        let listen = diagnostics.take(&place.key("listen"), address(&proxy.listen));
        let to = diagnostics.take(&place.key("to"), address(&proxy.to));
        if let (Some(listen), Some(to)) = (listen, to) {
            plan.proxies.push(PlannedProxy { name: proxy.name.clone(), listen, to });
        }
    }
    faults(&given.fault, &mut plan, diagnostics);
    let parts = [
        ("chaos", given.chaos.is_some()),
        ("process", !given.process.is_empty()),
        ("proxy", !given.proxy.is_empty()),
    ];
    let part = parts.into_iter().find(|(_, is_there)| *is_there);
    if let (Some((part, _)), true) = (part, given.fault.is_empty()) {
        diagnostics.add(&FieldPath::top(part), "there is no fault that needs this: add [[fault]]");
    }
    plan
}

fn availability(text: &str) -> Result<f64, String> {
    let percent = text.trim().strip_suffix('%').and_then(|number| number.trim().parse().ok());
    let share = percent.map(|percent: f64| percent / 100.0);
    share.filter(|share| (0.5..1.0).contains(share)).ok_or_else(|| {
        format!("`{text}` is not an availability: write 50% to 99.999%, such as \"99.9%\"")
    })
}

fn faults(given: &[Fault], plan: &mut ChaosPlan, diagnostics: &mut Diagnostics<'_>) {
    for (at, fault) in given.iter().enumerate() {
        let place = FieldPath::top("fault").index(at);
        let kind = kind(&fault.inject, plan);
        let kind = diagnostics.take(&place.key("inject"), kind);
        let time = diagnostics.take(&place.key("at"), time(&fault.at));
        if fault.repeat.is_some_and(|repeat| repeat > 1) && fault.every.is_none() {
            let why = "a fault that is repeated needs `every`, such as \"30s\"";
            diagnostics.add(&place.key("repeat"), why);
        }
        if let (Some(kind), Some((middle, jitter))) = (kind, time) {
            let span = |span: Option<crate::format::Span>| span.map_or(Nanos::ZERO, |span| span.0);
            plan.faults.push(PlannedFault {
                name: fault.name.clone().unwrap_or_else(|| kind.key().to_owned()),
                at: middle,
                jitter,
                length: span(fault.length),
                repeat: fault.repeat.unwrap_or(1),
                every: span(fault.every),
                may_overlap: fault.may_overlap,
                kind,
            });
        }
    }
}

/// A time, and by how much it varies: `40s±2s`.
fn time(text: &str) -> Result<(Nanos, Nanos), String> {
    let (middle, jitter) = match text.split_once('±').or_else(|| text.split_once("+-")) {
        Some((middle, jitter)) => (middle, units::span(jitter.trim())?),
        None => (text, Nanos::ZERO),
    };
    Ok((units::span(middle.trim())?, jitter))
}

fn kind(given: &Inject, plan: &ChaosPlan) -> Result<FaultKind, String> {
    Ok(match given.clone() {
        Inject::Nothing(_) => FaultKind::Nothing,
        Inject::Pause(of) => FaultKind::Pause { process: of.process },
        Inject::Kill(kill) => {
            let signal = match kill.signal.as_deref() {
                None | Some("KILL") => SIGKILL,
                Some("TERM") => SIGTERM,
                Some(other) => {
                    return Err(format!(
                        "`{other}` is not a signal of a fault: write KILL or TERM"
                    ));
                }
            };
            let is_ours = plan.processes.iter().any(|process| process.name == kill.process);
            if !is_ours && kill.process.parse::<u32>().is_ok() {
                return Err(format!(
                    "nobody starts process {} again: make it a [[process]], or name it by its \
                     name if something else starts it again",
                    kill.process
                ));
            }
            if !is_ours && kill.restart.is_some() {
                return Err(format!(
                    "`{}` is not a [[process]] of this file, so uringbench cannot start it again: \
                     leave out `restart`",
                    kill.process
                ));
            }
            let restart = kill.restart.map(|span| span.0);
            FaultKind::Kill { process: kill.process, signal, restart }
        }
        Inject::Cpu(cpu) if cpu.limit < CPUS_MIN || !cpu.limit.is_finite() => {
            return Err(format!("{} CPUs: at least {CPUS_MIN}", cpu.limit));
        }
        Inject::Cpu(cpu) => FaultKind::Cpu { process: cpu.process, limit: cpu.limit },
        Inject::Memory(memory) => {
            FaultKind::Memory { process: memory.process, limit: memory.limit.0 }
        }
        Inject::Burn(burn) => {
            let threads = burn.threads.unwrap_or(1);
            if !(1..=1_024).contains(&threads) {
                return Err(format!("{threads} threads: 1 to 1024"));
            }
            FaultKind::Burn { threads, cpus: burn.cpus }
        }
        Inject::Fds(fds) => {
            FaultKind::Fds { process: fds.process, spare: fds.spare.unwrap_or_default() }
        }
        Inject::DiskFull(disk) => {
            FaultKind::DiskFull { folder: disk.folder, leave: disk.leave.unwrap_or_default() }
        }
        Inject::Exec(exec) => {
            FaultKind::Exec { start: exec.start, verify: exec.verify, stop: exec.stop }
        }
        other => of_proxy(other, plan)?,
    })
}

/// The kinds that are up to a proxy.
fn of_proxy(given: Inject, plan: &ChaosPlan) -> Result<FaultKind, String> {
    let (proxy, way, toxic) = match given {
        Inject::Delay(it) => {
            let jitter = it.jitter.map_or(Nanos::ZERO, |span| span.0);
            (it.proxy, it.direction, Toxic::Delay { delay: it.delay.0, jitter })
        }
        Inject::Bandwidth(it) => {
            let rate = it.rate.0.milli() / 1_000;
            if rate == 0 {
                return Err("a rate below one byte per second: write `timeout`".to_owned());
            }
            (it.proxy, it.direction, Toxic::Bandwidth { rate })
        }
        Inject::Slicer(it) if it.size == 0 => {
            return Err("pieces of 0 bytes: at least 1".to_owned());
        }
        Inject::Slicer(it) => {
            (it.proxy, it.direction, Toxic::Slicer { size: it.size, delay: it.delay.0 })
        }
        Inject::LimitData(it) => (it.proxy, it.direction, Toxic::LimitData { bytes: it.bytes }),
        Inject::SlowClose(it) => (it.proxy, it.direction, Toxic::SlowClose { delay: it.delay.0 }),
        Inject::Timeout(it) => (it.proxy, it.direction, Toxic::Timeout),
        Inject::ResetPeer(it) => (it.proxy, it.direction, Toxic::ResetPeer),
        Inject::Down(it) => (it.proxy, it.direction, Toxic::Down),
        _ => return Err("it is not up to a proxy".to_owned()),
    };
    let names = || plan.proxies.iter().map(|proxy| proxy.name.as_str());
    if names().all(|known| known != proxy) {
        let near = did_you_mean(&proxy, names());
        return Err(format!("there is no proxy `{proxy}`{near}: add [[proxy]] with this name"));
    }
    let direction = match way {
        Way::Upstream => ProxyDirection::Upstream,
        Way::Downstream => ProxyDirection::Downstream,
        Way::Both => ProxyDirection::Both,
    };
    Ok(FaultKind::Proxy { proxy, direction, toxic })
}

/// Converts an objective for a fault.
pub(crate) fn objective(
    slo: &Slo,
    place: &FieldPath,
    faults: &[PlannedFault],
    diagnostics: &mut Diagnostics<'_>,
) -> Option<ChaosObjective> {
    let name = slo.fault.as_ref()?;
    let names = || faults.iter().map(|fault| fault.name.as_str());
    if names().all(|known| known != name) {
        let why = format!("there is no fault `{name}`{}", did_you_mean(name, names()));
        diagnostics.add(&place.key("fault"), why);
    }
    if slo.flow.is_some() || slo.step.is_some() {
        let why = "an objective is for a fault, or for a flow and its step: leave one out";
        diagnostics.add(&place.key("fault"), why);
    }
    let limit = slo.limit.parse::<ChaosObjective>().map_err(|why| why.to_string());
    let limit = diagnostics.take(&place.key("limit"), limit)?;
    Some(limit.of(Some(name.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Result<PlannedFault, String> {
        super::fault(text, &chaos_plan())
    }

    #[test]
    fn the_short_form_knows_the_processes_of_its_file() {
        let ready = "127.0.0.1:1".parse().expect("an address");
        let (name, command) = ("db".to_owned(), "true".to_owned());
        let processes = vec![PlannedProcess { name, command, ready }];
        let plan = ChaosPlan { processes, ..chaos_plan() };
        let text = "kill db restart=500ms at 20s";
        let kill = super::fault(text, &plan).expect("a fault").kind;
        let restart = Some(Nanos::from_millis(500));
        assert_eq!(kill, FaultKind::Kill { process: "db".to_owned(), signal: SIGKILL, restart });
        assert!(fault(text).expect_err("it is in no file").contains("[[process]]"));
    }

    #[test]
    fn the_short_form_is_that_of_a_file() {
        let pause = fault("pause nginx at 20s±500ms for 5s every 30s repeat 3").expect("a fault");
        assert_eq!(pause.kind, FaultKind::Pause { process: "nginx".to_owned() });
        assert_eq!((pause.at, pause.jitter), (Nanos::from_secs(20), Nanos::from_millis(500)));
        assert_eq!((pause.length, pause.every), (Nanos::from_secs(5), Nanos::from_secs(30)));
        assert_eq!(pause.repeat, 3);
        let by_pid = fault("fds 4711 spare=4 at 20s for 5s").expect("a fault");
        assert_eq!(by_pid.kind, FaultKind::Fds { process: "4711".to_owned(), spare: 4 });
        let burn = fault("burn threads=2 at 20s for 5s").expect("a fault");
        assert_eq!(burn.kind, FaultKind::Burn { threads: 2, cpus: Vec::new() });
        assert_eq!(fault("nothing at 20s for 5s").expect("a fault").kind, FaultKind::Nothing);
        let memory = fault("memory db limit=200M at 20s for 5s").expect("a fault");
        let limit = 200 << 20;
        assert_eq!(memory.kind, FaultKind::Memory { process: "db".to_owned(), limit });
    }

    #[test]
    fn mistakes_name_their_fix() {
        let cases = [
            ("pause nginx", "'pause nginx at 20s for 5s'"),
            ("at 20s", "'pause nginx at 20s for 5s'"),
            ("pause nginx at soon", "30s"),
            ("stop nginx at 20s", "stop"),
            ("pause at 20s", "process"),
            ("kill 12 at 20s", "[[process]]"),
            ("kill db signal=HUP at 20s", "KILL or TERM"),
            ("cpu db limit=0 at 20s for 5s", "0.01"),
            ("pause a at 20s while 5s", "'pause nginx at 20s for 5s'"),
        ];
        for (text, part) in cases {
            let why = fault(text).expect_err(text);
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
