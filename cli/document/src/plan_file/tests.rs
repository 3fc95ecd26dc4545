//! Plans that are stored and come back, with their secrets elsewhere.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use uringbench_core::flow::exchange::Exchange;
use uringbench_core::flow::program::FlowOperation;
use uringbench_core::flow::script::{Data, Flow, RowOrder, Script};
use uringbench_core::flow::step::Step;
use uringbench_core::flow::table::Table;
use uringbench_core::flow::template::{Marks, Template};
use uringbench_core::flow::text::Text;
use uringbench_core::flow::value::{Escape, TemplateValue, Value as Filled};
use uringbench_core::http::body::Body;
use uringbench_core::http::request::{RequestParts, RequestTemplate};
use uringbench_core::plan::Workload;

use super::*;

const TOKEN: &str = "s3cr3t \"token\"";

fn headers(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn request() -> Plan {
    let headers = headers(&[
        ("Authorization", "Bearer abc"),
        ("Cookie", "a=b"),
        ("X-Plain", "abc"),
        ("X-Token", TOKEN),
    ]);
    let parts = RequestParts {
        headers: &headers,
        body: Body::Bytes(&[0xff, b'\r', 0]),
        ..RequestParts::new("POST", "a", "/?q=%20")
    };
    let request = RequestTemplate::build(parts).unwrap();
    Plan::plain(([127, 0, 0, 1], 80).into(), request)
}

/// One step with every kind of piece.
fn scripted() -> Plan {
    let mut marks = Marks::default();
    let cell = marks.mark(TemplateValue::new(Filled::Cell { table: 0, column: 1 }, Escape::Header));
    let number = marks.mark(TemplateValue::new(Filled::Int { low: 10, high: 99 }, Escape::Json));
    let path = format!("/{}", marks.mark(TemplateValue::new(Filled::Uuid, Escape::Url)));
    let headers = headers(&[("Authorization", &format!("Bearer {cell}")), ("X", "y")]);
    let body = format!("{{\"n\":{number},\"of\":\"s3cr3t \\\"token\\\"\"}}");
    let parts = RequestParts {
        headers: &headers,
        body: Body::Bytes(body.as_bytes()),
        ..RequestParts::new("POST", "a", &path)
    };
    let template = Template::build(parts, &marks).unwrap();
    let template = template.with_cookies(vec![("c".to_owned(), Text::from("cookie-value"))]);
    let step = Step { exchange: Exchange::Http, ..Step::new("s", template) };
    let flow = Flow {
        name: "f".to_owned(),
        weight: 1,
        steps: vec![step],
        operations: vec![FlowOperation::Send(0)],
    };
    let mut table = Table::new(2);
    table.push(["a", "hunter2"]);
    let data = vec![Data { table, order: RowOrder::Shared }];
    let script = Script::new((Flow::default(), vec![flow], Flow::default()), data, 0, Some(1));
    let plain = request();
    plain.with(|plan| plan.workload = Workload::Script(Arc::new(script))).unwrap()
}

fn stored(plan: &Plan, secrets: &[Secret], tables: &[SecretTable]) -> PlanFile {
    let file = PlanFile::of(plan, Some("n"), secrets, tables).unwrap();
    let read = PlanFile::read(&file.to_json().unwrap()).unwrap();
    assert_eq!(read, file);
    read
}

/// Parts as a text: they have no equality of their own.
fn shown(parts: &Parts) -> String {
    format!("{parts:#?}")
}

fn environment() -> Secret {
    Secret { name: SecretName::Env("TOKEN".to_owned()), value: TOKEN.to_owned() }
}

fn header(name: &str) -> SecretName {
    SecretName::Header(name.to_owned())
}

#[test]
fn a_request_comes_back_byte_by_byte_once_its_secrets_are_given() {
    let plan = request();
    let file = stored(&plan, &[], &[]);
    assert_eq!(file.withheld, [header("Authorization"), header("Cookie"), header("X-Token")]);
    let text = file.to_json().unwrap();
    for secret in ["Bearer abc", "a=b", "s3cr3t"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let given = ["Bearer abc", "a=b", TOKEN].map(Value::from);
    let parts = file.clone().parts(&given).unwrap();
    assert_eq!(parts.workload.bytes(), plan.workload.bytes());
    assert_eq!(shown(&parts), shown(&plan));
    // Another value of another length makes another request, and no broken one.
    let other = ["Basic xyz123", "", "t"].map(Value::from);
    let parts = file.parts(&other).unwrap();
    let head = String::from_utf8(parts.workload.heads().to_vec()).unwrap();
    assert!(head.contains("\r\nAuthorization: Basic xyz123\r\nCookie: \r\nX-Plain: abc\r\n"));
}

#[test]
fn a_secret_in_a_part_that_is_no_text_is_taken_out_too() {
    let headers = headers(&[("X-Token", TOKEN)]);
    let body = [b"\xff\xfe", TOKEN.as_bytes(), b"&password=hunter22&x=\xff", TOKEN.as_bytes()];
    let parts = RequestParts {
        headers: &headers,
        body: Body::Bytes(&body.concat()),
        ..RequestParts::new("POST", "a", "/")
    };
    let request = RequestTemplate::build(parts).unwrap();
    let plan = Plan::plain(([127, 0, 0, 1], 80).into(), request);
    let file = stored(&plan, &[], &[]);
    let text = file.to_json().unwrap();
    // Their bytes at any of the three places of Base64.
    let hidden = |secret: &str| {
        (0..3).any(|shift| {
            let shifted = [&b"   "[..shift], secret.as_bytes()].concat();
            let encoded = BASE64.encode(shifted);
            text.contains(&encoded[4..encoded.len() - 4])
        })
    };
    assert!(!text.contains(TOKEN) && !text.contains("hunter22"), "{text}");
    assert!(!hidden(TOKEN) && !hidden("hunter22"), "{text}");
    let given: Vec<_> = file
        .withheld
        .iter()
        .map(|name| if *name == header("X-Token") { TOKEN } else { "hunter22" })
        .map(Value::from)
        .collect();
    let parts = file.parts(&given).unwrap();
    assert_eq!(parts.workload.bytes(), plan.workload.bytes());
}

#[test]
fn a_script_comes_back_as_it_was() {
    let plan = scripted();
    let tables = [SecretTable { file: "/people.csv".to_owned(), table: 0 }];
    let file = stored(&plan, &[environment()], &tables);
    assert_eq!(
        file.withheld,
        [
            SecretName::Data(tables[0].clone()),
            header("Cookie"),
            SecretName::Env("TOKEN".to_owned())
        ]
    );
    let text = file.to_json().unwrap();
    for secret in ["hunter2", "cookie-value", "s3cr3t"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let mut table = Table::new(2);
    table.push(["a", "hunter2"]);
    let table = serde_json::to_value(table).unwrap();
    let given = |token: &str| [table.clone(), Value::from("cookie-value"), Value::from(token)];
    let parts = file.clone().parts(&given(TOKEN)).unwrap();
    assert_eq!(shown(&parts), shown(&plan));
    // The length of the body is that of the value that was given.
    let parts = file.parts(&given("x")).unwrap();
    let bytes = parts.workload.script().unwrap().part(uringbench_core::flow::script::Part::Flow(0));
    let text = String::from_utf8(bytes.steps[0].template.bytes().to_vec()).unwrap();
    assert!(text.contains("\r\nContent-Length: 17\r\n"), "{text}");
    assert!(text.ends_with("{\"n\":00,\"of\":\"x\"}"), "{text}");
}

#[test]
fn a_plan_of_a_newer_version_and_what_is_none_are_told_apart() {
    let newer = PlanFile::read(r#"{"schema":"uringbench.plan/2","plan":{}}"#).unwrap_err();
    let text = newer.to_string();
    assert!(text.contains("newer uringbench") && !text.contains('\n'), "{text}");
    let other = PlanFile::read(r#"{"schema":"uringbench.run/1"}"#).unwrap_err();
    assert!(matches!(other, PlanFileError::Other), "{other}");
    let broken = PlanFile::read("{").unwrap_err();
    assert!(matches!(broken, PlanFileError::Damaged(_)), "{broken}");
    let mut lacking: Value =
        serde_json::from_str(&stored(&request(), &[], &[]).to_json().unwrap()).unwrap();
    lacking["plan"]["load"] = Value::from("sometimes");
    let file = PlanFile::read(&lacking.to_string()).unwrap();
    assert!(matches!(file.parts(&[]), Err(PlanFileError::Damaged(_))));
}
