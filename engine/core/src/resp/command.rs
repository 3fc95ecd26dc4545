//! Commands as bytes: an array of strings, each with its length. Values of a command differ from
//! request to request; where their length is constant, so is everything around them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::flow::cookie_jar::CookieJar;
use crate::flow::text::{Text, TextPart};
use crate::flow::value::{Digits, Scope, TemplateValue};
use crate::statistics::random::Random;

/// The most words of a command.
const WORDS_MAX: usize = 1 << 20;

/// Commands whose effect is not one reply: they change how the connection is read.
const REFUSED: [&str; 12] = [
    "HELLO",
    "RESET",
    "SUBSCRIBE",
    "PSUBSCRIBE",
    "SSUBSCRIBE",
    "UNSUBSCRIBE",
    "PUNSUBSCRIBE",
    "SUNSUBSCRIBE",
    "MONITOR",
    "SYNC",
    "PSYNC",
    "QUIT",
];

/// Why words are not a command that can be sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandError {
    /// There is none.
    #[error("there is no command: write one behind the URL, as in 'GET key'")]
    Empty,
    /// Too many.
    #[error("a command of more than {WORDS_MAX} words")]
    Words,
    /// The command's own name is not constant.
    #[error("the first word of a command is its name, and the same in every request")]
    Name,
    /// It changes how the connection is read.
    #[error("{0} does not have one reply per command, so it cannot be timed: use another command")]
    Replies(String),
}

/// A command, with values that differ from request to request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Text>", into = "Vec<Text>")]
pub struct RedisCommand {
    words: Vec<Text>,
    parts: Vec<Part>,
    /// One of its forms: the only one, if it has no values.
    example: Arc<Vec<u8>>,
}

/// A part of a command's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// Always the same.
    Bytes(Vec<u8>),
    /// A value of constant length.
    Value(TemplateValue),
    /// A word whose length depends on its values, with that length before it.
    Word(Text),
}

impl RedisCommand {
    /// A command of these words.
    ///
    /// # Errors
    /// If they are none.
    pub fn new(words: Vec<Text>) -> Result<Self, CommandError> {
        let first = words.first().ok_or(CommandError::Empty)?;
        if words.len() > WORDS_MAX {
            return Err(CommandError::Words);
        }
        let name = first.constant().filter(|name| !name.is_empty()).ok_or(CommandError::Name)?;
        let name = String::from_utf8_lossy(name).to_ascii_uppercase();
        if REFUSED.contains(&name.as_str()) {
            return Err(CommandError::Replies(name));
        }
        let second = words.get(1).and_then(Text::constant);
        if name == "CLIENT" && second.is_some_and(|word| word.eq_ignore_ascii_case(b"REPLY")) {
            return Err(CommandError::Replies("CLIENT REPLY".to_owned()));
        }
        let mut parts = Vec::new();
        let mut fixed = format!("*{}\r\n", words.len()).into_bytes();
        for word in &words {
            match word.width() {
                Some(width) => {
                    fixed.extend_from_slice(format!("${width}\r\n").as_bytes());
                    for piece in word.parts() {
                        match piece {
                            TextPart::Literal(bytes) => fixed.extend_from_slice(bytes),
                            TextPart::Slot(value) => {
                                parts.push(Part::Bytes(std::mem::take(&mut fixed)));
                                parts.push(Part::Value(value.clone()));
                            }
                        }
                    }
                }
                None => {
                    parts.push(Part::Bytes(std::mem::take(&mut fixed)));
                    parts.push(Part::Word(word.clone()));
                }
            }
            fixed.extend_from_slice(b"\r\n");
        }
        parts.push(Part::Bytes(fixed));
        let mut command = Self { words, parts, example: Arc::default() };
        let mut example = Vec::new();
        command.render((0, 0), &mut Random::new(1), &mut example);
        command.example = Arc::new(example);
        Ok(command)
    }

    /// Whether all its requests are equal.
    pub fn is_constant(&self) -> bool {
        self.parts.len() == 1
    }

    /// One of its forms as bytes: the only one, if it is constant.
    pub const fn example(&self) -> &Arc<Vec<u8>> {
        &self.example
    }

    /// Append request `sequence`, sent at `unix_ms`, to `out`.
    pub fn render(&self, (sequence, unix_ms): (u64, u64), random: &mut Random, out: &mut Vec<u8>) {
        let scope = Scope {
            user: 0,
            sequence,
            unix_ms,
            captures: &[],
            tables: &[],
            rows: &[],
            cookies: CookieJar::empty(),
        };
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) => out.extend_from_slice(bytes),
                Part::Value(value) => {
                    value.pieces(&scope, random, &mut |piece| out.extend_from_slice(piece));
                }
                Part::Word(word) => {
                    let begin = out.len();
                    word.pieces(&scope, random, &mut |piece| out.extend_from_slice(piece));
                    let digits = Digits::of((out.len() - begin) as i128);
                    let length = b"$".iter().chain(digits.text()).chain(b"\r\n").copied();
                    out.splice(begin..begin, length);
                }
            }
        }
    }
}

impl TryFrom<Vec<Text>> for RedisCommand {
    type Error = CommandError;

    fn try_from(words: Vec<Text>) -> Result<Self, CommandError> {
        Self::new(words)
    }
}

impl From<RedisCommand> for Vec<Text> {
    fn from(command: RedisCommand) -> Self {
        command.words
    }
}

/// Append a command of these words to `out`.
pub fn encode(words: &[&[u8]], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::value::{Escape, Value};

    fn slot(value: Value) -> TemplateValue {
        TemplateValue::new(value, Escape::None)
    }

    fn rendered(command: &RedisCommand, sequence: u64) -> String {
        let mut out = Vec::new();
        command.render((sequence, 1), &mut Random::new(sequence), &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn constant_commands_are_their_example() {
        let command = RedisCommand::new(vec!["get".into(), "k".into()]).expect("a command");
        assert!(command.is_constant());
        let bytes = b"*2\r\n$3\r\nget\r\n$1\r\nk\r\n";
        assert_eq!(command.example().as_slice(), bytes);
        let mut encoded = Vec::new();
        encode(&[b"get", b"k"], &mut encoded);
        assert_eq!(encoded, bytes);
    }

    #[test]
    fn lengths_follow_the_values() {
        let key = Text::from("k:").slot(slot(Value::Padded { low: 0, high: 99, width: 4 }));
        let value = Text::new().slot(slot(Value::Sequence)).literal(b"!");
        let command = RedisCommand::new(vec!["SET".into(), key, value]).expect("a command");
        assert!(!command.is_constant());
        for sequence in [0, 9, 10, 12_345, u64::MAX] {
            let text = rendered(&command, sequence);
            let words: Vec<&str> = text.split("\r\n").collect();
            let length = format!("${}", sequence.to_string().len() + 1);
            let shown = format!("{sequence}!");
            assert_eq!(words[..4], ["*3", "$3", "SET", "$6"]);
            assert_eq!(words[5..], [length.as_str(), shown.as_str(), ""]);
            let digits = words[4].strip_prefix("k:").expect("a key");
            assert!(
                digits.len() == 4 && digits.parse::<u64>().is_ok_and(|it| it < 100),
                "{digits}"
            );
        }
    }

    #[test]
    fn a_stored_command_is_the_same_again() {
        let key = Text::from("k:").slot(slot(Value::Letters(3)));
        let command = RedisCommand::new(vec!["GET".into(), key]).expect("a command");
        let stored = serde_json::to_string(&command).expect("JSON");
        let again: RedisCommand = serde_json::from_str(&stored).expect(&stored);
        assert_eq!(again, command);
        assert_eq!(rendered(&again, 3), rendered(&command, 3));
        assert!(serde_json::from_str::<RedisCommand>("[]").is_err());
    }
}
