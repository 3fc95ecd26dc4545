//! The tables, and their initial rows: the same in every database.
//!
//! `seeded` is only read and `written` is only written to, so that the cost of a read does not
//! depend on earlier writes. The tables make the owner of a project its first member, so that one
//! never exists without the other.

/// For SQLite.
pub(super) const SQLITE: &str = "
BEGIN;
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
    salt TEXT NOT NULL, secret TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sessions (
    token TEXT PRIMARY KEY, account INTEGER NOT NULL REFERENCES users ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS projects (
    id INTEGER PRIMARY KEY, owner INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    name TEXT NOT NULL, description TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS members (
    member INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    project INTEGER NOT NULL REFERENCES projects ON DELETE CASCADE,
    PRIMARY KEY (member, project)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS members_of ON members (project);
CREATE TRIGGER IF NOT EXISTS owner_joins AFTER INSERT ON projects BEGIN
    INSERT INTO members (member, project) VALUES (new.owner, new.id);
END;
CREATE TABLE IF NOT EXISTS tasks (
    id INTEGER PRIMARY KEY, project INTEGER NOT NULL REFERENCES projects ON DELETE CASCADE,
    title TEXT NOT NULL, description TEXT NOT NULL, status TEXT NOT NULL,
    assignee INTEGER REFERENCES users ON DELETE SET NULL
);
CREATE INDEX IF NOT EXISTS tasks_of ON tasks (project, id);
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000)
INSERT OR IGNORE INTO seeded
    SELECT n, 'user-' || n, 'user-' || n || '@example.com', n * 7919 % 1000 FROM numbers;
COMMIT;
";

/// For PostgreSQL. The lock makes processes that start at the same time wait for each other.
pub(super) const POSTGRES: &str = "
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT pg_advisory_xact_lock(7919);
CREATE TABLE IF NOT EXISTS seeded (
    id BIGINT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, score BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS written (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL, email TEXT NOT NULL, score BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS background (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, task BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS users (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE, email TEXT NOT NULL, salt TEXT NOT NULL, secret TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sessions (
    token TEXT PRIMARY KEY, account BIGINT NOT NULL REFERENCES users ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS projects (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner BIGINT NOT NULL REFERENCES users ON DELETE CASCADE,
    name TEXT NOT NULL, description TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS members (
    member BIGINT NOT NULL REFERENCES users ON DELETE CASCADE,
    project BIGINT NOT NULL REFERENCES projects ON DELETE CASCADE,
    PRIMARY KEY (member, project)
);
CREATE INDEX IF NOT EXISTS members_of ON members (project);
CREATE OR REPLACE FUNCTION owner_joins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO members (member, project) VALUES (NEW.owner, NEW.id);
    RETURN NEW;
END $$;
DROP TRIGGER IF EXISTS owner_joins ON projects;
CREATE TRIGGER owner_joins AFTER INSERT ON projects
    FOR EACH ROW EXECUTE FUNCTION owner_joins();
CREATE TABLE IF NOT EXISTS tasks (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project BIGINT NOT NULL REFERENCES projects ON DELETE CASCADE,
    title TEXT NOT NULL, description TEXT NOT NULL, status TEXT NOT NULL,
    assignee BIGINT REFERENCES users ON DELETE SET NULL
);
CREATE INDEX IF NOT EXISTS tasks_of ON tasks (project, id);
INSERT INTO seeded
    SELECT n, 'user-' || n, 'user-' || n || '@example.com', n * 7919 % 1000
    FROM generate_series(1, 1000) AS n ON CONFLICT DO NOTHING;
COMMIT;
";
