//! What the list of results shows, as the query of its address: written into every link, so that
//! the page needs no script and no memory of who looks.

use std::fmt;

use uringbench_core::http::percent;

/// The fields of the list's address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShelfQuery {
    /// Letters that stand in the name, target, scenario, branch, commit or a tag of a run.
    pub find: String,
    /// Host and port of the target, whole.
    pub target: String,
    /// One of the tags, whole.
    pub tag: String,
    /// `valid`, `suspect` or `invalid`.
    pub verdict: String,
    /// The ID of the run that others are compared with.
    pub with: String,
    /// From 0 on: the newest runs first.
    pub page: usize,
}

impl ShelfQuery {
    /// From the part behind `?`. Unknown fields and pages that are no number are ignored.
    pub fn parse(query: &str) -> Self {
        let mut parsed = Self::default();
        for (name, value) in fields(query) {
            if name == "page" {
                parsed.page = value.parse().unwrap_or_default();
            } else if let Some(field) = parsed.field(&name) {
                *field = value;
            }
        }
        parsed
    }

    /// The field of this name, the page apart.
    pub(super) fn field(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "find" => &mut self.find,
            "target" => &mut self.target,
            "tag" => &mut self.tag,
            "verdict" => &mut self.verdict,
            "with" => &mut self.with,
            _ => return None,
        })
    }

    /// The fields that are not empty, the page apart.
    pub(super) fn words(&self) -> Vec<(&'static str, &str)> {
        let Self { find, target, tag, verdict, with, page: _ } = self;
        let all = [
            ("find", find),
            ("target", target),
            ("tag", tag),
            ("verdict", verdict),
            ("with", with),
        ];
        all.into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (name, value.as_str()))
            .collect()
    }
}

/// `?name=value&…`, or `./` if nothing is chosen: a relative reference.
impl fmt::Display for ShelfQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = self.words();
        let page = self.page.to_string();
        if self.page > 0 {
            fields.push(("page", &page));
        }
        f.write_str("./")?;
        for (at, (name, value)) in fields.into_iter().enumerate() {
            let sign = if at == 0 { '?' } else { '&' };
            write!(f, "{sign}{name}={}", encoded(value))?;
        }
        Ok(())
    }
}

/// The names and values of a query, decoded (WHATWG URL, application/x-www-form-urlencoded).
fn fields(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

/// The first value of this name in a query, decoded; empty without one.
pub fn field(query: &str, name: &str) -> String {
    fields(query).find(|(known, _)| known == name).map(|(_, value)| value).unwrap_or_default()
}

/// A value as it stands in a query.
pub(super) fn encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// What is no UTF-8 is replaced.
fn decoded(value: &str) -> String {
    String::from_utf8_lossy(&percent::decoded(value, b' ')).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_comes_back_from_its_address() {
        let query = ShelfQuery {
            find: "a b&c=d?e#f%41+ü\"<".to_owned(),
            target: "[::1]:80".to_owned(),
            with: "12ab".to_owned(),
            page: 3,
            ..ShelfQuery::default()
        };
        let address = query.to_string();
        assert!(address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'), "{address}");
        let (_, behind) = address.split_once('?').expect("it has fields");
        assert_eq!(ShelfQuery::parse(behind), query);
        assert_eq!(ShelfQuery::default().to_string(), "./");
    }

    #[test]
    fn odd_queries_are_read_as_far_as_they_go() {
        let odd = ShelfQuery::parse("&&=&x&page=-1&find&tag=a&tag=b&=c");
        assert_eq!(odd, ShelfQuery { tag: "b".to_owned(), ..ShelfQuery::default() });
        assert_eq!((field("a=1&b=%32&b=3", "b"), field("a", "c")), ("2".to_owned(), String::new()));
    }
}
