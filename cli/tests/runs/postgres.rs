//! Runs against a real PostgreSQL: every transaction counted as the server counts it, errors by
//! their SQLSTATE, logins, TLS, and servers that end connections.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::postgres_server::PostgresServer;
use crate::support::certificates::{Certificates, Kind};
use crate::support::document::OUTCOMES;
use crate::support::run::{Finished, Run};

fn run(options: &str, url: &str, sql: &str) -> Finished {
    Run::json(&format!("--warmup 0s {options} {url}")).arg(sql).finish()
}

fn builtin(options: &str, url: &str) -> Finished {
    Run::json(&format!("--warmup 0s {options} {url}")).finish()
}

const SELECT: &str = "SELECT abalance FROM pgbench_accounts WHERE aid = {{int 1 100000}}";

/// `pgbench --show-script=tpcb-like`.
const TPCB: &str = "\\set aid random(1, 100000 * :scale)
\\set bid random(1, 1 * :scale)
\\set tid random(1, 10 * :scale)
\\set delta random(-5000, 5000)
BEGIN;
UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = :bid;
INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) \
VALUES (:tid, :bid, :aid, :delta, CURRENT_TIMESTAMP);
END;
";

#[test]
fn counts_are_those_of_the_server_to_the_last_transaction() {
    let settings = ["shared_preload_libraries=pg_stat_statements"];
    let Some(server) = PostgresServer::start(&settings, "") else { return };
    server.make_tables();
    server.ask("CREATE EXTENSION pg_stat_statements");
    let url = server.url("bench", "postgres");
    let calls = || {
        server.count(
            "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements \
             WHERE query LIKE 'SELECT abalance FROM%'",
        )
    };
    let mut made = calls();
    for (options, protocol) in [
        ("-c 3 -p 7", "PostgreSQL prepared"),
        ("-c 2 -M extended -p 5", "PostgreSQL extended"),
        ("-c 2 -M simple", "PostgreSQL simple"),
        ("-c 2 -R 4k", "PostgreSQL prepared"),
        ("-c 2 --requests-per-connection 100", "PostgreSQL prepared"),
        ("-c 2 -p 3 --no-describe", "PostgreSQL prepared"),
    ] {
        let document = run(&format!("-n 1000 {options}"), &url, SELECT).expect_code(0).document();
        assert_eq!(document.text("plan.protocol"), protocol);
        assert_eq!((document.outcome("ok"), document.count("counts.rows")), (1_000, 1_000));
        made += 1_000;
        assert_eq!(calls(), made, "{options}");
    }
    let select = builtin("-c 2 -p 4 -n 500 --builtin select-only", &url).expect_code(0);
    assert_eq!((select.document().outcome("ok"), calls()), (500, made + 500));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = folder.path().join("transfer.sql");
    std::fs::write(&script, TPCB).expect("the folder takes a file");
    let script = format!("-c 3 --scale 1 --script {}", script.display());
    for (transactions, options) in [
        (250, script.as_str()),
        (300, "-c 4 --builtin tpcb"),
        (200, "-c 3 --builtin tpcb-like -M extended"),
        (200, "-c 3 --builtin tpcb -M simple -R 500"),
    ] {
        let before = server.count("SELECT count(*) FROM pgbench_history");
        let document = builtin(&format!("{options} -n {transactions}"), &url);
        let document = document.expect_code(0).document();
        assert_eq!(document.outcome("ok"), transactions);
        assert_eq!(document.count("counts.rows"), transactions, "one of each SELECT");
        let after = server.count("SELECT count(*) FROM pgbench_history");
        assert_eq!(after - before, transactions, "{options}");
    }
    // What TPC-B has to keep: no transfer is lost, none is done twice.
    let sums = server.ask(
        "SELECT (SELECT sum(delta) FROM pgbench_history), (SELECT sum(abalance) FROM \
         pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers), (SELECT sum(bbalance) \
         FROM pgbench_branches)",
    );
    let sums: Vec<&str> = sums.trim().split('|').collect();
    assert!(sums.len() == 4 && sums.iter().all(|sum| sum == &sums[0]), "{sums:?}");
    values_arrive_as_they_were_drawn(&server, &url);
}

/// In every mode the same values, whatever is in them.
fn values_arrive_as_they_were_drawn(server: &PostgresServer, url: &str) {
    server.ask("CREATE TABLE seen (mode int, number int, text text)");
    let sql = "INSERT INTO seen VALUES ({{choice 1 1}}, {{int -99 99}}, \
               'it''s \\ {{choice a''b c\\d}} {{string 3}}'), \
               (1, 0 - {{int -9 9}}, {{choice x'y}})";
    for (mode, name) in [(1, "prepared"), (2, "extended"), (3, "simple")] {
        let sql =
            sql.replace("{{choice 1 1}}", &mode.to_string()).replace("(1,", &format!("({mode},"));
        let written = run(&format!("-c 1 -n 40 --seed 5 -M {name}"), url, &sql);
        assert_eq!(written.expect_code(0).document().outcome("ok"), 40);
    }
    let rows = |mode: u32| {
        server.ask(&format!("SELECT number, text FROM seen WHERE mode = {mode} ORDER BY 1, 2"))
    };
    assert_eq!(rows(1).lines().count(), 80);
    assert!(rows(1).contains("it's \\ ") && rows(1).contains("x'y"), "{}", rows(1));
    assert_eq!(rows(2), rows(1));
    assert_eq!(rows(3), rows(1));
}

#[test]
fn errors_are_counted_by_their_sqlstate() {
    let Some(server) = PostgresServer::start(&[], "") else { return };
    let url = server.url("bench", "postgres");
    server.ask("CREATE ROLE slow LOGIN; ALTER ROLE slow SET statement_timeout = '20ms'");
    let slow = server.url("slow", "postgres");
    let cancelled = run("-c 2 -n 6", &slow, "SELECT pg_sleep(20)").expect_code(0).document();
    assert_eq!((cancelled.outcome("status"), cancelled.count("counts.by_code.57014")), (6, 6));
    let cause = cancelled.text("counts.causes.0.cause");
    assert!(cause.contains("statement timeout"), "{cause}");
    server.ask("CREATE TABLE one (id int PRIMARY KEY); INSERT INTO one VALUES (1)");
    let taken = run("-c 2 -p 4 -n 200", &url, "INSERT INTO one VALUES (1)").expect_code(0);
    assert_eq!(taken.document().count("counts.by_code.23505"), 200);
    let text = Run::text("-c 1 -n 10").arg(&url).arg("INSERT INTO one VALUES (1)").finish();
    let text = text.expect_code(0);
    assert!(text.stdout.contains("\nanswers   23505 × 10\n"), "{text}");
    // A block that fails is rolled back, and the next one does not fail with it.
    let block = "BEGIN; SELECT 1 / {{int 0 1}}; END";
    for mode in ["prepared", "extended", "simple"] {
        let document =
            run(&format!("-c 2 -n 200 -M {mode}"), &url, block).expect_code(0).document();
        let failed = document.count("counts.by_code.22012");
        assert_eq!(document.outcome("ok") + failed, 200, "{mode}");
        assert!(failed.abs_diff(100) < 90, "{failed} of 200 failed");
    }
    // Before anything is sent, the server names what is missing.
    let missing = run("-c 2 -n 10", &url, SELECT).expect_code(1);
    assert!(missing.stderr.contains("42P01"), "{missing}");
    assert!(missing.stderr.contains("`pgbench -i -s N`"), "{missing}");
    let missing = run("-c 2 -n 10 -M simple", &url, SELECT).expect_code(0).document();
    assert_eq!(missing.count("counts.by_code.42P01"), 10);
    let none = run("-c 1 -n 5", &server.url("bench", "nodb"), "SELECT 1").expect_code(1);
    assert!(none.stderr.contains("3D000") && none.stderr.contains("createdb"), "{none}");
    // Notices are nobody's answer, and large rows are discarded as they come.
    let notice = "DO $$BEGIN RAISE NOTICE 'hello'; END$$";
    let document = run("-c 2 -p 3 -n 100", &url, notice).expect_code(0).document();
    let workers = document.at("client.workers").as_array().expect("a list").iter();
    let notices: u64 = workers.filter_map(|it| it["unsolicited_messages"].as_u64()).sum();
    assert_eq!((document.outcome("ok"), notices), (100, 100));
    let large = "SELECT repeat('x', 200000) FROM generate_series(1, 3)";
    let document = run("-c 2 -p 2 -n 60", &url, large).expect_code(0).document();
    assert_eq!((document.outcome("ok"), document.count("counts.rows")), (60, 180));
    assert!(document.count("bytes.received") > 180 * 200_000);
}

#[test]
fn logins_are_made_as_the_server_asks_and_refusals_explained() {
    let access = "host all md5user 127.0.0.1/32 md5\nhost all scram 127.0.0.1/32 scram-sha-256\n\
                  host all clear 127.0.0.1/32 password\nhost all nobody 127.0.0.1/32 reject\n\
                  hostssl all tls 127.0.0.1/32 scram-sha-256\nhost all tls 127.0.0.1/32 reject\n";
    let certificates = Certificates::make();
    let leaf = certificates.leaf(Kind::Good);
    let settings = ["ssl=on", "ssl_cert_file=server.crt", "ssl_key_file=server.key"];
    let server = PostgresServer::start_with(&settings, access, |data| {
        std::fs::copy(&leaf.certificate, data.join("server.crt")).expect("room for a file");
        let key = data.join("server.key");
        std::fs::copy(&leaf.key, &key).expect("room for a file");
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(key, private).expect("it is ours");
    });
    let Some(server) = server else { return };
    server.ask(
        "SET password_encryption = 'md5'; CREATE ROLE md5user LOGIN PASSWORD 'S3cr3t-md5'; \
         SET password_encryption = 'scram-sha-256'; CREATE ROLE scram LOGIN PASSWORD 'S3cr3t-é'; \
         CREATE ROLE clear LOGIN PASSWORD 'S3cr3t-clear'; CREATE ROLE nobody LOGIN; \
         CREATE ROLE tls LOGIN PASSWORD 'S3cr3t-tls'",
    );
    for (login, code, part) in [
        ("md5user:S3cr3t-md5", 0, ""),
        ("scram:S3cr3t-%C3%A9", 0, ""),
        ("clear:S3cr3t-clear", 0, ""),
        ("scram:S3cr3t-not", 1, "check the user and the password in the URL"),
        ("md5user:S3cr3t-not", 1, "28P01"),
        ("scram", 1, "PGPASSWORD"),
        ("nobody:S3cr3t-not", 1, "pg_hba.conf"),
    ] {
        let url = server.url(login, "postgres");
        let finished = run("-c 3 -n 30", &url, "SELECT 1").expect_code(code);
        assert!(finished.stderr.contains(part), "{finished}");
        let all = format!("{}{}", finished.stdout, finished.stderr);
        assert!(!all.contains("S3cr3t"), "{all}");
        assert_eq!(files_with("S3cr3t", &finished), "", "{login}");
    }
    let tls = server.url("tls:S3cr3t-tls", "postgres");
    let authority = certificates.authority().display().to_string();
    for (options, mode, code) in [
        ("", "require", 0),
        (&*format!("--cacert {authority}"), "verify-full", 0),
        ("", "verify-full", 1),
        ("", "disable", 1),
    ] {
        let url = format!("{tls}?sslmode={mode}");
        let finished = run(&format!("-c 2 -p 3 -n 100 {options}"), &url, "SELECT 1");
        let finished = finished.expect_code(code);
        if code == 0 {
            assert_eq!(finished.document().outcome("ok"), 100);
        }
    }
    again_with_the_password(&server);
}

/// Names of files below the folder of a run with this text in them.
fn files_with(text: &str, run: &Finished) -> String {
    let found = Command::new("grep").args(["-rl", text]).arg(run.folder()).output();
    String::from_utf8_lossy(&found.expect("grep starts").stdout).into_owned()
}

fn again_with_the_password(server: &PostgresServer) {
    let first = Run::json("--warmup 0s -c 1 -n 20 -o first --seed 7")
        .arg(server.url("clear:S3cr3t-clear", "postgres"))
        .arg("SELECT {{int 1 9}}::int")
        .finish()
        .expect_code(0);
    for (options, code) in [(&[][..], 2), (&["--variable", "password=S3cr3t-clear"], 0)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_uringbench"));
        let command =
            command.current_dir(first.folder()).args(["--again", "first", "-o", "second"]);
        let output = command.args(options).output().expect("the binary under test starts");
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{why}");
    }
}

#[test]
fn a_server_that_ends_connections_costs_the_transactions_in_flight() {
    let settings = ["max_connections=8", "superuser_reserved_connections=3"];
    let Some(mut server) = PostgresServer::start(&settings, "") else { return };
    server.ask("CREATE ROLE plain LOGIN");
    let url = server.url("plain", "postgres");
    // A backend is ended while its transaction runs.
    let running = Run::json("--warmup 0s -c 4 -n 8").arg(&url).arg("SELECT pg_sleep(0.5)").start();
    let end_one = "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity \
                   WHERE application_name = 'uringbench' AND wait_event = 'PgSleep' \
                   ORDER BY query_start DESC LIMIT 1) AS one";
    assert!((0..10_000).any(|_| server.count(end_one) == 1), "no transaction runs");
    let document = running.finish().expect_code(0).document();
    assert_eq!(document.count("counts.by_code.57P01"), 1);
    assert_eq!((document.outcome("ok"), document.outcome("status")), (7, 1));
    // More connections than the server has.
    let many = run("-c 20 -d 1s --timeout 1s", &url, "SELECT pg_sleep(0.01)").expect_one_of([0, 1]);
    assert!(many.document().outcome("ok") > 0);
    let all = format!("{}{}", many.stdout, many.stderr);
    assert!(all.contains("53300") && all.contains("max_connections"), "{all}");
    // All of it goes away, once the load is under way.
    let table = "CREATE TABLE done (count int); INSERT INTO done VALUES (0)";
    server.ask(&format!("{table}; GRANT ALL ON done TO plain"));
    let running = Run::json("--warmup 0s -c 4 -d 4s --timeout 1s")
        .arg(&url)
        .arg("UPDATE done SET count = count + 1")
        .start();
    let is_under_way = || server.count("SELECT count FROM done") >= 100;
    assert!((0..10_000).any(|_| is_under_way()), "no transaction is made");
    server.kill();
    let document = running.finish().expect_one_of([0, 1]).document();
    let ended: u64 = OUTCOMES.iter().map(|key| document.outcome(key)).sum();
    assert_eq!(ended, document.released());
    assert!(document.outcome("ok") >= 100 && document.outcome("connect_failed") > 0);
    assert_eq!(document.outcome("malformed"), 0);
}

#[test]
fn what_is_no_postgresql_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    for (query, part) in [("", "does not speak PostgreSQL"), ("?sslmode=require", "check the port")]
    {
        let url = format!("postgres://u@127.0.0.1:{port}/d{query}");
        let finished = run("-c 1 -n 5", &url, "SELECT 1").expect_code(1);
        assert!(finished.stderr.contains(part), "{finished}");
    }
}
