//! Files in unusual places: in memory, deleted, and symbols apart from the code.

use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;
use crate::code::Code;
use crate::code::burner::{Burner, Run, compile, functions, nm, skip};
use crate::code::tests::module;
use crate::stack::{FrameName, Location, StackTable};

/// The name of a function at its address in a file.
fn named(file: &Path, address: u64) -> String {
    let (mut code, mut table) = (Code::new(), StackTable::default());
    let module = module(&mut code, file);
    table.intern([Location::Code { module, address }]);
    code.names(&table)[0].function.clone()
}

/// Whether a program ran and succeeded; `None`, with a message, if it is missing.
fn ran(command: &mut Command) -> Option<()> {
    match command.status() {
        Ok(status) => {
            assert!(status.success(), "{command:?}");
            Some(())
        }
        Err(error) => {
            skip("symbols in other places", &format!("{command:?}: {error}"));
            None
        }
    }
}

#[test]
fn functions_are_named_by_a_table_that_is_packed_within_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let Some(whole) = compile(folder.path(), "whole", &[]) else { return };
    let address = nm(&whole)["serve"];
    let place = |name: &str| folder.path().join(name);
    let (stripped, mini, packed) = (place("stripped"), place("mini"), place("packed"));
    let mut strip = Command::new("strip");
    let Some(()) = ran(strip.arg("-o").args([&stripped, &whole])) else { return };
    assert!(named(&stripped, address).starts_with("stripped+fn@"));
    let mut keep = Command::new("objcopy");
    let Some(()) = ran(keep.args(["-S", "--keep-symbol=serve"]).args([&whole, &mini])) else {
        return;
    };
    let Some(()) = ran(Command::new("xz").arg(&mini)) else { return };
    let section = format!(".gnu_debugdata={}.xz", mini.display());
    let mut add = Command::new("objcopy");
    let Some(()) = ran(add.arg("--add-section").arg(section).args([&stripped, &packed])) else {
        return;
    };
    assert_eq!(named(&packed, address), "serve");
}

#[test]
fn a_file_with_symbols_is_found_by_its_build_id_below_a_root() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["-g", "-Wl,--build-id=0x0123456789abcdef"];
    let Some(whole) = compile(folder.path(), "whole", &flags) else { return };
    let place = folder.path().join("usr/lib/debug/.build-id/01");
    fs::create_dir_all(&place).unwrap();
    fs::copy(&whole, place.join("23456789abcdef.debug")).unwrap();
    fs::copy(&whole, place.join("23456789abcdee.debug")).unwrap();
    let roots = ["/nowhere".to_owned(), folder.path().display().to_string()];
    let id = |last| [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, last];
    assert!(debug_file(&roots, &id(0xef)).is_some());
    assert!(debug_file(&roots, &id(0xee)).is_none(), "of another build");
    assert!(debug_file(&roots[..1], &id(0xef)).is_none());
    assert!(debug_file(&roots, &[0x01]).is_none());
    let stripped = folder.path().join("stripped");
    let mut strip = Command::new("strip");
    let Some(()) = ran(strip.arg("-o").args([&stripped, &whole])) else { return };
    let mut content = Content::read(File::open(&stripped).unwrap()).unwrap();
    content.debug = debug_file(&roots, &id(0xef));
    let mut code = Code::new();
    let module = code.modules.add("stripped".into(), Ok(content));
    let mut table = StackTable::default();
    table.intern([Location::Code { module, address: nm(&whole)["serve"] }]);
    assert_eq!(code.names(&table)[0].function, "serve");
}

#[test]
fn code_of_files_in_memory_is_that_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compile(folder.path(), "burner", &["-fomit-frame-pointer"]) else { return };
    let in_memory = in_memory("burner", &fs::read(&program).unwrap()).unwrap();
    let mut shared = tempfile::Builder::new();
    let Ok(shared) = shared.permissions(PermissionsExt::from_mode(0o700)).tempdir_in("/dev/shm")
    else {
        return skip("a program in /dev/shm", "it cannot be written");
    };
    let in_shared = shared.path().join("burner");
    fs::copy(&program, &in_shared).unwrap();
    let nameless = PathBuf::from(format!("/proc/self/fd/{}", in_memory.as_raw_fd()));
    for (path, is_deleted) in [(nameless, false), (in_shared, false), (program, true)] {
        let burner = Burner::start(&mut Command::new(&path), Run::SERVE);
        if is_deleted {
            fs::remove_file(&path).unwrap();
        }
        let (mut code, mut table) = (Code::new(), StackTable::default());
        code.attach(burner.pid()).unwrap();
        let stacks = burner.stacks(&mut code, &mut table);
        let names = code.names(&table);
        let serving = stacks.iter().filter(|&&stack| {
            let found = functions(&table, &names, stack);
            found.iter().any(|name| name == "serve") && found[0] == "_start"
        });
        let share = serving.count() as f64 / stacks.len() as f64;
        assert!(share > 0.9, "{share} of {}: {:?}", path.display(), code.counts());
        let is_jit = |name: &FrameName| name.function == "[jit]";
        assert!(!names.iter().any(is_jit), "{}", path.display());
    }
}
