//! curl commands: every option is imported or reported, and the result compiles.

mod support;

use support::{compiled, read, scenario};
use uringbench_import::curl;

fn import(line: &str) -> (String, Vec<String>) {
    let imported = curl::import(line, &read).expect("the command is one of curl");
    compiled(&imported);
    (scenario(&imported), imported.notes())
}

#[test]
fn a_browser_s_command_becomes_a_step() {
    let (text, notes) = import(
        r#"curl 'https://shop.example/api/items?page=2&q=red%20shoes' \
  -X 'PUT' \
  -H 'accept: application/json, text/plain, */*' \
  -H 'content-type: application/json' \
  -H 'Connection: keep-alive' \
  -b 'session=abc; theme=dark' \
  --data-raw $'{"note":"it\'s {{new}}"}' \
  --compressed --insecure"#,
    );
    assert_eq!(
        text,
        r#"target = "https://shop.example"

[[flow]]
name = "curl"

[[flow.step]]
method = "PUT"
path = "/api/items"
query = { page = "2", q = "red shoes" }
cookies = { session = "abc", theme = "dark" }
body = { json = """{"note":"it's {{{{new}}"}""" }
[flow.step.headers]
accept = "application/json, text/plain, */*"
Connection = "keep-alive"
Accept-Encoding = "deflate, gzip, br, zstd"
"#
    );
    let expected = [
        "--compressed: answers are not unpacked before they are checked",
        "--insecure: left out, options of the run set certificates: -k, --cacert, --cert, --key \
         and \
         --tls",
    ];
    assert_eq!(notes, expected);
}

/// The text after the target and the flow's name.
fn step(line: &str) -> (String, Vec<String>) {
    let (text, notes) = import(line);
    let begin = "target = \"http://a\"\n\n[[flow]]\nname = \"curl\"\n\n[[flow.step]]\n";
    let step = text.strip_prefix(begin).unwrap_or_else(|| panic!("{text}"));
    (step.replace('\n', "; "), notes)
}

/// Options, and the step that they give.
const OPTIONS: [(&str, &str); 27] = [
    ("http://a", "path = \"/\"; "),
    ("a/x -s", "path = \"/x\"; "),
    ("-XDELETE http://a/x", "method = \"DELETE\"; path = \"/x\"; "),
    ("-sSI http://a", "method = \"HEAD\"; path = \"/\"; "),
    ("--head -d a=1 http://a", "method = \"HEAD\"; path = \"/\"; query = { a = \"1\" }; "),
    ("-d a=1 -d b=x%20y a", "path = \"/\"; body = { form = { a = \"1\", b = \"x y\" } }; "),
    (
        "-d b=x+y a",
        "path = \"/\"; headers = { Content-Type = \"application/x-www-form-\
          urlencoded\" }; body = { text = \"b=x+y\" }; ",
    ),
    ("a/?sig=a%2fb%2Bc+d'&X=%7Ey&e='", "name = \"GET /\"; url = \"/?sig=a%2fb%2Bc+d&X=%7Ey&e=\"; "),
    (
        "-d a=1 -d a=2 a",
        "path = \"/\"; headers = { Content-Type = \"application/x-www-form-\
          urlencoded\" }; body = { text = \"a=1&a=2\" }; ",
    ),
    (
        "-G -d a=1 --data-urlencode 'b=x&y' 'a/?c=3'",
        "path = \"/\"; query = { c = \"3\", a = \
          \"1\", b = \"x&y\" }; ",
    ),
    (
        "--data-urlencode '=x y' a",
        "path = \"/\"; headers = { Content-Type = \"application/x-\
          www-form-urlencoded\" }; body = { text = \"x+y\" }; ",
    ),
    ("--url-query b=2 'a/?c'", "name = \"GET /\"; url = \"/?c&b=2\"; "),
    (
        "--json '{\"a\":1}' a",
        "path = \"/\"; headers = { Accept = \"application/json\" }; body \
          = { json = '{\"a\":1}' }; ",
    ),
    (
        "--json '{\"a\":' --json 1} a",
        "path = \"/\"; headers = { Accept = \"application/json\" \
          }; body = { json = '{\"a\":1}' }; ",
    ),
    (
        "-H 'content-type: text/xml' --data-binary @lines.txt a",
        "path = \"/\"; headers = { \
          content-type = \"text/xml\" }; body = { file = \"lines.txt\" }; ",
    ),
    (
        "-H 'content-type: text/xml' -d @lines.txt a",
        "path = \"/\"; headers = { content-type = \
          \"text/xml\" }; body = { text = \"onetwo\" }; ",
    ),
    (
        "-F 'f=@up.png;type=a/b;filename=x' a",
        "path = \"/\"; body = { \
          multipart = [{ name = \"f\", file = \"up.png\", filename \
          = \"x\", content_type = \"a/b\" }] }; ",
    ),
    (
        "-F 'a=<lines.txt' --form-string 'b=@c' a",
        "path = \"/\"; body = { multipart = [{ name \
          = \"a\", text = \"one\\r\\ntwo\\n\" }, { name = \"b\", text = \"@c\" }] }; ",
    ),
    ("-T up.png a/x", "method = \"PUT\"; path = \"/x\"; body = { file = \"up.png\" }; "),
    (
        "-u bob:secret a",
        "path = \"/\"; headers = { Authorization = \"Basic Ym9iOnNlY3JldA==\" \
          }; ",
    ),
    (
        "http://bob:secret@a",
        "path = \"/\"; headers = { Authorization = \"Basic \
          Ym9iOnNlY3JldA==\" }; ",
    ),
    (
        "-H X:1 -H X:2 -H User-Agent: a",
        "path = \"/\"; headers = { X = [\"1\", \"2\"], User-Agent = [] }; ",
    ),
    ("-d a=b -H Content-Type: a", {
        "path = \"/\"; headers = { Content-Type = [] }; body = { text = \"a=b\" }; "
    }),
    (
        "-b 'sid=a; lang=b; sid=c' a",
        "path = \"/\"; headers = { Cookie = \"sid=a; lang=b; sid=c\" }; ",
    ),
    (
        "-H \"Authorization: Bearer $TOKEN\" a",
        "path = \"/\"; headers = { Authorization = \
          \"Bearer {{env TOKEN}}\" }; ",
    ),
    (
        "-A x/1 -e http://b -r 0-9 a",
        "path = \"/\"; headers = { Range = \"bytes=0-9\", User-Agent = \"x/1\", Referer = \
          \"http://b\" }; ",
    ),
    (
        "-H 'Accept:' -H 'X-Empty;' -H @headers.txt a",
        "path = \"/\"; headers = { X-Empty = \
          \"\", X-File = \"yes\" }; ",
    ),
];

#[test]
fn options_become_parts_of_a_request() {
    for (options, expected) in OPTIONS {
        let (found, notes) = step(&format!("curl {options}"));
        assert_eq!(found, expected, "{options}");
        let is_silent = notes.iter().all(|note| note.contains("answers are measured"));
        assert!(is_silent, "{options}: {notes:?}");
    }
}

#[test]
fn what_cannot_be_taken_over_is_reported() {
    for (options, expected) in [
        ("-L a", "--location: left out, redirects are not followed"),
        ("-k a", "--insecure: left out, options of the run set certificates"),
        ("-so /dev/null a", "--output: left out, answers are measured"),
        ("-m 5 a", "--max-time: left out, options of the run set load"),
        ("--digest -u a:b a", "--digest: left out, only Basic and Bearer"),
        ("--digest -u a:b a", "the user name is left out: curl sends it when"),
        ("-d x -F a=b a", "-d: left out beside -F or -T"),
        ("--http2 a", "--http2: left out, it applies to another protocol"),
        ("--retry 3 a", "--retry: left out, checks decide"),
        ("-x p:1 a", "--proxy: left out, options of the run set how to connect"),
        ("--frobnicate a", "--frobnicate: left out, it is not a known option of curl"),
        ("-b jar.txt a", "--cookie jar.txt: left out, the file is not read"),
        ("-H 'Expect: x' a", "header Expect: left out"),
        ("-H Nothing a", "-H 'Nothing': left out"),
        ("-H 'A B: c' a", "header `A B`: left out"),
        ("'a/{x'", "braces are sent unchanged; curl rejects them"),
        ("a | jq .", "`| jq .`: left out, answers are measured"),
        ("a && echo done", "`echo done`: left out, it is not curl"),
        ("a || curl b", "`|| curl b`: left out, it runs only when"),
        ("a?x=1&y=2", "`&y=2`: left out; if it is part of the address"),
        ("a \\  \n -d x", "blanks behind the `\\` at the end of a line"),
        ("--expand-data '{{x}}' --variable x=1 a", {
            "--expand-data and its value: left out, variables of curl"
        }),
        ("--frobnicate much a.b", "`much`: left out, it may be the value of the option"),
        ("-F 'a=b;c' a", "-F a: `c`: left out, as curl does"),
        ("-F 'f=@a,b' a", "its files are fields of one name"),
        ("a http://b/", "http://b: left out, a scenario has one target"),
        ("-u $U a", "--user: left out, a variable"),
    ] {
        let (_, notes) = import(&format!("curl {options}"));
        assert!(notes.iter().any(|note| note.contains(expected)), "{options}: {notes:?}");
    }
}

#[test]
fn several_commands_are_several_steps() {
    let (text, notes) = import(
        "# login\ncurl 'http://a/a' -H 'x: y' ;\ncurl 'http://a/b' \\\n  -X POST --data-raw \
         '{\"k\":1}' ;\ncurl 'http://a/c' && echo done\ncurl http://b/",
    );
    assert_eq!(text.matches("[[flow.step]]").count(), 3, "{text}");
    assert!(
        text.contains("path = \"/b\"\nheaders = { Content-Type = \"application/x-www"),
        "{text}"
    );
    let expected =
        ["`echo done`: left out, it is not curl", "http://b: left out, a scenario has one target"];
    assert_eq!(notes, expected);
}

#[test]
fn addresses_with_braces_are_noted_only_where_curl_would_take_them() {
    for address in ["http://[::1]:8080/a", "a?q[]=1", "a/{x,y}", "-g 'a/{x'"] {
        let (_, notes) = import(&format!("curl {address}"));
        assert!(notes.is_empty(), "{address}: {notes:?}");
    }
    let (text, _) = import("curl 'a/{x,y}' 'a?q[]=1'");
    assert!(text.contains("path = \"/x\"\n") && text.contains("path = \"/y\"\n"), "{text}");
    assert!(text.contains("url = \"/?q[]=1\"\n"), "{text}");
}

#[test]
fn several_addresses_are_several_steps() {
    let (text, _) = import("curl -d x=1 a/b a/b --next a/c");
    assert!(text.contains("name = \"POST /b (2)\"\npath = \"/b\"\nbody"), "{text}");
    assert!(text.ends_with("[[flow.step]]\npath = \"/c\"\n"), "{text}");
    let (text, _) = import("curl -c jar a");
    assert!(text.contains("cookies = true"), "{text}");
}

#[test]
fn words_that_a_shell_has_cut_mean_themselves() {
    let words = ["curl", "http://a/", "-H", "X: $Y {{z}}"].map(str::to_owned);
    let imported = curl::import_words(&words, &read).unwrap();
    compiled(&imported);
    assert!(scenario(&imported).contains("X = \"$Y {{{{z}}\""));
}

#[test]
fn what_is_no_command_says_why() {
    for (line, expected) in [
        ("", "write curl"),
        ("wget http://a", "`wget` is not curl"),
        ("curl", "no address"),
        ("curl -s", "no address"),
        ("curl -d", "--data has no value"),
        ("curl ftp://a", "write http://"),
        ("curl -X 'a b' a", "is not a method"),
        ("curl -F a a", "-F 'a': it has no `=`"),
        ("curl -F '=(;type=multipart/alternative' -F '=plain' -F '=)' a", "form within the form"),
        ("curl -F 'json={\"k\":\"a;type=b\"}' a", "is no media type"),
        ("curl -d @- a", "-d reads stdin, which the command does not show"),
        ("echo 1 | curl -d @- a", "-d reads what `echo 1` prints, which is not run"),
        ("curl -d @<(echo 1) a", "`<(…)` needs a shell to run it: write its output to a file"),
        ("for i in 1 2; do curl a; done", "`for` needs a shell to run it"),
        ("curl 'a/[1-1000]'", "more than 100 addresses"),
        ("curl http://\u{e9}/", "in ASCII, xn--"),
        ("curl -d @missing a", "-d: missing cannot be read"),
        ("curl --data-urlencode p@missing a", "--data-urlencode: missing cannot be read"),
        ("curl -H @missing a", "-H: missing cannot be read"),
        ("curl -T . a", "-T . reads stdin, which the command does not show"),
        ("curl --data-binary @$F a", "write the file's name"),
        ("curl -d @- a < $F", "write the file's name"),
        ("curl 'a", "not closed"),
    ] {
        let why = curl::import(line, &read).unwrap_err().to_string();
        assert!(why.contains(expected), "{line}: {why}");
    }
}

#[test]
fn what_is_left_out_is_named_as_it_was_written() {
    for (line, expected) in [
        ("curl -H ':authority: x' a", "header :authority: left out, as curl does"),
        ("curl -G -d a=b --url-query c=d a", "--url-query: left out, as curl does where -d"),
        ("curl -T . a <<< x", "-T .: sent with its length"),
        ("curl -H 'X-Key s3cret' a", "-H 'X-Key': left out, a header is 'Name: value'"),
    ] {
        let notes = curl::import(line, &read).unwrap().notes();
        assert!(notes.iter().any(|note| note.starts_with(expected)), "{line}: {notes:?}");
    }
}
