//! Values in scenario files: times, rates, ordered tables, scalars.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use uringbench_core::flow::check;
use uringbench_core::rate::Rate;
use uringbench_core::time::Nanos;
use uringbench_core::units;

/// The slowest and the fastest replay.
const SPEED_MIN: f64 = 0.001;
const SPEED_MAX: f64 = 1_000_000.0;

/// A time such as `"30s"`, `"1m30s"`, `"500ms"`; a plain number is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub Nanos);

/// A rate such as `500`, `"1.5k"`, `"2M"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PerSecond(pub Rate);

/// An amount of memory such as `"512M"` or `"2G"`, in steps of 1,024.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryAmount(pub u64);

/// The speed of a replay: `2` and `"2x"` are twice as fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Speed(pub f64);

/// Names and values, in the order they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairs(pub Vec<(String, String)>);

/// Names with the values to send, in the order they were written: one, several, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Headers(pub Vec<(String, Vec<String>)>);

/// A string, a number or a boolean.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scalar(pub check::Scalar);

/// A value that is parsed from a text, or from a number as if it were text.
trait Written: Sized {
    const EXPECTED: &'static str;
    fn read(text: &str) -> Result<Self, String>;
}

impl Written for Span {
    const EXPECTED: &'static str = "a time such as \"30s\", \"500ms\" or 10";

    fn read(text: &str) -> Result<Self, String> {
        units::span(text).map(Self)
    }
}

impl Written for MemoryAmount {
    const EXPECTED: &'static str = "an amount of memory such as \"512M\"";

    fn read(text: &str) -> Result<Self, String> {
        crate::suite::bytes(text).map(Self)
    }
}

impl Written for PerSecond {
    const EXPECTED: &'static str = "a rate such as 500 or \"1.5k\"";

    fn read(text: &str) -> Result<Self, String> {
        units::rate(text).map(Self)
    }
}

impl Written for Speed {
    const EXPECTED: &'static str = "a speed such as 2.0 or \"2x\"";

    fn read(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('x').unwrap_or(text).parse().ok();
        number
            .filter(|speed| (SPEED_MIN..=SPEED_MAX).contains(speed))
            .map(Self)
            .ok_or_else(|| format!("not a speed from {SPEED_MIN} to {SPEED_MAX}: write 2.0 or 2x"))
    }
}

struct WrittenVisitor<T>(PhantomData<T>);

impl<T: Written> Visitor<'_> for WrittenVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::read(text).map_err(|why| E::custom(format!("`{}`: {why}", text.escape_debug())))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for MemoryAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for PerSecond {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Speed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WrittenVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of strings such as { name = \"value\" }")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

/// The value of a header, or a list of values.
struct Lines(Vec<String>);

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LinesVisitor;

        impl<'de> Visitor<'de> for LinesVisitor {
            type Value = Lines;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a list of strings")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Lines, E> {
                Ok(Lines(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Lines, A::Error> {
                let mut lines = Vec::new();
                while let Some(line) = seq.next_element()? {
                    lines.push(line);
                }
                Ok(Lines(lines))
            }
        }
        deserializer.deserialize_any(LinesVisitor)
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;

        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of strings such as { Accept = \"text/html\" }")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some((name, Lines(lines))) = map.next_entry()? {
                    headers.push((name, lines));
                }
                Ok(Headers(headers))
            }
        }
        deserializer.deserialize_map(HeadersVisitor)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a number or a boolean")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(check::Scalar::Text(text.into())))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(check::Scalar::Integer(number)))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar(check::Scalar::Float(number)))
            }

            fn visit_bool<E: Error>(self, bool: bool) -> Result<Scalar, E> {
                Ok(Scalar(check::Scalar::Bool(bool)))
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A time such as \"30s\", \"1m30s\", \"500ms\"; a number is seconds.",
            "type": ["string", "number"],
        })
    }
}

impl JsonSchema for MemoryAmount {
    fn schema_name() -> Cow<'static, str> {
        "MemoryAmount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An amount of memory such as \"512M\" or \"2G\", in steps of 1,024.",
            "type": ["string", "number"],
        })
    }
}

impl JsonSchema for PerSecond {
    fn schema_name() -> Cow<'static, str> {
        "PerSecond".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A rate per second such as 500, \"1.5k\", \"2M\".",
            "type": ["string", "number"],
        })
    }
}

impl JsonSchema for Speed {
    fn schema_name() -> Cow<'static, str> {
        "Speed".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How fast: 2.0 and \"2x\" are twice as fast, 0.5 is half as fast.",
            "type": ["string", "number"],
        })
    }
}

impl JsonSchema for Pairs {
    fn schema_name() -> Cow<'static, str> {
        "Pairs".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "string" } })
    }
}

impl JsonSchema for Headers {
    fn schema_name() -> Cow<'static, str> {
        "Headers".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let strings = json_schema!({ "type": "array", "items": { "type": "string" } });
        json_schema!({
            "type": "object",
            "additionalProperties": { "anyOf": [{ "type": "string" }, strings] },
        })
    }
}

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}
