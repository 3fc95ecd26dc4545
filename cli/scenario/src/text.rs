//! Texts with `{{…}}`: which parts are values, and which ones.

use uringbench_core::flow::expected::Expected;
use uringbench_core::flow::skew::{Skew, SkewForm, SkewParts};
use uringbench_core::flow::template::Marks;
use uringbench_core::flow::text as core;
use uringbench_core::flow::value::{Escape, PADDED_MAX, TemplateValue, Value};

use crate::diagnostic::did_you_mean;
use crate::template::{Token, TokenKind, tokens};

/// Names with a built-in meaning.
const BUILT_IN: [&str; 11] = [
    "seq",
    "uuid",
    "int",
    "zipf",
    "gaussian",
    "exponential",
    "string",
    "choice",
    "timestamp",
    "user",
    "env",
];
/// The longest generated string: a longer one should be a body.
const LETTERS_MAX: usize = 65_536;

/// The meaning of names at a point of a flow.
#[derive(Clone)]
pub(crate) struct Names<'a> {
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    /// Tables with their columns.
    pub(crate) tables: &'a [(String, Vec<String>)],
    /// The captures so far, with their numbers.
    pub(crate) captures: Vec<(String, usize)>,
}

/// A text whose values are resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Text(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Literal(String),
    Value(Value),
}

impl Text {
    /// A text without values.
    pub(crate) fn literal(text: &str) -> Self {
        Self(vec![Piece::Literal(text.to_owned())])
    }

    /// Parses a text.
    pub(crate) fn read(text: &str, names: &Names<'_>) -> Result<Self, String> {
        let piece = |Token { kind, text }: Token<'_>| match kind {
            TokenKind::Literal => Ok(Piece::Literal(text.to_owned())),
            TokenKind::Escape => Ok(Piece::Literal("{{".to_owned())),
            TokenKind::Value => names.piece(&text[2..text.len() - 2]),
            TokenKind::Open => {
                Err("`{{` is not closed: write {{name}}, or {{{{ for a literal {{".to_owned())
            }
        };
        tokens(text).map(piece).collect::<Result<_, _>>().map(Self)
    }

    /// The parts that are not generated during the run.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Literal(text) => Some(text.as_str()),
            Piece::Value(_) => None,
        })
    }

    /// The text before the first value.
    pub(crate) fn beginning(&self) -> String {
        let literals = self.0.iter().map_while(|piece| match piece {
            Piece::Literal(text) => Some(text.as_str()),
            Piece::Value(_) => None,
        });
        literals.collect()
    }

    /// The text, if no part of it is generated during the run.
    pub(crate) fn constant(&self) -> Option<String> {
        let is_constant = self.0.iter().all(|piece| matches!(piece, Piece::Literal(_)));
        is_constant.then(|| self.literals().collect())
    }

    /// Whether it depends on the user.
    pub(crate) fn has_user(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Value(Value::User)))
    }

    /// The text on its own, with values escaped as given.
    pub(crate) fn alone(&self, value: Escape) -> core::Text {
        self.0.iter().fold(core::Text::new(), |text, piece| match piece {
            Piece::Literal(part) => text.literal(part.as_bytes()),
            Piece::Value(of) => text.slot(TemplateValue::new(of.clone(), value)),
        })
    }

    /// The text to compare with; an error if it contains values that would differ from those sent.
    pub(crate) fn expected(&self, written: &str) -> Result<Expected, String> {
        let lasts = |piece: &Piece| match piece {
            Piece::Literal(_) => true,
            Piece::Value(of) => {
                matches!(of, Value::User | Value::Cell { .. } | Value::Capture(_))
            }
        };
        if self.0.iter().all(lasts) {
            return Ok(Expected::new(written, self.alone(Escape::None)));
        }
        Err("a value generated for each use never equals the one that was sent: compare with a \
             capture, a column or {{user}}"
            .to_owned())
    }

    /// The text with an example in place of each value: a number where it may be one.
    pub(crate) fn example(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(text) => text.clone(),
            Piece::Value(Value::Uuid | Value::Letters(_)) => "x".to_owned(),
            Piece::Value(Value::Choice(choices)) => {
                choices.first().map_or_else(String::new, |one| String::from_utf8_lossy(one).into())
            }
            Piece::Value(_) => "0".to_owned(),
        };
        self.0.iter().map(piece).collect()
    }

    /// The text with marks in place of values, which are escaped as given; its literal parts are
    /// escaped by `literal`.
    pub(crate) fn marked(&self, literal: Escape, value: Escape, marks: &mut Marks) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(part) if literal == Escape::None => text.push_str(part),
                Piece::Literal(part) => literal.pieces(part.as_bytes(), &mut |piece| {
                    // Escapes are ASCII, and so are the bytes between which they are inserted.
                    text.push_str(&String::from_utf8_lossy(piece));
                }),
                Piece::Value(of) => {
                    text.push_str(&marks.mark(TemplateValue::new(of.clone(), value)))
                }
            }
        }
        text
    }
}

impl Names<'_> {
    /// Parses the text between `{{` and `}}`.
    fn piece(&self, inner: &str) -> Result<Piece, String> {
        let words: Vec<&str> = inner.split_whitespace().collect();
        let Some((&name, arguments)) = words.split_first() else {
            return Err("{{}} is empty: write {{name}}, or {{{{ for a literal {{".to_owned());
        };
        if name == "env" {
            return self.environment(arguments).map(Piece::Literal);
        }
        let value = match (name, arguments) {
            ("seq", []) => Value::Sequence,
            ("uuid", []) => Value::Uuid,
            ("timestamp", []) => Value::Timestamp,
            ("user", []) => Value::User,
            ("int", [low, high]) => int(low, high)?,
            ("int", [low, high, width]) => padded(low, high, width)?,
            ("int", _) => return Err("{{int}} takes two numbers: write {{int 1 1000}}".into()),
            ("zipf" | "gaussian" | "exponential", arguments) => skewed(name, arguments)?,
            ("string", [count]) => letters(count)?,
            ("string", _) => return Err("{{string}} takes a length: write {{string 12}}".into()),
            ("choice", []) => {
                return Err("{{choice}} has nothing to choose from: write {{choice a b c}}".into());
            }
            ("choice", all) => Value::Choice(all.iter().map(|one| one.as_bytes().into()).collect()),
            ("seq" | "uuid" | "timestamp" | "user", _) => {
                return Err(format!("{{{{{name}}}}} takes no words: write {{{{{name}}}}} alone"));
            }
            (name, []) => self.reference(name)?,
            (name, _) => {
                let meant = did_you_mean(name, BUILT_IN);
                return Err(format!("{{{{{name} …}}}} is not a value that takes words{meant}"));
            }
        };
        Ok(Piece::Value(value))
    }

    fn environment(&self, arguments: &[&str]) -> Result<String, String> {
        let [name] = arguments else {
            return Err("{{env}} takes the name of a variable: write {{env NAME}}".to_owned());
        };
        (self.env)(name).ok_or_else(|| {
            format!("environment variable {name} is not set: set it, as in {name}=… uringbench …")
        })
    }

    /// Resolves a capture, or a column of a table.
    fn reference(&self, name: &str) -> Result<Value, String> {
        if let Some((_, number)) = self.captures.iter().rfind(|(known, _)| known == name) {
            return Ok(Value::Capture(*number));
        }
        let columns = || {
            self.tables.iter().enumerate().flat_map(|(table, (of, columns))| {
                let cell =
                    move |(column, name)| (format!("{of}.{name}"), Value::Cell { table, column });
                columns.iter().enumerate().map(cell)
            })
        };
        if let Some((_, value)) = columns().find(|(known, _)| known == name) {
            return Ok(value);
        }
        let columns: Vec<String> = columns().map(|(name, _)| name).collect();
        let captures = self.captures.iter().map(|(name, _)| name.as_str());
        let known = captures.chain(columns.iter().map(String::as_str)).chain(BUILT_IN);
        let meant = did_you_mean(name, known);
        Err(format!(
            "nothing before this step defines `{name}`{meant} A capture is defined by an earlier \
             step, a column by [data.NAME]"
        ))
    }
}

/// Why `name` is not permitted for a capture or for data.
pub(crate) fn name_error(name: &str) -> Option<String> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() || !name.chars().all(is_word) {
        let shown = name.escape_debug();
        return Some(format!("`{shown}` is not a name: write letters, digits, `_` and `-`"));
    }
    let is_taken = BUILT_IN.contains(&name);
    is_taken.then(|| format!("`{name}` is a built-in value: choose another name"))
}

fn int(low: &str, high: &str) -> Result<Value, String> {
    range("int", low, high).map(|(low, high)| Value::Int { low, high })
}

/// The bounds of random numbers.
fn range(name: &str, low: &str, high: &str) -> Result<(i64, i64), String> {
    let number = |text: &str| {
        text.parse::<i64>()
            .map_err(|_| format!("`{text}` is not a whole number: write {{{{{name} 1 1000}}}}"))
    };
    const MOST: i64 = i64::MAX - 1;
    let (low, high) = (number(low)?, number(high)?);
    match high.checked_sub(low) {
        Some(0..=MOST) => Ok((low, high)),
        Some(..0) => {
            Err(format!("{{{{{name}}}}} ends before it begins: write {{{{{name} {high} {low}}}}}"))
        }
        _ => Err(format!("{{{{{name}}}}} spans more than 2^63 numbers: write a smaller range")),
    }
}

/// A number with zeros before it.
fn padded(low: &str, high: &str, width: &str) -> Result<Value, String> {
    let (low, high) = range("int", low, high)?;
    let width = digits("int", (low, high), width)?;
    // Neither is negative.
    Ok(Value::Padded { low: low.unsigned_abs(), high: high.unsigned_abs(), width })
}

/// How many digits numbers of a range are to have.
fn digits(name: &str, (low, high): (i64, i64), width: &str) -> Result<u8, String> {
    let width = width.strip_prefix("width=").and_then(|width| width.parse::<u8>().ok());
    let width = width.filter(|width| (1..=PADDED_MAX).contains(&usize::from(*width)));
    let width = width.ok_or_else(|| {
        format!(
            "the digits of {{{{{name}}}}} are 1 to {PADDED_MAX}: \
             write {{{{{name} 0 999 width=12}}}}"
        )
    })?;
    if low < 0 {
        return Err(format!(
            "{{{{{name} … width=N}}}} takes no negative numbers: leave width= out"
        ));
    }
    let digits = high.to_string().len();
    if digits > usize::from(width) {
        return Err(format!("{high} has {digits} digits: write width={digits} or more"));
    }
    Ok(width)
}

/// A number whose distribution is not uniform: its range, its parameter, its digits.
fn skewed(name: &str, arguments: &[&str]) -> Result<Value, String> {
    let [low, high, rest @ ..] = arguments else {
        return Err(format!("{{{{{name}}}}} takes two numbers: write {{{{{name} 1 1000}}}}"));
    };
    let (low, high) = range(name, low, high)?;
    let (parameter, rest) = match rest {
        [first, rest @ ..] if !first.starts_with("width=") => (Some(*first), rest),
        rest => (None, rest),
    };
    let width = match rest {
        [] => 0,
        [width] => digits(name, (low, high), width)?,
        [_, more, ..] => {
            return Err(format!("{{{{{name}}}}} does not take `{more}`: leave it out"));
        }
    };
    // The defaults of YCSB, and of the examples in pgbench's documentation.
    let (default, least): (u32, u32) = match name {
        "zipf" => (990, 1),
        "gaussian" => (2_500, 2_000),
        _ => (5_000, 1),
    };
    let milli = parameter.map_or(Some(default), |text| {
        let milli = text.parse::<f64>().ok()? * 1_000.0;
        // Cast within the range that is checked.
        (f64::from(least)..=1e6).contains(&milli).then_some(milli.round() as u32)
    });
    let milli = milli.ok_or_else(|| {
        format!(
            "the parameter of {{{{{name}}}}} is {} to 1000: write {{{{{name} {low} {high} {}}}}}",
            f64::from(least) / 1_000.0,
            f64::from(default) / 1_000.0,
        )
    })?;
    let form = match name {
        "zipf" => SkewForm::Zipf(milli),
        "gaussian" => SkewForm::Gaussian(milli),
        _ => SkewForm::Exponential(milli),
    };
    Ok(Value::Skewed(Skew::new(SkewParts { form, low, high, width })))
}

fn letters(count: &str) -> Result<Value, String> {
    let count = count.parse().ok().filter(|count| (1..=LETTERS_MAX).contains(count));
    count.map(Value::Letters).ok_or_else(|| {
        format!("{{{{string}}}} takes a length from 1 to {LETTERS_MAX}: write {{{{string 12}}}}")
    })
}
