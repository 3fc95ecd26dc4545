//! The same answers over every database, and what is said when a server cannot be had.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use uringbench_app::{App, AppOptions, Database, Faults};

use crate::cluster::Cluster;
use crate::served::Served;
use crate::{shootout, taskflow};

fn cases() -> impl Iterator<Item = fn(&Served)> {
    let rows: fn(&Served) = shootout::rows_are_read_and_written;
    taskflow::CASES.into_iter().chain([rows, shootout::background_work_is_done_after_the_answer])
}

#[test]
fn all_holds_in_memory() {
    for case in cases() {
        case(&Served::start());
    }
}

#[test]
fn all_holds_over_a_file() {
    let folder = tempfile::tempdir().expect("room for a folder");
    for (number, case) in cases().enumerate() {
        let file = folder.path().join(format!("{number}.db"));
        case(&Served::start_with(|options| {
            options.database = Database::File(file);
            // One reads over the connection that writes, two have connections of their own.
            options.workers = number % 2 + 1;
        }));
    }
}

#[test]
fn all_holds_over_postgres() {
    let Some(cluster) = Cluster::start() else { return };
    for (number, case) in cases().enumerate() {
        let url = cluster.database(&format!("case_{number}"));
        case(&Served::over(Database::Postgres(url)));
    }
}

#[test]
fn a_server_keeps_what_was_written_and_may_come_back() {
    let Some(mut cluster) = Cluster::start() else { return };
    let database = Database::Postgres(cluster.database("kept"));
    let account = json!({ "name": "ada", "email": "a@b", "password": "password" });
    let served = Served::over(database.clone());
    assert_eq!(served.post("/api/v1/auth/register", &account).status, 201);
    cluster.stop();
    let answer = served.get("/db/1");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    assert_eq!(served.get("/ping").status, 200);
    cluster.restart();
    let begun = Instant::now();
    while served.get("/db/1").status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(20), "the application finds it again");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(served.post("/api/v1/auth/login", &account).status, 200);
    served.stop().expect("it ends well");
    let again = Served::over(database);
    assert_eq!(again.post("/api/v1/auth/register", &account).status, 409);
}

#[test]
fn what_is_wrong_with_a_server_is_one_line_with_its_remedy() {
    let refused = |database: Database| {
        let options = AppOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            cpu: None,
            workers: 1,
            database,
            files: None,
            faults: Faults::default(),
        };
        let error = App::bind(&options).err().expect("there is no such database").to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!error.contains("secret"), "{error}");
        error
    };
    let of = |url: &str| refused(Database::Postgres(url.to_owned()));
    // Nothing listens on port 1.
    let unreached = of("postgres://ada:secret@127.0.0.1:1/x");
    assert!(unreached.contains("postgres://ada@127.0.0.1:1/x: "), "{unreached}");
    assert!(unreached.contains("refused") && unreached.contains("start the server"), "{unreached}");
    for url in ["postgres://h/x?colour=blue", "postgres://h:port/x", "postgres://"] {
        assert!(of(url).contains("postgres://user:password@host:5432/name"), "{}", of(url));
    }
    let Some(cluster) = Cluster::start() else { return };
    let missing = refused(Database::Postgres(cluster.url("nowhere")));
    assert!(missing.contains("\"nowhere\" does not exist; create it with createdb"), "{missing}");
}
