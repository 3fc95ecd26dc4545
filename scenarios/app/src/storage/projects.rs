//! Projects and their members. Projects of others are treated as missing.

use serde::{Deserialize, Serialize};

use super::fields::{Fields, Record, Value};
use super::{Store, StoreError, User};

/// A project.
#[derive(Debug, Serialize)]
pub(crate) struct Project {
    id: i64,
    /// The number of the user who may change it.
    pub(crate) owner: i64,
    name: String,
    description: String,
}

/// A user's data for a project.
#[derive(Debug, Deserialize)]
pub(crate) struct ProjectDraft {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: String,
}

/// A list never has more: its cost must not grow with the length of a run.
pub(super) const LIST_MAX: i64 = 50;

impl Record for Project {
    fn read(fields: &Fields<'_>) -> Result<Self, StoreError> {
        let [id, owner] = [fields.number(0)?, fields.number(1)?];
        Ok(Self { id, owner, name: fields.text(2)?, description: fields.text(3)? })
    }
}

impl Store {
    /// A new project, with its owner as the first member.
    pub(crate) async fn create_project(
        &self,
        owner: i64,
        draft: &ProjectDraft,
    ) -> Result<Project, StoreError> {
        self.create(
            "INSERT INTO projects (owner, name, description) VALUES ($1, $2, $3)
             RETURNING id, owner, name, description",
            &[Value::Number(owner), Value::Text(&draft.name), Value::Text(&draft.description)],
        )
        .await
    }

    /// The newest projects this user is a member of.
    pub(crate) async fn projects(&self, user: i64) -> Result<Vec<Project>, StoreError> {
        self.list(
            "SELECT id, owner, name, description
             FROM members JOIN projects ON projects.id = members.project
             WHERE members.member = $1 ORDER BY members.project DESC LIMIT $2",
            &[user, LIST_MAX].map(Value::Number),
        )
        .await
    }

    /// A project this user is a member of.
    pub(crate) async fn project(
        &self,
        user: i64,
        project: i64,
    ) -> Result<Option<Project>, StoreError> {
        self.find(
            "SELECT id, owner, name, description
             FROM members JOIN projects ON projects.id = members.project
             WHERE members.member = $1 AND members.project = $2",
            &[user, project].map(Value::Number),
        )
        .await
    }

    /// Change the data of a project.
    pub(crate) async fn update_project(
        &self,
        project: i64,
        draft: &ProjectDraft,
    ) -> Result<Option<Project>, StoreError> {
        self.change(
            "UPDATE projects SET name = $1, description = $2 WHERE id = $3
             RETURNING id, owner, name, description",
            &[Value::Text(&draft.name), Value::Text(&draft.description), Value::Number(project)],
        )
        .await
    }

    /// Remove a project with its members and tasks.
    pub(crate) async fn delete_project(&self, project: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM projects WHERE id = $1", &[Value::Number(project)]).await
    }

    /// Add the user of this name; none if the name is unknown.
    pub(crate) async fn add_member(
        &self,
        project: i64,
        name: &str,
    ) -> Result<Option<User>, StoreError> {
        let statement = "SELECT id, name, email FROM users WHERE name = $1";
        let user: Option<User> = self.find(statement, &[Value::Text(name)]).await?;
        if let Some(user) = &user {
            self.execute(
                "INSERT INTO members (member, project) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                &[user.id, project].map(Value::Number),
            )
            .await?;
        }
        Ok(user)
    }

    /// Who belongs to a project.
    pub(crate) async fn members(&self, project: i64) -> Result<Vec<User>, StoreError> {
        self.list(
            "SELECT id, name, email FROM members JOIN users ON users.id = members.member
             WHERE members.project = $1 ORDER BY id LIMIT $2",
            &[project, LIST_MAX].map(Value::Number),
        )
        .await
    }
}
