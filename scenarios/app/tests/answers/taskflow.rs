//! TaskFlow from end to end, and what it refuses, over whichever database.

use serde_json::{Value, json};

use crate::served::{Answer, Served};

/// What holds over every database; each over a new one.
pub(crate) const CASES: [fn(&Served); 6] = [
    a_project_goes_from_plan_to_done,
    nobody_gets_in_without_a_token,
    others_see_nothing_and_members_change_no_project,
    what_means_nothing_is_refused,
    lists_and_searches_are_bounded,
    what_cannot_be_read_is_refused_in_json,
];

/// Register and log in: the user's number and token.
fn user(served: &Served, name: &str) -> (i64, String) {
    let account = json!({ "name": name, "email": "a@example.com", "password": "password" });
    let registered = served.post("/api/v1/auth/register", &account);
    assert_eq!(registered.status, 201, "{registered:?}");
    assert!(registered.json().get("password").is_none(), "secrets stay in the database");
    let login = served.post("/api/v1/auth/login", &account);
    assert_eq!(login.status, 200, "{login:?}");
    let token = login.json()["token"].as_str().expect("a token").to_owned();
    (registered.json()["id"].as_i64().expect("a number"), token)
}

fn ok(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{answer:?}");
    answer.json()
}

fn a_project_goes_from_plan_to_done(served: &Served) {
    let (owner, token) = user(served, "ada");
    let (member, _) = user(served, "ben");
    let call = |method: &str, path: &str, body: Value| {
        served.call(method, &format!("/api/v1{path}"), &token, Some(&body))
    };
    let get = |path: &str| served.call("GET", &format!("/api/v1{path}"), &token, None);
    assert_eq!(ok(&get("/auth/me"), 200)["name"], "ada");

    let project = ok(&call("POST", "/projects", json!({ "name": "Engine" })), 201);
    let path = format!("/projects/{}", project["id"]);
    assert_eq!(project["owner"], owner);
    assert_eq!(ok(&get("/projects"), 200), json!([project]));
    assert_eq!(ok(&call("PUT", &path, json!({ "name": "Loom" })), 200)["name"], "Loom");
    assert_eq!(ok(&get(&path), 200)["name"], "Loom");

    let joined = call("POST", &format!("{path}/members"), json!({ "name": "ben" }));
    assert_eq!(ok(&joined, 201)["id"], member);
    let members = ok(&get(&format!("{path}/members")), 200);
    assert_eq!(members.as_array().map(Vec::len), Some(2));

    let tasks = format!("{path}/tasks");
    let task = ok(&call("POST", &tasks, json!({ "title": "Draw the GEARS" })), 201);
    assert_eq!((&task["status"], &task["assignee"]), (&json!("todo"), &Value::Null));
    ok(&call("POST", &tasks, json!({ "title": "Oil them" })), 201);
    assert_eq!(ok(&get(&tasks), 200).as_array().map(Vec::len), Some(2));
    assert_eq!(ok(&get("/tasks/search?q=gears"), 200), json!([task]));

    let path_of_task = format!("/tasks/{}", task["id"]);
    let assigned = call("PUT", &format!("{path_of_task}/assignee"), json!({ "user": member }));
    assert_eq!(ok(&assigned, 200)["assignee"], member);
    let done = json!({ "title": "Draw the gears", "status": "done" });
    assert_eq!(ok(&call("PUT", &path_of_task, done), 200)["status"], "done");
    assert_eq!(ok(&get(&path_of_task), 200)["assignee"], member);
    assert_eq!(served.call("DELETE", &format!("/api/v1{path_of_task}"), &token, None).status, 204);
    assert_eq!(get(&path_of_task).status, 404);

    assert_eq!(served.call("DELETE", &format!("/api/v1{path}"), &token, None).status, 204);
    assert_eq!(get(&path).status, 404);
    assert_eq!(ok(&get("/tasks/search?q=oil"), 200), json!([]), "tasks go with their project");
}

fn nobody_gets_in_without_a_token(served: &Served) {
    user(served, "ada");
    for (method, path) in [
        ("GET", "/auth/me"),
        ("GET", "/projects"),
        ("POST", "/projects"),
        ("GET", "/projects/1"),
        ("GET", "/tasks/search?q=x"),
        ("DELETE", "/tasks/1"),
    ] {
        for token in ["", "00000000000000000000000000000000"] {
            let answer = served.call(method, &format!("/api/v1{path}"), token, None);
            assert_eq!(answer.status, 401, "{method} {path}");
            assert!(answer.head.contains("www-authenticate: bearer"), "{}", answer.head);
        }
    }
    let wrong = json!({ "name": "ada", "password": "passw0rd" });
    assert_eq!(served.post("/api/v1/auth/login", &wrong).status, 401);
    let unknown = json!({ "name": "eve", "password": "password" });
    assert_eq!(served.post("/api/v1/auth/login", &unknown).status, 401);
}

fn others_see_nothing_and_members_change_no_project(served: &Served) {
    let (_, ada) = user(served, "ada");
    let (ben_number, ben) = user(served, "ben");
    let call = |token: &str, method: &str, path: &str, body: Value| {
        served.call(method, &format!("/api/v1{path}"), token, Some(&body)).status
    };
    let named = || json!({ "name": "ben" });
    assert_eq!(call(&ada, "POST", "/projects", json!({ "name": "Mine" })), 201);
    assert_eq!(call(&ada, "POST", "/projects/1/tasks", json!({ "title": "Mine too" })), 201);
    assert_eq!(call(&ben, "PUT", "/projects/1", named()), 404);
    assert_eq!(call(&ben, "POST", "/projects/1/tasks", json!({ "title": "x" })), 404);
    assert_eq!(call(&ben, "PUT", "/tasks/1", json!({ "title": "x" })), 404);
    let to_ben = || json!({ "user": ben_number });
    assert_eq!(call(&ada, "PUT", "/tasks/1/assignee", to_ben()), 404, "ben is no member yet");
    assert_eq!(call(&ada, "POST", "/projects/1/members", named()), 201);
    assert_eq!(call(&ada, "PUT", "/tasks/1/assignee", to_ben()), 200);
    assert_eq!(call(&ben, "PUT", "/tasks/1", json!({ "title": "x" })), 200);
    assert_eq!(call(&ben, "PUT", "/projects/1", named()), 403);
}

fn what_means_nothing_is_refused(served: &Served) {
    let (_, token) = user(served, "ada");
    let account = |name: &str, email: &str, password: &str| {
        let account = json!({ "name": name, "email": email, "password": password });
        served.post("/api/v1/auth/register", &account).status
    };
    assert_eq!(account("ada", "a@b", "password"), 409);
    assert_eq!(account(" ", "a@b", "password"), 422);
    assert_eq!(account("eve", "nowhere", "password"), 422);
    assert_eq!(account("eve", "a@b", "short"), 422);
    let call = |path: &str, body: Value| {
        served.call("POST", &format!("/api/v1{path}"), &token, Some(&body)).status
    };
    assert_eq!(call("/projects", json!({ "name": "" })), 422);
    assert_eq!(call("/projects", json!({ "name": "x" })), 201);
    assert_eq!(call("/projects/1/tasks", json!({ "title": "x", "status": "lost" })), 422);
    assert_eq!(call("/projects/1/members", json!({ "name": "nobody" })), 404);
}

fn lists_and_searches_are_bounded(served: &Served) {
    let (_, token) = user(served, "ada");
    let call = |path: &str, body: Value| {
        served.call("POST", &format!("/api/v1{path}"), &token, Some(&body)).status
    };
    let count = |path: &str| {
        let answer = served.call("GET", &format!("/api/v1{path}"), &token, None);
        ok(&answer, 200).as_array().map(Vec::len)
    };
    assert_eq!(call("/projects", json!({ "name": "Full" })), 201);
    assert_eq!(call("/projects/1/tasks", json!({ "title": "oldest" })), 201);
    for number in 0..50 {
        let title = format!("task {}", if number < 7 { "odd" } else { "even" });
        assert_eq!(call("/projects/1/tasks", json!({ "title": title })), 201);
    }
    assert_eq!(count("/projects/1/tasks"), Some(50));
    assert_eq!(count("/tasks/search?q=ODD"), Some(7));
    assert_eq!(count("/tasks/search?q=task"), Some(50));
    assert_eq!(count("/tasks/search?q=oldest"), Some(0), "the list does not show it either");
    assert_eq!(count("/tasks/search?q=%25"), Some(0), "a text is no pattern");
}

fn what_cannot_be_read_is_refused_in_json(served: &Served) {
    let (_, token) = user(served, "ada");
    let send = |kind: &str, body: &str| {
        let headers = format!("Authorization: Bearer {token}\r\n{kind}");
        let answer = served.send("POST", "/api/v1/projects", &headers, body.as_bytes());
        assert!(answer.json()["error"].is_string(), "{answer:?}");
        answer.status
    };
    let json = "Content-Type: application/json\r\n";
    assert_eq!(send(json, "{"), 400);
    assert_eq!(send("", "{\"name\":\"x\"}"), 415);
    assert_eq!(send(json, "{\"name\":1}"), 422);
    assert_eq!(send(json, "{\"name\":\"a\\u0000b\"}"), 422, "no database need keep NUL");
    let long = "x".repeat(2_001);
    assert_eq!(send(json, &json!({ "name": "x", "description": long }).to_string()), 422);
    assert_eq!(send(json, &json!({ "name": "x".repeat(201) }).to_string()), 422);
    assert_eq!(served.get("/api/v1/nowhere").status, 404);
    assert_eq!(served.get("/api/v1/auth/login").status, 405);
}
