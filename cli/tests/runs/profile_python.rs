//! A FastAPI application under uvicorn: its functions and their files stand in the flame graph, the
//! interpreter's own and the kernel's below them.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::program::Program;
use crate::support::run::Run;
use crate::support::turn::{Turn, skip};

const TEST: &str = "the_handler_of_a_fastapi_server_is_named_with_its_file";

/// A Python with FastAPI and uvicorn: the first of the path's, or the system's.
fn python() -> Option<&'static Path> {
    let candidates = ["python3", "/usr/bin/python3"].map(Path::new);
    candidates.into_iter().find(|python| {
        let mut import = Command::new(python);
        import.args(["-c", "import fastapi, uvicorn"]).stderr(Stdio::null());
        import.status().is_ok_and(|status| status.success())
    })
}

#[test]
fn the_handler_of_a_fastapi_server_is_named_with_its_file() {
    let Some(python) = python() else {
        return skip(TEST, "no fastapi and uvicorn: apt install python3-fastapi python3-uvicorn");
    };
    if let Err(why) = uringbench_profiler::capabilities::probe().system_wide {
        return skip(TEST, &why.to_string());
    }
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiler/tests/targets/app.py");
    let app = app.to_str().expect("a path in this repository");
    // -B: nothing is written beside the source.
    let server = Program::start(python, &["-B", app]);
    let port = server.said().strip_prefix("listening ").expect("it says where").to_owned();
    let turn = Turn::alone();
    let profile = format!("--profile {} --profile-hz 499 -o out", server.pid());
    let args = format!("--warmup 1s -d 4s -c 64 {profile} http://127.0.0.1:{port}/");
    let finished = Run::json_alone(&args, &turn).finish().expect_code(0);
    let document = finished.document();
    let functions = document.at("target.functions").as_array().expect("functions are a list");
    // Samples before its stack was read have no name, and on a busy machine those are many.
    let is_python = |module: &str| module.ends_with(".py");
    let dearest = functions.iter().find(|f| f["module"].as_str().is_some_and(is_python));
    document.expect(
        dearest.is_some_and(|f| f["function"] == "compute_answer" && f["module"] == "app.py"),
        "the handler costs most of all that is written in Python",
    );
    let share = dearest.and_then(|found| found["total_share"].as_f64()).unwrap_or(0.0);
    document.expect(share > 0.1, "it costs much");
    let joined = |key: &str| document.number(&format!("target.python.{key}"));
    let found = joined("merged") + joined("near");
    // Where the machine's timers are late, so are the readings, and fewer agree.
    document.expect(found > joined("forced") + joined("unmatched"), "most stacks agree");

    let out = finished.folder().join("out");
    let svg = std::fs::read_to_string(out.join("flamegraph.svg")).expect("there is a flame graph");
    document.expect(svg.contains("compute_answer (app.py)"), "the handler and its file");
    let folded = std::fs::read_to_string(out.join("profile.folded")).expect("there are stacks");
    let is_native = |frame: &str| frame.starts_with("Py") || frame.starts_with("_Py");
    let below = folded.lines().filter_map(|line| line.split_once(";compute_answer;"));
    let native = below.filter(|(_, rest)| is_native(rest)).count();
    document.expect(native > 5, "what it calls in the interpreter stands below it");
}
