//! The real binary against real peers: faulty servers, nginx, a target that is stopped, a machine
//! without some resource.
//!
//! Each test checks one fact that a user relies on: the outcome, the message, the exit code, the
//! count, the time. `support` contains the scripts of the peers; `servers` tests the servers
//! themselves, so that a failure elsewhere is a fault of uringbench.

mod access_logs;
mod again;
mod answers;
mod capacities;
mod chaos;
mod ci_systems;
#[path = "../../../scenarios/app/tests/answers/cluster.rs"]
mod cluster;
mod comparisons;
mod connections;
mod engines;
mod exports;
mod faults;
mod faults_start;
mod faults_store;
mod faults_tls;
mod faults_tls_start;
mod grpc;
mod histories;
mod histories_database;
mod http2;
mod http2_faults;
mod http2_scenarios;
mod insights;
mod insights_target;
mod interval_logs;
mod keepalive;
mod main_job;
mod metrics;
mod places;
mod postgres;
mod postgres_server;
mod profile_python;
mod profile_read;
mod profiles;
mod redis;
mod report_pages;
mod reports;
mod scenarios;
mod scenarios_answers;
mod scenarios_load;
mod scenarios_talks;
mod scenarios_typed;
mod scenarios_wrong;
mod schedules;
mod secrets;
mod secrets_repeated;
mod servers;
mod serving;
mod side_by_side;
mod soaks;
mod soaks_runtimes;
mod stops;
mod streams;
mod suite_claims;
mod suites;
mod support;
#[path = "../../../profiler/tests/targets/mod.rs"]
mod targets;
mod terminal_views;
mod tls;
mod tls_trust;
mod truth_counts;
mod truth_delays;
mod truth_edges;
mod truth_stall;
mod uploads;
mod verdicts;
mod websocket;
mod websocket_faults;
mod websocket_first;
