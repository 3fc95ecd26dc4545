//! The servers of operations: those of the description, of a path or of an operation.

use serde_json::Value;

use super::sample::Sample;
use crate::template::plain;
use crate::url::Address;
use crate::{ImportError, Notes};

/// The server if the description names none.
const NOWHERE: &str = "http://127.0.0.1:8080";

/// A server of a description.
struct Server {
    /// `None` for the server from which the description comes.
    origin: Option<String>,
    /// The path before those of operations, without a trailing `/`.
    base: String,
}

/// The scenario's target, and the server it stands for.
pub(super) struct Servers {
    /// `http://host:port`.
    pub(super) target: String,
    /// The server for which the target stands.
    main: Option<String>,
    /// The path before those of operations without a server of their own.
    base: String,
}

impl Servers {
    /// The target is `target`, or the first server of the description.
    pub(super) fn new(
        root: &Value,
        target: Option<&str>,
        notes: &mut Notes,
    ) -> Result<Self, ImportError> {
        let is_given = target.is_some();
        let own = first(root).map(|server| read(server, is_given, notes)).transpose()?;
        let base = own.as_ref().map_or_else(String::new, |server| server.base.clone());
        let mut main = own.and_then(|server| server.origin);
        if main.is_none() {
            let all = items(root).flat_map(|item| [item].into_iter().chain(operations(item)));
            let mut servers = all.filter_map(first);
            main = servers
                .find_map(|server| read(server, is_given, &mut Notes::default()).ok()?.origin);
        }
        let target = match (target, &main) {
            (Some(target), _) => Address::parse(&plain(target))?.origin,
            (None, Some(main)) => main.clone(),
            (None, None) => {
                notes.add(format!(
                    "target: the description does not name one, {NOWHERE} is used \
                     (--target)"
                ));
                NOWHERE.to_owned()
            }
        };
        Ok(Self { target, main, base })
    }

    /// The path before that of an operation, or the other server that it uses.
    pub(super) fn base(
        &self,
        item: &Value,
        operation: &Value,
        notes: &mut Notes,
    ) -> Result<String, String> {
        let Some(server) = first(operation).or_else(|| first(item)) else {
            return Ok(self.base.clone());
        };
        let server = read(server, false, notes).map_err(|why| why.to_string())?;
        match server.origin {
            Some(origin) if Some(&origin) != self.main.as_ref() && origin != self.target => {
                Err(format!("it is at {origin}, a scenario has one target (--target)"))
            }
            _ => Ok(server.base),
        }
    }
}

/// The first server that uringbench can load, or else the first.
fn first(owner: &Value) -> Option<&Value> {
    let all = owner.get("servers")?.as_array()?;
    let is_loadable = |server: &&Value| {
        let scheme = server.get("url").and_then(|url| url.as_str()?.split_once("://"));
        scheme.is_none_or(|(scheme, _)| matches!(scheme, "http" | "https") || scheme.contains('{'))
    };
    all.iter().find(is_loadable).or_else(|| all.first())
}

fn items(root: &Value) -> impl Iterator<Item = &Value> {
    root.get("paths").and_then(Value::as_object).into_iter().flat_map(|paths| paths.values())
}

fn operations(item: &Value) -> impl Iterator<Item = &Value> {
    super::METHODS.iter().filter_map(|method| item.get(method))
}

/// `has_target`: the host does not matter, and may be unknown.
fn read(server: &Value, has_target: bool, notes: &mut Notes) -> Result<Server, ImportError> {
    let mut url = server.get("url").and_then(Value::as_str).unwrap_or("/").trim().to_owned();
    let variables = server.get("variables").and_then(Value::as_object);
    for (name, variable) in variables.into_iter().flatten() {
        let first = variable.get("enum").and_then(|all| all.as_array()?.first());
        let value = variable.get("default").or(first);
        let value = value.map(|value| Sample::of(value).text()).unwrap_or_default();
        url = url.replace(&format!("{{{name}}}"), &value);
    }
    let without_base = |path: &str| path.trim_end_matches('/').to_owned();
    if let Some((_, rest)) = url.split_once("://")
        && has_target
        && rest.contains('{')
    {
        let base = rest.find('/').map_or("", |at| &rest[at..]);
        return Ok(Server { origin: None, base: without_base(base) });
    }
    let bare = url.strip_prefix("//").or_else(|| is_host(&url).then_some(url.as_str()));
    if let Some(bare) = bare {
        let shown = crate::shown(&url);
        notes.add(format!("server {shown}: has no scheme, it is read as http://"));
        url = format!("http://{bare}");
    }
    if !url.contains("://") {
        let path = url.trim_start_matches("./").trim_start_matches('/');
        let base = without_base(path.split(['?', '#']).next().unwrap_or(path));
        let base = if base.is_empty() { base } else { format!("/{base}") };
        return Ok(Server { origin: None, base });
    }
    let address = Address::parse(&plain(&url))?;
    Ok(Server { origin: Some(address.origin), base: without_base(&address.path) })
}

/// Whether an address without a scheme begins with a host rather than a path.
fn is_host(url: &str) -> bool {
    let first = url.split(['/', '?']).next().unwrap_or(url);
    let (host, port) =
        first.split_once(':').map_or((first, None), |(host, port)| (host, Some(port)));
    let has_port = port.is_some_and(|port| port.parse::<u16>().is_ok());
    let labels: Vec<&str> = host.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let is_name = labels.len() > 1
        && labels.last().is_some_and(|last| last.chars().all(|c| c.is_ascii_alphabetic()));
    let is_address = host.parse::<std::net::Ipv4Addr>().is_ok();
    labels.iter().all(is_label) && (has_port || is_name || is_address || host == "localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_servers_are_taken_apart() {
        let cases = [
            ("https://a.example/v1/", Some("https://a.example"), "/v1"),
            ("//a.example/v1", Some("http://a.example"), "/v1"),
            ("api.example.com/v1", Some("http://api.example.com"), "/v1"),
            ("localhost:8080", Some("http://localhost:8080"), ""),
            ("10.0.0.1/x", Some("http://10.0.0.1"), "/x"),
            ("/v1", None, "/v1"),
            ("v1.2/", None, "/v1.2"),
            ("./api/v1?x#y", None, "/api/v1"),
            ("", None, ""),
        ];
        for (url, origin, base) in cases {
            let server = serde_json::json!({ "url": url });
            let read = read(&server, false, &mut Notes::default()).expect("it is an address");
            assert_eq!((read.origin.as_deref(), read.base.as_str()), (origin, base), "{url}");
        }
    }
}
