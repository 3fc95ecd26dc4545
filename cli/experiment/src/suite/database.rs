//! The PostgreSQL server of a suite: started for it as a process of its own, or one that runs
//! already. Each target gets a database of its own with new rows.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use rustix::process::getuid;
use serde_json::Value;
use uringbench_core::plan::Peer;
use uringbench_engine::Control;
use uringbench_machine::cpu_set::CpuSet;

use crate::server::{
    Probe, READY_WITHIN, Ready, RunningServer, ServerCommand, ServerError, own_name,
};

/// Who runs a server where root may not: somebody every system knows.
const NOBODY: u32 = 65_534;
/// The beginning of the names of all databases made here.
const PREFIX: &str = "uringbench_";
/// Statements listed with a run.
const STATEMENTS: usize = 10;

/// Why there is no database, and the fix.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The server's programs are missing.
    #[error(
        "PostgreSQL is not installed: install the package postgresql, or name a server with \
         --database URL"
    )]
    NotInstalled,
    /// It cannot be prepared.
    #[error("the database cannot be started: {0}")]
    NotStarted(String),
    /// A statement fails.
    #[error("the database refuses a statement: {0}")]
    Refused(String),
}

/// A server with room for databases.
#[derive(Debug)]
pub(super) struct DatabaseServer {
    /// The address without a database's name, up to and with the `/`.
    address: String,
    /// What follows the name.
    options: String,
    /// A folder for statements and answers.
    folder: PathBuf,
    /// Ended and deleted with this.
    _own: Option<OwnServer>,
}

/// A server that was started for a suite.
#[derive(Debug)]
struct OwnServer {
    _running: RunningServer,
    _folder: RemovedFolder,
}

/// A folder that is deleted when this is dropped.
#[derive(Debug)]
pub(super) struct RemovedFolder(pub(super) PathBuf);

impl Drop for RemovedFolder {
    fn drop(&mut self) {
        // Where it fails, the next suite deletes it.
        let _left = fs::remove_dir_all(&self.0);
    }
}

impl DatabaseServer {
    /// A server that runs already.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub(super) fn at(url: &str, folder: PathBuf) -> Result<Self, DatabaseError> {
        let (before, options) = url.split_once('?').unwrap_or((url, ""));
        let (scheme, rest) = before.split_once("://").ok_or_else(|| {
            DatabaseError::NotStarted("--database is not postgres://…".to_owned())
        })?;
        let authority = rest.split('/').next().unwrap_or_default();
        let server = Self {
            address: format!("{scheme}://{authority}/"),
            options: if options.is_empty() { String::new() } else { format!("?{options}") },
            folder,
            _own: None,
        };
        server.ask("postgres", "SELECT 1")?;
        server.drop_left();
        Ok(server)
    }

    /// Starts one in a new folder, on these CPUs.
    ///
    /// # Errors
    /// If PostgreSQL is not installed or does not start.
    pub(super) fn start(
        folder: PathBuf,
        cpus: &CpuSet,
        control: &Control,
    ) -> Result<Self, DatabaseError> {
        let programs = programs().ok_or(DatabaseError::NotInstalled)?;
        let failed = |why: &dyn std::fmt::Display| DatabaseError::NotStarted(why.to_string());
        fs::create_dir_all(&folder).map_err(|why| failed(&why))?;
        let folder = RemovedFolder(folder);
        let own = if getuid().is_root() {
            chown(&folder.0, Some(NOBODY), Some(NOBODY)).map_err(|why| failed(&why))?;
            format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups ")
        } else {
            String::new()
        };
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|it| it.local_addr());
        let port = port.map_err(|why| failed(&why))?;
        let program = |name: &str| format!("{own}{}", quoted(&programs.join(name)));
        let data = quoted(&folder.0.join("data"));
        let make = format!(
            "{} --auth=trust --username=uringbench --encoding=UTF8 --no-locale --no-sync \
             --pgdata={data}",
            program("initdb")
        );
        let make = ServerCommand::new(make, &folder.0, folder.0.join("initdb.log"));
        make.complete(control).map_err(|why| failed(&why))?;
        let mut serve = format!(
            "exec {} -D {data} -k {} -h 127.0.0.1 -p {} -c max_connections=200",
            program("postgres"),
            quoted(&folder.0),
            port.port()
        );
        if fs::exists(library(&programs)).unwrap_or(false) {
            serve.push_str(" -c shared_preload_libraries=pg_stat_statements");
        }
        let probe = Probe { peer: Peer::Tcp(port), ready: Ready::Accepts, within: READY_WITHIN };
        let serve = ServerCommand {
            cpus: cpus.clone(),
            ..ServerCommand::new(serve, &folder.0, folder.0.join("postgres.log"))
        };
        let running = serve.start(&probe, control);
        let running = running.map_err(|why| failed(&why))?;
        let server = Self {
            address: format!("postgres://uringbench@{port}/"),
            options: String::new(),
            folder: folder.0.clone(),
            _own: Some(OwnServer { _running: running, _folder: folder }),
        };
        // It accepts connections a moment before it accepts users.
        for _ in 0..100 {
            if server.ask("postgres", "SELECT 1").is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        // Without the contributed modules there are no figures of statements.
        let _no_module = server.ask("postgres", "CREATE EXTENSION pg_stat_statements");
        Ok(server)
    }

    /// The address of a new database for a target, with the rows that `seed` makes.
    ///
    /// # Errors
    /// If the server refuses.
    pub(super) fn create(
        &self,
        target: &str,
        seed: Option<&Path>,
    ) -> Result<TargetDatabase, DatabaseError> {
        let name = format!("{PREFIX}{}_{target}", own_name()).replace(['-', '.'], "_");
        self.ask("postgres", &format!("DROP DATABASE IF EXISTS {name}"))?;
        self.ask("postgres", &format!("CREATE DATABASE {name}"))?;
        let database = TargetDatabase { url: self.url(&name), name };
        if let Some(seed) = seed {
            let text = fs::read_to_string(seed);
            let text = text.map_err(|why| DatabaseError::Refused(why.to_string()))?;
            self.ask(&database.name, &text)?;
        }
        Ok(database)
    }

    /// Deletes a target's database.
    pub(super) fn remove(&self, database: &TargetDatabase) {
        // The next suite deletes it, where it is more than a folder that goes with this one.
        let _left = self.ask("postgres", &format!("DROP DATABASE {} WITH (FORCE)", database.name));
    }

    /// Begins the figures of a database from here on.
    pub(super) fn reset_figures(&self, database: &TargetDatabase) {
        // Without the right to it they go on, and without the module there are no statements.
        let _no_right = self.ask(&database.name, "SELECT pg_stat_reset()");
        let _no_module = self.ask("postgres", "SELECT pg_stat_statements_reset()");
    }

    /// What the server has counted for a database: its row of `pg_stat_database`, and where
    /// `pg_stat_statements` is loaded, the statements that took longest.
    pub(super) fn figures(&self, database: &TargetDatabase) -> Value {
        let name = &database.name;
        let row = |sql: &str| {
            let text = self.ask("postgres", sql).ok()?;
            serde_json::from_str::<Value>(text.trim()).ok()
        };
        serde_json::json!({
            "pg_stat_database": row(&format!(
                "SELECT row_to_json(d) FROM pg_stat_database d WHERE datname = '{name}'"
            )),
            "pg_stat_statements": row(&format!(
                "SELECT coalesce(json_agg(row_to_json(s)), '[]') FROM (SELECT query, calls, \
                 total_exec_time, mean_exec_time, rows FROM pg_stat_statements s JOIN \
                 pg_database d ON d.oid = s.dbid WHERE d.datname = '{name}' \
                 ORDER BY total_exec_time DESC LIMIT {STATEMENTS}) s"
            )),
        })
    }

    /// Deletes the databases of suites that were killed.
    fn drop_left(&self) {
        let list = format!("SELECT datname FROM pg_database WHERE datname LIKE '{PREFIX}%'");
        let names = self.ask("postgres", &list).unwrap_or_default();
        for name in names.lines().map(str::trim) {
            let owner = name.strip_prefix(PREFIX).unwrap_or_default().replace('_', "-");
            if crate::server::has_gone(&owner) {
                let _left = self.ask("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
            }
        }
    }

    fn url(&self, database: &str) -> String {
        format!("{}{database}{}", self.address, self.options)
    }

    /// The answer of psql to SQL, unaligned.
    fn ask(&self, database: &str, sql: &str) -> Result<String, DatabaseError> {
        let psql = programs().map_or_else(|| PathBuf::from("psql"), |it| it.join("psql"));
        let (statement, answer) = (self.folder.join("ask.sql"), self.folder.join("ask.log"));
        let written = fs::write(&statement, sql);
        written.map_err(|why| DatabaseError::NotStarted(why.to_string()))?;
        let command = format!(
            "exec {} -X -q -A -t -v ON_ERROR_STOP=1 -d \"$URINGBENCH_DATABASE\" -f {}",
            quoted(&psql),
            quoted(&statement)
        );
        // Not in the command, which everybody can list: it may have a password.
        let variables = vec![("URINGBENCH_DATABASE".to_owned(), self.url(database))];
        let asked = ServerCommand::new(command, &self.folder, &answer);
        let asked = ServerCommand { variables, ..asked };
        asked.complete(&Control::new()).map_err(|why| match why {
            ServerError::Failed { output, .. } => DatabaseError::Refused(output),
            why => DatabaseError::NotStarted(why.to_string()),
        })?;
        fs::read_to_string(&answer).map_err(|why| DatabaseError::NotStarted(why.to_string()))
    }
}

/// A database of one target.
#[derive(Clone, Debug)]
pub(super) struct TargetDatabase {
    /// Its address.
    pub(super) url: String,
    name: String,
}

fn quoted(path: &Path) -> String {
    let mut text = String::from("'");
    for letter in path.to_string_lossy().chars() {
        match letter {
            '\'' => text.push_str("'\\''"),
            letter => {
                // Writing to a string succeeds.
                let _written = write!(text, "{letter}");
            }
        }
    }
    text.push('\'');
    text
}

/// Where the server's programs are: where Debian keeps the newest version's, or in the path.
fn programs() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let all = debian.into_iter().rev().chain(env::split_paths(&path));
    all.into_iter().find(|folder| folder.join("initdb").exists())
}

/// The module of figures of statements, beside the programs.
fn library(programs: &Path) -> PathBuf {
    programs.parent().unwrap_or(programs).join("lib/pg_stat_statements.so")
}
