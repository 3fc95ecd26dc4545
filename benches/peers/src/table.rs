//! Figures as text, aligned for a terminal or in Markdown, and goals with their results.

use crate::rounds::Spread;

/// A titled part of the report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    /// One line of text.
    pub(crate) title: String,
    /// The figures.
    pub(crate) table: Table,
    /// The goals for them.
    pub(crate) goals: Vec<Goal>,
    /// Failures, skipped parts, and facts that are needed to read the figures.
    pub(crate) notes: Vec<String>,
}

/// Columns and rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    /// Column names; empty if there is no table.
    pub(crate) head: Vec<String>,
    /// Cells, as many per row as columns.
    pub(crate) rows: Vec<Vec<String>>,
}

/// A goal: the bound that a figure should keep.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    /// The name of the figure.
    pub(crate) what: String,
    /// The bound.
    pub(crate) bound: Bound,
    /// The measured value; `None` if it was not measured.
    pub(crate) measured: Option<f64>,
    /// The unit of the figure.
    pub(crate) unit: Unit,
}

/// The side of a value on which a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// The value or less.
    AtMost(f64),
    /// The value or more.
    AtLeast(f64),
}

/// The unit of a goal.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// A ratio.
    Times,
    /// Microseconds.
    Microseconds,
    /// MiB.
    Mebibytes,
    /// Hundredths.
    Percent,
}

impl Goal {
    fn cells(&self) -> Vec<String> {
        let (sign, limit) = match self.bound {
            Bound::AtMost(limit) => ("<=", limit),
            Bound::AtLeast(limit) => (">=", limit),
        };
        let wanted = format!("{sign} {}", self.unit.show(limit));
        let measured = self.measured.map_or_else(|| "-".to_owned(), |value| self.unit.show(value));
        vec![self.what.clone(), wanted, measured, self.outcome()]
    }

    fn outcome(&self) -> String {
        let Some(measured) = self.measured else { return "not measured".to_owned() };
        let excess = match self.bound {
            Bound::AtMost(limit) => measured - limit,
            Bound::AtLeast(limit) => limit - measured,
        };
        if excess <= 0.0 { "met".into() } else { format!("missed by {}", self.unit.show(excess)) }
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Times => format!("{value:.3}x"),
            Self::Microseconds => format!("{value:.2} µs"),
            Self::Mebibytes => format!("{value:.2} MiB"),
            Self::Percent => format!("{value:.4} %"),
        }
    }
}

impl Section {
    /// Formats the section for a terminal.
    pub(crate) fn text(&self) -> String {
        let notes: String = self.notes.iter().map(|note| format!("  ! {note}\n")).collect();
        format!("\n{}\n{}{}{notes}", self.title, self.table.text(), self.goal_table().text())
    }

    /// Formats the section as Markdown.
    pub(crate) fn markdown(&self) -> String {
        let tables = [self.table.markdown(), self.goal_table().markdown()];
        let notes: String = self.notes.iter().map(|note| format!("- {note}\n")).collect();
        let parts = tables.into_iter().chain([notes]).filter(|part| !part.is_empty());
        let parts: Vec<_> = parts.collect();
        format!("### {}\n\n{}\n", self.title, parts.join("\n"))
    }

    fn goal_table(&self) -> Table {
        if self.goals.is_empty() {
            return Table::default();
        }
        let head = ["goal", "wanted", "measured", "outcome"];
        Table {
            head: head.map(str::to_owned).to_vec(),
            rows: self.goals.iter().map(Goal::cells).collect(),
        }
    }
}

impl Table {
    fn text(&self) -> String {
        let lines = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| {
            let cells = lines().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..self.head.len()).map(width).collect();
        let mut text = String::new();
        for line in lines().filter(|line| !line.is_empty()) {
            let mut row = String::new();
            for (index, (cell, &width)) in line.iter().zip(&widths).enumerate() {
                // Names are aligned to the left, figures to the right.
                let cell =
                    if index == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
                row.push_str("  ");
                row.push_str(&cell);
            }
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }

    fn markdown(&self) -> String {
        if self.head.is_empty() {
            return String::new();
        }
        let row = |cells: &[String]| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
        let rule = format!("|---|{}\n", "---:|".repeat(self.head.len() - 1));
        let rows: String = self.rows.iter().map(|cells| row(cells)).collect();
        format!("{}{rule}{rows}", row(&self.head))
    }
}

/// `median (min..max)` with this many decimals, or a dash.
pub(crate) fn spread(value: Option<Spread>, decimals: usize) -> String {
    value.map_or_else(
        || "-".to_owned(),
        |Spread { median, min, max }| {
            format!("{median:.decimals$} ({min:.decimals$}..{max:.decimals$})")
        },
    )
}

/// The median of a rate, in thousands from 1,000 on.
pub(crate) fn thousands(value: Option<Spread>) -> String {
    value.map_or_else(
        || "-".to_owned(),
        |Spread { median, .. }| {
            if median < 1e3 { format!("{median:.1}") } else { format!("{:.1} k", median / 1e3) }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal(bound: Bound, measured: Option<f64>) -> Goal {
        Goal { what: "CPU per request".into(), bound, measured, unit: Unit::Times }
    }

    fn section() -> Section {
        Section {
            title: "Small".into(),
            table: Table {
                head: vec!["client".into(), "rps".into()],
                rows: vec![vec!["wrk".into(), "9 µs".into()], vec!["uring".into(), "10".into()]],
            },
            goals: vec![goal(Bound::AtMost(1.05), Some(1.08))],
            notes: vec!["oha is absent".into()],
        }
    }

    #[test]
    fn a_goal_is_met_on_its_bound_and_missed_past_it() {
        assert_eq!(goal(Bound::AtMost(1.05), Some(1.05)).outcome(), "met");
        assert_eq!(goal(Bound::AtMost(1.05), Some(1.1)).outcome(), "missed by 0.050x");
        assert_eq!(goal(Bound::AtLeast(1.35), Some(1.4)).outcome(), "met");
        assert_eq!(goal(Bound::AtLeast(1.35), Some(1.25)).outcome(), "missed by 0.100x");
        assert_eq!(goal(Bound::AtLeast(1.35), None).outcome(), "not measured");
    }

    #[test]
    fn text_is_aligned() {
        let lines = [
            "",
            "Small",
            "  client   rps",
            "  wrk     9 µs",
            "  uring     10",
            "  goal                wanted  measured           outcome",
            "  CPU per request  <= 1.050x    1.080x  missed by 0.030x",
            "  ! oha is absent",
            "",
        ];
        assert_eq!(section().text(), lines.join("\n"));
    }

    #[test]
    fn markdown_is_a_table() {
        let wanted = "### Small\n\n| client | rps |\n|---|---:|\n| wrk | 9 µs |\n| uring | 10 |\n\n\
            | goal | wanted | measured | outcome |\n|---|---:|---:|---:|\n\
            | CPU per request | <= 1.050x | 1.080x | missed by 0.030x |\n\n- oha is absent\n\n";
        assert_eq!(section().markdown(), wanted);
    }

    #[test]
    fn spreads_show_what_there_is() {
        let value = Spread { median: 152_340.0, min: 150_000.0, max: 160_000.0 };
        assert_eq!(spread(Some(value), 0), "152340 (150000..160000)");
        assert_eq!(thousands(Some(value)), "152.3 k");
        assert_eq!(thousands(Spread::of(vec![166.66])), "166.7");
        assert_eq!((spread(None, 2), thousands(None)), ("-".into(), "-".into()));
    }
}
