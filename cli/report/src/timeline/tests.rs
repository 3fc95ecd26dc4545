//! The text of a timeline, letter by letter.

use super::*;
use uringbench_document::timeline::columns::{
    CgroupRow, HostRow, LoadRow, Row, TargetRow, TimelineDocument,
};

fn text(document: &TimelineDocument) -> Vec<String> {
    TimelineFigures::of(document).map_or_else(Vec::new, |figures| lines(&figures))
}

fn document(rows: u32) -> TimelineDocument {
    let mut document = TimelineDocument::empty(1, None);
    for second in 0..rows {
        let t = f64::from(second);
        let is_loaded = second > 0;
        document.push(&Row {
            t_s: t,
            load: LoadRow {
                completed_per_s: is_loaded.then_some(150_000.0 + 100.0 * (t % 4.0)),
                errors_per_s: is_loaded.then_some(0.0),
                in_flight: is_loaded.then_some(64.0),
                response_p50_ns: is_loaded.then_some(400_000.0),
                response_p99_ns: is_loaded.then_some(if second == 40 { 9.5e6 } else { 1.2e6 }),
            },
            target: TargetRow {
                cpu_user: is_loaded.then_some(0.75),
                cpu_system: is_loaded.then_some(0.25),
                run_queue_s_per_s: is_loaded.then_some(0.0123),
                rss_anon_bytes: Some(f64::from(10 << 20) + t * 65_536.0),
                fds: Some(74.0),
                ..TargetRow::default()
            },
            soak: None,
            cgroup: None,
            host: HostRow {
                cpu_user: Some(1.0),
                cpu_system: Some(0.5),
                cpu_idle: Some(0.4),
                cpu_iowait: Some(0.0),
                cpu_steal: Some(if second % 2 == 0 { 0.0 } else { 0.1 }),
                ..HostRow::default()
            },
        });
    }
    document
}

#[test]
fn the_main_series_have_a_line_each_with_their_course() {
    let expected = "\
timeline               min      median         max  81.0 s
rps              150,000/s   150,200/s   150,300/s   █▁█▁█▁█▁█▁█▁█▁█▁█▁█▁█▁█▁█▁█▁█▁█▁█▁█▁█▁█
in flight               64          64          64  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
response p50        400 µs      400 µs      400 µs  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
response p99       1.20 ms     1.20 ms     9.50 ms  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁█▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
cpu user+sys      1.00 CPU    1.00 CPU    1.00 CPU  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
run queue            0.012       0.012       0.012  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
rss anon          10.0 MiB    12.5 MiB    15.0 MiB  ▁▁▁▁▁▂▂▂▂▂▃▃▃▃▃▄▄▄▄▄▅▅▅▅▅▆▆▆▆▆▇▇▇▇▇█████
fds                     74          74          74  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
host cpu          1.50 CPU    1.50 CPU    1.50 CPU  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁
host steal             0 %         0 %       5.0 %  ███████████████████████████████████████▁";
    assert_eq!(text(&document(81)).join("\n"), expected);
}

#[test]
fn a_series_of_which_nothing_is_known_has_no_line_and_nothing_at_all_no_text() {
    assert!(text(&TimelineDocument::empty(1, None)).is_empty());
    let mut alone = TimelineDocument::empty(1, None);
    let current = CgroupRow { memory_current_bytes: Some(1536.0), ..CgroupRow::default() };
    alone.push(&Row { cgroup: Some(current), ..Row::default() });
    let text = text(&alone);
    assert_eq!(text.len(), 2);
    assert_eq!(text[1], "cgroup memory      1.5 KiB     1.5 KiB     1.5 KiB  ▁");
}

#[test]
fn troubles_have_a_line_when_there_are_any() {
    let mut document = document(5);
    for (row, value) in [(1, 0.0), (2, 0.0)] {
        document.target.rss_shmem_bytes[row] = Some(value);
    }
    let line = |document: &TimelineDocument, name: &str| {
        text(document).into_iter().find(|line| line.starts_with(name))
    };
    assert_eq!([line(&document, "errors"), line(&document, "rss shared")], [None, None]);
    document.load.errors_per_s[2] = Some(3.0);
    document.target.rss_shmem_bytes[2] = Some(1536.0);
    let errors = line(&document, "errors").expect("a line");
    assert!(errors.contains("3.0/s"), "{errors}");
    let shared = line(&document, "rss shared").expect("a line");
    assert!(shared.starts_with("rss shared             0 B     1.5 KiB     1.5 KiB"), "{shared}");
}

#[test]
fn bars_rise_from_the_least_to_the_most() {
    let known = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
    assert_eq!(bars(&known(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])), "▁▂▃▄▅▆▇█");
    assert_eq!(bars(&known(&[5.0, 5.0])), "▁▁");
    assert_eq!(bars(&[Some(1.0), None, Some(2.0)]), "▁ █");
    assert_eq!(bars(&[]), "");
}
