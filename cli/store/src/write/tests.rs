//! Files whole or not at all, and what is said when they cannot be.

use super::*;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_prepared_folder_exists_and_is_empty() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("a/b/c");
    let destination = Destination::prepare(&folder).unwrap();
    assert_eq!(destination.folder(), folder);
    assert_eq!(names(&folder), [""; 0]);
    Destination::prepare(&folder).expect("the user may name a folder that exists");
}

#[test]
fn a_run_that_names_no_folder_gets_its_own() {
    let root = tempfile::tempdir().unwrap();
    let wanted = root.path().join("host/GET/20260228T235959Z");
    let folders: Vec<_> =
        (0..3).map(|_| Destination::prepare_new(&wanted).unwrap().folder().to_path_buf()).collect();
    let expected = ["20260228T235959Z", "20260228T235959Z-2", "20260228T235959Z-3"];
    assert_eq!(folders, expected.map(|name| root.path().join("host/GET").join(name)));
}

#[test]
fn a_folder_that_cannot_be_made_is_named_with_cause_and_remedy() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("taken");
    fs::write(&file, "a file").unwrap();
    let error = Destination::prepare(&file).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "cannot make the results folder {}: File exists (os error 17); name another with \
             -o DIR",
            file.display()
        )
    );
    let below = Destination::prepare_new(&file.join("below")).unwrap_err();
    assert!(matches!(below, StoreError::Folder { .. }), "{below}");
    // Nobody makes files in /proc, root included.
    let error = Destination::prepare(Path::new("/proc")).unwrap_err();
    assert!(matches!(error, StoreError::NotWritable { .. }), "{error}");
}

#[test]
fn a_file_appears_whole_under_its_name() {
    let root = tempfile::tempdir().unwrap();
    let destination = Destination::prepare(root.path()).unwrap();
    let path = destination.write("run.json", |file| file.write_all(b"first")).unwrap();
    assert_eq!(path, root.path().join("run.json"));
    let seen = destination.write("run.json", |file| {
        file.write_all(b"second")?;
        assert_eq!(fs::read_to_string(&path)?, "first", "not replaced before it is whole");
        Ok(())
    });
    assert_eq!(fs::read_to_string(seen.unwrap()).unwrap(), "second");
    assert_eq!(names(root.path()), ["run.json"]);
}

#[test]
fn a_full_disk_leaves_no_half_file_and_says_so() {
    let root = tempfile::tempdir().unwrap();
    let destination = Destination::prepare(root.path()).unwrap();
    let full = |file: &mut File| {
        file.write_all(b"half of i")?;
        // The kernel's own ENOSPC.
        File::options().write(true).open("/dev/full")?.write_all(b"t")
    };
    let error = destination.write("run.json", full).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the disk is full: {} was not stored (No space left on device (os error 28)); free \
             some space or name a folder on another disk with -o DIR, and run again",
            root.path().join("run.json").display()
        )
    );
    assert_eq!(names(root.path()), [""; 0]);
    destination.write("run.json", |file| file.write_all(b"earlier")).unwrap();
    destination.write("run.json", full).unwrap_err();
    assert_eq!(fs::read_to_string(root.path().join("run.json")).unwrap(), "earlier");
}

#[test]
fn a_folder_that_vanished_is_an_error_not_a_panic() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("gone");
    let destination = Destination::prepare(&folder).unwrap();
    fs::remove_dir(&folder).unwrap();
    let error = destination.write("run.json", |_| Ok(())).unwrap_err();
    assert!(matches!(error, StoreError::Write { .. }), "{error}");
}
