//! The curve as rows: one for each load, with the trials at it taken together.

use uringbench_core::summary::{Grouped, Percent};
use uringbench_core::time::Nanos;
use uringbench_document::capacity::{CapacityDocument, TrialFigures};

/// Columns of a figure.
const CELL: usize = 11;
/// Columns of the plot.
const PLOT: usize = 32;

/// The trials at one load.
pub(super) struct Row<'a> {
    pub(super) load: f64,
    trials: Vec<&'a TrialFigures>,
    /// The trial whose times are shown: the longest that the generator did not limit.
    shown: &'a TrialFigures,
}

/// A row for each load, ascending.
pub(super) fn rows(document: &CapacityDocument) -> Vec<Row<'_>> {
    let mut trials: Vec<&TrialFigures> = document.trials.iter().collect();
    trials.sort_by(|a, b| a.load.total_cmp(&b.load));
    trials.chunk_by(|a, b| a.load == b.load).filter_map(row).collect()
}

fn row<'a>(trials: &[&'a TrialFigures]) -> Option<Row<'a>> {
    let order = |a: &&TrialFigures, b: &&TrialFigures| {
        let counts = a.limit.is_none().cmp(&b.limit.is_none());
        counts.then(a.duration_s.total_cmp(&b.duration_s))
    };
    let shown = *trials.iter().max_by(|a, b| order(a, b))?;
    Some(Row { load: shown.load, trials: trials.to_vec(), shown })
}

impl Row<'_> {
    pub(super) fn heads(document: &CapacityDocument) -> String {
        let heads = ["trials", "outside", "p50", "p99", "target CPU"];
        let heads = heads.map(|head| format!("{head:>CELL$}")).concat();
        format!("{:>CELL$}{heads}  {}", document.over, "p50 ∙  p99 ●  objective │")
    }

    pub(super) fn line(&self, document: &CapacityDocument, rows: &[Self]) -> String {
        let cells = self.cells(document).map(|cell| format!("{cell:>CELL$}")).concat();
        format!("{cells}  {}", self.plot(document, rows))
    }

    pub(super) fn markdown_heads(document: &CapacityDocument) -> String {
        format!(
            "| {} | trials | outside | p50 | p99 | target CPU |\n|--:|--:|--:|--:|--:|--:|\n",
            document.over
        )
    }

    pub(super) fn markdown(&self, document: &CapacityDocument) -> String {
        format!("| {} |\n", self.cells(document).join(" | "))
    }

    fn cells(&self, document: &CapacityDocument) -> [String; 6] {
        let time = |nanos: Option<u64>| {
            nanos.map_or_else(|| "-".to_owned(), |nanos| Nanos(nanos).to_string())
        };
        let cpus = self.shown.target_cpus;
        [
            load(document, self.load),
            self.trials.len().to_string(),
            self.outside(),
            time(self.shown.response_p50_ns),
            time(self.shown.response_p99_ns),
            cpus.map_or_else(|| "-".to_owned(), |cpus| format!("{cpus:.2}")),
        ]
    }

    /// The share of requests outside the objective that is worst, or why the trials do not count.
    fn outside(&self) -> String {
        let counting = self.trials.iter().filter(|trial| trial.limit.is_none());
        let (mut bad, mut of): (Vec<u64>, u64) = (Vec::new(), 0);
        for trial in counting {
            bad.resize(trial.bad.len(), 0);
            bad.iter_mut().zip(&trial.bad).for_each(|(sum, bad)| *sum += bad);
            of += trial.requests;
        }
        match self.shown.limit.as_deref() {
            Some(limit) => limit.to_owned(),
            None => {
                Percent(bad.into_iter().max().unwrap_or(0) as f64 / of.max(1) as f64).to_string()
            }
        }
    }

    /// Median, 99 % quantile and objective on a common logarithmic scale.
    fn plot(&self, document: &CapacityDocument, rows: &[Row<'_>]) -> String {
        let bounds = document.goals.iter().filter_map(|goal| goal.time_ns);
        let of = |row: &Row<'_>| [row.shown.response_p50_ns, row.shown.response_p99_ns];
        let all: Vec<f64> = rows
            .iter()
            .flat_map(of)
            .flatten()
            .chain(bounds.clone())
            .map(|nanos| (nanos.max(1) as f64).ln())
            .collect();
        let least = all.iter().copied().fold(f64::INFINITY, f64::min);
        let most = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let column = |nanos: u64| {
            let share = ((nanos.max(1) as f64).ln() - least) / (most - least).max(1e-9);
            (share * (PLOT - 1) as f64).round() as usize
        };
        let mut plot = [' '; PLOT];
        for bound in bounds {
            plot[column(bound)] = '│';
        }
        let [median, high] = of(self);
        for (nanos, mark) in [(median, '∙'), (high, '●')] {
            if let Some(nanos) = nanos {
                plot[column(nanos)] = mark;
            }
        }
        plot.iter().collect()
    }
}

/// A load with its unit.
pub fn load(document: &CapacityDocument, load: f64) -> String {
    match document.over.as_str() {
        "connections" => Grouped(load.round() as u64).to_string(),
        _ => per_second(load),
    }
}

/// Four digits: `97.25/s`, `1,012/s`.
pub(super) fn per_second(rate: f64) -> String {
    match rate {
        r if r < 10.0 => format!("{r:.2}/s"),
        r if r < 1_000.0 => format!("{r:.1}/s"),
        r => format!("{}/s", Grouped(r.round() as u64)),
    }
}

/// Three digits, as a power of ten if small.
pub(super) fn short(figure: f64) -> String {
    match figure.abs() {
        0.0 => "0".to_owned(),
        f if f < 0.001 => format!("{figure:.1e}"),
        _ => format!("{figure:.3}"),
    }
}
