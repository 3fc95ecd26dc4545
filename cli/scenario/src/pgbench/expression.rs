//! The expressions of pgbench's `\set`, as far as they need no result and no other drawn value.

/// What an expression computes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Computed {
    /// Always this.
    Number(i64),
    /// A value that differs, as a template.
    Drawn(String),
}

impl Computed {
    /// The name with the template, if it differs.
    pub(super) fn drawn(self, name: String) -> Option<(String, String)> {
        match self {
            Self::Number(_) => None,
            Self::Drawn(template) => Some((name, template)),
        }
    }
}

/// Evaluates an expression with these variables.
pub(super) fn evaluate(text: &str, known: &[(String, Computed)]) -> Result<Computed, String> {
    let mut reader = Reader { rest: text.trim(), known };
    let value = reader.sum()?;
    if reader.rest.is_empty() { Ok(value) } else { Err(unexpected(reader.rest)) }
}

fn unexpected(rest: &str) -> String {
    format!(
        "`{rest}` is not supported: write whole numbers, + - * / %, variables and random(FROM, TO)"
    )
}

/// Reads an expression from its front; blanks behind each part are skipped.
struct Reader<'a> {
    rest: &'a str,
    known: &'a [(String, Computed)],
}

impl<'a> Reader<'a> {
    fn sum(&mut self) -> Result<Computed, String> {
        let mut left = self.product()?;
        while let Some(operator) = self.one_of(&['+', '-']) {
            left = combined(left, operator, self.product()?)?;
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Computed, String> {
        let mut left = self.factor()?;
        while let Some(operator) = self.one_of(&['*', '/', '%']) {
            left = combined(left, operator, self.factor()?)?;
        }
        Ok(left)
    }

    fn factor(&mut self) -> Result<Computed, String> {
        if self.one_of(&['-']).is_some() {
            return combined(Computed::Number(0), '-', self.factor()?);
        }
        if self.one_of(&['(']).is_some() {
            let inner = self.sum()?;
            return self.close().map(|()| inner);
        }
        if self.one_of(&[':']).is_some() {
            let name = self.word();
            let found = self.known.iter().find(|(known, _)| known == name);
            return found
                .map(|(_, value)| value.clone())
                .ok_or_else(|| format!(":{name} is not set: write \\set {name} … before it"));
        }
        let word = self.word();
        if word.is_empty() {
            return Err(match self.rest {
                "" => "the expression ends early".to_owned(),
                rest => unexpected(rest),
            });
        }
        if word.starts_with(|letter: char| letter.is_ascii_digit()) {
            return word.parse().map(Computed::Number).map_err(|_| unexpected(word));
        }
        self.function(word)
    }

    /// `random(FROM, TO)`, and the others with a parameter.
    fn function(&mut self, name: &str) -> Result<Computed, String> {
        let (template, has_parameter) = match name {
            "random" => ("int", false),
            "random_zipfian" => ("zipf", true),
            "random_gaussian" => ("gaussian", true),
            "random_exponential" => ("exponential", true),
            _ => return Err(unexpected(name)),
        };
        if self.one_of(&['(']).is_none() {
            return Err(format!("{name} needs its range: write {name}(1, 10)"));
        }
        let from = self.number()?;
        self.comma(name)?;
        let to = self.number()?;
        let parameter = if has_parameter {
            self.comma(name)?;
            format!(" {}", self.decimal()?)
        } else {
            String::new()
        };
        self.close()?;
        if from > to {
            return Err(format!("{name} ends before it begins: write {name}({to}, {from})"));
        }
        Ok(Computed::Drawn(format!("{{{{{template} {from} {to}{parameter}}}}}")))
    }

    /// An argument that must be known now.
    fn number(&mut self) -> Result<i64, String> {
        match self.sum()? {
            Computed::Number(number) => Ok(number),
            Computed::Drawn(_) => Err(DRAWN.to_owned()),
        }
    }

    /// A parameter of a distribution.
    fn decimal(&mut self) -> Result<&'a str, String> {
        let end = self.rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        if text.parse::<f64>().is_err() {
            return Err(unexpected(self.rest));
        }
        self.rest = rest.trim_start();
        Ok(text)
    }

    fn comma(&mut self, name: &str) -> Result<(), String> {
        let found = self.one_of(&[',']).map(|_| ());
        found.ok_or_else(|| format!("{name} has too few arguments"))
    }

    fn close(&mut self) -> Result<(), String> {
        self.one_of(&[')']).map(|_| ()).ok_or_else(|| "a `)` is missing".to_owned())
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|letter| !super::is_of_name(letter));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.trim_start();
        word
    }

    fn one_of(&mut self, signs: &[char]) -> Option<char> {
        let first = self.rest.chars().next().filter(|first| signs.contains(first))?;
        self.rest = self.rest[first.len_utf8()..].trim_start();
        Some(first)
    }
}

const DRAWN: &str = "it computes with a value that is drawn for each transaction, which is not \
                     supported: compute it in the SQL";

fn combined(left: Computed, operator: char, right: Computed) -> Result<Computed, String> {
    let (Computed::Number(left), Computed::Number(right)) = (left, right) else {
        return Err(DRAWN.to_owned());
    };
    if right == 0 && matches!(operator, '/' | '%') {
        return Err("it divides by 0".to_owned());
    }
    let result = match operator {
        '+' => left.checked_add(right),
        '-' => left.checked_sub(right),
        '*' => left.checked_mul(right),
        '/' => left.checked_div(right),
        _ => left.checked_rem(right),
    };
    let number = result.ok_or_else(|| "the result is out of its range of 64 bits".to_owned())?;
    Ok(Computed::Number(number))
}
