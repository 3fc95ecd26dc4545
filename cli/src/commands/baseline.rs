//! `uringbench baseline`: names for runs of a known state.

use anyhow::Context;
use uringbench_decision::{Pairing, establish};
use uringbench_report::baseline;
use uringbench_store::{baseline_names, read_baseline, write_baseline};

use crate::args::{BaselineArgs, BaselineCommand};
use crate::comparing;
use crate::console;
use crate::exit::{Exit, Failure};
use crate::store_place::StorePlace;

/// Write, print or list baselines.
pub(crate) fn execute(args: &BaselineArgs) -> Result<Exit, Failure> {
    let page = match &args.command {
        BaselineCommand::Set { name, runs, folder, limits, store } => {
            let settings = comparing::settings(limits, Pairing::Independent)?;
            let runs = comparing::runs(&StorePlace::of(store)?, runs)?;
            let made = establish(name, &runs, &settings).context("no baseline is set")?;
            let path = write_baseline(&folder.path, &made).context("no baseline is set")?;
            format!("{}\nstored    {}\n", baseline::text(&made), path.display())
        }
        BaselineCommand::Show { name, folder, json } => {
            let found = read_baseline(&folder.path, name).context("there is nothing to show")?;
            match json {
                true => serde_json::to_string_pretty(&found).context("cannot write JSON")? + "\n",
                false => baseline::text(&found),
            }
        }
        BaselineCommand::List { folder } => {
            baseline_names(&folder.path).iter().map(|name| format!("{name}\n")).collect()
        }
    };
    console::print(&page).map(|()| Exit::Success)
}
