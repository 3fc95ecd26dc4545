//! Descriptions in OpenAPI: an operation is a flow whose request the description allows.

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
        "GET /items/{id}: parameter lang: left out, it need not be there",
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
    // The schema names itself, which need not be.
    assert!(!text.contains("parent"), "{text}");
}

#[test]
fn servers_and_versions_are_told_apart() {
    let with = |head: &str| format!("{head}\npaths: {{ /x: {{ get: {{ responses: {{}} }} }} }}");
    let relative = with("openapi: 3.1.0\nservers: [{ url: /api/ }]");
    let imported = import(&relative, None);
    assert!(scenario(&imported).contains("path = \"/api/x\""));
    assert!(imported.notes()[0].contains("http://127.0.0.1:8080 is put in its place"));
    let imported = import(&relative, Some("https://b/"));
    assert!(scenario(&imported).starts_with("target = \"https://b\"\n"));
    assert_eq!(imported.notes(), Vec::<String>::new());
    let json = r#"{"openapi": "3.0.0", "paths": {"/x": {"head": {}}}}"#;
    assert!(scenario(&import(json, None)).contains("method = \"HEAD\""));
    for (text, expected) in [
        ("swagger: '2.0'", "convert it to OpenAPI 3"),
        ("openapi: 2.0.0", "write 3.0 or 3.1"),
        ("a: 1", "not an OpenAPI description"),
        ("a: [", "not YAML: mend it"),
        ("{\"a\":", "not JSON: mend it"),
        ("openapi: 3.0.0", "no operation"),
        (&with("openapi: 3.0.0\nservers: [{ url: 'ftp://a' }]"), "write http://"),
    ] {
        let why = openapi::import(text, None).unwrap_err().to_string();
        assert!(why.contains(expected), "{text}: {why}");
    }
}

#[test]
fn what_is_not_described_is_told() {
    let operation = |operation: &str| {
        let head = "openapi: 3.1.0\nservers: [{ url: 'http://a' }]\npaths:\n  /{x}:\n    post:\n";
        let imported = import(&format!("{head}      {operation}\n"), None);
        (scenario(&imported), imported.notes().join("\n"))
    };
    let (text, notes) = operation("requestBody: { content: { image/png: {} } }");
    assert!(text.contains("method = \"POST\"\npath = \"/{x}\"\n"), "{text}");
    assert!(notes.contains("POST /{x}: a parameter of the path is not described"), "{notes}");
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
    assert!(notes.contains("$ref other.yaml#/x: left out"), "{notes}");
    let (text, notes) = operation(
        "requestBody: { content: { multipart/form-data: { schema: { properties: { f: { type: \
         string, format: binary }, n: { type: string, pattern: '^a' } } } } } }",
    );
    assert!(
        text.contains("{ name = \"f\", text = \"{{string 1024}}\", filename = \"file.bin\""),
        "{text}"
    );
    assert!(notes.contains("without regard to `pattern`"), "{notes}");
}
