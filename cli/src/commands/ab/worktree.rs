//! A git revision checked out beside the current folder, and removed again.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, anyhow};

use crate::exit::Failure;

/// A worktree that is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Worktree {
    root: PathBuf,
    /// The folder in it that the current one is in the repository.
    folder: PathBuf,
}

impl Worktree {
    /// Check out `revision` into a folder below `parent`.
    pub(super) fn add(revision: &str, parent: &Path) -> Result<Self, Failure> {
        let prefix = git(&["rev-parse", "--show-prefix"])?;
        let parent = parent.canonicalize().context("the folder of the results is gone")?;
        let root = parent.join("base");
        let path = root.to_string_lossy();
        git(&["worktree", "add", "--detach", "--force", &path, revision])?;
        let folder = root.join(prefix.trim());
        Ok(Self { root, folder })
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        let path = self.root.to_string_lossy();
        // What cannot be removed stays and is listed by `git worktree list`.
        let _removed = git(&["worktree", "remove", "--force", &path]);
    }
}

fn git(words: &[&str]) -> Result<String, Failure> {
    let output = Command::new("git").args(words).output();
    let Output { status, stdout, stderr } = output.context("git cannot be started")?;
    if !status.success() {
        let why = String::from_utf8_lossy(&stderr);
        let why = why.trim().to_owned();
        return Err(anyhow!("`git {}` failed: {why}", words.join(" ")).into());
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}
