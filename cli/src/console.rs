//! Writing to stdout and stderr without a panic if a reader has left, and to stderr without waiting
//! for one that does not read.
//!
//! stdout carries results and nothing else; stderr carries messages for the user.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use uringbench_report::Colour;

use crate::actions;
use crate::exit::Failure;

/// Lines kept for a slow reader. Further lines wait for it, or are dropped once it reads nothing.
const WAITING_MAX: usize = 256;
/// How long to wait for a reader that reads nothing; afterwards lines are dropped until it reads
/// again.
const PATIENCE: Duration = Duration::from_millis(500);

static STDERR: LazyLock<Lines> = LazyLock::new(Lines::default);
/// Lines while something else is drawn on the terminal.
static HELD: Mutex<Option<HeldLines>> = Mutex::new(None);

/// Write a result to stdout, after earlier messages on stderr. A reader that closed the pipe has
/// had enough: success.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    flush();
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written.context("cannot write to stdout")?),
    }
}

/// Whether stdout is coloured.
pub(crate) fn colour() -> Colour {
    let is_wanted = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if is_wanted { Colour::Yes } else { Colour::No }
}

/// Keep lines back from here on: something else is drawn on the terminal.
pub(crate) fn hold() {
    *held_lines() = Some(HeldLines::default());
}

/// The lines that are kept back, oldest first.
pub(crate) fn held() -> Vec<String> {
    held_lines().as_ref().map(|held| held.lines.clone()).unwrap_or_default()
}

/// Write the lines that were kept back, and keep back none.
pub(crate) fn release() {
    let Some(HeldLines { lines, left_out }) = held_lines().take() else { return };
    lines.iter().for_each(|line| note(line));
    if left_out > 0 {
        note(&format!("… and {left_out} more lines"));
    }
}

/// Lines that are kept back.
#[derive(Default)]
struct HeldLines {
    lines: Vec<String>,
    left_out: usize,
}

fn held_lines() -> MutexGuard<'static, Option<HeldLines>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Write a line to stderr. If nobody can read it, it is dropped.
pub(crate) fn note(line: &str) {
    if let Some(held) = held_lines().as_mut() {
        match held.lines.len() < WAITING_MAX {
            true => held.lines.push(line.to_owned()),
            false => held.left_out += 1,
        }
        return;
    }
    STDERR.add(Output::Line(actions::shown(format!("{line}\n"))));
}

/// Write a line to stderr that is a command to the system that runs us.
pub(crate) fn command(line: &str) {
    STDERR.add(Output::Line(format!("{line}\n")));
}

/// Overwrite the terminal's current line, on stderr.
pub(crate) fn rewrite(line: &str) {
    STDERR.add(Output::Over(format!("\r\x1b[K{line}")));
}

/// Wait until all of it is written, unless nobody reads it.
pub(crate) fn flush() {
    drop(STDERR.until(0, PATIENCE));
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
enum Output {
    Line(String),
    /// Replaced by a later one that comes before it is written.
    Over(String),
}

/// The queue of stderr. A thread of its own writes it: a terminal that was stopped (Ctrl-S) or
/// whose connection is dead must delay neither a run nor its end.
#[derive(Default)]
struct Lines {
    queue: Mutex<Queue>,
    is_written: Condvar,
    is_waiting: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Output>,
    is_writing: bool,
    /// Pieces written so far.
    written: u64,
    has_thread: bool,
    /// The number of pieces written when waiting was last given up.
    given_up_at: Option<u64>,
}

impl Queue {
    fn add(&mut self, output: Output) {
        if let (Output::Over(_), Some(last @ Output::Over(_))) = (&output, self.waiting.back_mut())
        {
            *last = output;
        } else if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(output);
        }
    }

    /// Pieces that are not written yet.
    fn left(&self) -> usize {
        self.waiting.len() + usize::from(self.is_writing)
    }
}

impl Lines {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&'static self, output: Output) {
        let mut queue = self.until(WAITING_MAX - 1, PATIENCE);
        queue.add(output);
        if !queue.has_thread {
            let writer = thread::Builder::new().name("stderr".to_owned());
            queue.has_thread = writer.spawn(|| self.write_all_to(io::stderr())).is_ok();
        }
        self.is_waiting.notify_one();
    }

    fn write_all_to(&self, mut stream: impl Write) {
        let mut queue = self.queue();
        loop {
            while let Some(Output::Line(text) | Output::Over(text)) = queue.waiting.pop_front() {
                queue.is_writing = true;
                drop(queue);
                // Without the lock: this may wait for ever.
                let _unread = stream.write_all(text.as_bytes());
                queue = self.queue();
                queue.is_writing = false;
                queue.written += 1;
                self.is_written.notify_all();
            }
            queue = self.is_waiting.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Wait until at most this many pieces are left, as long as one is written within each span of
    /// `patience`.
    fn until(&self, left: usize, patience: Duration) -> MutexGuard<'_, Queue> {
        let mut queue = self.queue();
        while queue.has_thread && queue.left() > left && queue.given_up_at != Some(queue.written) {
            let written = queue.written;
            let waited = self.is_written.wait_timeout(queue, patience);
            let (waited, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            queue = waited;
            if timeout.timed_out() && queue.written == written {
                queue.given_up_at = Some(written);
            }
        }
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_a_line_written_over_waits_once() {
        let mut queue = Queue::default();
        for second in 0..1_000 {
            queue.add(Output::Over(format!("{second} s")));
        }
        assert_eq!(queue.waiting, [Output::Over("999 s".to_owned())]);
        for line in 0..1_000 {
            queue.add(Output::Line(format!("{line}")));
        }
        assert_eq!(queue.waiting.len(), WAITING_MAX);
    }

    #[test]
    fn a_reader_that_is_slow_gets_every_line() {
        let lines: &'static Lines = Box::leak(Box::default());
        lines.queue().has_thread = true;
        let (reader, writer) = io::pipe().expect("descriptors are left");
        thread::spawn(|| lines.write_all_to(writer));
        let read = thread::spawn(|| {
            let lines = io::BufRead::lines(io::BufReader::new(reader));
            lines.map_while(Result::ok).take(3_000).collect::<Vec<_>>()
        });
        for line in 0..3_000 {
            lines.add(Output::Line(format!("{line}\n")));
        }
        let expected: Vec<_> = (0..3_000).map(|line| line.to_string()).collect();
        assert!(read.join().expect("it reads to the end") == expected, "lines are lost or mixed");
    }

    #[test]
    fn nobody_waits_twice_for_a_reader_that_takes_nothing() {
        let lines = Lines::default();
        // The state while the thread is blocked in its first write.
        *lines.queue() = Queue { has_thread: true, is_writing: true, ..Queue::default() };
        assert_eq!(lines.until(0, Duration::from_millis(1)).given_up_at, Some(0));
        drop(lines.until(0, Duration::MAX));
    }
}
