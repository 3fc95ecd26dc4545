//! A stored plan read back, so that it is repeated exactly; its secrets are given again.

use std::path::Path;

use serde_json::Value;
use uringbench_core::plan::{Plan, Protocol};
use uringbench_document::{SecretName, SecretTable};
use uringbench_experiment::Secrets;
use uringbench_scenario::rows;
use uringbench_store::read_plan;

use crate::args::RunArgs;
use crate::exit::{Failure, usage};
use crate::request::read_body;
use crate::tls;

/// What was stored of a run.
pub(crate) struct Repeated {
    /// Its plan, whole again.
    pub(crate) plan: Plan,
    /// What it was called.
    pub(crate) name: Option<String>,
    /// What of the plan is not to be stored this time either.
    pub(crate) secrets: Secrets,
}

/// The plan of the run in a folder, or of the run.json in it.
pub(crate) fn plan(args: &RunArgs, run: &Path) -> Result<Repeated, Failure> {
    let (stored, file) = read_plan(run).map_err(|why| usage(why.to_string()))?;
    let shown = file.display();
    let mut given = Given::of(args)?;
    let mut missing = Vec::new();
    let mut values = Vec::new();
    for name in &stored.withheld {
        let value = given.take(name)?;
        if value.is_none() {
            missing.push(name.to_string());
        }
        values.push(value.unwrap_or_default());
    }
    if !missing.is_empty() {
        return Err(usage(format!(
            "{shown} was stored without its secrets: give them again with {}",
            missing.join(", ")
        )));
    }
    given.expect_none_left()?;
    let name = stored.name.clone();
    let secrets = Secrets::given_again(&stored.withheld, &values);
    let damaged = |why: &dyn std::fmt::Display| {
        usage(format!("cannot repeat {shown}: {why}; type the command of the run again"))
    };
    let mut parts =
        stored.parts(&values).map_err(|why| usage(format!("cannot repeat {shown}: {why}")))?;
    if let Protocol::Tls(tls) = &mut parts.protocol {
        tls::read_files(tls)?;
    }
    let plan = Plan::new(parts).map_err(|why| damaged(&why))?;
    Ok(Repeated { plan, name, secrets })
}

/// What was typed in the places of secrets.
struct Given<'a> {
    headers: Vec<(&'a str, &'a str)>,
    variables: &'a [(String, String)],
    /// Variables that stand for fields, which may have the same name.
    used: Vec<usize>,
}

impl<'a> Given<'a> {
    fn of(args: &'a RunArgs) -> Result<Self, Failure> {
        let header = |line: &'a String| {
            let split = line.split_once(':').map(|(name, value)| (name, value.trim()));
            let shown = line.split(':').next().unwrap_or_default().escape_debug();
            split.ok_or_else(|| usage(format!("-H '{shown}' is not a header: write -H 'K: V'")))
        };
        let headers = args.request.headers.iter().map(header).collect::<Result<_, _>>()?;
        Ok(Self { headers, variables: &args.file.variables, used: Vec::new() })
    }

    /// The value of one; of several headers of a name the next.
    fn take(&mut self, name: &SecretName) -> Result<Option<Value>, Failure> {
        Ok(match name {
            SecretName::Header(name) => {
                let is_it = |(given, _): &(&str, &str)| given.eq_ignore_ascii_case(name);
                let at = self.headers.iter().position(is_it);
                at.map(|at| Value::from(self.headers.remove(at).1))
            }
            SecretName::Env(name) => std::env::var(name).ok().map(Value::from),
            SecretName::Variable(name) => {
                let found = self.variables.iter().rfind(|(given, _)| given == name);
                found.map(|(_, value)| Value::from(value.as_str()))
            }
            SecretName::Field(name) => {
                let mut named = self.variables.iter().enumerate().filter(|(_, it)| it.0 == *name);
                let found = named.find(|(at, _)| !self.used.contains(at));
                self.used.extend(found.map(|(at, _)| at));
                found.map(|(_, (_, value))| Value::from(value.as_str()))
            }
            SecretName::Data(SecretTable { file, .. }) => {
                let read = read_body("--again", Path::new(file));
                let (_, table) = read.and_then(|bytes| rows(file, &bytes)).map_err(|why| {
                    usage(format!("{why}; its rows may be secrets, so they are not stored"))
                })?;
                serde_json::to_value(table).ok()
            }
        })
    }

    /// What is no secret of the plan would change it.
    fn expect_none_left(&self) -> Result<(), Failure> {
        match self.headers.first() {
            None => Ok(()),
            Some((name, _)) => Err(usage(format!(
                "-H '{name}: …' is no secret that the plan lacks: --again repeats a run as it was; \
                 leave it out, or type the command of the run again"
            ))),
        }
    }
}
