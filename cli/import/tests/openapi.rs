//! OpenAPI descriptions: each operation becomes a flow whose request the description permits.

mod support;

use support::{compiled, scenario};
use uringbench_import::{Imported, openapi};

const SHOP: &str = r##"
openapi: 3.0.3
info: { title: Shop, version: '1' }
servers:
  - url: https://{region}.shop.example/v1/
    variables: { region: { default: eu } }
security:
  - bearerAuth: []
paths:
  /items/{id}:
    parameters:
      - $ref: '#/components/parameters/Id'
    get:
      operationId: getItem
      parameters:
        - { name: verbose, in: query, required: true, schema: { type: boolean } }
        - { name: lang, in: query, schema: { type: string } }
        - { name: X-Tenant, in: header, required: true, schema: { type: string, enum: [a, b] } }
        - { name: sid, in: cookie, required: true, example: abc }
      responses:
        '200': { description: fine }
        default: { description: bad }
    delete:
      security: []
      responses: { '204': {}, '404': {} }
  /items:
    post:
      operationId: addItem
      requestBody:
        content:
          application/xml: {}
          application/json:
            schema: { $ref: '#/components/schemas/Item' }
      responses: { 2XX: {} }
  /login:
    post:
      security: [{ key: [] }]
      requestBody:
        content:
          application/x-www-form-urlencoded:
            schema:
              type: object
              properties:
                email: { type: string, format: email }
                password: { type: string, minLength: 16 }
      responses: { '302': {} }
components:
  parameters:
    Id: { name: id, in: path, required: true, schema: { type: integer, minimum: 1, maximum: 50 } }
  securitySchemes:
    bearerAuth: { type: http, scheme: bearer }
    key: { type: apiKey, in: query, name: api_key }
  schemas:
    Item:
      type: object
      required: [name]
      properties:
        id: { type: string, format: uuid, readOnly: true }
        at: { type: string, format: date-time }
        name: { type: string, example: "it's {{new}}" }
        count: { type: integer, minimum: 0, exclusiveMaximum: true, maximum: 10 }
        step: { type: integer, multipleOf: 5, minimum: 3 }
        kind: { type: string, enum: [big, small] }
        size: { type: number, enum: [1, 2.5] }
        tags: { type: array, minItems: 2, items: { type: string, format: uuid } }
        parent: { $ref: '#/components/schemas/Item' }
        owner:
          allOf:
            - { type: object, properties: { a: { type: boolean } } }
            - { type: object, properties: { b: { oneOf: [{ type: 'null' }, { const: 5 }] } } }
"##;

fn import(text: &str, target: Option<&str>) -> Imported {
    let imported = openapi::import(text, target).unwrap_or_else(|why| panic!("{why}\n{text}"));
    compiled(&imported);
    imported
}

#[test]
fn operations_become_flows() {
    let imported = import(SHOP, None);
    let text = scenario(&imported);
    let item = r#"target = "https://eu.shop.example"

[[flow]]
name = "addItem"

[[flow.step]]
path = "/v1/items"
headers = { Authorization = "Bearer {{env BEARER_AUTH}}" }
check = { status = [200, 201, 202, 203, 204, 205, 206] }
[flow.step.body]
json = """{"at": "2026-01-01T12:00:00Z", "count": {{int 0 9}}, "kind": "{{choice big small}}", "#;
    assert!(text.starts_with(item), "{text}");
    let others = r#"
[[flow]]
name = "getItem"

[[flow.step]]
path = "/v1/items/{{int 1 50}}"
query = { verbose = "{{choice true false}}" }
headers = { X-Tenant = "{{choice a b}}", Authorization = "Bearer {{env BEARER_AUTH}}" }
cookies = { sid = "abc" }
check = { status = [200] }

[[flow]]
name = "DELETE /items/{id}"

[[flow.step]]
method = "DELETE"
path = "/v1/items/{{int 1 50}}"
check = { status = [204] }

[[flow]]
name = "POST /login"

[[flow.step]]
path = "/v1/login"
query = { api_key = "{{env KEY}}" }
body = { form = { email = "user{{seq}}@example.com", password = "{{string 16}}" } }
check = { status = [302] }
"#;
    let found = &text[text.find("\n[[flow]]\nname = \"getItem\"").unwrap()..];
    assert_eq!(found, others);
    let expected = [
        "security: set the environment variable BEARER_AUTH to a token (2 times)",
        "GET /items/{id}: parameter lang: left out, it is optional",
        "security: set the environment variable KEY to a key",
    ];
    let notes = imported.notes();
    for line in expected {
        assert!(notes.contains(&line.to_owned()), "{line}: {notes:#?}");
    }
}

#[test]
fn bodies_fit_their_schemas() {
    let text = scenario(&import(SHOP, None));
    for member in [
        r#""name": "it's {{{{new}}""#,
        r#""size": {{choice 1 2.5}}"#,
        r#""step": 5"#,
        r#""tags": ["{{uuid}}", "{{uuid}}"]"#,
        r#""owner": {"a": {{choice true false}}, "b": 5}"#,
    ] {
        assert!(text.contains(member), "{member}\n{text}");
    }
    // The schema refers to itself in an optional member.
    assert!(!text.contains("parent"), "{text}");
}

#[test]
fn servers_and_versions_are_distinguished() {
    let with = |head: &str| format!("{head}\npaths: {{ /x: {{ get: {{ responses: {{}} }} }} }}");
    let relative = with("openapi: 3.1.0\nservers: [{ url: /api/ }]");
    let imported = import(&relative, None);
    assert!(scenario(&imported).contains("path = \"/api/x\""));
    assert!(imported.notes()[0].contains("http://127.0.0.1:8080 is used"));
    let imported = import(&relative, Some("https://b/"));
    assert!(scenario(&imported).starts_with("target = \"https://b\"\n"));
    assert_eq!(imported.notes(), Vec::<String>::new());
    let json = r#"{"openapi": "3.0.0", "paths": {"/x": {"head": {}}}}"#;
    assert!(scenario(&import(json, None)).contains("method = \"HEAD\""));
    for (text, expected) in [
        ("swagger: '2.0'", "convert it to OpenAPI 3"),
        ("openapi: 2.0.0", "write 3.0 or 3.1"),
        ("a: 1", "not an OpenAPI description"),
        ("a: [", "not YAML: fix it"),
        ("{\"a\":", "not JSON: fix it"),
        ("openapi: 3.0.0", "no operation"),
        (&with("openapi: 3.0.0\nservers: [{ url: 'ftp://a' }]"), "write http://"),
    ] {
        let why = openapi::import(text, None).unwrap_err().to_string();
        assert!(why.contains(expected), "{text}: {why}");
    }
}

#[test]
fn what_is_not_described_is_reported() {
    let operation = |operation: &str| {
        let head = "openapi: 3.1.0\nservers: [{ url: 'http://a' }]\npaths:\n  /{x}:\n    post:\n";
        let imported = import(&format!("{head}      {operation}\n"), None);
        (scenario(&imported), imported.notes().join("\n"))
    };
    let (text, notes) = operation("requestBody: { content: { image/png: {} } }");
    assert!(text.contains("method = \"POST\"\npath = \"/{x}\"\n"), "{text}");
    assert!(notes.contains("POST /{x}: a parameter of the path is not described: {x} is sent"));
    assert!(notes.contains("POST /{x}: body image/png: left out"), "{notes}");
    let both = "parameters: [{ name: q, in: query, required: true, example: 1 }], \
                security: [{ k: [] }]";
    let text = format!(
        "openapi: 3.0.0\nservers: [{{ url: 'http://a' }}]\n\
         paths: {{ /x: {{ get: {{ {both} }} }} }}\n\
         components: {{ securitySchemes: {{ k: {{ type: apiKey, in: query, name: q }} }} }}\n"
    );
    assert!(scenario(&import(&text, None)).contains("query = { q = \"1\" }"));
    let (_, notes) = operation("parameters: [{ $ref: 'other.yaml#/x' }]");
    assert!(notes.contains("$ref other.yaml#/x: left out, it is not found"), "{notes}");
    let (text, notes) = operation(
        "requestBody: { content: { multipart/form-data: { schema: { required: [n], properties: { \
         f: { type: string, format: binary }, n: { type: string, pattern: '^b' } } } } } }",
    );
    assert!(
        text.contains("{ name = \"f\", text = \"{{string 1024}}\", filename = \"file.bin\""),
        "{text}"
    );
    assert!(
        notes.contains("POST /{x}: body: /n does not match `pattern` of its schema"),
        "{notes}"
    );
}

/// The requests of a description with one operation below `paths`, and the notes.
fn operations(paths: &str) -> (String, String) {
    let text = format!(
        "openapi: 3.1.0\nservers: [{{url: 'http://a'}}]\npaths: {paths}\n\
         components: {{schemas: {{Pet: {{type: object, required: [name], properties: \
         {{name: {{enum: [x]}}}}}}, 'Page<User>': {{properties: {{n: {{const: 1}}}}}}}}}}"
    );
    let imported = import(&text, None);
    let requests: String = scenario(&imported)
        .lines()
        .filter(|line| {
            !line.is_empty() && !line.starts_with(['[', 't']) && !line.starts_with("name")
        })
        .map(|line| format!("{line}\n"))
        .collect();
    (requests, imported.notes().join("\n"))
}

/// Parameters outside paths, and their encoding in the requests.
const STYLES: &[(&str, &str)] = &[
    // Queries.
    (
        "{in: query, style: deepObject, example: {status: open, limit: 5}}",
        r#"query = { "q[limit]" = "5", "q[status]" = "open" }"#,
    ),
    ("{in: query, style: deepObject, example: {a: {b: 1}}}", r#"query = { "q[a][b]" = "1" }"#),
    ("{in: query, schema: {type: array, minItems: 2, items: {const: 7}}}", r#"url = "/x?q=7&q=7""#),
    ("{in: query, example: [a b]}", r#"query = { q = "a b" }"#),
    (
        "{in: query, explode: false, schema: {type: array, minItems: 2, items: {const: a b}}}",
        r#"url = "/x?q=a%20b,a%20b""#,
    ),
    ("{in: query, style: pipeDelimited, example: [a, b]}", r#"url = "/x?q=a%7Cb""#),
    (
        "{in: query, style: spaceDelimited, explode: false, example: [a, b]}",
        r#"url = "/x?q=a%20b""#,
    ),
    ("{in: query, style: pipeDelimited, explode: true, example: [a, b]}", r#"url = "/x?q=a&q=b""#),
    ("{in: query, example: {r: 1, g: 2}}", r#"query = { g = "2", r = "1" }"#),
    ("{in: query, explode: false, example: {r: 1, g: 2}}", r#"url = "/x?q=g,2,r,1""#),
    ("{in: query, allowReserved: true, example: 'a/b?c d'}", r#"url = "/x?q=a/b?c%20d""#),
    (
        "{in: query, content: {application/json: {schema: {type: array, items: {const: 1}}}}}",
        r#"query = { q = "[1]" }"#,
    ),
    (
        "{in: query, explode: false, schema: {minItems: 2, items: {enum: [a/b, c]}}}",
        r#"url = "/x?q={{choice a%2Fb c}},{{choice a%2Fb c}}""#,
    ),
    // Headers and cookies.
    (
        "{in: header, schema: {type: array, minItems: 2, items: {const: 9}}}",
        r#"headers = { q = "9,9" }"#,
    ),
    ("{in: header, explode: true, example: {a: 1, b: 2}}", r#"headers = { q = "a=1,b=2" }"#),
    ("{in: header, example: {a: 1, b: 2}}", r#"headers = { q = "a,1,b,2" }"#),
    ("{in: cookie, explode: false, example: [1, 2]}", r#"cookies = { q = "1,2" }"#),
];

/// The same in paths.
const STYLES_OF_PATHS: &[(&str, &str)] = &[
    ("example: 3", "/3"),
    ("example: [a, b c]", "/a,b%20c"),
    ("example: {a: 1, b: 2}", "/a,1,b,2"),
    ("explode: true, example: {a: 1, b: 2}", "/a=1,b=2"),
    ("style: label, example: 3", "/.3"),
    ("style: label, example: [a, b]", "/.a,b"),
    ("style: label, explode: true, example: [a, b]", "/.a.b"),
    ("style: label, explode: true, example: {a: 1, b: 2}", "/.a=1.b=2"),
    ("style: matrix, example: 3", "/;q=3"),
    ("style: matrix, example: [a, b]", "/;q=a,b"),
    ("style: matrix, explode: true, example: [a, b]", "/;q=a;q=b"),
    ("style: matrix, explode: true, example: {a: 1, b: 2}", "/;a=1;b=2"),
];

#[test]
fn parameters_are_written_in_their_styles() {
    for (parameter, expected) in STYLES {
        let parameter = parameter.replacen('{', "{name: q, required: true, ", 1);
        let (text, notes) = operations(&format!("{{/x: {{get: {{parameters: [{parameter}]}}}}}}"));
        assert!(text.contains(expected), "{parameter}\n{text}");
        assert_eq!(notes, "", "{parameter}");
    }
    for (parameter, expected) in STYLES_OF_PATHS {
        let (text, notes) = operations(&format!(
            "{{'/{{q}}': {{get: {{parameters: [{{name: q, in: path, {parameter}}}]}}}}}}"
        ));
        assert!(text.starts_with(&format!("path = \"{expected}\"\n")), "{parameter}\n{text}");
        assert_eq!(notes, "", "{parameter}");
    }
}

#[test]
fn keys_of_gateways_are_paths_and_queries() {
    let id = "{name: id, in: path, required: true, example: 4}";
    let x = "{name: x, in: query, required: true, example: 1}";
    for (key, parameters, expected, note) in [
        (
            "/#Action=Foo",
            "",
            "path = \"/\"",
            "`#Action=Foo` of its path: left out, requests have none",
        ),
        ("/{id}?acl", id, "url = \"/4?acl\"", ""),
        ("/{id}?acl", &format!("{id}, {x}"), "url = \"/4?acl&x=1\"", ""),
        ("/p/{id+}", id, "path = \"/p/4\"", ""),
        ("/i/{id:[0-9]{1,3}}", id, "path = \"/i/4\"", ""),
        ("/i/{other}", id, "path = \"/i/{other}\"", "not described: {other} is sent unchanged"),
    ] {
        let (text, notes) =
            operations(&format!("{{'{key}': {{get: {{parameters: [{parameters}]}}}}}}"));
        assert!(text.starts_with(&format!("{expected}\n")), "{key}\n{text}");
        assert!(notes.contains(note) && notes.is_empty() == note.is_empty(), "{key}: {notes}");
    }
}

/// Bodies, the text in their requests, and a part of the note.
const BODIES: &[(&str, &str, &str)] = &[
    (
        "application/json: {schema: {type: object, properties: {title: {const: t}}, \
      anyOf: [{required: [title]}, {required: [state]}]}}",
        r#"{"title": "t"}"#,
        "",
    ),
    (
        "application/json: {schema: {allOf: [{description: a}, \
          {$ref: '#/components/schemas/Pet'}]}}",
        r#"{"name": "x"}"#,
        "",
    ),
    (
        "application/json: {schema: {allOf: [{required: [name]}, \
          {$ref: '#/components/schemas/Pet'}]}}",
        r#"{"name": "x"}"#,
        "",
    ),
    (
        "application/json: {schema: {$ref: '#/components/schemas/Page%3CUser%3E'}}",
        r#"{"n": 1}"#,
        "",
    ),
    ("application/json: {schema: {}}", "json = \"{}\"", "its content is not described"),
    ("application/json: {schema: {description: a}}", "json = \"{}\"", "not described"),
    ("application/json: {schema: {$ref: 'no.yaml'}}", "json = \"{}\"", "not described"),
    (
        "application/json: {example: {name: 1}, schema: {properties: {name: {type: string}}}}",
        r#"{"name": 1}"#,
        "body: its example: /name does not match `type`",
    ),
    (
        "application/octet-stream: {schema: {type: string, format: binary}}",
        "{{string 1024}}",
        "body application/octet-stream: 1024 generated letters are sent",
    ),
    ("application/octet-stream: {}", "{{string 1024}}", "1024 generated letters"),
    (
        "image/png: {schema: {type: string, format: binary}}",
        "Content-Type = \"image/png\"",
        "body image/png: 1024 generated letters",
    ),
    (
        "application/x-www-form-urlencoded: {example: {a: [1, 2], b: {c: d}}}",
        r#"text = "a=1&a=2&b=%7B%22c%22%3A%20%22d%22%7D""#,
        "",
    ),
    (
        "application/x-www-form-urlencoded: {example: {b: {c: d}}, \
      encoding: {b: {style: deepObject}}}",
        r#"form = { "b[c]" = "d" }"#,
        "",
    ),
    (
        "multipart/form-data: {example: {meta: {a: 1}}, \
      encoding: {meta: {contentType: 'application/vnd.x+json'}}}",
        "content_type = \"application/vnd.x+json\"",
        "",
    ),
    ("multipart/form-data: {example: {meta: {a: 1}}}", "content_type = \"application/json\"", ""),
    (
        "multipart/form-data: {schema: {properties: {f: {minItems: 2, items: {type: \
      string, format: binary}}}}, encoding: {f: {contentType: 'image/*, image/png'}}}",
        "content_type = \"image/png\" },\n    { name = \"f\"",
        "",
    ),
];

#[test]
fn bodies_are_what_their_media_types_ask_for() {
    for (content, expected, note) in BODIES {
        let (text, notes) =
            operations(&format!("{{/x: {{post: {{requestBody: {{content: {{{content}}}}}}}}}}}"));
        assert!(text.contains(expected), "{content}\n{text}");
        assert!(notes.contains(note) && notes.is_empty() == note.is_empty(), "{content}: {notes}");
    }
}

#[test]
fn operations_at_other_servers_are_left_out_and_reported() {
    let text = "openapi: 3.0.0\nservers: [{ url: 'wss://a' }, { url: 'http://a/v1' }]\npaths:\n  \
                /x: { get: {} }\n  /y: { servers: [{ url: 'http://b/v2' }], get: {} }\n  /z: { \
                servers: [{ url: 'http://b' }], get: { servers: [{ url: 'http://a/v3' }] } }\n";
    let imported = import(text, None);
    let found = scenario(&imported);
    assert!(found.contains("/v1/x") && found.contains("/v3/z") && !found.contains("/y"), "{found}");
    let why = "GET /y: left out, it is at http://b, a scenario has one target (--target)";
    assert_eq!(imported.notes(), [why]);
    let other = import(text, Some("http://b"));
    assert!(scenario(&other).contains("/v2/y"));
    let bare =
        import("openapi: 3.0.0\nservers: [{url: 'api.a.io/v1'}]\npaths: {/x: {get: {}}}", None);
    assert!(scenario(&bare).starts_with("target = \"http://api.a.io\"\n"));
    assert_eq!(bare.notes(), ["server api.a.io/v1: has no scheme, it is read as http://"]);
    let own = "openapi: 3.0.0\npaths: {/x: {get: {servers: [{url: '{s}://a/{b}', variables: {s: \
               {enum: [https]}, b: {default: v1}}}]}}}";
    assert!(scenario(&import(own, None)).contains("path = \"/v1/x\""));
}

#[test]
fn each_thing_that_is_not_followed_has_its_note() {
    let text = r##"{"openapi": "3.1.0", "servers": [{"url": "http://a"}], "paths": {"/a": {"post": {
        "requestBody": {"content": {"application/json": {"schema": {"type": "object",
        "required": ["n", "o", "p", "r"], "properties": {
        "n": {"not": {"type": "string"}}, "o": {"oneOf": [{"type": "string"}, {"type": "string"}]},
        "p": {"type": "string", "pattern": "^[A-Z]{3}$"}, "q": {"type": "string"},
        "r": {"$dynamicRef": "#node"}}}}}},
        "callbacks": {"c": {"{$request.body#/q}": {"post": {}}}},
        "responses": {"200": {"description": "ok", "links": {"l": {"operationId": "x"}}}}}}},
        "webhooks": {"w": {"post": {}}}}"##;
    let notes = openapi::import(text, None).unwrap().notes();
    for expected in [
        "POST /a: body: /n matches `not` of its schema: write another value",
        "POST /a: body: /o does not match `oneOf` of its schema, it matches none or several",
        "POST /a: body: /p does not match `pattern` of its schema: write a value that matches",
        "POST /a: callbacks: left out, the target sends them",
        "POST /a: links: left out, each operation is a flow of its own",
        "$dynamicRef #node: left out, its target is not known",
        "webhooks: left out, the target sends them",
    ] {
        let count = notes.iter().filter(|note| note.starts_with(expected)).count();
        assert_eq!(count, 1, "{expected}: {notes:#?}");
    }
    assert_eq!(notes.len(), 7, "{notes:#?}");
}
