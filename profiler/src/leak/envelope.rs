//! From readings to windows: the lowest reading of each, because a heap needs at least what it
//! cannot free.
//!
//! A sawtooth (batches freed at once) is recognised by its drops; the windows then grow until each
//! holds a whole tooth. Teeth too long for the run are not hidden: their height is returned, to
//! widen the interval of the slope.

use uringbench_core::statistics::median;

use super::{Axis, Point};

/// Windows of a run of five minutes and more are at least this long.
const WINDOW_SECONDS: f64 = 10.0;
/// Windows of a shorter run, and the most in a long run.
const WINDOWS_SHORT: f64 = 30.0;
const WINDOWS_MAX: f64 = 90.0;
/// This many windows remain, however long the teeth are.
const WINDOWS_MIN: f64 = 8.0;
/// A fall within this many readings, by this share of the variation around the trend, is a drop, if
/// neighbours usually differ by less than this part of it: otherwise it is noise.
const DROP_READINGS: usize = 3;
const DROP_SHARE: f64 = 0.4;
const DROP_USUAL_CHANGES: f64 = 6.0;

/// The lowest reading of each window.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    /// Its position on the axis: requests or hours.
    pub(super) x: Vec<f64>,
    /// Its time in seconds.
    pub(super) t_s: Vec<f64>,
    /// Its value.
    pub(super) y: Vec<f64>,
    /// Length of a window.
    pub(super) window_s: f64,
    /// Height of the teeth that are longer than a window; 0 without such teeth.
    pub(super) unseen_drop: f64,
}

/// The envelope of `points`, which are not empty.
pub(super) fn envelope(points: &[Point], axis: Axis) -> Envelope {
    let (first, last) = (points[0].t_s, points[points.len() - 1].t_s);
    let span = last - first;
    let least = (span / WINDOWS_MAX).max((span / WINDOWS_SHORT).min(WINDOW_SECONDS));
    let teeth = teeth(points);
    let whole_tooth = 1.1 * teeth.longest_s;
    let most = span / WINDOWS_MIN;
    let window_s = whole_tooth.min(most).max(least);
    let unseen_drop = if whole_tooth > window_s { teeth.height } else { 0.0 };
    let mut envelope =
        Envelope { x: Vec::new(), t_s: Vec::new(), y: Vec::new(), window_s, unseen_drop };
    let number = |point: &Point| ((point.t_s - first) / window_s) as usize;
    for window in points.chunk_by(|a, b| number(a) == number(b)) {
        // A partial window at the end may have no low reading.
        if last - first - number(&window[0]) as f64 * window_s < 0.8 * window_s {
            continue;
        }
        let lowest = window.iter().min_by(|a, b| a.value.total_cmp(&b.value));
        if let Some(point) = lowest {
            envelope.x.push(match axis {
                Axis::Requests => point.requests as f64,
                Axis::Hours => point.t_s / 3_600.0,
            });
            envelope.t_s.push(point.t_s);
            envelope.y.push(point.value);
        }
    }
    envelope
}

struct Teeth {
    /// The longest time without a drop, including start and end; 0 without drops.
    longest_s: f64,
    /// The largest drop.
    height: f64,
}

fn teeth(points: &[Point]) -> Teeth {
    let mut changes: Vec<f64> =
        points.windows(2).map(|pair| (pair[1].value - pair[0].value).abs()).collect();
    let usual = median(&mut changes).unwrap_or(0.0);
    let threshold = (DROP_SHARE * range_about_line(points)).max(DROP_USUAL_CHANGES * usual);
    let mut drops = Vec::new();
    let mut height = 0.0_f64;
    let mut since = 0;
    for at in 1..points.len() {
        let from = since.max(at.saturating_sub(DROP_READINGS));
        let before = points[from..at].iter().map(|p| p.value).fold(f64::NEG_INFINITY, f64::max);
        let drop = before - points[at].value;
        if threshold > 0.0 && drop >= threshold {
            drops.push(points[at].t_s);
            height = height.max(drop);
            since = at;
        }
    }
    if drops.is_empty() {
        return Teeth { longest_s: 0.0, height };
    }
    let mut edges = vec![points[0].t_s];
    edges.extend(drops);
    edges.push(points[points.len() - 1].t_s);
    let longest_s = edges.windows(2).map(|gap| gap[1] - gap[0]).fold(0.0, f64::max);
    Teeth { longest_s, height }
}

/// The range of the values about their least-squares line in time.
fn range_about_line(points: &[Point]) -> f64 {
    let n = points.len() as f64;
    let t_mean = points.iter().map(|p| p.t_s).sum::<f64>() / n;
    let mean = points.iter().map(|p| p.value).sum::<f64>() / n;
    let with = |p: &Point| (p.t_s - t_mean) * (p.value - mean);
    let squares: f64 = points.iter().map(|p| (p.t_s - t_mean).powi(2)).sum();
    let slope = points.iter().map(with).sum::<f64>() / squares.max(f64::MIN_POSITIVE);
    let off = points.iter().map(|p| p.value - slope * p.t_s);
    let (low, high) = off.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    high - low
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(n: u32, value: impl Fn(f64) -> f64) -> Vec<Point> {
        let at =
            |t: u32| Point { t_s: t.into(), requests: u64::from(t) * 100, value: value(t.into()) };
        (0..n).map(at).collect()
    }

    #[test]
    fn windows_keep_the_lowest_reading_and_where_it_was() {
        let rising = envelope(&points(300, |t| t), Axis::Requests);
        assert_eq!((rising.y.len(), rising.window_s, rising.unseen_drop), (30, 299.0 / 30.0, 0.0));
        assert_eq!((rising.y[1], rising.x[1], rising.t_s[1]), (10.0, 1_000.0, 10.0));
        let hours = envelope(&points(7_201, |t| t), Axis::Hours);
        assert_eq!((hours.y.len(), hours.window_s, hours.x[45]), (90, 80.0, 1.0));
    }

    #[test]
    fn windows_hold_a_whole_tooth_or_say_how_high_it_is() {
        let short = envelope(&points(600, |t| t % 20.0), Axis::Requests);
        assert!(short.window_s >= 20.0 && short.unseen_drop == 0.0, "{}", short.window_s);
        assert!(short.y[1..].iter().all(|&y| y == 0.0), "{:?}", short.y);
        let long = envelope(&points(600, |t| t % 250.0), Axis::Requests);
        assert!(long.unseen_drop >= 245.0, "{}", long.unseen_drop);
    }

    #[test]
    fn a_jump_up_is_no_drop() {
        let step = envelope(&points(300, |t| if t < 150.0 { 0.0 } else { 50.0 }), Axis::Requests);
        assert_eq!((step.unseen_drop, step.y.len()), (0.0, 30));
    }
}
