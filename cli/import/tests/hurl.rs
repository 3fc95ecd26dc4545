//! Hurl files: every construct of the grammar is imported or reported, and the result compiles.

mod support;

use support::{compiled, scenario};
use uringbench_import::{Imported, hurl};

fn import(text: &str) -> Imported {
    let variables = [("host".to_owned(), "http://a".to_owned()), ("n".to_owned(), "7".to_owned())];
    let imported = hurl::import(text, &variables).unwrap_or_else(|why| panic!("{why}\n{text}"));
    compiled(&imported);
    imported
}

const LOGIN: &str = r##"# A user logs in.
GET {{host}}/login   # the form
Accept: text/html

HTTP 200
[Captures]
csrf: regex "name=._csrf. value=\"(.*?)\""
user: jsonpath "$['user'].ids[0]"

POST {{host}}/login
[Options]
delay: 1500ms
[QueryStringParams]
next: /a b
[FormParams]
name: tom
token: {{csrf}}

HTTP/1.1 302
Location: /home
[Captures]
session: cookie "sid[Value]"

PUT http://a/items/{{user}}?n={{n}}
Authorization: Bearer {{session}}
{
  "name": "{{csrf}}",
  "count": {{n}}
}
HTTP *
[Asserts]
status >= 200
status < 203
header "X-Id" == "{{user}}"
jsonpath "$.state" == "open"
jsonpath "$.items[0].price" == 1.5   # comment
jsonpath "$.ok" == true
jsonpath "$.list" nth 2 == 3
body contains "#done"
bytes count == 12
"##;
const LOGIN_SCENARIO: &str = r##"target = "http://a"
cookies = true

[[flow]]
name = "hurl"

[[flow.step]]
path = "/login"
headers = { Accept = "text/html" }
check = { status = [200] }
think = { constant = "1500ms" }
[flow.step.capture]
csrf = { regex = 'name=._csrf. value="(.*?)"', max = 4096 }
user_ = { json = "/user/ids/0", max = 4096 }

[[flow.step]]
path = "/login"
query = { next = "/a b" }
body = { form = { name = "tom", token = "{{csrf}}" } }
check = { status = [302], header = { Location = "/home" } }
capture = { session = { cookie = "sid", max = 4096 } }

[[flow.step]]
method = "PUT"
path = "/items/{{user_}}"
query = { n = "7" }
headers = { Authorization = "Bearer {{session}}" }
[flow.step.body]
json = """
{
  "name": "{{csrf}}",
  "count": 7
}"""
[flow.step.check]
status = [200, 201, 202]
header = { X-Id = "{{user_}}" }
contains = "#done"
length = 12
json = { "/state" = "open", "/items/0/price" = 1.5, "/ok" = true, "/list/2" = 3 }
"##;

#[test]
fn a_file_becomes_a_flow() {
    let imported = import(LOGIN);
    assert_eq!(imported.notes(), Vec::<String>::new());
    assert_eq!(scenario(&imported), LOGIN_SCENARIO);
}

/// The lines of the only step, without its path.
fn step(text: &str) -> (String, Vec<String>) {
    let imported = import(text);
    let scenario = scenario(&imported);
    let (_, step) = scenario.split_once("[[flow.step]]\n").expect("there is a step");
    let lines = step.lines().filter(|line| !line.starts_with("path = "));
    (lines.collect::<Vec<_>>().join("; "), imported.notes())
}

#[test]
fn bodies_of_every_kind_are_sent() {
    for (body, expected) in [
        ("{\"a\": [1, {}], \"b\": \"}\"}", "body = { json = '{\"a\": [1, {}], \"b\": \"}\"}' }"),
        ("[1, 2]", "body = { json = \"[1, 2]\" }"),
        ("\"text\"", "body = { json = '\"text\"' }"),
        ("true", "body = { json = \"true\" }"),
        ("`one {{n}}`", "headers = { Content-Type = [] }; body = { text = \"one 7\" }"),
        ("```inline```", "headers = { Content-Type = [] }; body = { text = \"inline\" }"),
        (
            "```\na\nb\n```",
            "headers = { Content-Type = [] }; [flow.step.body]; text = \"\"\"; a; b; \"\"\"",
        ),
        ("```json\n{\"a\":1}\n```", "[flow.step.body]; json = \"\"\"; {\"a\":1}; \"\"\""),
        (
            "```graphql\n{ me }\nvariables {\"a\": 1}\n```",
            "body = { json = '{\"query\":\"{ me }\",\"variables\":{\"a\": 1}}' }",
        ),
        (
            "<?xml version=\"1.0\"?>\n<a b='>'><!-- x --><c/></a>",
            "headers = { Content-Type = \"application/xml\" }; [flow.step.body]; text = \"\"\"; \
             <?xml version=\"1.0\"?>; <a b='>'><!-- x --><c/></a>\"\"\"",
        ),
        ("file,data.json;", "body = { file = \"data.json\" }"),
        ("base64,/wA=;", "body = { file = \"body-1.bin\" }"),
        ("hex,ff00;", "body = { file = \"body-1.bin\" }"),
        (
            "[Multipart]\na: 1\nf: file,up.png; image/png",
            "[flow.step.body]; multipart = [; { name = \"a\", text = \"1\" },; { name = \"f\", \
             file = \"up.png\", content_type = \"image/png\" },; ]",
        ),
        (
            "[FormParams]\na: 1\na: 2",
            "headers = { Content-Type = \"application/x-www-form-urlencoded\" }; body = { text = \
             \"a=1&a=2\" }",
        ),
        // Hurl 8.0.1 encodes the values of a form alone.
        (
            "[FormParams]\nü: é",
            "headers = { Content-Type = \"application/x-www-form-urlencoded\" }; body = { text = \
             \"ü=%C3%A9\" }",
        ),
    ] {
        let (found, notes) = step(&format!("POST http://a/\n{body}\nHTTP 200\n"));
        let found = found.replace("    {", "{").replace("check = { status = [200] }", "");
        let found = found.replace("; ; ", "; ");
        let found = found.trim_matches([';', ' ']);
        assert_eq!(found, expected, "{body}");
        assert_eq!(notes, Vec::<String>::new(), "{body}");
    }
}

#[test]
fn requests_are_sent_as_they_are_described() {
    for (request, expected) in [
        (
            "GET http://a/\n[BasicAuth]\nbob: secret",
            "headers = { Authorization = \"Basic \
          Ym9iOnNlY3JldA==\" }",
        ),
        (
            "GET http://a/\n[Options]\nuser: bob:secret",
            "headers = { Authorization = \"Basic \
          Ym9iOnNlY3JldA==\" }",
        ),
        // The user and the password in an address are percent-decoded.
        (
            "GET http://user%40x:p%2Fw@a/",
            "headers = { Authorization = \"Basic \
          dXNlckB4OnAvdw==\" }",
        ),
        ("GET http://a/\n[Cookies]\na: 1\nb: {{n}}", "cookies = { a = \"1\", b = \"7\" }"),
        ("GET http://a/\n[Options]\nrepeat: 3\nvariable: n=8\n", "repeat = 3"),
        ("GET http://a/\nX-A: a\\#b # c", "headers = { X-A = \"a#b\" }"),
        ("GET http://a/\nX-A: {{newUuid}}", "headers = { X-A = \"{{uuid}}\" }"),
        ("DELETE http://a/", "method = \"DELETE\""),
        ("GET http://a/?x#fragment", "name = \"GET /\"; url = \"/?x\""),
    ] {
        let (found, notes) = step(request);
        assert_eq!(found, expected, "{request}");
        assert_eq!(notes, Vec::<String>::new(), "{request}");
    }
    let text = "GET http://a/\nHTTP 302\n[Captures]\nto: header \"Location\"\n\nGET {{to}}\n";
    assert!(scenario(&import(text)).contains("url = \"{{to}}\""));
    let text = "POST http://a/\n[Multipart]\nf: file,up.png;\n";
    assert!(scenario(&import(text)).contains("content_type = \"image/png\""));
    let text = "GET http://a/\n[Options]\nvariable: n=8\n\nGET http://a/{{n}}\n";
    assert!(scenario(&import(text)).contains("path = \"/8\""));
}

#[test]
fn what_cannot_be_said_is_reported_by_line() {
    for (answer, expected) in [
        ("[Asserts]\nduration < 100", "line 3: `duration < 100`: left out, an objective says it"),
        ("[Asserts]\nxpath \"//p\" count == 2", "line 3: `xpath \"//p\" count == 2`: left out"),
        ("[Asserts]\njsonpath \"$.a\" exists", "line 3: `jsonpath \"$.a\" exists`: left out"),
        ("[Asserts]\njsonpath \"$.a\" not == 1", "line 3: `jsonpath \"$.a\" not == 1`: left out"),
        ("[Asserts]\njsonpath \"$..a\" == 1", "line 3: `jsonpath \"$..a\" == 1`: left out"),
        ("[Asserts]\njsonpath \"$.a\" == null", "line 3: `jsonpath \"$.a\" == null`: left out"),
        ("[Asserts]\nheader \"A\" contains \"b\"", "line 3: `header \"A\" contains \"b\"`: left"),
        ("[Asserts]\ncookie \"a\" == \"b\"", "line 3: `cookie \"a\" == \"b\"`: left out"),
        ("[Asserts]\nsha256 == hex,00;", "line 3: `sha256 == hex,00;`: left out"),
        (
            "[Asserts]\nbody == \"{{x}}\"\n[Captures]\nx: header \"A\"",
            "line 3: `body == \"{{x}}\"`",
        ),
        ("[Captures]\nx: status", "line 3: `x: status`: left out, a regex may say it"),
        ("[Captures]\nx: xpath \"//p\"\nGET http://a/{{x}}", "line 4: {{x}} is sent as the word x"),
        ("file,data.json;", "line 2: the bytes of the answer: left out"),
        ("A: 1\nA: 2", "line 4: header A a second time: left out"),
        ("{\"a\": {\"b\": 1}}", "line 3: the JSON of the answer is compared value by value"),
        ("GET http://b/\n", "line 3: GET http://b/: left out, http://b is another server"),
        (
            "GET http://a/\n[Options]\nskip: true",
            "line 3: GET http://a/: left out, the option skip",
        ),
        ("GET http://a/\n[Options]\nlocation: true", "line 5: location: left out, redirects"),
        (
            "GET http://a/\n[Options]\ninsecure: true",
            "line 5: insecure: left out, options of the run",
        ),
    ] {
        let text = format!("GET http://a/\nHTTP 200\n{answer}\n");
        let notes = import(&text).notes();
        let (line, why) = expected.split_once(": ").unwrap();
        let is_reported = |note: &String| note.contains(why) && note.starts_with("line ");
        assert!(notes.iter().any(is_reported), "{text}{line} {why}: {notes:#?}");
    }
    let notes = import("GET http://a/\nHTTP *\n").notes();
    assert!(notes[0].contains("line 2: HTTP *: statuses from 400 on are failures"), "{notes:?}");
}

#[test]
fn mistakes_are_reported_by_line() {
    for (text, expected) in [
        ("", "no request"),
        ("# only a comment\n", "no request"),
        ("GET ftp://a/\n", "line 1: `ftp://a/` is not an address"),
        (
            "GET http://a/{{x}}\n",
            "line 1: the variable `x` is not defined: give it by --variable x=…",
        ),
        ("Accept: x\n", "line 1: `Accept: x`: begin with a request"),
        ("GET http://a/\n[Nothing]\n", "line 2: `[Nothing]`: Hurl has no section"),
        (
            "GET http://a/\n[Asserts]\nstatus == 200\n",
            "line 2: `[Asserts]`: it applies to an \
                                                       answer",
        ),
        ("GET http://a/\nHTTP 200\n[Form]\n", "line 3: `[Form]`: it applies to a request"),
        ("GET http://a/\nHTTP many\n", "line 2: `HTTP many`: a status is a number"),
        ("HTTP 200\n", "line 1: `HTTP 200`: an answer follows a request"),
        ("GET http://a/\n{\"a\":\n", "the JSON does not end"),
        ("GET http://a/\n<a>\n", "the XML does not end"),
        ("GET http://a/\n```\nx\n", "the ``` are not closed"),
        ("GET http://a/\nwhat\n", "line 2: `what`: neither a request"),
        ("GET http://a/\n[Options]\nrepeat: often\n", "line 3: `repeat: often`: write a number"),
        ("GET http://a/\n[Options]\ndelay: soon\n", "line 3: `delay: soon`: write 500ms"),
        ("GET http://a/\nbase64,!;\n", "line 2: not base64"),
        ("CONNECT http://a/\n", "line 1: CONNECT cannot be sent"),
    ] {
        let why = hurl::import(text, &[]).unwrap_err().to_string();
        assert!(why.contains(expected), "{text}: {why}");
    }
}
