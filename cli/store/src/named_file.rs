//! A file whose name the user chose, which may be a device or a pipe.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes a file completely or not at all, so that a program that reads it in the meantime never
/// finds half of it. A device or a pipe is written to as it is.
///
/// # Errors
/// If it cannot be written; the name then does not exist, or is still the earlier file.
pub fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return fs::OpenOptions::new().write(true).open(path)?.write_all(content);
    }
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(".partial");
    let partial = path.with_file_name(partial);
    let written = File::create(&partial)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&partial, path));
    written.inspect_err(|_| {
        // Best effort: on a full disk the written part should not stay.
        let _ = fs::remove_file(&partial);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_stays_beside_it() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("x.xml");
        write_file(&path, b"longer").unwrap();
        write_file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        write_file(Path::new("/dev/null"), b"x").unwrap();
        assert!(!Path::new("/dev/.null.partial").exists());
    }

    #[test]
    fn a_folder_is_no_file() {
        let root = tempfile::tempdir().unwrap();
        assert!(write_file(root.path(), b"x").is_err());
        assert!(write_file(&root.path().join("gone/x"), b"x").is_err());
    }
}
