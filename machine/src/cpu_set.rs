//! A set of CPU numbers in the kernel's list format: `0-3,8`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// CPU numbers, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuSet(BTreeSet<usize>);

impl CpuSet {
    /// The largest number of CPUs that a kernel can be built for (`NR_CPUS` on x86-64).
    const CPU_MAX: usize = 8_191;

    /// The ranges of `Cpus_allowed_list`, both ends included.
    pub fn from_ranges(ranges: &[(u32, u32)]) -> Self {
        ranges.iter().flat_map(|&(first, last)| first as usize..=last as usize).collect()
    }

    /// Whether this CPU is one of them.
    pub fn contains(&self, cpu: usize) -> bool {
        self.0.contains(&cpu)
    }

    /// The CPUs, in order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().copied()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the two have a CPU in common.
    pub fn intersects(&self, other: &Self) -> bool {
        !self.0.is_disjoint(&other.0)
    }

    /// Add one.
    pub fn insert(&mut self, cpu: usize) {
        self.0.insert(cpu);
    }

    /// Add all of another set.
    pub fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }
}

impl FromIterator<usize> for CpuSet {
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> Self {
        Self(cpus.into_iter().collect())
    }
}

impl FromStr for CpuSet {
    type Err = String;

    /// The empty text is the empty set, as in `/sys/devices/system/cpu/isolated`.
    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("`{text}` is not a list of CPUs such as 2-5,8");
        let mut set = BTreeSet::new();
        for part in text.trim().split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let cpu = |digits: &str| digits.parse::<usize>().map_err(|_| expected());
            let (first, last) = (cpu(first)?, cpu(last)?);
            if first > last || last > Self::CPU_MAX {
                return Err(expected());
            }
            set.extend(first..=last);
        }
        Ok(Self(set))
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges: Vec<(usize, usize)> = Vec::new();
        for cpu in self.iter() {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == cpu => *last = cpu,
                _ => ranges.push((cpu, cpu)),
            }
        }
        for (index, (first, last)) in ranges.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_lists_are_read_and_written_back() {
        for text in ["", "0", "0-3", "0-3,8", "1,3,5-6"] {
            assert_eq!(text.parse::<CpuSet>().unwrap().to_string(), text);
        }
        assert_eq!("3,2,1\n".parse::<CpuSet>().unwrap().to_string(), "1-3");
        assert_eq!(CpuSet::from_ranges(&[(0, 1), (4, 4)]).to_string(), "0-1,4");
        for text in ["a", "3-1", "1-", "-1", "0-4000000000", "1;2", "1 2"] {
            assert!(text.parse::<CpuSet>().is_err(), "{text}");
        }
    }
}
