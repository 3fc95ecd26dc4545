PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE benchmark_results (
    id INTEGER PRIMARY KEY,
    timestamp TEXT NOT NULL,
    benchmark_name TEXT NOT NULL,
    commit_sha TEXT,
    branch TEXT,
    results TEXT NOT NULL,
    environment TEXT
);
INSERT INTO benchmark_results VALUES(1,'2025-11-01T03:00:00Z','api_users','5f1d7a84db00d2fce00b31a7fc73224f1d0c0c4e','main','{"response_time_p95": 11.0, "requests_per_second": 812.5, "unit": "ms"}','ci');
INSERT INTO benchmark_results VALUES(2,'2025-11-02T03:00:00Z','api_users','9b2c0f3e8b1d4a6c7e5f0a1b2c3d4e5f60718293','main','{"response_time_p95": 12.5, "requests_per_second": 790.0, "unit": "ms"}','ci');
CREATE TABLE performance_insights (
    id INTEGER PRIMARY KEY,
    benchmark_result_id INTEGER NOT NULL REFERENCES benchmark_results (id),
    insight_type TEXT NOT NULL,
    description TEXT NOT NULL,
    severity TEXT NOT NULL,
    recommendations TEXT
);
INSERT INTO performance_insights VALUES(1,1,'database','The pool of connections was empty for 4 s.','warning','["Raise the pool."]');
COMMIT;
