//! Control groups as folders: the unified hierarchy, the old ones by controller, or both side by
//! side; and whose processes are in them.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::SelectorError;

/// Where systemd and every container runtime mount them.
pub(crate) const MOUNT: &str = "/sys/fs/cgroup";
/// Folders below one another in which a container is looked for.
const DEPTH_MAX: usize = 8;
/// Letters of an ID that are enough to look for it.
const ID_LETTERS_MIN: usize = 4;

/// The folder that is meant by `path`: absolute below `mount`, relative to a hierarchy, or a part
/// of the name of one single group.
pub(super) fn folder(mount: &Path, path: &Path) -> Result<PathBuf, SelectorError> {
    let unknown = || SelectorError::NoSuchCgroup(path.to_owned());
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(unknown());
    }
    if path.starts_with(mount) {
        return Some(path.to_owned()).filter(|path| is_cgroup(path)).ok_or_else(unknown);
    }
    // `/system.slice/x.scope` is how /proc/PID/cgroup writes a path in its hierarchy.
    let relative = path.strip_prefix("/").unwrap_or(path);
    let hierarchies = hierarchies(mount);
    let mut places: Vec<_> = hierarchies.iter().map(|root| root.join(relative)).collect();
    places.push(mount.join(relative));
    places.retain(|place| is_cgroup(place));
    // A group may stand in every hierarchy and have its processes in some of them.
    if let Some(place) = places.iter().find(|place| !processes(place).is_empty()) {
        return Ok(place.clone());
    }
    if let Some(place) = places.into_iter().next() {
        return Ok(place);
    }
    let Some(id) = relative.to_str().filter(|id| !id.contains('/') && id.len() >= ID_LETTERS_MIN)
    else {
        return Err(unknown());
    };
    for root in &hierarchies {
        let mut found = Vec::new();
        named(root, id, DEPTH_MAX, &mut found);
        found.sort();
        match found.len() {
            0 => {}
            1 => return Ok(found.remove(0)),
            _ => return Err(SelectorError::AmbiguousCgroup { id: id.to_owned(), found }),
        }
    }
    Err(unknown())
}

/// The roots of all hierarchies, the unified one first, then the one that counts memory.
pub(crate) fn hierarchies(mount: &Path) -> Vec<PathBuf> {
    if is_cgroup(mount) {
        return vec![mount.to_owned()];
    }
    let mut roots = folders(mount);
    roots.retain(|root| is_cgroup(root));
    let rank = |root: &PathBuf| match root.file_name().and_then(|name| name.to_str()) {
        Some("unified") => 0,
        Some("memory") => 1,
        _ => 2,
    };
    roots.sort_by_key(|root| (rank(root), root.clone()));
    roots
}

/// The processes of a group and of all groups below it.
pub(crate) fn processes(folder: &Path) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut left = vec![folder.to_owned()];
    while let Some(folder) = left.pop() {
        let listed = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        // A process outside this PID namespace is listed as 0.
        let pids = listed.lines().filter_map(|line| line.parse::<u32>().ok());
        found.extend(pids.filter(|&pid| pid != 0));
        left.extend(folders(&folder));
    }
    found
}

/// Groups whose name contains `id`; what is below them is theirs.
fn named(folder: &Path, id: &str, depth: usize, found: &mut Vec<PathBuf>) {
    for below in folders(folder) {
        let name = below.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.contains(id)) {
            found.push(below);
        } else if depth > 1 {
            named(&below, id, depth - 1, found);
        }
    }
}

fn is_cgroup(folder: &Path) -> bool {
    folder.join("cgroup.procs").is_file()
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_folder = |entry: &std::fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.flatten().filter(is_folder).map(|entry| entry.path()).collect()
}
