//! Runs one program on one CPU and measures its cost: CPU time, peak memory, output.
//!
//! The cost is read from the process in the same way for every client, so that no client's own
//! accounting is used: CPU time from `/proc/PID/stat` after the process has ended and before it is
//! reaped (final, with all its threads), peak memory from `VmHWM` while it runs.

use std::io::Read;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Interval at which the peak memory is read and the process is checked for its end.
const POLL: Duration = Duration::from_millis(20);

/// The output and the cost of a program that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Whether it exited with status 0.
    pub(crate) success: bool,
    /// Everything it wrote to standard output.
    pub(crate) stdout: String,
    /// Everything it wrote to standard error.
    pub(crate) stderr: String,
    /// User and system time of all its threads and reaped children, in clock ticks (10 ms).
    pub(crate) cpu: Duration,
    /// Peak resident memory in bytes, last read at most [`POLL`] before the end.
    pub(crate) rss_peak_bytes: u64,
}

/// Runs `command` on `cpu` until it ends; after `limit` kills it and returns an error.
pub(crate) fn run(command: Command, cpu: usize, limit: Duration) -> Result<Finished, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = spawn_pinned(command, &[cpu])?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let pid = Pid::from_child(&child);
    let started = Instant::now();
    let mut rss_peak_bytes = 0;
    let mut killed = false;
    while !has_ended(pid)? {
        if let Some(peak) = rss_peak(pid) {
            rss_peak_bytes = peak;
        }
        if started.elapsed() > limit && !killed {
            child.kill().map_err(|e| format!("cannot stop {program}: {e}"))?;
            killed = true;
        }
        thread::sleep(POLL);
    }
    let cpu_time = cpu_time(pid);
    let status = child.wait().map_err(|e| format!("cannot wait for {program}: {e}"))?;
    if killed {
        return Err(format!("still running after {} s, killed", limit.as_secs()));
    }
    Ok(Finished {
        success: status.success(),
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
        cpu: cpu_time?,
        rss_peak_bytes,
    })
}

/// Starts `command` with its output piped and all its threads pinned to `cpus`.
pub(crate) fn spawn_pinned(mut command: Command, cpus: &[usize]) -> Result<Child, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A child inherits the affinity of the thread that starts it; this thread exists only for that.
    let cpus = cpus.to_vec();
    let starter = thread::spawn(move || {
        let mut set = CpuSet::new();
        cpus.iter().for_each(|&cpu| set.set(cpu));
        sched_setaffinity(None, &set).map_err(|e| {
            format!("cannot pin to CPU {cpus:?}: {e}; name CPUs this process may use")
        })?;
        command.spawn().map_err(|e| format!("cannot start {program}: {e}"))
    });
    starter.join().unwrap_or_else(|_| Err("the starting thread ended early".to_owned()))
}

/// Reads a pipe to its end on a separate thread, so that the child never blocks on it.
fn collect(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // The bytes that arrived before a broken pipe are still the output.
            pipe.read_to_end(&mut bytes).ok();
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Returns the first line that a child prints, and discards the rest of its output in the
/// background.
pub(crate) fn first_line(stdout: ChildStdout, wait: Duration) -> Option<String> {
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let mut reader = std::io::BufReader::new(stdout);
        let mut line = String::new();
        std::io::BufRead::read_line(&mut reader, &mut line).ok();
        sender.send(line).ok();
        std::io::copy(&mut reader, &mut std::io::sink()).ok();
    });
    receiver.recv_timeout(wait).ok()
}

fn has_ended(pid: Pid) -> Result<bool, String> {
    // NOWAIT keeps the ended process in the table, where its final CPU time can still be read.
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(pid), options) {
        Ok(status) => Ok(status.is_some()),
        Err(e) => Err(format!("cannot watch the client: {e}")),
    }
}

fn rss_peak(pid: Pid) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).ok()?;
    parse_rss_peak(&status)
}

fn parse_rss_peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn cpu_time(pid: Pid) -> Result<Duration, String> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
        .map_err(|e| format!("cannot read the client's CPU time: {e}"))?;
    let ticks = parse_cpu_ticks(&stat).ok_or("the client's /proc/PID/stat has no CPU time")?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_nanos(ticks * 1_000_000_000 / per_second))
}

/// The sum of utime, stime, cutime and cstime, fields 14 to 17 of proc_pid_stat(5); the name before
/// them may contain any bytes.
fn parse_cpu_ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let fields: Vec<u64> =
        after_name.split_whitespace().skip(11).take(4).map_while(|f| f.parse().ok()).collect();
    (fields.len() == 4).then(|| fields.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn a_cpu() -> usize {
        crate::machine::cpus_allowed()[0]
    }

    #[test]
    fn reads_cpu_ticks_past_a_name_with_spaces_and_parentheses() {
        let stat = "4242 (a ) b (c)) Z 1 4242 4242 0 -1 4228364 120 0 0 0 37 205 3 10 20 0 1 0";
        assert_eq!(parse_cpu_ticks(stat), Some(255));
        assert_eq!(parse_cpu_ticks("4242 (x) Z 1"), None);
    }

    #[test]
    fn reads_the_peak_and_not_the_present_memory() {
        let status = "Name:\twrk\nVmHWM:\t    4712 kB\nVmRSS:\t    4000 kB\n";
        assert_eq!(parse_rss_peak(status), Some(4712 * 1024));
        assert_eq!(parse_rss_peak("Name:\twrk\n"), None);
    }

    #[test]
    fn counts_cpu_time_of_the_program_and_its_output() {
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo out; echo err >&2";
        let done = run(shell(script), a_cpu(), Duration::from_secs(60)).unwrap();
        assert!(done.success);
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("out\n", "err\n"));
        assert!(done.cpu >= Duration::from_millis(10), "{:?}", done.cpu);
        assert!(done.rss_peak_bytes > 100 * 1024, "{}", done.rss_peak_bytes);
    }

    #[test]
    fn a_program_runs_on_the_named_cpu_alone() {
        let cpu = a_cpu();
        let script = "while read k v; do [ $k = Cpus_allowed_list: ] && echo $v; done \
                      < /proc/self/status";
        let done = run(shell(script), cpu, Duration::from_secs(10)).unwrap();
        assert_eq!(done.stdout.trim(), cpu.to_string());
    }

    #[test]
    fn failures_and_hangs_are_told_apart_from_success() {
        let failed = run(shell("exit 3"), a_cpu(), Duration::from_secs(10)).unwrap();
        assert!(!failed.success);
        let mut hang = Command::new("sleep");
        hang.arg("60");
        let error = run(hang, a_cpu(), Duration::from_millis(100)).unwrap_err();
        assert!(error.contains("killed"), "{error}");
        let absent = run(Command::new("/nonexistent/x"), a_cpu(), POLL).unwrap_err();
        assert!(absent.contains("cannot start"), "{absent}");
    }
}
