//! Splits pasted text into commands as a shell does: one line, several, or a script.
//!
//! It decides which words form a command and what its stdin is. It runs nothing, and reports
//! commands that would have to run.

use crate::ImportError;

use super::words::{Lexer, Token, Word};

/// A command with its words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// In the scenario's syntax.
    pub(super) words: Vec<String>,
    /// The text of the command.
    pub(super) source: String,
    pub(super) stdin: Stdin,
    pub(super) joint: Joint,
}

/// The stdin of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Stdin {
    /// The shell's stdin.
    #[default]
    Unknown,
    /// This text, in the scenario's syntax.
    Text(String),
    /// A file.
    File(String),
    /// The output of this command.
    Pipe(String),
}

/// How a command is joined to the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Joint {
    #[default]
    Next,
    /// `||`
    Or,
    /// `|`
    Pipe,
    /// `&`; glued if no blank is next to it.
    Background { is_glued: bool },
}

/// Commands, and notes on syntax that is read differently from a shell.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) commands: Vec<Command>,
    pub(super) notes: Vec<String>,
}

/// Keywords of loops and conditions.
const KEYWORDS: [&str; 16] = [
    "for", "while", "until", "if", "then", "elif", "else", "fi", "case", "select", "function",
    "do", "done", "{", "}", "!",
];

/// A heredoc whose lines follow later.
struct Heredoc {
    /// The index of the command that reads it.
    command: usize,
    end: Word,
    has_tabs: bool,
}

/// Splits a text into commands.
pub(super) fn script(text: &str) -> Result<Script, ImportError> {
    let mut reader = Reader {
        text,
        lexer: Lexer::new(text),
        command: Command::default(),
        begin: 0,
        heredocs: Vec::new(),
        script: Script::default(),
    };
    while let Some(token) = reader.lexer.token()? {
        match token {
            Token::Word(word) => reader.word(word)?,
            Token::Operator(operator) => reader.operator(operator)?,
        }
    }
    reader.end(Joint::Next);
    if let Some(heredoc) = reader.heredocs.first() {
        let end = crate::shown(&heredoc.end.text);
        return Err(ImportError::new(format!(
            "the heredoc has no end: copy it up to the line `{end}`"
        )));
    }
    reader.script.notes = reader.lexer.take_notes();
    Ok(reader.script)
}

struct Reader<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    command: Command,
    /// The start of the command in the text.
    begin: usize,
    /// The heredocs of the current line.
    heredocs: Vec<Heredoc>,
    script: Script,
}

impl Reader<'_> {
    fn at(&self) -> usize {
        self.text.len() - self.lexer.rest().len()
    }

    fn word(&mut self, word: Word) -> Result<(), ImportError> {
        let is_first = self.command.words.is_empty();
        if is_first && !word.is_quoted && KEYWORDS.contains(&word.text.as_str()) {
            return Err(ImportError::new(format!(
                "`{}` needs a shell to run it: write each command of curl by itself",
                word.text
            )));
        }
        self.command.words.push(word.text);
        Ok(())
    }

    fn operator(&mut self, operator: &'static str) -> Result<(), ImportError> {
        match operator {
            ";" | "&&" | "\n" => {
                self.end(Joint::Next);
                if operator == "\n" {
                    self.read_heredocs()?;
                }
                self.begin = self.at();
            }
            "||" => self.end_by(operator, Joint::Or),
            "|" | "|&" => self.end_by(operator, Joint::Pipe),
            "&" => {
                let (before, after) = self.text.split_at(self.at());
                let is_blank = |c: char| c.is_whitespace();
                let is_apart = before[..before.len() - 1].ends_with(is_blank)
                    || after.starts_with(is_blank)
                    || after.is_empty();
                self.end_by(operator, Joint::Background { is_glued: !is_apart });
            }
            "<<" | "<<-" => {
                let end = self.operand(operator)?;
                let command = self.script.commands.len();
                self.heredocs.push(Heredoc { command, end, has_tabs: operator == "<<-" });
            }
            "<<<" => self.command.stdin = Stdin::Text(self.operand(operator)?.text + "\n"),
            "<" => self.command.stdin = Stdin::File(self.operand(operator)?.text),
            "<(" | ">(" => {
                return Err(ImportError::new(format!(
                    "`{operator}…)` needs a shell to run it: write its output to a file, and \
                     name that"
                )));
            }
            // `<&`, and redirected output, which is ignored.
            _ => {
                self.drop_stream(operator);
                self.operand(operator)?;
            }
        }
        Ok(())
    }

    /// Removes the number of a stream directly before an operator, as in `2>`.
    fn drop_stream(&mut self, operator: &str) {
        let is_number =
            |text: &String| text.len() == 1 && text.starts_with(|c: char| c.is_ascii_digit());
        let before = &self.text[..self.at() - operator.len()];
        let is_glued = before.ends_with(|c: char| c.is_ascii_digit());
        if is_glued && self.command.words.last().is_some_and(is_number) {
            self.command.words.pop();
        }
    }

    /// The word after an operator.
    fn operand(&mut self, operator: &str) -> Result<Word, ImportError> {
        match self.lexer.token()? {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(ImportError::new(format!(
                "there is no word behind `{operator}`: copy the whole command"
            ))),
        }
    }

    fn end_by(&mut self, operator: &str, joint: Joint) {
        self.end(joint);
        self.begin = self.at() - operator.len();
    }

    /// Ends the command; `joint` leads to the next one.
    fn end(&mut self, joint: Joint) {
        let source = self.text[self.begin..self.at()].trim();
        let source = source.trim_end_matches([';', '&', '|']).trim_end().to_owned();
        let next = Command { joint, ..Command::default() };
        let mut command = Command { source, ..std::mem::replace(&mut self.command, next) };
        // A prompt that was copied with the command.
        let is_prompt = |word: &String| word == "$" || word == "%";
        let prompts = command.words.iter().take_while(|word| is_prompt(word)).count();
        command.words.drain(..prompts);
        if command.words.is_empty() {
            // A line end after `|` does not end the command.
            self.command.joint = if joint == Joint::Next { command.joint } else { joint };
            return;
        }
        // Without blanks around it, `&` belongs to an address, and so does the text after it.
        if command.joint != (Joint::Background { is_glued: true }) && self.sets(&mut command.words)
        {
            return;
        }
        if command.joint == Joint::Pipe && command.stdin == Stdin::Unknown {
            let before = self.script.commands.last().map(|before| before.source.clone());
            command.stdin = Stdin::Pipe(before.unwrap_or_default());
        }
        self.script.commands.push(command);
    }

    /// Whether a command only sets variables; assignments before a command are removed from its
    /// words.
    fn sets(&mut self, words: &mut Vec<String>) -> bool {
        let exported = usize::from(words.first().is_some_and(|word| word == "export"));
        let set: Vec<(String, String)> = words[exported..]
            .iter()
            .map_while(|word| assignment(word))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        if set.len() + exported == words.len() {
            set.iter().for_each(|(name, value)| self.lexer.set(name, value));
            return true;
        }
        if exported == 0 {
            words.drain(..set.len());
        }
        false
    }

    /// Reads the lines of heredocs, which follow the line that names them.
    fn read_heredocs(&mut self) -> Result<(), ImportError> {
        for Heredoc { command, end, has_tabs } in std::mem::take(&mut self.heredocs) {
            let text = self.lexer.heredoc(&end.text, end.is_quoted, has_tabs)?;
            if let Some(command) = self.script.commands.get_mut(command) {
                command.stdin = Stdin::Text(text);
            }
        }
        Ok(())
    }
}

/// `NAME=value`.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = !name.is_empty()
        && name.chars().all(is_letter)
        && !name.starts_with(|c: char| c.is_ascii_digit());
    is_name.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Command> {
        script(text).unwrap().commands
    }

    #[test]
    fn a_paste_is_cut_into_commands() {
        let words = |text: &str| -> Vec<String> {
            read(text).iter().map(|command| command.words.join(" ")).collect()
        };
        for (text, expected) in [
            ("curl a", &["curl a"] as &[&str]),
            ("# login\ncurl a ;\n\ncurl b \\\n -X c && curl d;", {
                &["curl a", "curl b -X c", "curl d"]
            }),
            ("$ curl a\n% curl b", &["curl a", "curl b"]),
            ("A=1 curl a > out 2>/dev/null 2>&1 &> x", &["curl a"]),
            ("curl a-2> x", &["curl a-2"]),
            ("T='x y'; export U=z\ncurl $T$U$V", &["curl x yz{{env V}}"]),
            ("curl a |\n jq . || curl b", &["curl a", "jq .", "curl b"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
        let joints = |text: &str| -> Vec<(String, Joint)> {
            let joint = |command: &Command| (command.source.clone(), command.joint);
            read(text).iter().map(joint).collect()
        };
        let glued = Joint::Background { is_glued: true };
        let apart = Joint::Background { is_glued: false };
        for (text, expected) in [
            ("curl a | jq . ", vec![("curl a", Joint::Next), ("| jq .", Joint::Pipe)]),
            ("curl a?x=1&y=2", vec![("curl a?x=1", Joint::Next), ("&y=2", glued)]),
            ("curl a & curl b", vec![("curl a", Joint::Next), ("& curl b", apart)]),
            ("curl a|| curl b", vec![("curl a", Joint::Next), ("|| curl b", Joint::Or)]),
        ] {
            let expected: Vec<_> = expected.iter().map(|(s, j)| ((*s).to_owned(), *j)).collect();
            assert_eq!(joints(text), expected, "{text}");
        }
    }

    #[test]
    fn stdin_comes_from_what_the_paste_says() {
        let stdin = |text: &str| read(text).pop().map(|command| command.stdin);
        let text = |text: &str| Some(Stdin::Text(text.to_owned()));
        assert_eq!(stdin("curl a -d @- <<EOF\n{\"a\": \"$B\"}\nEOF\n"), {
            text("{\"a\": \"{{env B}}\"}\n")
        });
        assert_eq!(stdin("curl a -d @- <<'E F'\n$B\nE F"), text("$B\n"));
        assert_eq!(stdin("curl a -d @- <<< \"x $B\""), text("x {{env B}}\n"));
        assert_eq!(stdin("curl a -d @- < b.json"), Some(Stdin::File("b.json".to_owned())));
        assert_eq!(stdin("echo 1 | curl a"), Some(Stdin::Pipe("echo 1".to_owned())));
        assert_eq!(stdin("curl a"), Some(Stdin::Unknown));
        // A heredoc belongs to the command that names it.
        let commands = read("curl a -d @- <<E | jq\nx\nE\ncurl b");
        assert_eq!(commands[0].stdin, Stdin::Text("x\n".to_owned()));
        assert_eq!(commands[2].words, ["curl", "b"]);
    }

    #[test]
    fn what_a_shell_would_have_to_run_is_named() {
        for (text, expected) in [
            ("for i in 1 2; do curl a; done", "`for` needs a shell"),
            ("curl -d @<(echo x) a", "`<(…)` needs a shell"),
            ("curl a <<E\nx", "no end: copy it up to the line `E`"),
            ("curl a <<E", "no end: copy it up to the line `E`"),
            ("curl a >", "no word behind `>`"),
        ] {
            let why = script(text).unwrap_err().to_string();
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
