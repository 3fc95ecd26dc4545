//! `uringbench completions SHELL`: the completion script, on stdout.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Arguments;
use crate::console;
use crate::exit::{Exit, Failure};

/// Print the script for `shell`.
pub(crate) fn execute(shell: Shell) -> Result<Exit, Failure> {
    console::print(&script(shell)).map(|()| Exit::Success)
}

/// Built in memory first: the generator panics if it cannot write.
fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "uringbench", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_shell_is_told_the_options() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            assert!(script.contains("arrivals") && script.contains("doctor"), "{shell}");
        }
    }
}
