//! Arguments of `uringbench serve`.

use clap::Args;

use crate::live::LiveAddress;

/// Examples below the help.
pub(crate) const EXAMPLES: &str = "\
Examples:
  uringbench serve
  uringbench serve results --listen 8900";

/// Options of `uringbench serve`.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServeArgs {
    /// Folder of the results [default: the environment variable URINGBENCH_STORE, or else results]
    #[arg(value_name = "DIR")]
    pub(crate) dir: Option<String>,

    /// A port of this machine alone, or an address to be reached from others [default: a free port]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<LiveAddress>,
}
