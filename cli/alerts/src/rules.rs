//! A file of rules.
//!
//! ```yaml
//! rules:
//!   - name: slow
//!     condition: response_time_p95 > 500ms for 5m
//!     severity: warning
//!     message: the shop is slow
//!     hook: [notify, --urgent]
//! ```

use uringbench_core::time::Nanos;

use crate::condition::AlertCondition;
use crate::tree::{Content, Mistake, Node, read};

/// How serious an alert is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlertSeverity {
    /// To know.
    Info,
    /// To look at.
    #[default]
    Warning,
    /// To act on.
    Critical,
}

impl AlertSeverity {
    const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// Its name in files.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRule {
    /// Its name, of its own in the file.
    pub name: String,
    /// When it fires.
    pub condition: AlertCondition,
    /// How serious that is.
    pub severity: AlertSeverity,
    /// A text for people; empty without one.
    pub message: String,
    /// A program with its arguments; empty without one.
    pub hook: Vec<String>,
}

/// The rules of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertRules {
    /// In the order of the file.
    pub rules: Vec<AlertRule>,
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {cause}")]
pub struct AlertFileError {
    /// The line, from 1.
    pub line: usize,
    /// The mistake and the fix.
    pub cause: String,
}

impl AlertRules {
    /// The rules in a text.
    ///
    /// # Errors
    /// The first mistake, with its line.
    pub fn read(text: &str) -> Result<Self, AlertFileError> {
        rules(text).map_err(|(line, cause)| AlertFileError { line, cause })
    }

    /// The longest time that any rule waits.
    pub fn longest_hold(&self) -> Nanos {
        self.rules.iter().map(|rule| rule.condition.hold).max().unwrap_or(Nanos(0))
    }
}

fn rules(text: &str) -> Result<AlertRules, Mistake> {
    let none = || (1, "there are no rules: write `rules:` and a list below it".to_owned());
    let root = read(text)?.ok_or_else(none)?;
    let mut list = None;
    for (key, value) in map(&root, "the file")? {
        match text_of(key, "a key")? {
            "rules" if list.is_some() => {
                return Err((key.line, "`rules` is there twice: join the lists".to_owned()));
            }
            "rules" => list = Some(value),
            other => {
                return Err((key.line, format!("unknown key `{other}`: the only one is rules")));
            }
        }
    }
    let Content::List(nodes) = &list.ok_or_else(none)?.content else {
        return Err((
            root.line,
            "`rules` must be a list: begin each rule with `- name:`".to_owned(),
        ));
    };
    let mut all: Vec<AlertRule> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let rule = rule(node)?;
        if all.iter().any(|other| other.name == rule.name) {
            return Err((node.line, format!("the name `{}` is taken: choose another", rule.name)));
        }
        all.push(rule);
    }
    if all.is_empty() { Err(none()) } else { Ok(AlertRules { rules: all }) }
}

fn rule(node: &Node) -> Result<AlertRule, Mistake> {
    let (mut name, mut condition) = (None, None);
    let (mut severity, mut message, mut hook) =
        (AlertSeverity::default(), String::new(), Vec::new());
    let mut seen = Vec::new();
    for (key, value) in map(node, "a rule")? {
        let word = text_of(key, "a key")?;
        if seen.contains(&word) {
            return Err((key.line, format!("`{word}` is there twice")));
        }
        seen.push(word);
        match word {
            "name" => name = Some(text_of(value, "`name`")?.to_owned()),
            "condition" => {
                let read = text_of(value, "`condition`")?.parse::<AlertCondition>();
                condition = Some(read.map_err(|why| (value.line, why.to_string()))?);
            }
            "severity" => severity = severity_of(value)?,
            "message" => text_of(value, "`message`")?.clone_into(&mut message),
            "hook" => hook = words(value)?,
            other => {
                let keys = "name, condition, severity, message and hook";
                return Err((key.line, format!("unknown key `{other}`: a rule has {keys}")));
            }
        }
    }
    let missing = |key: &str| (node.line, format!("a rule needs `{key}`"));
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| missing("name"))?;
    let condition = condition.ok_or_else(|| missing("condition"))?;
    Ok(AlertRule { name, condition, severity, message, hook })
}

fn severity_of(node: &Node) -> Result<AlertSeverity, Mistake> {
    let word = text_of(node, "`severity`")?;
    let known = AlertSeverity::ALL.into_iter().find(|severity| severity.word() == word);
    let wrong = || (node.line, format!("`{word}` is no severity: use info, warning or critical"));
    known.ok_or_else(wrong)
}

fn words(node: &Node) -> Result<Vec<String>, Mistake> {
    let Content::List(nodes) = &node.content else {
        let why = "`hook` is a list of a program and its arguments, such as [notify, --urgent]; no \
                   shell reads it";
        return Err((node.line, why.to_owned()));
    };
    let words: Vec<_> = nodes
        .iter()
        // As it is written: blanks may matter to the program.
        .map(|node| match &node.content {
            Content::Text(text) => Ok(text.clone()),
            _ => Err((node.line, "a word must be a text".to_owned())),
        })
        .collect::<Result<_, _>>()?;
    if words.first().is_none_or(String::is_empty) {
        return Err((node.line, "`hook` names no program".to_owned()));
    }
    Ok(words)
}

fn map<'a>(node: &'a Node, what: &str) -> Result<&'a [(Node, Node)], Mistake> {
    match &node.content {
        Content::Map(pairs) => Ok(pairs),
        _ => Err((node.line, format!("{what} consists of keys and values"))),
    }
}

fn text_of<'a>(node: &'a Node, what: &str) -> Result<&'a str, Mistake> {
    match &node.content {
        Content::Text(text) => Ok(text.trim()),
        _ => Err((node.line, format!("{what} must be a text"))),
    }
}
