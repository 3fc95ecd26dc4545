//! `uringbench demo`: the built-in target in a child process, under both kinds of load.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, anyhow};
use uringbench_core::plan::Load;
use uringbench_core::time::Nanos;
use uringbench_engine::Control;
use uringbench_machine::cpus::{self, CoreSpec};

use crate::args::{DemoArgs, LoadArgs, MeasurementArgs, RunArgs};
use crate::console;
use crate::execution;
use crate::exit::{Exit, Failure};
use crate::resolve::{self, ResolvedRun};
use crate::signals;

/// The open-loop part's rate: far below the limit of any machine, so that it shows response times
/// and not saturation.
const RATE_PER_SECOND: u64 = 10_000;

/// Load the target as fast as it answers, then at a steady rate.
pub(crate) fn execute(args: DemoArgs) -> Result<Exit, Failure> {
    let control = Control::new();
    signals::forward_to(control.clone())?;
    let allowed: Vec<usize> = cpus::allowed().iter().collect();
    let (target_cpu, load_cpu) = match allowed.as_slice() {
        [] => return Err(anyhow!("this process may use no CPU").into()),
        [only] => (*only, *only),
        [first, .., last] => (*first, *last),
    };
    let target = Target::start(target_cpu)?;
    console::print(&format!(
        "The reference target serves {} on CPU {target_cpu}; the load comes from CPU {load_cpu}.\n\
         \n1. Closed loop: as fast as it answers, for {}\n\n",
        target.url, args.duration,
    ))?;
    let closed = part(&target.url, load_cpu, args.duration, None)?;
    execution::execute(&closed, &control)?;
    if control.command() != uringbench_engine::Command::Run {
        return Ok(Exit::Success);
    }
    console::print(&format!(
        "\n2. Open loop: {RATE_PER_SECOND} requests a second, on time, for {}\n\n",
        args.duration,
    ))?;
    let open = part(&target.url, load_cpu, args.duration, Some(RATE_PER_SECOND))?;
    execution::execute(&open, &control)
}

fn part(url: &str, cpu: usize, duration: Nanos, rate: Option<u64>) -> Result<ResolvedRun, Failure> {
    let rate = rate.and_then(uringbench_core::rate::Rate::per_second);
    let args = RunArgs {
        url: Some(url.to_owned()),
        load: LoadArgs {
            cores: Some(CoreSpec::List([cpu].into_iter().collect())),
            duration: Some(duration),
            rate,
            ..LoadArgs::default()
        },
        measurement: MeasurementArgs::default(),
        ..RunArgs::default()
    };
    let run = resolve::resolve(&args)?;
    debug_assert_eq!(run.experiment.plan.load != Load::Closed, rate.is_some());
    Ok(run)
}

/// The child process; it is killed when this is dropped.
struct Target {
    child: Child,
    url: String,
}

impl Target {
    fn start(cpu: usize) -> Result<Self, Failure> {
        let program = std::env::current_exe().context("cannot find this program's own file")?;
        let mut child = Command::new(program)
            .args(["target", "--listen", "127.0.0.1:0", "--cpu", &cpu.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the reference target")?;
        let stdout = child.stdout.take();
        let mut target = Self { child, url: String::new() };
        let mut line = String::new();
        if let Some(stdout) = stdout {
            BufReader::new(stdout).read_line(&mut line).context("the target printed nothing")?;
        }
        let url = line.trim().strip_prefix("listening on ");
        // It has reported the cause on stderr.
        target.url = url.context("the reference target did not start")?.to_owned();
        Ok(target)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}
