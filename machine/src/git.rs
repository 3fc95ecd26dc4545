//! The commit and the branch of a working folder, read from git's files.
//!
//! Without the git program: it may be missing where servers run, and refuses folders of other
//! owners. Refs that are stored in the reftable format are not read.

use std::path::{Path, PathBuf};

use crate::line_of;

/// Symbolic refs that are followed, at most: git's own limit.
const DEPTH_MAX: u32 = 5;
/// Variables in which GitHub and GitLab name the branch of a job, whose checkout has none.
const CI_BRANCHES: [&str; 3] = ["GITHUB_HEAD_REF", "GITHUB_REF_NAME", "CI_COMMIT_REF_NAME"];

/// A revision of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceRevision {
    /// The commit's whole hash.
    pub commit: String,
    /// The branch that is checked out, if there is one.
    pub branch: Option<String>,
}

impl SourceRevision {
    /// The revision of `folder`, which may lie anywhere below the top of a repository; `None`
    /// outside of one, and before its first commit.
    pub fn of(folder: &Path) -> Option<Self> {
        let folder = std::path::absolute(folder).ok()?;
        let git = folder.ancestors().find_map(|top| git_folder(&top.join(".git")))?;
        let head = line_of(git.join("HEAD"))?;
        let branch = head.strip_prefix("ref: ").and_then(|name| name.strip_prefix("refs/heads/"));
        let commit = commit(&git, &head, 0)?;
        Some(Self { commit, branch: branch.map(str::to_owned) })
    }

    /// The same with the branch that the CI system names, unless one is checked out. `value_of`
    /// reads a variable of the environment.
    pub fn in_ci(self, value_of: impl Fn(&str) -> Option<String>) -> Self {
        let named = || CI_BRANCHES.into_iter().filter_map(value_of).find(|name| !name.is_empty());
        Self { branch: self.branch.or_else(named), ..self }
    }
}

/// The git folder: `.git` itself, or the folder that it names (worktrees and submodules).
fn git_folder(dot_git: &Path) -> Option<PathBuf> {
    if dot_git.is_dir() {
        return Some(dot_git.to_path_buf());
    }
    let named = line_of(dot_git)?;
    let named = named.strip_prefix("gitdir: ")?;
    Some(dot_git.parent()?.join(named))
}

/// The commit to which the content of a ref leads.
fn commit(git: &Path, content: &str, depth: u32) -> Option<String> {
    let Some(name) = content.strip_prefix("ref: ") else {
        let is_hash = matches!(content.len(), 40 | 64)
            && content.bytes().all(|byte| byte.is_ascii_hexdigit());
        return is_hash.then(|| content.to_owned());
    };
    if depth == DEPTH_MAX || name.split('/').any(|part| part == "..") {
        return None;
    }
    // The refs of a worktree are those of its repository.
    let shared = line_of(git.join("commondir")).map(|folder| git.join(folder));
    let folders = [Some(git.to_path_buf()), shared];
    folders.into_iter().flatten().find_map(|folder| {
        let loose = line_of(folder.join(name));
        let content = loose.or_else(|| packed(&line_of(folder.join("packed-refs"))?, name))?;
        commit(git, &content, depth + 1)
    })
}

/// The hash of a ref in `packed-refs`: lines `HASH NAME`; `#` and `^` begin other lines.
fn packed(refs: &str, name: &str) -> Option<String> {
    let mut lines = refs.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(_, ours)| *ours == name).map(|(hash, _)| hash.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const A: &str = "0123456789abcdef0123456789abcdef01234567";
    const B: &str = "89abcdef0123456789abcdef0123456789abcdef";

    /// Files below a new folder.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("it has one")).expect("room");
            fs::write(path, format!("{text}\n")).expect("room");
        }
        root
    }

    fn revision(files: &[(&str, &str)], folder: &str) -> Option<(String, Option<String>)> {
        let root = tree(files);
        fs::create_dir_all(root.path().join(folder)).expect("room");
        let found = SourceRevision::of(&root.path().join(folder))?;
        Some((found.commit, found.branch))
    }

    #[test]
    fn a_revision_is_found_from_any_folder_below() {
        let of_main = Some((A.to_owned(), Some("feature/x".to_owned())));
        let head = (".git/HEAD", "ref: refs/heads/feature/x");
        let loose = (".git/refs/heads/feature/x", A);
        assert_eq!(revision(&[head, loose], ""), of_main);
        assert_eq!(revision(&[head, loose], "src/deep"), of_main);
        let refs = format!(
            "# pack-refs with: peeled\n{B} refs/heads/main\n{A} refs/heads/feature/x\n^{B}"
        );
        assert_eq!(revision(&[head, (".git/packed-refs", &refs)], "src"), of_main);
        // A loose ref is newer than a packed one.
        let stale = format!("{B} refs/heads/feature/x");
        assert_eq!(revision(&[head, loose, (".git/packed-refs", &stale)], ""), of_main);
        assert_eq!(revision(&[(".git/HEAD", A)], ""), Some((A.to_owned(), None)));
    }

    #[test]
    fn a_worktree_has_its_own_head_and_the_refs_of_its_repository() {
        let files = [
            ("main/.git/refs/heads/topic", A),
            ("main/.git/worktrees/w/HEAD", "ref: refs/heads/topic"),
            ("main/.git/worktrees/w/commondir", "../.."),
            ("w/.git", "gitdir: ../main/.git/worktrees/w"),
        ];
        assert_eq!(revision(&files, "w/src"), Some((A.to_owned(), Some("topic".to_owned()))));
    }

    #[test]
    fn no_commit_is_no_revision() {
        for files in [
            &[(".git/HEAD", "ref: refs/heads/main")][..],
            &[(".git/HEAD", "ref: HEAD")],
            &[(".git/HEAD", "ref: ../../secret"), ("secret", A)],
            &[(".git/HEAD", "no hash")],
            &[(".git", "something else")],
        ] {
            assert_eq!(revision(files, "src"), None, "{files:?}");
        }
    }

    #[test]
    fn ci_names_the_branch_of_a_detached_checkout() {
        let detached = || SourceRevision { commit: A.to_owned(), branch: None };
        let of = |known: &'static str| {
            detached().in_ci(move |name| (name == known).then(|| "topic".to_owned())).branch
        };
        assert_eq!(of("GITHUB_HEAD_REF").as_deref(), Some("topic"));
        assert_eq!(of("CI_COMMIT_REF_NAME").as_deref(), Some("topic"));
        assert_eq!(of("HOME"), None);
        let main = SourceRevision { branch: Some("main".to_owned()), ..detached() };
        assert_eq!(main.in_ci(|_| Some("x".to_owned())).branch.as_deref(), Some("main"));
    }
}
