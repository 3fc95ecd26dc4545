//! A profile's files in a run's folder; each is written completely or not at all.
//!
//! The caller chooses the folder and the other formats, which it can write with [`write_whole`].

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use uringbench_core::time::Nanos;
use uringbench_core::validity::Validity;

use super::flame::{FlameOptions, FlameUnit, write_svg};
use super::fold::{Lines, Wording};
use super::{OffCpuWait, Profile, Selection, View, Windows};
use crate::sample::SampleKind;

/// The root frames of off-CPU stacks.
const FOR_WORK: &str = "[waiting for work]";
const BLOCKED: &str = "[blocked]";
const PREEMPTED: &str = "[preempted]";

/// Write `flamegraph.svg` and `profile.folded`; with off-CPU samples `off-cpu.svg` and
/// `off-cpu.folded` too, whose stacks are grouped by the kind of wait. `name` is the graphs' title,
/// `windows` the part they cover (all if `None`). Returns the files.
///
/// # Errors
/// If the samples cannot be read back or a file cannot be written; earlier files stay.
pub fn write_all(
    profile: &Profile,
    windows: Option<&Windows>,
    folder: &Path,
    name: &str,
) -> io::Result<Vec<PathBuf>> {
    let kinds = [SampleKind::Cpu, SampleKind::Blocked, SampleKind::Preempted];
    let views = profile.cut_all(
        &kinds.map(|kind| Selection { windows: windows.cloned(), ..Selection::of([kind]) }),
    )?;
    let [cpu, blocked, preempted] = &views[..] else { unreachable!("a view for each kind") };
    let options = options(profile, format!("{name} · CPU time"), cpu, "on CPU");
    let mut files = vec![
        write_whole(folder, "flamegraph.svg", |out| {
            write_svg(&cpu.flame_lines(profile), &options, out)
        })?,
        write_whole(folder, "profile.folded", |out| write_lines(&cpu.folded(profile), out))?,
    ];
    let mut off_cpu = blocked.clone();
    off_cpu.samples += preempted.samples;
    off_cpu.total += preempted.total;
    if off_cpu.samples > 0 {
        let title = format!("{name} · time off CPU");
        let options = self::options(profile, title, &off_cpu, "off CPU");
        let lines = |wording| off_cpu_lines(profile, blocked, preempted, wording);
        files.push(write_whole(folder, "off-cpu.svg", |out| {
            write_svg(&lines(Wording::Flame), &options, out)
        })?);
        files.push(write_whole(folder, "off-cpu.folded", |out| {
            write_lines(&lines(Wording::Plain), out)
        })?);
    }
    Ok(files)
}

/// Draw a selection into its own file.
///
/// # Errors
/// If the samples cannot be read back or the file cannot be written.
pub fn write_flames(
    profile: &Profile,
    selection: &Selection,
    folder: &Path,
    file: &str,
    title: String,
    unit: FlameUnit,
) -> io::Result<()> {
    let view = profile.cut(selection)?;
    let subtitle = format!("{} samples", view.samples);
    let options = FlameOptions { title, subtitle, unit, notes: String::new() };
    let lines = view.flame_lines(profile);
    write_whole(folder, file, |out| write_svg(&lines, &options, out))?;
    Ok(())
}

/// Write a file under a temporary name, sync it to disk, and then rename it. Returns its path.
///
/// # Errors
/// If it cannot be written; the name then does not exist, or is still the earlier file.
pub fn write_whole(
    folder: &Path,
    name: &str,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let path = folder.join(name);
    let partial = folder.join(format!(".{name}.partial"));
    let written = File::create(&partial)
        .and_then(|file| {
            let mut out = BufWriter::new(file);
            content(&mut out)?;
            out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
        })
        .and_then(|()| fs::rename(&partial, &path))
        .and_then(|()| File::open(folder)?.sync_all());
    match written {
        Ok(()) => Ok(path),
        Err(cause) => {
            // Best effort: on a full disk the written part should not stay.
            let _ = fs::remove_file(&partial);
            let what = format!("{} was not stored: {cause}", path.display());
            Err(io::Error::new(cause.kind(), what))
        }
    }
}

fn write_lines(lines: &[String], out: &mut dyn Write) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn off_cpu_lines(
    profile: &Profile,
    blocked: &View,
    preempted: &View,
    wording: Wording,
) -> Vec<String> {
    let mut lines = Lines::default();
    lines.add(profile, blocked, wording, |stack| match profile.wait(stack) {
        OffCpuWait::ForWork => Some(FOR_WORK),
        OffCpuWait::Blocked => Some(BLOCKED),
    });
    lines.add(profile, preempted, wording, |_| Some(PREEMPTED));
    lines.into_vec()
}

/// The facts that a reader of the image needs, above all those against it.
fn options(profile: &Profile, title: String, view: &View, what: &str) -> FlameOptions {
    let facts = &profile.facts;
    let health = profile.health();
    let time = Nanos(view.total);
    let mut subtitle = match health.validity {
        Validity::Valid => String::new(),
        Validity::Suspect => "SUSPECT · ".into(),
        Validity::Invalid => "INVALID · ".into(),
    };
    subtitle.push_str(&format!(
        "{time} {what} in {} · {} samples · {} Hz {}",
        facts.length(),
        view.samples,
        facts.hz,
        facts.clock.word()
    ));
    if facts.lost > 0 {
        subtitle.push_str(&format!(" · {:.2} % lost", facts.lost_share() * 100.0));
    }
    let reasons = health.reasons.iter().map(|reason| &reason.message);
    let notes: Vec<&str> = reasons.chain(&facts.notes).map(String::as_str).collect();
    FlameOptions { title, subtitle, unit: FlameUnit::Time, notes: notes.join(". ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::fixture;
    use SampleKind::{Blocked, Cpu, Preempted};

    const EPOLL: &str = "main;loop;epoll_wait;do_epoll_wait_[k];schedule_[k]";
    const DISK: &str = "main;save;fsync;ext4_sync_file_[k];io_schedule_[k]";

    fn read(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap()
    }

    fn names(files: &[PathBuf]) -> Vec<&str> {
        files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect()
    }

    #[test]
    fn a_profile_is_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut profile = fixture::profile(&[
            (1, Cpu, "main;loop;handle", 10_000_000),
            (2, Blocked, EPOLL, 7_000_000),
            (3, Blocked, DISK, 2_000_000),
            (4, Preempted, "main;loop;handle", 1_000_000),
        ]);
        profile.facts.lost = 100;
        let files = write_all(&profile, None, folder.path(), "nginx").unwrap();
        assert_eq!(
            names(&files),
            ["flamegraph.svg", "profile.folded", "off-cpu.svg", "off-cpu.folded"]
        );
        assert_eq!(read(folder.path(), "profile.folded"), "main;loop;handle 10000000\n");
        assert_eq!(
            read(folder.path(), "off-cpu.folded"),
            "[blocked];main;save;fsync;ext4_sync_file;io_schedule 2000000\n\
             [preempted];main;loop;handle 1000000\n\
             [waiting for work];main;loop;epoll_wait;do_epoll_wait;schedule 7000000\n"
        );
        let on_cpu = read(folder.path(), "flamegraph.svg");
        assert!(on_cpu.contains(">nginx · CPU time</text>"), "{on_cpu}");
        let subtitle =
            "INVALID · 10.0 ms on CPU in 10.0 s · 1 samples · 99 Hz cpu-clock · 9.09 % lost";
        assert!(on_cpu.contains(&format!(">{subtitle}</text>")), "{on_cpu}");
        assert!(on_cpu.contains("records are lost"), "the reason is in the notes");
        let off_cpu = read(folder.path(), "off-cpu.svg");
        assert!(off_cpu.contains("<title>[waiting for work] (7,000 µs, 70.00%)"), "{off_cpu}");
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 4, "no temporary file stays");
    }

    #[test]
    fn an_idle_target_has_files_that_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let files = write_all(&fixture::profile(&[]), None, folder.path(), "idle").unwrap();
        assert_eq!(names(&files), ["flamegraph.svg", "profile.folded"]);
        assert!(read(folder.path(), "flamegraph.svg").contains("No samples"));
        assert_eq!(read(folder.path(), "profile.folded"), "");
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_the_earlier_one() {
        let folder = tempfile::tempdir().unwrap();
        write_whole(folder.path(), "a.txt", |out| out.write_all(b"first")).unwrap();
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let said = write_whole(folder.path(), "a.txt", |out| {
            out.write_all(b"sec")?;
            Err(full())
        })
        .unwrap_err();
        assert_eq!(said.kind(), io::ErrorKind::StorageFull);
        assert!(said.to_string().contains("a.txt was not stored: "), "{said}");
        assert_eq!(read(folder.path(), "a.txt"), "first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
