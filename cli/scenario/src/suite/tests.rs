//! Mistakes with their places, the expansion of the matrix, and the order of everything.

use uringbench_core::time::Nanos;

use super::*;

const HEAD: &str = "name = \"s\"\n";
const TARGET: &str = "[[target]]\nname = \"a\"\ncommand = \"serve\"\nport = 8000\n";
const SCENARIO: &str = "[[scenario]]\nfile = \"x.toml\"\n";

/// Three flows in `x.toml` and one in `y.toml`; `seed.sql` exists.
fn compiled(text: &str, is_short: bool) -> Result<SuitePlan, Vec<String>> {
    let context = SuiteContext {
        flows: &|file| match file {
            "x.toml" => Ok(["one", "two", "three"].map(str::to_owned).to_vec()),
            "y.toml" => Ok(vec!["only".to_owned()]),
            _ => Err(format!("there is no file `{file}` in the suite's folder")),
        },
        exists: &|file| file == "seed.sql",
        is_short,
    };
    compile(text, &context).map_err(|all| all.iter().map(ToString::to_string).collect())
}

fn plan(text: &str) -> SuitePlan {
    compiled(text, false).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn names(plan: &SuitePlan) -> Vec<&str> {
    plan.cases.iter().map(|case| case.name.as_str()).collect()
}

/// A whole suite with these lines at its top, in its target and in its scenario.
fn with(top: &str, target: &str, scenario: &str) -> String {
    format!("{HEAD}{top}{TARGET}{target}{SCENARIO}{scenario}")
}

fn top(line: &str) -> String {
    with(&format!("{line}\n"), "", "")
}

fn target(line: &str) -> String {
    with("", &format!("{line}\n"), "")
}

fn scenario(line: &str) -> String {
    with("", "", &format!("{line}\n"))
}

#[track_caller]
fn expect_mistakes(cases: &[(String, &str)]) {
    for (text, part) in cases {
        let mistakes = compiled(text, false).expect_err(text);
        assert!(mistakes.iter().any(|it| it.contains(part)), "{text}\n{part}\n{mistakes:?}");
    }
}

#[test]
fn mistakes_at_the_top_have_their_line_cause_and_fix() {
    expect_mistakes(&[
        ("name = ".to_owned(), "1:8: "),
        (format!("{TARGET}{SCENARIO}"), "name"),
        ("name = \"s\"\n".to_owned(), "target: the suite has no target: add [[target]]"),
        (format!("{HEAD}{TARGET}"), "scenario: the suite has no scenario: add [[scenario]]"),
        (top("nme = 1"), "2:1: nme: `nme` is unknown here, did you mean `name`?"),
        (top("[runs]"), "`runs` is unknown here, did you mean `run`?"),
        (with("", "", "").replace("\"s\"", "\"a b\""), "1:1: name: a name of a folder"),
        (with("", "", "").replace("\"s\"", "\"\""), "1:1: name: a name of a folder"),
        (top("[run]\nruns = 0"), "3:1: run.runs: a cell is measured 1 to 1000 times"),
        (top("[run]\nruns = \"3\""), "3:8: run.runs: string \"3\" cannot stand here"),
        (top("[run]\nduration = 0"), "run.duration: 0 measures nothing"),
        (top("[run]\nduration = \"ten\""), "run.duration: `ten`: expected a time such as 30s"),
        (top("[run]\nconnections = []"), "run.connections: the list is empty"),
        (top("[run]\nconnections = [0]"), "3:16: run.connections: a number of connections is 1"),
        (top("[run]\nconnections = [9, 9]"), "3:19: run.connections: 9 is there twice"),
        (
            top("[run]\nconnections = 50"),
            "run.connections: integer `50` cannot stand here: write a list",
        ),
        (top("[run]\nrestart = \"often\""), "`often` is unknown here, did you mean"),
        (top("[short]\nruns = 0"), "short.runs: a cell is measured 1 to 1000 times"),
        (top("[short]\nrun = 1"), "`run` is unknown here, did you mean `runs`?"),
        (top("[install]\ncreates = \"x\""), "install: `command` is missing: add it"),
        (top("[install]\ncommand = \" \""), "install.command: the command is empty"),
        (top("[install]\ncommand = \"x\"\ninputs = [\"seed.sql\"]"), "add `creates`"),
        (
            top("[install]\ncommand = \"x\"\ncreates = \"y\"\ninputs = [\"no.txt\"]"),
            "5:11: install.inputs: there is no file `no.txt` in the suite's folder",
        ),
        (top("[database]\nkind = \"mysql\""), "`mysql` is unknown here, did you mean `postgres`?"),
        (
            top("[database]\nkind = \"postgres\"\nseed = \"no.sql\""),
            "4:1: database.seed: there is no file `no.sql`",
        ),
        (top("[limits]\ncpus = 0"), "limits.cpus: a number of CPUs is 0.01 to 10000"),
        (top("[limits]\nmemory = \"lots\""), "limits.memory: `lots` is no amount of memory"),
        (top("[limits]\nmemory = \"9k\""), "limits.memory: no server runs in less than 1M"),
    ]);
}

#[test]
fn mistakes_in_targets_and_scenarios_have_their_line_cause_and_fix() {
    let second = |lines: &str| format!("{}{lines}", with("", "", ""));
    expect_mistakes(&[
        (target("port = 1"), "6:1: duplicate key"),
        (
            with("", "", "").replace("8000", "80000"),
            "target.port: integer `80000` cannot stand here",
        ),
        (with("", "", "").replace("8000", "0"), "target.port: a port is 1 to 65535"),
        (with("", "", "").replace("\"serve\"", "\"\""), "target.command: the command is empty"),
        (target("health = \"health\""), "target.health: a path begins with `/`"),
        (target("workers = 0"), "target.workers: at least 1"),
        (
            target("env = { PORT = 1 }"),
            "`PORT` is set by the suite: leave it out; write it in `port`",
        ),
        (target("env = { A = [1] }"), "write a string, a number or a boolean"),
        (target("lacks = { two = \"\" }"), "there is no scenario or cell `two`"),
        (target("lacks = { x = \" \" }"), "the reason is empty"),
        (second(TARGET), "target.name: there is a target `a` already"),
        (second(SCENARIO), "scenario.file: there is a cell `x` already: give it another `name`"),
        (scenario("name = \"a\""), "target.name: `a` is a scenario: choose another name"),
        (scenario("flows = [\"tow\"]"), "there is no flow `tow`, did you mean `two`?"),
        (scenario("flows = \"all\""), "write \"each\", or a list of names"),
        (
            scenario("needs = [\"database\"]"),
            "scenario.needs: the suite has no database: add [database]",
        ),
    ]);
    let missing = with("", "", "").replace("x.toml", "z.toml");
    let mistakes = compiled(&missing, false).expect_err("no file");
    assert_eq!(mistakes, ["7:1: scenario.file: there is no file `z.toml` in the suite's folder"]);
}

#[test]
fn the_matrix_is_scenarios_by_flows_by_connections() {
    assert_eq!(names(&plan(&with("", "", ""))), ["x"]);
    let matrix = plan(&with("[run]\nconnections = [10, 50]\n", "", "flows = \"each\"\n"));
    let expected = ["x/one@10", "x/one@50", "x/two@10", "x/two@50", "x/three@10", "x/three@50"];
    assert_eq!(names(&matrix), expected);
    assert_eq!(
        (matrix.cases[1].flow.as_deref(), matrix.cases[1].connections),
        (Some("one"), Some(50))
    );
    let own = "name = \"z\"\ncategory = \"c\"\nflows = [\"three\", \"one\"]\nconnections = [7]\n";
    let own = plan(&with("[run]\nconnections = [10, 50]\n", "", own));
    assert_eq!(names(&own), ["z/three", "z/one"]);
    assert_eq!((own.cases[0].connections, &*own.cases[0].category), (Some(7), "c"));
}

#[test]
fn the_short_form_replaces_what_it_names() {
    let text = with(
        "[run]\nruns = 5\nduration = 60\nprofile = 9\n[short]\nruns = 2\nprofile = 0\n",
        "",
        "",
    );
    let long = plan(&text).settings;
    assert_eq!((long.runs, long.duration), (5, Some(Nanos::from_secs(60))));
    assert_eq!(long.profile, Some(Nanos::from_secs(9)));
    let short = compiled(&text, true).expect("a plan").settings;
    assert_eq!((short.runs, short.duration, short.profile), (2, long.duration, None));
}

#[test]
fn only_what_is_named_stays() {
    let text = format!(
        "{}[[target]]\nname = \"b\"\ncommand = \"c\"\nport = 2\n[[scenario]]\nfile = \"y.toml\"\n\
         category = \"rest\"\n",
        with("", "", "flows = \"each\"\n")
    );
    let kept = |only: &[&str]| {
        let mut plan = plan(&text);
        let only: Vec<String> = only.iter().map(|it| (*it).to_owned()).collect();
        plan.keep(&only).map(|()| {
            let targets: Vec<_> = plan.targets.iter().map(|it| it.name.clone()).collect();
            (targets.join(" "), names(&plan).join(" "))
        })
    };
    let pair = |a: &str, b: &str| Ok((a.to_owned(), b.to_owned()));
    assert_eq!(kept(&[]), pair("a b", "x/one x/two x/three y"));
    assert_eq!(kept(&["b"]), pair("b", "x/one x/two x/three y"));
    assert_eq!(kept(&["rest"]), pair("a b", "y"));
    assert_eq!(kept(&["a", "two", "x/three"]), pair("a", "x/two x/three"));
    let why = kept(&["yy"]).expect_err("no such name").to_string();
    assert_eq!(why, "nothing in the suite is called `yy`, did you mean `y`?");
}

#[test]
fn connections_that_are_typed_replace_those_of_the_file() {
    let mut plan = plan(&with("[run]\nconnections = [10, 50]\n", "", "flows = [\"one\"]\n"));
    plan.set_connections(&[100]);
    assert_eq!(names(&plan), ["x/one"]);
    plan.set_connections(&[1, 2]);
    assert_eq!(names(&plan), ["x/one@1", "x/one@2"]);
    assert_eq!(plan.cases[1].connections, Some(2));
}

#[test]
fn a_target_that_cannot_answer_is_not_asked() {
    let plan = plan(&with("", "[target.lacks]\ntwo = \"why\"\n", "flows = \"each\"\n"));
    let lacks: Vec<_> = plan.cases.iter().map(|case| plan.targets[0].lack(case)).collect();
    assert_eq!((lacks, plan.cells()), (vec![None, Some("why"), None], 2));
    let asked = schedule(&plan, |_, _| false);
    assert!(asked.iter().flat_map(|session| &session.turns).all(|turn| turn.case != 1));
}

fn two_targets(run: &str) -> SuitePlan {
    let second = "[[target]]\nname = \"b\"\ncommand = \"c\"\nport = 2\n";
    plan(&format!("{}{second}", with(&format!("[run]\n{run}\n"), "", "flows = \"each\"\n")))
}

#[test]
fn everything_is_measured_once_and_checked_before() {
    for run in
        ["restart = \"run\"\nruns = 2\nprofile = 1", "restart = \"round\"\nruns = 2\nprofile = 1"]
    {
        let plan = two_targets(run);
        let sessions = schedule(&plan, |_, _| false);
        let mut all = Vec::new();
        for session in &sessions {
            all.extend(session.turns.iter().map(|turn| (session.target, *turn)));
        }
        for target in 0..2 {
            for case in 0..3 {
                let of = all.iter().filter(|it| it.0 == target && it.1.case == case);
                let kinds: Vec<_> = of.map(|(_, turn)| turn.kind).collect();
                use TurnKind::{Check, Measure, Profile};
                assert_eq!(kinds, [Check, Measure(1), Measure(2), Profile], "{run}");
            }
        }
        let is_per_run = run.contains("\"run\"");
        assert_eq!(sessions.len(), if is_per_run { 2 * 3 * 3 } else { 2 * 3 }, "{run}");
    }
}

#[test]
fn targets_take_turns_in_a_random_order_that_the_seed_repeats() {
    let of = |seed: u32| {
        let plan = two_targets(&format!("restart = \"run\"\nruns = 20\nseed = {seed}"));
        schedule(&plan, |_, _| false)
    };
    let sessions = of(1);
    assert_eq!(sessions, of(1));
    assert_ne!(sessions, of(2));
    let pairs: Vec<_> = sessions.chunks(2).map(|pair| (pair[0].target, pair[1].target)).collect();
    assert!(pairs.iter().all(|(one, other)| one != other), "both once before either twice");
    let first = pairs.iter().filter(|(one, _)| *one == 0).count();
    assert!((15..=45).contains(&first), "{first} of 60 begin with the first");
}

#[test]
fn what_is_done_is_not_done_again() {
    let plan = two_targets("restart = \"round\"\nruns = 2");
    let is_done = |target: usize, turn: SuiteTurn| target == 0 || turn.kind == TurnKind::Measure(1);
    let sessions = schedule(&plan, is_done);
    assert_eq!(sessions.len(), 1);
    let kinds: Vec<_> = sessions[0].turns.iter().map(|turn| turn.kind).collect();
    let each = [TurnKind::Check, TurnKind::Measure(2)];
    assert_eq!((sessions[0].target, kinds), (1, [each, each, each].concat()));
}
