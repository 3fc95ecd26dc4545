//! The folder of a run's results if the user names none.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use uringbench_document::civil::Civil;

/// `<root>/<target>/<scenario>/<time>`: `target` is a `host:port`, `scenario` the run's name or
/// method and path; both are converted to plain names. It may exist:
/// [`crate::Destination::prepare_new`] then numbers it.
pub fn run_folder(root: &Path, target: &str, scenario: &str, started: SystemTime) -> PathBuf {
    root.join(plain(target)).join(plain(scenario)).join(Civil::of(started).compact())
}

/// The folder of a cell's runs in the folder of a suite.
pub fn suite_folder(results: &Path, target: &str, case: &str) -> PathBuf {
    results.join("raw").join(plain(target)).join(plain(case))
}

/// Longest name in bytes; file systems allow 255.
const NAME_MAX: usize = 80;

/// A file name that needs no quoting anywhere: letters, digits, `.`, `-` and `_` stay, every run of
/// other characters becomes one `_`. Never empty, never hidden, never `..`.
pub(crate) fn plain(text: &str) -> String {
    let mut name = String::new();
    for letter in text.chars() {
        if name.len() >= NAME_MAX {
            break;
        }
        if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_') {
            name.push(letter);
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    match name.trim_start_matches(['.', '_', '-']).trim_end_matches('_') {
        "" => "root".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn the_folder_says_what_was_loaded_and_when() {
        let started = UNIX_EPOCH + Duration::from_secs(1_772_323_199);
        let folder = run_folder(Path::new("results"), "127.0.0.1:8080", "GET /a/b?c=1", started);
        assert_eq!(folder, Path::new("results/127.0.0.1_8080/GET_a_b_c_1/20260228T235959Z"));
    }

    #[test]
    fn no_name_leaves_its_folder_or_needs_quoting() {
        let cases = [
            ("..", "root"),
            ("../../etc", "etc"),
            ("/", "root"),
            ("GET /", "GET"),
            ("[::1]:80", "1_80"),
            (".hidden", "hidden"),
            ("-rf", "rf"),
            ("näme\0\n x", "n_me_x"),
        ];
        for (text, name) in cases {
            assert_eq!(plain(text), name);
        }
        assert_eq!(plain(&"x".repeat(500)).len(), NAME_MAX);
    }
}
