//! Programs to profile, compiled when they are needed: `burner` (CPU time in shares 60/30/10) and
//! `leaky` (an HTTP server whose use of memory per request is known); their sources explain how to
//! run them. Useful flags: none (names, no frame pointers), `["-fomit-frame-pointer", "-s"]`
//! (neither names nor frame pointers) and `["-fno-omit-frame-pointer"]`. The Python programs in the
//! same folder need no compilation.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

/// Why a program cannot be compiled here.
#[derive(Debug)]
pub(crate) struct Skip(String);

impl fmt::Display for Skip {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Compiles `program` (`"burner"` or `"leaky"`) with `-O2 -g` and `flags`, once for each set of
/// flags; later calls and runs use the existing file. If it returns an error, it has reported the
/// skipped test on stderr.
///
/// # Errors
/// There is no C compiler; if `CI` is set in the environment that is a panic, as is every failed
/// compilation.
pub(crate) fn build(program: &str, flags: &[&str]) -> Result<PathBuf, Skip> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock();
    let source = match program {
        "burner" => include_str!("burner.c"),
        "leaky" => include_str!("leaky.c"),
        _ => panic!("no target is called {program}"),
    };
    let mut hasher = DefaultHasher::new();
    (source, flags).hash(&mut hasher);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("targets")
        .join(format!("{:016x}", hasher.finish()));
    let built = folder.join(program);
    if built.exists() {
        return Ok(built);
    }
    std::fs::create_dir_all(&folder).expect("the target folder is ours");
    let written = folder.join(format!("{program}.c"));
    std::fs::write(&written, source).expect("the target folder is ours");
    // First under a temporary name: two test programs may compile at once, and neither may run a
    // partial file.
    let unfinished = folder.join(format!("{program}.{}", std::process::id()));
    let compiler = Command::new("cc")
        .args(["-O2", "-g", "-pthread"])
        .args(flags)
        .arg("-o")
        .args([&unfinished, &written])
        .output();
    match compiler {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("{program}: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let skip = Skip(format!("no C compiler (`cc`) to build {program} with"));
            eprintln!("SKIPPED {program}: {skip}");
            assert!(std::env::var_os("CI").is_none(), "skipped in CI: {skip}");
            return Err(skip);
        }
        Err(error) => panic!("cc: {error}"),
    }
    std::fs::rename(&unfinished, &built).expect("both are in one folder");
    Ok(built)
}
