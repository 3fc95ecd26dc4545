//! A PostgreSQL server of the test's own, on a free port, and what it says itself.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::Cluster;

/// The administrator, who needs no password.
const ADMIN: &str = "bench";

/// A server that ends with its owner.
pub(crate) struct PostgresServer {
    cluster: Cluster,
    port: u16,
    programs: PathBuf,
}

impl PostgresServer {
    /// A server with these further settings, `name=value`, and these lines of `pg_hba.conf` before
    /// those that trust everybody; `None` if this machine has none.
    pub(crate) fn start(settings: &[&str], access: &str) -> Option<Self> {
        Self::start_with(settings, access, |_| ())
    }

    /// The same after a change of its folder of data.
    pub(crate) fn start_with(
        settings: &[&str],
        access: &str,
        prepare: impl FnOnce(&Path),
    ) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = free.local_addr().expect("it is bound").port();
        drop(free);
        let port_setting = format!("port={port}");
        let mut options = vec!["-h", "127.0.0.1", "-c", port_setting.as_str()];
        settings.iter().for_each(|setting| options.extend(["-c", setting]));
        let cluster = Cluster::start_with(&options, |data| {
            let hba = data.join("pg_hba.conf");
            let trusted = fs::read_to_string(&hba).expect("initdb has made it");
            fs::write(&hba, format!("{access}\n{trusted}")).expect("it is ours");
            prepare(data);
        })?;
        let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let programs = debian
            .map(|version| version.path().join("bin"))
            .find(|folder| folder.join("psql").exists())
            .unwrap_or_default();
        Some(Self { cluster, port, programs })
    }

    /// Its URL: `postgres://LOGIN@127.0.0.1:PORT/DATABASE`.
    pub(crate) fn url(&self, login: &str, database: &str) -> String {
        format!("postgres://{login}@127.0.0.1:{}/{database}", self.port)
    }

    /// The result of statements in the administrator's database, as psql prints it without
    /// decoration.
    #[track_caller]
    pub(crate) fn ask(&self, sql: &str) -> String {
        self.program(
            "psql",
            &["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql, "postgres"],
        )
    }

    /// The whole number that a query gives.
    #[track_caller]
    pub(crate) fn count(&self, sql: &str) -> u64 {
        let text = self.ask(sql);
        text.trim().parse().unwrap_or_else(|_| panic!("{sql}: {text}"))
    }

    /// pgbench's tables of scale 1, in the administrator's database.
    pub(crate) fn make_tables(&self) {
        self.program("pgbench", &["-i", "-q", "-s", "1", "postgres"]);
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.cluster.stop();
    }

    #[track_caller]
    fn program(&self, name: &str, words: &[&str]) -> String {
        let output = Command::new(self.programs.join(name))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", ADMIN])
            .args(words)
            .output()
            .expect("a program of PostgreSQL starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
