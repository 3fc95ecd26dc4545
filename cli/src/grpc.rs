//! Calls of gRPC: the method, its messages as bytes, metadata and deadline, from the options.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use uringbench_core::grpc::timeout;
use uringbench_core::http::body::Body;
use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::http::secrets::secret_fields;
use uringbench_core::plan::{Answers, HttpVersion, Requests, StreamKind, StreamPlan, Workload};
use uringbench_core::time::Nanos;
use uringbench_document::{Secret, SecretName};
use uringbench_grpc::{Method, Schema};

use crate::args::{GrpcArgs, RunArgs, given_of_request};
use crate::exit::{Failure, usage};
use crate::request::{BuiltRequest, read_body, read_input};
use crate::resolve::TIMEOUT;
use crate::url::Url;

/// Stands for the method of HTTP in reports.
const CALLS: &str = "gRPC";
/// The most bytes of a body.
const BODY_MAX: usize = 1 << 30;
/// Secrets in messages that a stored plan leaves out; each is searched for in all of it.
const SECRETS_MAX: usize = 64;
/// Fields of requests that are not metadata.
const OWN_FIELDS: [&str; 6] =
    ["content-type", "te", "host", "content-length", "user-agent", "connection"];

/// The calls of a run.
pub(crate) struct BuiltCalls {
    /// What is sent.
    pub(crate) request: BuiltRequest,
    /// The path of the method.
    pub(crate) path: String,
    /// Values in messages that are not stored.
    pub(crate) secrets: Vec<Secret>,
}

/// gRPC is not asked for without a method, and not of a scenario.
pub(crate) fn refuse(args: &RunArgs) -> Result<(), Failure> {
    match (&args.grpc.call, args.grpc.given_without_call()) {
        (None, None) => Ok(()),
        (Some(_), _) => Err(usage("--call is for the URL of a server, such as http://HOST:50051")),
        (None, Some(option)) => {
            Err(usage(format!("{option} is for calls of gRPC: add --call package.Service/Method")))
        }
    }
}

/// The calls that these options describe, to the server of this URL.
pub(crate) fn build(args: &RunArgs, call: &str, url: &Url) -> Result<BuiltCalls, Failure> {
    refuse_http(args, url)?;
    let GrpcArgs { metadata, deadline, .. } = &args.grpc;
    let method = schema(&args.grpc)?.method(call).map_err(|why| usage(why.to_string()))?;
    let (bodies, secrets) = bodies(args, &method)?;
    let mut headers = vec![
        ("TE".to_owned(), "trailers".to_owned()),
        ("Content-Type".to_owned(), "application/grpc+proto".to_owned()),
    ];
    if let Some(deadline) = *deadline {
        check_deadline(deadline, args.measurement.timeout.unwrap_or(TIMEOUT))?;
        headers.push(("grpc-timeout".to_owned(), timeout::encoded(deadline)));
    }
    headers.extend(metadata.iter().map(|line| pair(line)).collect::<Result<Vec<_>, _>>()?);
    let path = method.path();
    let first = bodies.first().map(Vec::as_slice).unwrap_or_default();
    let request = RequestTemplate::build(RequestParts {
        headers: &headers,
        body: Body::Bytes(first),
        ..RequestParts::new("POST", &url.authority(), &path)
    });
    let request = request.map_err(|why| usage(why.to_string()))?;
    let answers = answers(args, call, &method)?;
    let rows = if bodies.len() > 1 { bodies } else { Vec::new() };
    let requests = Requests {
        answers,
        version: HttpVersion::Http2,
        rows: Arc::new(rows),
        ..Requests::of(request)
    };
    let secrets = secrets.named();
    let request = BuiltRequest { method: CALLS.to_owned(), workload: Workload::Requests(requests) };
    Ok(BuiltCalls { request, path, secrets })
}

fn refuse_http(args: &RunArgs, url: &Url) -> Result<(), Failure> {
    if url.scheme.is_websocket() || url.scheme.is_redis() {
        return Err(usage("--call needs an http:// or https:// URL: gRPC is HTTP/2"));
    }
    if url.path != "/" {
        return Err(usage(format!(
            "the URL has the path `{}`, but --call makes the path: leave it out",
            url.path
        )));
    }
    let mut stream = args.stream.clone();
    stream.stall = None;
    match given_of_request(&args.request, &stream) {
        Some("-H") => Err(usage("-H is for HTTP: send metadata with --metadata 'K: V'")),
        Some(option) => Err(usage(format!("{option} is not for calls of gRPC: leave it out"))),
        None => Ok(()),
    }
}

fn schema(args: &GrpcArgs) -> Result<Schema, Failure> {
    let GrpcArgs { proto, import_path, protoset, .. } = args;
    if let Some(file) = protoset {
        let bytes = read_body("--protoset", file).map_err(usage)?;
        let shown = file.display();
        return Schema::of_set(&bytes).map_err(|why| usage(format!("--protoset {shown}: {why}")));
    }
    if proto.is_empty() {
        return Err(usage(
            "--call needs a description of the service: give --proto FILE or --protoset FILE; \
             servers are not asked for it (reflection)",
        ));
    }
    Schema::of_files(proto, import_path).map_err(|why| usage(why.to_string()))
}

/// Where messages are written, and their text.
fn written(args: &GrpcArgs, method: &Method) -> Result<(String, Vec<u8>), Failure> {
    match (&args.data, &args.data_file) {
        (Some(text), _) => Ok(("--data".to_owned(), text.clone().into_bytes())),
        (None, Some(file)) => {
            let bytes = read_input("--data-file", file).map_err(usage)?;
            Ok((format!("--data-file {}", file.display()), bytes))
        }
        (None, None) => {
            let fields = method.fields();
            let shown = if fields.is_empty() { "none".to_owned() } else { fields.join(", ") };
            Err(usage(format!(
                "no message given: write it as JSON with --data '{{…}}' (its fields: {shown})"
            )))
        }
    }
}

/// The bodies of calls, at least one, and secrets in them. Each message is encoded as it is read:
/// as JSON a file would take many times its size.
fn bodies(args: &RunArgs, method: &Method) -> Result<(Vec<Vec<u8>>, FoundSecrets), Failure> {
    let (option, text) = written(&args.grpc, method)?;
    let (mut bodies, mut secrets) = (Vec::new(), FoundSecrets::default());
    for json in serde_json::Deserializer::from_slice(&text).into_iter::<Value>() {
        let json =
            json.map_err(|why| usage(format!("{option} is not JSON: {why}{}", hint(&args.grpc))))?;
        let place = || match args.grpc.data_file {
            Some(_) => format!("{option}, message {}", bodies.len() + 1),
            None => option.clone(),
        };
        let body = method.body(&json).map_err(|why| usage(format!("{}: {why}", place())))?;
        if body.len() > BODY_MAX {
            return Err(usage(format!("{}: a call sends at most 1 GiB", place())));
        }
        if !args.history.keep_secrets {
            secrets.search(&json.to_string())?;
        }
        bodies.push(body);
    }
    match (bodies.len(), &args.grpc.data) {
        (0, _) => Err(usage(format!("{option} has no message: write at least {{}}"))),
        (2.., Some(_)) => Err(usage(
            "--data has several messages: write an array for a method that takes a stream, or a \
             file with one a line for --data-file",
        )),
        _ => Ok((bodies, secrets)),
    }
}

/// The name of a file in place of a message.
fn hint(args: &GrpcArgs) -> String {
    let text = args.data.as_deref().unwrap_or_default();
    let name = text.strip_prefix('@').unwrap_or(text);
    if !name.is_empty() && Path::new(name).is_file() {
        format!("; `{name}` is a file here: write --data-file {name}")
    } else {
        String::new()
    }
}

/// Metadata: `K: V`, with a key in lower case.
fn pair(line: &str) -> Result<(String, String), Failure> {
    let shown = line.split(':').next().unwrap_or_default().escape_debug().to_string();
    let Some((key, value)) = line.split_once(':').filter(|(key, _)| !key.is_empty()) else {
        return Err(usage(format!("--metadata '{shown}' is not a pair: write 'K: V'")));
    };
    let (key, value) = (key.to_ascii_lowercase(), value.trim_matches([' ', '\t']));
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !key.bytes().all(is_key) {
        return Err(usage(format!(
            "--metadata '{shown}': a key has only letters, digits, `_`, `-` and `.`"
        )));
    }
    if key.starts_with("grpc-") || OWN_FIELDS.contains(&key.as_str()) {
        let fix = if key == "grpc-timeout" { "use --deadline" } else { "leave it out" };
        return Err(usage(format!("--metadata '{shown}' is a field of gRPC's own: {fix}")));
    }
    if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(usage(format!(
            "the value of --metadata '{shown}' is not visible ASCII: send it as base64 in a key \
             that ends with -bin"
        )));
    }
    Ok((key, value.to_owned()))
}

fn check_deadline(deadline: Nanos, timeout: Nanos) -> Result<(), Failure> {
    if deadline == Nanos::ZERO {
        return Err(usage("--deadline 0 leaves no time for an answer: give a time such as 500ms"));
    }
    if deadline > timeout {
        return Err(usage(format!(
            "--deadline {deadline} is longer than --timeout {timeout}, after which an answer is \
             not awaited any more: raise --timeout"
        )));
    }
    Ok(())
}

fn answers(args: &RunArgs, call: &str, method: &Method) -> Result<Answers, Failure> {
    if !method.returns_stream() {
        return match args.stream.stall {
            None => Ok(Answers::Call),
            Some(_) => {
                Err(usage(format!("--stall is for streams, and {call} returns one message")))
            }
        };
    }
    let stall = args.stream.stall.unwrap_or(Nanos::SECOND);
    let kind = StreamKind::Messages;
    Ok(Answers::CallStream(StreamPlan { kind, stall, events_max: None }))
}

/// The values of fields that carry secrets, with their names, as they stand in encoded messages.
#[derive(Debug, Default)]
struct FoundSecrets(Vec<(String, String)>);

impl FoundSecrets {
    /// Search a message, which is JSON.
    fn search(&mut self, text: &str) -> Result<(), Failure> {
        for field in secret_fields(text.as_bytes()) {
            let written = text.get(field.place).unwrap_or_default();
            let value = serde_json::from_str(&format!("\"{written}\""));
            let one = (field.name, value.unwrap_or_else(|_| written.to_owned()));
            if self.0.contains(&one) {
                continue;
            }
            if self.0.len() == SECRETS_MAX {
                return Err(usage(format!(
                    "the messages have more than {SECRETS_MAX} different values of secret fields \
                     such as `{}`, which are not stored: store them with --keep-secrets",
                    one.0
                )));
            }
            self.0.push(one);
        }
        Ok(())
    }

    /// As they are given again. Those of a name after the first have a number.
    fn named(self) -> Vec<Secret> {
        let Self(found) = self;
        let named = found.iter().enumerate().map(|(at, (name, value))| {
            let before = found[..at].iter().filter(|(known, _)| known == name).count();
            let name = if before == 0 { name.clone() } else { format!("{name}_{}", before + 1) };
            Secret { name: SecretName::Variable(name), value: value.clone() }
        });
        named.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_what_the_protocol_allows() {
        for (line, expected) in [
            ("X-User: ada ", ("x-user", "ada")),
            ("authorization:Bearer a:b", ("authorization", "Bearer a:b")),
            ("trace-bin: AAEC", ("trace-bin", "AAEC")),
            ("empty:", ("empty", "")),
        ] {
            let (key, value) = pair(line).expect(line);
            assert_eq!((key.as_str(), value.as_str()), expected);
        }
        for (line, part) in [
            ("none", "write 'K: V'"),
            (": v", "write 'K: V'"),
            ("a b: v", "letters, digits"),
            ("grpc-timeout: 1S", "--deadline"),
            ("grpc-encoding: gzip", "gRPC's own"),
            ("TE: x", "gRPC's own"),
            ("a: \u{e9}zz", "-bin"),
            ("a: b\r\nzz: d", "-bin"),
        ] {
            let why = pair(line).expect_err(line).to_string();
            assert!(why.contains(part) && !why.contains("zz") && !why.contains('\n'), "{why}");
        }
    }

    #[test]
    fn secrets_of_messages_are_found_once_as_they_are_sent() {
        let mut found = FoundSecrets::default();
        for text in [
            r#"{"user":"a","password":"s\"1\nx"}"#,
            r#"{"user":"b","password":"other"}"#,
            r#"{"inner":{"password":"other"},"token":"t"}"#,
        ] {
            found.search(text).expect("they are few");
        }
        let found = found.named();
        let found: Vec<_> =
            found.iter().map(|it| (it.name.to_string(), it.value.as_str())).collect();
        let name = |name: &str| SecretName::Variable(name.to_owned()).to_string();
        let expected =
            [(name("password"), "s\"1\nx"), (name("password_2"), "other"), (name("token"), "t")];
        assert_eq!(found, expected);
        let mut many = FoundSecrets::default();
        let searched: Result<Vec<_>, _> =
            (0..65).map(|n| many.search(&format!("{{\"password\":\"p{n}\"}}"))).collect();
        let why = searched.expect_err("they are many").to_string();
        assert!(why.contains("--keep-secrets") && !why.contains("p64"), "{why}");
    }
}
