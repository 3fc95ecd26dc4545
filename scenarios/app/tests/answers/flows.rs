//! The flows of a shop, a blog, analytics and a file pipeline.

use serde_json::{Value, json};

use crate::served::{Answer, Served};

fn ok(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    answer.json()
}

#[test]
fn a_shop() {
    let served = Served::start();
    let get = |path: &str| served.get(&format!("/features/shop{path}"));
    let post = |path: &str, body: Value| served.post(&format!("/features/shop{path}"), &body);
    let page = ok(&get("/products?page=10"), 200);
    assert_eq!((&page["page"], &page["pages"]), (&json!(10), &json!(10)));
    assert_eq!(page["products"].as_array().map(Vec::len), Some(20));
    assert_eq!(page["products"][19], ok(&get("/products/200"), 200));
    assert_eq!(get("/products?page=0").status, 422);
    assert_eq!(get("/products?page=11").status, 422);
    let product = |id: u64| ok(&get(&format!("/products/{id}")), 200);
    let price = |id: u64| product(id)["price_cents"].as_u64().expect("a number");
    let stock = || ok(&get("/inventory/3"), 200)["stock"].as_u64().expect("a number");

    let before = stock();
    let lines = json!([{ "product": 3, "quantity": 2 }, { "product": 4, "quantity": 1 }]);
    let order = ok(&post("/orders", json!({ "lines": lines })), 201);
    assert_eq!((&order["order"], &order["lines"]), (&json!(1), &lines));
    assert_eq!(order["total_cents"], 2 * price(3) + price(4));
    assert_eq!(ok(&get("/orders/1"), 200), order);
    assert_eq!(stock(), before - 2);

    let sold_out = json!({ "product": 200, "quantity": 1 });
    let both = json!({ "lines": [{ "product": 3, "quantity": 1 }, sold_out] });
    assert_eq!(post("/orders", both).status, 409);
    assert_eq!(stock(), before - 2, "all lines or none");
    assert_eq!(ok(&post("/inventory/200", json!({ "add": 5 })), 200)["stock"], 5);
    assert_eq!(post("/orders", json!({ "lines": [sold_out] })).status, 201);
    assert_eq!(ok(&get("/inventory/200"), 200)["stock"], 4);
    let line = |product: u64, quantity: u64| json!({ "product": product, "quantity": quantity });
    let cases = [
        (json!([]), 422),
        (json!([line(1, 0)]), 422),
        (json!([line(1, 1_001)]), 422),
        (json!([line(1, 1), line(1, 1)]), 422),
        (json!([line(0, 1)]), 404),
        (json!([line(201, 1)]), 404),
    ];
    for (lines, status) in cases {
        assert_eq!(post("/orders", json!({ "lines": lines })).status, status, "{lines}");
    }
    for path in ["/products/201", "/orders/9", "/inventory/0"] {
        assert_eq!(get(path).status, 404, "{path}");
    }
}

#[test]
fn a_blog() {
    let served = Served::start();
    let path = |rest: &str| format!("/features/blog{rest}");
    let get = |rest: &str| served.get(&path(rest));
    let listed = ok(&get("/posts"), 200);
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["id"]), (Some(20), &json!(100)));
    let first = ok(&get("/posts/1"), 200);
    assert_eq!((&first["author"], &first["comments"]), (&json!("author-2"), &json!([])));
    let log_in = |name: &str, password: &str| {
        served.post(&path("/login"), &json!({ "name": name, "password": password }))
    };
    let token = ok(&log_in("author-3", "password"), 200)["token"].clone();
    let token = token.as_str().expect("a token");
    let draft = json!({ "title": "New", "text": "Words." });
    let post =
        |rest: &str, token: &str, body: &Value| served.call("POST", &path(rest), token, Some(body));
    let written = ok(&post("/posts", token, &draft), 201);
    assert_eq!(written, json!({ "id": 101, "author": "author-3", "title": "New" }));
    assert_eq!(ok(&get("/posts"), 200)[0], written);
    for number in 1..=21 {
        let body = json!({ "text": format!("Comment {number}") });
        let commented = ok(&post("/posts/101/comments", token, &body), 201);
        assert_eq!(commented, json!({ "post": 101, "comment": number }));
    }
    let comments = ok(&get("/posts/101"), 200)["comments"].clone();
    assert_eq!(comments.as_array().map(Vec::len), Some(20));
    assert_eq!(comments[0], json!({ "author": "author-3", "text": "Comment 21" }));

    for (name, password) in [("author-0", "password"), ("author-11", "password"), ("author-1", "")]
    {
        assert_eq!(log_in(name, password).status, 401);
    }
    let forged = token.replace("author-3", "author-4");
    for token in ["", "author-3", &forged] {
        assert_eq!(post("/posts", token, &draft).status, 401, "{token}");
        assert_eq!(post("/posts/1/comments", token, &draft).status, 401, "{token}");
    }
    assert_eq!(post("/posts", token, &json!({ "title": " ", "text": "" })).status, 422);
    assert_eq!(post("/posts/1/comments", token, &json!({ "text": "" })).status, 422);
    for rest in ["/posts/0", "/posts/102"] {
        assert_eq!(get(rest).status, 404, "{rest}");
    }
}

#[test]
fn analytics() {
    let served = Served::start();
    let post = |body: &Value| served.post("/features/analytics/events", body);
    let get = |path: &str| ok(&served.get(&format!("/features/analytics{path}")), 200);
    assert_eq!(ok(&post(&json!({ "kind": "view" })), 202), json!({ "accepted": 1 }));
    let many = json!([{ "kind": "purchase", "value": 3 }, { "kind": "purchase", "value": -1.5 }]);
    assert_eq!(ok(&post(&many), 202), json!({ "accepted": 2 }));
    let summary = get("/summary");
    assert_eq!(summary["events"], 3);
    let purchases = json!({ "count": 2, "min": -1.5, "max": 3.0, "mean": 0.75 });
    assert_eq!(summary["kinds"]["purchase"], purchases);
    assert_eq!(summary["kinds"]["signup"]["count"], 0);
    let seconds = get("/seconds");
    let count = |second: &Value| second["events"].as_u64().expect("a number");
    assert_eq!(seconds.as_array().expect("a list").iter().map(count).sum::<u64>(), 3);
    let event = json!({ "kind": "click" });
    assert_eq!(post(&Value::from(vec![event.clone(); 1_000])).status, 202);
    assert_eq!(post(&Value::from(vec![event; 1_001])).status, 422);
    for wrong in [json!([]), json!({ "kind": "dance" }), json!({ "value": 1 })] {
        assert_eq!(post(&wrong).status, 422, "{wrong}");
    }
}

#[test]
fn a_file_pipeline() {
    let served = Served::start();
    let path = |rest: &str| format!("/features/pipeline/files{rest}");
    let upload = |text: &[u8]| served.send("POST", &path(""), "", text);
    let text = b"Ada,1.5\nben, 2\nno number\nADA,-0.5\n,3\nx,inf\n";
    let uploaded = json!({ "file": 1, "bytes": text.len(), "status": "uploaded" });
    assert_eq!(ok(&upload(text), 201), uploaded);
    assert_eq!(ok(&served.get(&path("/1")), 200), uploaded);
    let done = ok(&served.send("POST", &path("/1/process"), "", b""), 200);
    assert_eq!((&done["file"], &done["status"]), (&json!(1), &json!("done")));
    let result = &done["result"];
    assert_eq!((&result["rows"], &result["skipped"]), (&json!(3), &json!(3)));
    assert_eq!((&result["names"], &result["sum"]), (&json!(2), &json!(3.0)));
    assert_eq!(result["mean"], 1.0);
    // sha256sum of the lines ada,1.5 and ben,2 and ada,-0.5
    assert_eq!(result["sha256"].as_str().map(|digest| &digest[..8]), Some("e3cd6391"));
    assert_eq!(ok(&served.get(&path("/1")), 200), done);
    assert_eq!(ok(&served.send("POST", &path("/1/process"), "", b""), 200), done, "again");
    assert_eq!(upload(&vec![b'x'; (256 << 10) + 1]).status, 413);
    assert_eq!(upload(b"\xff").status, 422);
    assert_eq!(served.get(&path("/2")).status, 404);
    for number in 2..=257 {
        assert_eq!(ok(&upload(b"a,1"), 201)["file"], number);
    }
    assert_eq!(served.get(&path("/1")).status, 404, "the oldest goes");
}
