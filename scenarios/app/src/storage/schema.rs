//! The tables, and the rows that are there from the start: the same in every database.

use rusqlite::{Connection, params};

/// How many rows `/db/{id}` finds, from 1.
const ROWS: i64 = 1_000;

/// `seeded` is only read and `written` is only written to, so that what a read costs does not
/// depend on what was written before.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS seeded (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, score INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS written (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, score INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS background (
        id INTEGER PRIMARY KEY, task INTEGER NOT NULL
    );
    CREATE TABLE IF NOT EXISTS users (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, email TEXT NOT NULL,
        salt TEXT NOT NULL, secret BLOB NOT NULL
    );
    CREATE TABLE IF NOT EXISTS sessions (
        token TEXT PRIMARY KEY, user INTEGER NOT NULL REFERENCES users ON DELETE CASCADE
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS projects (
        id INTEGER PRIMARY KEY, owner INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
        name TEXT NOT NULL, description TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS members (
        project INTEGER NOT NULL REFERENCES projects ON DELETE CASCADE,
        user INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
        PRIMARY KEY (user, project)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS members_of ON members (project);
    CREATE TABLE IF NOT EXISTS tasks (
        id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES projects ON DELETE CASCADE,
        title TEXT NOT NULL, description TEXT NOT NULL, status TEXT NOT NULL,
        assignee INTEGER REFERENCES users ON DELETE SET NULL
    );
    CREATE INDEX IF NOT EXISTS tasks_of ON tasks (project);
";

/// Make what is missing.
pub(super) fn prepare(connection: &mut Connection) -> Result<(), rusqlite::Error> {
    connection.execute_batch(TABLES)?;
    let all = connection.transaction()?;
    {
        let mut insert = all.prepare("INSERT OR IGNORE INTO seeded VALUES (?1, ?2, ?3, ?4)")?;
        for id in 1..=ROWS {
            let name = format!("user-{id}");
            let email = format!("{name}@example.com");
            insert.execute(params![id, name, email, id * 7_919 % 1_000])?;
        }
    }
    all.commit()
}
