//! The revision of a folder against what git says, in repositories that git makes.

use std::path::Path;
use std::process::Command;

use uringbench_machine::git::SourceRevision;

/// What git prints; `None` if it is not installed.
fn git(folder: &Path, words: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"])
        .args(words)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .ok()?;
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[track_caller]
fn agrees(folder: &Path, branch: Option<&str>) {
    let found = SourceRevision::of(folder).expect("a revision");
    assert_eq!(Some(&found.commit), git(folder, &["rev-parse", "HEAD"]).as_ref());
    assert_eq!(found.branch.as_deref(), branch);
}

#[test]
fn git_says_the_same() {
    let root = tempfile::tempdir().expect("room for a folder");
    let main = root.path().join("main");
    std::fs::create_dir_all(main.join("src")).expect("room for a folder");
    if git(&main, &["init", "-q"]).is_none() {
        eprintln!("SKIP: no git");
        return;
    }
    assert_eq!(SourceRevision::of(&main), None, "there is no commit yet");
    let commit = ["commit", "-q", "--allow-empty", "-m", "x"];
    git(&main, &commit);
    agrees(&main.join("src"), Some("main"));
    git(&main, &["pack-refs", "--all"]);
    agrees(&main, Some("main"));
    git(&main, &["worktree", "add", "-q", "-b", "topic/x", "../tree"]);
    let tree = root.path().join("tree");
    git(&tree, &commit);
    agrees(&tree, Some("topic/x"));
    agrees(&main, Some("main"));
    git(&tree, &["checkout", "-q", "--detach"]);
    agrees(&tree, None);
}
