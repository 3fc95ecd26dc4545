//! The programs that rules name, each started once for each transition.
//!
//! A program gets its arguments as they are written and the values in its environment; no shell
//! reads either. A thread of its own starts them one after the other and ends those that take too
//! long, so that none delays a run.

use std::io;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::evaluate::AlertTransition;

/// Longest time for a program.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);
/// What every name of a variable begins with.
const PREFIX: &str = "URINGBENCH_ALERT_";

/// Starts hooks.
pub struct Hooks {
    /// When the run ended.
    ended: Arc<OnceLock<Instant>>,
    transitions: Option<Sender<AlertTransition>>,
    thread: Option<JoinHandle<()>>,
}

impl Hooks {
    /// Begin. `begin` is called in the thread before all else, `note` shows a line to the user.
    /// `labels` name the run and its target.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(
        labels: [(&'static str, String); 2],
        begin: impl FnOnce() + Send + 'static,
        note: fn(&str),
    ) -> io::Result<Self> {
        let (sender, receiver) = channel();
        let ended = Arc::new(OnceLock::new());
        let seen = Arc::clone(&ended);
        let thread = std::thread::Builder::new().name("alerts".to_owned()).spawn(move || {
            begin();
            work(&receiver, &labels, &seen, note);
        })?;
        Ok(Self { ended, transitions: Some(sender), thread: Some(thread) })
    }

    /// A rule changed: start its hook, if it has one.
    pub fn changed(&self, transition: AlertTransition) {
        if let Some(sender) = self.transitions.as_ref().filter(|_| !transition.rule.hook.is_empty())
        {
            // The thread ends after its sender only.
            let _ = sender.send(transition);
        }
    }

    /// Wait for the hooks, for as long as one may take.
    pub fn finish(mut self) {
        // It is set here alone, and once.
        let _ = self.ended.set(Instant::now());
        self.transitions = None;
        if let Some(thread) = self.thread.take() {
            // A panic in it is reported where it happens.
            let _ = thread.join();
        }
    }
}

fn work(
    transitions: &Receiver<AlertTransition>,
    labels: &[(&str, String); 2],
    ended: &OnceLock<Instant>,
    note: fn(&str),
) {
    let mut skipped = 0_usize;
    for transition in transitions {
        if ended.get().is_some_and(|at| at.elapsed() >= TIMEOUT) {
            skipped += 1;
            continue;
        }
        if let Err(why) = run(&transition, labels) {
            let name = &transition.rule.name;
            note(&format!("uringbench: the hook of alert {name}: {why}"));
        }
    }
    if skipped > 0 {
        note(&format!(
            "uringbench: {skipped} hooks were not started: those before them took too long"
        ));
    }
}

fn run(transition: &AlertTransition, labels: &[(&str, String); 2]) -> Result<(), String> {
    let AlertTransition { rule, is_firing, at, value } = transition;
    let [program, arguments @ ..] = &rule.hook[..] else { return Ok(()) };
    let condition = rule.condition;
    let values = [
        ("NAME", rule.name.clone()),
        ("STATE", if *is_firing { "firing" } else { "resolved" }.to_owned()),
        ("SEVERITY", rule.severity.word().to_owned()),
        ("MESSAGE", rule.message.clone()),
        ("CONDITION", condition.to_string()),
        ("METRIC", condition.metric.name().to_owned()),
        ("VALUE", value.to_string()),
        ("AT_SECONDS", at.as_secs_f64().to_string()),
    ];
    let values = values.iter().chain(labels.iter());
    let child = Command::new(program)
        .args(arguments)
        .envs(values.map(|(name, value)| (format!("{PREFIX}{name}"), value.replace('\0', ""))))
        .stdin(Stdio::null())
        // Standard output has the result of the run.
        .stdout(io::stderr())
        .spawn();
    let mut child = child.map_err(|why| format!("`{program}` does not start: {why}"))?;
    let until = Instant::now() + TIMEOUT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("`{program}` ended with {status}")),
            Ok(None) if Instant::now() < until => std::thread::sleep(LOOK),
            Ok(None) => {
                let killed = child.kill().and_then(|()| child.wait());
                let how = killed.map_or_else(|why| why.to_string(), |_| "it was ended".to_owned());
                return Err(format!("`{program}` took over {} s: {how}", TIMEOUT.as_secs()));
            }
            Err(why) => return Err(format!("`{program}` cannot be waited for: {why}")),
        }
    }
}
