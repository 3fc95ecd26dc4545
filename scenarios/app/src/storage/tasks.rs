//! Tasks: what is to be done in a project, and by whom.

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::Store;
use super::projects::LIST_MAX;

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

/// What a user says of a task.
#[derive(Debug, Deserialize)]
pub(crate) struct TaskDraft {
    pub(crate) title: String,
    #[serde(default)]
    description: String,
    #[serde(default = "new_status")]
    pub(crate) status: String,
}

fn new_status() -> String {
    "todo".to_owned()
}

impl Task {
    fn read(row: &rusqlite::Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            id: row.get(0)?,
            project: row.get(1)?,
            title: row.get(2)?,
            description: row.get(3)?,
            status: row.get(4)?,
            assignee: row.get(5)?,
        })
    }
}

impl Store {
    /// A new task, nobody's yet.
    pub(crate) fn create_task(
        &self,
        project: i64,
        draft: &TaskDraft,
    ) -> Result<Task, rusqlite::Error> {
        self.writer()
            .prepare_cached(
                "INSERT INTO tasks (project, title, description, status) VALUES (?1, ?2, ?3, ?4)
                 RETURNING id, project, title, description, status, assignee",
            )?
            .query_row(params![project, draft.title, draft.description, draft.status], Task::read)
    }

    /// The newest tasks of a project.
    pub(crate) fn tasks(&self, project: i64) -> Result<Vec<Task>, rusqlite::Error> {
        self.reader()
            .prepare_cached(
                "SELECT id, project, title, description, status, assignee FROM tasks
                 WHERE project = ?1 ORDER BY id DESC LIMIT ?2",
            )?
            .query_map([project, LIST_MAX], Task::read)?
            .collect()
    }

    /// The newest tasks with this text in their titles, in the projects of this user.
    pub(crate) fn search_tasks(&self, user: i64, text: &str) -> Result<Vec<Task>, rusqlite::Error> {
        self.reader()
            .prepare_cached(
                "SELECT id, tasks.project, title, description, status, assignee
                 FROM members JOIN tasks ON tasks.project = members.project
                 WHERE members.user = ?1 AND instr(lower(title), lower(?2)) > 0
                 ORDER BY id DESC LIMIT ?3",
            )?
            .query_map(params![user, text, LIST_MAX], Task::read)?
            .collect()
    }

    /// A task in one of this user's projects.
    pub(crate) fn task(&self, user: i64, task: i64) -> Result<Option<Task>, rusqlite::Error> {
        self.reader()
            .prepare_cached(
                "SELECT id, tasks.project, title, description, status, assignee
                 FROM tasks JOIN members ON members.project = tasks.project
                 WHERE tasks.id = ?2 AND members.user = ?1",
            )?
            .query_row([user, task], Task::read)
            .optional()
    }

    /// Say something else of a task.
    pub(crate) fn update_task(
        &self,
        task: i64,
        draft: &TaskDraft,
    ) -> Result<Option<Task>, rusqlite::Error> {
        self.writer()
            .prepare_cached(
                "UPDATE tasks SET title = ?2, description = ?3, status = ?4 WHERE id = ?1
                 RETURNING id, project, title, description, status, assignee",
            )?
            .query_row(params![task, draft.title, draft.description, draft.status], Task::read)
            .optional()
    }

    /// Give a task to a member of its project; none if they are no member.
    pub(crate) fn assign_task(
        &self,
        task: i64,
        assignee: i64,
    ) -> Result<Option<Task>, rusqlite::Error> {
        self.writer()
            .prepare_cached(
                "UPDATE tasks SET assignee = ?2 WHERE id = ?1 AND EXISTS (
                     SELECT 1 FROM members WHERE user = ?2 AND project = tasks.project)
                 RETURNING id, project, title, description, status, assignee",
            )?
            .query_row([task, assignee], Task::read)
            .optional()
    }

    /// Remove a task.
    pub(crate) fn delete_task(&self, task: i64) -> Result<(), rusqlite::Error> {
        self.writer()
            .prepare_cached("DELETE FROM tasks WHERE id = ?1")?
            .execute([task])
            .map(|_rows| ())
    }
}
