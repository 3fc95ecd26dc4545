//! The percentile distribution of the response times as HdrHistogram's tools print and plot it
//! (`.hgrm`), in milliseconds.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use uringbench_document::Document;

use crate::ExportError;

/// Steps for each halving of the distance to 100 %, as Java's tools have it.
const TICKS: u32 = 5;
/// Nanoseconds to milliseconds.
const SCALE: f64 = 1e6;

/// The distribution of a run.
///
/// # Errors
/// If its histogram is damaged.
pub fn text(run: &Document) -> Result<String, ExportError> {
    let histogram = run.histograms.response()?;
    let mut page = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS) {
        total += step.count_since_last_iteration();
        let (ms, quantile) = (step.value_iterated_to() as f64 / SCALE, step.quantile_iterated_to());
        // Writing to a string cannot fail, here and below.
        let _ = write!(page, "{ms:>12.3} {quantile:>2.12} {total:>10}");
        let _ = match quantile {
            q if q < 1.0 => writeln!(page, " {:>14.2}", 1.0 / (1.0 - q)),
            _ => writeln!(page),
        };
    }
    foot(&mut page, &histogram);
    Ok(page)
}

/// The lines that Java's tools end with.
fn foot(page: &mut String, histogram: &Histogram<u64>) {
    let (mean, deviation) = (histogram.mean() / SCALE, histogram.stdev() / SCALE);
    let (max, count) = (histogram.max() as f64 / SCALE, histogram.len());
    // Sub-buckets hold three decimal digits, and buckets reach from there to the largest value.
    let sub_buckets = 2 * 10_u64.pow(histogram.sigfig().into()).next_power_of_two();
    let buckets = (histogram.high() / sub_buckets).max(1).ilog2() + 2;
    let _ = writeln!(page, "#[Mean    = {mean:>12.3}, StdDeviation   = {deviation:>12.3}]");
    let _ = writeln!(page, "#[Max     = {max:>12.3}, Total count    = {count:>12}]");
    let _ = writeln!(page, "#[Buckets = {buckets:>12}, SubBuckets     = {sub_buckets:>12}]");
}
