//! Messages from JSON to bytes, in protobuf's JSON mapping. Mistakes are named by the path of the
//! field, and unknown names with the nearest one.

use std::fmt::Write as _;

use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;
use uringbench_core::grpc::messages;

use crate::schema::{Method, all_of, nearest};

/// Types with a JSON form of their own.
const WELL_KNOWN: &str = "google.protobuf.";
/// Names that are shown.
const LENGTH_MAX: usize = 100;

/// Why JSON is not a message, and the fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// A field that the message does not have.
    #[error("{at}{message} has no field `{name}`{meant}")]
    Field {
        /// The path to the message, with `: ` behind it; empty for the whole.
        at: String,
        /// The type of the message.
        message: String,
        /// The name.
        name: String,
        /// The nearest name, if there is one.
        meant: String,
    },
    /// A value that an enum does not have.
    #[error("{at}: {kind} has no value `{name}`{meant}")]
    Enum {
        /// The path to the field.
        at: String,
        /// The type.
        kind: String,
        /// The name.
        name: String,
        /// The nearest name, if there is one.
        meant: String,
    },
    /// A value of another type.
    #[error("{at}: {why}")]
    Value {
        /// The path to the field, or the name of the message.
        at: String,
        /// What stands there, and what is expected.
        why: String,
    },
    /// Several messages where one is sent.
    #[error("the method takes one message: write a JSON object, not an array")]
    Several,
    /// A stream without a message.
    #[error("the array is empty: a call sends at least one message")]
    NoMessage,
}

impl Method {
    /// The body of a call that sends this message; for a method that takes a stream, those of an
    /// array.
    ///
    /// # Errors
    /// If the JSON does not fit the type of the messages.
    pub fn body(&self, json: &Value) -> Result<Vec<u8>, MessageError> {
        let several = std::slice::from_ref(json);
        let several = match json {
            Value::Array(_) if !self.takes_stream() => return Err(MessageError::Several),
            Value::Array(list) if list.is_empty() => return Err(MessageError::NoMessage),
            Value::Array(list) => list,
            _ => several,
        };
        let mut body = Vec::new();
        for json in several {
            let message = encoded(&self.descriptor.input(), json)?;
            messages::append(&message, &mut body);
        }
        Ok(body)
    }
}

fn encoded(message: &MessageDescriptor, json: &Value) -> Result<Vec<u8>, MessageError> {
    check(message, json, &mut String::new())?;
    let mut track = serde_path_to_error::Track::new();
    let read = serde_path_to_error::Deserializer::new(json, &mut track);
    match DynamicMessage::deserialize(message.clone(), read) {
        Ok(message) => Ok(message.encode_to_vec()),
        Err(why) => {
            let at = match track.path().to_string() {
                at if at == "." => message.full_name().to_owned(),
                at => at,
            };
            Err(MessageError::Value { at, why: why.to_string() })
        }
    }
}

/// Names of fields and of values of enums, in the whole tree. Types are left to the reader.
fn check(message: &MessageDescriptor, json: &Value, at: &mut String) -> Result<(), MessageError> {
    let Value::Object(members) = json else { return Ok(()) };
    if message.full_name().starts_with(WELL_KNOWN) {
        return Ok(());
    }
    let length = at.len();
    for (name, value) in members {
        // An extension.
        if name.starts_with('[') {
            continue;
        }
        let field = message.get_field_by_json_name(name);
        let Some(field) = field.or_else(|| message.get_field_by_name(name)) else {
            let names: Vec<_> = message.fields().map(|it| it.json_name().to_owned()).collect();
            return Err(MessageError::Field {
                at: if at.is_empty() { String::new() } else { format!("{at}: ") },
                message: message.full_name().to_owned(),
                name: shown(name),
                meant: meant(name, &names),
            });
        };
        if !at.is_empty() {
            at.push('.');
        }
        at.push_str(name);
        check_field(&field, value, at)?;
        at.truncate(length);
    }
    Ok(())
}

fn check_field(
    field: &FieldDescriptor,
    value: &Value,
    at: &mut String,
) -> Result<(), MessageError> {
    let length = at.len();
    match (field.kind(), value) {
        (Kind::Message(entry), Value::Object(members)) if field.is_map() => {
            let kind = entry.map_entry_value_field().kind();
            for (key, value) in members {
                let _ = write!(at, ".{key}");
                check_kind(&kind, value, at)?;
                at.truncate(length);
            }
            Ok(())
        }
        (kind, Value::Array(list)) if field.is_list() => {
            for (index, value) in list.iter().enumerate() {
                let _ = write!(at, "[{index}]");
                check_kind(&kind, value, at)?;
                at.truncate(length);
            }
            Ok(())
        }
        // The reader names what should stand there.
        _ if field.is_map() || field.is_list() => Ok(()),
        (kind, value) => check_kind(&kind, value, at),
    }
}

fn check_kind(kind: &Kind, value: &Value, at: &mut String) -> Result<(), MessageError> {
    match (kind, value) {
        (Kind::Message(message), value) => check(message, value, at),
        (Kind::Enum(kind), Value::String(name)) => {
            if kind.get_value_by_name(name).is_some() || kind.full_name().starts_with(WELL_KNOWN) {
                return Ok(());
            }
            let names: Vec<_> = kind.values().map(|it| it.name().to_owned()).collect();
            Err(MessageError::Enum {
                at: at.clone(),
                kind: kind.full_name().to_owned(),
                name: shown(name),
                meant: meant(name, &names),
            })
        }
        _ => Ok(()),
    }
}

/// What was meant, as the end of a sentence.
fn meant(name: &str, names: &[String]) -> String {
    match nearest(name, names) {
        None => ": it has none".to_owned(),
        Some(nearest) => format!(", did you mean `{nearest}`?{}", all_of(names)),
    }
}

/// A name of the user's, on one line.
fn shown(name: &str) -> String {
    name.escape_debug().take(LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::Schema;

    const PROTO: &str = "
        syntax = 'proto3';
        package t;
        import 'google/protobuf/timestamp.proto';
        import 'google/protobuf/empty.proto';
        enum Colour { RED = 0; DARK_RED = 1; }
        message Inner { repeated int32 counts = 1; bytes raw = 2; Colour colour = 3; }
        message Outer {
          string user_name = 1; Inner inner = 2; map<string, Inner> by_name = 3;
          repeated Inner many = 4; uint64 large = 5; google.protobuf.Timestamp at = 6;
          oneof one { bool yes = 7; bool no = 8; }
        }
        service S {
          rpc One(Outer) returns (Outer);
          rpc Many(stream Inner) returns (Outer);
          rpc None(google.protobuf.Empty) returns (Outer);
        }";

    fn method(name: &str) -> Method {
        let folder = tempfile::tempdir().expect("room for a folder");
        let file = folder.path().join("t.proto");
        std::fs::write(&file, PROTO).expect("it is ours");
        let schema = Schema::of_files(&[file], &[]).expect("it compiles");
        schema.method(name).expect("it is there")
    }

    #[test]
    fn messages_are_encoded_as_protobuf_has_them() {
        let one = method("t.S/One");
        // By hand: https://protobuf.dev/programming-guides/encoding/
        for (json, bytes) in [
            (json!({}), &b""[..]),
            (json!({"userName": "Ada"}), b"\x0a\x03Ada"),
            (json!({"user_name": "Ada"}), b"\x0a\x03Ada"),
            (
                json!({"inner": {"counts": [1, 300], "raw": "/w=="}}),
                b"\x12\x08\x0a\x03\x01\xac\x02\x12\x01\xff",
            ),
            (json!({"inner": {"colour": "DARK_RED"}}), b"\x12\x02\x18\x01"),
            (json!({"byName": {"a": {"colour": 1}}}), b"\x1a\x07\x0a\x01a\x12\x02\x18\x01"),
            (
                json!({"large": "18446744073709551615"}),
                b"\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            ),
            (json!({"at": "1970-01-01T00:00:02Z"}), b"\x32\x02\x08\x02"),
            (json!({"no": true}), b"\x40\x01"),
        ] {
            let body = one.body(&json).expect("it fits");
            let (prefix, message) = body.split_at(5);
            assert_eq!(prefix, [0, 0, 0, 0, bytes.len() as u8], "{json}");
            assert_eq!(message, bytes, "{json}");
        }
        assert_eq!(method("t.S/None").body(&json!({})), Ok(vec![0; 5]));
    }

    #[test]
    fn a_stream_is_an_array_of_messages() {
        let many = method("t.S/Many");
        let body = many.body(&json!([{"colour": "DARK_RED"}, {}])).expect("it fits");
        assert_eq!(body, b"\0\0\0\0\x02\x18\x01\0\0\0\0\0");
        assert_eq!(many.body(&json!({"colour": 1})), Ok(b"\0\0\0\0\x02\x18\x01".to_vec()));
        assert_eq!(many.body(&json!([])), Err(MessageError::NoMessage));
        assert_eq!(method("t.S/One").body(&json!([{}])), Err(MessageError::Several));
    }

    #[test]
    fn mistakes_are_named_by_their_path() {
        let one = method("t.S/One");
        for (json, parts) in [
            (json!({"username": "x"}), ["t.Outer has no field `username`", "`userName`"]),
            (json!({"inner": {"count": []}}), ["inner: t.Inner has no field", "`counts`"]),
            (json!({"many": [{}, {"colour": "BLUE"}]}), ["many[1].colour: t.Colour", "BLUE"]),
            (json!({"byName": {"k": {"x": 1}}}), ["byName.k: t.Inner has no field `x`", ""]),
            (json!({"userName": 5}), ["userName: invalid type: integer", "string"]),
            (json!({"inner": {"counts": [1, "x"]}}), ["inner.counts[1]", "digit"]),
            (json!({"inner": {"counts": [4294967296_u64]}}), ["inner.counts[0]", "range"]),
            (json!({"many": {"a": 1}}), ["many: invalid type: map", "list"]),
            (json!({"inner": {"raw": "%"}}), ["inner.raw", "base64"]),
            (json!({"yes": true, "no": true}), ["", "oneof"]),
            (json!("text"), ["t.Outer: invalid type: string", ""]),
        ] {
            let why = one.body(&json).expect_err("it does not fit").to_string();
            assert!(parts.iter().all(|part| why.contains(part)), "{json}: {why}");
            assert!(!why.contains('\n'), "{why}");
        }
        let why = method("t.S/None").body(&json!({"a": 1})).expect_err("it has no field");
        assert!(!why.to_string().is_empty());
    }
}
