//! What can be typed about requests, messages and the streams that answer them.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use uringbench_core::time::Nanos;

use crate::units;

/// What is sent.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Request")]
pub(crate) struct RequestArgs {
    /// HTTP method [default: GET, or POST with a body]
    #[arg(short, long, value_name = "METHOD")]
    pub(crate) method: Option<String>,

    /// A header field; may be given again
    #[arg(short = 'H', long = "header", value_name = "K: V")]
    pub(crate) headers: Vec<String>,

    /// The request's body, or the message of a WebSocket
    #[arg(
        long, value_name = "TEXT", allow_hyphen_values = true,
        conflicts_with_all = ["body_file", "body_size", "form"]
    )]
    pub(crate) body: Option<String>,

    /// Read the request's body from a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["body_size", "form"])]
    pub(crate) body_file: Option<PathBuf>,

    /// Make up a body of so many bytes (64, 10k, 10M); --seed makes another one
    #[arg(
        long, value_name = "N", value_parser = units::size, conflicts_with = "form",
        allow_negative_numbers = true
    )]
    pub(crate) body_size: Option<u32>,

    /// A field of a form: name=value, name=@file or name=@random:10M; may be given again
    ///
    /// Sent as multipart/form-data, as curl's -F does; `;type=…` and `;filename=…` may follow.
    #[arg(short = 'F', long, value_name = "FIELD")]
    pub(crate) form: Vec<FormField>,

    /// Send the body in chunks of this size (without one: 16384), not with its length
    #[arg(
        long, value_name = "N", value_parser = units::small_count, num_args = 0..=1,
        default_missing_value = "16384", require_equals = true, allow_negative_numbers = true
    )]
    pub(crate) chunked: Option<u32>,

    /// Send the body only when the target says 100 Continue, or nothing for a second
    #[arg(long)]
    pub(crate) expect_continue: bool,

    /// Subprotocols of a WebSocket to choose from, best first
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) subprotocol: Vec<String>,

    /// Send binary messages, not text (WebSocket)
    #[arg(long)]
    pub(crate) binary: bool,

    /// Check that each message that comes equals the one sent (WebSocket)
    #[arg(long)]
    pub(crate) echo: bool,
}

/// What is timed of answers that are streams.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Streams")]
pub(crate) struct StreamArgs {
    /// Answers are server-sent events: time the first and the gaps between them
    #[arg(long)]
    pub(crate) sse: bool,

    /// Time whatever arrives of an answer as if it were an event
    #[arg(long, conflicts_with = "sse")]
    pub(crate) stream: bool,

    /// A gap of this length is a stall, with --sse or --stream [default: 1s]
    #[arg(
        long, value_name = "TIME", value_parser = units::span, allow_negative_numbers = true
    )]
    pub(crate) stall: Option<Nanos>,

    /// End each answer after so many events, with --sse or --stream [default: the target does]
    #[arg(
        long, value_name = "N", value_parser = units::count, allow_negative_numbers = true
    )]
    pub(crate) events: Option<u64>,
}

/// One field of a form, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FormField {
    /// The field's name.
    pub(crate) name: String,
    /// What it holds.
    pub(crate) value: FormValue,
    /// The file's name, when it is not the one on disk.
    pub(crate) filename: Option<String>,
    /// Its media type.
    pub(crate) content_type: Option<String>,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FormValue {
    /// This text.
    Text(String),
    /// What is in this file.
    File(PathBuf),
    /// So many bytes, made up.
    Random(u32),
}

impl FromStr for FormField {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rest) = text
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or("expected name=value, name=@file or name=@random:10M")?;
        let mut parts = rest.split(';');
        let first = parts.next().unwrap_or_default();
        let (mut value, mut filename, mut content_type) = (first.to_owned(), None, None);
        for part in parts {
            match part.trim_start().split_once('=') {
                Some(("type", given)) => content_type = Some(given.to_owned()),
                Some(("filename", given)) => filename = Some(given.trim_matches('"').to_owned()),
                // A semicolon of the value's own.
                _ => value = format!("{value};{part}"),
            }
        }
        let value = match value.strip_prefix('@') {
            None => FormValue::Text(value),
            Some(file) => match file.strip_prefix("random:") {
                Some(size) => FormValue::Random(units::small_count(size)?),
                None => FormValue::File(file.into()),
            },
        };
        Ok(Self { name: name.to_owned(), value, filename, content_type })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> FormField {
        text.parse().unwrap()
    }

    #[test]
    fn fields_are_read_as_curl_reads_them() {
        let plain = field("a=b;c");
        assert_eq!((plain.name.as_str(), plain.value), ("a", FormValue::Text("b;c".to_owned())));
        let file = field("up=@pic.png;type=image/png;filename=\"x.png\"");
        assert_eq!(file.value, FormValue::File("pic.png".into()));
        assert_eq!(file.filename.as_deref(), Some("x.png"));
        assert_eq!(file.content_type.as_deref(), Some("image/png"));
        assert_eq!(field("f=@random:10M").value, FormValue::Random(10_000_000));
        assert_eq!(field("empty=").value, FormValue::Text(String::new()));
        for wrong in ["", "=x", "name", "f=@random:lots"] {
            assert!(wrong.parse::<FormField>().is_err(), "{wrong}");
        }
    }
}
