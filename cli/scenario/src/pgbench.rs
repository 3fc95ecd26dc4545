//! Scripts of pgbench (its documentation, "Custom Scripts"): as statements with named values.
//!
//! A variable of the script is a value that is drawn once per transaction. Those that are computed
//! without a random number are constants, and `random(…)` of constants is a value; the rest of
//! pgbench's language depends on results or on other values, and is refused by name.

mod expression;

use self::expression::{Computed, evaluate};
use crate::command::of_url;

/// A script as statements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PgbenchScript {
    /// The statements, with `{{name}}` for each variable.
    pub text: String,
    /// The variables that differ, each with its value.
    pub named: Vec<(String, String)>,
}

/// Reads a script. `scale` is the variable of that name.
///
/// # Errors
/// The line, and what of it cannot be sent.
pub fn pgbench_script(text: &str, scale: u32) -> Result<PgbenchScript, String> {
    let mut known = vec![("scale".to_owned(), Computed::Number(scale.into()))];
    let mut script = PgbenchScript::default();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let begin = line.trim_start();
        let in_line = |why: String| format!("line {}: {why}", number + 1);
        if let Some(command) = begin.strip_prefix('\\') {
            let mut command = command.to_owned();
            // A backslash at its end continues a command on the next line.
            while let Some(part) = command.trim_end().strip_suffix('\\') {
                let next = lines.next().map_or("", |(_, next)| next);
                command = format!("{part} {next}");
            }
            set(&command, &mut known).map_err(in_line)?;
        } else {
            substitute(line, &known, &mut script.text).map_err(in_line)?;
            script.text.push('\n');
        }
    }
    script.named = known.into_iter().filter_map(|(name, value)| value.drawn(name)).collect();
    Ok(script)
}

/// `\set NAME EXPRESSION`.
fn set(command: &str, known: &mut Vec<(String, Computed)>) -> Result<(), String> {
    let mut words = command.split_whitespace();
    let name = words.next().unwrap_or_default();
    if name != "set" {
        return Err(refused(name));
    }
    let variable = words.next().unwrap_or_default();
    if variable.is_empty() || !variable.chars().all(is_of_name) {
        return Err(format!("`\\{}` sets nothing: write \\set NAME EXPRESSION", command.trim()));
    }
    let behind = command.trim_start().strip_prefix("set").unwrap_or_default().trim_start();
    let value = evaluate(behind.strip_prefix(variable).unwrap_or_default(), known)
        .map_err(|why| format!("\\set {variable}: {why}"))?;
    if known.iter().any(|(name, _)| name == variable) && variable != "scale" {
        return Err(format!("\\set {variable}: it is set twice; use another name"));
    }
    if let Computed::Drawn(template) = &value {
        of_url(template).map_err(|why| format!("\\set {variable}: {why}"))?;
    }
    known.retain(|(name, _)| name != variable);
    known.push((variable.to_owned(), value));
    Ok(())
}

/// Why a command is not carried out.
fn refused(name: &str) -> String {
    let why = match name {
        "startpipeline" | "endpipeline" | "syncpipeline" => {
            "the statements of a script are always sent together: leave it out"
        }
        "gset" | "aset" => "no statement can use a result of another one here",
        "sleep" => "give -R for pauses between transactions",
        "set" => "write it on a line of its own",
        _ => "of pgbench's commands only \\set is supported",
    };
    format!("\\{name} is not supported here: {why}")
}

/// Append a line of SQL with `{{name}}` for `:name`.
fn substitute(line: &str, known: &[(String, Computed)], out: &mut String) -> Result<(), String> {
    let mut rest = line;
    while let Some(at) = rest.find([':', '{', '-', '\\']) {
        let (before, behind) = rest.split_at(at);
        out.push_str(before);
        if behind.starts_with("--") {
            // A comment has no variables.
            out.push_str(behind);
            return Ok(());
        }
        if let Some(command) = behind.strip_prefix('\\') {
            let quotes = line[..line.len() - behind.len()].matches('\'').count();
            let end = command.find(|letter| !is_of_name(letter)).unwrap_or(command.len());
            // In a text it is an escape.
            if quotes.is_multiple_of(2) && end > 0 {
                return Err(refused(&command[..end]));
            }
        }
        if let Some(after) = behind.strip_prefix("{{") {
            out.push_str("{{{{");
            rest = after;
            continue;
        }
        // `::` is a cast.
        let colons = behind.len() - behind.trim_start_matches(':').len();
        let name = &behind[colons.min(1)..];
        let name = &name[..name.find(|letter| !is_of_name(letter)).unwrap_or(name.len())];
        if colons != 1 || name.is_empty() || name.starts_with(|it: char| it.is_ascii_digit()) {
            let length = colons.max(1);
            out.push_str(&behind[..length]);
            rest = &behind[length..];
            continue;
        }
        match known.iter().find(|(known, _)| known == name) {
            Some((_, Computed::Number(number))) => *out += &number.to_string(),
            Some(_) => *out += &format!("{{{{{name}}}}}"),
            None if ["client_id", "random_seed", "default_seed"].contains(&name) => {
                return Err(format!(":{name} is not supported: leave it out"));
            }
            None => return Err(format!(":{name} is not set: write \\set {name} … before it")),
        }
        rest = &behind[1 + name.len()..];
    }
    out.push_str(rest);
    Ok(())
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || !letter.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statements;

    fn read(text: &str) -> Result<PgbenchScript, String> {
        pgbench_script(text, 10)
    }

    /// pgbench's own script `tpcb-like` (its `pgbench.c`, `builtin_script`), and the examples of
    /// its documentation.
    #[test]
    fn scripts_of_the_documentation_are_read_unchanged() {
        let tpcb = "\\set aid random(1, 100000 * :scale)\n\\set bid random(1, 1 * :scale)\n\
                    \\set tid random(1, 10 * :scale)\n\\set delta random(-5000, 5000)\nBEGIN;\n\
                    UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;\n\
                    SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\nEND;\n";
        let script = read(tpcb).expect("pgbench's own");
        let value = |name: &str| {
            let named = script.named.iter().find(|(known, _)| known == name);
            named.map(|(_, value)| value.as_str())
        };
        assert_eq!(value("aid"), Some("{{int 1 1000000}}"));
        assert_eq!(value("delta"), Some("{{int -5000 5000}}"));
        let named: Vec<(&str, String)> =
            script.named.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let found = statements(&script.text, &named).expect("statements");
        assert_eq!((found.statements.len(), found.draws.len()), (4, 2));
        let skewed = read(
            "\\set x random_zipfian(1, 1000, 1.5)\n\\set y random_gaussian(1, 9, 2.5)\n\
                           \\set z random_exponential(1, 9, 5)\nSELECT :x, :y, :z;",
        );
        let named = skewed.expect("documented").named;
        let values: Vec<&str> = named.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            values,
            ["{{zipf 1 1000 1.5}}", "{{gaussian 1 9 2.5}}", "{{exponential 1 9 5}}"]
        );
    }

    #[test]
    fn variables_are_found_where_pgbench_finds_them() {
        for (script, sql) in [
            ("SELECT :scale;", "SELECT 10;\n"),
            ("\\set a 2 + 3 * :scale\nSELECT :a::int", "SELECT 32::int\n"),
            (
                "\\set a random(1, 9)\nSELECT :a::int, ':a', x[1:2]",
                "SELECT {{a}}::int, '{{a}}', x[1:2]\n",
            ),
            ("SELECT '{{x}}' -- :nobody", "SELECT '{{{{x}}' -- :nobody\n"),
            ("\\set a \\\n 5\nSELECT :a - 1", "SELECT 5 - 1\n"),
            ("SELECT 1\n;\n", "SELECT 1\n;\n"),
        ] {
            assert_eq!(read(script).map(|script| script.text).as_deref(), Ok(sql), "{script}");
        }
    }

    #[test]
    fn the_rest_of_the_language_is_refused_by_name_and_line() {
        for (script, parts) in [
            ("SELECT :b", ["line 1", ":b is not set"]),
            ("\n\\sleep 10 ms", ["line 2", "-R"]),
            ("\\if 1 = 1", ["line 1", "\\if is not supported here"]),
            ("SELECT 1 AS a \\gset", ["line 1", "\\gset"]),
            ("\\startpipeline", ["line 1", "always sent together"]),
            ("\\set a random(1, 9)\n\\set b :a * 2", ["line 2", "drawn"]),
            ("\\set a random(1, 9)\n\\set a 2", ["line 2", "set twice"]),
            ("\\set a hash(5)", ["line 1", "hash"]),
            ("\\set a 5 +", ["line 1", "ends early"]),
            ("\\set a (5", ["line 1", "`)`"]),
            ("\\set a 1 / 0", ["line 1", "by 0"]),
            ("\\set a 9223372036854775807 + 1", ["line 1", "range"]),
            ("\\set a 5 5", ["line 1", "`5`"]),
            ("\\set a 1.5", ["line 1", "`.5`"]),
            ("\\set a random(9, 1)", ["line 1", "random"]),
            ("\\set a random_gaussian(1, 9, 1.0)", ["line 1", "2"]),
            ("\\set", ["line 1", "\\set NAME"]),
            ("SELECT :client_id", ["line 1", ":client_id"]),
        ] {
            let why = read(script).expect_err(script);
            assert!(parts.iter().all(|part| why.contains(part)), "{script}: {why}");
        }
    }
}
