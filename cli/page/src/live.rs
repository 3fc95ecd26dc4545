//! A run in progress: the page that shows it, and the data that the page gets each second.
//!
//! The charts are those of the report. Memory is that of an hour of seconds, however long the run.

use maud::{Markup, html};
use serde::Serialize;
use uringbench_core::histogram::{LatencyCounts, empty};
use uringbench_core::record::Interval;
use uringbench_document::IntervalFigures;
use uringbench_document::timeline::Unit;
use uringbench_report::live::{LiveRun, LiveSample, LiveState};

use crate::foreign::{Foreign, safe};
use crate::grid::{CELLS_PER_OCTAVE, Grid, Row};
use crate::heat::Heat;
use crate::objective::Objective;
use crate::panel::{Line, Panel};
use crate::run::RowColumns;
use crate::run::charts::{Courses, of_rows};
use crate::shell;

/// Rows that are kept and shown: an hour.
const ROWS_MAX: usize = 3_600;

/// A run up to now.
pub struct LiveCourse {
    state: LiveState,
    rows: Vec<Row>,
    samples: Vec<LiveSample>,
    objectives: Vec<(String, Objective)>,
}

/// What the page gets: all rows, or those that are new.
#[derive(Serialize)]
struct Data<'a> {
    /// Whether these are all rows.
    is_whole: bool,
    begin: f64,
    end: f64,
    rows: RowColumns<'a>,
    panels: Vec<Panel>,
    heat: Heat,
    cells_per_octave: u32,
    spikes: [f64; 0],
    steps: [f64; 0],
    rows_max: usize,
    now: Now,
}

/// The texts of the page.
#[derive(Serialize)]
struct Now {
    word: &'static str,
    passed: String,
    tiles: Vec<(&'static str, String, String)>,
    objectives: Vec<(&'static str, String)>,
    signs: Vec<String>,
}

impl LiveCourse {
    /// Before the first interval.
    pub fn new(run: LiveRun) -> Self {
        let state = LiveState::new(run);
        let texts = state.objectives().into_iter().map(|held| held.objective);
        let known = texts.filter_map(|text| Some((text.clone(), Objective::read(&text)?)));
        let objectives = known.collect();
        Self { state, rows: Vec::new(), samples: Vec::new(), objectives }
    }

    /// The page. Its scripts ask for `events`, or for `state.json`, beside it, and at the end for
    /// `report.html`.
    pub fn page(&self) -> String {
        let run = self.state.run();
        let title = format!("RUNNING · {}", safe(&run.title));
        shell::live(&title, &self.body())
    }

    fn body(&self) -> Markup {
        let run = self.state.run();
        html! {
            main {
                header.verdict.doubtful {
                    h1 {
                        span.word { "RUNNING" } " · " span id="word" { "connecting" }
                    }
                    p.because id="signs" role="status" {}
                    p.what { (Foreign(&run.title)) " · " (Foreign(&run.load)) }
                    p.missing id="lost" role="status" {}
                    noscript {
                        p.missing {
                            "The run is drawn by JavaScript. Without it, see its end: "
                            a href="report.html" { "report.html" }
                        }
                    }
                }
                section.tiles id="tiles" aria-label="Figures of the last second" {}
                section aria-label="Objectives" { ul.findings id="objectives" {} }
                section aria-label="Charts over time" {
                    h2 { "Over time" }
                    @for panel in self.panels(&Grid::live(Vec::new()), &[]) { (figure(&panel)) }
                }
                p.made { "Read-only; the run is ended in its terminal." }
            }
        }
    }

    /// An interval is complete. Returns the data that are new, as JSON.
    pub fn add(
        &mut self,
        interval: &Interval,
        response: &LatencyCounts,
        sample: LiveSample,
    ) -> String {
        let figures = IntervalFigures::from(interval);
        let mut times = empty();
        response.add_to(&mut times);
        if self.rows.len() >= ROWS_MAX {
            self.rows.remove(0);
            self.samples.remove(0);
        }
        self.rows.push(Row::live(&figures, &times));
        self.state.add(figures, response, sample);
        self.samples.push(sample);
        let last = self.rows.len() - 1;
        self.data(last)
    }

    /// All rows that are kept, as JSON.
    pub fn state(&self) -> String {
        self.data(0)
    }

    /// So many intervals are missing.
    pub fn lost(&mut self, intervals: u64) {
        self.state.lost(intervals);
    }

    fn data(&self, first: usize) -> String {
        let grid = Grid::live(self.rows[first..].to_vec());
        let data = Data {
            is_whole: first == 0,
            begin: self.rows.first().map_or(0.0, |row| row.from),
            end: grid.end().max(1.0),
            rows: RowColumns::of(&grid),
            panels: self.panels(&grid, &self.samples[first..]),
            heat: Heat::of(&grid),
            cells_per_octave: CELLS_PER_OCTAVE,
            spikes: [],
            steps: [],
            rows_max: ROWS_MAX,
            now: self.now(),
        };
        // Figures are plain numbers and texts.
        serde_json::to_string(&data).unwrap_or_default()
    }

    fn panels(&self, grid: &Grid, samples: &[LiveSample]) -> Vec<Panel> {
        let courses = Courses {
            grid,
            objectives: self.objectives.iter().map(|(text, it)| (text.as_str(), it)).collect(),
            is_served_at_once: self.state.run().objectives.is_closed(),
        };
        let mut panels = courses.of_load();
        let head = (
            "cpu",
            "CPUs of client and target",
            "CPUs that the load generator used, and the target as far as it is on this machine.",
            Unit::Cpus,
        );
        let line = |of: fn(&LiveSample) -> Option<f64>| samples.iter().map(of).collect();
        let client = Line::new("client", 5, line(|sample| sample.client)).dashed();
        let target = line(|sample| sample.target.map(|target| target.used));
        panels.push(of_rows(&courses, head, vec![client, Line::new("target", 0, target)]));
        panels
    }

    fn now(&self) -> Now {
        let objectives = self.state.objectives().into_iter().map(|found| {
            let (class, sign) = match found.met {
                Some(true) => ("good", "✓"),
                Some(false) => ("bad", "✗"),
                None => ("doubtful", "?"),
            };
            (class, format!("{sign} {}: {} so far", safe(&found.objective), found.measured))
        });
        Now {
            word: self.state.word(),
            passed: self.state.passed(),
            tiles: self.state.tiles(),
            objectives: objectives.collect(),
            signs: self.state.signs(),
        }
    }
}

/// The place of a chart.
fn figure(panel: &Panel) -> Markup {
    let [title, about] = ["title", "about"].map(|of| format!("{}-{of}", panel.id));
    html! {
        figure role="figure" aria-labelledby=(title) aria-describedby=(about)
            data-figure-of=(panel.id) hidden {
            figcaption {
                h3 id=(title) { (panel.title) }
                p id=(about) { (panel.about) }
                ul.legend {}
            }
            div.plot data-plot=(panel.id) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use uringbench_core::outcome::Outcome;
    use uringbench_core::time::Nanos;
    use uringbench_core::window::Phase;
    use uringbench_document::LiveObjectives;

    use super::*;

    fn run() -> LiveRun {
        LiveRun {
            title: "</title><script>alert(1)</script>".to_owned(),
            load: "closed loop, 1 connection".to_owned(),
            warmup: Nanos::ZERO,
            window: Some(Nanos::from_secs(10)),
            objectives: LiveObjectives::new(vec!["p99<20ms".parse().expect("an objective")], true),
            cpus: 1,
            connections: 1,
        }
    }

    fn second(at: u64) -> (Interval, LatencyCounts) {
        let mut response = LatencyCounts::default();
        response.record_many(1_000_000, 1_000);
        let mut outcomes = [0; Outcome::ALL.len()];
        outcomes[Outcome::Ok as usize] = 100;
        let interval = Interval {
            start: Nanos::from_secs(at),
            length: Nanos::SECOND,
            phase: Phase::Measure,
            released: 100,
            completed: 100,
            errors: 0,
            outcomes,
            in_flight: 1,
            connected: 1,
            response: None,
            lateness_p99: None,
            sent_bytes: 1,
            received_bytes: 1,
        };
        (interval, response)
    }

    fn parsed(json: &str) -> Value {
        serde_json::from_str(json).expect("JSON")
    }

    #[test]
    fn new_rows_and_all_rows_say_the_same() {
        let mut course = LiveCourse::new(run());
        for at in 0..3 {
            let (interval, response) = second(at);
            let new = parsed(&course.add(&interval, &response, LiveSample::default()));
            assert_eq!(new["rows"]["from"], serde_json::json!([at as f64]));
            assert_eq!(new["panels"][0]["id"], "rate");
            assert_eq!(new["panels"][0]["lines"][1]["values"], serde_json::json!([100.0]));
            assert_eq!(new["panels"][1]["limits"][0]["value"], 20e6);
        }
        let all = parsed(&course.state());
        assert_eq!(all["rows"]["completed"], serde_json::json!([100, 100, 100]));
        assert_eq!(all["end"], 3.0);
        let held = all["now"]["objectives"][0][1].as_str().expect("a text");
        assert!(held.starts_with("✓ p99") && held.contains("so far"), "{held}");
    }

    #[test]
    fn a_day_keeps_its_memory() {
        let mut course = LiveCourse::new(run());
        for at in 0..ROWS_MAX as u64 + 5 {
            let (interval, response) = second(at);
            let new = course.add(&interval, &response, LiveSample::default());
            assert!(new.len() < 8_000, "{}", new.len());
        }
        assert_eq!((course.rows.len(), course.samples.len()), (ROWS_MAX, ROWS_MAX));
        assert_eq!(parsed(&course.state())["begin"], 5.0);
    }

    #[test]
    fn the_page_may_connect_to_its_server_alone_and_a_name_is_no_markup() {
        let page = LiveCourse::new(run()).page();
        assert!(page.contains("connect-src 'self'") && page.contains("default-src 'none'"));
        assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"));
        assert!(!page.contains("script-src 'none'") && !page.contains("unsafe"));
    }
}
