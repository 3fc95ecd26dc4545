//! The features of frameworks, one by one.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::served::{Answer, Served};

fn ok(answer: &Answer) -> Value {
    assert!((200..300).contains(&answer.status), "{answer:?}");
    answer.json()
}

#[test]
fn basic() {
    let served = Served::start();
    let get = |path: &str| served.get(&format!("/features/basic{path}"));
    assert_eq!(get("/hello").text(), "hello, world");
    let small = json!({ "message": "hello, world", "number": 42, "list": [1, 2, 3] });
    assert_eq!(ok(&get("/json")), small);
    assert_eq!(ok(&get("/hello/a%20b")), json!({ "hello": "a b" }));
    let route = json!({ "user": 7, "post": 9, "skip": 2, "limit": 10 });
    assert_eq!(ok(&get("/users/7/posts/9?skip=2")), route);
    assert_eq!(get("/users/x/posts/9").status, 400);
    assert_eq!(get("/users/7/posts/9?skip=-1").status, 422);
    let post = |body: &Value| served.post("/features/basic/json", body);
    let sum = ok(&post(&json!({ "name": "n", "numbers": [1, 2, 39] })));
    assert_eq!(sum, json!({ "name": "n", "count": 3, "sum": 42 }));
    assert_eq!(ok(&post(&json!({ "name": "n", "numbers": [i64::MAX, 1] })))["sum"], i64::MIN);
    assert_eq!(post(&json!({ "name": "n" })).status, 422);
}

#[test]
fn middleware() {
    let served = Served::start();
    let send = |path: &str, headers: &str| {
        served.send("GET", &format!("/features/middleware{path}"), headers, b"")
    };
    let through = json!({ "message": "through", "number": null });
    assert_eq!(ok(&send("/none", "")), through);
    let word = "Authorization: Bearer let-me-in\r\n";
    for headers in ["", "Authorization: Bearer in\r\n", "Authorization: let-me-in\r\n"] {
        for path in ["/auth", "/all"] {
            let refused = send(path, headers);
            assert_eq!(refused.status, 401, "{headers}");
            assert!(refused.head.contains("www-authenticate"), "{}", refused.head);
        }
    }
    assert_eq!(ok(&send("/auth", word)), through);
    let logged = send("/logging", "X-Request-Id: mine\r\n");
    assert!(logged.head.contains("x-request-id: mine"), "{}", logged.head);
    let logged = send("/logging", "");
    assert!(logged.head.contains("x-request-id: request-5"), "after three refusals and mine");
    let processed = send("/processing", "X-Number: 17\r\n");
    assert_eq!(ok(&processed)["number"], 17);
    // sha256sum of {"message":"through","number":17}
    let digest = "e5b917ebc2df22a40aeddbec854ec699122824c78096015fdb612b3126840dcf";
    assert!(processed.head.contains(&format!("x-body-sha256: {digest}")), "{}", processed.head);
    assert_eq!(send("/processing", "X-Number: many\r\n").status, 422);
    let all = send("/all", &format!("{word}X-Number: 5\r\nX-Request-Id: last\r\n"));
    assert_eq!(ok(&all)["number"], 5);
    assert!(all.head.contains("x-request-id: last") && all.head.contains("x-body-sha256: "));
    let lines = ok(&send("/lines", ""));
    assert_eq!(lines[0]["id"], "last");
    assert_eq!(lines[0]["path"], "/features/middleware/all");
    assert_eq!((&lines[0]["status"], &lines[0]["method"]), (&json!(200), &json!("GET")));
    assert_eq!(lines[4]["status"], 401);
    for _ in 0..120 {
        send("/logging", "");
    }
    assert_eq!(ok(&send("/lines", "")).as_array().map(Vec::len), Some(100));
}

#[test]
fn injection() {
    let served = Served::start();
    let get = |path: &str| ok(&served.get(&format!("/features/inject{path}")));
    assert_eq!(get("/singleton"), json!({ "uses": 1 }));
    assert_eq!(get("/singleton"), json!({ "uses": 2 }));
    assert_eq!(get("/scoped"), json!({ "scope": 1, "is_shared": true }));
    assert_eq!(get("/scoped"), json!({ "scope": 2, "is_shared": true }));
    assert_eq!(get("/transient"), json!({ "instances": [1, 2] }));
    assert_eq!(get("/chain"), json!({ "uses": 3, "scope": 3, "is_shared": true }));
}

#[test]
fn waiting() {
    let served = Served::start();
    let get = |path: &str| served.get(&format!("/features/async{path}"));
    let timed = |path: &str| {
        let begun = Instant::now();
        (ok(&get(path)), begun.elapsed())
    };
    let (slept, took) = timed("/sleep?ms=30");
    assert_eq!(slept, json!({ "slept_ms": 30 }));
    assert!(took >= Duration::from_millis(30));
    let sum = json!({ "tasks": 5, "sum": 30 });
    assert_eq!(ok(&get("/concurrent?tasks=5&ms=1")), sum);
    let (sequential, took) = timed("/sequential?tasks=5&ms=10");
    assert_eq!(sequential, sum);
    assert!(took >= Duration::from_millis(50));
    // One after another they would take 100 s, which no client here waits for.
    assert_eq!(ok(&get("/concurrent?tasks=100&ms=1000"))["tasks"], 100);
    let mixed = ok(&get("/mixed?tasks=2&ms=0"));
    assert_eq!((&mixed["rounds"], mixed["digest"].as_str().map(str::len)), (&json!(2), Some(64)));
    assert_eq!(get("/timeout?ms=10000&limit_ms=1").status, 504);
    assert_eq!(get("/timeout?ms=0&limit_ms=10000").status, 200);
    for path in ["/concurrent?tasks=0", "/concurrent?tasks=101", "/sleep?ms=10001", "/timeout"] {
        assert_eq!(get(path).status, 422, "{path}");
    }
}

#[test]
fn validation() {
    let served = Served::start();
    let post = |path: &str, body: &Value| {
        let answer = served.post(&format!("/features/validation{path}"), body);
        (answer.status, answer.json())
    };
    let person = json!({ "name": "Ada", "age": 36, "email": "ada@example.com" });
    assert_eq!(post("/simple", &person), (200, json!({ "valid": true, "checked": 1 })));
    let (status, faults) = post("/simple", &json!({ "name": "", "age": 151, "email": "ada@" }));
    assert_eq!((status, &faults["faults"]), (422, &json!(3)));
    assert_eq!(faults["fields"][0], json!({ "field": "name", "rule": "1 to 50 characters" }));
    for email in ["a@b", "a b@c.de", "a@b@c.de", "@c.de", "a@.de", "a@c.d3"] {
        let body = json!({ "name": "x", "age": 1, "email": email });
        assert_eq!(post("/simple", &body).0, 422, "{email}");
    }
    let (status, refused) = post("/simple", &json!({ "name": "x", "age": "old", "email": "" }));
    assert_eq!(status, 422);
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("age")), "{refused}");

    let purchase = |code: &str, postcode: &str, quantity: u32| {
        json!({
            "buyer": person, "address": { "street": "S", "city": "C", "postcode": postcode },
            "lines": [{ "code": "AB-1234", "quantity": 1, "price_cents": 100 },
                      { "code": code, "quantity": quantity, "price_cents": 100 }],
        })
    };
    assert_eq!(post("/complex", &purchase("ZZ-0000", "N1 9GU", 2)).0, 200);
    let (status, faults) = post("/complex", &purchase("zz-0000", "?", 0));
    let fields: Vec<_> = (0..3).map(|n| faults["fields"][n]["field"].clone()).collect();
    assert_eq!((status, &faults["faults"]), (422, &json!(3)));
    assert_eq!(fields, ["address.postcode", "lines.1.code", "lines.1.quantity"]);

    let people = |count: usize| Value::from(vec![person.clone(); count]);
    assert_eq!(post("/bulk", &people(10_000)), (200, json!({ "valid": true, "checked": 10_000 })));
    assert_eq!(post("/bulk", &people(10_001)).1["faults"], 1);
    let wrong = vec![json!({ "name": "", "age": 1, "email": "a@b.cd" }); 500];
    let (status, faults) = post("/bulk", &Value::from(wrong));
    assert_eq!((status, &faults["faults"]), (422, &json!(500)));
    assert_eq!(faults["fields"].as_array().map(Vec::len), Some(100), "memory is bounded");
}

#[test]
fn validation_by_a_schema() {
    let served = Served::start();
    let path = "/features/validation/schema";
    assert_eq!(ok(&served.get(path))["type"], "object");
    let good = json!({
        "customer": { "name": "Ada", "email": "ada@example.com", "age": 36, "more": true },
        "status": "paid", "express": false,
        "items": [{ "sku": "AB-1234", "quantity": 2.0, "price": 9.99 }],
    });
    assert_eq!(served.post(path, &good).status, 200);
    let cases = [
        ("/status", json!("lost"), "status"),
        ("/express", json!("no"), "express"),
        ("/customer/age", json!(-1), "customer.age"),
        ("/customer/age", json!(1.5), "customer.age"),
        ("/customer/name", json!(""), "customer.name"),
        ("/customer/email", json!("ada"), "customer.email"),
        ("/customer", json!([]), "customer"),
        ("/items", json!([]), "items"),
        ("/items/0/sku", json!("AB-12345"), "items.0.sku"),
        ("/items/0", json!({ "sku": "AB-1234", "price": 1 }), "items.0.quantity"),
    ];
    for (place, value, field) in cases {
        let mut bad = good.clone();
        *bad.pointer_mut(place).expect("it is there") = value;
        let answer = served.post(path, &bad);
        assert_eq!(answer.status, 422, "{place}: {answer:?}");
        assert_eq!(answer.json()["fields"][0]["field"], field, "{answer:?}");
    }
    let mut more = good;
    more["colour"] = json!("blue");
    assert_eq!(served.post(path, &more).json()["fields"][0]["field"], "colour");
}

#[test]
fn files() {
    let served = Served::start();
    let send =
        |path: &str, body: &[u8]| served.send("POST", &format!("/features/files{path}"), "", body);
    for length in [0, 1 << 10, 1 << 20, 50 << 20] {
        assert_eq!(ok(&send("/upload", &vec![0; length])), json!({ "bytes": length }));
    }
    assert_eq!(send("/upload", &vec![0; 65 << 20]).status, 413);
    // sha256sum of two lines, "abc" and "def".
    let digest = "924d391c158a46409fdff363063d718ea0bc00b14556f129984942af91233bbe";
    let processed = ok(&send("/process", b"abc\ndef\n"));
    assert_eq!(processed, json!({ "bytes": 8, "lines": 2, "sha256": digest }));
    let part = |name: &str| {
        let about = format!("form-data; name=\"{name}\"; filename=\"f\"");
        format!("--cut\r\nContent-Disposition: {about}\r\n\r\n{name}\r\n")
    };
    let form = format!("{}{}--cut--\r\n", part("one"), part("three"));
    let kind = "Content-Type: multipart/form-data; boundary=cut\r\n";
    let parts = served.send("POST", "/features/files/upload/parts", kind, form.as_bytes());
    let parts = ok(&parts);
    assert_eq!((&parts["bytes"], &parts["parts"][1]["bytes"]), (&json!(8), &json!(5)));
    let download = |query: &str| served.get(&format!("/features/files/download{query}"));
    assert_eq!(download("").body.len(), 1 << 20);
    let small = download("?bytes=60&chunk=26");
    assert!(small.head.contains("transfer-encoding: chunked"), "{}", small.head);
    assert_eq!(small.text(), "abcdefghijklmnopqrstuvwxyz".repeat(2) + "abcdefgh");
    assert_eq!(download("?bytes=0").body.len(), 0);
    for query in ["?chunk=0", "?chunk=1048577", "?bytes=1073741825"] {
        assert_eq!(download(query).status, 422, "{query}");
    }
}

#[test]
fn background() {
    let served = Served::start_with(|options| options.workers = 1);
    let path = |rest: &str| format!("/features/background{rest}");
    let create = |task: Value| ok(&served.post(&path("/tasks"), &task))["task"].clone();
    let monitor = || ok(&served.get(&path("/monitor")));
    let wait_for = |done: u64| {
        let begun = Instant::now();
        while monitor()["done"] != done {
            assert!(begun.elapsed() < Duration::from_secs(20), "{}", monitor());
            thread::sleep(Duration::from_millis(5));
        }
    };
    // The only worker waits with the first one, while the others come.
    assert_eq!(create(json!({ "wait_ms": 3_000 })), 1);
    for priority in [1, 9, 5] {
        create(json!({ "priority": priority, "rounds": 10 }));
    }
    let seen = monitor();
    assert_eq!((&seen["queued"], &seen["running"]), (&json!(3), &json!(1)));
    assert_eq!(seen["queued_by_priority"], json!([0, 1, 0, 0, 0, 1, 0, 0, 0, 1]));
    assert_eq!(ok(&served.get(&path("/tasks/2")))["status"], "queued");
    wait_for(4);
    let places: Vec<_> =
        (1..=4).map(|n| ok(&served.get(&path(&format!("/tasks/{n}"))))["place"].clone()).collect();
    assert_eq!(places, [1, 4, 2, 3]);

    let batch = |count: usize| served.post(&path("/batch"), &json!({ "count": count }));
    assert_eq!(ok(&batch(9_000)), json!({ "first": 5, "count": 9_000 }));
    wait_for(9_004);
    assert_eq!(batch(10_001).status, 422);
    let run = ok(&served.post(&path("/run"), &json!({ "rounds": 0 })));
    // sha256sum of uringbench
    let digest = "dbed3cce";
    assert!(run["digest"].as_str().is_some_and(|it| it.starts_with(digest)), "{run}");
    for wrong in [json!({ "priority": 10 }), json!({ "rounds": 10_001 }), json!({ "wait_ms": -1 })]
    {
        assert_eq!(served.post(&path("/tasks"), &wrong).status, 422, "{wrong}");
    }
    assert_eq!(served.get(&path("/tasks/1000000")).status, 404);
}

#[test]
fn a_full_queue_refuses_for_a_while() {
    let served = Served::start_with(|options| options.workers = 1);
    let post = |path: &str, body: Value| served.post(&format!("/features/background{path}"), &body);
    assert_eq!(post("/tasks", json!({ "wait_ms": 10_000 })).status, 202);
    let begun = Instant::now();
    let running = || served.get("/features/background/monitor").json()["running"] == 1;
    while !running() {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(post("/batch", json!({ "count": 10_000 })).status, 202);
    let refused = post("/tasks", json!({}));
    assert_eq!(refused.status, 503);
    assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
    let seen = served.get("/features/background/monitor").json();
    assert_eq!((&seen["queued"], &seen["refused"]), (&json!(10_000), &json!(1)));
}
