//! Stacks and names of real programs, compared with those that the programs and binutils report.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use uringbench_core::time::Timestamp;

use super::address_spaces::Backing;
use super::burner::{Burner, Inside, Run, compile, compile_source, functions, nm, skip};
use super::image::Image;
use super::*;
use crate::record::{UserState, Words};
use crate::stack::{FrameKind, ModuleId};

const NO_FRAME_POINTERS: &[&str] = &["-fomit-frame-pointer"];

/// The stack that the program reports, from `run` on.
fn expected(inside: Inside) -> Option<&'static [&'static str]> {
    Some(match inside {
        Inside::Alpha => &["run", "serve", "alpha"],
        Inside::Beta => &["run", "serve", "beta"],
        Inside::Gamma => &["run", "serve", "gamma_"],
        Inside::Compare | Inside::Recurse | Inside::Nowhere => return None,
    })
}

/// Run a burner built with `flags`, and check each stack whose innermost frames are certain.
fn check(flags: &[&str], run: Run, root: &str) {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compile(folder.path(), "burner", flags) else { return };
    let burner = Burner::start(&mut Command::new(program), run);
    let (mut code, mut table) = (Code::new(), StackTable::default());
    code.attach(burner.pid()).unwrap();
    let stacks = burner.stacks(&mut code, &mut table);
    let names = code.names(&table);
    let mut sure = 0;
    for (taken, &stack) in burner.samples.iter().zip(&stacks) {
        let found = functions(&table, &names, stack);
        if let Some(expected) = expected(taken.inside) {
            assert!(found.ends_with(&expected.map_to_strings()), "{flags:?}: {found:?}");
            assert!(found[0].starts_with(root), "{flags:?}: {found:?}");
            sure += 1;
        }
        if taken.inside == Inside::Compare {
            assert_eq!(found.last().map(String::as_str), Some("compare"), "{found:?}");
            let serve = found.iter().position(|name| name == "serve");
            assert!(serve.is_some_and(|at| at + 2 < found.len()), "through libc: {found:?}");
        }
    }
    assert!(sure > burner.samples.len() / 4, "{sure} samples in known functions");
    let counts = code.counts();
    assert_eq!(counts.total(), burner.samples.len() as u64);
    assert!(counts.complete as f64 > 0.98 * counts.total() as f64, "{flags:?}: {counts:?}");
}

trait MapToStrings {
    fn map_to_strings(&self) -> Vec<String>;
}

impl MapToStrings for &[&str] {
    fn map_to_strings(&self) -> Vec<String> {
        self.iter().map(|&text| text.into()).collect()
    }
}

#[test]
fn stacks_reach_the_start_without_frame_pointers() {
    check(NO_FRAME_POINTERS, Run::SERVE, "_start");
}

#[test]
fn stacks_reach_the_start_with_frame_pointers() {
    check(&["-fno-omit-frame-pointer"], Run::SERVE, "_start");
}

#[test]
fn stacks_of_a_thread_reach_clone() {
    check(NO_FRAME_POINTERS, Run { mode: "thread", ..Run::SERVE }, "");
}

#[test]
fn a_static_program_at_a_fixed_address_is_unwound() {
    check(&["-fomit-frame-pointer", "-static", "-no-pie"], Run::SERVE, "_start");
}

#[test]
fn rules_without_an_index_are_followed() {
    check(&["-fomit-frame-pointer", "-Wl,--no-eh-frame-hdr"], Run::SERVE, "_start");
}

#[test]
fn frame_pointers_are_followed_where_there_are_no_rules() {
    let folder = tempfile::tempdir().unwrap();
    let flags =
        ["-fno-omit-frame-pointer", "-fno-asynchronous-unwind-tables", "-fcf-protection=none"];
    let Some(program) = compile(folder.path(), "burner", &flags) else { return };
    let burner = Burner::start(&mut Command::new(program), Run::SERVE);
    let (mut code, mut table) = (Code::new(), StackTable::default());
    code.attach(burner.pid()).unwrap();
    let stacks = burner.stacks(&mut code, &mut table);
    let names = code.names(&table);
    for (taken, &stack) in burner.samples.iter().zip(&stacks) {
        let found = functions(&table, &names, stack);
        // The caller of the innermost function is a guess only at its first and last instructions.
        if let Some(expected) = expected(taken.inside) {
            assert_eq!(found.last().map(String::as_str), expected.last().copied());
        }
    }
    let whole = stacks.iter().filter(|&&stack| {
        let found = functions(&table, &names, stack);
        found.iter().any(|name| name == "serve") && found.iter().any(|name| name == "main")
    });
    assert!(whole.count() * 10 > stacks.len() * 9, "{:?}", code.counts());
}

#[test]
fn a_recursion_is_whole_when_copied_and_marked_when_not() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compile(folder.path(), "burner", NO_FRAME_POINTERS) else { return };
    let run = Run { mode: "deep", samples: 200, stack_bytes: 32 << 10, depth: 40 };
    let whole = Burner::start(&mut Command::new(&program), run);
    let (mut code, mut table) = (Code::new(), StackTable::default());
    let stacks = whole.stacks(&mut code, &mut table);
    let names = code.names(&table);
    for (taken, &stack) in whole.samples.iter().zip(&stacks) {
        let found = functions(&table, &names, stack);
        let calls = found.iter().filter(|name| *name == "recurse").count() as u64;
        assert!((taken.depth..=taken.depth + 1).contains(&calls), "{} {found:?}", taken.depth);
    }
    assert_eq!(code.counts().truncated(), 0, "{:?}", code.counts());

    let run = Run { stack_bytes: 2 << 10, depth: 2000, ..run };
    let cut = Burner::start(&mut Command::new(&program), run);
    let mut code = Code::new();
    let stacks = cut.stacks(&mut code, &mut table);
    let names = code.names(&table);
    let mut marked = 0;
    for (taken, &stack) in cut.samples.iter().zip(&stacks) {
        let found = functions(&table, &names, stack);
        if taken.depth > 200 {
            assert_eq!(found[0], "[truncated]");
            assert!(found[1..].iter().all(|name| name == "recurse"), "{found:?}");
            marked += 1;
        }
    }
    assert!(marked > 100, "{marked}");
    // Memory beyond the copy may lead further, past the most frames that are kept.
    let counts = code.counts();
    assert!(counts.out_of_copy + counts.too_deep >= marked, "{counts:?}");
    assert_eq!(code.counts().total(), 200);
}

#[test]
fn stripped_functions_are_named_by_where_they_start() {
    let folder = tempfile::tempdir().unwrap();
    // Only `serve` stays in the dynamic symbols; it must not be used for its neighbours.
    let flags = ["-fomit-frame-pointer", "-Wl,--export-dynamic-symbol=serve"];
    let Some(whole) = compile(folder.path(), "whole", &flags) else { return };
    let stripped = folder.path().join("stripped");
    assert!(Command::new("strip").arg("-o").args([&stripped, &whole]).status().unwrap().success());
    let burner = Burner::start(&mut Command::new(&stripped), Run::SERVE);
    let (mut code, mut table) = (Code::new(), StackTable::default());
    let stacks = burner.stacks(&mut code, &mut table);
    let names = code.names(&table);
    let addresses = nm(&whole);
    let mut sure = 0;
    for (taken, &stack) in burner.samples.iter().zip(&stacks) {
        let Some(expected) = expected(taken.inside) else { continue };
        let starts = expected.iter().map(|&name| match name {
            "serve" => "serve".to_owned(),
            name => format!("stripped+fn@{:x}", addresses[name]),
        });
        let found = functions(&table, &names, stack);
        assert!(found.ends_with(&starts.collect::<Vec<_>>()), "{found:?}");
        sure += 1;
    }
    assert!(sure > 75, "{sure}");
}

#[test]
fn a_go_program_without_its_table_is_said_to_be_unnamed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(whole) = compile(folder.path(), "whole", &[]) else { return };
    let section = |flag: &str, section: &str, name: &str| {
        let file = folder.path().join(name);
        let from = format!("{section}={}", whole.display());
        let mut objcopy = Command::new("objcopy");
        objcopy.args([flag, "--add-section", &from]).args([&whole, &file]);
        assert!(objcopy.status().unwrap().success(), "{objcopy:?}");
        file
    };
    let notes = [
        section("--strip-all", ".go.buildinfo", "go"),
        section("--strip-all", ".comments", "stripped"),
        section("--strip-debug", ".go.buildinfo", "named"),
    ]
    .map(|file| {
        let mut code = Code::new();
        module(&mut code, &file);
        code.unnamed().concat()
    });
    assert!(notes[0].starts_with("go is a Go program without symbols or a table"), "{notes:?}");
    assert!(notes[0].ends_with("build it without -ldflags -s"), "{notes:?}");
    assert_eq!(notes[1..], ["", ""]);
}

#[test]
fn function_starts_are_those_that_binutils_reads() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compile(folder.path(), "burner", NO_FRAME_POINTERS) else { return };
    let output = Command::new("readelf").arg("--debug-dump=frames").arg(&program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let starts = text.lines().filter_map(|line| {
        let (_, range) = line.split_once(" pc=")?;
        u64::from_str_radix(range.split_once("..")?.0, 16).ok()
    });
    let image = Image::read(&File::open(&program).unwrap()).unwrap();
    let found: BTreeSet<_> = image.functions().iter().map(|range| range.start).collect();
    assert_eq!(found, starts.collect());
    assert!(found.contains(&nm(&program)["alpha"]));
}

#[test]
fn a_process_that_is_gone_is_named_even_when_its_file_is_too() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compile(folder.path(), "burner", NO_FRAME_POINTERS) else { return };
    let mut burner = Burner::start(&mut Command::new(&program), Run::SERVE);
    let pid = burner.pid();
    let (mut code, mut table) = (Code::new(), StackTable::default());
    code.attach(pid).unwrap();
    burner.end();
    fs::remove_file(&program).unwrap();
    fs::write(&program, "another file at the same path").unwrap();
    code.observe(&record(pid, Content::Exit { pid, tid: pid }));
    let stacks = burner.stacks(&mut code, &mut table);
    let names = code.names(&table);
    let at = burner.samples.iter().position(|taken| taken.inside == Inside::Alpha).unwrap();
    let found = functions(&table, &names, stacks[at]);
    assert!(found.ends_with(&["run".into(), "serve".into(), "alpha".into()]), "{found:?}");
    let leaf = table.leaf_first(stacks[at]).next().unwrap();
    assert_eq!(names[leaf.0 as usize].module, "burner");
    assert_eq!(names[leaf.0 as usize].kind, FrameKind::Native);
}

#[test]
fn a_file_cut_short_while_it_runs_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compile(folder.path(), "burner", NO_FRAME_POINTERS) else { return };
    let mut burner = Burner::start(&mut Command::new(&program), Run::SERVE);
    let (mut code, mut table) = (Code::new(), StackTable::default());
    code.attach(burner.pid()).unwrap();
    burner.end();
    let alpha = nm(&program)["alpha"];
    File::options().write(true).open(&program).unwrap().set_len(100).unwrap();
    let stacks = burner.stacks(&mut code, &mut table);
    let names = code.names(&table);
    let at = burner.samples.iter().position(|taken| taken.inside == Inside::Alpha).unwrap();
    let found = functions(&table, &names, stacks[at]);
    assert_eq!(found.last(), Some(&format!("burner+fn@{alpha:x}")));
}

#[test]
fn a_forked_child_has_its_parents_code_until_it_execs() {
    let folder = tempfile::tempdir().unwrap();
    let Some(program) = compile(folder.path(), "burner", NO_FRAME_POINTERS) else { return };
    let burner = Burner::start(&mut Command::new(program), Run { samples: 20, ..Run::SERVE });
    let (parent, child) = (burner.pid(), NO_PID);
    let (mut code, mut table) = (Code::new(), StackTable::default());
    code.attach(parent).unwrap();
    let fork = Content::Fork { pid: child, tid: child, parent, parent_tid: parent };
    code.observe(&record(child, fork));
    let sample = burner.samples[3].record();
    let of_parent = code.stack(parent, &sample, &mut table);
    assert_eq!(code.stack(child, &sample, &mut table), of_parent, "files are shared");
    code.observe(&record(child, Content::Name { name: b"other", is_exec: true }));
    let after = code.stack(child, &sample, &mut table);
    let frames: Vec<_> = table.root_first(after).iter().map(|&at| table.location(at)).collect();
    assert_eq!(frames, [Marker::Truncated, Marker::Unmapped].map(Location::Marker));
    assert_eq!(code.stack(parent, &sample, &mut table), of_parent);
}

#[test]
fn a_file_is_found_below_the_root_of_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["-static", "-fomit-frame-pointer"];
    let Some(program) = compile(folder.path(), "burner", &flags) else { return };
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        return skip("code in another root", "chroot(2) needs root");
    }
    // A thread: only a program's first one would have to read its stack from /proc, which is
    // missing.
    let run = Run { mode: "thread", ..Run::SERVE };
    let burner = Burner::start(Command::new("chroot").arg(folder.path()).arg("/burner"), run);
    let pid = burner.pid();
    let maps = fs::read(format!("/proc/{pid}/maps")).unwrap();
    let line = maps.split(|&byte| byte == b'\n').filter_map(maps_line);
    let line = line.into_iter().find(|line| line.is_executable).unwrap();
    // The kernel's records have paths as the process sees them. A mapping that was split since has
    // no entry in map_files, so the path must be used.
    let half = (line.end - line.start) / 2;
    for length in [line.end - line.start, half] {
        let (mut code, mut table) = (Code::new(), StackTable::default());
        let (start, file_offset) = (line.start, line.file_offset);
        let path = b"/burner";
        code.observe(&record(pid, Content::Name { name: b"burner", is_exec: true }));
        let mapping = Mapping { pid, start, length, file_offset, is_executable: true, path };
        code.observe(&record(pid, Content::Mapping(mapping)));
        let stacks = burner.stacks(&mut code, &mut table);
        let names = code.names(&table);
        let at = burner.samples.iter().position(|taken| taken.inside == Inside::Alpha).unwrap();
        let found = functions(&table, &names, stacks[at]);
        assert_eq!(found.last().map(String::as_str), Some("alpha"), "{:?}", code.modules);
        assert_eq!(code.unreadable().count(), 0);
    }
    assert!(program.exists());
}

#[test]
fn names_are_demangled_without_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("mangled.c");
    let text = r#"
        int cpp(void) __asm__("_ZN4demo5helloEi");
        int rust(void) __asm__("_ZN4demo7handler17h0123456789abcdefE");
        int plain(void) { return 1; }
        int cpp(void) { return 2; }
        int rust(void) { return 3; }
    "#;
    fs::write(&source, text).unwrap();
    let library = folder.path().join("libmangled.so");
    let flags = ["-shared", "-fPIC"];
    let Some(library) = compile_source(&source, &library, &flags) else { return };
    let addresses = nm(&library);
    let (mut code, mut table) = (Code::new(), StackTable::default());
    let module = module(&mut code, &library);
    let frames = ["plain", "_ZN4demo5helloEi", "_ZN4demo7handler17h0123456789abcdefE"]
        .map(|name| Location::Code { module, address: addresses[name] + 1 });
    table.intern(frames);
    let names = code.names(&table);
    let found: Vec<_> = names.iter().map(|name| &*name.function).collect();
    assert_eq!(found, ["plain", "demo::hello(int)", "demo::handler"]);
    assert!(names.iter().all(|name| name.module == "libmangled.so"));
}

#[test]
fn a_symbol_without_a_size_does_not_name_code_far_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("sizeless.c");
    let text = r#"
        __asm__(".text\n.globl long_one\n.type long_one, @function\nlong_one:\n"
                ".fill 0x3000, 1, 0x90\n"
                ".globl with_rules\n.type with_rules, @function\nwith_rules:\n"
                ".cfi_startproc\n.fill 16, 1, 0x90\n.cfi_endproc\n.fill 64, 1, 0x90\n"
                ".globl sized\n.type sized, @function\nsized:\n.fill 16, 1, 0x90\n"
                ".size sized, 16\n.fill 64, 1, 0x90\n");
    "#;
    fs::write(&source, text).unwrap();
    let library = folder.path().join("libsizeless.so");
    let Some(library) = compile_source(&source, &library, &["-shared", "-fPIC"]) else { return };
    let addresses = nm(&library);
    let (mut code, mut table) = (Code::new(), StackTable::default());
    let module = module(&mut code, &library);
    let expected = [
        ("long_one", 0, "long_one"),
        ("long_one", 0x1000, "long_one"),
        ("long_one", 0x1001, "[libsizeless.so]"),
        ("long_one", 0x2fff, "[libsizeless.so]"),
        ("with_rules", 15, "with_rules"),
        ("with_rules", 16, "[libsizeless.so]"),
        ("sized", 15, "sized"),
        ("sized", 16, "[libsizeless.so]"),
    ];
    table.intern(expected.map(|(symbol, offset, _)| {
        let address = addresses[symbol] + offset;
        Location::Code { module, address }
    }));
    let names = code.names(&table);
    let found: Vec<_> = names.iter().map(|name| &*name.function).collect();
    assert_eq!(found, expected.map(|(_, _, name)| name));
}

#[test]
fn compiled_code_is_named_by_its_perf_map() {
    let mut sleeper = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    let pid = sleeper.id();
    let path = Path::new("/tmp").join(format!("perf-{pid}.map"));
    let (mut code, mut table) = (Code::new(), StackTable::default());
    let (start, length) = (0x10000, 0x1000);
    let path_in_record = b"//anon";
    let mapping =
        Mapping { pid, start, length, file_offset: 0, is_executable: true, path: path_in_record };
    code.observe(&record(pid, Content::Mapping(mapping)));
    let sample = |ip| SampleRecord {
        ip,
        address: 0,
        period: 1,
        is_kernel: false,
        kernel: Words::default(),
        user: None,
    };
    code.stack(pid, &sample(0x10010), &mut table);
    code.stack(pid, &sample(0x10110), &mut table);
    assert_eq!(code.names(&table)[1].function, "[jit]", "no map yet");
    fs::write(&path, "10000 20 LazyCompile:*handler /srv/app.js:1\n").unwrap();
    code.refresh_jit(pid);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    fs::remove_file(&path).unwrap();
    let names = code.names(&table);
    let functions: Vec<_> = names.iter().map(|name| &*name.function).collect();
    assert_eq!(functions, ["[truncated]", "LazyCompile:*handler /srv/app.js:1", "[jit]"]);
    assert_eq!(names[1].kind, FrameKind::Jit);
}

#[test]
fn kernel_frames_are_named_or_said_to_be_hidden() {
    let list = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    let known = list.lines().find_map(|line| {
        let (address, name) = (u64::from_str_radix(&line[..16], 16).ok()?, line.get(19..)?);
        (name == "schedule" && address != 0).then_some(address)
    });
    let words: Vec<u8> = [known.unwrap_or(u64::MAX - 100), known.unwrap_or(u64::MAX - 101) + 1]
        .iter()
        .flat_map(|word| word.to_ne_bytes())
        .collect();
    let sample = SampleRecord {
        ip: 0,
        address: 0,
        period: 1,
        is_kernel: true,
        kernel: Words(&words),
        user: None,
    };
    let (mut code, mut table) = (Code::new(), StackTable::default());
    let stack = code.stack(NO_PID, &sample, &mut table);
    // The caller's return address is one after the byte that is looked up.
    assert_eq!(table.root_first(stack).len(), 2);
    let names = code.names(&table);
    assert_eq!(names[0].kind, FrameKind::Kernel);
    match known {
        Some(_) => assert_eq!(functions(&table, &names, stack), ["schedule", "schedule"]),
        None => {
            skip("names of kernel functions", "/proc/kallsyms shows no addresses");
            assert_eq!(functions(&table, &names, stack), ["[kernel]", "[kernel]"]);
        }
    }
}

#[test]
fn the_kernels_own_library_is_named() {
    let pid = std::process::id();
    let (mut code, mut table) = (Code::new(), StackTable::default());
    code.attach(pid).unwrap();
    let vdso = code.modules.all().iter().position(|module| &*module.name == "[vdso]").unwrap();
    let content = code.modules.all()[vdso].content.as_ref().unwrap();
    let frames: Vec<_> = content
        .image
        .functions()
        .iter()
        .map(|range| Location::Code { module: ModuleId(vdso as u32), address: range.start })
        .collect();
    table.intern(frames);
    let names = code.names(&table);
    let has = names.iter().any(|name| name.function.contains("clock_gettime"));
    assert!(has, "{names:?}");
    assert!(names.iter().all(|name| name.module == "[vdso]"));
}

#[test]
fn a_file_that_is_no_program_is_kept_with_the_reason() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&[b'x'; 5000]).unwrap();
    let (mut code, mut table) = (Code::new(), StackTable::default());
    let pid = std::process::id();
    let (start, length, file_offset) = (0x1000, 0x1000, 0);
    let path = file.path().to_str().unwrap().as_bytes();
    let mapping = Mapping { pid, start, length, file_offset, is_executable: true, path };
    code.observe(&record(pid, Content::Mapping(mapping)));
    let reasons: Vec<_> = code.unreadable().map(|(_, reason)| reason.to_string()).collect();
    assert_eq!(reasons, ["is no 64-bit ELF file of this processor"]);
    let registers: Vec<u8> = (0..33_u64).flat_map(|_| 0x1010_u64.to_ne_bytes()).collect();
    let (registers, callers) = (Words(&registers), Words::default());
    let user = Some(UserState { registers, stack: &[], is_full: false, callers });
    let sample = SampleRecord {
        ip: 0x1010,
        address: 0,
        period: 1,
        is_kernel: false,
        kernel: Words::default(),
        user,
    };
    let stack = code.stack(pid, &sample, &mut table);
    let names = code.names(&table);
    let name = file.path().file_name().unwrap().to_str().unwrap();
    assert_eq!(functions(&table, &names, stack), ["[truncated]", &format!("[{name}]")]);
}

#[test]
fn the_innermost_namespaces_number_names_the_perf_map() {
    assert_eq!(own_pid("Name:\tx\nNSpid:\t4711\t12\t1\nThreads:\t1\n"), Some(1));
    assert_eq!(own_pid("NSpid:\t4711\n"), Some(4711));
    assert_eq!(own_pid("Name:\tx\n"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn no_broken_file_makes_the_reader_panic(
        changes in proptest::collection::vec((0..8192_usize, any::<u8>()), 1..20),
        length in 0..9000_usize,
    ) {
        let mut bytes = super::module::vdso_bytes().unwrap();
        for (at, byte) in changes {
            if let Some(kind) = bytes.get_mut(at) {
                *kind = byte;
            }
        }
        bytes.truncate(length);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        if let Ok(image) = Image::read(&file) {
            let functions = image.functions();
            prop_assert!(functions.is_sorted_by_key(|range| range.start));
            let _ = (image.extent(), image.address_of(0x1000));
        }
    }
}

/// A file as if this process had mapped it.
pub(super) fn module(code: &mut Code, file: &Path) -> ModuleId {
    let path = file.to_str().unwrap().as_bytes();
    let sight = Sight { pid: std::process::id(), start: 0, end: 0x10000, path };
    let Backing::Module(module) = code.modules.backing(sight) else { panic!("no file") };
    module
}

fn record(pid: u32, content: Content<'_>) -> Record<'_> {
    Record { event: 0, time: Timestamp(0), cpu: 0, pid, tid: pid, content }
}

/// Above the kernel's highest (`PID_MAX_LIMIT`, 2^22).
const NO_PID: u32 = 5_000_000;
