//! Names of real programs, compared with those that their own runtime reports.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::code::Code;
use crate::code::burner::skip;
use crate::code::tests::module;
use crate::stack::{Location, StackTable};

/// The oracle is the name that Go's runtime itself has for the addresses.
#[test]
fn functions_of_a_stripped_go_program_have_the_names_of_its_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("program.go");
    let text = r#"
        package main
        import "runtime"
        type server struct{}
        func report() {
            pc, _, _, _ := runtime.Caller(1)
            println(pc, runtime.FuncForPC(pc).Name())
        }
        func (*server) handle() { report() }
        func main() {
            pc, _, _, _ := runtime.Caller(0)
            println(runtime.FuncForPC(pc).Entry(), "main")
            new(server).handle()
            func() { report() }()
            report()
        }
    "#;
    fs::write(&source, text).unwrap();
    // Alone in its section; among other constants, where only a search finds it.
    let ways: [&[&str]; 3] = [
        &["-ldflags", "-s -w"],
        &["-ldflags", "-s -w", "-buildmode", "pie"],
        &["-ldflags", "-s -w -linkmode external", "-buildmode", "pie"],
    ];
    for way in ways {
        let program = folder.path().join("program");
        let mut go = Command::new("go");
        go.args(["build", "-gcflags", "-l", "-o"]).arg(&program).args(way).arg(&source);
        match go.env("GOCACHE", folder.path().join("cache")).status() {
            Ok(status) => assert!(status.success(), "{go:?}"),
            Err(error) => return skip("names of a Go program", &format!("go: {error}")),
        }
        expect_names_of_runtime(&program);
    }
}

fn expect_names_of_runtime(program: &Path) {
    let output = Command::new(program).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let (text, _) = lines.next().unwrap();
    let text: u64 = text.parse().unwrap();
    let reported: Vec<_> = lines.collect();
    let (mut code, mut table) = (Code::new(), StackTable::default());
    let module = module(&mut code, program);
    let content = code.modules.all()[module.0 as usize].content.as_ref().unwrap();
    // The runtime reports addresses of the process, and the file's are relative to its start.
    let start = content.go().unwrap().start("main.main").unwrap();
    table.intern(reported.iter().map(|(pc, _)| {
        let address = pc.parse::<u64>().unwrap().wrapping_sub(text).wrapping_add(start);
        Location::Code { module, address }
    }));
    let names = code.names(&table);
    let found: Vec<_> = names.iter().map(|name| &*name.function).collect();
    assert_eq!(found, ["main.(*server).handle", "main.main.func1", "main.main"]);
    assert_eq!(found, reported.iter().map(|(_, name)| *name).collect::<Vec<_>>());
    assert_eq!(code.unnamed(), [""; 0]);
}
