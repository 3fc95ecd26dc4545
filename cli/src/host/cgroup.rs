//! The CPU quota of a process's cgroup, and how often ours has held us back. Versions 1 and 2.

use std::path::PathBuf;

use crate::host::line_of;

/// How many CPUs' worth of time the cgroup of a process (`self` or a number) may use; `None` when
/// it is not limited.
pub(crate) fn cpu_quota(process: &str) -> Option<f64> {
    first(process, |directory| {
        if let Some(max) = line_of(directory.join("cpu.max")) {
            return quota(&max);
        }
        let micros = line_of(directory.join("cpu.cfs_quota_us"))?;
        quota(&format!("{micros} {}", line_of(directory.join("cpu.cfs_period_us"))?))
    })
}

/// Periods in which our cgroup was stopped for having used up its quota, since it was made.
pub(crate) fn throttled_periods() -> Option<u64> {
    first("self", |directory| throttled(&line_of(directory.join("cpu.stat"))?))
}

/// The first answer among the directories that may hold the cgroup's CPU files.
fn first<T>(process: &str, read: impl Fn(&PathBuf) -> Option<T>) -> Option<T> {
    let memberships = line_of(format!("/proc/{process}/cgroup"))?;
    directories(&memberships).iter().find_map(read)
}

/// Those directories, the likeliest first.
fn directories(memberships: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in memberships.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let path = path.trim_start_matches('/');
        if controllers.is_empty() {
            // Version 2; beside version 1 it is mounted one level down. In a container the path
            // may be the host's, and ours is the root.
            for mount in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
                found.push(PathBuf::from(mount).join(path));
                found.push(PathBuf::from(mount));
            }
        } else if controllers.split(',').any(|controller| controller == "cpu") {
            found.push(PathBuf::from("/sys/fs/cgroup/cpu").join(path));
            found.push(PathBuf::from("/sys/fs/cgroup").join(controllers).join(path));
        }
    }
    found
}

/// `<microseconds> <period>`, where no limit is `max` (version 2) or `-1` (version 1).
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

    #[test]
    fn our_directory_is_looked_for_where_it_is_mounted() {
        let v2 = directories("0::/user.slice/x.scope\n");
        assert_eq!(v2.first(), Some(&PathBuf::from("/sys/fs/cgroup/user.slice/x.scope")));
        assert!(v2.contains(&PathBuf::from("/sys/fs/cgroup")));
        let v1 = directories("3:cpuset:/a\n2:cpu,cpuacct:/b/c\n");
        assert!(v1.contains(&PathBuf::from("/sys/fs/cgroup/cpu,cpuacct/b/c")));
        assert!(!v1.iter().any(|path| path.ends_with("a")));
    }
}
