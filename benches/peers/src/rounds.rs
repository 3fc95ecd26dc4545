//! Runs contenders in turn, round by round, and compares them within a round.
//!
//! Load from other programs on a shared machine slows it for minutes, so a ratio is taken between
//! two runs of one round, seconds apart, and the ratios are then summarised; it is never the ratio
//! of two medians.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::answers::{self, Answer};
use crate::clients::{Client, Load, Place, Programs};
use crate::measure;

/// Time for the start, for connecting and for writing results, in addition to the seconds under
/// load.
const OVERHEAD_MAX: Duration = Duration::from_secs(60);

/// One client under one load.
#[derive(Clone, Debug)]
pub(crate) struct Contender {
    /// Its name in the table.
    pub(crate) label: String,
    /// The client that runs.
    pub(crate) client: Client,
    /// The load that it applies.
    pub(crate) load: Load,
}

/// The measurements of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// The client's own report.
    pub(crate) answer: Answer,
    /// CPU time of the client per completed request, in µs, connecting included.
    pub(crate) cpu_us: f64,
    /// Peak resident memory in MiB.
    pub(crate) rss_mib: f64,
}

/// A contender's runs, one per round.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its name in the table.
    pub(crate) label: String,
    /// The client that ran.
    pub(crate) client: Client,
    /// One sample per round, or the reason why the run failed.
    pub(crate) samples: Vec<Result<Sample, String>>,
}

/// A median with the extremes around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The middle value (the mean of the two middle ones).
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// The largest.
    pub(crate) max: f64,
}

impl Spread {
    /// The spread of `values`; `None` if there are none.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self { median, min, max })
    }
}

impl Row {
    /// The samples of the runs that succeeded.
    pub(crate) fn measured(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().flatten()
    }

    /// The spread of one figure over the rounds that have it.
    pub(crate) fn spread(&self, figure: impl Fn(&Sample) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.measured().filter_map(figure).collect())
    }

    /// The ratio of this row's figure to the other's, in each round that has both.
    pub(crate) fn ratio(
        &self,
        other: &Self,
        figures: (impl Fn(&Sample) -> Option<f64>, impl Fn(&Sample) -> Option<f64>),
    ) -> Option<Spread> {
        let pairs = self.samples.iter().zip(&other.samples);
        let ratio = |(a, b): (&Result<Sample, _>, &Result<Sample, _>)| {
            let (a, b) = (figures.0(a.as_ref().ok()?)?, figures.1(b.as_ref().ok()?)?);
            (b > 0.0).then(|| a / b)
        };
        Spread::of(pairs.filter_map(ratio).collect())
    }

    /// The reasons why runs failed, and the runs that reported themselves as invalid.
    pub(crate) fn remarks(&self) -> Vec<String> {
        let failed: Vec<_> = self.samples.iter().filter_map(|run| run.as_ref().err()).collect();
        let invalid: Vec<_> =
            self.measured().filter_map(|run| run.answer.invalid.as_ref()).collect();
        let remark = |runs: Vec<&String>, what: &str| {
            let first = *runs.first()?;
            let (count, all) = (runs.len(), self.samples.len());
            Some(format!("{}: {count} of {all} runs {what}: {first}", self.label))
        };
        let remarks = [remark(failed, "failed"), remark(invalid, "call themselves invalid")];
        remarks.into_iter().flatten().collect()
    }
}

/// The machine, the programs and the number of rounds of the comparison.
#[derive(Debug)]
pub(crate) struct Bench {
    /// The clients that were found.
    pub(crate) programs: Programs,
    /// `HOST:PORT` of the target.
    pub(crate) address: String,
    /// The CPU that every client is pinned to.
    pub(crate) cpu: usize,
    /// The CPU that every server is pinned to.
    pub(crate) target_cpu: usize,
    /// The WebSocket echo server.
    pub(crate) echo: PathBuf,
    /// A folder for the files that clients write.
    pub(crate) scratch: PathBuf,
    /// Pause before each run, in which sockets close and the system settles.
    pub(crate) settle: Duration,
    /// The limit of open files for one process.
    pub(crate) open_files: u64,
    /// Runs that failed so far.
    pub(crate) failures: usize,
    /// Runs so far.
    pub(crate) runs: usize,
}

impl Bench {
    /// Runs the contenders whose program was found, `rounds` times in the given order.
    pub(crate) fn interleave(&mut self, contenders: Vec<Contender>, rounds: u32) -> Vec<Row> {
        let present = |contender: &Contender| self.programs.path(contender.client).is_some();
        let contenders: Vec<_> = contenders.into_iter().filter(present).collect();
        let row = |contender: &Contender| Row {
            label: contender.label.clone(),
            client: contender.client,
            samples: Vec::new(),
        };
        let mut rows: Vec<_> = contenders.iter().map(row).collect();
        for round in 1..=rounds {
            for (contender, row) in contenders.iter().zip(&mut rows) {
                let sample = self.run(contender);
                let said = match &sample {
                    Ok(Sample { answer, cpu_us, .. }) => {
                        format!("{:.0}/s, {cpu_us:.2} µs CPU per request", answer.rps)
                    }
                    Err(failure) => {
                        self.failures += 1;
                        format!("FAILED: {failure}")
                    }
                };
                eprintln!("  round {round}/{rounds}  {:<36} {said}", contender.label);
                row.samples.push(sample);
            }
        }
        rows
    }

    /// The reason why `connections` cannot be opened here, if there is one.
    pub(crate) fn too_few_files(&self, connections: u32) -> Option<String> {
        // In addition to the connections: ring, eventfds, logs, listening sockets.
        let needed = u64::from(connections) + 64;
        (self.open_files < needed).then(|| {
            format!(
                "SKIPPED {connections} connections: they need {needed} open files and the hard \
                 limit is {}; raise it (ulimit -Hn, or LimitNOFILE= of the service)",
                self.open_files
            )
        })
    }

    fn run(&mut self, contender: &Contender) -> Result<Sample, String> {
        let program = self.programs.path(contender.client).ok_or("it is absent")?;
        self.runs += 1;
        let out = self.scratch.join(self.runs.to_string());
        std::fs::create_dir_all(&out).map_err(|e| format!("cannot make {}: {e}", out.display()))?;
        let address = contender.load.server.as_ref().unwrap_or(&self.address).clone();
        let place = Place { address, cpu: self.cpu, out };
        let command = contender.client.command(program, &contender.load, &place);
        let seconds = contender.client.seconds_expected(&contender.load);
        let limit = Duration::from_secs(u64::from(seconds)) + OVERHEAD_MAX;
        thread::sleep(self.settle);
        let done = measure::run(command, self.cpu, limit)?;
        if !done.success {
            let output = if done.stderr.trim().is_empty() { &done.stdout } else { &done.stderr };
            let last = output.lines().rfind(|line| !line.trim().is_empty());
            return Err(format!("it exited with an error: {}", last.unwrap_or("no message")));
        }
        let answer = answers::parse(contender.client, &done.stdout)?;
        Ok(Sample {
            cpu_us: done.cpu.as_secs_f64() * 1e6 / answer.requests as f64,
            rss_mib: done.rss_peak_bytes as f64 / f64::from(1 << 20),
            answer,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cpu_us: &[Option<f64>]) -> Row {
        let sample = |cpu: &Option<f64>| {
            cpu.map(|cpu_us| Sample { cpu_us, ..Sample::default() })
                .ok_or_else(|| "refused".to_owned())
        };
        Row { label: "x".into(), client: Client::Wrk, samples: cpu_us.iter().map(sample).collect() }
    }

    fn cpu(sample: &Sample) -> Option<f64> {
        Some(sample.cpu_us)
    }

    #[test]
    fn medians_of_odd_and_even_numbers() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of(vec![]), None);
    }

    #[test]
    fn ratios_pair_the_runs_of_one_round() {
        // A machine that becomes 10 times slower affects both alike: the ratio is 2 in every round,
        // but the ratio of the medians would be 20 / 5.
        let (a, b) = (
            row(&[Some(2.0), Some(20.0), Some(200.0)]),
            row(&[Some(1.0), Some(10.0), Some(100.0)]),
        );
        let spread = a.ratio(&b, (cpu, cpu)).unwrap();
        assert_eq!(spread, Spread { median: 2.0, min: 2.0, max: 2.0 });
    }

    #[test]
    fn a_failed_run_takes_its_round_out_of_the_ratio_only() {
        let (a, b) = (row(&[Some(2.0), Some(9.0)]), row(&[Some(1.0), None]));
        assert_eq!(a.ratio(&b, (cpu, cpu)).unwrap().max, 2.0);
        assert_eq!(a.spread(cpu).unwrap().max, 9.0);
        assert_eq!(b.remarks(), ["x: 1 of 2 runs failed: refused"]);
        assert!(a.remarks().is_empty());
        assert_eq!(row(&[None]).ratio(&a, (cpu, cpu)), None);
    }

    #[test]
    fn a_run_that_calls_itself_invalid_is_named() {
        let mut row = row(&[Some(2.0), Some(9.0)]);
        row.samples[1].as_mut().unwrap().answer.invalid = Some("rate_missed".into());
        assert_eq!(row.remarks(), ["x: 1 of 2 runs call themselves invalid: rate_missed"]);
    }

    fn bench(program: &str) -> Bench {
        Bench {
            programs: Programs::find(program.into(), "/nonexistent/floor".into()),
            address: "127.0.0.1:9".into(),
            cpu: crate::machine::cpus_allowed()[0],
            target_cpu: crate::machine::cpus_allowed()[0],
            echo: "/nonexistent/echo".into(),
            scratch: std::env::temp_dir().join(format!("peers-test-{}", std::process::id())),
            settle: Duration::ZERO,
            open_files: 1024,
            failures: 0,
            runs: 0,
        }
    }

    #[test]
    fn a_client_that_cannot_run_is_counted_and_named() {
        let load = crate::cases::closed("/", 1, 1);
        let contender =
            |client: Client| Contender { label: client.name().into(), client, load: load.clone() };
        let mut bench = bench("/bin/false");
        let contenders = vec![contender(Client::Uringbench), contender(Client::Floor)];
        let rows = bench.interleave(contenders, 2);
        assert_eq!((bench.failures, bench.runs), (4, 4));
        assert!(rows[0].remarks()[0].contains("exited with an error"));
        assert!(rows[1].remarks()[0].contains("cannot start"));
        std::fs::remove_dir_all(&bench.scratch).unwrap();
    }

    #[test]
    fn too_few_files_is_said_with_its_remedy() {
        let bench = bench("/bin/false");
        assert_eq!(bench.too_few_files(512), None);
        assert!(bench.too_few_files(4096).unwrap().contains("ulimit -Hn"));
    }
}
