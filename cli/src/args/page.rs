//! docs/reference/options.md, made of clap's definitions: every command, option and value.
//!
//! The test compares the page with them; with `UPDATE_DOCS=1` it writes the page instead.

use std::path::Path;

use clap::{Arg, Command, CommandFactory};

use super::Arguments;

const PAGE: &str = "docs/reference/options.md";
const HEAD: &str = "\
# Options
Made of the program's own definitions; `UPDATE_DOCS=1 cargo test -p uringbench up_to_date` \
rewrites it.

Times are `30s`, `1m30s`, `500ms`, `2h`, or a plain number of seconds. Counts and rates take \
`k` and `M`. Every command takes `--help`; `uringbench --version` prints the version.
";
/// The command whose options stand at the top as well.
const RUN: &str = "run";
/// The commands that take all of them and more.
const RUN_AND_MORE: [&str; 4] = ["soak", "chaos", "ab", "noise"];
/// The command that takes most of them.
const RUN_IN_PART: &str = "grpc";

#[test]
fn options_page_is_up_to_date() {
    let mut program = Arguments::command();
    program.build();
    let run = program.find_subcommand(RUN).expect("it is a command").clone();
    let mut text = HEAD.to_owned();
    for command in program.get_subcommands() {
        section(&mut text, command, &run);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(PAGE);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &text).expect("the page can be written");
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(page == text, "{PAGE} is not up to date: run this test with UPDATE_DOCS=1");
}

/// A command and those below it.
fn section(text: &mut String, command: &Command, run: &Command) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").lines().map(str::trim);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = usage.collect::<Vec<_>>().join("\n");
    text.push_str(&format!("\n## {name}\n{about}.\n\n```text\n{usage}\n```\n"));
    let is_part = command.get_name() == RUN_IN_PART;
    let is_more = is_part || RUN_AND_MORE.contains(&command.get_name());
    if is_part {
        text.push_str(
            "\nThe options of [uringbench run](#uringbench-run), except those about HTTP, Redis \
             and scenarios.\n",
        );
    } else if is_more {
        text.push_str("\nAll options of [uringbench run](#uringbench-run), and:\n");
    }
    let is_new =
        |arg: &Arg| !is_more || run.get_arguments().all(|old| old.get_id() != arg.get_id());
    let shown: Vec<_> =
        command.get_arguments().filter(|arg| !arg.is_hide_set() && !is_help(arg)).collect();
    let shown: Vec<_> = shown.into_iter().filter(|arg| is_new(arg)).collect();
    let mut headings: Vec<_> = shown.iter().map(|arg| arg.get_help_heading()).collect();
    headings.dedup();
    for heading in headings {
        if let Some(heading) = heading {
            text.push_str(&format!("\n**{heading}**\n"));
        }
        text.push_str("\n| option | meaning |\n|---|---|\n");
        for arg in shown.iter().filter(|arg| arg.get_help_heading() == heading) {
            text.push_str(&format!(
                "| {} | {} |\n",
                in_cell(&named(arg)),
                in_cell(&explained(arg))
            ));
        }
    }
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        section(text, below, run);
    }
}

fn is_help(arg: &Arg) -> bool {
    matches!(arg.get_long(), Some("help" | "version"))
}

/// `-c`, `--connections N`, with further names.
fn named(arg: &Arg) -> String {
    let values: Vec<_> = arg.get_value_names().unwrap_or_default().iter().collect();
    let value = values.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
    let takes_values = arg.get_action().takes_values();
    let is_optional = arg.get_num_args().is_some_and(|count| count.min_values() == 0);
    let after = match (takes_values, is_optional) {
        (false, _) => String::new(),
        (true, true) => format!("[={value}]"),
        (true, false) => format!(" {value}"),
    };
    let mut names: Vec<String> =
        arg.get_short().map(|short| format!("`-{short}`")).into_iter().collect();
    names.extend(arg.get_long().map(|long| format!("`--{long}{after}`")));
    if names.is_empty() {
        return format!("`{value}`");
    }
    let shorts = arg.get_visible_short_aliases().unwrap_or_default();
    names.extend(shorts.iter().map(|short| format!("`-{short}`")));
    let longs = arg.get_visible_aliases().unwrap_or_default();
    names.extend(longs.iter().map(|long| format!("`--{long}`")));
    names.join(", ")
}

/// All of its help, its default and the words it takes.
fn explained(arg: &Arg) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let mut text = help.map(ToString::to_string).unwrap_or_default();
    let defaults = arg.get_default_values().iter().map(|value| value.to_string_lossy());
    let defaults: Vec<_> = defaults.collect();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        text.push_str(&format!(" [default: {}]", defaults.join(" ")));
    }
    for value in arg.get_possible_values().iter().filter(|_| arg.get_action().takes_values()) {
        let help = value.get_help().map(|help| format!(": {help}")).unwrap_or_default();
        text.push_str(&format!("<br>`{}`{help}", value.get_name()));
    }
    text
}

/// One line; a cell ends at a bar.
fn in_cell(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    paragraphs.collect::<Vec<_>>().join("<br>").replace('|', "\\|")
}
