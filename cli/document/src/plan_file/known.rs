//! The secrets of a plan by their values: a target may repeat them in its answers, and a faulty
//! answer is quoted in the result. There they are left out.

use std::borrow::Cow;
use std::collections::BTreeSet;

use uringbench_core::plan::Plan;

use super::{PASSWORDS, Places, Secret, SecretName};
use crate::{Document, EncodeError, StepFigures};

/// Shorter values stand in many texts.
const LENGTH_MIN: usize = 6;
/// A part of a value, such as the token behind `Bearer`, is at least so long.
const PART_MIN: usize = 8;
/// Stands in the place of a secret, and where a quotation was cut.
const LEFT_OUT: &str = "…";

/// The secrets of a plan.
#[derive(Clone, Debug, Default)]
pub struct KnownSecrets {
    /// The longest first: one may stand within another.
    values: Vec<String>,
}

impl KnownSecrets {
    /// Those of a plan: the given ones, and the values of headers, parameters and fields that
    /// carry some. Rows of data are not among them.
    ///
    /// # Errors
    /// If the plan cannot be encoded as JSON.
    pub fn of(plan: &Plan, secrets: &[Secret]) -> Result<Self, EncodeError> {
        let mut value = serde_json::to_value(&**plan).map_err(EncodeError::of)?;
        let text_at = |place: &&str| value.pointer(place)?.as_str().map(str::to_owned);
        let passwords: Vec<String> = PASSWORDS.iter().filter_map(text_at).collect();
        let mut places = Places::new(secrets);
        places.clear(&mut value);
        let given = secrets.iter().map(|secret| secret.value.clone());
        let all = places.values().into_iter().chain(given).chain(passwords);
        Ok(Self::from_values(all))
    }

    fn from_values(values: impl IntoIterator<Item = String>) -> Self {
        let mut all = BTreeSet::new();
        for value in values {
            let parts = value.split([' ', '\t', ';', ',', '=', '"']);
            all.extend(parts.filter(|part| part.len() >= PART_MIN).map(str::to_owned));
            if value.len() >= LENGTH_MIN {
                all.insert(value);
            }
        }
        let mut values: Vec<String> = all.into_iter().collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self { values }
    }

    /// The text without them.
    fn cleared<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for value in &self.values {
            if text.contains(value.as_str()) {
                text = Cow::Owned(text.replace(value.as_str(), LEFT_OUT));
            }
            // A long quotation may end within one.
            while let Some(place) = cut_off(&text, value) {
                let end = place + begun(&text[place..], value);
                text.to_mut().replace_range(place..end, "");
            }
        }
        text
    }

    /// Whether a result quotes answers at all.
    pub fn may_be_in(document: &Document) -> bool {
        let of_step = |step: &StepFigures| !(step.causes.is_empty() && step.failures.is_empty());
        let verdict = &document.verdict;
        let counts = &document.counts;
        !(counts.causes.is_empty() && counts.tolerated.is_empty())
            || document.steps.iter().any(of_step)
            || !(verdict.reasons.is_empty() && verdict.notes.is_empty())
    }

    /// Take them out of what a result quotes of answers.
    pub fn hide(&self, document: &mut Document) {
        let clear = |text: &mut String| {
            if let Cow::Owned(cleared) = self.cleared(text) {
                *text = cleared;
            }
        };
        document.counts.causes.iter_mut().for_each(|it| clear(&mut it.cause));
        document.counts.tolerated.iter_mut().for_each(|it| clear(&mut it.example));
        for step in &mut document.steps {
            step.causes.iter_mut().for_each(|it| clear(&mut it.cause));
            step.failures.iter_mut().for_each(|it| clear(&mut it.what));
        }
        document.verdict.reasons.iter_mut().for_each(|it| clear(&mut it.message));
        document.verdict.notes.iter_mut().for_each(clear);
    }
}

impl Places {
    /// The values that were taken out, as far as they are texts.
    fn values(self) -> Vec<String> {
        let texts = self.withheld.into_iter().filter_map(|(name, value)| {
            // A column's values are those of its rows.
            let value = value.filter(|_| !matches!(name, SecretName::Data(_)))?;
            String::from_utf8(value).ok()
        });
        texts.collect()
    }
}

/// How many bytes at the start of a text are the start of a value, but not all of it.
fn begun(text: &str, value: &str) -> usize {
    let same = text.bytes().zip(value.bytes()).take_while(|(one, other)| one == other).count();
    (0..=same).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

/// Where the start of a value stands that ends where the text was cut.
fn cut_off(text: &str, value: &str) -> Option<usize> {
    let start = value.get(..LENGTH_MIN)?;
    let places = text.match_indices(start).map(|(place, _)| place);
    places.into_iter().find(|place| {
        let rest = &text[*place..];
        rest[begun(rest, value)..].starts_with(LEFT_OUT)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_left_out_whole_in_parts_and_cut_off() {
        let known = KnownSecrets::from_values(
            ["Bearer abcdefghij", "sid=0123456789; theme=dark", "pin", "secret"].map(String::from),
        );
        for (text, expected) in [
            ("bad header `X: Bearer abcdefghij`", "bad header `X: …`"),
            ("bad header `X: abcdefghij!`", "bad header `X: …!`"),
            ("bad header `X: Bearer abcde…`", "bad header `X: …`"),
            ("bad header `X: abcdefg…` at abcdefg", "bad header `X: …` at abcdefg"),
            ("`0123456789` twice 0123456789", "`…` twice …"),
            ("a theme that is dark, a pin, a secret", "a theme that is dark, a pin, a …"),
            ("Bearer of nothing", "Bearer of nothing"),
        ] {
            assert_eq!(known.cleared(text), expected, "{text}");
        }
    }

    #[test]
    fn letters_of_several_bytes_are_no_end() {
        let known = KnownSecrets::from_values(["äöüäöü".to_owned()]);
        for text in ["äöüäö…", "äöü…", "äöüäöü", "äöüx", "…"] {
            let cleared = known.cleared(text);
            assert!(!cleared.contains("äöüäö"), "{cleared}");
        }
    }
}
