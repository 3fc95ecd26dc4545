//! Test support: compiles the burner, runs it and reads the samples it took of itself.
//!
//! Its samples are real registers and stacks, and each names the function in which the program was:
//! the oracle of the tests. No privilege and no perf event is needed.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Code;
use crate::record::{SampleRecord, UserState, Words};
use crate::stack::{FrameName, StackId, StackTable};

/// The function in which the burner was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    Nowhere,
    Alpha,
    Beta,
    Gamma,
    Recurse,
    Compare,
}

/// A sample the burner took.
pub(super) struct Taken {
    pub(super) inside: Inside,
    /// How many calls of `recurse` had begun.
    pub(super) depth: u64,
    pub(super) registers: Vec<u8>,
    pub(super) stack: Vec<u8>,
    /// The most that is copied.
    pub(super) stack_bytes: usize,
}

/// A burner that has taken its samples and waits to be ended.
pub(super) struct Burner {
    pub(super) child: Child,
    pub(super) samples: Vec<Taken>,
}

/// How a burner runs.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) mode: &'static str,
    pub(super) samples: u32,
    pub(super) stack_bytes: u32,
    pub(super) depth: u32,
}

impl Run {
    pub(super) const SERVE: Self =
        Self { mode: "serve", samples: 300, stack_bytes: 16 << 10, depth: 0 };
}

impl Taken {
    pub(super) fn record(&self) -> SampleRecord<'_> {
        SampleRecord {
            ip: Words(&self.registers).at(INSTRUCTION).unwrap(),
            address: 0,
            period: 1,
            is_kernel: false,
            kernel: Words::default(),
            user: Some(UserState {
                registers: Words(&self.registers),
                stack: &self.stack,
                is_full: self.stack.len() == self.stack_bytes,
                callers: Words::default(),
            }),
        }
    }
}

impl Burner {
    /// Run `command` with the burner's arguments after its own.
    pub(super) fn start(command: &mut Command, run: Run) -> Self {
        let arguments = [run.samples, run.stack_bytes, run.depth].map(|number| number.to_string());
        command.arg(run.mode).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut bytes = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
        let samples = read_samples(&bytes, run.stack_bytes as usize);
        assert!(samples.len() >= run.samples as usize, "{} samples", samples.len());
        Self { child, samples }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All samples' stacks.
    pub(super) fn stacks(&self, code: &mut Code, table: &mut StackTable) -> Vec<StackId> {
        let pid = self.pid();
        self.samples.iter().map(|taken| code.stack(pid, &taken.record(), table)).collect()
    }

    pub(super) fn end(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

impl Drop for Burner {
    fn drop(&mut self) {
        self.end();
    }
}

/// The names of a stack's frames from the outermost to the innermost.
pub(super) fn functions(table: &StackTable, names: &[FrameName], stack: StackId) -> Vec<String> {
    let frames = table.root_first(stack);
    frames.iter().map(|frame| names[frame.0 as usize].function.clone()).collect()
}

/// Compile the burner; `None`, with a message, if there is no compiler.
pub(super) fn compile(folder: &Path, name: &str, flags: &[&str]) -> Option<PathBuf> {
    let source = folder.join("burner.c");
    std::fs::write(&source, include_str!("burner.c")).unwrap();
    compile_source(&source, &folder.join(name), flags)
}

pub(super) fn compile_source(source: &Path, to: &Path, flags: &[&str]) -> Option<PathBuf> {
    let compiled = Command::new("gcc")
        .args(["-O2", "-pthread"])
        .args(flags)
        .arg("-o")
        .arg(to)
        .arg(source)
        .status();
    match compiled {
        Ok(status) => {
            assert!(status.success(), "gcc {flags:?}");
            Some(to.to_owned())
        }
        Err(error) => {
            skip("a test of compiled code", &format!("gcc: {error}"));
            None
        }
    }
}

/// Print that a test is skipped; CI has everything that is needed.
pub(super) fn skip(what: &str, reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "skipped in CI: {what}: {reason}");
    eprintln!("SKIPPED {what}: {reason}");
}

/// Function addresses of a file's symbol table by name, as binutils read them.
pub(super) fn nm(file: &Path) -> std::collections::HashMap<String, u64> {
    let output = Command::new("nm").arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let symbol = |line: &str| {
        let mut fields = line.split_ascii_whitespace();
        let address = u64::from_str_radix(fields.next()?, 16).ok()?;
        let name = fields.nth(1)?;
        Some((name.to_owned(), address))
    };
    text.lines().filter_map(symbol).collect()
}

fn read_samples(mut bytes: &[u8], stack_bytes: usize) -> Vec<Taken> {
    let mut samples = Vec::new();
    while !bytes.is_empty() {
        let head = Words(bytes.split_off(..32).unwrap());
        let at = |index| head.at(index).unwrap();
        let inside = [
            Inside::Nowhere,
            Inside::Alpha,
            Inside::Beta,
            Inside::Gamma,
            Inside::Recurse,
            Inside::Compare,
        ];
        samples.push(Taken {
            inside: inside[at(0) as usize],
            depth: at(1),
            registers: bytes.split_off(..at(2) as usize * 8).unwrap().to_vec(),
            stack: bytes.split_off(..at(3) as usize).unwrap().to_vec(),
            stack_bytes,
        });
    }
    samples
}

#[cfg(target_arch = "x86_64")]
const INSTRUCTION: usize = 8;
#[cfg(target_arch = "aarch64")]
const INSTRUCTION: usize = 32;
