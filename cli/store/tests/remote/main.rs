//! The history in a real PostgreSQL: filled once by whoever sends, read like the file, taken over
//! from other programs, gone and back, and over TLS.

#[path = "../../../../scenarios/app/tests/answers/cluster.rs"]
mod cluster;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use uringbench_document::history::{HistoryEntry, InsightEntry};
use uringbench_store::{
    DatabaseUrl, EnterError, History, HistoryFilter, HistoryPlace, RemoteHistory,
};

use cluster::Cluster;

const RUN: &str = include_str!("../../../document/tests/run-v1-first.json");

/// A run in a folder of results, with a name, a tag and a second at which it began.
fn run(root: &Path, name: &str, second: u32) -> PathBuf {
    let head =
        format!("\"started\": \"2026-02-28T23:59:{second:02}.120Z\", \"tags\": [\"t{second}\"]");
    let text = RUN.replacen("\"started\": \"2026-02-28T23:59:59.120Z\"", &head, 1).replacen(
        "\"name\": \"golden\"",
        &format!("\"name\": \"{name}\""),
        1,
    );
    let folder = root.join(name).join(second.to_string());
    fs::create_dir_all(&folder).expect("room for a folder");
    fs::write(folder.join("run.json"), text).expect("room for a file");
    folder
}

fn place(root: &Path, url: &str) -> HistoryPlace {
    let database = Some(url.parse::<DatabaseUrl>().expect("an address"));
    HistoryPlace { root: root.to_path_buf(), is_made: true, database }
}

fn connect(url: &str) -> RemoteHistory {
    RemoteHistory::connect(&url.parse().expect("an address")).expect("the server answers")
}

fn names(history: &RemoteHistory) -> Vec<String> {
    let all = history.list(&HistoryFilter::default()).expect("the server answers");
    all.into_iter().map(|entry| entry.benchmark_name).collect()
}

/// What psql says to a query.
fn query(url: &str, sql: &str) -> String {
    let output = Command::new("psql")
        .args([url, "-Atqc", sql])
        .output()
        .expect("psql comes with the server");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_run_reaches_the_database_once_and_reads_as_in_the_file() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database("once");
    let root = tempfile::tempdir().unwrap();
    let place = place(root.path(), &url);
    for (name, second) in [("web", 1), ("web", 2), ("web%_api", 3)] {
        place.add(&run(root.path(), name, second)).unwrap();
    }
    // Two machines that send the same, at once.
    let mut history = History::open(root.path()).unwrap();
    assert_eq!(history.pending().unwrap(), []);
    history.mark_all_pending().unwrap();
    let all = history.pending().unwrap();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| connect(&url).add(&all).unwrap());
        }
    });
    let remote = connect(&url);
    let filters = [
        HistoryFilter::default(),
        HistoryFilter { name: Some("web".into()), ..HistoryFilter::default() },
        HistoryFilter { name: Some("web%*".into()), ..HistoryFilter::default() },
        HistoryFilter { tag: Some("t?".into()), limit: Some(2), ..HistoryFilter::default() },
        HistoryFilter { tag: Some("t2".into()), ..HistoryFilter::default() },
        HistoryFilter {
            since: Some("2026-02-28T23:59:02.120Z".into()),
            ..HistoryFilter::default()
        },
    ];
    for filter in filters {
        let here = history.list(&filter).unwrap();
        assert_eq!(remote.list(&filter).unwrap(), here, "{filter:?}");
        assert!(!here.is_empty(), "{filter:?}");
    }
    let rate = "SELECT count(*), bool_and(rate_completed = (results->>'rate_completed')::float8), \
                min(pg_typeof(results)::text) FROM benchmark_results";
    assert_eq!(query(&url, rate), "3|t|jsonb");
}

#[test]
fn tables_of_another_program_keep_their_rows() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database("taken_over");
    query(
        &url,
        "CREATE TABLE benchmark_results (id SERIAL PRIMARY KEY, timestamp TIMESTAMP NOT NULL, \
         benchmark_name VARCHAR(255) NOT NULL, commit_sha VARCHAR(40), branch VARCHAR(100), \
         results JSONB NOT NULL, environment VARCHAR(50)); CREATE TABLE performance_insights (id \
         SERIAL PRIMARY KEY, benchmark_result_id INTEGER REFERENCES benchmark_results (id), \
         insight_type VARCHAR(50) NOT NULL, description TEXT NOT NULL, severity VARCHAR(20) NOT \
         NULL, recommendations JSONB); INSERT INTO benchmark_results (timestamp, benchmark_name, \
         results, environment) VALUES ('2025-11-01 03:00:00', 'api_users', '{\"p95\": 11.5, \
         \"unit\": \"ms\"}', 'ci'); INSERT INTO performance_insights VALUES (1, 1, 'database', \
         'slow', 'warning', '[\"index it\"]')",
    );
    let root = tempfile::tempdir().unwrap();
    let entered = place(root.path(), &url).add(&run(root.path(), "ours", 1));
    // The machine does not fit into a column of 50 letters: said, and kept here.
    let error = entered.unwrap_err().to_string();
    assert!(error.contains("too long for type character varying(50)"), "{error}");
    query(&url, "ALTER TABLE benchmark_results ALTER COLUMN environment TYPE TEXT");
    place(root.path(), &url).add(&run(root.path(), "ours", 2)).unwrap();
    let remote = connect(&url);
    assert_eq!(names(&remote), ["ours", "ours", "api_users"]);
    let all = remote.list(&HistoryFilter::default()).unwrap();
    assert_eq!(all[2].figure("p95"), Some(11.5));
    assert_eq!(all[2].timestamp, "2025-11-01T03:00:00.000Z");
    assert_eq!(all[2].insights[0].recommendations, ["index it"]);
}

#[test]
fn with_the_database_away_nothing_is_lost() {
    let Some(mut cluster) = Cluster::start() else { return };
    let url = cluster.database("away");
    let root = tempfile::tempdir().unwrap();
    let place = place(root.path(), &url);
    place.add(&run(root.path(), "first", 1)).unwrap();
    cluster.stop();
    for second in [2, 3] {
        let error = place.add(&run(root.path(), "away", second)).unwrap_err();
        let EnterError::NotSent { pending, .. } = &error else { panic!("{error}") };
        assert_eq!(*pending, second as usize - 1);
        let text = error.to_string();
        assert!(text.contains("/away") && text.contains("sent with the next"), "{text}");
    }
    let history = History::open(root.path()).unwrap();
    assert_eq!(history.list(&HistoryFilter::default()).unwrap().len(), 3);
    drop(history);
    // Marks survive a rebuild.
    drop(History::rebuild(root.path()).unwrap());
    cluster.restart();
    place.add(&run(root.path(), "back", 4)).unwrap();
    assert_eq!(names(&connect(&url)), ["back", "away", "away", "first"]);
    assert_eq!(History::open(root.path()).unwrap().pending().unwrap(), []);
}

/// A thousand runs that waited are sent at once.
#[test]
fn many_runs_are_sent_in_few_round_trips() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database("many");
    let root = tempfile::tempdir().unwrap();
    let folder = run(root.path(), "web", 1);
    let mut history = History::open(root.path()).unwrap();
    let first = history.add(&folder, true).unwrap();
    let insight = InsightEntry { insight_type: "x".to_owned(), ..InsightEntry::default() };
    let many = (0..1_000).map(|n| HistoryEntry {
        run_id: n.to_string(),
        // Every hundredth has one.
        insights: (n % 100 == 0).then(|| insight.clone()).into_iter().collect(),
        ..first.clone()
    });
    let many: Vec<_> = many.collect();
    let mut remote = connect(&url);
    remote.add(&many).unwrap();
    remote.add(&many).unwrap();
    let count =
        "SELECT (SELECT count(*) FROM benchmark_results), count(*) FROM performance_insights";
    assert_eq!(query(&url, count), "1000|10");
}

#[test]
fn a_database_that_is_newer_or_silent_is_named() {
    let Some(cluster) = Cluster::start() else { return };
    let url = cluster.database("newer");
    drop(connect(&url));
    query(&url, "UPDATE uringbench_history SET version = 99");
    let error = RemoteHistory::connect(&url.parse().unwrap()).unwrap_err().to_string();
    assert!(error.contains("version 99") && error.contains("update this one"), "{error}");
    // Accepts connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://me:s3cret@{}/x", silent.local_addr().unwrap());
    let root = tempfile::tempdir().unwrap();
    let error = place(root.path(), &url).add(&run(root.path(), "kept", 1)).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("no answer within 5 s") && !error.contains("s3cret"), "{error}");
}

#[test]
fn a_server_without_tls_is_used_unless_tls_is_asked_for() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("port={port}");
    let options = ["-c", "listen_addresses=127.0.0.1", "-c", &listen];
    let Some(cluster) = Cluster::start_with(&options, |_| ()) else { return };
    drop(cluster.database("plain"));
    let url = format!("postgres://bench@127.0.0.1:{port}/plain");
    let root = tempfile::tempdir().unwrap();
    place(root.path(), &url).add(&run(root.path(), "plain", 1)).unwrap();
    assert_eq!(names(&connect(&url)), ["plain"]);
    let asked = format!("{url}?sslmode=require").parse().unwrap();
    let error = RemoteHistory::connect(&asked).unwrap_err().to_string();
    assert!(error.contains("server does not support TLS"), "{error}");
    let missing = format!("postgres://bench@127.0.0.1:{port}/nowhere").parse().unwrap();
    let error = RemoteHistory::connect(&missing).unwrap_err().to_string();
    assert!(error.contains("database \"nowhere\" does not exist"), "{error}");
}

#[test]
fn over_tls_the_certificate_is_checked() {
    let certificates = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = certificates.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let trusted = file("trusted.pem", &certificate);
    let stranger = file("stranger.pem", &other.cert.pem());
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("port={port}");
    let options = ["-c", "listen_addresses=localhost", "-c", &listen, "-c", "ssl=on"];
    let started = Cluster::start_with(&options, |data| {
        for (name, text) in [("server.crt", &certificate), ("server.key", &key)] {
            fs::write(data.join(name), text).unwrap();
            fs::set_permissions(data.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let only_tls = "local all all trust\nhostssl all all 127.0.0.1/32 trust\nhostssl all all \
                        ::1/128 trust\n";
        fs::write(data.join("pg_hba.conf"), only_tls).unwrap();
    });
    let Some(cluster) = started else { return };
    drop(cluster.database("secure"));
    let url = |options: &str| format!("postgres://bench@localhost:{port}/secure?{options}");
    let connected = |options: &str| RemoteHistory::connect(&url(options).parse().unwrap());
    let root = tempfile::tempdir().unwrap();
    let with_trusted = url(&format!("sslrootcert={}", trusted.display()));
    place(root.path(), &with_trusted).add(&run(root.path(), "secret", 1)).unwrap();
    let remote = connect(&with_trusted);
    assert_eq!(names(&remote), ["secret"]);
    let refused = [
        (format!("sslrootcert={}", stranger.display()), "invalid peer certificate"),
        ("sslmode=require".to_owned(), "invalid peer certificate"),
        ("sslmode=disable".to_owned(), "no encryption"),
        ("sslrootcert=/nowhere/x.pem".to_owned(), "No such file"),
    ];
    for (options, part) in refused {
        let error = connected(&options).unwrap_err().to_string();
        assert!(error.contains(part), "{options}: {error}");
    }
}
