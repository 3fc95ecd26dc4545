//! The control group a person means: by its path, or by part of a container's ID.

use std::path::{Component, Path, PathBuf};

use super::{folders, hierarchies, is_cgroup, processes};

/// Folders below one another in which a container is looked for.
const DEPTH_MAX: usize = 8;
/// Letters of an ID that are enough to look for it.
const ID_LETTERS_MIN: usize = 4;

/// Why there is no one control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CgroupNotFound {
    /// None fits.
    None,
    /// More than one fits.
    Several {
        /// The part of an ID that was looked for.
        id: String,
        /// Two or more that fit.
        found: Vec<PathBuf>,
    },
}

/// The folder that is meant by `path`: absolute below `mount`, relative to a hierarchy, or a part
/// of the name of one single group.
///
/// # Errors
/// When there is none, or more than one of that name.
pub fn find(mount: &Path, path: &Path) -> Result<PathBuf, CgroupNotFound> {
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(CgroupNotFound::None);
    }
    if path.starts_with(mount) {
        return Some(path.to_owned()).filter(|path| is_cgroup(path)).ok_or(CgroupNotFound::None);
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
