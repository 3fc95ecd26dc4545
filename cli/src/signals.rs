//! Ctrl-C and SIGTERM: the first ends the run and drains, the second stops at once, the third
//! kills the process as the signal would have done by itself.

use std::thread;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use uringbench_engine::Control;

use crate::{console, tui};

/// From here on, signals go to `control`. The watching thread lives as long as the process.
pub(crate) fn forward_to(control: Control) -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot install signal handlers")?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for (seen, signal) in signals.forever().enumerate() {
                match seen {
                    0 => console::note("ending the run; again to stop at once"),
                    1 => console::note("stopping at once"),
                    _ => {
                        tui::close();
                        console::flush();
                        // Fails only for signals that cannot be caught; these were.
                        let _ended = emulate_default_handler(signal);
                    }
                }
                control.interrupt();
            }
        })
        .context("cannot start the thread that waits for signals")?;
    Ok(())
}
