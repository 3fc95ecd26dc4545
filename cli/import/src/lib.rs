//! What other tools describe of requests, written down as a scenario file.
//!
//! Texts in, a scenario and what could not be taken over out. Files that are named in the input
//! are asked for through a function; writing what comes out is for others.

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

/// The bytes of a file as the input names it, or why it cannot be read.
pub type Read<'a> = &'a dyn Fn(&str) -> Result<Vec<u8>, String>;

/// Nothing could be made of the input: cause and fix, in one line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ImportError(String);

impl ImportError {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// A scenario that was made of something else.
#[derive(Clone, Debug)]
pub struct Imported {
    scenario: Scenario,
    files: Vec<SideFile>,
    notes: Notes,
}

/// A file that belongs beside the scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideFile {
    /// Its name, without a folder.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Imported {
    /// The scenario file, with a comment on top that lists what is missing in it.
    pub fn toml(&self) -> String {
        write::scenario(&self.scenario, &self.notes())
    }

    /// The files that belong beside it.
    pub fn files(&self) -> &[SideFile] {
        &self.files
    }

    /// What could not be taken over, or not as it was: a line each.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lines()
    }

    /// Begin the names of all files beside the scenario with `stem-`, so that several scenarios
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

    /// Name files that the input named as they are called from the scenario's folder.
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

/// What to tell, each once, with how often it was so.
#[derive(Clone, Debug, Default)]
struct Notes(Vec<(String, usize)>);

impl Notes {
    /// Note something, in one line: control characters become spaces.
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

/// A file of rows, with a line of names.
fn rows<const N: usize>(names: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = writer.write_record(names).and_then(|()| {
        let mut rows = rows;
        rows.try_for_each(|row| writer.write_record(&row))
    });
    written.expect("memory takes every row, and all have as many cells as the first");
    writer.into_inner().expect("memory takes every row")
}
