//! Tasks in a project, and their assignees.

use serde::{Deserialize, Serialize};

use super::fields::{Fields, Record, Value};
use super::projects::LIST_MAX;
use super::{Store, StoreError};

/// A task.
#[derive(Debug, Serialize)]
pub(crate) struct Task {
    id: i64,
    project: i64,
    title: String,
    description: String,
    status: String,
    assignee: Option<i64>,
}

/// A user's data for a task.
#[derive(Debug, Deserialize)]
pub(crate) struct TaskDraft {
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) description: String,
    #[serde(default = "new_status")]
    pub(crate) status: String,
}

fn new_status() -> String {
    "todo".to_owned()
}

impl Record for Task {
    fn read(fields: &Fields<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: fields.number(0)?,
            project: fields.number(1)?,
            title: fields.text(2)?,
            description: fields.text(3)?,
            status: fields.text(4)?,
            assignee: fields.reference(5)?,
        })
    }
}

impl Store {
    /// A new task, not assigned.
    pub(crate) async fn create_task(
        &self,
        project: i64,
        draft: &TaskDraft,
    ) -> Result<Task, StoreError> {
        let [title, description, status] =
            [&draft.title, &draft.description, &draft.status].map(|text| Value::Text(text));
        self.create(
            "INSERT INTO tasks (project, title, description, status) VALUES ($1, $2, $3, $4)
             RETURNING id, project, title, description, status, assignee",
            &[Value::Number(project), title, description, status],
        )
        .await
    }

    /// The newest tasks of a project.
    pub(crate) async fn tasks(&self, project: i64) -> Result<Vec<Task>, StoreError> {
        self.list(
            "SELECT id, project, title, description, status, assignee FROM tasks
             WHERE project = $1 ORDER BY id DESC LIMIT $2",
            &[project, LIST_MAX].map(Value::Number),
        )
        .await
    }

    /// The newest tasks with this text in their titles, among those in the lists of this user: the
    /// cost of a search does not grow with the length of a run.
    pub(crate) async fn search_tasks(
        &self,
        user: i64,
        text: &str,
    ) -> Result<Vec<Task>, StoreError> {
        self.list(
            "SELECT id, tasks.project, title, description, status, assignee
             FROM (SELECT project FROM members WHERE member = $1
                   ORDER BY project DESC LIMIT $2) AS mine
             JOIN tasks ON tasks.project = mine.project
              AND tasks.id >= COALESCE((SELECT id FROM tasks WHERE project = mine.project
                                        ORDER BY id DESC LIMIT 1 OFFSET $3), 0)
             WHERE replace(lower(title), lower($4), '') <> lower(title)
             ORDER BY id DESC LIMIT $2",
            &[
                Value::Number(user),
                Value::Number(LIST_MAX),
                Value::Number(LIST_MAX - 1),
                Value::Text(text),
            ],
        )
        .await
    }

    /// A task in one of this user's projects.
    pub(crate) async fn task(&self, user: i64, task: i64) -> Result<Option<Task>, StoreError> {
        self.find(
            "SELECT id, tasks.project, title, description, status, assignee
             FROM tasks JOIN members ON members.project = tasks.project
             WHERE members.member = $1 AND tasks.id = $2",
            &[user, task].map(Value::Number),
        )
        .await
    }

    /// Change the data of a task.
    pub(crate) async fn update_task(
        &self,
        task: i64,
        draft: &TaskDraft,
    ) -> Result<Option<Task>, StoreError> {
        let [title, description, status] =
            [&draft.title, &draft.description, &draft.status].map(|text| Value::Text(text));
        self.change(
            "UPDATE tasks SET title = $1, description = $2, status = $3 WHERE id = $4
             RETURNING id, project, title, description, status, assignee",
            &[title, description, status, Value::Number(task)],
        )
        .await
    }

    /// Assign a task to a member of its project; none if they are not a member.
    pub(crate) async fn assign_task(
        &self,
        task: i64,
        assignee: i64,
    ) -> Result<Option<Task>, StoreError> {
        self.change(
            "UPDATE tasks SET assignee = $1 WHERE EXISTS (
                 SELECT 1 FROM members WHERE member = $1 AND project = tasks.project)
               AND id = $2
             RETURNING id, project, title, description, status, assignee",
            &[assignee, task].map(Value::Number),
        )
        .await
    }

    /// Remove a task.
    pub(crate) async fn delete_task(&self, task: i64) -> Result<(), StoreError> {
        self.execute("DELETE FROM tasks WHERE id = $1", &[Value::Number(task)]).await
    }
}
