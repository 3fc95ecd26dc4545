//! `uringbench man [COMMAND]`: a man page of the program or of one command, on stdout.

use clap::{Command, CommandFactory};
use clap_mangen::Man;

use crate::args::Arguments;
use crate::console;
use crate::exit::{Exit, Failure};

/// Print the page of the command at `path`; of the program if it is empty.
pub(crate) fn execute(path: &[String]) -> Result<Exit, Failure> {
    let page = page(path)?;
    console::print(&page).map(|()| Exit::Success)
}

fn page(path: &[String]) -> Result<String, Failure> {
    let mut program = Arguments::command();
    program.build();
    let mut command: &Command = &program;
    for name in path {
        command = command.find_subcommand(name).ok_or_else(|| unknown(name, command))?;
    }
    let mut roff = Vec::new();
    // In memory: writing cannot fail.
    let man = Man::new(command.clone()).source(concat!("uringbench ", env!("CARGO_PKG_VERSION")));
    let written = man.render(&mut roff);
    written.expect("a vector takes any bytes");
    let roff = String::from_utf8_lossy(&roff);
    Ok(roff.replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n"))
}

fn unknown(name: &str, command: &Command) -> Failure {
    let known: Vec<_> = command.get_subcommands().map(Command::get_name).collect();
    let valid = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let of = command.get_bin_name().unwrap_or_default();
    Failure::Usage(format!("`{of}` has no command `{name}` (valid: {valid})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_of(path: &[&str]) -> Result<String, Failure> {
        page(&path.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_page_has_every_section_and_names_the_commands() {
        let page = page_of(&[]).unwrap();
        for part in [".TH uringbench 1", ".SH SYNOPSIS", "\\-\\-rate", "uringbench\\-soak(1)"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(page.contains(".SH EXAMPLES") && !page.contains(".SH EXTRA"), "{page}");
    }

    #[test]
    fn a_command_has_a_page_of_its_own() {
        let page = page_of(&["import", "har"]).unwrap();
        assert!(page.contains(".TH uringbench-import-har 1"), "{page}");
        assert!(page.contains("\\-\\-origin") && page.contains("\\-\\-out"), "{page}");
    }

    #[test]
    fn an_unknown_command_is_refused_with_those_there_are() {
        let failure = page_of(&["import", "postman"]).unwrap_err().to_string();
        assert!(failure.contains("postman") && failure.contains("har"), "{failure}");
        let failure = page_of(&["doctor", "x"]).unwrap_err().to_string();
        assert!(failure.contains("(valid: none)"), "{failure}");
    }
}
