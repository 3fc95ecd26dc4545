//! Addresses with the patterns `{a,b}` and `[1-3]`, which curl expands to several addresses.

use crate::template::{self, Piece};

/// The largest number of addresses: more would be a load test of their own, not steps.
const ADDRESSES_MAX: usize = 100;

/// Why an address is not expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GlobError {
    /// curl rejects the pattern.
    Bad,
    /// It gives more addresses than there may be steps.
    TooMany,
}

/// The choices for one part of an address; a single text if there is no choice.
type Choices = Vec<String>;

/// A character, or a value that is kept as it is.
#[derive(Clone, Debug)]
enum Token {
    Char(char),
    Value(String),
}

/// The addresses to which curl expands one, with the last pattern changing first. All texts are in
/// the scenario's syntax.
pub(super) fn addresses(address: &str) -> Result<Vec<String>, GlobError> {
    let mut tokens = Vec::new();
    for piece in template::pieces(address) {
        match piece {
            Piece::Literal(text) => tokens.extend(text.chars().map(Token::Char)),
            Piece::Value(value) => tokens.push(Token::Value(value)),
        }
    }
    let mut all: Vec<Vec<Piece>> = vec![Vec::new()];
    for choices in places(&tokens)? {
        if all.len().saturating_mul(choices.len()) > ADDRESSES_MAX {
            return Err(GlobError::TooMany);
        }
        let with = |pieces: &Vec<Piece>, choice: &Piece| {
            let mut pieces = pieces.clone();
            pieces.push(choice.clone());
            pieces
        };
        all = all.iter().flat_map(|one| choices.iter().map(|c| with(one, c))).collect();
    }
    Ok(all.into_iter().map(template::join).collect())
}

fn places(tokens: &[Token]) -> Result<Vec<Vec<Piece>>, GlobError> {
    let mut places: Vec<Vec<Piece>> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let literal = |text: String| vec![Piece::Literal(text)];
        let c = match token {
            Token::Value(value) => {
                places.push(vec![Piece::Value(value.clone())]);
                at += 1;
                continue;
            }
            Token::Char(c) => *c,
        };
        let rest = text(&tokens[at..]);
        match c {
            '[' if literal_len(&rest) > 0 => {
                let len = literal_len(&rest);
                places.push(literal(rest[..len].to_owned()));
                // The pattern contains only ASCII.
                at += len;
            }
            '{' | '[' => {
                let found = if c == '{' { set(&rest) } else { range(&rest) };
                let (choices, len) = found.ok_or(GlobError::Bad)?;
                places.push(choices.into_iter().map(Piece::Literal).collect());
                at += len;
            }
            '}' | ']' => return Err(GlobError::Bad),
            '\\' if rest[1..].starts_with(['{', '[', '}', ']']) => {
                places.push(literal(rest[1..2].to_owned()));
                at += 2;
            }
            c => {
                places.push(literal(c.to_string()));
                at += 1;
            }
        }
    }
    Ok(places)
}

/// The text up to the next value.
fn text(tokens: &[Token]) -> String {
    let chars = tokens.iter().map_while(|token| match token {
        Token::Char(c) => Some(*c),
        Token::Value(_) => None,
    });
    chars.collect()
}

/// The length of text that looks like a pattern but is none: `[]`, and an IPv6 address.
fn literal_len(text: &str) -> usize {
    let Some(end) = text.find(']') else { return 0 };
    let inner = &text[1..end];
    let address = inner.split('%').next().unwrap_or_default();
    let is_address = address.parse::<std::net::Ipv6Addr>().is_ok();
    if inner.is_empty() || is_address { end + 1 } else { 0 }
}

/// `{a,b}`: its choices, and its length in characters.
fn set(text: &str) -> Option<(Choices, usize)> {
    let mut choices = vec![String::new()];
    let mut chars = text.chars().enumerate().skip(1);
    while let Some((at, c)) = chars.next() {
        let last = choices.last_mut()?;
        match c {
            '}' if at == 1 => return None,
            '}' => return Some((choices, at + 1)),
            '{' | '[' | ']' => return None,
            ',' => choices.push(String::new()),
            '\\' => {
                let (_, escaped) = chars.next()?;
                last.push(escaped);
            }
            c => last.push(c),
        }
    }
    None
}

/// `[1-3]`, `[001-100:10]`, `[a-z]`, `[a-z:2]`: its choices, and its length in characters.
fn range(text: &str) -> Option<(Choices, usize)> {
    let inner = text[1..].split_once(']')?.0;
    let (bounds, step) = match inner.split_once(':') {
        Some((bounds, step)) => (bounds, step.parse::<u64>().ok().filter(|step| *step > 0)?),
        None => (inner, 1),
    };
    let (low, high) = bounds.split_once('-')?;
    let letter = |text: &str| text.parse::<char>().ok().filter(char::is_ascii_alphabetic);
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse::<u64>().ok()).flatten()
    };
    let (from, to, is_letter) = match (letter(low), letter(high)) {
        (Some(low), Some(high)) if low.is_ascii_lowercase() == high.is_ascii_lowercase() => {
            (u64::from(u32::from(low)), u64::from(u32::from(high)), true)
        }
        _ => (number(low)?, number(high)?, false),
    };
    let is_good = if from == to { step == 1 } else { from < to && step <= to - from };
    if !is_good {
        return None;
    }
    let width = if low.starts_with('0') { low.len() } else { 0 };
    let mut choices = Vec::new();
    let mut next = Some(from);
    while let Some(value) = next.filter(|value| *value <= to) {
        // One more than the limit is enough to reject them.
        if choices.len() > ADDRESSES_MAX {
            break;
        }
        choices.push(match u32::try_from(value).ok().and_then(char::from_u32) {
            Some(letter) if is_letter => letter.to_string(),
            _ => format!("{value:0width$}"),
        });
        next = value.checked_add(step);
    }
    Some((choices, inner.chars().count() + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_become_addresses() {
        for (address, expected) in [
            ("http://a/", "http://a/"),
            ("a/{x,y}", "a/x a/y"),
            ("a/{x,y}/[1-2]", "a/x/1 a/x/2 a/y/1 a/y/2"),
            ("a/{x}", "a/x"),
            ("a/{,y}", "a/ a/y"),
            ("a/[08-10]", "a/08 a/09 a/10"),
            ("a/[0-10:5]", "a/0 a/5 a/10"),
            ("a/[b-d]", "a/b a/c a/d"),
            ("http://[::1]:80/a", "http://[::1]:80/a"),
            ("a/?q[]=1", "a/?q[]=1"),
            ("a/\\{x\\}\\[", "a/{x}["),
            ("a/{{env X}}/{1,2}", "a/{{env X}}/1 a/{{env X}}/2"),
        ] {
            assert_eq!(addresses(address).map(|all| all.join(" ")), Ok(expected.into()));
        }
        for address in ["a/{", "a/}", "a/{}", "a/{x{y}}", "a/]", "a/[x]", "a/[2-1]", "a/[1-3:9]"] {
            assert_eq!(addresses(address), Err(GlobError::Bad), "{address}");
        }
        for address in ["a/[1-101]", "a/[1-18446744073709551615]", "a/[1-11]/[1-10]"] {
            assert_eq!(addresses(address), Err(GlobError::TooMany), "{address}");
        }
    }
}
