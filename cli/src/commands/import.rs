//! `uringbench import`: reads files, passes them to the importer, and writes its result.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use uringbench_import::{Imported, curl, har, hurl, log, openapi, vegeta};

use crate::args::{ImportArgs, ImportSource};
use crate::console;
use crate::exit::{Exit, Failure};
use crate::request::read_body;

/// Read, import and write.
pub(crate) fn execute(args: &ImportArgs) -> Result<Exit, Failure> {
    let (mut imported, folder) = import(&args.source)?;
    let target = args.out.as_deref().map_or_else(|| Path::new(""), folder_of);
    imported.relocate(&|name| seen_from(target, &folder, name));
    match &args.out {
        Some(file) => write(&mut imported, file, args.force)?,
        None if imported.files().is_empty() => console::print(&imported.toml())?,
        None => {
            let names: Vec<&str> = imported.files().iter().map(|file| file.name.as_str()).collect();
            return Err(Failure::Usage(format!(
                "{} is written beside the scenario: name the scenario's file with -o FILE",
                names.join(", ")
            )));
        }
    }
    for note in imported.notes() {
        console::note(&format!("uringbench: {note}"));
    }
    Ok(Exit::Success)
}

/// The imported scenario, and the folder of the files it names.
fn import(source: &ImportSource) -> Result<(Imported, PathBuf), Failure> {
    let here = PathBuf::new();
    let of = |file: &Path| folder_of(file).to_owned();
    let made = match source {
        ImportSource::Curl { words } => {
            let read = |name: &str| read_body("file", Path::new(name));
            let made = match words.as_slice() {
                [only] if only == "-" => curl::import(&stdin()?, &read),
                [only] => curl::import(only, &read),
                words => curl::import_words(words, &read),
            };
            (made, here)
        }
        ImportSource::Har { file, origin, filter, no_think } => {
            let options = har::HarOptions {
                origin: origin.clone(),
                filter: filter.clone(),
                has_think: !no_think,
            };
            (har::import(&text(file)?, &options), of(file))
        }
        ImportSource::Openapi { file, target } => {
            (openapi::import(&text(file)?, target.as_deref()), of(file))
        }
        ImportSource::Vegeta { file } => (vegeta::import(&text(file)?), here),
        ImportSource::Log { file, speed, target, log_format } => {
            let options = log::LogOptions {
                target: target.clone(),
                speed: *speed,
                format: log_format.clone(),
            };
            (log::import(&lossy(file)?, &options), of(file))
        }
        ImportSource::Hurl { file, variables } => (hurl::import(&text(file)?, variables), of(file)),
    };
    let name = match source {
        ImportSource::Curl { .. } => "curl".to_owned(),
        ImportSource::Har { file, .. }
        | ImportSource::Openapi { file, .. }
        | ImportSource::Vegeta { file }
        | ImportSource::Log { file, .. }
        | ImportSource::Hurl { file, .. } => file.display().to_string(),
    };
    let (made, folder) = made;
    made.map(|made| (made, folder)).map_err(|why| Failure::Usage(format!("{name}: {why}")))
}

fn stdin() -> Result<String, Failure> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("stdin cannot be read: give it text")?;
    Ok(text)
}

fn bytes(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|why| {
        Failure::Usage(format!("{} cannot be read: {why}; name an existing file", file.display()))
    })
}

fn text(file: &Path) -> Result<String, Failure> {
    String::from_utf8(bytes(file)?).map_err(|_| {
        Failure::Usage(format!("{} is not text: name a file in UTF-8", file.display()))
    })
}

/// A line of a log may have any bytes in it.
fn lossy(file: &Path) -> Result<String, Failure> {
    Ok(String::from_utf8_lossy(&bytes(file)?).into_owned())
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or_else(|| Path::new(""))
}

/// The path from `folder` of a file whose path from `from` is `name`.
fn seen_from(folder: &Path, from: &Path, name: &str) -> String {
    let path = from.join(name);
    let is_below =
        |path: &Path| path.components().all(|part| !matches!(part, Component::ParentDir));
    let seen = match path.strip_prefix(folder) {
        Ok(rest) if path.is_relative() => rest.to_owned(),
        // Up from the scenario's folder, then down to the file.
        _ if path.is_relative() && folder.is_relative() && is_below(folder) => {
            let ups = folder.components().filter(|part| matches!(part, Component::Normal(_)));
            ups.map(|_| Path::new("..")).collect::<PathBuf>().join(&path)
        }
        _ => std::path::absolute(&path).unwrap_or(path),
    };
    seen.to_string_lossy().into_owned()
}

fn write(imported: &mut Imported, file: &Path, is_forced: bool) -> Result<(), Failure> {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    imported.name_files(stem.as_deref().unwrap_or("import"));
    let folder = folder_of(file);
    let mut all = vec![(file.to_owned(), imported.toml().into_bytes())];
    for side in imported.files() {
        all.push((folder.join(&side.name), side.bytes.clone()));
    }
    // Nothing is written if any of the files exists.
    if let Some((file, _)) = all.iter().find(|(file, _)| !is_forced && file.exists()) {
        let file = file.display();
        return Err(Failure::Usage(format!(
            "{file} exists: overwrite it with --force, or name another"
        )));
    }
    for (file, bytes) in all {
        let mut options = OpenOptions::new();
        options.write(true).create_new(!is_forced).create(true).truncate(is_forced);
        let written = options.open(&file).and_then(|mut opened| opened.write_all(&bytes));
        written.map_err(|why| match why.kind() {
            ErrorKind::NotFound => {
                Failure::Usage(format!("{} cannot be written: create its folder", file.display()))
            }
            _ => Failure::Usage(format!("{} cannot be written: {why}", file.display())),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_from_the_scenario_s_folder() {
        let seen = |folder: &str, from: &str, name: &str| {
            seen_from(Path::new(folder), Path::new(from), name)
        };
        assert_eq!(seen("", "", "a.json"), "a.json");
        assert_eq!(seen("", "tests", "a.json"), "tests/a.json");
        assert_eq!(seen("tests", "tests", "a.json"), "a.json");
        assert_eq!(seen("x/y", "tests", "a.json"), "../../tests/a.json");
        assert_eq!(seen("x", "", "/tmp/a.json"), "/tmp/a.json");
        assert!(Path::new(&seen("/tmp", "tests", "a.json")).is_absolute());
    }
}
