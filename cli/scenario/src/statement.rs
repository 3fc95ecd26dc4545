//! Statements of SQL as they are typed: separated by `;`, with values that become parameters.
//!
//! Quotes and comments are those of PostgreSQL. What a statement does is not known here.

use uringbench_core::postgres::statement::{Draw, SqlPart};

use crate::command::of_url;
use crate::template::{TokenKind, tokens};

/// Statements, and the values that they use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statements {
    /// Drawn once for all statements.
    pub draws: Vec<Draw>,
    /// Without those that are empty.
    pub statements: Vec<Vec<SqlPart>>,
}

/// The statements of a text. A value may have a name of `named`: then all its uses are one value.
///
/// # Errors
/// If a quote is not closed, or a value cannot be read or stands where no parameter can.
pub fn statements(typed: &str, named: &[(&str, String)]) -> Result<Statements, String> {
    let mut scanner = Scanner {
        rest: typed,
        named,
        drawn: Vec::new(),
        found: Statements::default(),
        current: Vec::new(),
        sql: String::new(),
        has_sql: false,
    };
    while !scanner.rest.is_empty() {
        scanner.step()?;
    }
    scanner.end_statement();
    Ok(scanner.found)
}

/// Reads a text from its front.
struct Scanner<'a> {
    rest: &'a str,
    named: &'a [(&'a str, String)],
    /// The named values that were used, with their index.
    drawn: Vec<(&'a str, usize)>,
    found: Statements,
    /// The statement under way.
    current: Vec<SqlPart>,
    /// Its text behind its last value.
    sql: String,
    /// Whether it is more than blanks and comments.
    has_sql: bool,
}

impl<'a> Scanner<'a> {
    fn step(&mut self) -> Result<(), String> {
        let rest = self.rest;
        if rest.starts_with("--") {
            let end = rest.find('\n').unwrap_or(rest.len());
            let comment = self.take(end);
            self.sql.push_str(comment);
        } else if rest.starts_with("/*") {
            let comment = self.take(comment_end(rest)?);
            self.sql.push_str(comment);
        } else if rest.starts_with('\'') {
            self.text()?;
        } else if rest.starts_with('"') {
            let end = quote_end(rest, '"', false).ok_or("a \" is not closed")?;
            self.constant(end, "a name in quotes")?;
        } else if rest.starts_with('$') && !self.follows_name() {
            self.dollar()?;
        } else if rest.starts_with("{{{{") {
            self.take(4);
            self.push("{{");
        } else if rest.starts_with("{{") {
            self.value()?;
        } else if rest.starts_with(';') {
            self.take(1);
            self.end_statement();
        } else {
            let first = rest.chars().next().map_or(1, char::len_utf8);
            let letter = self.take(first);
            if letter.trim().is_empty() { self.sql.push_str(letter) } else { self.push(letter) }
        }
        Ok(())
    }

    /// The next bytes, which have been read.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
        self.has_sql = true;
    }

    /// Text of this length without values in it.
    fn constant(&mut self, length: usize, place: &str) -> Result<(), String> {
        let text = self.take(length);
        if tokens(text).any(|token| matches!(token.kind, TokenKind::Value)) {
            return Err(format!("a value is a parameter, which cannot stand within {place}"));
        }
        self.push(&text.replace("{{{{", "{{"));
        Ok(())
    }

    /// A text in quotes: with values in it, all of it is one parameter.
    fn text(&mut self) -> Result<(), String> {
        let is_escaped = self.sql.ends_with(['e', 'E']);
        let end = quote_end(self.rest, '\'', is_escaped).ok_or("a ' is not closed")?;
        let inner = &self.rest[1..end - 1];
        if !tokens(inner).any(|token| matches!(token.kind, TokenKind::Value)) {
            return self.constant(end, "a text");
        }
        if self.follows_name() {
            return Err(
                "a text with a value is a parameter: leave out what stands directly before \
                        its quote"
                    .to_owned(),
            );
        }
        self.take(end);
        let text = of_url(&inner.replace("''", "'"))?;
        self.draw(Draw { text, is_quoted: true });
        Ok(())
    }

    /// A text in `$$`, or the number of a parameter.
    fn dollar(&mut self) -> Result<(), String> {
        let is_inner = |letter: char| letter.is_alphanumeric() || letter == '_';
        let inner = self.rest[1..].trim_start_matches(is_inner);
        let tag = &self.rest[..self.rest.len() - inner.len()];
        if tag[1..].starts_with(|letter: char| letter.is_ascii_digit()) {
            return Err(format!("`{tag}` is a parameter without a value: write {{{{…}}}} instead"));
        }
        let Some(behind) = inner.strip_prefix('$') else {
            self.take(1);
            self.push("$");
            return Ok(());
        };
        let quote = &self.rest[..=tag.len()];
        let at = behind.find(quote).ok_or_else(|| format!("a {quote} is not closed"))?;
        self.constant(quote.len() + at + quote.len(), "a text in $$")
    }

    /// Whether the text before is a name or a number, of which a value would be a part.
    fn follows_name(&self) -> bool {
        self.sql.ends_with(|letter: char| {
            letter.is_alphanumeric() || matches!(letter, '_' | '$' | '"' | '\'')
        })
    }

    fn value(&mut self) -> Result<(), String> {
        let end = self.rest.find("}}").ok_or("`{{` is not closed: write {{int 1 9}}")? + 2;
        let value = &self.rest[..end];
        let begins_name = self.rest[end..].starts_with(|letter: char| {
            letter.is_alphanumeric() || matches!(letter, '_' | '$' | '"' | '\'')
        });
        if self.follows_name() || begins_name || self.rest[end..].starts_with("{{") {
            return Err(format!(
                "{value} is a parameter, which cannot be a part of a name, a number or another \
                 value: separate it, or put a text with it in quotes"
            ));
        }
        self.take(end);
        let name = value[2..end - 2].trim();
        let Some((name, text)) = self.named.iter().find(|(known, _)| *known == name) else {
            let text = of_url(value)?;
            self.draw(Draw { text, is_quoted: false });
            return Ok(());
        };
        if let Some((_, index)) = self.drawn.iter().find(|(known, _)| known == name) {
            let index = *index;
            self.refer(index);
            return Ok(());
        }
        let text = of_url(text)?;
        self.drawn.push((name, self.found.draws.len()));
        self.draw(Draw { text, is_quoted: false });
        Ok(())
    }

    /// Use a new value.
    fn draw(&mut self, draw: Draw) {
        self.refer(self.found.draws.len());
        self.found.draws.push(draw);
    }

    fn refer(&mut self, index: usize) {
        self.flush();
        self.has_sql = true;
        self.current.push(SqlPart::Draw(index));
    }

    fn flush(&mut self) {
        if !self.sql.is_empty() {
            self.current.push(SqlPart::Sql(std::mem::take(&mut self.sql)));
        }
    }

    fn end_statement(&mut self) {
        self.flush();
        let statement = std::mem::take(&mut self.current);
        if std::mem::take(&mut self.has_sql) {
            self.found.statements.push(trimmed(statement));
        }
    }
}

/// A statement without blanks around it.
fn trimmed(mut statement: Vec<SqlPart>) -> Vec<SqlPart> {
    if let Some(SqlPart::Sql(first)) = statement.first_mut() {
        *first = first.trim_start().to_owned();
    }
    if let Some(SqlPart::Sql(last)) = statement.last_mut() {
        last.truncate(last.trim_end().len());
    }
    statement
}

/// The length of a text in quotes; a doubled quote does not end it, nor one behind a backslash
/// where that has a meaning. `None` if it is not closed.
fn quote_end(text: &str, quote: char, has_escapes: bool) -> Option<usize> {
    let mut at = 1;
    loop {
        let rest = &text[at..];
        let first = rest.chars().next()?;
        at += if has_escapes && first == '\\' {
            1 + rest[1..].chars().next()?.len_utf8()
        } else if rest.starts_with("{{") && !rest.starts_with("{{{{") {
            rest.find("}}").map_or(2, |end| end + 2)
        } else if first == quote && rest[1..].starts_with(quote) {
            2
        } else if first == quote {
            return Some(at + 1);
        } else {
            first.len_utf8()
        };
    }
}

/// The length of a comment, which may have others in it.
fn comment_end(text: &str) -> Result<usize, String> {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        let rest = &text[at..];
        let next = rest.find(['*', '/']).ok_or("a /* is not closed")?;
        let (change, length) = match &rest.as_bytes()[next..] {
            [b'*', b'/', ..] => (-1, 2),
            [b'/', b'*', ..] => (1, 2),
            _ => (0, 1),
        };
        depth += change;
        at += next + length;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use uringbench_core::postgres::statement::{
        DrawnValues, QueryMode, Transaction, TransactionParts,
    };
    use uringbench_core::statistics::random::Random;

    use super::*;

    /// The statements with `$` and the index of each value.
    fn shown(typed: &str) -> Result<Vec<String>, String> {
        let named = [("aid", "{{int 1 9}}".to_owned()), ("bid", "{{int 1 1}}".to_owned())];
        let found = statements(typed, &named)?;
        let part = |part: &SqlPart| match part {
            SqlPart::Sql(sql) => sql.clone(),
            SqlPart::Draw(index) => {
                let quote = if found.draws[*index].is_quoted { "'" } else { "" };
                format!("{quote}${index}{quote}")
            }
        };
        Ok(found.statements.iter().map(|parts| parts.iter().map(part).collect()).collect())
    }

    #[test]
    fn values_become_parameters_where_one_can_stand() {
        for (typed, expected) in [
            ("SELECT 1", &["SELECT 1"][..]),
            ("SELECT {{int 1 9}};", &["SELECT $0"]),
            ("SELECT a+{{seq}}-{{seq}}", &["SELECT a+$0-$1"]),
            (
                "BEGIN; SELECT {{aid}}, {{bid}}, {{aid}} ;\nEND",
                &["BEGIN", "SELECT $0, $1, $0", "END"],
            ),
            ("SELECT ';' , 'it''s', \"a;\"\"b\"", &["SELECT ';' , 'it''s', \"a;\"\"b\""]),
            ("SELECT 'user:{{int 1 9}} it''s'", &["SELECT '$0'"]),
            (r"SELECT E'a\';b', 'c\'", &[r"SELECT E'a\';b', 'c\'"]),
            (
                "SELECT $$ ; ' $$ || $f$ $$ ; $f$; SELECT 2",
                &["SELECT $$ ; ' $$ || $f$ $$ ; $f$", "SELECT 2"],
            ),
            ("SELECT 1 -- a;b\n, 2 /* ; /* ' */ */", &["SELECT 1 -- a;b\n, 2 /* ; /* ' */ */"]),
            (" ; -- nothing\n ; /* else */", &[]),
            ("SELECT '{{{{a}}', {{{{", &["SELECT '{{a}}', {{"]),
            ("SELECT a$b, x$1", &["SELECT a$b, x$1"]),
            ("SELECT {{int 1 9}}::int", &["SELECT $0::int"]),
            ("SELECT 'é', {{uuid}} AS ü", &["SELECT 'é', $0 AS ü"]),
        ] {
            assert_eq!(
                shown(typed).as_deref(),
                Ok(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()[..]),
                "{typed}"
            );
        }
    }

    #[test]
    fn what_cannot_be_a_parameter_is_named() {
        for (typed, part) in [
            ("SELECT 'a", "' is not closed"),
            ("SELECT \"a", "\" is not closed"),
            ("SELECT $$a", "$$ is not closed"),
            ("SELECT /* /* */", "/* is not closed"),
            ("SELECT {{int 1 9", "`{{` is not closed"),
            ("SELECT * FROM t_{{int 1 9}}", "part of a name"),
            ("SELECT {{int 1 9}}0", "part of a name"),
            ("SELECT {{seq}}{{seq}}", "another value"),
            ("SELECT \"t{{int 1 9}}\"", "name in quotes"),
            ("SELECT $$ {{seq}} $$", "text in $$"),
            ("SELECT E'{{seq}}'", "before its quote"),
            ("SELECT $1", "without a value"),
            ("SELECT {{env HOME}}", "{{env}}"),
            ("SELECT {{user}}", "{{user}}"),
            ("SELECT {{nope}}", "nope"),
            ("SELECT {{int 1}}", "two numbers"),
        ] {
            let why = shown(typed).expect_err(typed);
            assert!(why.contains(part), "{typed}: {why}");
        }
    }

    #[test]
    fn simple_statements_have_their_values_in_the_text() {
        let typed = "SELECT {{int -5 -5}}, 'it''s {{choice a'b}}', {{choice x}}";
        let Statements { draws, statements } = statements(typed, &[]).expect(typed);
        let mode = QueryMode::Simple;
        let parts = TransactionParts { mode, describes: false, draws, statements };
        let transaction = Transaction::new(parts).expect("a transaction");
        let mut out = Vec::new();
        let mut random = Random::new(1);
        transaction.render((0, 0), &mut random, &mut DrawnValues::default(), &mut out);
        let text = String::from_utf8_lossy(&out[5..]).into_owned();
        assert_eq!(text, "SELECT (-5), 'it''s a''b', 'x'\0");
    }
}
