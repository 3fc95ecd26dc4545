//! The language runtime of a process, which affects the verdict on its memory: recognised by the
//! files it has mapped, or for a Go program by a section that the linker writes, stripped or not.

pub mod hsperfdata;
pub mod jvm;

use std::fs::{self, File};

use object::LittleEndian as Little;
use object::elf;
use object::read::ReadCache;
use object::read::elf::FileHeader;

use crate::leak::Heap;

/// A runtime with a garbage collector. CPython and PHP count references and are not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Runtime {
    /// HotSpot or OpenJ9.
    Jvm,
    /// CoreCLR.
    DotNet,
    /// Node, Deno, Electron.
    V8,
    /// Bun and others on JavaScriptCore.
    Bun,
    /// Go.
    Go,
    /// CRuby.
    Ruby,
    /// Erlang and Elixir.
    Beam,
    /// PyPy.
    PyPy,
    /// Mono.
    Mono,
}

impl Runtime {
    /// The runtime of a running process; `None` if it has none of these or may not be read.
    pub fn of(pid: u32) -> Option<Self> {
        let maps = fs::read(format!("/proc/{pid}/maps")).ok()?;
        let lines = maps.split(|&byte| byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
        // Files are mapped in any order: a JVM maps one of its own first.
        lines.filter_map(mapped).find_map(Self::of_file).or_else(|| {
            let program = File::open(format!("/proc/{pid}/exe")).ok()?;
            is_go(&program).then_some(Self::Go)
        })
    }

    /// Its name for display.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jvm => "JVM",
            Self::DotNet => ".NET",
            Self::V8 => "V8",
            Self::Bun => "Bun",
            Self::Go => "Go",
            Self::Ruby => "Ruby",
            Self::Beam => "Erlang",
            Self::PyPy => "PyPy",
            Self::Mono => "Mono",
        }
    }

    /// The runtime of a name.
    pub fn named(name: &str) -> Option<Self> {
        const ALL: [Runtime; 9] = [
            Runtime::Jvm,
            Runtime::DotNet,
            Runtime::V8,
            Runtime::Bun,
            Runtime::Go,
            Runtime::Ruby,
            Runtime::Beam,
            Runtime::PyPy,
            Runtime::Mono,
        ];
        ALL.into_iter().find(|runtime| runtime.name() == name)
    }

    /// How its heap grows.
    pub const fn heap(self) -> Heap {
        match self {
            Self::Jvm | Self::DotNet => Heap::CollectedAtItsLimit,
            Self::V8 | Self::Bun | Self::Go | Self::Ruby | Self::Beam | Self::PyPy | Self::Mono => {
                Heap::Collected
            }
        }
    }

    /// By the name of a mapped file, without its folder.
    fn of_file(name: &str) -> Option<Self> {
        const WHOLE: [(&str, Runtime); 8] = [
            ("node", Runtime::V8),
            ("nodejs", Runtime::V8),
            ("nsolid", Runtime::V8),
            ("deno", Runtime::V8),
            ("electron", Runtime::V8),
            ("bun", Runtime::Bun),
            ("ruby", Runtime::Ruby),
            ("beam.smp", Runtime::Beam),
        ];
        const BEGINNINGS: [(&str, Runtime); 8] = [
            ("libjvm.so", Runtime::Jvm),
            ("libj9vm", Runtime::Jvm),
            ("libcoreclr.so", Runtime::DotNet),
            ("libnode.so", Runtime::V8),
            ("libv8.so", Runtime::V8),
            ("libruby", Runtime::Ruby),
            ("libpypy", Runtime::PyPy),
            ("libmonosgen", Runtime::Mono),
        ];
        let whole = WHOLE.into_iter().find(|(whole, _)| name == *whole);
        let beginning = || BEGINNINGS.into_iter().find(|(start, _)| name.starts_with(start));
        whole.or_else(beginning).map(|(_, runtime)| runtime)
    }
}

/// The name, without folder, of the file that a line of `/proc/PID/maps` names.
fn mapped(line: &str) -> Option<&str> {
    let path = &line[line.find('/')?..];
    path.trim_end_matches(" (deleted)").rsplit('/').next()
}

/// Whether Go's linker wrote a program.
pub(crate) fn is_go(program: &File) -> bool {
    let cache = ReadCache::new(program);
    let reader = &cache;
    let sections = elf::FileHeader64::<Little>::parse(reader)
        .and_then(|header| header.sections(Little, reader));
    sections.is_ok_and(|sections| {
        let mut names = sections.iter().map(|one| sections.section_name(Little, one));
        names.any(|name| matches!(name, Ok(b".go.buildinfo" | b".note.go.buildid")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_are_known_by_what_they_map() {
        let of = |line: &str| mapped(line).and_then(Runtime::of_file);
        let line = |path: &str| format!("7f00-7f01 r-xp 00000000 fe:00 77      {path}");
        for (path, runtime) in [
            ("/usr/lib/jvm/java-17/lib/server/libjvm.so", Some(Runtime::Jvm)),
            ("/opt/my app/libcoreclr.so", Some(Runtime::DotNet)),
            ("/usr/bin/node (deleted)", Some(Runtime::V8)),
            ("/usr/lib/libnode.so.115", Some(Runtime::V8)),
            ("/usr/lib/x86_64-linux-gnu/libruby-3.1.so.3.1.2", Some(Runtime::Ruby)),
            ("/usr/bin/nodemon-like", None),
            ("/usr/bin/python3.11", None),
            ("/usr/sbin/nginx", None),
        ] {
            assert_eq!(of(&line(path)), runtime, "{path}");
        }
        assert_eq!(of("7f00-7f01 rw-p 00000000 00:00 0    [heap]"), None);
        assert_eq!(Runtime::of(std::process::id()), None);
    }
}
