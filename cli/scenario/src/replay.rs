//! `[load] replay`: reads the times at which flows begin from a data file.

use std::collections::BTreeMap;

use uringbench_core::flow::script::{Flow, FlowReplay};
use uringbench_core::flow::table::Table;
use uringbench_core::plan::Load;
use uringbench_core::time::Nanos;

use crate::diagnostic::{Diagnostics, FieldPath, did_you_mean};
use crate::format::{self, DataOrder};
use crate::load::Loaded;

/// Time after the last row, so that its flow is measured.
const TAIL: Nanos = Nanos::MILLISECOND;
/// Larger times are dates, not times of a run.
const SECONDS_MAX: u64 = 366 * 86_400;

/// The data of a scenario.
pub(crate) struct Tables<'a> {
    pub(crate) given: &'a BTreeMap<String, format::Data>,
    /// Names of the tables that could be read, each with its columns.
    pub(crate) described: &'a [(String, Vec<String>)],
    pub(crate) tables: &'a [Table],
}

/// Puts the times of a replay into the load, with their table: the flow that begins at a time uses
/// the row of the same number.
pub(crate) fn load(
    given: &format::Load,
    data: &Tables<'_>,
    flows: &[Flow],
    loaded: &mut Loaded,
    diagnostics: &mut Diagnostics<'_>,
) -> Option<usize> {
    let replay = given.replay.as_ref()?;
    let place = FieldPath::top("load").key("replay");
    let source = data.given.get(&replay.data).ok_or_else(|| {
        let meant = did_you_mean(&replay.data, data.given.keys().map(String::as_str));
        format!("there is no data `{}`{meant} It is defined by [data.NAME]", replay.data)
    });
    let source = diagnostics.take(&place.key("data"), source)?;
    if source.order != DataOrder::Shared {
        let why = "a replay uses the rows in their order: leave `order` out";
        diagnostics.add(&FieldPath::top("data").key(&replay.data).key("order"), why);
    }
    // If the file cannot be read, that is already reported.
    let table = data.described.iter().position(|(name, _)| *name == replay.data)?;
    let columns = &data.described[table].1;
    let mut column = |field: &str, name: &String| {
        let found = columns.iter().position(|known| known == name).ok_or_else(|| {
            let meant = did_you_mean(name, columns.iter().map(String::as_str));
            format!("`{}` has no column `{name}`{meant}", replay.data)
        });
        diagnostics.take(&place.key(field), found)
    };
    let at = column("column", &replay.column);
    let flow = replay.flow.as_ref().map(|name| column("flow", name));
    let rows = &data.tables[table];
    let times = diagnostics.take(&place.key("column"), times(rows, at?, replay))?;
    let flows = match flow {
        Some(flow) => Some(diagnostics.take(&place.key("flow"), flows_of(rows, flow?, flows))?),
        None => None,
    };
    let last = times.last().copied().unwrap_or_default();
    let warmup = given.warmup.map_or(Nanos::ZERO, |span| span.0);
    if warmup > last {
        let why = format!("the replay is over after {last}: write a shorter time");
        diagnostics.add(&FieldPath::top("load").key("warmup"), why);
    }
    let measured = Nanos(last.0.saturating_sub(warmup.0)) + TAIL;
    loaded.duration = given.duration.map_or(measured, |span| span.0);
    loaded.warmup = warmup;
    loaded.load = Load::Replay;
    loaded.replay = Some(FlowReplay { times: times.into(), flows });
    Some(table)
}

/// When each row is due at the given speed.
fn times(rows: &Table, column: usize, replay: &format::Replay) -> Result<Vec<Nanos>, String> {
    let speed = replay.speed.map_or(1.0, |speed| speed.0);
    let mut before = Nanos::ZERO;
    let mut times = Vec::with_capacity(rows.rows());
    for row in 0..rows.rows() {
        let text = String::from_utf8_lossy(rows.cell(row, column));
        let bad =
            |why: &str| Err(format!("row {}: `{}` {why}", row + 1, text.trim().escape_debug()));
        let Some(time) = seconds(text.trim()) else {
            return bad("is not a time: write seconds from the start such as 12.5");
        };
        if time.0 > Nanos::from_secs(SECONDS_MAX).0 {
            return bad("is over a year: write seconds from the start");
        }
        if time < before {
            return bad("is before the row above: sort the rows by time");
        }
        before = time;
        // Exact to a fraction of a microsecond within a year, at any speed.
        times.push(if speed == 1.0 { time } else { Nanos((time.0 as f64 / speed) as u64) });
    }
    Ok(times)
}

/// Parses decimal seconds; digits below a nanosecond are cut off.
fn seconds(text: &str) -> Option<Nanos> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole = whole.parse::<u64>().unwrap_or(u64::MAX);
    let nanos = fraction
        .bytes()
        .chain([b'0'; 9])
        .take(9)
        .fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(Nanos::from_secs(whole) + Nanos(nanos))
}

fn flows_of(rows: &Table, column: usize, flows: &[Flow]) -> Result<Vec<u32>, String> {
    let named = |row: usize| {
        let name = String::from_utf8_lossy(rows.cell(row, column));
        let names = || flows.iter().map(|flow| flow.name.as_str());
        let found = names().position(|known| known == name.trim());
        found.map(|flow| flow as u32).ok_or_else(|| {
            let meant = did_you_mean(name.trim(), names());
            format!("row {}: there is no flow `{}`{meant}", row + 1, name.escape_debug())
        })
    };
    (0..rows.rows()).map(named).collect()
}
