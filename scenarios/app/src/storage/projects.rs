//! Projects and who belongs to them. A project of others is as good as none.

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::{Store, User};

/// A project.
#[derive(Debug, Serialize)]
pub(crate) struct Project {
    id: i64,
    /// The number of the user who may change it.
    pub(crate) owner: i64,
    name: String,
    description: String,
}

/// What a user says of a project.
#[derive(Debug, Deserialize)]
pub(crate) struct ProjectDraft {
    pub(crate) name: String,
    #[serde(default)]
    description: String,
}

/// A list never has more: its cost must not grow with the length of a run.
pub(super) const LIST_MAX: i64 = 50;

impl Project {
    fn read(row: &rusqlite::Row<'_>) -> Result<Self, rusqlite::Error> {
        let [id, owner] = [row.get(0)?, row.get(1)?];
        Ok(Self { id, owner, name: row.get(2)?, description: row.get(3)? })
    }
}

impl Store {
    /// A new project, with its owner as the first member.
    pub(crate) fn create_project(
        &self,
        owner: i64,
        draft: &ProjectDraft,
    ) -> Result<Project, rusqlite::Error> {
        let mut writer = self.writer();
        let both = writer.transaction()?;
        let project = both
            .prepare_cached(
                "INSERT INTO projects (owner, name, description) VALUES (?1, ?2, ?3)
                 RETURNING id, owner, name, description",
            )?
            .query_row(params![owner, draft.name, draft.description], Project::read)?;
        both.prepare_cached("INSERT INTO members (user, project) VALUES (?1, ?2)")?
            .execute([owner, project.id])?;
        both.commit()?;
        Ok(project)
    }

    /// The newest projects this user is a member of.
    pub(crate) fn projects(&self, user: i64) -> Result<Vec<Project>, rusqlite::Error> {
        self.reader()
            .prepare_cached(
                "SELECT id, owner, name, description
                 FROM members JOIN projects ON projects.id = members.project
                 WHERE members.user = ?1 ORDER BY members.project DESC LIMIT ?2",
            )?
            .query_map([user, LIST_MAX], Project::read)?
            .collect()
    }

    /// A project this user is a member of.
    pub(crate) fn project(
        &self,
        user: i64,
        project: i64,
    ) -> Result<Option<Project>, rusqlite::Error> {
        self.reader()
            .prepare_cached(
                "SELECT id, owner, name, description
                 FROM members JOIN projects ON projects.id = members.project
                 WHERE members.user = ?1 AND members.project = ?2",
            )?
            .query_row([user, project], Project::read)
            .optional()
    }

    /// Say something else of a project.
    pub(crate) fn update_project(
        &self,
        project: i64,
        draft: &ProjectDraft,
    ) -> Result<Option<Project>, rusqlite::Error> {
        self.writer()
            .prepare_cached(
                "UPDATE projects SET name = ?2, description = ?3 WHERE id = ?1
                 RETURNING id, owner, name, description",
            )?
            .query_row(params![project, draft.name, draft.description], Project::read)
            .optional()
    }

    /// Remove a project with its members and tasks.
    pub(crate) fn delete_project(&self, project: i64) -> Result<(), rusqlite::Error> {
        self.writer()
            .prepare_cached("DELETE FROM projects WHERE id = ?1")?
            .execute([project])
            .map(|_rows| ())
    }

    /// Take the user of this name in; none if there is nobody of this name.
    pub(crate) fn add_member(
        &self,
        project: i64,
        name: &str,
    ) -> Result<Option<User>, rusqlite::Error> {
        let writer = self.writer();
        let user = writer
            .prepare_cached("SELECT id, name, email FROM users WHERE name = ?1")?
            .query_row([name], User::read)
            .optional()?;
        if let Some(user) = &user {
            writer
                .prepare_cached("INSERT OR IGNORE INTO members (user, project) VALUES (?1, ?2)")?
                .execute([user.id, project])?;
        }
        Ok(user)
    }

    /// Who belongs to a project.
    pub(crate) fn members(&self, project: i64) -> Result<Vec<User>, rusqlite::Error> {
        self.reader()
            .prepare_cached(
                "SELECT id, name, email FROM members JOIN users ON users.id = members.user
                 WHERE members.project = ?1 ORDER BY id LIMIT ?2",
            )?
            .query_map([project, LIST_MAX], User::read)?
            .collect()
    }
}
