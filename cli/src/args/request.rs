//! Arguments about requests, messages and streams.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use uringbench_core::time::Nanos;
use uringbench_import::curl::form::{Field, FieldContent, FieldHeader};

use crate::units;

/// Options of the request.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Request")]
pub(crate) struct RequestArgs {
    /// HTTP method [default: GET, or POST with a body]
    #[arg(short, long, value_name = "METHOD")]
    pub(crate) method: Option<String>,

    /// Header to send; may be given several times
    ///
    /// As in curl, 'K:' removes a header that is sent by default, and 'K;' sends it empty.
    #[arg(short = 'H', long = "header", value_name = "K: V")]
    pub(crate) headers: Vec<String>,

    /// Body of the request, or message to send (WebSocket)
    #[arg(
        long, value_name = "TEXT", allow_hyphen_values = true,
        conflicts_with_all = ["body_file", "body_size", "form"]
    )]
    pub(crate) body: Option<String>,

    /// File with the body or message; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["body_size", "form"])]
    pub(crate) body_file: Option<PathBuf>,

    /// Generate a body or message of N random bytes (64, 10k, 10M); --seed changes them
    #[arg(
        long, value_name = "N", value_parser = units::size, conflicts_with = "form",
        allow_negative_numbers = true
    )]
    pub(crate) body_size: Option<u32>,

    /// Form field: name=value, name=@file or name=@random:10M; may be given several times
    ///
    /// The form is sent as multipart/form-data, or as the type of -H 'Content-Type: multipart/…'.
    /// The syntax is that of curl's -F: quotes, `<file`, `;type=…`, `;filename=…` and
    /// `;headers=…`. `@random:N` generates a file of N bytes.
    #[arg(short = 'F', long, value_name = "FIELD")]
    pub(crate) form: Vec<FormField>,

    /// Send the body in chunks of N bytes (16384 without N) instead of with Content-Length
    #[arg(
        long, value_name = "N", value_parser = units::small_count, num_args = 0..=1,
        default_missing_value = "16384", require_equals = true, allow_negative_numbers = true
    )]
    pub(crate) chunked: Option<u32>,

    /// Speak HTTP/2; -p is then the number of streams in flight per connection
    ///
    /// With https:// the target has to agree on it (ALPN h2). With http:// it has to know: there is
    /// no upgrade from HTTP/1.1, and no fallback to it.
    #[arg(long, visible_alias = "h2")]
    pub(crate) http2: bool,

    /// Bytes of the table in which an HTTP/2 target may keep header fields; 0 for none
    /// [default: 4096]
    #[arg(long, value_name = "BYTES", value_parser = units::size, allow_negative_numbers = true)]
    pub(crate) h2_table: Option<u32>,

    /// Bytes that an HTTP/2 target may send ahead on each stream, and on the connection
    /// [default: 1 GiB]
    #[arg(long, value_name = "BYTES", value_parser = units::size, allow_negative_numbers = true)]
    pub(crate) h2_window: Option<u32>,

    /// Send the header first, and the body after `100 Continue` or one second
    #[arg(long)]
    pub(crate) expect_continue: bool,

    /// Subprotocols to offer, preferred first, separated by commas (WebSocket)
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) subprotocol: Vec<String>,

    /// Send binary messages instead of text (WebSocket)
    #[arg(long)]
    pub(crate) binary: bool,

    /// Check that each reply equals the message sent (WebSocket)
    #[arg(long)]
    pub(crate) echo: bool,

    /// Number of messages to await from the target before sending (WebSocket) [default: 0]
    #[arg(
        long, value_name = "N", value_parser = units::small_count, allow_negative_numbers = true
    )]
    pub(crate) greeting: Option<u32>,
}

/// Options of answers that are streams.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Streams")]
pub(crate) struct StreamArgs {
    /// Read answers as server-sent events; time the first event and the gaps between events
    #[arg(long)]
    pub(crate) sse: bool,

    /// Time each arrival of body data as if it were an event
    #[arg(long, conflicts_with = "sse")]
    pub(crate) stream: bool,

    /// Shortest gap to count as a stall, with --sse or --stream [default: 1s]
    #[arg(
        long, value_name = "TIME", value_parser = units::span, allow_negative_numbers = true
    )]
    pub(crate) stall: Option<Nanos>,

    /// End each answer after N events, with --sse or --stream [default: when the target ends it]
    #[arg(
        long, value_name = "N", value_parser = units::count, allow_negative_numbers = true
    )]
    pub(crate) events: Option<u64>,
}

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FormField {
    /// The field's name.
    pub(crate) name: String,
    /// Its content.
    pub(crate) value: FormValue,
    /// The file's name, if it is not the one on disk.
    pub(crate) filename: Option<String>,
    /// Its media type.
    pub(crate) content_type: Option<String>,
    /// Its further headers.
    pub(crate) headers: Vec<(String, String)>,
}

/// The content of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FormValue {
    /// This text.
    Text(String),
    /// The content of this file.
    File(PathBuf),
    /// The content of this file, as a value.
    TextOf(PathBuf),
    /// This many generated bytes.
    Random(u32),
}

impl FromStr for FormField {
    type Err = String;

    /// In curl's syntax. Parts that curl would skip with a warning are refused.
    fn from_str(text: &str) -> Result<Self, String> {
        let Field { name, mut parts, left_out } = Field::parse(text)?;
        if let Some(left_out) = left_out.first() {
            return Err(format!(
                "`{}` is no type=, filename= or headers=: put quotes around a value with a `;` \
                 in it, as in -F '{name}=\"a;b\"'",
                left_out.escape_debug()
            ));
        }
        let (Some(part), true) = (parts.pop(), parts.is_empty()) else {
            return Err("several files are several fields: give each its own -F".to_owned());
        };
        if let FieldContent::File(file) | FieldContent::TextOf(file) = &part.content
            && file == "-"
        {
            return Err("`-` is stdin, which is not read here: name a file".to_owned());
        }
        if part.encoder.is_some() {
            return Err("encoder= is not known here: write the content as it is to be sent".into());
        }
        let headers = part.headers.iter().map(header).collect::<Result<_, _>>()?;
        let mut content_type = part.media_type().map(str::to_owned);
        let value = match part.content {
            FieldContent::Text(text) => {
                // As in curl, a value with a file name has no default type.
                if part.filename.is_some() {
                    content_type.get_or_insert_default();
                }
                FormValue::Text(text)
            }
            FieldContent::TextOf(file) => FormValue::TextOf(file.into()),
            FieldContent::File(file) => match file.strip_prefix("random:") {
                Some(size) => FormValue::Random(units::small_count(size)?),
                None => FormValue::File(file.into()),
            },
        };
        Ok(Self { name, value, filename: part.filename, content_type, headers })
    }
}

fn header(given: &FieldHeader) -> Result<(String, String), String> {
    match given {
        FieldHeader::Line(line) => match line.split_once(':') {
            Some((name, _)) if name.trim().eq_ignore_ascii_case("Content-Type") => {
                Err("headers=Content-Type: write the type as ;type=text/plain".to_owned())
            }
            Some((name, _)) if name.trim().eq_ignore_ascii_case("Content-Disposition") => {
                Err("headers=Content-Disposition: it is written from the field's name and \
                     ;filename="
                    .to_owned())
            }
            Some((name, value)) => Ok((name.to_owned(), value.trim().to_owned())),
            None => {
                Err(format!("headers={} is no header: write headers=\"K: V\"", line.escape_debug()))
            }
        },
        FieldHeader::File(_) => Err("headers=@FILE is not read: write headers=\"K: V\"".to_owned()),
    }
}

/// The first option that was given.
pub(crate) fn given(options: &[(&'static str, bool)]) -> Option<&'static str> {
    options.iter().find(|(_, is_given)| *is_given).map(|(option, _)| *option)
}

/// The first option about a request or its answer that was given, HTTP/2 apart.
pub(crate) fn given_of_request(request: &RequestArgs, stream: &StreamArgs) -> Option<&'static str> {
    given(&[
        ("-m", request.method.is_some()),
        ("-H", !request.headers.is_empty()),
        ("--body", request.body.is_some()),
        ("--body-file", request.body_file.is_some()),
        ("--body-size", request.body_size.is_some()),
        ("-F", !request.form.is_empty()),
        ("--chunked", request.chunked.is_some()),
        ("--expect-continue", request.expect_continue),
        ("--binary", request.binary),
        ("--echo", request.echo),
        ("--greeting", request.greeting.is_some()),
        ("--subprotocol", !request.subprotocol.is_empty()),
        ("--sse", stream.sse),
        ("--stream", stream.stream),
        ("--stall", stream.stall.is_some()),
        ("--events", stream.events.is_some()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(text: &str) -> FormField {
        text.parse().unwrap()
    }

    #[test]
    fn fields_are_read_as_curl_reads_them() {
        let quoted = field("a=\"red; green\";type=text/x");
        assert_eq!(quoted.value, FormValue::Text("red; green".to_owned()));
        assert_eq!(quoted.content_type.as_deref(), Some("text/x"));
        let file = field("up=@pic.png;type=image/x;filename=\"x.png\";headers=\"X-A: b\"");
        assert_eq!(file.value, FormValue::File("pic.png".into()));
        assert_eq!(file.filename.as_deref(), Some("x.png"));
        assert_eq!(file.content_type.as_deref(), Some("image/x"));
        assert_eq!(file.headers, [("X-A".to_owned(), "b".to_owned())]);
        assert_eq!(field("f=@\"a,b.txt\"").value, FormValue::File("a,b.txt".into()));
        assert_eq!(field("f=@a.txt").content_type.as_deref(), Some("text/plain"));
        assert_eq!(field("f=<a.txt").value, FormValue::TextOf("a.txt".into()));
        assert_eq!(field("f=x;filename=y").content_type.as_deref(), Some(""));
        assert_eq!(field("f=@random:10M").value, FormValue::Random(10_000_000));
        assert_eq!(field("empty=").value, FormValue::Text(String::new()));
        for (wrong, expected) in [
            ("", "write name=content"),
            ("=x", "no name"),
            ("name", "write name=content"),
            ("f=@random:lots", "whole number"),
            ("a=b;c", "put quotes around"),
            ("f=@a,b", "several files"),
            ("a=b;encoder=base64", "encoder="),
            ("f=@-", "name a file"),
            ("f=<-;type=a/b", "name a file"),
            ("json={\"k\":\"a;type=b\"}", "is no media type"),
            ("a=(", "form within the form"),
        ] {
            let why = wrong.parse::<FormField>().unwrap_err();
            assert!(why.contains(expected), "{wrong}: {why}");
        }
    }
}
