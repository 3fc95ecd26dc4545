//! The names of a process: from the kernel, its file, its command line and, for an interpreter, the
//! program that it runs.

use std::path::Path;

/// A name similar to the requested one.
pub(super) struct Like {
    /// The number of letters that differ; 0 if one name contains the other.
    pub(super) distance: usize,
    /// The name.
    pub(super) name: String,
}

/// All names of a process; `None` if it has ended.
pub(super) fn of(pid: u32) -> Option<Vec<String>> {
    let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    // Only kernel threads and zombies have none. `ps -e` shows both; kernel threads have this name.
    if command_line.is_empty() {
        let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        let is_ended = uringbench_machine::processes::ProcessEntry::read(pid)?.is_ended;
        return (!is_ended).then(|| vec![comm.trim_end().to_owned()]);
    }
    let arguments: Vec<_> = command_line
        .split(|&byte| byte == 0)
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect();
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok();
    // An ordinary user cannot read it for another user's process; then the other names must
    // suffice.
    let executable = std::fs::read_link(format!("/proc/{pid}/exe")).ok();
    Some(from_parts(comm.as_deref().map(str::trim_end), executable.as_deref(), &arguments))
}

/// The process of a thread.
pub(super) fn process_of(tid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

/// The names in the files of `/proc`; the first is the one to show.
pub(super) fn from_parts(
    comm: Option<&str>,
    executable: Option<&Path>,
    arguments: &[String],
) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    let file = executable.and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("");
    // The suffix after an upgrade replaced the file of a running program.
    let file = file.strip_suffix(" (deleted)").unwrap_or(file);
    add(comm.unwrap_or(""));
    add(file);
    let first = arguments.first().map_or("", String::as_str);
    add(file_name(first));
    // A title that the process has set: `nginx: worker process`, `gunicorn: master [app]`.
    let title = first.split([' ', ':']).next().unwrap_or("");
    add(file_name(title));
    let interpreter = [file, file_name(first)].into_iter().find_map(Interpreter::of);
    if let Some(program) = interpreter.and_then(|found| found.program(arguments)) {
        let program = file_name(program);
        add(program);
        add(program.strip_suffix(".py").unwrap_or(program));
        let stem = [".js", ".mjs", ".cjs", ".rb", ".jar"];
        add(stem.iter().find_map(|end| program.strip_suffix(end)).unwrap_or(program));
        // A Java class without its package.
        if matches!(interpreter, Some(Interpreter::Java)) && !program.ends_with(".jar") {
            add(program.rsplit('.').next().unwrap_or(program));
        }
    }
    names
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[derive(Clone, Copy)]
enum Interpreter {
    Python,
    Node,
    Ruby,
    Java,
}

impl Interpreter {
    fn of(file: &str) -> Option<Self> {
        // `python3.11`, `ruby3.1`: the version is not part of the name.
        let name = file.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        match name {
            "python" | "pypy" => Some(Self::Python),
            "node" | "nodejs" => Some(Self::Node),
            "ruby" => Some(Self::Ruby),
            "java" => Some(Self::Java),
            _ => None,
        }
    }

    /// The script, module or class that the interpreter runs: the first argument that is neither an
    /// option nor an option's value.
    fn program(self, arguments: &[String]) -> Option<&str> {
        let mut rest = arguments.iter().skip(1).map(String::as_str);
        while let Some(argument) = rest.next() {
            if matches!(self, Self::Python) && argument == "-m" || argument == "-jar" {
                return rest.next();
            }
            if self.is_code(argument) {
                return None;
            }
            if self.takes_value(argument) {
                rest.next();
            } else if !argument.starts_with('-') && !argument.is_empty() {
                return Some(argument);
            }
        }
        None
    }

    /// Options whose value is program text: then there is no name.
    fn is_code(self, option: &str) -> bool {
        match self {
            Self::Python => option == "-c",
            Self::Node => matches!(option, "-e" | "--eval" | "-p" | "--print"),
            Self::Ruby => option == "-e",
            Self::Java => false,
        }
    }

    fn takes_value(self, option: &str) -> bool {
        match self {
            Self::Python => matches!(option, "-W" | "-X"),
            Self::Node => matches!(option, "-r" | "--require" | "--import" | "--loader"),
            Self::Ruby => matches!(option, "-I" | "-r" | "-C"),
            Self::Java => matches!(
                option,
                "-cp" | "-classpath" | "--class-path" | "-p" | "--module-path" | "--add-modules"
            ),
        }
    }
}

/// The name in `known` that is most similar to `name`, if any is similar.
pub(super) fn nearest(known: &[String], name: &str) -> Option<Like> {
    let wanted = name.to_lowercase();
    let likeness = |candidate: &String| {
        let found = candidate.to_lowercase();
        let shorter = found.len().min(wanted.len());
        if shorter >= 3 && (found.contains(&wanted) || wanted.contains(&found)) {
            return Some(0);
        }
        // A third of the letters may differ, but at most two.
        Some(distance(&found, &wanted)).filter(|&letters| letters <= (wanted.len() / 3).min(2))
    };
    known
        .iter()
        .filter_map(|name| Some(Like { distance: likeness(name)?, name: name.clone() }))
        .min_by_key(|like| like.distance)
}

/// The number of letters to insert, remove or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &other) in b.iter().enumerate() {
            let exchanged = diagonal + usize::from(letter != other);
            diagonal = row[j + 1];
            row[j + 1] = exchanged.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
