//! Writing to the two streams without ever panicking on a reader that left.
//!
//! stdout carries results and nothing else; stderr carries everything for the person watching.

use std::io::{self, ErrorKind, Write};

use anyhow::Context;

use crate::exit::Failure;

/// Write a result to stdout. A reader that closed the pipe has had all it wanted: success.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written.context("cannot write to stdout")?),
    }
}

/// Write one line to stderr. Where nobody can read it there is nobody to tell either.
pub(crate) fn note(line: &str) {
    let _unread = writeln!(io::stderr().lock(), "{line}");
}
