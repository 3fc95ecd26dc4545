//! Finds the control group that a user names: by its path, or by part of a container's ID.

use std::path::{Component, Path, PathBuf};

use super::{folders, hierarchies, is_cgroup, processes};

/// The largest depth at which containers are searched.
const DEPTH_MAX: usize = 8;
/// The shortest part of an ID that is searched.
const ID_LETTERS_MIN: usize = 4;

/// Why no single control group was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CgroupNotFound {
    /// No group matches.
    None,
    /// More than one group matches.
    Several {
        /// The part of an ID that was searched.
        id: String,
        /// The two or more groups that match.
        found: Vec<PathBuf>,
    },
}

/// The folder for `path`: absolute below `mount`, relative to a hierarchy, or a part of the name of
/// exactly one group.
///
/// # Errors
/// There is none, or more than one of that name.
pub fn find(mount: &Path, path: &Path) -> Result<PathBuf, CgroupNotFound> {
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(CgroupNotFound::None);
    }
    if path.starts_with(mount) {
        return Some(path.to_owned()).filter(|path| is_cgroup(path)).ok_or(CgroupNotFound::None);
    }
    // /proc/PID/cgroup writes paths in their hierarchy in this way: `/system.slice/x.scope`.
    let relative = path.strip_prefix("/").unwrap_or(path);
    let hierarchies = hierarchies(mount);
    let mut places: Vec<_> = hierarchies.iter().map(|root| root.join(relative)).collect();
    places.push(mount.join(relative));
    places.retain(|place| is_cgroup(place));
    // A group may exist in every hierarchy and have its processes only in some of them.
    if let Some(place) = places.iter().find(|place| !processes(place).is_empty()) {
        return Ok(place.clone());
    }
    if let Some(place) = places.into_iter().next() {
        return Ok(place);
    }
    let Some(id) = relative.to_str().filter(|id| !id.contains('/') && id.len() >= ID_LETTERS_MIN)
    else {
        return Err(CgroupNotFound::None);
    };
    for root in &hierarchies {
        let mut found = Vec::new();
        named(root, id, DEPTH_MAX, &mut found);
        found.sort();
        match found.len() {
            0 => {}
            1 => return Ok(found.remove(0)),
            _ => return Err(CgroupNotFound::Several { id: id.to_owned(), found }),
        }
    }
    Err(CgroupNotFound::None)
}

/// Groups whose name contains `id`; groups below them belong to them.
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
