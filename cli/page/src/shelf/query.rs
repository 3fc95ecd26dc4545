//! What the list of results shows, as the query of its address: written into every link, so that
//! the page needs no script and no memory of who looks.

use std::fmt;

/// The fields of the list's address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShelfQuery {
    /// Letters that stand in the name, target, scenario, branch, commit or a tag of a run.
    pub find: String,
    /// Host and port of the target, whole.
    pub target: String,
    /// The name, whole.
    pub name: String,
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
            let field = match &*name {
                "find" => &mut parsed.find,
                "target" => &mut parsed.target,
                "name" => &mut parsed.name,
                "tag" => &mut parsed.tag,
                "verdict" => &mut parsed.verdict,
                "with" => &mut parsed.with,
                "page" => {
                    parsed.page = value.parse().unwrap_or_default();
                    continue;
                }
                _ => continue,
            };
            *field = value;
        }
        parsed
    }

    /// The fields that are not empty, the page apart.
    pub(super) fn words(&self) -> Vec<(&'static str, &str)> {
        let Self { find, target, name, tag, verdict, with, page: _ } = self;
        let all = [
            ("find", find),
            ("target", target),
            ("name", name),
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
pub fn fields(query: &str) -> impl Iterator<Item = (String, String)> {
    query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
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

/// What is no escape stands for itself, and what is no UTF-8 is replaced.
fn decoded(value: &str) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, more @ ..] = rest {
        let escaped = more.get(..2).filter(|_| *first == b'%').and_then(|digits| {
            let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
            let digits = std::str::from_utf8(digits).ok().filter(|_| is_hex)?;
            u8::from_str_radix(digits, 16).ok()
        });
        out.push(escaped.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if escaped.is_some() { &more[2..] } else { more };
    }
    String::from_utf8_lossy(&out).into_owned()
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
    fn what_is_no_escape_stands_for_itself() {
        for (coded, expected) in [
            ("%", "%"),
            ("%4", "%4"),
            ("%zz", "%zz"),
            ("%+1", "% 1"),
            ("%41%", "A%"),
            ("%ff", "\u{fffd}"),
        ] {
            assert_eq!(decoded(coded), expected, "{coded}");
        }
        let odd = ShelfQuery::parse("&&=&x&page=-1&find&name=a&name=b&=c");
        assert_eq!(odd, ShelfQuery { name: "b".to_owned(), ..ShelfQuery::default() });
    }
}
