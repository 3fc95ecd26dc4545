//! `uringbench profile`: sample a process tree, without a load; `read` looks at what is stored.

mod read;

use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow};
use serde_json::json;
use uringbench_core::time::Nanos;
use uringbench_document::timeline::TimelineFigures;
use uringbench_engine::{Command as Signalled, Control};
use uringbench_experiment::profiling::{self, files};
use uringbench_profiler::analysis;
use uringbench_profiler::profile::Windows;
use uringbench_profiler::selector::{self, Selector};
use uringbench_profiler::session::launch::Launched;
use uringbench_profiler::session::{Recording, Sidecar, SidecarOptions, now};
use uringbench_report as report;
use uringbench_store::{Destination, run_folder};

use crate::args::ProfileCommandArgs;
use crate::console;
use crate::exit::{Exit, Failure};
use crate::signals;

/// How long a running target is sampled unless asked otherwise.
const DURATION: Nanos = Nanos::from_secs(10);
/// How a shell says that it could not start a command (POSIX, 2.8.2).
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;
/// How often it is looked whether a command has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Sample, write, print.
pub(crate) fn execute(args: ProfileCommandArgs) -> Result<Exit, Failure> {
    if let Some(folder) = &args.read {
        return read::execute(&args, folder);
    }
    let control = Control::new();
    signals::forward_to(control.clone())?;
    let subject = Subject::of(&args)?;
    let title = args.output.name.clone().unwrap_or_else(|| subject.title(&args));
    let destination = match &args.output.out {
        Some(folder) => Destination::prepare(folder),
        None => Destination::prepare_new(&run_folder(
            "results".as_ref(),
            "profile",
            &title,
            SystemTime::now(),
        )),
    };
    let destination = destination.context("nothing was sampled: it could not be stored")?;
    let options = SidecarOptions {
        hz: Some(args.profile_hz.unwrap_or(profiling::HZ)),
        timeline_hz: args.timeline_hz.unwrap_or(profiling::TIMELINE_HZ),
        follows_memory: false,
        cpus: Vec::new(),
        folder: destination.folder().to_path_buf(),
    };
    let timeline_hz = options.timeline_hz;
    let (recording, ended) = record(subject, &args, options, &control)?;
    if let Some(code @ (NOT_EXECUTABLE | NOT_FOUND)) = ended {
        let program = args.command[0].to_string_lossy().into_owned();
        let why = if code == NOT_FOUND { "not found" } else { "not executable" };
        return Err(anyhow!("`{program}` could not be started: {why}").into());
    }
    tell(&args, &recording, timeline_hz, destination.folder(), &title)?;
    if let Some(code) = ended.filter(|&code| code != 0) {
        console::note(&format!("the command ended with exit code {code}"));
    }
    Ok(Exit::Success)
}

/// Who is sampled.
enum Subject {
    Running(Selector),
    Launched(Launched),
}

impl Subject {
    fn of(args: &ProfileCommandArgs) -> Result<Self, Failure> {
        match &args.target {
            Some(target) => {
                let selector = target.parse().map_err(|why| Failure::Usage(format!("{why}")))?;
                Ok(Self::Running(selector))
            }
            None => Ok(Self::Launched(
                Launched::stopped(&args.command).map_err(|why| anyhow!("{why}"))?,
            )),
        }
    }

    fn title(&self, args: &ProfileCommandArgs) -> String {
        match (self, &args.target) {
            (Self::Running(_), Some(target)) => target.clone(),
            _ => args.command.first().map_or_else(String::new, |program| {
                let program = std::path::Path::new(program).file_name().unwrap_or(program);
                program.to_string_lossy().into_owned()
            }),
        }
    }

    fn selector(&self) -> Selector {
        match self {
            Self::Running(selector) => selector.clone(),
            Self::Launched(launched) => Selector::Pid(launched.pid()),
        }
    }
}

/// Sample until the time is over, the command has ended, or a signal comes. The command's exit
/// code, if it has ended.
fn record(
    subject: Subject,
    args: &ProfileCommandArgs,
    options: SidecarOptions,
    control: &Control,
) -> Result<(Recording, Option<i32>), Failure> {
    let selector = subject.selector();
    let found = selector::resolve(&selector).map_err(|why| anyhow!("{why}"))?;
    let sidecar = Sidecar::attach(selector, found, options);
    let length = match &subject {
        Subject::Running(_) => Some(args.duration.unwrap_or(DURATION)),
        Subject::Launched(launched) => {
            launched.release().context("the command cannot be started")?;
            args.duration
        }
    };
    let end = length.map(|length| now() + length);
    let mut subject = subject;
    let mut ended = None;
    while control.command() == Signalled::Run && end.is_none_or(|end| now() < end) {
        if let Subject::Launched(launched) = &mut subject
            && let Some(status) = launched.ended().context("the command cannot be waited for")?
        {
            ended = Some(status.code().unwrap_or(-1));
            break;
        }
        let left = end.map_or(LOOK, |end| Duration::from_nanos(end.since(now()).0));
        std::thread::sleep(left.min(LOOK));
    }
    Ok((sidecar.detach(), ended))
}

fn tell(
    args: &ProfileCommandArgs,
    recording: &Recording,
    timeline_hz: u32,
    folder: &std::path::Path,
    title: &str,
) -> Result<(), Failure> {
    let found = analysis::build(recording, None).context("the samples cannot be read back")?;
    let mut figures = found.figures;
    let parts = files::ProfileParts {
        recording,
        load: None,
        window: &found.window,
        sampled: &found.sampled,
        spikes: &Windows::default(),
        timeline_hz,
    };
    let written = files::write(&parts, folder, title).context("the profile is not stored")?;
    figures.files = written.names;
    if args.output.name.is_some() {
        files::copy_flamegraph(folder, title).context("flamegraphs/ cannot be written")?;
    }
    let document = json!({
        "schema": "uringbench.profile/1",
        "subject": title,
        "duration_s": recording.ended.since(recording.started).as_secs_f64(),
        "target": figures,
    });
    let text = serde_json::to_string_pretty(&document).context("cannot write JSON")?;
    std::fs::write(folder.join("profile.json"), format!("{text}\n"))
        .context("profile.json is not stored")?;
    if args.output.json {
        console::print(&format!("{text}\n"))?;
        return Ok(());
    }
    let mut page = String::new();
    for (name, line) in report::target::lines(&figures) {
        page.push_str(&format!("{name:<10}{line}\n"));
    }
    page.push('\n');
    let timeline = TimelineFigures::of(&written.timeline);
    for line in timeline.iter().flat_map(report::timeline::lines) {
        page.push_str(&format!("{line}\n"));
    }
    page.push_str(&format!("\n{:<10}{}\n", "stored", folder.display()));
    console::print(&page)?;
    Ok(())
}
