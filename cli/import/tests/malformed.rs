//! No input, however damaged, makes an import panic, and the result compiles.

#[expect(dead_code, reason = "how a scenario reads is of no matter here")]
mod support;

use proptest::prelude::*;
use support::{compiled, read};
use uringbench_import::{ImportError, Imported, curl, har, hurl, log, openapi, vegeta};

const CURL: &str = r#"curl 'http://a/b?c=d&e' -X POST -H 'A: {{b}}' -b 'x=1; y' -u "$U:p" \
 --json '{"a":1}' -F 'f=@up.png;type=a/b' --data-urlencode 'n=a b' -H $'B: \x41\u00e9' \
 --next -G -d a=1 http://a/{x}"#;
const HAR: &str = r#"{"log":{"entries":[{"startedDateTime":"2026-11-21T10:00:00.000Z","time":1.5,
"request":{"method":"POST","url":"http://a/b?c=%20&c","headers":[{"name":"cookie","value":
"a=1; b"}],"postData":{"mimeType":"multipart/form-data","text":"","params":[{"name":"n",
"fileName":"f","value":"{{"}]}},"response":{"status":200,"headers":[{"name":"set-cookie",
"value":"a=1"}]}},{"startedDateTime":"2026-11-21T10:00:02Z","request":{"method":"GET",
"url":"http://u:p@a/","headers":{"if-none-match":"x","content-encoding":"gzip"}},"response":
{"status":304}},null,{"request":7}]}}"#;
const OPENAPI: &str = r##"
openapi: 3.1.0
servers: [{url: 'http://a/{v}', variables: {v: {default: x}}}]
security: [{k: []}]
paths:
  /{i}/{j:[0-9]{2}}?q={i}#f:
    post:
      servers: [{url: //a/y}]
      parameters:
      - {name: i, in: path, style: matrix, schema: {type: integer, minimum: 3, maximum: 9}}
      - {name: q, in: query, required: true, style: deepObject, example: {a: [1], 'b{{': c}}
      - {name: l, in: query, required: true, explode: false, schema: {type: array, minItems: 2,
         items: {enum: [a, b/c]}}}
      requestBody: {content: {application/json: {schema: {$ref: '#/x%20'}}}}
      responses: {2XX: {}, '404': {}}
    put:
      requestBody: {content: {multipart/form-data: {schema: {properties: {f: {type: array, items:
        {format: binary}}, m: {prefixItems: [{const: 1}], uniqueItems: true}}},
        encoding: {m: {contentType: a/b}}}}}
'x ': &x
  required: [a]
  oneOf: [{required: [b]}, {$ref: '#/x%20'}]
  discriminator: {propertyName: k, mapping: {x: '#/x%20'}}
  properties:
    a: {$ref: '#/x%20', minProperties: 2}
    b: {items: {type: number, multipleOf: 0.1, exclusiveMinimum: 3}, maxItems: 2}
    '{{c': {type: string, format: uuid, pattern: '^a'}
    k: {allOf: [{type: [string, 'null']}, {not: {const: a}}]}
"##;
const VEGETA: &str = "GET http://a/?q={{x}}\nA: b\n@up.png\n\nPOST http://a/é#\n# c\n";
const LOG: &str = r#"
1 - - [21/Nov/2026:10:00:00 +0000] "GET /{{a}}?\x22 HTTP/1.1" 404 1 "-" "x"
1 - - [21/Nov/2026:10:00:00 +0000] "POST /b HTTP/1.1" 200 1
1795266455.25 "GET /c HTTP/1.1" 200
<1>Jan  2 03:04:05 a b[1]: [2026-11-21 10:00:00,5] [200]: GET /d?{{e
{"ts":1795266455.5,"request":{"method":"GET","uri":"/a\\\"{{"},"status":"200","args":"é"}
{"log":"\"GET /c HTTP/1.1\" 200","time":"2026-11-21T10:00:00Z"}
"#;
const FIELDS: &str = "#Fields: date time cs-method cs-uri-stem cs-uri-query sc-status\n\
    2026-11-21 10:00:00 GET /a x={{y}} 200\n2026-11-21\t10:00:01\tGET\t/a\t-\t200\n";
const FORMAT: &str = r#"$msec %"${host}$request_uri$args" [%{%s}t] $request_method %>s"#;
const HURL: &str = r#"
GET http://a/{{v}}?x#y
A: \#b
[Query]
q: {{v}}
[Options]
repeat: 2
delay: 1s
HTTP *
[Captures]
user: jsonpath "$.a['b'][0]"
r: regex /a(.)/
[Asserts]
status < 300
jsonpath "$.a" == "{{v}}"
body == ```
x
```

POST {{user}}
[Multipart]
f: file,up.png; a/b
n: {{r}}
HTTP 200
{"a": {{v}}, "b": [1, "c"]}

PUT http://a/
<a b='c'><!-- --></a>
PUT http://a/
hex,00ff;
"#;

type Import = fn(&str) -> Result<Imported, ImportError>;

fn imports() -> [(&'static str, Import); 8] {
    [
        (CURL, |text| curl::import(text, &read)),
        (HAR, |text| {
            har::import(text, &har::HarOptions { origin: None, filter: None, has_think: true })
        }),
        (OPENAPI, |text| openapi::import(text, None)),
        (VEGETA, |text| vegeta::import(text)),
        (LOG, |text| {
            log::import(text, &log::LogOptions { speed: Some(1.5), ..log::LogOptions::default() })
        }),
        (FIELDS, |text| log::import(text, &log::LogOptions::default())),
        (FORMAT, |text| {
            let format = Some(text.to_owned());
            let line = "1795266455.5 %\"a/b?c\" [%{%s}t] GET %>s\n";
            log::import(line, &log::LogOptions { format, ..log::LogOptions::default() })
        }),
        (HURL, |text| hurl::import(text, &[("v".to_owned(), "{{1".to_owned())])),
    ]
}

#[test]
fn the_samples_are_whole() {
    for (sample, import) in imports() {
        let imported = import(sample).unwrap_or_else(|why| panic!("{why}\n{sample}"));
        compiled(&imported);
    }
}

/// Changes a text: a part of it is removed, doubled, or replaced by text that often causes errors.
fn mutated(sample: &str, changes: &[(usize, usize, u8)]) -> String {
    const BREAKERS: [&str; 24] = [
        "{{",
        "}}",
        "{",
        "'",
        "\"",
        "\\",
        "\n",
        "\r\n",
        "\0",
        "é",
        "😀",
        "%",
        "%ff",
        " ",
        "[",
        "<",
        ":",
        "#",
        "```",
        "@",
        "-",
        "$",
        ";",
        "99999999999999999999",
    ];
    let mut text: Vec<char> = sample.chars().collect();
    for (at, length, kind) in changes {
        let begin = at % (text.len() + 1);
        let end = (begin + length % 12).min(text.len());
        let stretch: Vec<char> = match *kind {
            0..=79 => Vec::new(),
            80..=119 => text[begin..end].repeat(2),
            kind => BREAKERS[kind as usize % BREAKERS.len()].chars().collect(),
        };
        text.splice(begin..end, stretch);
    }
    text.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(2_000)
    })]

    #[test]
    fn what_is_mangled_is_refused_or_compiles(
        which in 0..8usize,
        changes in prop::collection::vec((any::<usize>(), any::<usize>(), any::<u8>()), 1..6),
    ) {
        let (sample, import) = imports()[which];
        if let Ok(imported) = import(&mutated(sample, &changes)) {
            compiled(&imported);
            prop_assert!(imported.notes().iter().all(|note| !note.contains('\n')));
        }
    }

    #[test]
    fn no_text_at_all_makes_an_import_panic(which in 0..8usize, text in ".{0,80}") {
        let (_, import) = imports()[which];
        if let Ok(imported) = import(&text) {
            compiled(&imported);
        }
    }
}
