//! `uringbench grpc`: `uringbench run` for calls of gRPC, with a help of its own.

use crate::args::RunArgs;
use crate::commands::run;
use crate::exit::{Exit, Failure, usage};

/// Load a server with calls.
pub(crate) fn execute(args: &RunArgs) -> Result<Exit, Failure> {
    if args.grpc.call.is_none() {
        return Err(usage(
            "no method given: add --call package.Service/Method and --proto FILE (see `uringbench \
             grpc --help`)",
        ));
    }
    run::execute(args)
}
