//! The exit codes of the contract, and the two kinds of failure before a result.
//!
//! Commands return these; only `main` turns them into the process's code and its line.

use std::fmt;
use std::process::ExitCode;

use uringbench_document::comparison::Decision;
use uringbench_experiment::Gate;

/// How a command that completed its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; no objective or gate failed.
    Success,
    /// A gate failed: the target leaks, or is worse than that which it is compared with.
    GateFailed,
    /// The service-level objective was measured and missed.
    SloFailed,
    /// Too few samples to decide whether the objective was met.
    Inconclusive,
    /// The measurement is INVALID, and a gate depended on it.
    Invalid,
}

impl Exit {
    const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::GateFailed => 10,
            Self::SloFailed => 11,
            Self::Inconclusive => 12,
            Self::Invalid => 13,
        }
    }
}

impl From<Gate> for Exit {
    fn from(gate: Gate) -> Self {
        match gate {
            Gate::Passed => Self::Success,
            Gate::Leak => Self::GateFailed,
            Gate::SloMissed => Self::SloFailed,
            Gate::Inconclusive => Self::Inconclusive,
            Gate::Invalid => Self::Invalid,
        }
    }
}

impl From<Decision> for Exit {
    fn from(verdict: Decision) -> Self {
        match verdict {
            Decision::Pass | Decision::Warn => Self::Success,
            Decision::Fail => Self::GateFailed,
            Decision::Inconclusive => Self::Inconclusive,
            Decision::Invalid => Self::Invalid,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do its work. Displays as one line: cause and fix.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The arguments cannot work; nothing was started.
    Usage(String),
    /// The arguments could work, but not here or not now.
    CannotRun(anyhow::Error),
}

/// The arguments cannot work, in one line.
pub(crate) fn usage(line: impl Into<String>) -> Failure {
    Failure::Usage(line.into())
}

impl Failure {
    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    const fn code(&self) -> u8 {
        match self {
            Self::CannotRun(_) => 1,
            Self::Usage(_) => 2,
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::CannotRun(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = match self {
            Self::Usage(line) => line.clone(),
            Self::CannotRun(error) => format!("{error:#}"),
        };
        // Causes come from libraries and the kernel too; the contract is one line.
        f.write_str(&line.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    const PAGE: &str = include_str!("../../docs/reference/exit-codes.md");

    #[test]
    fn the_page_has_every_code_and_no_other() {
        let ends =
            [Exit::Success, Exit::GateFailed, Exit::SloFailed, Exit::Inconclusive, Exit::Invalid];
        let failures = [Failure::CannotRun(anyhow!("x")), Failure::Usage(String::new())];
        let mut codes: Vec<u8> = ends.map(Exit::code).into();
        codes.extend(failures.iter().map(Failure::code));
        codes.sort_unstable();
        let cells = PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
        let listed: Vec<u8> = cells.filter_map(|cell| cell.parse().ok()).collect();
        assert_eq!(listed, codes, "docs/reference/exit-codes.md");
    }

    #[test]
    fn a_failure_is_one_line_with_its_causes() {
        let failure = Failure::from(anyhow!("refused\n  by the kernel").context("cannot connect"));
        assert_eq!(failure.to_string(), "cannot connect: refused by the kernel");
    }
}
