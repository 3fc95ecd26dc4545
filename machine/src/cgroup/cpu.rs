//! The CPU quota of a process's control group, and how often ours has been throttled.

use std::path::Path;

use super::{MOUNT, Memberships};
use crate::line_of;

/// The CPU time that the group of a process (`self` or a number) may use, in CPUs; `None` without a
/// limit.
pub fn cpu_quota(process: &str) -> Option<f64> {
    first(&Memberships::of(process)?, |folder| {
        if let Some(max) = line_of(folder.join("cpu.max")) {
            return quota(&max);
        }
        let micros = line_of(folder.join("cpu.cfs_quota_us"))?;
        quota(&format!("{micros} {}", line_of(folder.join("cpu.cfs_period_us"))?))
    })
}

/// Periods in which the group of a process (`self` or a number) was throttled because its quota was
/// used up, since its creation.
pub fn throttled_periods(process: &str) -> Option<u64> {
    first(&Memberships::of(process)?, |folder| throttled(&line_of(folder.join("cpu.stat"))?))
}

/// The first result from the folders that may contain the group's CPU files. In a container the
/// path may be the host's, and the visible root is then the group.
fn first<T>(memberships: &Memberships, read: impl Fn(&Path) -> Option<T>) -> Option<T> {
    memberships
        .with(Path::new(MOUNT), "cpu")
        .find_map(|group| read(&group.folder()).or_else(|| read(&group.root)))
}

/// `<microseconds> <period>`; no limit is `max` (version 2) or `-1` (version 1).
fn quota(text: &str) -> Option<f64> {
    let (micros, period) = text.split_once(' ')?;
    let (micros, period) = (micros.parse::<u64>().ok()?, period.parse::<u64>().ok()?);
    (period > 0).then(|| micros as f64 / period as f64)
}

fn throttled(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_and_throttling_are_read_in_both_versions() {
        assert_eq!(quota("150000 100000"), Some(1.5));
        assert_eq!(quota("max 100000"), None);
        assert_eq!(quota("-1 100000"), None);
        assert_eq!(throttled("usage_usec 5\nnr_periods 9\nnr_throttled 3\n"), Some(3));
        assert_eq!(throttled("usage_usec 5\n"), None);
    }
}
