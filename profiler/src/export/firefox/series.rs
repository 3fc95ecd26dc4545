//! Series of values over time, as tracks of a process of their own.
//!
//! Bytes are memory counters, which the viewer draws relative to their minimum. The viewer has no
//! counters for values in other units (it draws them as rates), so those are markers whose field is
//! drawn as a line.

use fxprof_processed_profile::{
    CategoryHandle, GraphColor, Marker, MarkerFieldFlags, MarkerFieldFormat, MarkerGraphType,
    MarkerLocations, MarkerTiming, MarkerTypeHandle, Profile, RuntimeSchemaMarkerField,
    RuntimeSchemaMarkerGraph, RuntimeSchemaMarkerSchema, StringHandle,
};
use uringbench_core::time::Timestamp;

use super::{moment, start};

/// Values over time.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// Their name: `requests per second`, `RssAnon`.
    pub name: &'a str,
    /// Their unit.
    pub unit: SeriesUnit,
    /// The values, in order of time.
    pub points: &'a [(Timestamp, f64)],
}

/// The unit of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesUnit {
    /// A number.
    Count,
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
}

/// A PID that no process has.
const PID: u32 = 0;
const FIELD: &str = "value";

pub(super) fn add(profile: &mut Profile, from: Timestamp, all: &[Series<'_>]) {
    let process = profile.add_process("load and target", PID, start());
    let thread = profile.add_thread(process, PID, start(), true);
    for series in all {
        if series.unit == SeriesUnit::Bytes {
            let counter = profile.add_counter(process, series.name, "Memory", series.name);
            let mut before = 0.0;
            for &(time, value) in series.points.iter().filter(|(_, value)| value.is_finite()) {
                // A counter takes the change since the last value.
                profile.add_counter_sample(counter, moment(from, time), value - before, 0);
                before = value;
            }
            continue;
        }
        let (format, scale) = match series.unit {
            SeriesUnit::Nanoseconds => (MarkerFieldFormat::Duration, 1e-6),
            SeriesUnit::Count | SeriesUnit::Bytes => (MarkerFieldFormat::Decimal, 1.0),
        };
        let kind = profile.register_marker_type(schema(series.name, format));
        let name = profile.intern_string(series.name);
        for (index, &(time, value)) in series.points.iter().enumerate() {
            if value.is_finite() {
                // A value is valid until the next one.
                let until = series.points.get(index + 1).map_or(time, |&(next, _)| next);
                let timing = MarkerTiming::Interval(moment(from, time), moment(from, until));
                profile.add_marker(thread, timing, Point { kind, name, value: value * scale });
            }
        }
    }
}

fn schema(name: &str, format: MarkerFieldFormat) -> RuntimeSchemaMarkerSchema {
    RuntimeSchemaMarkerSchema {
        type_name: name.to_owned(),
        locations: MarkerLocations::MARKER_TABLE,
        chart_label: None,
        tooltip_label: None,
        table_label: None,
        description: None,
        fields: vec![RuntimeSchemaMarkerField {
            key: FIELD.to_owned(),
            label: name.to_owned(),
            format,
            flags: MarkerFieldFlags::empty(),
        }],
        graphs: vec![RuntimeSchemaMarkerGraph {
            key: FIELD.to_owned(),
            graph_type: MarkerGraphType::LineFilled,
            color: Some(GraphColor::Blue),
        }],
    }
}

/// One value of a series.
struct Point {
    kind: MarkerTypeHandle,
    name: StringHandle,
    value: f64,
}

impl Marker for Point {
    fn marker_type(&self, _: &mut Profile) -> MarkerTypeHandle {
        self.kind
    }

    fn name(&self, _: &mut Profile) -> StringHandle {
        self.name
    }

    fn category(&self, _: &mut Profile) -> CategoryHandle {
        CategoryHandle::OTHER
    }

    fn string_field_value(&self, _: u32) -> StringHandle {
        self.name
    }

    fn number_field_value(&self, _: u32) -> f64 {
        self.value
    }
}
