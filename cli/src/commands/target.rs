//! `uringbench target`: serve the reference target until killed.

use anyhow::Context;
use uringbench_reference::{ServeOptions, Server};

use crate::args::TargetArgs;
use crate::console;
use crate::exit::{Exit, Failure};
use crate::host::limits;

/// Descriptors the target needs beside its connections.
const DESCRIPTORS_KEPT: u64 = 64;
/// More connections than this are never offered, so that the ring stays small.
const CONNECTIONS_MAX: u64 = 32_768;

/// Bind, say where, serve.
pub(crate) fn execute(args: TargetArgs) -> Result<Exit, Failure> {
    let files = limits::raise_files().soft.unwrap_or(u64::MAX);
    let connections = files.saturating_sub(DESCRIPTORS_KEPT).clamp(1, CONNECTIONS_MAX) as u32;
    let options = ServeOptions { listen: args.listen, cpu: args.cpu, connections };
    let server = Server::bind(&options).map_err(anyhow::Error::from)?;
    let address = server.address().context("the listener has no address")?;
    console::print(&format!("listening on http://{address}/\n"))?;
    match server.serve() {
        Ok(never) => match never {},
        Err(error) => Err(anyhow::Error::from(error).into()),
    }
}
