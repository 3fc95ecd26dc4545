//! A hundred wrong scenarios, each with the place, the field and the fix of its mistake; and no
//! damaged file makes the parser panic.

use uringbench_core::statistics::random::Random;
use uringbench_scenario::{Context, compile};

#[expect(unreachable_pub, reason = "it is a crate of its own for the fuzz target")]
#[path = "../fuzz/src/lib.rs"]
mod checks;

/// The lines before those of a step.
const HEAD: &str = "target = \"http://a\"\n[[flow]]\nname = \"f\"\n[[flow.step]]\n";

/// The mistakes in a file, one per line.
fn mistakes(text: &str) -> Vec<String> {
    let context = Context {
        target: None,
        read: &|name| match name {
            "people.csv" => Ok(b"email,note\na@b,x\n".to_vec()),
            "sorted.csv" => Ok(b"at,what\n0,f\n2,g\n".to_vec()),
            "times.csv" => {
                Ok(b"at,odd,late,what\n0,0,0,f\n2.5,1e3,1700000000,g\n1,3,3,f\n".to_vec())
            }
            "empty.csv" => Ok(b"email\n".to_vec()),
            "uneven.csv" => Ok(b"a,b\n1\n".to_vec()),
            "bad.jsonl" => Ok(b"{\"a\":1}\n[]\n".to_vec()),
            "short.jsonl" => Ok(b"{\"a\":1,\"b\":2}\n{\"a\":1}\n".to_vec()),
            other => Err(format!("{other} cannot be read: there is no such file")),
        },
        env: &|_| None,
        authority: &|target| match target.strip_prefix("http://") {
            Some(host) => Ok(host.to_owned()),
            None => Err(format!("bad URL `{target}`: write http://")),
        },
    };
    let diagnostics = compile(text, &context).err().unwrap_or_default();
    diagnostics.iter().map(ToString::to_string).collect()
}

fn hold(before: &str, cases: &[(&str, &[&str])]) {
    for (text, parts) in cases {
        let all = mistakes(&format!("{before}{text}"));
        let is_reported = all.iter().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(is_reported, "{text}\nshould say {parts:?}, says {all:#?}");
        for line in all {
            assert!(!line.contains('\n'), "one line: {line}");
            let place: Vec<&str> = line.splitn(3, ':').collect();
            assert!(place[0].parse::<usize>().is_ok_and(|line| line > 0), "{line}");
            assert!(place[1].parse::<usize>().is_ok_and(|column| column > 0), "{line}");
        }
    }
}

/// A file with one flow, and `text` before it.
fn with_flow(text: &str) -> String {
    let flow = "[[flow]]\nname = \"f\"\n[[flow.step]]\npath = \"/\"\n";
    format!("target = \"http://a\"\n{text}\n{flow}")
}

#[test]
fn mistakes_in_a_step_are_reported() {
    hold(
        HEAD,
        &[
            ("pth = \"/\"", &["5:1: flow.step.pth", "did you mean `path`?", "stop_on_failure"]),
            ("path = 1", &["5:8: flow.step.path", "integer `1` cannot stand here: write a string"]),
            ("method = \"GET\"", &["flow.step: `path` is missing: add it, or `url`"]),
            ("path = \"/\"\nurl = \"/\"", &["6:1: flow.step.url", "keep one of them"]),
            ("url = 1", &["5:7: flow.step.url", "write a string"]),
            ("url = \"/{{x}}\"", &["5:1: flow.step.url", "defines `x`"]),
            ("url = \"/\"\nquery = { a = \"1\" }", &["6:1: flow.step.query", "write it there"]),
            ("url = \"http://b/c\"", &["flow.step.url", "`b` is not the target", "path alone"]),
            ("path = \"x\"", &["5:1: flow.step.path", "does not begin with `/`: write /x"]),
            ("path = \"\"", &["flow.step.path", "does not begin with `/`"]),
            ("path = \"/a?b=1\"", &["flow.step.path", "put the rest into `query`"]),
            ("path = \"/a#b\"", &["flow.step.path", "leave it out"]),
            ("path = \"/a b\"", &["flow.step.path", "write %20"]),
            ("path = \"/é\"", &["flow.step.path", "write %C3%A9"]),
            ("path = \"/\\n\"", &["flow.step.path", "write %0A"]),
            ("path = \"/{{\"", &["flow.step.path", "is not closed: write {{name}}"]),
            ("path = \"/{{}}\"", &["flow.step.path", "{{}} is empty: write {{name}}"]),
            ("path = \"/{{uid}}\"", &["flow.step.path", "`uid`, did you mean `uuid`?"]),
            ("path = \"/{{users.id}}\"", &["flow.step.path", "nothing before this step defines"]),
            ("path = \"/{{int}}\"", &["flow.step.path", "write {{int 1 1000}}"]),
            ("path = \"/{{int 1}}\"", &["flow.step.path", "write {{int 1 1000}}"]),
            ("path = \"/{{int a 2}}\"", &["`a` is not a whole number: write {{int 1 1000}}"]),
            ("path = \"/{{int 5 1}}\"", &["ends before it begins: write {{int 1 5}}"]),
            (
                "path = \"/{{int -9223372036854775808 9223372036854775807}}\"",
                &["write a smaller range"],
            ),
            ("path = \"/{{string}}\"", &["takes a length: write {{string 12}}"]),
            ("path = \"/{{string 0}}\"", &["a length from 1 to 65536: write {{string 12}}"]),
            ("path = \"/{{string 9999999}}\"", &["a length from 1 to 65536"]),
            ("path = \"/{{string x}}\"", &["a length from 1 to 65536"]),
            ("path = \"/{{choice}}\"", &["write {{choice a b c}}"]),
            ("path = \"/{{seq 1}}\"", &["takes no words: write {{seq}} alone"]),
            ("path = \"/{{uuid 4}}\"", &["takes no words: write {{uuid}} alone"]),
            ("path = \"/{{user 4}}\"", &["takes no words: write {{user}} alone"]),
            ("path = \"/{{timestamp ms}}\"", &["takes no words: write {{timestamp}} alone"]),
            ("path = \"/{{strin 4}}\"", &["did you mean `string`?"]),
            ("path = \"/{{env}}\"", &["write {{env NAME}}"]),
            ("path = \"/{{env A B}}\"", &["write {{env NAME}}"]),
            ("path = \"/{{env NO}}\"", &["flow.step.path", "NO is not set: set it"]),
        ],
    );
}

#[test]
fn mistakes_in_a_request_are_reported() {
    hold(
        HEAD,
        &[
            ("path = \"/\"\nmethod = \"g t\"", &["6:1: flow.step.method", "write one like"]),
            (
                "path = \"/\"\nheaders = { Host = [] }",
                &["6:1: flow.step.headers", "`Host` cannot be left out"],
            ),
            ("path = \"/\"\nheaders = { A = 1 }", &["a string, or a list of strings"]),
            ("path = \"/\"\nmethod = \"CONNECT\"", &["flow.step.method", "name another method"]),
            ("path = \"/\"\nmethod = \"\"", &["flow.step.method", "write one like"]),
            ("path = \"*\"", &["flow.step.path", "begins with `/`"]),
            ("path = \"/\"\nquery = \"a=1\"", &["flow.step.query", "write a table of strings"]),
            ("path = \"/\"\nquery = { a = 1 }", &["flow.step.query.a", "write a string"]),
            (
                "path = \"/\"\nquery = { a = \"{{x}}\" }",
                &["6:11: flow.step.query.a", "defines `x`"],
            ),
            ("path = \"/\"\nheaders = { \"A B\" = \"1\" }", &["flow.step.headers", "`-`"]),
            ("path = \"/\"\nheaders = { A = \"1\\n2\" }", &["flow.step.headers", "remove it"]),
            ("path = \"/\"\nheaders = { Host = \"a\", host = \"b\" }", &["keep one of them"]),
            ("path = \"/\"\nheaders = { Content-Length = \"9\" }", &["leave the header out"]),
            (
                "path = \"/\"\nheaders = { Expect = \"100-continue\" }",
                &["`Expect`", "leave it out"],
            ),
            ("path = \"/\"\nheaders = { Transfer-Encoding = \"chunked\" }", &["leave it out"]),
            ("path = \"/\"\ncookies = true", &["flow.step.cookies", "write a table of strings"]),
            ("path = \"/\"\ncookies = { a = [] }", &["cookies.a", "a cookie has a value"]),
            ("path = \"/\"\ncookies = { \"a b\" = \"1\" }", &["cookies.a b", "name is a word"]),
            (
                "path = \"/\"\ncookies = { a = \"1;2\" }",
                &["6:13: flow.step.cookies.a", "write %3B"],
            ),
            ("path = \"/\"\ncookies = { a = \"{{x}}\" }", &["step.cookies.a", "defines `x`"]),
            (
                "path = \"/\"\ncookies = { a = \"1\" }\nheaders = { cookie = \"b=2\" }",
                &["7:1: flow.step.headers", "leave it out"],
            ),
            ("path = \"/\"\nheader = { A = \"1\" }", &["did you mean `headers`?"]),
        ],
    );
}

#[test]
fn mistakes_in_what_becomes_of_an_answer_are_reported() {
    hold(
        HEAD,
        &[
            ("path = \"/\"\ncheck = { statu = [200] }", &["flow.step.check.statu", "`status`?"]),
            ("path = \"/\"\ncheck = { status = 200 }", &["flow.step.check.status", "write a list"]),
            ("path = \"/\"\ncheck = { status = [99] }", &["flow.step.check.status", "write [200]"]),
            ("path = \"/\"\ncheck = { status = [] }", &["flow.step.check.status", "write [200]"]),
            (
                "path = \"/\"\ncheck = { length = -1 }",
                &["step.check.length", "a whole number from 0 to 9,"],
            ),
            ("path = \"/\"\ncheck = { json = { a = 1 } }", &["flow.step.check.json.a", "/user/id"]),
            ("path = \"/\"\ncheck = { json = { \"/~\" = 1 } }", &["`~0`: write /user/id"]),
            ("path = \"/\"\ncheck = { json = { \"/a\" = [1] } }", &["write a string, a number"]),
            ("path = \"/\"\ncheck = { contains = \"{{x}}\" }", &["check.contains", "defines `x`"]),
            ("path = \"/\"\ncheck = { equals = \"{{\" }", &["check.equals", "is not closed"]),
            ("path = \"/\"\ncheck = { header = { A = \"{{seq}}\" } }", &["header.A", "{{user}}"]),
            (
                "path = \"/\"\ncheck = { json = { \"/a\" = \"{{uuid}}\" } }",
                &["6:20: flow.step.check.json./a", "generated for each", "compare with a capture"],
            ),
            (
                "path = \"/\"\nmethod = \"HEAD\"\ncheck = { equals = \"a\" }",
                &["6:1: flow.step.method", "HEAD has no body", "another method"],
            ),
            ("path = \"/\"\ncapture = { x = {} }", &["flow.step.capture.x", "write one of header"]),
            (
                "path = \"/\"\ncapture = { x = { json = \"/a\", regex = \"a\" } }",
                &["flow.step.capture.x", "write one of header"],
            ),
            ("path = \"/\"\ncapture = { x = { json = \"a\" } }", &["capture.x.json", "/user/id"]),
            (
                "path = \"/\"\ncapture = { x = { regex = \"(\" } }",
                &["x.regex", "expression: error: unclosed"],
            ),
            (
                "path = \"/\"\ncapture = { x = { regex = \"a{9999999}\" } }",
                &["x.regex", "not a valid", "more than"],
            ),
            ("path = \"/\"\ncapture = { x = { jsn = \"/a\" } }", &["did you mean `json`?"]),
            (
                "path = \"/\"\ncapture = { x = { json = \"/a\", max = 0 } }",
                &["x.max", "1 to 65536"],
            ),
            ("path = \"/\"\ncapture = { x = { json = \"/a\", max = 70000 } }", &["1 to 65536"]),
            ("path = \"/\"\ncapture = { seq = { json = \"/a\" } }", &["choose another name"]),
            ("path = \"/\"\ncapture = { \"a b\" = { json = \"/a\" } }", &["is not a name: write"]),
            ("path = \"/\"\nthink = \"1s\"", &["flow.step.think", "did you mean `constant`?"]),
            ("path = \"/\"\nthink = { constant = \"soon\" }", &["think.constant", "30s, 1m30s"]),
            ("path = \"/\"\nthink = { constant = -1 }", &["think.constant", "30s, 1m30s"]),
            (
                "path = \"/\"\nthink = { uniform = [2, 1] }",
                &["think.uniform", "shorter time first"],
            ),
            ("path = \"/\"\nthink = { uniform = [2] }", &["flow.step.think"]),
            ("path = \"/\"\nthink = { exp = 2 }", &["did you mean `exponential`?"]),
            ("path = \"/\"\nrepeat = 0", &["flow.step.repeat", "1 to 1000000 times"]),
            (
                "path = \"/\"\nrepeat = -1",
                &["flow.step.repeat", "write a whole number from 1 to 1,000,000"],
            ),
            ("path = \"/\"\nrepeat = 1.5", &["flow.step.repeat", "write a whole number"]),
            ("path = \"/\"\nweight = 2", &["flow.step.weight", "add `choice`"]),
            ("path = \"/\"\nchoice = \"c\"\nweight = 0", &["flow.step.weight", "at least 1"]),
            ("path = \"/\"\nstop_on_failure = 1", &["stop_on_failure", "write a boolean"]),
            ("path = \"/\"\n[[flow.step]]\npath = \"/\"", &["give it another `name`"]),
        ],
    );
}

#[test]
fn mistakes_in_a_stream_are_reported() {
    let events = |rest: &str| format!("events = {{ count = 5 }}\n{rest}");
    hold(
        &format!("{HEAD}path = \"/\"\n"),
        &[
            ("events = 1", &["6:10: flow.step.events", "write a table of fields"]),
            ("events = { counts = 1 }", &["did you mean `count`?"]),
            ("events = { count = 0 }", &["6:12: flow.step.events.count", "at least 1"]),
            ("events = { count = -1 }", &["events.count", "write a whole number from 1 to 9,"]),
            ("events = { stall = \"x\" }", &["events.stall", "30s, 1m30s"]),
            (&events("method = \"HEAD\""), &["7:1: flow.step.method", "another method"]),
            (&events("check = { contains = \"a\" }"), &["check.contains", "status or a header"]),
            (&events("check = { equals = \"a\" }"), &["check.equals", "a stream is not kept"]),
            (&events("check = { length = 5 }"), &["check.length", "a stream is not kept"]),
            (&events("check = { json = { \"/a\" = 5 } }"), &["check.json", "is not kept"]),
            (&events("capture = { x = { json = \"/a\" } }"), &["capture.x", "is not kept"]),
            (&events("capture = { x = { regex = \"a\" } }"), &["capture.x", "is not kept"]),
            (&events("websocket = { text = \"\" }"), &["7:1: flow.step.websocket", "keep one"]),
        ],
    );
}

#[test]
fn mistakes_in_a_websocket_are_reported() {
    let socket = |rest: &str| format!("websocket = {{ text = \"a\" }}\n{rest}");
    hold(
        &format!("{HEAD}path = \"/\"\n"),
        &[
            ("websocket = true", &["6:13: flow.step.websocket", "write a table of fields"]),
            ("websocket = {}", &["6:1: flow.step.websocket", "one of text, json and size"]),
            ("websocket = { text = \"a\", size = 1 }", &["one of text, json and size"]),
            ("websocket = { txt = \"a\" }", &["did you mean `text`?"]),
            ("websocket = { text = \"{{x}}\" }", &["6:15: flow.step.websocket.text", "`x`"]),
            ("websocket = { json = \"{\" }", &["websocket.json", "not JSON: fix it"]),
            ("websocket = { size = 2000000000 }", &["websocket.size", "at most 1073741824"]),
            ("websocket = { size = 1, binary = 1 }", &["websocket.binary", "write a boolean"]),
            ("websocket = { size = 1, echo = 1 }", &["websocket.echo", "write a boolean"]),
            ("websocket = { size = 1, messages = 0 }", &["websocket.messages", "1 to 1000000"]),
            ("websocket = { size = 1, protocols = \"a\" }", &["protocols", "write a list"]),
            ("websocket = { size = 1, protocols = [\"a b\"] }", &["step.websocket", "`-`"]),
            ("websocket = { size = 1, protocols = [\"a\", \"a\"] }", &["keep one of them"]),
            (&socket("body = { text = \"b\" }"), &["7:1: flow.step.body", "into `websocket`"]),
            (&socket("method = \"POST\""), &["7:1: flow.step.method", "leave `method` out"]),
            (&socket("check = { status = [200] }"), &["check.status", "check their text"]),
            (&socket("check = { header = { A = \"1\" } }"), &["check.header", "no headers"]),
            (&socket("capture = { x = { header = \"A\" } }"), &["capture.x", "no headers"]),
            (&socket("capture = { x = { cookie = \"A\" } }"), &["capture.x", "no headers"]),
            (&socket("headers = { Upgrade = \"h2c\" }"), &["step.headers", "leave it out"]),
            (&socket("headers = { Sec-WebSocket-Key = \"a\" }"), &["step.headers", "leave it"]),
        ],
    );
}

#[test]
fn mistakes_in_a_body_are_reported() {
    hold(
        &format!("{HEAD}path = \"/\"\n"),
        &[
            ("body = \"x\"", &["6:8: flow.step.body", "`x` is unknown here"]),
            ("body = { txt = \"x\" }", &["did you mean `text`?", "multipart, generated"]),
            ("body = {}", &["flow.step.body", "write one of them: text, json"]),
            ("body = { text = \"x\", json = \"1\" }", &["flow.step.body", "exactly one field"]),
            ("body = { text = \"{{x}}\" }", &["6:10: flow.step.body.text", "defines `x`"]),
            ("body = { json = \"{\" }", &["flow.step.body.json", "not JSON: fix it"]),
            ("body = { json = '{\"a\": {{x}}}' }", &["flow.step.body.json", "defines `x`"]),
            ("body = { json = '{\"a\": {{uuid}}}' }", &["flow.step.body.json", "not JSON"]),
            ("body = { form = { a = \"{{x}}\" } }", &["flow.step.body.form.a", "defines `x`"]),
            ("body = { file = \"no.bin\" }", &["flow.step.body.file", "no.bin cannot be read"]),
            ("body = { generated = {} }", &["`size` is missing: add it"]),
            (
                "body = { generated = { size = -1 } }",
                &["generated.size", "from 0 to 1,073,741,824"],
            ),
            ("body = { generated = { size = 2000000000 } }", &["at most 1073741824"]),
            ("body = { multipart = [] }", &["flow.step.body", "no parts: give it one"]),
            ("body = { multipart = [{ name = \"a\" }] }", &["multipart", "one of the three"]),
            (
                "body = { multipart = [{ name = \"a\", text = \"\", file = \"b\" }] }",
                &["one of `text`, `file` and `generated`"],
            ),
            (
                "body = { multipart = [{ name = \"a\", generated = { size = 2000000000 } }] }",
                &["multipart", "at most 1073741824"],
            ),
            (
                "body = { multipart = [{ name = \"\", text = \"\" }] }",
                &["flow.step.body", "name it"],
            ),
            ("body = { multipart = [{ name = \"a\", file = \"no\" }] }", &["no cannot be read"]),
            (
                "headers = { Content-Type = \"multipart/mixed; boundary=x\" }\n\
                 body = { multipart = [{ name = \"a\", text = \"\" }] }",
                &["flow.step.headers", "without a boundary"],
            ),
        ],
    );
}

#[test]
fn mistakes_in_generated_rows_are_reported() {
    let cases: &[(&str, &[&str])] = &[
        ("[data.p]\norder = \"user\"", &["data.p", "add `file`, or `generate` with `rows`"]),
        ("[data.p]\ngenerate = \"user\"", &["data.p.generate", "did you mean `users`?"]),
        ("[data.p]\ngenerate = \"users\"\nrows = 0", &["data.p.rows", "1 to 1000000 rows"]),
        (
            "[data.p]\nfile = \"people.csv\"\nrows = 5",
            &["data.p.rows", "`rows` belongs to `generate`"],
        ),
        (
            "[data.p]\nfile = \"people.csv\"\ngenerate = \"posts\"",
            &["rows come from a `file` or from `generate`"],
        ),
    ];
    for (text, parts) in cases {
        hold("", &[(&with_flow(text), parts)]);
    }
}

#[test]
fn mistakes_around_the_steps_are_reported() {
    let cases: &[(&str, &[&str])] = &[
        ("lod = 1", &["2:1: lod", "did you mean `load`?"]),
        ("[load]\nrates = 1", &["3:1: load.rates", "did you mean `rate`?"]),
        ("[load]\nrate = 0", &["3:8: load.rate", "above 0"]),
        ("[load]\nrate = \"fast\"", &["load.rate", "such as 50000, 100k"]),
        ("[load]\nrate = true", &["load.rate", "write a rate such as 500"]),
        ("[load]\nconnections = 0", &["load.connections", "write at least 1"]),
        (
            "[load]\nusers = 9\nconnections = 8\nown_connections = true",
            &["load.own_connections", "raise `connections`"],
        ),
        ("[load]\nusers = 0", &["load.users", "write at least 1"]),
        ("[load]\nrate = 1\nusers = 2", &["load.users", "leave out `users` or `rate`"]),
        ("[load]\narrivals = \"poisson\"", &["load.arrivals", "add `rate`"]),
        ("[load]\nrate = 1\narrivals = \"poison\"", &["did you mean `poisson`?"]),
        ("[load]\nduration = 0", &["load.duration", "write a time"]),
        ("[load]\nwarmup = \"x\"", &["load.warmup", "30s, 1m30s"]),
        (
            "[[load.stage]]\nshape = \"ramp\"\nrate = 1\nduration = 1",
            &["load.stage", "add `rate` to [load]"],
        ),
        ("[load]\nrate = 1\n[[load.stage]]\nshape = \"rmp\"\n", &["did you mean `ramp`?"]),
        ("[load]\nrate = 1\n[[load.stage]]\nshape = \"ramp\"\n", &["`rate` is missing: add it"]),
        (
            "[load]\nrate = 1\nwarmup = \"1s\"\n[[load.stage]]\nrate = 5\nduration = \"1s\"\n",
            &["5:1: load.stage: `shape` is missing: add it (ramp, step, spike)"],
        ),
        (
            "[load]\nrate = 1\nstage = [\n{ shape = \"step\", rate = 5, duration = \"1s\" },\n\
             { rate = 5, duration = \"1s\" }]\n",
            &["6:1: load.stage", "`shape` is missing: add it (ramp, step, spike)"],
        ),
        (
            "[load]\nrate = 1\n[[load.stage]]\nshape = \"step\"\nrate = 2\nduration = 0",
            &["load.stage.duration", "write a time"],
        ),
        ("[data.p]\nfile = \"no.csv\"", &["3:1: data.p.file", "no.csv cannot be read"]),
        ("[data.p]\nfile = \"people.txt\"", &["data.p.file", "cannot be read"]),
        ("[data.p]\nfile = \"empty.csv\"", &["data.p.file", "has no rows: add one"]),
        ("[data.p]\nfile = \"uneven.csv\"", &["data.p.file", "equal rows: fix it"]),
        ("[data.p]\nfile = \"bad.jsonl\"", &["data.p.file", "line 2: not a JSON object"]),
        ("[data.p]\nfile = \"short.jsonl\"", &["line 2: `b` of the first line is missing"]),
        ("[data.p]\nfile = \"people.csv\"\norder = \"rand\"", &["did you mean `random`?"]),
        ("[data.p]\nfil = \"people.csv\"", &["did you mean `file`?"]),
        ("[data.uuid]\nfile = \"people.csv\"", &["data.uuid", "choose another name"]),
        ("[[slo]]\nlimit = \"p98<1ms\"", &["3:1: slo.limit", "did you mean `p99`?"]),
        ("[[slo]]\nlimit = \"p99<1ms\"\nflow = \"g\"", &["slo.flow", "did you mean `f`?"]),
        ("[[slo]]\nlimit = \"p99<1ms\"\nstep = \"g\"", &["slo.step", "add `flow`"]),
        (
            "[[slo]]\nlimit = \"p99<1ms\"\nflow = \"f\"\nstep = \"GET\"",
            &["slo.step", "did you mean `GET /`?"],
        ),
        ("[[slo]]\nflow = \"f\"", &["`limit` is missing: add it"]),
        ("[[on_start]]\npath = \"x\"", &["3:1: on_start.path", "write /x"]),
        ("[[flow]]\nname = \"f\"\n[[flow.step]]\npath = \"/\"", &["choose another name"]),
        ("[[flow]]\nname = \"\"\n[[flow.step]]\npath = \"/\"", &["flow.name", "name the flow"]),
        ("[[flow]]\nname = \"g\"", &["flow", "has no step: add [[flow.step]]"]),
        ("[[flow]]\nname = \"g\"\nweight = 0", &["flow.weight", "at least 1"]),
        ("[[flow]]\nweight = 1", &["`name` is missing: add it"]),
    ];
    for (text, parts) in cases {
        hold("", &[(&with_flow(text), parts)]);
    }
}

#[test]
fn mistakes_in_a_whole_file_are_reported() {
    hold(
        "",
        &[
            ("", &["1:1: ", "`target` is missing: add it"]),
            ("target = \"http://a\"", &["flow", "no flow: add [[flow]]"]),
            ("target = \"http://{{seq}}\"\n", &["target", "only {{env NAME}}"]),
            ("target = \"ftp://a\"", &["1:1: target", "write http://"]),
            ("target = ", &["1:10"]),
            ("target = \"http://a\"\ncookies = {}", &["2:11: cookies", "write a boolean"]),
            (
                "target = \"http://a\"\ncookies = true\n[[on_start]]\npath = \"/\"\n\
                 headers = { Cookie = \"a=1\" }",
                &["on_start.headers", "put its cookies there"],
            ),
            ("target = \"a\"\ntarget = \"b\"", &["2:1", "duplicate key"]),
            ("[[flow]\n", &["1:8"]),
        ],
    );
}

#[test]
fn all_mistakes_of_form_are_reported_in_the_order_of_the_file() {
    let text = "target = 1\nunknown = 2\n[load]\nusers = -1\nduration = \"x\"\n[[flow]]\n\
                weight = 4294967296\n[[flow.step]]\npath = 3\ncheck = { status = [200, -1] }\n\
                [[flow.step]]\nbody = { text = 1, file = 2 }\n[[flow]]\nname = 7\n\
                [[flow.step]]\npath = \"/\"\nthink = 1\n";
    let found = mistakes(text);
    let places: Vec<String> = found
        .iter()
        .map(|line| line.splitn(4, ':').take(3).collect::<Vec<_>>().join(":"))
        .collect();
    assert_eq!(
        places,
        [
            "1:10: target",
            "2:1: unknown",
            "4:9: load.users",
            "5:12: load.duration",
            "6:1: flow",
            "7:10: flow.weight",
            "9:8: flow.step.path",
            "10:26: flow.step.check.status",
            "12:8: flow.step.body",
            "14:8: flow.name",
            "17:9: flow.step.think",
        ],
        "{found:#?}"
    );
    assert!(found[2].ends_with("write a whole number from 1 to 4,294,967,295"), "{}", found[2]);
    assert!(found[7].ends_with("write a whole number from 100 to 999"), "{}", found[7]);
    let many = format!("target = \"a\"\n{}", "[[flow]]\nname = 1\n".repeat(30));
    assert_eq!(mistakes(&many).len(), 20);
}

#[test]
fn mistakes_in_a_replay_are_reported() {
    let cases: &[(&str, &[&str])] = &[
        ("replay = 1", &["3:10: load.replay", "write a table of fields"]),
        ("replay = {}", &["load.replay", "`data` is missing: add it"]),
        ("replay = { data = \"t\" }", &["load.replay", "`column` is missing: add it"]),
        ("replay = { data = \"tt\", column = \"at\" }", &["replay.data", "did you mean `t`?"]),
        ("replay = { data = \"t\", column = \"a\" }", &["replay.column", "did you mean `at`?"]),
        ("replay = { data = \"t\", columns = \"a\" }", &["did you mean `column`?"]),
        ("replay = { data = \"t\", column = \"at\" }", &["replay.column: row 3: `1` is before"]),
        ("replay = { data = \"t\", column = \"odd\" }", &["row 2: `1e3` is not a time", "12.5"]),
        ("replay = { data = \"t\", column = \"what\" }", &["row 1: `f` is not a time"]),
        ("replay = { data = \"t\", column = \"late\" }", &["row 2", "seconds from the start"]),
        (
            "replay = { data = \"s\", column = \"at\", flow = \"wha\" }",
            &["3:39: load.replay.flow", "no column `wha`, did you mean `what`?"],
        ),
        (
            "replay = { data = \"s\", column = \"at\", flow = \"what\" }",
            &["load.replay.flow", "row 2: there is no flow `g`, did you mean `f`?"],
        ),
        ("replay = { data = \"s\", column = \"at\", speed = 0 }", &["speed", "write 2.0 or 2x"]),
        ("replay = { data = \"s\", column = \"at\", speed = \"fast\" }", &["write 2.0 or 2x"]),
        ("replay = { data = \"s\", column = \"at\", speed = true }", &["such as 2.0"]),
        ("replay = { data = \"s\", column = \"at\" }\nrate = 5", &["4:1: load.rate", "own times"]),
        ("replay = { data = \"s\", column = \"at\" }\nusers = 5", &["load.users", "own times"]),
        (
            "replay = { data = \"s\", column = \"at\" }\narrivals = \"poisson\"",
            &["load.arrivals", "leave out `arrivals` or `replay`"],
        ),
        (
            "replay = { data = \"s\", column = \"at\" }\n\
             stage = [{ shape = \"step\", rate = 1, duration = 1 }]",
            &["load.stage", "own times"],
        ),
        ("replay = { data = \"s\", column = \"at\" }\nwarmup = 3", &["warmup", "shorter time"]),
        ("replay = { data = \"r\", column = \"at\" }", &["data.r.order", "leave `order` out"]),
    ];
    for (text, parts) in cases {
        let data = "[data.t]\nfile = \"times.csv\"\n[data.s]\nfile = \"sorted.csv\"\n\
                    [data.r]\nfile = \"sorted.csv\"\norder = \"random\"";
        hold("", &[(&with_flow(&format!("[load]\n{text}\n{data}")), parts)]);
    }
    let unread = "[load]\nreplay = { data = \"p\", column = \"at\" }\n[data.p]\nfile = \"no.csv\"";
    assert_eq!(mistakes(&with_flow(unread)).len(), 1, "one mistake is reported once");
}

#[test]
fn a_capture_is_known_behind_its_step_alone() {
    let step = |lines: &str| format!("[[flow.step]]\n{lines}\n");
    let captures = "capture = { id = { json = \"/id\" } }";
    let before = format!("{HEAD}path = \"/{{{{id}}}}\"\n{captures}");
    assert!(mistakes(&before)[0].contains("defines `id`"));
    let behind = format!("{HEAD}path = \"/\"\n{captures}\n{}", step("path = \"/{{id}}\""));
    assert_eq!(mistakes(&behind), [""; 0]);
    let one_of_two = format!(
        "{HEAD}path = \"/\"\nchoice = \"c\"\n{captures}\n{}{}",
        step("path = \"/b\"\nchoice = \"c\""),
        step("path = \"/{{id}}\"")
    );
    assert!(mistakes(&one_of_two)[0].contains("defines `id`"));
    let typed = format!("{HEAD}path = \"/\"\n{captures}\n{}", step("path = \"/{{idd}}\""));
    assert!(mistakes(&typed)[0].contains("did you mean `id`?"));
    let other = format!("{behind}[[flow]]\nname = \"g\"\n{}", step("path = \"/{{id}}\""));
    assert_eq!(mistakes(&other).len(), 1, "another flow does not know it");
}

#[test]
fn all_mistakes_are_reported_in_the_order_of_the_file() {
    let text = format!(
        "{HEAD}path = \"x\"\nmethod = \"GET\"\nquery = {{ a = \"{{{{b}}}}\" }}\nrepeat = 0"
    );
    let places: Vec<_> = mistakes(&text).iter().map(|line| line[..3].to_owned()).collect();
    assert_eq!(places, ["5:1", "7:1", "8:1"]);
}

#[test]
fn no_mangled_file_makes_it_panic() {
    let files = [include_str!("../../../scenarios/example.toml"), include_str!("whole.toml")];
    let mut random = Random::new(5);
    let mut plans = 0;
    for whole in files.map(str::as_bytes) {
        assert!(checks::scenario(&String::from_utf8_lossy(whole)), "{:#?}", whole.len());
        for _ in 0..3_000 {
            let mut bytes = whole.to_vec();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                match random.below(4) {
                    0 => bytes[at] = b" \"{}[]=\n.#0a\xff"[random.below(13)],
                    1 => drop(bytes.drain(at..(at + random.below(30)).min(bytes.len()))),
                    2 => bytes.truncate(at.max(1)),
                    _ => {
                        let piece = whole[random.below(whole.len())..].iter();
                        bytes.splice(at..at, piece.take(random.below(40)).copied());
                    }
                }
            }
            plans += usize::from(checks::scenario(&String::from_utf8_lossy(&bytes)));
        }
    }
    assert!(plans > 100, "only {plans} of 6,000 were plans still");
}
