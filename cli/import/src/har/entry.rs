//! Entries of an archive. Exporters differ, and some write `null`, numbers or other types that the
//! format does not permit: an unreadable value costs a header or an entry, never the archive.

use serde_json::Value;

use crate::time;

/// A request, and the recorded answer.
#[derive(Debug, Default)]
pub(super) struct Entry {
    /// In microseconds since 1970.
    pub(super) start: Option<i64>,
    pub(super) took_ms: Option<f64>,
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) data: Option<PostData>,
    pub(super) status: Option<u16>,
    /// The lines of `Set-Cookie`.
    pub(super) cookies_set: Vec<String>,
    /// Whether the answer came from the browser's cache.
    pub(super) is_cached: bool,
    /// The parts that could not be read.
    pub(super) unread: Vec<String>,
}

/// The content of a request.
#[derive(Debug, Default)]
pub(super) struct PostData {
    pub(super) mime_type: String,
    pub(super) text: String,
    pub(super) is_base64: bool,
    pub(super) params: Vec<Param>,
}

/// A field of a form.
#[derive(Debug, Default)]
pub(super) struct Param {
    pub(super) name: String,
    pub(super) value: Option<String>,
    pub(super) file_name: Option<String>,
    pub(super) content_type: Option<String>,
}

impl Entry {
    /// Reads an entry; an error names the missing part.
    pub(super) fn read(entry: &Value) -> Result<Self, &'static str> {
        let request = entry.get("request").filter(|request| request.is_object());
        let request = request.ok_or("it has no request")?;
        let url = request.get("url").and_then(Value::as_str).ok_or("its request has no url")?;
        let method = request.get("method").and_then(Value::as_str);
        let method = method.ok_or("its request has no method")?;
        let mut unread = Vec::new();
        let mut headers = pairs(request.get("headers"), &mut unread);
        let is_cookie = |(name, _): &(String, String)| name.eq_ignore_ascii_case("Cookie");
        if !headers.iter().any(is_cookie) {
            let cookies = pairs(request.get("cookies"), &mut unread);
            let all: Vec<String> =
                cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            headers.extend((!all.is_empty()).then(|| ("Cookie".to_owned(), all.join("; "))));
        }
        let data = request.get("postData").filter(|data| !data.is_null());
        let read = data.and_then(PostData::read);
        if data.is_some() && read.is_none() {
            unread.push("a body: left out, its postData is no object".to_owned());
        }
        let response = entry.get("response");
        let status = response.and_then(|response| number(response.get("status")?));
        let set = pairs(response.and_then(|response| response.get("headers")), &mut Vec::new());
        let set = set.into_iter().filter(|(name, _)| name.eq_ignore_ascii_case("Set-Cookie"));
        // Firefox joins several into one value, one per line.
        let cookies_set =
            set.flat_map(|(_, value)| value.lines().map(str::to_owned).collect::<Vec<_>>());
        Ok(Self {
            start: entry.get("startedDateTime").and_then(|at| time::iso(at.as_str()?)),
            took_ms: entry.get("time").and_then(number),
            method: method.to_owned(),
            url: url.to_owned(),
            headers,
            data: read,
            // Browsers write 0 if there was no answer.
            status: status
                .filter(|status| (100.0..1000.0).contains(status))
                .map(|status| status as u16),
            cookies_set: cookies_set.collect(),
            is_cached: entry.get("_fromCache").is_some_and(Value::is_string),
            unread,
        })
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

impl PostData {
    fn read(data: &Value) -> Option<Self> {
        // Some exporters write only the text.
        if let Some(text) = data.as_str() {
            return Some(Self { text: text.to_owned(), ..Self::default() });
        }
        data.as_object()?;
        let params = data.get("params").and_then(Value::as_array).into_iter().flatten();
        let param = |param: &Value| {
            Some(Param {
                name: text(param.get("name")?)?,
                value: param.get("value").and_then(text),
                file_name: param.get("fileName").and_then(text),
                content_type: param.get("contentType").and_then(text),
            })
        };
        Some(Self {
            mime_type: data.get("mimeType").and_then(text).unwrap_or_default(),
            text: data.get("text").and_then(text).unwrap_or_default(),
            is_base64: data.get("encoding").and_then(Value::as_str) == Some("base64"),
            params: params.filter_map(param).collect(),
        })
    }
}

/// `[{"name": …, "value": …}]`, or an object of names and values.
fn pairs(list: Option<&Value>, unread: &mut Vec<String>) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut add = |name: Option<String>, value: Option<String>| match (name, value) {
        (Some(name), Some(value)) => pairs.push((name, value)),
        (Some(name), None) => unread.push(format!("header {name}: left out, it has no value")),
        (None, _) => unread.push("a header: left out, it has no name".to_owned()),
    };
    match list {
        Some(Value::Array(all)) => {
            for one in all {
                // A name without a value is an empty header.
                let value = one.get("value").map_or_else(|| Some(String::new()), text);
                add(one.get("name").and_then(text), value);
            }
        }
        Some(Value::Object(all)) => {
            for (name, value) in all {
                add(Some(name.clone()), text(value));
            }
        }
        _ => {}
    }
    pairs
}

/// A text; numbers and booleans are converted.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number; texts are parsed.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}
