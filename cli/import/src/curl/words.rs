//! Splits text into words and operators as a POSIX shell does, with bash's `$'…'`.
//!
//! Words are in the scenario's syntax: a shell variable becomes `{{env NAME}}`.

use std::collections::HashMap;

use crate::ImportError;
use crate::template;

/// A token of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    /// An operator between words (`;`, `&&`, `<<`, …) or a line end.
    Operator(&'static str),
}

/// A word in the scenario's syntax.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Whether a part of it was quoted.
    pub(super) is_quoted: bool,
}

/// Longer operators come before their prefixes.
const OPERATORS: [&str; 19] = [
    "<<<", "<<-", "<<", "<(", "<&", "<", "&>>", "&>", "&&", "&", ">>", ">(", ">&", ">|", ">", "||",
    "|&", "|", ";",
];

/// Reads one token after another.
#[derive(Debug, Default)]
pub(super) struct Lexer<'a> {
    rest: &'a str,
    /// The current word so far, in the scenario's syntax.
    text: String,
    /// The literal bytes that follow in it.
    bytes: Vec<u8>,
    /// Whether a word has begun: an empty word needs quotes.
    has_word: bool,
    is_quoted: bool,
    /// Variables that the text itself sets, in the scenario's syntax.
    variables: HashMap<String, String>,
    /// Notes on syntax that is read differently from a shell.
    notes: Vec<String>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text, ..Self::default() }
    }

    /// The rest of the text.
    pub(super) const fn rest(&self) -> &'a str {
        self.rest
    }

    /// Takes the notes on syntax that is read differently from a shell.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Sets `$NAME` to `value`, which is in the scenario's syntax.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// The next token; `None` at the end.
    pub(super) fn token(&mut self) -> Result<Option<Token>, ImportError> {
        loop {
            let Some(c) = self.rest.chars().next() else {
                return Ok(self.word()?.map(Token::Word));
            };
            let is_space = matches!(c, ' ' | '\t' | '\r' | '\n');
            let operator = OPERATORS.iter().find(|operator| self.rest.starts_with(**operator));
            if (is_space || operator.is_some())
                && let Some(word) = self.word()?
            {
                return Ok(Some(Token::Word(word)));
            }
            if let Some(operator) = operator {
                self.rest = &self.rest[operator.len()..];
                return Ok(Some(Token::Operator(operator)));
            }
            self.next();
            match c {
                '\n' => return Ok(Some(Token::Operator("\n"))),
                ' ' | '\t' | '\r' => {}
                '#' if !self.has_word => self.skip_comment(),
                '(' | ')' if !self.has_word => {
                    return Err(ImportError::new(
                        "`( … )` needs a shell to run it: write the commands of curl alone",
                    ));
                }
                c => self.part(c)?,
            }
        }
    }

    /// The lines of a heredoc up to `end`; `is_plain` if nothing in them is expanded.
    pub(super) fn heredoc(
        &mut self,
        end: &str,
        is_plain: bool,
        has_tabs: bool,
    ) -> Result<String, ImportError> {
        let mut lines = String::new();
        loop {
            if self.rest.is_empty() {
                let end = crate::shown(end);
                return Err(ImportError::new(format!(
                    "the heredoc has no end: copy it up to the line `{end}`"
                )));
            }
            let (line, after) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
            self.rest = after;
            let line = if has_tabs { line.trim_start_matches('\t') } else { line };
            if line.trim_end_matches('\r') == end {
                break;
            }
            lines += line;
            lines.push('\n');
        }
        if is_plain {
            return Ok(template::plain(&lines));
        }
        let variables = std::mem::take(&mut self.variables);
        let mut inner = Lexer { rest: &lines, variables, ..Lexer::default() };
        let text = inner.expanded();
        self.variables = std::mem::take(&mut inner.variables);
        text
    }

    /// All of the text, expanded as between double quotes.
    fn expanded(&mut self) -> Result<String, ImportError> {
        while let Some(c) = self.next() {
            match c {
                '`' => return Err(backquote()),
                '$' => self.variable()?,
                '\\' if self.take("\n") => {}
                '\\' if self.rest.starts_with(['$', '`', '\\']) => {
                    let c = self.next().unwrap_or('\\');
                    self.push(c);
                }
                c => self.push(c),
            }
        }
        self.flush()?;
        Ok(std::mem::take(&mut self.text))
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Consumes `prefix` if it comes next.
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

    /// Ends the current word and returns it, if one had begun.
    fn word(&mut self) -> Result<Option<Word>, ImportError> {
        self.flush()?;
        let text = std::mem::take(&mut self.text);
        let is_quoted = std::mem::take(&mut self.is_quoted);
        Ok(std::mem::take(&mut self.has_word).then_some(Word { text, is_quoted }))
    }

    fn flush(&mut self) -> Result<(), ImportError> {
        let literal = String::from_utf8(std::mem::take(&mut self.bytes)).map_err(|_| {
            ImportError::new(
                "the command contains bytes that are not text: put them into a file and name it \
                 with \
                 --data-binary @FILE",
            )
        })?;
        self.text.push_str(&template::plain(&literal));
        Ok(())
    }

    /// Adds a character or a quoted part to the word.
    fn part(&mut self, c: char) -> Result<(), ImportError> {
        match c {
            '\\' if self.take("\r\n") || self.take("\n") => {}
            '\\' if self.is_at_blank_end() => {
                let note = "blanks behind the `\\` at the end of a line: ignored; a shell would \
                            end the command at the next line";
                self.notes.push(note.to_owned());
                self.rest = self.rest.trim_start_matches([' ', '\t', '\r']);
                self.take("\n");
            }
            '\\' => {
                self.is_quoted = true;
                let c = self.next().unwrap_or('\\');
                self.push(c);
            }
            '\'' => self.single()?,
            '"' => self.double()?,
            '$' if self.take("'") => self.ansi_c()?,
            '$' if self.take("\"") => self.double()?,
            '$' => self.variable()?,
            '`' => return Err(backquote()),
            '~' if !self.has_word && self.rest.starts_with('/') => {
                self.notes.push(
                    "`~/…` is used literally; a shell would insert the home directory: write the \
                     path"
                        .to_owned(),
                );
                self.push(c);
            }
            '{' if self.is_expanded_by_a_shell() => {
                return Err(ImportError::new(
                    "unquoted braces such as {a,b} and {1..3} need a shell to expand them: quote \
                     the word, or write the words",
                ));
            }
            '‘' | '’' | '“' | '”' | '„' | '«' | '»' => {
                return Err(ImportError::new(format!(
                    "{c} is a typographic quote, which shells do not accept: write ' or \" in its \
                     place"
                )));
            }
            '–' | '—' if !self.has_word => {
                return Err(ImportError::new(format!(
                    "{c} is a typographic dash, which begins no option: write -- or - in its \
                     place"
                )));
            }
            '\u{a0}' => {
                return Err(ImportError::new(
                    "there is a no-break space (U+00A0) between words: write a plain space",
                ));
            }
            '^' if self.rest.starts_with(['"', '\r', '\n']) => {
                return Err(ImportError::new(
                    "this is written for cmd.exe: choose \"Copy as cURL (bash)\" instead",
                ));
            }
            c => self.push(c),
        }
        Ok(())
    }

    /// Whether the brace just read begins a brace expansion of the shell. In an address curl
    /// expands a list in the same way, with the same result.
    fn is_expanded_by_a_shell(&self) -> bool {
        let word = self.rest.split([' ', '\t', '\r', '\n', '\'', '"', '$']).next();
        let Some((inside, _)) = word.and_then(|word| word.split_once('}')) else { return false };
        let is_address = self.bytes.contains(&b'/') || self.text.contains(['/', '{']);
        let has_range =
            inside.split_once("..").is_some_and(|(a, b)| !a.is_empty() && !b.is_empty());
        !inside.contains('{') && (has_range || (inside.contains(',') && !is_address))
    }

    /// Whether only blanks, at least one, are left on the line.
    fn is_at_blank_end(&self) -> bool {
        let after = self.rest.trim_start_matches([' ', '\t', '\r']);
        after.len() < self.rest.len() && (after.is_empty() || after.starts_with('\n'))
    }

    /// Begins a quoted word.
    const fn begin_quoted(&mut self) {
        self.has_word = true;
        self.is_quoted = true;
    }

    fn single(&mut self) -> Result<(), ImportError> {
        self.begin_quoted();
        let end = self.rest.find('\'').ok_or_else(|| unclosed('\''))?;
        self.bytes.extend_from_slice(&self.rest.as_bytes()[..end]);
        self.rest = &self.rest[end + 1..];
        Ok(())
    }

    fn double(&mut self) -> Result<(), ImportError> {
        self.begin_quoted();
        loop {
            match self.next().ok_or_else(|| unclosed('"'))? {
                '"' => return Ok(()),
                '`' => return Err(backquote()),
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

    /// Reads the text after a `$`.
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
                "`${{{name}}}` needs a shell to expand it: write its value"
            )));
        }
        self.has_word = true;
        let ends_in_brace = self.bytes.last() == Some(&b'{');
        self.flush()?;
        if let Some(value) = self.variables.get(name) {
            self.text.push_str(value);
            self.rest = after;
            return Ok(());
        }
        // Otherwise the brace would be part of the value.
        self.text.push_str(if ends_in_brace { " " } else { "" });
        self.text.push_str(&format!("{{{{env {name}}}}}"));
        self.rest = after;
        Ok(())
    }

    /// `$'…'`, with the escapes of C.
    fn ansi_c(&mut self) -> Result<(), ImportError> {
        self.begin_quoted();
        let begin = self.bytes.len();
        loop {
            match self.next().ok_or_else(|| unclosed('\''))? {
                '\'' => break,
                '\\' => self.escape()?,
                c => self.push(c),
            }
        }
        // A NUL ends the quoted text.
        if let Some(nul) = self.bytes[begin..].iter().position(|byte| *byte == 0) {
            self.bytes.truncate(begin + nul);
        }
        Ok(())
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
            'x' if self.is_digit_next() => return self.byte(16, 2, 0),
            'x' if self.take("{") => {
                self.byte(16, usize::MAX, 0)?;
                self.take("}");
                return Ok(());
            }
            '0'..='7' => return self.byte(8, 2, c.to_digit(8).unwrap_or(0)),
            'u' if self.is_digit_next() => return self.code_point(4),
            'U' if self.is_digit_next() => return self.code_point(8),
            'c' if self.take("?") => '\x7f',
            'c' if self.rest.starts_with(|c: char| c.is_ascii_graphic()) => {
                let letter = self.next().unwrap_or_default();
                char::from(letter as u8 & 0x1f)
            }
            c => {
                self.push('\\');
                c
            }
        };
        self.push(plain);
        Ok(())
    }

    /// A numeric escape needs a digit after it.
    fn is_digit_next(&self) -> bool {
        self.rest.starts_with(|c: char| c.is_ascii_hexdigit())
    }

    /// Reads up to `most` digits after `first`.
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

    /// JavaScript's escapes are UTF-16 units: two of them can form one character.
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
    ImportError::new(format!(
        "the command has a {quote} that is not closed: copy the whole command"
    ))
}

fn substitution() -> ImportError {
    ImportError::new("`$(…)` needs a shell to run it: run it yourself, and write its output")
}

fn backquote() -> ImportError {
    ImportError::new(
        "a backquote needs a shell to run it: run its command, and write the output; \
         if this is written for PowerShell, choose \"Copy as cURL (bash)\" instead",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words, and operators in brackets.
    fn read(text: &str) -> Result<Vec<String>, ImportError> {
        let mut lexer = Lexer::new(text);
        lexer.set("SET", "{{env A}}b");
        let mut all = Vec::new();
        while let Some(token) = lexer.token()? {
            all.push(match token {
                Token::Word(word) => word.text,
                Token::Operator(operator) => format!("[{}]", operator.escape_debug()),
            });
        }
        Ok(all)
    }

    #[test]
    fn words_are_cut_as_a_shell_cuts_them() {
        let cases: [(&str, &[&str]); 19] = [
            ("curl  a\tb", &["curl", "a", "b"]),
            ("curl \\\n  -X 'P O'\"S\\\"T\"", &["curl", "-X", "P OS\"T"]),
            ("a '' \"\"", &["a", "", ""]),
            ("a '\\n' \"\\n\" \\n", &["a", "\\n", "\\n", "n"]),
            (r"$'a\n\t\'\\\x41\101\u00e9\q'", &["a\n\t'\\AAé\\q"]),
            (r"$'\ud83d\ude00 \ud83d'", &["😀 \u{fffd}"]),
            (r"$'\xc3\xa9'", &["é"]),
            (r"$'\u{1} \U \xg \x{c3}\x{a9} \cA\c? a\u0000b'c", &["\\u{1} \\U \\xg é \x01\x7f ac"]),
            ("a # b\nc", &["a", "[\\n]", "c"]),
            ("a#b", &["a#b"]),
            ("a|jq .||b;c", &["a", "[|]", "jq", ".", "[||]", "b", "[;]", "c"]),
            ("a http://b/?x=1&y=2", &["a", "http://b/?x=1", "[&]", "y=2"]),
            ("a 2>&1 <<-E <<<'x y'<f", {
                &["a", "2", "[>&]", "1", "[<<-]", "E", "[<<<]", "x y", "[<]", "f"]
            }),
            ("a $B \"c ${D}e\" '$F' $", &["a", "{{env B}}", "c {{env D}}e", "$F", "$"]),
            ("a '{{b}}' \"{$C}\"", &["a", "{{{{b}}", "{ {{env C}}}"]),
            ("x$SET", &["x{{env A}}b"]),
            ("a \\  \n b", &["a", "b"]),
            ("a \\ b", &["a", " b"]),
            ("\n a\n", &["[\\n]", "a", "[\\n]"]),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).unwrap(), expected, "{text}");
        }
        for (text, why) in [
            ("a 'b", "a ' that is not closed"),
            ("a \"b", "a \" that is not closed"),
            ("a $'b\\", "not closed"),
            ("a $(b)", "run it"),
            ("a \"`b`\"", "PowerShell"),
            ("curl `\n a", "PowerShell"),
            ("a ${b:-c}", "write its value"),
            ("a $'\\xff'", "--data-binary @FILE"),
            ("curl ^\"http://a/^\"", "cmd.exe"),
            ("curl ‘http://a/’", "‘ is a typographic quote"),
            ("curl –data x", "– is a typographic dash"),
            ("curl\u{a0}x", "no-break space"),
            ("(curl a)", "( … )"),
        ] {
            assert!(read(text).unwrap_err().to_string().contains(why), "{text}");
        }
    }

    #[test]
    fn heredocs_are_read_up_to_their_end() {
        let read =
            |text: &str, is_plain, has_tabs| Lexer::new(text).heredoc("E", is_plain, has_tabs);
        assert_eq!(read("a $B\n\\$c \\x\nE\nd", false, false).unwrap(), "a {{env B}}\n$c \\x\n");
        assert_eq!(read("a $B {{\nE", true, false).unwrap(), "a $B {{{{\n");
        assert_eq!(read("\ta\n\tE\n", true, true).unwrap(), "a\n");
        assert!(read("a\n E\n", true, false).unwrap_err().to_string().contains("no end"));
    }
}
