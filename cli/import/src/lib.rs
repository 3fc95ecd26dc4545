//! Converts requests described by other tools to a scenario file.
//!
//! The input is text; the output is a scenario, and notes on the parts that could not be imported.
//! Files named in the input are read through a function; the caller writes the output.

pub mod curl;
pub mod har;
pub mod hurl;
pub mod log;
mod model;
pub mod openapi;
mod request;
mod shown;
mod time;
mod url;
pub mod vegeta;
mod write;

use thiserror::Error;
use uringbench_scenario::template;

use model::{BodyFile, Scenario};
use shown::shown;

/// Returns the bytes of a file by the name in the input, or why it cannot be read.
pub type Read<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// The input could not be imported: cause and fix in one line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ImportError(String);

impl ImportError {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// An imported scenario.
#[derive(Clone, Debug)]
pub struct Imported {
    scenario: Scenario,
    files: Vec<SideFile>,
    notes: Notes,
}

/// A file next to the scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideFile {
    /// Its name, without a folder.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Imported {
    /// The scenario file, with a comment at the top that lists the parts that could not be
    /// imported.
    pub fn toml(&self) -> String {
        write::scenario(&self.scenario, &self.notes())
    }

    /// The files next to it.
    pub fn files(&self) -> &[SideFile] {
        &self.files
    }

    /// The parts that could not be imported, or only with changes: one line each.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lines()
    }

    /// Puts `stem-` before the names of all files next to the scenario, so that several scenarios
    /// can share a folder.
    pub fn name_files(&mut self, stem: &str) {
        for file in &mut self.files {
            file.name = format!("{stem}-{}", file.name);
        }
        for data in &mut self.scenario.data {
            data.file = format!("{stem}-{}", data.file);
        }
        for_each_file(&mut self.scenario, &mut |file| {
            if let BodyFile::Beside(name) = file {
                *name = format!("{stem}-{name}");
            }
        });
    }

    /// Converts names of files in the input to paths relative to the scenario's folder.
    pub fn relocate(&mut self, path: &dyn Fn(&str) -> String) {
        for_each_file(&mut self.scenario, &mut |file| {
            if let BodyFile::Given(name) = file {
                *name = path(name);
            }
        });
    }
}

fn for_each_file(scenario: &mut Scenario, act: &mut dyn FnMut(&mut BodyFile)) {
    let steps = scenario.flows.iter_mut().flat_map(|flow| &mut flow.steps);
    for body in steps.filter_map(|step| step.body.as_mut()) {
        match body {
            model::Body::File(file) => act(file),
            model::Body::Multipart(parts) => {
                for part in parts {
                    if let model::PartContent::File(file) = &mut part.content {
                        act(file);
                    }
                }
            }
            model::Body::Text(_) | model::Body::Json(_) | model::Body::Form(_) => {}
        }
    }
}

/// Notes for the user, each once, with the number of times it occurred.
#[derive(Clone, Debug, Default)]
struct Notes(Vec<(String, usize)>);

impl Notes {
    /// Adds a note of one line: control characters become spaces.
    fn add(&mut self, line: impl Into<String>) {
        let mut line = line.into();
        if line.contains(char::is_control) {
            line = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        }
        match self.0.iter_mut().find(|(known, _)| *known == line) {
            Some((_, count)) => *count += 1,
            None => self.0.push((line, 1)),
        }
    }

    fn lines(&self) -> Vec<String> {
        let line = |(line, count): &(String, usize)| match count {
            1 => line.clone(),
            count => format!("{line} ({count} times)"),
        };
        self.0.iter().map(line).collect()
    }
}

/// A data file of rows, with a header line.
fn rows<const N: usize>(names: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(names).and_then(|()| {
        let mut rows = rows;
        rows.try_for_each(|row| writer.write_record(&row))
    });
    written.expect("memory takes every row, and all have as many cells as the first");
    writer.into_inner().expect("memory takes every row")
}
