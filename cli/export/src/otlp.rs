//! OpenTelemetry's metrics over OTLP: `ExportMetricsServiceRequest` of version 1, as far as it is
//! used, with cumulative sums and exponential histograms.

use prost::Message;

use crate::exponential::{ExponentialBuckets, SCHEMA};
use crate::metrics::{MetricFamily, MetricKind, MetricSeries, MetricValue};

/// The headers of a request.
pub const HEADERS: [(&str, &str); 1] = [("Content-Type", "application/x-protobuf")];
/// The path that is added to an address without one.
pub const PATH: &str = "/v1/metrics";

/// `AGGREGATION_TEMPORALITY_CUMULATIVE`.
const CUMULATIVE: i32 = 2;

/// `ExportMetricsServiceRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct OtlpRequest {
    /// One for each resource.
    #[prost(message, repeated, tag = "1")]
    pub resource_metrics: Vec<OtlpResourceMetrics>,
}

/// `ResourceMetrics`.
#[derive(Clone, PartialEq, Message)]
pub struct OtlpResourceMetrics {
    /// What sends.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<OtlpResource>,
    /// Its metrics.
    #[prost(message, repeated, tag = "2")]
    pub scope_metrics: Vec<OtlpScopeMetrics>,
}

/// `Resource`.
#[derive(Clone, PartialEq, Message)]
pub struct OtlpResource {
    /// Its attributes.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<OtlpAttribute>,
}

/// `KeyValue`.
#[derive(Clone, PartialEq, Message)]
pub struct OtlpAttribute {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(message, optional, tag = "2")]
    pub value: Option<OtlpText>,
}

/// `AnyValue` with a text.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct OtlpText {
    /// The text.
    #[prost(string, optional, tag = "1")]
    pub string_value: Option<String>,
}

/// `ScopeMetrics`.
#[derive(Clone, PartialEq, Message)]
pub struct OtlpScopeMetrics {
    /// What measured.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<OtlpScope>,
    /// The metrics.
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<OtlpMetric>,
}

/// `InstrumentationScope`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct OtlpScope {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// `Metric`; exactly one of the last three is there.
#[derive(Clone, PartialEq, Message)]
pub struct OtlpMetric {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// What it means.
    #[prost(string, tag = "2")]
    pub description: String,
    /// `s`, `By` or `1`.
    #[prost(string, tag = "3")]
    pub unit: String,
    /// A gauge.
    #[prost(message, optional, tag = "5")]
    pub gauge: Option<OtlpGauge>,
    /// A counter.
    #[prost(message, optional, tag = "7")]
    pub sum: Option<OtlpSum>,
    /// Times.
    #[prost(message, optional, tag = "10")]
    pub exponential_histogram: Option<OtlpHistogram>,
}

/// `Gauge`.
#[derive(Clone, PartialEq, Message)]
pub struct OtlpGauge {
    /// Its values.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<OtlpNumber>,
}

/// `Sum`.
#[derive(Clone, PartialEq, Message)]
pub struct OtlpSum {
    /// Its values.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<OtlpNumber>,
    /// Cumulative.
    #[prost(int32, tag = "2")]
    pub aggregation_temporality: i32,
    /// It never falls.
    #[prost(bool, tag = "3")]
    pub is_monotonic: bool,
}

/// `NumberDataPoint`.
#[derive(Clone, PartialEq, Message)]
pub struct OtlpNumber {
    /// When counting began.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// When the value held.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// The value.
    #[prost(double, optional, tag = "4")]
    pub as_double: Option<f64>,
    /// The labels.
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<OtlpAttribute>,
}

/// `ExponentialHistogram`.
#[derive(Clone, PartialEq, Message)]
pub struct OtlpHistogram {
    /// Its values.
    #[prost(message, repeated, tag = "1")]
    pub data_points: Vec<OtlpTimes>,
    /// Cumulative.
    #[prost(int32, tag = "2")]
    pub aggregation_temporality: i32,
}

/// `ExponentialHistogramDataPoint`.
#[derive(Clone, PartialEq, Message)]
pub struct OtlpTimes {
    /// The labels.
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<OtlpAttribute>,
    /// When counting began.
    #[prost(fixed64, tag = "2")]
    pub start_time_unix_nano: u64,
    /// When the counts held.
    #[prost(fixed64, tag = "3")]
    pub time_unix_nano: u64,
    /// All values.
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    /// Their sum in seconds.
    #[prost(double, optional, tag = "5")]
    pub sum: Option<f64>,
    /// The width of buckets.
    #[prost(sint32, tag = "6")]
    pub scale: i32,
    /// The counts.
    #[prost(message, optional, tag = "8")]
    pub positive: Option<OtlpBuckets>,
    /// The smallest value; missing without any, as the next.
    #[prost(double, optional, tag = "12")]
    pub min: Option<f64>,
    /// The largest value.
    #[prost(double, optional, tag = "13")]
    pub max: Option<f64>,
}

/// `Buckets`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct OtlpBuckets {
    /// The index of the first: one less than Prometheus'.
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    /// The counts, without gaps.
    #[prost(uint64, repeated, tag = "2")]
    pub bucket_counts: Vec<u64>,
}

/// The metrics at a moment, in nanoseconds since 1970, of a run that began at `start`.
pub fn request(families: &[MetricFamily], start: u64, at: u64) -> Vec<u8> {
    let metrics = families.iter().map(|family| metric(family, start, at));
    let scope =
        OtlpScope { name: "uringbench".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
    let scope_metrics = OtlpScopeMetrics { scope: Some(scope), metrics: metrics.collect() };
    let resource = OtlpResource { attributes: vec![attribute("service.name", "uringbench")] };
    let of_resource =
        OtlpResourceMetrics { resource: Some(resource), scope_metrics: vec![scope_metrics] };
    OtlpRequest { resource_metrics: vec![of_resource] }.encode_to_vec()
}

fn attribute(key: &str, value: &str) -> OtlpAttribute {
    let text = OtlpText { string_value: Some(value.to_owned()) };
    OtlpAttribute { key: key.to_owned(), value: Some(text) }
}

fn attributes(series: &MetricSeries) -> Vec<OtlpAttribute> {
    series.labels.iter().map(|(name, value)| attribute(name, value)).collect()
}

fn metric(family: &MetricFamily, start: u64, at: u64) -> OtlpMetric {
    let numbers: Vec<_> = family.series.iter().filter_map(|it| number(it, start, at)).collect();
    let times: Vec<_> = family.series.iter().filter_map(|it| self::times(it, start, at)).collect();
    let mut metric = OtlpMetric {
        name: family.name.to_owned(),
        description: family.help.to_owned(),
        unit: unit(family.name).to_owned(),
        ..OtlpMetric::default()
    };
    match family.kind {
        MetricKind::Gauge => metric.gauge = Some(OtlpGauge { data_points: numbers }),
        MetricKind::Counter => {
            metric.sum = Some(OtlpSum {
                data_points: numbers,
                aggregation_temporality: CUMULATIVE,
                is_monotonic: true,
            });
        }
        MetricKind::Histogram => {
            metric.exponential_histogram =
                Some(OtlpHistogram { data_points: times, aggregation_temporality: CUMULATIVE });
        }
    }
    metric
}

fn unit(name: &str) -> &'static str {
    match name {
        _ if name.ends_with("_seconds") => "s",
        _ if name.ends_with("_bytes_total") => "By",
        _ if name.ends_with("_percent") => "%",
        _ => "1",
    }
}

fn number(series: &MetricSeries, start: u64, at: u64) -> Option<OtlpNumber> {
    let MetricValue::Number(value) = series.value else { return None };
    Some(OtlpNumber {
        start_time_unix_nano: start,
        time_unix_nano: at,
        as_double: Some(value),
        attributes: attributes(series),
    })
}

fn times(series: &MetricSeries, start: u64, at: u64) -> Option<OtlpTimes> {
    let MetricValue::Times(times) = &series.value else { return None };
    let buckets = ExponentialBuckets::of(times, SCHEMA);
    let seconds = |ns: u64| (buckets.count > 0).then_some(ns as f64 / 1e9);
    Some(OtlpTimes {
        attributes: attributes(series),
        start_time_unix_nano: start,
        time_unix_nano: at,
        count: buckets.count,
        sum: Some(buckets.sum),
        scale: buckets.schema,
        positive: dense(&buckets),
        min: seconds(times.min()),
        max: seconds(times.max()),
    })
}

fn dense(buckets: &ExponentialBuckets) -> Option<OtlpBuckets> {
    let (&first, _) = buckets.counts.first_key_value()?;
    let (&last, _) = buckets.counts.last_key_value()?;
    let count = |index: i32| buckets.counts.get(&index).copied().unwrap_or_default();
    Some(OtlpBuckets { offset: first - 1, bucket_counts: (first..=last).map(count).collect() })
}
