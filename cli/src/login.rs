//! User and password in the URL of a database: taken out before anything else reads it.

use uringbench_core::http::percent;

use crate::exit::{Failure, usage};

/// A URL and what was taken out of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UrlLogin {
    /// The URL without it.
    pub(crate) url: String,
    /// The user; empty texts are none.
    pub(crate) user: Option<String>,
    /// The password.
    pub(crate) password: Option<String>,
}

impl UrlLogin {
    /// A URL that has none.
    pub(crate) fn of(url: &str) -> Self {
        Self { url: url.to_owned(), ..Self::default() }
    }
}

/// Whether a URL has one of these schemes.
pub(crate) fn has_scheme(url: &str, schemes: &[&str]) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    schemes.iter().any(|name| scheme.eq_ignore_ascii_case(name))
}

/// The URL of a database without its login.
pub(crate) fn taken_out(url: &str) -> Result<UrlLogin, Failure> {
    let Some((scheme, rest)) = url.split_once("://") else { return Ok(UrlLogin::of(url)) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if path.contains('@') {
        return Err(usage(
            "the URL has an `@` behind its host: write `/`, `?` and `#` of a password as %2F, %3F \
             and %23",
        ));
    }
    let Some((given, host)) = authority.rsplit_once('@') else { return Ok(UrlLogin::of(url)) };
    let (user, password) = given.split_once(':').unwrap_or((given, ""));
    let decoded = |text: &str| {
        let decoded = decoded(text).ok_or_else(|| {
            usage(
                "user and password in the URL are not percent-encoded UTF-8: write `%` as %25 and \
                 `@` as %40",
            )
        })?;
        Ok::<_, Failure>((!decoded.is_empty()).then_some(decoded))
    };
    Ok(UrlLogin {
        url: format!("{scheme}://{host}{path}"),
        user: decoded(user)?,
        password: decoded(password)?,
    })
}

/// `%XX` as bytes; `None` for other uses of `%`, and if they are not UTF-8.
pub(crate) fn decoded(text: &str) -> Option<String> {
    let is_encoded = percent::is_encoded(text);
    String::from_utf8(percent::decoded(text, b'+')).ok().filter(|_| is_encoded)
}

/// The text of a request as it stands in reports: a long one only begins.
pub(crate) fn shown(typed: &str) -> String {
    const SHOWN_MAX: usize = 80;
    match typed.char_indices().nth(SHOWN_MAX) {
        None => typed.trim().to_owned(),
        Some((end, _)) => format!("{}…", typed[..end].trim_start()),
    }
}
