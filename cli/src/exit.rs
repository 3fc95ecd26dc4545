//! The exit codes of the contract, and the two ways not to get as far as a result.
//!
//! Commands return these; `main` alone turns them into the process's code and its one line.

use std::fmt;
use std::process::ExitCode;

/// How a command that did its work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; nothing that was asked for failed.
    Success,
    /// A gate failed: the target leaks.
    GateFailed,
    /// The service-level objective was measured and missed.
    SloFailed,
    /// Too few samples to tell whether the objective was met.
    Inconclusive,
    /// The measurement cannot be trusted, and a gate depended on it.
    Invalid,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Success => 0,
            Exit::GateFailed => 10,
            Exit::SloFailed => 11,
            Exit::Inconclusive => 12,
            Exit::Invalid => 13,
        })
    }
}

/// Why a command did not do its work. Displays as one line: cause and remedy.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was typed cannot be done; nothing was started.
    Usage(String),
    /// It could have been done, but not here or not now.
    CannotRun(anyhow::Error),
}

impl Failure {
    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::CannotRun(_) => 1,
            Self::Usage(_) => 2,
        })
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

    #[test]
    fn a_failure_is_one_line_with_its_causes() {
        let failure = Failure::from(anyhow!("refused\n  by the kernel").context("cannot connect"));
        assert_eq!(failure.to_string(), "cannot connect: refused by the kernel");
    }
}
