//! The abilities of this kernel's io_uring, found by trying.

use std::fmt;
use std::io;

use io_uring::{Builder, IoUring, opcode};
use thiserror::Error;

/// Optional abilities of this kernel. A ring works without any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// `IORING_SETUP_SINGLE_ISSUER | DEFER_TASKRUN | TASKRUN_FLAG` (6.1): completions run when this
    /// thread asks for them, not by interrupting it.
    pub deferred_work: bool,
    /// `IORING_SETUP_SUBMIT_ALL` (5.18): one bad entry does not stop a batch.
    pub submit_all: bool,
    /// `IORING_SETUP_NO_SQARRAY` (6.6): one indirection less per submission.
    pub no_index_array: bool,
    /// Multishot receives (6.0): one submission, many receives.
    pub multishot_receive: bool,
    /// Registered ring descriptor (5.18): no descriptor look-up per call.
    pub registered_ring: bool,
    /// Sockets created and configured within the ring (6.7): no system calls per connection.
    pub ring_sockets: bool,
    /// Sockets of the ring can get a descriptor (6.8), through which TCP's state is read.
    pub tcp_info: bool,
    /// `IORING_FEAT_MIN_TIMEOUT` (6.12): a wait for several completions that settles for one after
    /// a while.
    pub minimum_wait: bool,
}

/// One ability, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ability {
    /// Its name.
    pub name: &'static str,
    /// Whether this kernel has it.
    pub is_there: bool,
    /// The version of Linux that introduced it.
    pub since: &'static str,
    /// The effect of its absence on a load.
    pub without: &'static str,
}

/// Why this process has no io_uring at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// The kernel has no such system call.
    #[error("this kernel has no io_uring; uringbench needs Linux 5.19 or newer")]
    NoSystemCall,
    /// The kernel is new enough for it, but it is missing.
    #[error(
        "io_uring is hidden here though Linux {release} has it, most likely by a seccomp filter \
         (of a container or a service): run outside of it or allow io_uring_setup, io_uring_enter \
         and io_uring_register; or this kernel is built without CONFIG_IO_URING"
    )]
    Hidden {
        /// The output of `uname -r`.
        release: String,
    },
    /// The limit of locked memory, to which rings are charged, is reached.
    #[error(
        "io_uring gets no memory (ENOMEM) and this process may lock {limit}, or use fewer --cores"
    )]
    NoMemory {
        /// The limit of locked memory (`ulimit -l`) in words, with the fix.
        limit: String,
    },
    /// The administrator disabled it.
    #[error(
        "io_uring is switched off (kernel.io_uring_disabled={level}); \
         `sysctl -w kernel.io_uring_disabled=0` as root allows it"
    )]
    Disabled {
        /// The sysctl's value: 1 for unprivileged processes, 2 for all.
        level: String,
    },
    /// A sandbox forbids the system call.
    #[error(
        "io_uring is forbidden here, most likely by a container's seccomp profile; run with \
         `--security-opt seccomp=unconfined` (Docker) or outside the container"
    )]
    Forbidden,
    /// It is there but too old.
    #[error("this kernel's io_uring lacks {ability}; uringbench needs Linux 5.19 or newer")]
    TooOld {
        /// What is missing.
        ability: &'static str,
    },
    /// Anything else.
    #[error("io_uring cannot be set up: {0}")]
    Other(String),
}

impl Features {
    /// The abilities.
    pub fn abilities(&self) -> [Ability; 8] {
        let costs = "it costs more CPU per request";
        [
            ("deferred task work", self.deferred_work, "6.1", costs),
            ("submit all", self.submit_all, "5.18", costs),
            ("no index array", self.no_index_array, "6.6", costs),
            ("multishot receive", self.multishot_receive, "6.0", costs),
            ("registered ring descriptor", self.registered_ring, "5.18", costs),
            (
                "sockets made within the ring",
                self.ring_sockets,
                "6.7",
                "a new connection costs four system calls",
            ),
            (
                "TCP state of connections",
                self.tcp_info,
                "6.8",
                "retransmits are known of the whole machine, round trips not at all",
            ),
            ("minimum wait", self.minimum_wait, "6.12", "`--wait batch` is refused"),
        ]
        .map(|(name, is_there, since, without)| Ability { name, is_there, since, without })
    }
}

impl fmt::Display for Features {
    /// The names of the available ones, for a result's host section.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there = self.abilities().into_iter().filter(|ability| ability.is_there);
        f.write_str(&there.map(|ability| ability.name).collect::<Vec<_>>().join(", "))
    }
}

/// Try the abilities of this kernel. Creates and drops a few small rings.
pub fn probe() -> Result<Features, Unavailable> {
    let plain: IoUring = IoUring::builder().build(8).map_err(|error| unavailable(&error))?;
    let mut known = io_uring::Probe::new();
    plain.submitter().register_probe(&mut known).map_err(|error| unavailable(&error))?;
    if !known.is_supported(opcode::AsyncCancel2::CODE) {
        return Err(Unavailable::TooOld { ability: "cancellation" });
    }
    // MSG_RING to a table slot and provided-buffer rings came with 5.19; SOCKET did as well, and
    // the probe can see that.
    if !known.is_supported(opcode::Socket::CODE) {
        return Err(Unavailable::TooOld { ability: "provided-buffer rings" });
    }
    // 6.0 brought both multishot receives and zero-copy sends; the probe sees the latter.
    let multishot_receive = known.is_supported(opcode::SendZc::CODE);
    // 6.7 brought socket options within the ring, and futexes, which the probe sees.
    let ring_sockets = known.is_supported(opcode::FutexWait::CODE);
    let registered_ring = plain.submitter().register_ring_fd().is_ok();
    let works = |set: fn(&mut Builder)| {
        let mut builder = IoUring::builder();
        set(&mut builder);
        builder.build(8).is_ok()
    };
    Ok(Features {
        deferred_work: works(set_deferred_work),
        submit_all: works(|builder| {
            builder.setup_submit_all();
        }),
        no_index_array: works(|builder| {
            builder.setup_no_sqarray();
        }),
        multishot_receive,
        registered_ring,
        ring_sockets,
        tcp_info: known.is_supported(opcode::FixedFdInstall::CODE),
        minimum_wait: plain.params().is_feature_min_timeout(),
    })
}

fn set_deferred_work(builder: &mut Builder) {
    builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag();
}

/// A builder with all abilities of the kernel.
pub(crate) fn builder(features: &Features) -> Builder {
    let mut builder = IoUring::builder();
    if features.deferred_work {
        set_deferred_work(&mut builder);
    }
    if features.submit_all {
        builder.setup_submit_all();
    }
    if features.no_index_array {
        builder.setup_no_sqarray();
    }
    builder
}

/// `uname -r`.
fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// ENOSYS on a kernel of this release: io_uring came with 5.1, so a newer one hides it.
fn no_system_call(release: &str) -> Unavailable {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= FIRST_RELEASE => {
            Unavailable::Hidden { release: release.to_owned() }
        }
        _ => Unavailable::NoSystemCall,
    }
}

/// The first kernel that is new enough for uringbench.
const FIRST_RELEASE: (u32, u32) = (5, 19);

/// Locked memory that a process with this limit may have, and how it gets more.
fn locked_memory(limit: Option<u64>) -> String {
    const RAISE: &str =
        "raise it (`ulimit -l unlimited`, `LimitMEMLOCK=infinity`, `--ulimit memlock=-1`)";
    match limit {
        None => "any amount: free memory of the machine or of the cgroup".to_owned(),
        Some(0) => format!("no memory at all (ulimit -l is 0): {RAISE}"),
        Some(bytes) => format!("{} KiB of memory (ulimit -l): {RAISE}", bytes >> 10),
    }
}

fn unavailable(error: &io::Error) -> Unavailable {
    match error.raw_os_error() {
        Some(libc::ENOSYS) => no_system_call(&release()),
        Some(libc::ENOMEM) => {
            let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
            Unavailable::NoMemory { limit: locked_memory(limit) }
        }
        Some(libc::EPERM | libc::EACCES) => {
            match std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled") {
                Ok(level) if level.trim() != "0" => {
                    Unavailable::Disabled { level: level.trim().to_owned() }
                }
                _ => Unavailable::Forbidden,
            }
        }
        _ => Unavailable::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_names_cause_and_remedy() {
        let of = |errno| unavailable(&io::Error::from_raw_os_error(errno)).to_string();
        assert!(of(libc::ENOMEM).contains("(ENOMEM) and this process may lock "));
        let without = |release| no_system_call(release).to_string();
        for old in ["5.18.0-generic", "4.19.300", "odd"] {
            assert!(without(old).contains("needs Linux 5.19"), "{old}");
        }
        for new in ["6.18.5", "5.19.0", "10.0-rc1"] {
            assert!(without(new).contains("seccomp") && without(new).contains(new), "{new}");
        }
        let forbidden = of(libc::EPERM);
        assert!(forbidden.contains("seccomp") || forbidden.contains("sysctl"), "{forbidden}");
        assert!(of(libc::EINVAL).contains("cannot be set up"));
    }

    #[test]
    fn the_limit_of_locked_memory_is_named_as_it_is() {
        for (limit, expected) in [
            (
                Some(0),
                "may lock no memory at all (ulimit -l is 0): raise it (`ulimit -l unlimited`",
            ),
            (
                Some(64 << 10),
                "may lock 64 KiB of memory (ulimit -l): raise it (`ulimit -l unlimited`",
            ),
            (
                None,
                "may lock any amount: free memory of the machine or of the cgroup, or use fewer",
            ),
        ] {
            let why = Unavailable::NoMemory { limit: locked_memory(limit) }.to_string();
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn a_kernel_that_lacks_every_option_still_gets_a_ring() {
        let none = Features {
            deferred_work: false,
            submit_all: false,
            no_index_array: false,
            multishot_receive: false,
            registered_ring: false,
            ring_sockets: false,
            tcp_info: false,
            minimum_wait: false,
        };
        assert!(builder(&none).build(8).is_ok());
        assert_eq!(none.to_string(), "");
    }
}
