//! Arguments about calls of gRPC.

use std::path::PathBuf;

use clap::{Arg, Args};
use uringbench_core::time::Nanos;

use super::given;
use crate::units;

pub(super) const USAGE: &str =
    "uringbench grpc [OPTIONS] --proto <FILE> --call <METHOD> --data <JSON> <URL>";

pub(super) const EXAMPLES: &str = "\
Examples:
  uringbench grpc --proto shop.proto --call shop.v1.Shop/Buy --data '{\"item\": 1}' \
http://127.0.0.1:50051
      Closed loop over 64 connections with one call in flight on each (-c, -p).
  uringbench grpc --proto shop.proto --call shop.v1.Shop/Buy --data-file buys.jsonl -R 5k \
http://127.0.0.1:50051
      Open loop: 5,000 calls per second, with the messages of the file in turn.

The options under gRPC can be given to run, soak, capacity, ab and noise, too.";

/// Options of calls.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "gRPC")]
pub(crate) struct GrpcArgs {
    /// Method to call over gRPC, such as shop.v1.Shop/Buy
    #[arg(long, value_name = "METHOD")]
    pub(crate) call: Option<String>,

    /// File that describes the service (.proto); may be given several times
    #[arg(long, value_name = "FILE")]
    pub(crate) proto: Vec<PathBuf>,

    /// Folder of --proto's files and of what they import; may be given several times [default: that
    /// of each file]
    #[arg(long, value_name = "DIR", requires = "proto")]
    pub(crate) import_path: Vec<PathBuf>,

    /// Compiled description of the service, as of protoc --include_imports -o FILE
    #[arg(long, value_name = "FILE", conflicts_with = "proto")]
    pub(crate) protoset: Option<PathBuf>,

    /// Message to send, as JSON; an array is several, for methods that take a stream
    #[arg(long, value_name = "JSON", allow_hyphen_values = true, conflicts_with = "data_file")]
    pub(crate) data: Option<String>,

    /// File of messages that calls send in turn, one a line; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) data_file: Option<PathBuf>,

    /// Metadata to send; may be given several times
    #[arg(long, value_name = "K: V")]
    pub(crate) metadata: Vec<String>,

    /// Time that the server is given for each call (grpc-timeout), at most --timeout
    /// [default: no limit]
    #[arg(
        long, value_name = "TIME", value_parser = units::span, allow_negative_numbers = true
    )]
    pub(crate) deadline: Option<Nanos>,
}

impl GrpcArgs {
    /// The first of these options that was given, except --call.
    pub(crate) fn given_without_call(&self) -> Option<&'static str> {
        let Self { call: _, proto, import_path, protoset, data, data_file, metadata, deadline } =
            self;
        given(&[
            ("--proto", !proto.is_empty()),
            ("--import-path", !import_path.is_empty()),
            ("--protoset", protoset.is_some()),
            ("--data", data.is_some()),
            ("--data-file", data_file.is_some()),
            ("--metadata", !metadata.is_empty()),
            ("--deadline", deadline.is_some()),
        ])
    }
}

/// Options of runs that calls refuse, by their fields.
const REFUSED: [&str; 25] = [
    "command",
    "method",
    "headers",
    "body",
    "body_file",
    "body_size",
    "form",
    "chunked",
    "http2",
    "expect_continue",
    "subprotocol",
    "binary",
    "echo",
    "greeting",
    "sse",
    "stream",
    "events",
    "test",
    "keyspace",
    "data_size",
    "resp3",
    "variables",
    "target",
    "flows",
    "again",
];

/// Hides these options in the help of `uringbench grpc`.
pub(super) fn hidden(arg: Arg) -> Arg {
    let is_one = REFUSED.contains(&arg.get_id().as_str());
    if is_one { arg.hide(true) } else { arg }
}
