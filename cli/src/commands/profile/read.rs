//! `uringbench profile --read`: views of a stored profile, and the changes since another.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::{Value, json};
use uringbench_core::time::Nanos;
use uringbench_profiler::analysis::{self, Comparison, Cut};
use uringbench_profiler::profile::{
    Direction, FlameOptions, FlameUnit, FoldedSide, STORED_FILE, Selection, Stored, View, Windows,
    read_stored, write_all, write_difference_svg, write_whole,
};
use uringbench_profiler::sample::SampleKind;
use uringbench_store::Destination;

use crate::args::ProfileCommandArgs;
use crate::console;
use crate::exit::{Exit, Failure};

/// The values of `--phase`: the phases of a load, and its spikes.
const PHASES: [&str; 4] = ["warmup", "measure", "drain", "spikes"];

/// Read `folder`, cut, compare, write, print.
pub(super) fn execute(args: &ProfileCommandArgs, folder: &Path) -> Result<Exit, Failure> {
    let stretch = Stretch::of(args)?;
    let out = out(args, folder)?;
    let after = Read::open(folder, &stretch)?;
    let before = args.against.as_deref().map(|folder| Read::open(folder, &stretch)).transpose()?;
    let mut figures = after.cut().figures().with_context(|| after.unreadable())?;
    let against = match &before {
        Some(before) => Some((before, compared(before, &after)?)),
        None => None,
    };
    if let Some(out) = out {
        Destination::prepare(out).context("the views could not be stored")?;
        let paths = write_all(&after.stored.profile, Some(&after.windows), out, &after.title);
        figures.files.extend(named(&paths.context("the views are not stored")?));
        if let Some((before, _)) = &against {
            let paths = draw(before, &after, out).context("the difference is not stored")?;
            figures.files.extend(named(&paths));
        }
    }
    let difference = against.as_ref().map(|(before, comparison)| {
        let mut value = json!(comparison);
        value["against"] = json!(before.title);
        value
    });
    let document = json!({
        "schema": "uringbench.profile/1",
        "subject": after.title,
        "duration_s": after.windows.length().as_secs_f64(),
        "view": after.view(&stretch),
        "target": figures,
        "difference": difference,
    });
    if let Some(out) = out {
        store(&document, out)?;
    }
    if args.output.json {
        let text = serde_json::to_string_pretty(&document).context("cannot write JSON")?;
        console::print(&format!("{text}\n"))?;
        return Ok(Exit::Success);
    }
    let mut lines = vec![("read".to_owned(), after.headline(&stretch))];
    lines.extend(uringbench_report::target::lines(&figures));
    if let Some((before, comparison)) = &against {
        lines.push(("against".to_owned(), before.headline(&stretch)));
        lines.extend(comparison.lines());
    }
    lines.extend(out.map(|out| ("stored".to_owned(), out.display().to_string())));
    let page = lines.iter().map(|(name, line)| format!("{name:<10}{line}\n"));
    console::print(&page.collect::<String>())?;
    Ok(Exit::Success)
}

/// The folder for the views; none if they are only printed as JSON.
fn out<'a>(args: &'a ProfileCommandArgs, read: &Path) -> Result<Option<&'a Path>, Failure> {
    let Some(out) = &args.output.out else {
        return match args.output.json {
            true => Ok(None),
            false => Err(Failure::Usage(
                "--read draws flame graphs: name a folder for them with -o DIR, or print the \
                 figures alone with --json"
                    .to_owned(),
            )),
        };
    };
    let is_same = |folder: &Path| match (fs::canonicalize(folder), fs::canonicalize(out)) {
        (Ok(folder), Ok(out)) => folder == out,
        _ => false,
    };
    let sources = [Some(read), args.against.as_deref()];
    if sources.into_iter().flatten().any(is_same) {
        return Err(Failure::Usage(format!(
            "-o {} is a folder that is read, and its files would be lost; name another",
            out.display()
        )));
    }
    Ok(Some(out))
}

/// The part of a profile to show.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stretch {
    /// All of the load, or all of the recording without one.
    Whole,
    /// One of [`PHASES`].
    Phase(String),
    /// From and to, counted from the start of the load, or of the recording without one.
    Between(Nanos, Nanos),
}

impl Stretch {
    fn of(args: &ProfileCommandArgs) -> Result<Self, Failure> {
        match (&args.phase, args.between) {
            (Some(phase), _) if !PHASES.contains(&phase.as_str()) => Err(Failure::Usage(format!(
                "there is no phase `{phase}`: use one of {}",
                PHASES.join(", ")
            ))),
            (Some(phase), _) => Ok(Self::Phase(phase.clone())),
            (None, Some((from, to))) => Ok(Self::Between(from, to)),
            (None, None) => Ok(Self::Whole),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Whole => "all of it".to_owned(),
            Self::Phase(phase) => phase.clone(),
            Self::Between(from, to) => format!("{from} to {to}"),
        }
    }

    /// Its windows, or why there are none.
    fn windows(&self, stored: &Stored) -> Result<Windows, String> {
        let facts = &stored.profile.facts;
        let load = stored.about.load.as_ref();
        let (start, end) = load.map_or((facts.start, facts.end), |load| (load.start, load.end()));
        let windows = match self {
            Self::Whole => Windows::covering([start..end]),
            Self::Phase(phase) => {
                let load = load.ok_or("it was recorded without a load, so it has no phases")?;
                let all = load.windows.as_slice().iter();
                let named = all.filter(|it| it.name == *phase || it.phase.key() == phase);
                match phase.as_str() {
                    "spikes" => load.spikes.clone(),
                    _ => Windows::covering(named.map(|it| it.start..it.end)),
                }
            }
            Self::Between(from, to) => {
                let to = (start + *to).min(end);
                Windows::covering([start + *from..to.max(start + *from)])
            }
        };
        if windows.as_slice().is_empty() && *self != Self::Whole {
            let length = end.since(start);
            return Err(format!("it has no {} (it is {length} long)", self.text()));
        }
        Ok(match load {
            Some(load) => windows.within(&load.covered()),
            None => windows,
        })
    }
}

/// A stored profile and the part to show.
struct Read {
    folder: PathBuf,
    title: String,
    stored: Stored,
    windows: Windows,
}

impl Read {
    fn open(folder: &Path, stretch: &Stretch) -> Result<Self, Failure> {
        let stored = read_stored(folder).map_err(|why| anyhow!(why))?;
        let windows = stretch
            .windows(&stored)
            .map_err(|why| anyhow!("{}: {why}", folder.join(STORED_FILE).display()))?;
        let title = match stored.about.title.as_str() {
            "" => folder.display().to_string(),
            title => title.to_owned(),
        };
        Ok(Self { folder: folder.to_path_buf(), title, stored, windows })
    }

    fn cut(&self) -> Cut<'_> {
        Cut { stored: &self.stored, windows: &self.windows }
    }

    fn on_cpu(&self) -> std::io::Result<View> {
        let selection = Selection::of([SampleKind::Cpu]).within(self.windows.clone());
        self.stored.profile.cut(&selection)
    }

    fn headline(&self, stretch: &Stretch) -> String {
        let requests = self
            .stored
            .about
            .load
            .as_ref()
            .map_or_else(String::new, |_| format!(" · {} requests", self.cut().requests()));
        format!(
            "{} · {} ({}){requests} · {}",
            self.title,
            stretch.text(),
            self.windows.length(),
            self.folder.display()
        )
    }

    /// The shown part, for the document.
    fn view(&self, stretch: &Stretch) -> Value {
        let load = self.stored.about.load.as_ref();
        let origin = load.map_or(self.stored.profile.facts.start, |load| load.start);
        let at = |time: uringbench_core::time::Timestamp| time.since(origin).as_secs_f64();
        let windows = self.windows.as_slice().iter();
        json!({
            "of": stretch.text(),
            "windows": windows
                .map(|window| json!({"from_s": at(window.start), "to_s": at(window.end)}))
                .collect::<Vec<_>>(),
            "requests": load.map(|_| self.cut().requests()),
        })
    }

    fn unreadable(&self) -> String {
        format!("{} cannot be read back", self.folder.join(STORED_FILE).display())
    }
}

fn compared(before: &Read, after: &Read) -> Result<Comparison, Failure> {
    let found = analysis::compare(before.cut(), after.cut()).context("samples cannot be read")?;
    let empty = [before, after].into_iter().find(|side| side.cut().requests() == 0);
    match (found, empty) {
        (Some(comparison), _) => Ok(comparison),
        (None, side) => Err(anyhow!(
            "{} has no completed requests, and a difference is per request: record both with \
             `uringbench --profile TARGET URL`, or take another stretch",
            side.unwrap_or(before).folder.display()
        )
        .into()),
    }
}

/// Both directions: each shows functions that have no width in the other.
fn draw(before: &Read, after: &Read, out: &Path) -> std::io::Result<Vec<PathBuf>> {
    let lines =
        |side: &Read| Ok::<_, std::io::Error>(side.on_cpu()?.flame_lines(&side.stored.profile));
    let (before_lines, after_lines) = (lines(before)?, lines(after)?);
    let old = FoldedSide { lines: &before_lines, requests: before.cut().requests() };
    let new = FoldedSide { lines: &after_lines, requests: after.cut().requests() };
    let images = [
        ("difference.svg", Direction::Grown, "grown and new"),
        ("vanished.svg", Direction::Vanished, "shrunk and vanished"),
    ];
    let draw = |(file, direction, what): (&str, Direction, &str)| {
        let options = FlameOptions {
            title: format!("{} · CPU time per request, {what}", after.title),
            subtitle: format!("against {}", before.title),
            unit: FlameUnit::Time,
            notes: String::new(),
        };
        write_whole(out, file, |out| write_difference_svg(old, new, direction, &options, out))
    };
    images.into_iter().map(draw).collect()
}

fn named(paths: &[PathBuf]) -> Vec<String> {
    let names = paths.iter().filter_map(|path| path.file_name()?.to_str());
    names.map(str::to_owned).collect()
}

fn store(document: &Value, out: &Path) -> Result<(), Failure> {
    let written = write_whole(out, "profile.json", |out| {
        serde_json::to_writer_pretty(&mut *out, document)?;
        writeln!(out)
    });
    written.context("profile.json is not stored")?;
    Ok(())
}
