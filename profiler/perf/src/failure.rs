//! Why an event cannot be opened, as cause and fix in one line.
//!
//! An error number of the kernel has different meanings for different requests;
//! [`Question::explain`] selects one purely from the request and the settings of the machine.

use rustix::io::Errno;
use thiserror::Error;

/// Why no event could be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PerfError {
    /// `kernel.perf_event_paranoid` requires more permissions than this user has.
    #[error(
        "kernel.perf_event_paranoid is {paranoid} and forbids this user to observe {what}; grant \
         CAP_PERFMON (container: `--cap-add PERFMON`), or `sysctl \
         kernel.perf_event_paranoid={wanted}`"
    )]
    Forbidden {
        /// The object to observe.
        what: &'static str,
        /// The current level.
        paranoid: i32,
        /// The highest level that permits it.
        wanted: i32,
    },
    /// The task belongs to another user, or is protected from tracing.
    #[error(
        "task {tid} belongs to another user or may not be traced; run as its user, or grant \
         CAP_PERFMON (container: `--cap-add PERFMON`)"
    )]
    OtherUser {
        /// The task.
        tid: u32,
    },
    /// The sandbox of a container forbids it.
    #[error(
        "a seccomp filter forbids perf_event_open; start the container with `--cap-add PERFMON` \
         or with a seccomp profile that allows it"
    )]
    Seccomp,
    /// The kernel has no perf events.
    #[error("this kernel has no perf events; boot one built with CONFIG_PERF_EVENTS")]
    NoPerf,
    /// The task does not exist, or has ended.
    #[error("task {tid} is gone; name one that runs")]
    TaskGone {
        /// The task.
        tid: u32,
    },
    /// This process or the system has no file descriptor left.
    #[error("no file descriptor left for another event; raise `ulimit -n` or name fewer tasks")]
    TooManyFiles,
    /// Control groups can only be observed by their folder in the unified hierarchy.
    #[error(
        "the directory is no cgroup2 directory; name one of the cgroup2 hierarchy (`findmnt -t \
         cgroup2` says where)"
    )]
    NotCgroup2,
    /// The CPU is offline or does not exist.
    #[error("CPU {cpu} is offline or does not exist; name CPUs that are online")]
    NoSuchCpu {
        /// The CPU.
        cpu: u32,
    },
    /// Not even one page may be locked for a ring.
    #[error(
        "no memory may be locked for a ring; raise `sysctl kernel.perf_event_mlock_kb` or \
         `ulimit -l`, or grant CAP_IPC_LOCK"
    )]
    NoRingMemory,
    /// The list of CPUs is empty.
    #[error("no CPU to sample on; name at least one")]
    NoCpus,
    /// Tasks can only be added to a session of tasks.
    #[error("this session observes no single tasks; open it with SampleScope::Tasks to add some")]
    NotOfTasks,
    /// The configuration is out of range.
    #[error("the sampling configuration is out of range; {0}")]
    BadRecipe(&'static str),
    /// Any other error, with the failed step.
    #[error("{step} failed ({errno}); `dmesg` may say more")]
    Other {
        /// The step that failed.
        step: &'static str,
        /// The kernel's error number.
        errno: Errno,
    },
}

/// The subject of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Everybody,
    Cgroup,
    Task(u32),
    /// A ring on this CPU, which observes no task.
    Ring(u32),
}

/// The request that the kernel rejected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question {
    pub(crate) subject: Subject,
    pub(crate) user_only: bool,
}

/// The restrictions that the machine states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Restrictions {
    /// `kernel.perf_event_paranoid`; `None` without perf events.
    pub(crate) paranoid: Option<i32>,
    /// Whether this process runs under a seccomp filter.
    pub(crate) has_seccomp: bool,
}

impl Restrictions {
    pub(crate) fn read() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let status = read("/proc/self/status");
        let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
        Self {
            paranoid: read("/proc/sys/kernel/perf_event_paranoid").trim().parse().ok(),
            has_seccomp: mode.is_some_and(|mode| mode.trim() == "2"),
        }
    }
}

impl Question {
    /// The meaning of the kernel's error on this machine.
    pub(crate) fn refused(self, errno: Errno) -> PerfError {
        self.explain(errno, Restrictions::read())
    }

    fn explain(self, errno: Errno, machine: Restrictions) -> PerfError {
        match (errno, self.subject) {
            (Errno::NOSYS | Errno::PERM, _) if machine.has_seccomp => PerfError::Seccomp,
            (Errno::NOSYS, _) => PerfError::NoPerf,
            (Errno::ACCESS | Errno::PERM, _) => self.forbidden(errno, machine),
            (Errno::SRCH, Subject::Task(tid)) => PerfError::TaskGone { tid },
            (Errno::MFILE | Errno::NFILE, _) => PerfError::TooManyFiles,
            (Errno::NOENT | Errno::BADF | Errno::NOTDIR, Subject::Cgroup) => PerfError::NotCgroup2,
            (Errno::INVAL | Errno::NODEV, Subject::Ring(cpu)) => PerfError::NoSuchCpu { cpu },
            _ => PerfError::Other { step: "perf_event_open", errno },
        }
    }

    fn forbidden(self, errno: Errno, machine: Restrictions) -> PerfError {
        let Some(paranoid) = machine.paranoid else { return PerfError::NoPerf };
        let (what, wanted) = match self.subject {
            Subject::Everybody => ("all tasks of a CPU", 0),
            Subject::Cgroup => ("the tasks of a cgroup", 0),
            Subject::Task(_) | Subject::Ring(_) if self.user_only => ("any task", 2),
            Subject::Task(_) | Subject::Ring(_) => ("the kernel's half of a task", 1),
        };
        match self.subject {
            _ if paranoid > wanted => PerfError::Forbidden { what, paranoid, wanted },
            Subject::Task(tid) => PerfError::OtherUser { tid },
            _ => PerfError::Other { step: "perf_event_open", errno },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(subject: Subject, user_only: bool, paranoid: i32, errno: Errno) -> PerfError {
        let machine = Restrictions { paranoid: Some(paranoid), has_seccomp: false };
        Question { subject, user_only }.explain(errno, machine)
    }

    #[test]
    fn a_refusal_names_the_level_that_would_do() {
        let wanted = |subject, user_only, paranoid| match refused(
            subject,
            user_only,
            paranoid,
            Errno::ACCESS,
        ) {
            PerfError::Forbidden { wanted, paranoid: stated, .. } => {
                assert_eq!(stated, paranoid);
                Some(wanted)
            }
            PerfError::OtherUser { tid: 7 } => None,
            other => panic!("{other}"),
        };
        assert_eq!(wanted(Subject::Everybody, false, 2), Some(0));
        assert_eq!(wanted(Subject::Cgroup, true, 1), Some(0));
        assert_eq!(wanted(Subject::Task(7), false, 2), Some(1));
        assert_eq!(wanted(Subject::Task(7), true, 4), Some(2));
        assert_eq!(wanted(Subject::Task(7), true, 2), None);
        assert_eq!(wanted(Subject::Task(7), false, 1), None);
        assert_eq!(wanted(Subject::Ring(0), true, 3), Some(2));
    }

    #[test]
    fn every_other_answer_has_its_cause() {
        let task = |errno| refused(Subject::Task(7), true, 2, errno);
        assert_eq!(task(Errno::SRCH), PerfError::TaskGone { tid: 7 });
        assert_eq!(task(Errno::MFILE), PerfError::TooManyFiles);
        assert_eq!(task(Errno::NOSYS), PerfError::NoPerf);
        assert_eq!(refused(Subject::Cgroup, true, 2, Errno::NOENT), PerfError::NotCgroup2);
        assert_eq!(
            refused(Subject::Ring(9), true, 2, Errno::NODEV),
            PerfError::NoSuchCpu { cpu: 9 }
        );
        let other = PerfError::Other { step: "perf_event_open", errno: Errno::TOOBIG };
        assert_eq!(task(Errno::TOOBIG), other);
        let question = Question { subject: Subject::Everybody, user_only: false };
        let sandbox = Restrictions { paranoid: Some(2), has_seccomp: true };
        assert_eq!(question.explain(Errno::PERM, sandbox), PerfError::Seccomp);
        assert_eq!(question.explain(Errno::NOSYS, sandbox), PerfError::Seccomp);
        let bare = Restrictions { paranoid: None, has_seccomp: false };
        assert_eq!(question.explain(Errno::ACCESS, bare), PerfError::NoPerf);
    }

    #[test]
    fn every_error_is_one_line_with_cause_and_remedy() {
        let errors = [
            PerfError::Forbidden { what: "any task", paranoid: 3, wanted: 2 },
            PerfError::OtherUser { tid: 7 },
            PerfError::Seccomp,
            PerfError::NoPerf,
            PerfError::TaskGone { tid: 7 },
            PerfError::TooManyFiles,
            PerfError::NotCgroup2,
            PerfError::NoSuchCpu { cpu: 9 },
            PerfError::NoRingMemory,
            PerfError::NoCpus,
            PerfError::NotOfTasks,
            PerfError::BadRecipe("take less"),
            PerfError::Other { step: "mmap", errno: Errno::INVAL },
        ];
        for error in errors {
            let text = error.to_string();
            assert!(!text.contains('\n') && !text.contains("  "), "{text}");
            assert!(text.contains("; "), "cause; fix: {text}");
        }
        let forbidden = errors[0].to_string();
        assert!(forbidden.contains("`sysctl kernel.perf_event_paranoid=2`"), "{forbidden}");
    }
}
