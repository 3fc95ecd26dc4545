//! `uringbench schedule print`: the commands of units and of crontab lines are run as written.

use std::path::Path;
use std::process::Command;

use crate::support::run::Run;
use crate::support::target::Target;

/// Words with a meaning to shells, cron and systemd.
const HEADER: &str = "X-Odd: 50% of $HOME 'quoted' \"twice\" \\ end";

fn printed(folder: &Path, words: &[&str], url: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_uringbench"))
        .args(["schedule", "print"])
        .args(words)
        .args(["--", "-q", "-n", "50", "-c", "2", "-o", "out", "-H", HEADER, url])
        .current_dir(folder)
        .output()
        .expect("the binary under test starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

/// Whether the run of a schedule was stored with its header whole.
fn is_stored(folder: &Path) -> bool {
    let plan = std::fs::read_to_string(folder.join("out/plan.json")).unwrap_or_default();
    folder.join("out/run.json").is_file() && !plan.is_empty()
}

#[test]
fn the_line_of_a_crontab_runs() {
    let target = Target::start();
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    let words = ["--as", "cron", "--every", "weekly", "--mail", "me@example.com"];
    let page = printed(folder.path(), &words, target.url());
    let lines: Vec<_> = page.lines().collect();
    assert_eq!(lines[0], "# uringbench: load, weekly", "{page}");
    assert!(lines[1].starts_with("# MAILTO ") && lines[2] == "MAILTO=me@example.com", "{page}");
    let command = lines[3].strip_prefix("0 3 * * 0 ").expect("cron's five fields");
    // cron itself takes the backslash before a percent sign away.
    let output = Command::new("sh").args(["-c", &command.replace("\\%", "%")]).output();
    let output = output.expect("a shell starts");
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert!(is_stored(folder.path()), "{output:?}");
}

#[test]
fn a_crontab_shows_the_output_of_a_failure() {
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    let page = printed(folder.path(), &["--as", "cron"], "http://127.0.0.1:1/");
    let line = page.lines().find(|line| line.starts_with("0 3 * * * ")).expect("a line");
    let command = line.strip_prefix("0 3 * * * ").expect("just found").replace("\\%", "%");
    let output = Command::new("sh").args(["-c", &command]).output().expect("a shell starts");
    assert!(!output.status.success() && !output.stdout.is_empty(), "{output:?}");
}

#[test]
fn the_command_of_a_unit_runs() {
    let target = Target::start();
    let folder = tempfile::tempdir().expect("the machine has room for a folder");
    let page = printed(folder.path(), &["--mail", "me@example.com"], target.url());
    for line in
        ["Type=oneshot", "OnCalendar=*-*-* 03:00:00", "OnFailure=uringbench-load-mail.service"]
    {
        assert!(page.lines().any(|it| it == line), "{line}\n{page}");
    }
    let start = page.lines().find_map(|line| line.strip_prefix("ExecStart="));
    let words = split(start.expect("a service starts something"));
    assert!(words.contains(&HEADER.to_owned()), "{words:?}");
    let run = Command::new(&words[0]).args(&words[1..]).current_dir(folder.path()).output();
    let run = run.expect("the binary under test starts");
    assert!(is_stored(folder.path()), "{run:?}");
}

/// Words as systemd splits a line (systemd.service(5), command lines): quotes, backslashes, doubled
/// percent and dollar signs.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word) = (Vec::new(), None::<String>);
    let (mut letters, mut is_quoted) = (line.chars().peekable(), false);
    while let Some(letter) = letters.next() {
        let open = word.get_or_insert_default();
        match letter {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.extend(word.take()),
            '\\' => open.extend(letters.next()),
            '%' | '$' => {
                assert_eq!(letters.next(), Some(letter), "a specifier or a variable: {line}");
                open.push(letter);
            }
            letter => open.push(letter),
        }
    }
    words.extend(word);
    words
}

#[test]
fn a_mistake_in_the_command_is_found_now() {
    let run = Run::text("schedule print -- --no-such-option http://127.0.0.1/");
    run.finish().expect_code(2).expect_line(&["--no-such-option"]);
    let run = Run::text("schedule print --name a/b -- http://127.0.0.1/");
    run.finish().expect_code(2).expect_line(&["letters, digits"]);
    let run = Run::text("schedule print --mail x;y@z -- http://127.0.0.1/");
    run.finish().expect_code(2).expect_line(&["me@example.com"]);
}
