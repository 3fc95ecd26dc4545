//! A command line cut into words, as a POSIX shell and bash's `$'…'` do it.
//!
//! Words come out in the scenario's syntax: a variable of the shell becomes `{{env NAME}}`.

use crate::ImportError;
use crate::template;

/// The words of the first command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) words: Vec<String>,
    /// What follows that command on the line.
    pub(super) after: Option<String>,
}

/// Cut a command line into words.
pub(super) fn words(line: &str) -> Result<Words, ImportError> {
    let mut lexer = Lexer { rest: line, text: String::new(), bytes: Vec::new(), has_word: false };
    let mut words = Vec::new();
    loop {
        let Some(c) = lexer.next() else {
            words.extend(lexer.word()?);
            return Ok(Words { words, after: None });
        };
        match c {
            ' ' | '\t' | '\r' => words.extend(lexer.word()?),
            '#' if !lexer.has_word => lexer.skip_comment(),
            '\n' | ';' | '|' | '&' | '<' | '>' => {
                words.extend(lexer.word()?);
                if c == '\n' && words.is_empty() {
                    continue;
                }
                let after = format!("{c}{}", lexer.rest);
                let is_all = after.trim().is_empty();
                return Ok(Words { words, after: (!is_all).then(|| after.trim().to_owned()) });
            }
            c => lexer.part(c)?,
        }
    }
}

struct Lexer<'a> {
    rest: &'a str,
    /// The word so far, in the scenario's syntax.
    text: String,
    /// What follows in it and means itself.
    bytes: Vec<u8>,
    /// Whether a word has begun: an empty one needs quotes.
    has_word: bool,
}

impl Lexer<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Consume `prefix` if it comes next.
    fn take(&mut self, prefix: &str) -> bool {
        let after = self.rest.strip_prefix(prefix);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn skip_comment(&mut self) {
        self.rest = &self.rest[self.rest.find('\n').unwrap_or(self.rest.len())..];
    }

    fn push(&mut self, c: char) {
        self.has_word = true;
        self.bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// The word that ends here, if one had begun.
    fn word(&mut self) -> Result<Option<String>, ImportError> {
        self.flush()?;
        let word = std::mem::take(&mut self.text);
        Ok(std::mem::take(&mut self.has_word).then_some(word))
    }

    fn flush(&mut self) -> Result<(), ImportError> {
        let literal = String::from_utf8(std::mem::take(&mut self.bytes)).map_err(|_| {
            ImportError::new(
                "the command has bytes that are no text: put them into a file and name it with \
                 --data-binary @FILE",
            )
        })?;
        self.text.push_str(&template::plain(&literal));
        Ok(())
    }

    /// A character of a word, or a quoted stretch of it.
    fn part(&mut self, c: char) -> Result<(), ImportError> {
        match c {
            '\\' if self.take("\r\n") || self.take("\n") => {}
            '\\' => {
                let c = self.next().unwrap_or('\\');
                self.push(c);
            }
            '\'' => self.single()?,
            '"' => self.double()?,
            '$' if self.take("'") => self.ansi_c()?,
            '$' if self.take("\"") => self.double()?,
            '$' => self.variable()?,
            '`' => return Err(substitution()),
            '^' if self.rest.starts_with(['"', '\r', '\n']) => {
                return Err(ImportError::new(
                    "this is written for cmd.exe: choose \"Copy as cURL (bash)\" instead",
                ));
            }
            c => self.push(c),
        }
        Ok(())
    }

    fn single(&mut self) -> Result<(), ImportError> {
        self.has_word = true;
        let end = self.rest.find('\'').ok_or_else(|| unclosed('\''))?;
        self.bytes.extend_from_slice(&self.rest.as_bytes()[..end]);
        self.rest = &self.rest[end + 1..];
        Ok(())
    }

    fn double(&mut self) -> Result<(), ImportError> {
        self.has_word = true;
        loop {
            match self.next().ok_or_else(|| unclosed('"'))? {
                '"' => return Ok(()),
                '`' => return Err(substitution()),
                '$' => self.variable()?,
                '\\' if self.take("\n") => {}
                '\\' if self.rest.starts_with(['$', '`', '"', '\\']) => {
                    let c = self.next().unwrap_or('\\');
                    self.push(c);
                }
                c => self.push(c),
            }
        }
    }

    /// What follows a `$`.
    fn variable(&mut self) -> Result<(), ImportError> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.rest.starts_with('(') {
            return Err(substitution());
        }
        let (name, after) = if let Some(rest) = self.rest.strip_prefix('{') {
            rest.split_once('}').ok_or_else(|| unclosed('{'))?
        } else {
            let end = self.rest.find(|c| !is_name(c)).unwrap_or(self.rest.len());
            self.rest.split_at(end)
        };
        let is_variable = name.chars().all(is_name) && !name.starts_with(|c: char| c.is_numeric());
        if name.is_empty() && after.len() == self.rest.len() {
            self.push('$');
            return Ok(());
        }
        if !is_variable || name.is_empty() {
            let name = crate::shown(name);
            return Err(ImportError::new(format!(
                "`${{{name}}}` is for the shell to work out: write what it stands for"
            )));
        }
        self.has_word = true;
        let ends_in_brace = self.bytes.last() == Some(&b'{');
        self.flush()?;
        // Otherwise the brace would be read as part of the value.
        self.text.push_str(if ends_in_brace { " " } else { "" });
        self.text.push_str(&format!("{{{{env {name}}}}}"));
        self.rest = after;
        Ok(())
    }

    /// `$'…'`, with the escapes of C.
    fn ansi_c(&mut self) -> Result<(), ImportError> {
        self.has_word = true;
        loop {
            match self.next().ok_or_else(|| unclosed('\''))? {
                '\'' => return Ok(()),
                '\\' => self.escape()?,
                c => self.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<(), ImportError> {
        let c = self.next().ok_or_else(|| unclosed('\''))?;
        let plain = match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\x07',
            'b' => '\x08',
            'e' | 'E' => '\x1b',
            'f' => '\x0c',
            'v' => '\x0b',
            '\\' | '\'' | '"' | '?' => c,
            'x' => return self.byte(16, 2, 0),
            '0'..='7' => return self.byte(8, 2, c.to_digit(8).unwrap_or(0)),
            'u' => return self.code_point(4),
            'U' => return self.code_point(8),
            c => {
                self.push('\\');
                c
            }
        };
        self.push(plain);
        Ok(())
    }

    /// Up to `most` digits, after `first`.
    fn digits(&mut self, radix: u32, most: usize, first: u32) -> u32 {
        let mut number = first;
        for _ in 0..most {
            let Some(digit) = self.rest.chars().next().and_then(|c| c.to_digit(radix)) else {
                break;
            };
            number = number.wrapping_mul(radix).wrapping_add(digit);
            self.rest = &self.rest[1..];
        }
        number
    }

    fn byte(&mut self, radix: u32, most: usize, first: u32) -> Result<(), ImportError> {
        let number = self.digits(radix, most, first);
        self.bytes.push((number & 0xff) as u8);
        Ok(())
    }

    /// JavaScript's escapes are of UTF-16: two of them can be one character.
    fn code_point(&mut self, most: usize) -> Result<(), ImportError> {
        let mut number = self.digits(16, most, 0);
        if (0xd800..0xdc00).contains(&number) && self.rest.starts_with("\\u") {
            let before = self.rest;
            self.rest = &self.rest[2..];
            let low = self.digits(16, 4, 0);
            if (0xdc00..0xe000).contains(&low) {
                number = 0x1_0000 + ((number - 0xd800) << 10) + (low - 0xdc00);
            } else {
                self.rest = before;
            }
        }
        let c = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.push(c);
        Ok(())
    }
}

fn unclosed(quote: char) -> ImportError {
    ImportError::new(format!("the command has a {quote} that is not closed: copy all of it"))
}

fn substitution() -> ImportError {
    ImportError::new("`$(…)` is for the shell to work out: run it, and write what it prints")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_as_a_shell_cuts_them() {
        let cases: [(&str, &[&str], Option<&str>); 14] = [
            ("curl  a\tb", &["curl", "a", "b"], None),
            ("curl \\\n  -X 'P O'\"S\\\"T\"", &["curl", "-X", "P OS\"T"], None),
            ("a '' \"\"", &["a", "", ""], None),
            ("a '\\n' \"\\n\" \\n", &["a", "\\n", "\\n", "n"], None),
            (r"$'a\n\t\'\\\x41\101\u00e9\q'", &["a\n\t'\\AAé\\q"], None),
            (r"$'\ud83d\ude00 \ud83d'", &["😀 \u{fffd}"], None),
            (r"$'\xc3\xa9'", &["é"], None),
            ("a # b", &["a"], None),
            ("a#b", &["a#b"], None),
            ("a | jq .", &["a"], Some("| jq .")),
            ("a http://b/?x=1&y=2", &["a", "http://b/?x=1"], Some("&y=2")),
            ("a $B \"c ${D}e\" '$F' $", &["a", "{{env B}}", "c {{env D}}e", "$F", "$"], None),
            ("a '{{b}}' \"{$C}\"", &["a", "{{{{b}}", "{ {{env C}}}"], None),
            ("\n a\n", &["a"], None),
        ];
        for (line, expected, after) in cases {
            let found = words(line).unwrap();
            assert_eq!(
                (found.words, found.after.as_deref()),
                (expected.iter().map(ToString::to_string).collect(), after,),
                "{line}"
            );
        }
        for (line, why) in [
            ("a 'b", "a ' that is not closed"),
            ("a \"b", "a \" that is not closed"),
            ("a $'b\\", "not closed"),
            ("a $(b)", "run it"),
            ("a \"`b`\"", "run it"),
            ("a ${b:-c}", "write what it stands for"),
            ("a $'\\xff'", "--data-binary @FILE"),
            ("curl ^\"http://a/^\"", "cmd.exe"),
        ] {
            assert!(words(line).unwrap_err().to_string().contains(why), "{line}");
        }
    }
}
