//! `--tui`: the view of a run in its terminal, while it lasts.
//!
//! A thread of its own, on a CPU without a worker, takes intervals and keys, and draws at most one
//! frame for each. The run never waits for it: intervals that it cannot take are counted.

mod terminal;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use signal_hook::consts::{SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use uringbench_core::histogram::LatencyCounts;
use uringbench_core::record::Interval;
use uringbench_engine::Control;
use uringbench_experiment::Experiment;
use uringbench_report::live::{LiveState, frame};

use crate::console;
use crate::live::{Readings, live_run};
use crate::quiet::{QuietCpus, Sharer};

/// Events that wait for the thread.
const WAITING_MAX: usize = 16;

/// Ends the run early, as Ctrl-C does.
const KEY_END: u8 = b'q';
const KEY_FREEZE: u8 = b' ';

/// The view of one run.
pub(crate) struct Tui {
    events: SyncSender<Event>,
    thread: Option<JoinHandle<()>>,
    lost: Arc<AtomicU64>,
}

enum Event {
    Interval(Box<(Interval, LatencyCounts)>),
    Key(u8),
    /// The terminal has another size, or is ours again.
    Redraw,
    Over,
}

impl Tui {
    /// Begin, or say why there is no view. `lines` stay in it.
    pub(crate) fn start(
        experiment: &Experiment,
        control: &Control,
        lines: &[String],
    ) -> Result<Self, String> {
        let quiet = QuietCpus::of(experiment);
        if quiet.shared_with == Some(Sharer::Workers) {
            return Err("it would disturb the workers, which have every CPU; leave it one with \
                        --cores"
                .to_owned());
        }
        terminal::open()?;
        let (events, received) = sync_channel(WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let mut state = LiveState::new(live_run(experiment));
        lines.iter().for_each(|line| state.keep(line));
        if quiet.shared_with.is_some() {
            state.message("this view shares its CPUs with the target");
        }
        let view = View {
            state,
            is_frozen: false,
            readings: Readings::begin(experiment),
            lost: Arc::clone(&lost),
            control: control.clone(),
        };
        console::hold();
        let sender = events.clone();
        let begun = thread::Builder::new().name("tui".to_owned()).spawn(move || {
            quiet.keep();
            // Their threads inherit CPUs and priority.
            let started = follow_signals(sender.clone()).and_then(|()| follow_keys(sender));
            view.run(&received, started.err());
        });
        match begun {
            Ok(thread) => Ok(Self { events, thread: Some(thread), lost }),
            Err(why) => {
                close();
                Err(format!("its thread does not start: {why}"))
            }
        }
    }

    /// An interval is complete. Never waits.
    pub(crate) fn interval(&self, interval: &Interval, response: &LatencyCounts) {
        let event = Event::Interval(Box::new((interval.clone(), response.clone())));
        if self.events.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The load has ended: the terminal is as it was before.
    pub(crate) fn finish(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // It ends by itself only with a panic, which has restored the terminal.
        let _ = self.events.send(Event::Over);
        let _ = thread.join();
        close();
    }
}

/// The terminal is as it was before, and lines that were kept back are written. Without a view
/// nothing happens.
pub(crate) fn close() {
    terminal::close();
    console::release();
}

impl Drop for Tui {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The state of the thread.
struct View {
    state: LiveState,
    is_frozen: bool,
    readings: Readings,
    lost: Arc<AtomicU64>,
    control: Control,
}

impl View {
    fn run(mut self, events: &Receiver<Event>, failure: Option<std::io::Error>) {
        if let Some(why) = failure {
            self.state.message(&format!("keys and sizes are not followed: {why}"));
        }
        self.draw();
        while let Ok(event) = events.recv() {
            match event {
                Event::Over => return,
                Event::Key(KEY_END) => {
                    self.state.end();
                    self.control.interrupt();
                }
                Event::Key(KEY_FREEZE) => self.is_frozen = !self.is_frozen,
                Event::Key(_) => continue,
                Event::Redraw => {}
                Event::Interval(taken) => {
                    let (interval, response) = *taken;
                    let sample = self.readings.sample();
                    self.state.add((&interval).into(), &response, sample);
                    self.state.lost(self.lost.load(Ordering::Relaxed));
                    if self.is_frozen {
                        continue;
                    }
                }
            }
            self.draw();
        }
    }

    fn draw(&self) {
        let mut state = self.state.clone();
        console::held().iter().for_each(|line| state.message(line));
        terminal::draw(&frame(&state, self.is_frozen, terminal::size(), console::colour()));
    }
}

/// Signals that change the terminal, or take it away. The thread lives as long as the process:
/// their defaults are given up with the first handler.
fn follow_signals(events: SyncSender<Event>) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGWINCH, SIGTSTP, SIGQUIT, SIGHUP])?;
    let follow = move || {
        for signal in signals.forever() {
            // These fail only for signals that cannot be caught.
            match signal {
                SIGWINCH => {}
                SIGTSTP => terminal::hide_during(|| drop(emulate_default_handler(signal))),
                _ => {
                    close();
                    console::flush();
                    let _ended = emulate_default_handler(signal);
                }
            }
            let _ = events.try_send(Event::Redraw);
        }
    };
    thread::Builder::new().name("tui signals".to_owned()).spawn(follow).map(drop)
}

/// Keys, until the view ends.
fn follow_keys(events: SyncSender<Event>) -> std::io::Result<()> {
    let follow = move || {
        while let Some(keys) = terminal::keys() {
            for key in keys {
                if events.send(Event::Key(key)).is_err() {
                    return;
                }
            }
        }
    };
    thread::Builder::new().name("tui keys".to_owned()).spawn(follow).map(drop)
}
