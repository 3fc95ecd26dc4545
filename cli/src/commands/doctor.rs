//! `uringbench doctor`: what this machine offers, each shortcoming with its fix.
//!
//! `assess` checks the machine, `sampling` what a profile may record on it, this shows. It fails
//! only where no load could run at all.

mod assess;
mod sampling;

use std::fmt::Write;
use std::io::{self, IsTerminal};

use anyhow::anyhow;

use crate::console;
use crate::exit::{Exit, Failure};
use assess::{Facts, Grade, Row};

/// Print the table. Without io_uring, exit as a load would: it could not run.
pub(crate) fn execute() -> Result<Exit, Failure> {
    let facts = Facts::read();
    let rows = assess::assess(&facts);
    let coloured = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    console::print(&render(&rows, if coloured { Style::Coloured } else { Style::Plain }))?;
    match facts.ring {
        Ok(_) => Ok(Exit::Success),
        Err(why) => Err(anyhow!(why).into()),
    }
}

/// How the table looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    Plain,
    Coloured,
}

fn render(rows: &[Row], style: Style) -> String {
    let width = rows.iter().map(|row| row.subject.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let (word, colour) = match row.grade {
            Grade::Ok => ("ok  ", "32"),
            Grade::Note => ("note", "33"),
            Grade::Bad => ("bad ", "31"),
        };
        let word = match style {
            Style::Plain => word.to_owned(),
            Style::Coloured => format!("\u{1b}[{colour}m{word}\u{1b}[0m"),
        };
        line(&mut text, format_args!("{word}  {:width$}  {}", row.subject, row.value));
        if let Some(fix) = &row.fix {
            line(&mut text, format_args!("      {:width$}  -> {fix}", ""));
        }
    }
    let count = |grade| rows.iter().filter(|row| row.grade == grade).count();
    line(&mut text, format_args!("\n{}", conclusion(count(Grade::Bad), count(Grade::Note))));
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a String takes all that is written");
}

fn conclusion(bad: usize, notes: usize) -> String {
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    match (bad, notes) {
        (0, 0) => "Ready.".to_owned(),
        (0, n) => format!("Ready; {n} note{} above may matter to your comparison.", plural(n)),
        (n, _) => format!("{n} obstacle{} above to be fixed first.", plural(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned_and_remedies_stand_under_their_values() {
        let row = |grade, subject, value: &str, fix: Option<&str>| Row {
            grade,
            subject,
            value: value.to_owned(),
            fix: fix.map(str::to_owned),
        };
        let rows = [
            row(Grade::Ok, "kernel", "6.18", None),
            row(Grade::Note, "clock source", "hpet", Some("use tsc")),
            row(Grade::Bad, "io_uring", "forbidden", None),
        ];
        let expected = "\
ok    kernel        6.18
note  clock source  hpet
                    -> use tsc
bad   io_uring      forbidden

1 obstacle above to be fixed first.
";
        assert_eq!(render(&rows, Style::Plain), expected);
        assert!(render(&rows, Style::Coloured).contains("\u{1b}[31mbad \u{1b}[0m"));
        assert!(render(&rows[..1], Style::Plain).ends_with("\nReady.\n"));
        assert!(render(&rows[..2], Style::Plain).contains("1 note above"));
    }
}
