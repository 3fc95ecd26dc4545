//! A user's cookies, stored as in a browser (RFC 6265), with limits that no server can exceed.
//!
//! All requests of a user go to one host, so a cookie's domain only decides whether it is stored.
//! `Secure` is ignored: whoever loads a server of their own without TLS still wants its sessions.

use std::cmp::Reverse;

use super::answer::Answer;

mod date;

/// Most cookies of a user, the least that section 6.1 requires.
const COOKIES_MAX: usize = 50;
/// Longest cookie, name, value and path together in bytes: the least that section 6.1 requires.
const COOKIE_BYTES_MAX: usize = 4096;
const NEVER: u64 = u64::MAX;

/// The cookies of one user. Empty, it takes one pointer.
#[derive(Clone, Debug, Default)]
pub struct CookieJar(Option<Box<Kept>>);

#[derive(Clone, Debug, Default)]
struct Kept {
    /// Longest path first; with equal paths, oldest cookie first (section 5.4).
    cookies: Vec<Cookie>,
    /// How many were ever stored.
    made: u64,
}

/// One cookie.
#[derive(Clone, Debug)]
pub struct Cookie {
    /// `name=value`, followed by the path.
    text: Vec<u8>,
    name: u16,
    pair: u16,
    /// Milliseconds since 1970 at which it expires.
    expires: u64,
    made: u64,
}

/// The source of an answer, and its time.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Host, with or without a port: the value of `Host`.
    pub authority: &'a str,
    /// The request target: path and query.
    pub target: &'a [u8],
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

/// The content of a `Set-Cookie`.
struct SetCookie<'a> {
    name: &'a [u8],
    value: &'a [u8],
    path: &'a [u8],
    expires: u64,
}

static EMPTY: CookieJar = CookieJar::new();

impl CookieJar {
    /// An empty jar.
    pub const fn new() -> Self {
        Self(None)
    }

    /// An empty jar, for requests without a user.
    pub fn empty() -> &'static Self {
        &EMPTY
    }

    /// Remove all cookies, and free their memory.
    pub fn clear(&mut self) {
        self.0 = None;
    }

    /// Store, replace and remove cookies as `answer` demands. Cookies that are malformed, for
    /// another host or too long are ignored; above 50 the oldest one is removed.
    pub fn take(&mut self, answer: &Answer<'_>, origin: Origin<'_>) {
        for line in answer.headers("set-cookie") {
            if let Some(given) = SetCookie::read(line, &origin) {
                self.put(&given, origin.unix_ms);
            }
        }
    }

    /// All cookies in the order in which they are sent, expired ones included.
    pub fn cookies(&self) -> &[Cookie] {
        self.0.as_ref().map_or(&[], |kept| &kept.cookies)
    }

    fn put(&mut self, given: &SetCookie<'_>, unix_ms: u64) {
        let is_gone = given.expires <= unix_ms;
        if is_gone && self.0.is_none() {
            return;
        }
        let kept = self.0.get_or_insert_default();
        let known = kept.cookies.iter().position(|cookie| cookie.is_same(given));
        match known {
            Some(at) if is_gone => drop(kept.cookies.remove(at)),
            // A cookie keeps its age when its value changes (section 5.3).
            Some(at) => kept.cookies[at].set(given),
            None if is_gone => {}
            None => kept.add(given, unix_ms),
        }
        if kept.cookies.is_empty() {
            self.clear();
        }
    }
}

impl Kept {
    fn add(&mut self, given: &SetCookie<'_>, unix_ms: u64) {
        if self.cookies.len() >= COOKIES_MAX {
            self.cookies.retain(|cookie| cookie.expires > unix_ms);
        }
        if self.cookies.len() >= COOKIES_MAX {
            let oldest = (0..self.cookies.len()).min_by_key(|&at| self.cookies[at].made);
            oldest.map(|at| self.cookies.remove(at));
        }
        let made = self.made;
        self.made += 1;
        let mut cookie = Cookie { text: Vec::new(), name: 0, pair: 0, expires: 0, made };
        cookie.set(given);
        let key = |cookie: &Cookie| Reverse(cookie.path().len());
        let at = self.cookies.partition_point(|before| key(before) <= key(&cookie));
        self.cookies.insert(at, cookie);
    }
}

impl Cookie {
    /// `name=value`.
    pub fn pair(&self) -> &[u8] {
        &self.text[..usize::from(self.pair)]
    }

    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.text[..usize::from(self.name)]
    }

    /// The path it is sent for, with all paths below it.
    pub fn path(&self) -> &[u8] {
        &self.text[usize::from(self.pair)..]
    }

    /// Whether it is sent with a request for `target`.
    pub fn is_sent(&self, target: &[u8], unix_ms: u64) -> bool {
        self.expires > unix_ms && is_below(without_query(target), self.path())
    }

    fn is_same(&self, given: &SetCookie<'_>) -> bool {
        self.name() == given.name && self.path() == given.path
    }

    fn set(&mut self, given: &SetCookie<'_>) {
        self.text.clear();
        for part in [given.name, b"=", given.value, given.path] {
            self.text.extend_from_slice(part);
        }
        // Longer ones are ignored.
        self.name = given.name.len() as u16;
        self.pair = (given.name.len() + 1 + given.value.len()) as u16;
        self.expires = given.expires;
    }
}

impl<'a> SetCookie<'a> {
    /// Section 5.2; `None` for a cookie that browsers ignore.
    fn read(line: &'a [u8], origin: &Origin<'a>) -> Option<Self> {
        let mut parts = line.split(|&byte| byte == b';');
        let (name, value) = name_and_value(parts.next()?)?;
        let is_text = |text: &[u8]| !text.iter().any(u8::is_ascii_control);
        if name.is_empty() || !is_text(name) || !is_text(value) {
            return None;
        }
        let (mut path, mut expires, mut age) = (None, None, None);
        for part in parts {
            let named = name_and_value(part);
            let (attribute, value) = named.unwrap_or_else(|| (part.trim_ascii(), b""));
            let is = |name: &str| attribute.eq_ignore_ascii_case(name.as_bytes());
            if is("path") {
                path = Some(value).filter(|path| path.starts_with(b"/"));
            } else if is("expires") {
                expires = date::unix_ms(value).or(expires);
            } else if is("max-age") {
                age = age_in_ms(value).or(age);
            } else if is("domain") && !is_of_domain(origin.authority, value) {
                return None;
            }
        }
        let path = path.unwrap_or_else(|| default_path(without_query(origin.target)));
        let expires = match age {
            Some(0) => 0,
            Some(age) => origin.unix_ms.saturating_add(age),
            None => expires.unwrap_or(NEVER),
        };
        let is_short = name.len() + 1 + value.len() + path.len() <= COOKIE_BYTES_MAX;
        (is_short && is_text(path)).then_some(Self { name, value, path, expires })
    }
}

fn name_and_value(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = part.split_at(part.iter().position(|&byte| byte == b'=')?);
    Some((name.trim_ascii(), value[1..].trim_ascii()))
}

/// Milliseconds from now on; 0 for a time in the past (section 5.2.2).
fn age_in_ms(value: &[u8]) -> Option<u64> {
    let (is_negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = digits
        .iter()
        .fold(0_u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(if is_negative { 0 } else { seconds.saturating_mul(1_000) })
}

/// Whether a host is `domain` or below it (section 5.1.3). Without a domain, every host is.
fn is_of_domain(authority: &str, domain: &[u8]) -> bool {
    let domain = domain.strip_prefix(b".").unwrap_or(domain);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let is_address = host.starts_with('[') || host.bytes().all(|b| b == b'.' || b.is_ascii_digit());
    let host = host.as_bytes();
    let Some(above) = host.len().checked_sub(domain.len()) else { return false };
    let (below, end) = host.split_at(above);
    domain.is_empty()
        || end.eq_ignore_ascii_case(domain)
            && (below.is_empty() || below.ends_with(b".") && !is_address)
}

/// The path of a cookie without one (section 5.1.4): the folder of the request target.
fn default_path(asked: &[u8]) -> &[u8] {
    match asked.iter().rposition(|&byte| byte == b'/') {
        Some(at) if at > 0 && asked.starts_with(b"/") => &asked[..at],
        _ => b"/",
    }
}

/// Section 5.1.4.
fn is_below(path: &[u8], folder: &[u8]) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || folder.ends_with(b"/") || rest.starts_with(b"/"))
}

fn without_query(target: &[u8]) -> &[u8] {
    target.split(|&byte| matches!(byte, b'?' | b'#')).next().unwrap_or(target)
}

#[cfg(test)]
mod tests;
