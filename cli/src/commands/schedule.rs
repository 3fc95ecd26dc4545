//! `uringbench schedule`: what systemd or cron need to run a command of uringbench regularly.

use std::path::Path;

use anyhow::{Context, anyhow};

use crate::args::{self, Every, ScheduleArgs, ScheduleCommand, SchedulePrintArgs, Scheduler};
use crate::console;
use crate::exit::{Exit, Failure};

/// Print the texts.
pub(crate) fn execute(args: &ScheduleArgs) -> Result<Exit, Failure> {
    let ScheduleCommand::Print(args) = &args.command;
    // A mistake should be found now, not at night.
    let words = args.command.iter().map(String::as_str);
    args::parse(std::iter::once("uringbench").chain(words))?;
    let program = std::env::current_exe().context("the path of this program is unknown")?;
    let here = std::env::current_dir().context("there is no current folder")?;
    let folder = args.folder.as_deref().map_or_else(|| here.clone(), |folder| here.join(folder));
    let (program, folder) = (text(&program)?, text(&folder)?);
    let words = std::iter::once(program).chain(args.command.iter().map(String::as_str));
    let words: Vec<_> = words.collect();
    if let Some(word) = words.iter().chain([&folder]).find(|word| word.contains('\n')) {
        return Err(anyhow!("{word:?} has a line break, which no schedule can have").into());
    }
    let page = match args.scheduler {
        Scheduler::Systemd => units(args, &words, folder),
        Scheduler::Cron => crontab(args, &words, folder),
    };
    console::print(&page).map(|()| Exit::Success)
}

fn text(path: &Path) -> Result<&str, Failure> {
    let why = || anyhow!("{} is not UTF-8: rename it", path.display());
    Ok(path.to_str().ok_or_else(why)?)
}

/// A service, its timer, and a service that sends mail.
fn units(args: &SchedulePrintArgs, words: &[&str], folder: &str) -> String {
    let name = &args.name;
    let command: Vec<_> = words.iter().map(|word| in_unit(word)).collect();
    let (command, folder) = (command.join(" "), folder.replace('%', "%%"));
    let calendar = match args.every {
        Every::Daily => "*-*-* 03:00:00",
        Every::Weekly => "Sun *-*-* 03:00:00",
        Every::Monthly => "*-*-01 03:00:00",
    };
    let on_failure = match &args.mail {
        Some(_) => format!("OnFailure=uringbench-{name}-mail.service\n"),
        None => String::new(),
    };
    let mut page = format!(
        "# /etc/systemd/system/uringbench-{name}.service\n\
         # It fails as uringbench exits: 10 gate, 11 objective, 12 undecided, 13 invalid.\n\
         [Unit]\n\
         Description=uringbench: {name}\n\
         {on_failure}\n\
         [Service]\n\
         Type=oneshot\n\
         WorkingDirectory={folder}\n\
         ExecStart={command}\n\
         # Each connection is an open file.\n\
         LimitNOFILE=65536\n\
         \n\
         # /etc/systemd/system/uringbench-{name}.timer\n\
         # Then: systemctl daemon-reload && systemctl enable --now uringbench-{name}.timer\n\
         [Unit]\n\
         Description=uringbench: {name}, {}\n\
         \n\
         [Timer]\n\
         OnCalendar={calendar}\n\
         # A machine that was off catches up.\n\
         Persistent=true\n\
         \n\
         [Install]\n\
         WantedBy=timers.target\n",
        word(args.every),
    );
    if let Some(mail) = &args.mail {
        page.push_str(&format!(
            "\n# /etc/systemd/system/uringbench-{name}-mail.service\n\
             [Unit]\n\
             Description=uringbench: mail about {name}\n\
             \n\
             [Service]\n\
             Type=oneshot\n\
             ExecStart=/bin/sh -c \"{{ printf \
             'Subject: uringbench {name} failed\\\\nTo: {mail}\\\\n\\\\n'; \
             journalctl -n 100 -o cat -u uringbench-{name}.service; }} | sendmail -t\"\n",
        ));
    }
    page
}

const fn word(every: Every) -> &'static str {
    match every {
        Every::Daily => "daily",
        Every::Weekly => "weekly",
        Every::Monthly => "monthly",
    }
}

/// A word as systemd splits lines: quoted, and without its specifiers and variables.
fn in_unit(word: &str) -> String {
    let word = word.replace('%', "%%").replace('$', "$$");
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/.:=,-_%$".contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word,
        false => format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// A line for `crontab -e`. cron sends the output by mail: it is shown only if the command fails.
fn crontab(args: &SchedulePrintArgs, words: &[&str], folder: &str) -> String {
    let when = match args.every {
        Every::Daily => "0 3 * * *",
        Every::Weekly => "0 3 * * 0",
        Every::Monthly => "0 3 1 * *",
    };
    let command: Vec<_> = words.iter().map(|word| in_shell(word)).collect();
    let (folder, command) = (in_shell(folder), command.join(" "));
    let command = format!(
        "cd {folder} && out=$({command} 2>&1) || {{ code=$?; echo \"$out\"; exit $code; }}"
    );
    let mail = args.mail.as_ref().map(|mail| {
        format!("# MAILTO holds for all lines below it: put this at the end.\nMAILTO={mail}\n")
    });
    let mail = mail.unwrap_or_default();
    // A percent sign would end the command.
    let command = command.replace('%', "\\%");
    format!("# uringbench: {}, {}\n{mail}{when} {command}\n", args.name, word(args.every))
}

/// A word as a shell reads it.
pub(crate) fn in_shell(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/.:=,-_".contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}
