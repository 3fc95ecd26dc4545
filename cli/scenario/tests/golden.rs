//! Every kind of request has the expected bytes, and a plan is what its file describes.

use uringbench_core::flow::exchange::Exchange;
use uringbench_core::flow::program::{Arm, FlowOperation, Think};
use uringbench_core::flow::script::{FlowReplay, RowOrder};
use uringbench_core::plan::{Arrivals, Course, Load};
use uringbench_core::rate::Rate;
use uringbench_core::rate_profile::Segment;
use uringbench_core::time::Nanos;
use uringbench_core::websocket::frame::Kind;
use uringbench_scenario::plan::CompiledScenario;
use uringbench_scenario::{Context, Diagnostic, compile, show};

fn compiled(text: &str) -> Result<CompiledScenario, Vec<Diagnostic>> {
    let context = Context {
        target: None,
        read: &|name| match name {
            "people.csv" => Ok(b"email,note\na@b,\"x, \"\"y\"\"\"\nc@d,z\n".to_vec()),
            "people.jsonl" => Ok(b"{\"id\":7,\"name\":\"\xc3\xa9\"}\n".to_vec()),
            "requests.csv" => {
                Ok(b"at,what,q\n0,f,a\n0.5,g,b\n0.5,f,c\n 2.0000000019 ,f,d\n".to_vec())
            }
            "raw.bin" => Ok(b"\x00\xff{{seq}}".to_vec()),
            other => Err(format!("{other} cannot be read: there is no such file")),
        },
        env: &|name| (name == "TOKEN").then(|| "s3cret".to_owned()),
        authority: &|target| Ok(target.trim_start_matches("http://").to_owned()),
    };
    compile(text, &context)
}

fn plan(text: &str) -> CompiledScenario {
    compiled(text).unwrap_or_else(|diagnostics| panic!("{diagnostics:?}\n{text}"))
}

/// A step as shown, without the parts that every request has.
fn shown(step: &str) -> String {
    let text = format!(
        "target = \"http://a\"\n[data.p]\nfile = \"people.csv\"\n[data.j]\nfile = \
         \"people.jsonl\"\n[[flow]]\nname = \"f\"\n[[flow.step]]\n{step}"
    );
    let usual = "Host: a\\r\\n\nUser-Agent: uringbench/";
    let shown = show::requests(&plan(&text), 1);
    let (line, rest) = shown.split_once(usual).expect("every request says so");
    let line = line.lines().last().expect("the request line");
    let rest = rest.split_once('\n').expect("the version ends").1;
    let rest = rest.split_once("=== load\n").expect("the load comes last").0;
    format!("{line}\n{rest}")
}

#[test]
fn every_kind_of_request_is_these_bytes() {
    let cases = [
        ("path = \"/a%20b\"", "GET /a%20b HTTP/1.1\\r\\n\n\\r\\n\n"),
        (
            "path = \"/{{p.note}}\"\nquery = { \"q r\" = \"{{p.email}}&\", n = \"{{user}}\" }",
            "GET /x%2C%20%22y%22?q%20r=a%40b%26&n=0 HTTP/1.1\\r\\n\n\\r\\n\n",
        ),
        (
            "method = \"DELETE\"\npath = \"/\"\nheaders = { X-T = \"{{env TOKEN}} {{{{\" }",
            "DELETE / HTTP/1.1\\r\\n\nX-T: s3cret {{\\r\\n\n\\r\\n\n",
        ),
        ("url = \"http://a/b?c=d|é#f\"", "GET /b?c=d|%C3%A9 HTTP/1.1\\r\\n\n\\r\\n\n"),
        (
            "url = \"https://{{p.note}}/{{p.note}}?q=a b&u={{user}}\"",
            "GET /x,%20\"y\"?q=a%20b&u=0 HTTP/1.1\\r\\n\n\\r\\n\n",
        ),
        ("url = \"{{p.email}}\"", "GET /a@b HTTP/1.1\\r\\n\n\\r\\n\n"),
        ("url = \"\"", "GET / HTTP/1.1\\r\\n\n\\r\\n\n"),
        (
            "path = \"/\"\n\
             cookies = { lang = [\"en\", \"de\"], who = \"{{p.email}}-{{choice a;b}}\" }",
            "GET / HTTP/1.1\\r\\n\nCookie: lang=en; lang=de; who=a@b-a%3Bb\\r\\n\n\\r\\n\n",
        ),
        (
            "path = \"/events\"\nevents = { count = 50 }",
            "GET /events HTTP/1.1\\r\\n\n\\r\\n\n\
             <-- reads 50 events, with a stall from 1.00 s on\n\
             <-- fails if header Content-Type is not `text/event-stream`\n",
        ),
        (
            "path = \"/\"\nbody = { text = \"{{p.note}}\\\\\" }",
            "POST / HTTP/1.1\\r\\n\nContent-Type: text/plain; charset=utf-8\\r\\n\n\
             Content-Length:          7\\r\\n\n\\r\\n\nx, \"y\"\\\\\n",
        ),
        (
            "path = \"/\"\nbody = { json = '{\"n\":\"{{p.note}}\",\"i\":{{j.id}},\
             \"{{j.name}}\":1}' }",
            "POST / HTTP/1.1\\r\\n\nContent-Type: application/json\\r\\n\n\
             Content-Length:         29\\r\\n\n\\r\\n\n\
             {\"n\":\"x, \\\\\"y\\\\\"\",\"i\":7,\"é\":1}\n",
        ),
        (
            "path = \"/\"\nbody = { form = { b = \"{{p.email}}\", a = \"1 2\" } }",
            "POST / HTTP/1.1\\r\\n\nContent-Type: application/x-www-form-urlencoded\\r\\n\n\
             Content-Length:         15\\r\\n\n\\r\\n\nb=a%40b&a=1%202\n",
        ),
        (
            "path = \"/\"\nmethod = \"PUT\"\nbody = { file = \"raw.bin\" }",
            "PUT / HTTP/1.1\\r\\n\nContent-Length: 9\\r\\n\n\\r\\n\n\\u{0}\\xff{{seq}}\n",
        ),
        (
            "path = \"/\"\nbody = { generated = { size = 8 } }",
            "POST / HTTP/1.1\\r\\n\nContent-Length: 8\\r\\n\n\\r\\n\nfjLJhdXT\n",
        ),
        (
            "path = \"/\"\nheaders = { content-type = \"a/b\" }\n\
             body = { text = \"{{timestamp}}\" }",
            "POST / HTTP/1.1\\r\\n\ncontent-type: a/b\\r\\n\nContent-Length: 13\\r\\n\n\\r\\n\n\
             1767225600000\n",
        ),
    ];
    for (step, expected) in cases {
        assert_eq!(shown(step), expected, "{step}");
    }
}

#[test]
fn a_header_is_sent_as_often_as_it_has_values() {
    let cases = [
        (
            "method = \"post\"\npath = \"/\"\nheaders = { X = [\"1\", \"{{user}}\"], Y = [] }",
            "post / HTTP/1.1\\r\\n\nX: 1\\r\\n\nX: 0\\r\\n\n\\r\\n\n",
        ),
        (
            "path = \"/\"\nheaders = { Content-Type = [] }\nbody = { text = \"a\" }",
            "POST / HTTP/1.1\\r\\n\nContent-Length: 1\\r\\n\n\\r\\n\na\n",
        ),
    ];
    for (step, expected) in cases {
        assert_eq!(shown(step), expected, "{step}");
    }
}

#[test]
fn a_header_that_is_added_can_be_left_out() {
    let text = "target = \"http://a\"\n[[flow]]\nname = \"f\"\n[[flow.step]]\npath = \"/\"\n\
                headers = { User-Agent = [] }\n";
    let shown = show::requests(&plan(text), 1);
    assert!(shown.contains("GET / HTTP/1.1\\r\\n\nHost: a\\r\\n\n\\r\\n\n"), "{shown}");
}

#[test]
fn a_form_can_be_of_another_type_and_its_parts_have_headers() {
    let step = "path = \"/\"\nheaders = { content-type = \"multipart/related\" }\n\
                body = { multipart = [{ name = \"a\", text = \"{{user}}\", content_type = \"\", \
                filename = \"f\", headers = { X-A = \"b\" } }] }";
    let shown = shown(step);
    let kind = "Content-Type: multipart/related; boundary=----uringbench0000000000000000\\r\\n\n";
    let part = "Content-Disposition: attachment; name=\"a\"; filename=\"f\"\\r\\n\nX-A: b\\r\\n\n\
                \\r\\n\n0\\r\\n\n";
    assert!(shown.contains(kind) && shown.contains(part), "{shown}");
}

#[test]
fn a_websocket_is_an_opening_and_its_messages() {
    let step = "path = \"/{{p.note}}\"\nheaders = { Origin = \"http://{{p.email}}\" }\n\
                websocket = { json = '{\"n\":{{seq}},\"note\":\"{{p.note}}\"}', messages = 9, \
                echo = true, protocols = [\"chat\", \"v2\"] }";
    let line = |text: &str| format!("{text}\\r\\n\n");
    let expected = [
        line("GET /x%2C%20%22y%22 HTTP/1.1"),
        line("Upgrade: websocket"),
        line("Connection: Upgrade"),
        line("Sec-WebSocket-Version: 13"),
        line("Sec-WebSocket-Key: dXJpbmdiZW5jaCBmbG93cw=="),
        line("Sec-WebSocket-Protocol: chat, v2"),
        line("Origin: http://a@b"),
        line(""),
        "--- 9 messages, echoed\n{\"n\":1,\"note\":\"x, \\\\\"y\\\\\"\"}\n".to_owned(),
    ];
    assert_eq!(shown(step), expected.concat());
    let whole = "target = \"http://zSlot00000000n.a\"\n[[flow]]\nname = \"f\"\n[[flow.step]]\n\
                 path = \"/{{seq}}\"\nwebsocket = { size = 3, binary = true, protocols = \
                 [\"zSlot00000001n\"] }\ncheck = { length = 3 }";
    let plan = plan(whole);
    let step = &plan.flows[0].steps[0];
    let Exchange::Socket(socket) = &step.exchange else { panic!("no WebSocket") };
    assert_eq!((socket.messages, socket.is_echo, socket.kind), (1, false, Kind::Binary));
    assert_eq!(socket.message.constant().map(<[u8]>::len), Some(3));
    // RFC 6455 section 4.2.2, for this key.
    assert_eq!(socket.opening.accept(), "xtT8wd7l3pjlg9IuUUr04mzG3pk=");
    let shown = show::requests(&plan, 1);
    assert!(shown.contains("GET /0 HTTP/1.1"), "marks are not mistaken: {shown}");
}

#[test]
fn kept_cookies_follow_those_of_the_step() {
    let text = "target = \"http://a\"\ncookies = true\n[[flow]]\nname = \"f\"\n\
        [[flow.step]]\npath = \"/1\"\n\
        [[flow.step]]\npath = \"/2\"\ncookies = { a = \"{{user}}\" }";
    let plan = plan(text);
    assert!(plan.keeps_cookies && plan.authority == "a");
    assert!(plan.flows[0].steps.iter().all(|step| step.uses_jar() && step.needs_head()));
    let shown = show::requests(&plan, 1);
    assert!(shown.contains("GET /1 HTTP/1.1\\r\\n\nHost: a\\r\\n\nUser-Agent"), "{shown}");
    assert!(shown.contains("GET /2 HTTP/1.1\\r\\n\nHost: a\\r\\n\nCookie: a=0\\r\\n\n"), "{shown}");
    assert_eq!(show::summary(&plan), "1 flow, 2 steps; closed loop, 64 users; users keep cookies");
}

#[test]
fn an_upload_is_these_bytes() {
    let step = "path = \"/\"\nbody = { multipart = [{ name = \"who\", text = \"{{p.email}}\" }, \
                { name = \"f\", file = \"raw.bin\", content_type = \"image/png\" }, \
                { name = \"g\", generated = { size = 8 } }] }";
    let boundary = "----uringbench0000000000000000";
    let line = |text: &str| format!("{text}\\r\\n\n");
    let disposition = "Content-Disposition: form-data; name=";
    let expected = [
        line("POST / HTTP/1.1"),
        line(&format!("Content-Type: multipart/form-data; boundary={boundary}")),
        line("Content-Length:        405"),
        line(""),
        line(&format!("--{boundary}")),
        line(&format!("{disposition}\"who\"")),
        line(""),
        line("a@b"),
        line(&format!("--{boundary}")),
        line(&format!("{disposition}\"f\"; filename=\"raw.bin\"")),
        line("Content-Type: image/png"),
        line(""),
        line("\\u{0}\\xff{{seq}}"),
        line(&format!("--{boundary}")),
        line(&format!("{disposition}\"g\"; filename=\"generated\"")),
        line("Content-Type: application/octet-stream"),
        line(""),
        line("fjLJhdXT"),
        line(&format!("--{boundary}--")),
    ];
    assert_eq!(shown(step), expected.concat());
}

#[test]
fn long_bodies_are_cut_and_their_length_reported() {
    let text = shown("path = \"/\"\nbody = { generated = { size = 5000, seed = 3 } }");
    assert!(text.ends_with("\n… 3976 more bytes, 5000 in all\n"), "{text}");
    let text = shown("path = \"/\"\nwebsocket = { size = 1024 }");
    assert!(text.contains("--- 1 message\n") && !text.contains('…'), "{text}");
}

#[test]
fn the_order_of_steps_is_flat() {
    let text = "target = \"http://a\"\n[[flow]]\nname = \"f\"\n\
        [[flow.step]]\npath = \"/1\"\nrepeat = 2\nthink = { constant = \"1s\" }\n\
        [[flow.step]]\npath = \"/2\"\nchoice = \"c\"\nweight = 3\n\
        capture = { x = { header = \"X\" } }\n\
        [[flow.step]]\npath = \"/3\"\nchoice = \"c\"\nthink = { exponential = 2 }\n\
        capture = { x = { cookie = \"X\" } }\n\
        [[flow.step]]\npath = \"/{{x}}\"\nthink = { uniform = [0, \"5ms\"] }\n";
    let plan = plan(text);
    let expected = [
        FlowOperation::Send(0),
        FlowOperation::Think(Think::Constant(Nanos::SECOND)),
        FlowOperation::Repeat { from: 0, times: 2 },
        FlowOperation::Choose(vec![Arm { weight: 3, at: 4 }, Arm { weight: 1, at: 6 }]),
        FlowOperation::Send(1),
        FlowOperation::Jump(9),
        FlowOperation::Send(2),
        FlowOperation::Think(Think::Exponential(Nanos::from_secs(2))),
        FlowOperation::Jump(9),
        FlowOperation::Send(3),
        FlowOperation::Think(Think::Uniform(Nanos(0), Nanos::from_millis(5))),
    ];
    assert_eq!(plan.flows[0].operations, expected);
    let shown = show::requests(&plan, 1);
    assert!(shown.contains("--- GET /1, 2 times\n"), "{shown}");
    assert!(shown.contains("--- GET /2, chosen 3 of 4 times\n"), "{shown}");
}

#[test]
fn what_comes_of_an_answer_is_shown() {
    let step = "path = \"/\"\nevents = { count = 5, stall = \"20ms\" }\n\
        check = { status = [200, 201], header = { A = \"{{p.email}}\" } }\n\
        capture = { c = { cookie = \"sid\" }, h = { header = \"A\", max = 9 } }\n\
        stop_on_failure = true\nthink = { uniform = [1, 2] }\nrepeat = 2";
    let request = "GET / HTTP/1.1\\r\\n\n\\r\\n\n";
    let lines = [
        "reads 5 events, with a stall from 20.0 ms on",
        "fails if header Content-Type is not `text/event-stream`",
        "fails if status is not 200 or 201",
        "fails if header A is not `{{p.email}}`",
        "keeps c: cookie sid, up to 256 bytes",
        "keeps h: header A, up to 9 bytes",
        "ends the flow if it fails",
        "then waits 1.00 s to 2.00 s",
    ];
    let lines: String = lines.iter().map(|line| format!("<-- {line}\n")).collect();
    assert_eq!(shown(step), format!("{request}{lines}"));
    let step = "path = \"/\"\ncheck = { contains = \"a\", equals = \"b\", length = 3, \
        json = { \"/i\" = \
        1, \"/t\" = \"x\", \"/y\" = true } }\ncapture = { j = { json = \"/a~1b\" }, r = { regex = \
        \"a(b)\" } }\nthink = { exponential = \"5ms\" }";
    let lines = [
        "fails if body does not have 3 bytes",
        "fails if body does not hold `a`",
        "fails if body is not `b`",
        "fails if JSON /i is not 1",
        "fails if JSON /t is not `x`",
        "fails if JSON /y is not true",
        "keeps j: JSON /a~1b, up to 256 bytes",
        "keeps r: match of `a(b)`, up to 256 bytes",
        "then waits 5.00 ms in the mean",
    ];
    let lines: String = lines.iter().map(|line| format!("<-- {line}\n")).collect();
    assert_eq!(shown(step), format!("{request}{lines}"));
    let text = "target = \"http://a\"\n[load]\nrate = 5\nwarmup = 2\n[[flow]]\nname = \"f\"\n\
        [[flow.step]]\npath = \"/\"";
    let shown = show::requests(&plan(text), 1);
    let end = "=== load\nopen loop, 5/s\n64 connections, warm-up 2.00 s, measured 10.0 s\n";
    assert!(shown.ends_with(end), "{shown}");
}

#[test]
fn load_and_objectives_are_the_plan_s() {
    let text = "target = \"http://a\"\n[load]\nrate = \"1.5k\"\narrivals = \"poisson\"\n\
        warmup = 2\n[[load.stage]]\nshape = \"ramp\"\nrate = 3000\nduration = \"1m\"\n\
        [[load.stage]]\nshape = \"spike\"\nrate = 9000\nduration = \"5s\"\n\
        [[flow]]\nname = \"f\"\n[[flow.step]]\npath = \"/1\"\n\
        [[slo]]\nlimit = \"p99<20ms\"\n[[slo]]\nlimit = \"errors<1%\"\nflow = \"f\"\n\
        step = \"GET /1\"";
    let plan = plan(text);
    let rate = Rate::per_second;
    let part = |seconds, from, to| Segment {
        length: Nanos::from_secs(seconds),
        from: rate(from),
        to: rate(to),
    };
    let segments = vec![part(60, 1_500, 3_000), part(5, 9_000, 9_000), part(1, 3_000, 3_000)];
    let course = Course::Segments(segments);
    let load = Load::Open { rate: rate(1_500).unwrap(), arrivals: Arrivals::Poisson, course };
    assert_eq!(plan.load, load);
    assert_eq!((plan.warmup, plan.duration), (Nanos::from_secs(2), Nanos::from_secs(65)));
    let about: Vec<_> = plan.objectives.iter().map(|slo| (slo.flow, slo.step)).collect();
    assert_eq!(about, [(None, None), (Some(0), Some(0))]);
    assert_eq!(show::summary(&plan), "1 flow, 1 step, 2 objectives; open loop, 1500/s, 2 stages");
}

#[test]
fn flows_are_left_out_with_what_is_about_them() {
    let flow = |name: &str| format!("[[flow]]\nname = \"{name}\"\n[[flow.step]]\npath = \"/\"\n");
    let slo = |about: &str| format!("[[slo]]\nlimit = \"p99<1s\"\n{about}");
    let text = format!(
        "target = \"http://a\"\n{}{}{}{}{}{}",
        flow("f"),
        flow("g"),
        flow("h"),
        slo("flow = \"f\"\n"),
        slo("flow = \"h\"\nstep = \"GET /\"\n"),
        slo("")
    );
    let kept = |names: &[&str]| {
        let mut plan = plan(&text);
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        plan.keep_flows(&names).map(|()| {
            let flows: Vec<_> = plan.flows.iter().map(|flow| flow.name.clone()).collect();
            let about: Vec<_> = plan.objectives.iter().map(|slo| slo.flow).collect();
            (flows.concat(), about)
        })
    };
    assert_eq!(kept(&[]), Ok(("fgh".to_owned(), vec![Some(0), Some(2), None])));
    assert_eq!(kept(&["h"]), Ok(("h".to_owned(), vec![Some(0), None])));
    assert_eq!(kept(&["h", "g"]), Ok(("gh".to_owned(), vec![Some(1), None])));
    let unknown = "there is no flow `hh`, did you mean `h`?".to_owned();
    assert_eq!(kept(&["g", "hh"]), Err(unknown));
}

#[test]
fn a_replay_takes_its_times_and_flows_from_rows() {
    let plan_at = |rest: &str| {
        plan(&format!(
            "target = \"http://a\"\n[load]\nreplay = {{ data = \"r\", column = \"at\" {rest} }}\n\
             [data.p]\nfile = \"people.csv\"\n[data.r]\nfile = \"requests.csv\"\n\
             [[flow]]\nname = \"f\"\n[[flow.step]]\npath = \"/{{{{r.q}}}}\"\n\
             [[flow]]\nname = \"g\"\n[[flow.step]]\npath = \"/\"\n"
        ))
    };
    let micros = |times: [u64; 4]| times.map(|time| Nanos(time * 1_000)).to_vec();
    let whole = plan_at("");
    let mut times = micros([0, 500_000, 500_000, 2_000_000]);
    times[3] += Nanos(1);
    assert_eq!(
        (&whole.load, whole.orders.as_slice()),
        (&Load::Replay, [RowOrder::Shared, RowOrder::Replayed].as_slice())
    );
    let replay = whole.replay.as_ref().unwrap();
    assert_eq!((replay.times.to_vec(), &replay.flows), (times, &None));
    assert_eq!(whole.warmup, Nanos::ZERO);
    assert_eq!(whole.duration, Nanos::from_secs(2) + Nanos(1) + Nanos::MILLISECOND);
    let shown = "2 flows, 2 steps, 2 data files; replay of 4 rows in 2.00 s";
    assert_eq!(show::summary(&whole), shown);
    for (speed, by) in [("2.0", 2.0), ("\"2x\"", 2.0), ("4", 4.0), ("0.5", 0.5)] {
        let mut plan = plan_at(&format!(", speed = {speed}, flow = \"what\""));
        assert!(plan.keep_flows(&["f".to_owned()]).is_err(), "rows name the flows");
        let times = micros([0, 500_000, 500_000, 2_000_000]);
        let FlowReplay { times: found, flows } = plan.replay.unwrap();
        assert_eq!(flows, Some(vec![0, 1, 0, 0]));
        for (found, time) in found.iter().zip(times) {
            assert!((found.0 as f64 * by - time.0 as f64).abs() <= 4.0, "{found:?}");
        }
    }
}

#[test]
fn a_thousand_steps_are_compiled() {
    let mut text = String::from("target = \"http://a\"\n[[flow]]\nname = \"f\"\n");
    for step in 0..1_000 {
        text += &format!("[[flow.step]]\npath = \"/{step}/{{{{uuid}}}}\"\n");
    }
    assert_eq!(plan(&text).flows[0].steps.len(), 1_000);
}

#[test]
fn steps_without_names_have_their_requests_without_secrets_as_names() {
    let scenario = |steps: &[&str]| {
        let steps = steps.iter().map(|step| format!("[[flow.step]]\n{step}\n"));
        compiled(&format!(
            "target = \"http://a\"\n[[flow]]\nname = \"f\"\n{}",
            steps.collect::<String>()
        ))
    };
    let [one, two] = ["url = \"http://a/b?token=1\"", "url = \"http://a/b?token=2\""];
    let plan = scenario(&[one, two, "url = \"http://a/b?key=3\""]).expect("three names");
    let names: Vec<&str> = plan.flows[0].steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(
        names,
        ["GET http://a/b?token=…", "GET http://a/b?token=… (2)", "GET http://a/b?key=3"]
    );
    let twice = scenario(&[one, two, one]).expect_err("one request twice needs a name");
    assert!(twice.iter().any(|why| why.to_string().contains("already")), "{twice:?}");
}
