//! `uringbench target`: serves the reference target until killed, the application until stopped.

use std::time::Duration;

use anyhow::Context;
use uringbench_app::{App, AppOptions, Database, Faults, Stall};
use uringbench_core::time::Nanos;
use uringbench_machine::limits;
use uringbench_reference::{ServeOptions, Server};

use crate::args::{AppArgs, TargetArgs};
use crate::console;
use crate::exit::{Exit, Failure};

/// Descriptors that the target needs besides its connections.
const DESCRIPTORS_KEPT: u64 = 64;
/// Most connections, so that the ring stays small.
const CONNECTIONS_MAX: u64 = 32_768;
/// Time between stalls of the application, by default.
const STALL_EVERY: Duration = Duration::from_secs(5);

/// Bind, print the address, serve.
pub(crate) fn execute(args: TargetArgs) -> Result<Exit, Failure> {
    let files = limits::raise_files().soft.unwrap_or(u64::MAX);
    if args.app.is_app && !args.is_null {
        return serve_app(args);
    }
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

fn serve_app(args: TargetArgs) -> Result<Exit, Failure> {
    let options = AppOptions {
        listen: args.listen,
        cpu: args.cpu,
        workers: args.app.workers.map_or(1, |workers| workers as usize),
        faults: faults(&args.app)?,
        database: args.app.database.map_or(Database::Memory, Database::named),
        files: args.app.files,
    };
    let app = App::bind(&options).map_err(anyhow::Error::from)?;
    // The reader of the line may stop the application at once.
    let interruption = app.interruption().map_err(anyhow::Error::from)?;
    console::print(&format!("listening on http://{}/\n", app.address()))?;
    app.serve_until(interruption).map_err(anyhow::Error::from)?;
    Ok(Exit::Success)
}

fn faults(args: &AppArgs) -> Result<Faults, Failure> {
    let span =
        |span: Option<Nanos>| span.map_or(Duration::ZERO, |span| Duration::from_nanos(span.0));
    let stall = args.stall.map(|length| Stall {
        length: span(Some(length)),
        every: args.stall_every.map_or(STALL_EVERY, |every| span(Some(every))),
    });
    if stall.is_some_and(|stall| stall.length >= stall.every) {
        let cause = "--stall lasts as long as --stall-every, so nothing would ever be answered: \
                     make it shorter";
        return Err(Failure::Usage(cause.to_owned()));
    }
    Ok(Faults {
        leak_bytes: args.leak.map_or(0, |bytes| bytes as usize),
        stall,
        delay: span(args.delay),
        error_rate: args.error_rate.unwrap_or(0.0),
        burn: span(args.burn),
    })
}
