//! Arguments about what shows a run while it lasts.

use clap::Args;

use crate::live::LiveAddress;

/// What shows the run.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "While it runs")]
pub(crate) struct ViewArgs {
    /// Show the run in the terminal while it lasts: rates, times, outcomes, CPU of both sides
    ///
    /// Key q ends the run early, space freezes the view. It needs a CPU without a worker; where it
    /// cannot be shown, it says so and a line per second stands in its place.
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) tui: bool,

    /// Show the run in a browser while it lasts; the page becomes its report at the end
    ///
    /// A port of this machine alone, or an address to be reached from others. The page's address is
    /// printed; it contains a token. [default without a value: a free port]
    #[arg(
        long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true,
        default_missing_value = "0"
    )]
    pub(crate) live: Option<LiveAddress>,
}
