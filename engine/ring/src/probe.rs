//! What this kernel's io_uring can do, found out by trying.

use std::fmt;
use std::io;

use io_uring::{Builder, IoUring, opcode};
use thiserror::Error;

/// Optional abilities, and whether this kernel has them. A ring works without any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    /// `IORING_SETUP_SINGLE_ISSUER | DEFER_TASKRUN | TASKRUN_FLAG` (6.1): completions run when
    /// this thread asks, not by interrupting it.
    pub deferred_work: bool,
    /// `IORING_SETUP_SUBMIT_ALL` (5.18): one bad entry does not stop a batch.
    pub submit_all: bool,
    /// `IORING_SETUP_NO_SQARRAY` (6.6): one indirection less per submission.
    pub no_index_array: bool,
    /// Multishot receives (6.0): one submission, many receives.
    pub multishot_receive: bool,
    /// Registered ring descriptor (5.18): no descriptor look-up per call.
    pub registered_ring: bool,
    /// Sockets made and set up within the ring (6.7): no system calls per connection.
    pub ring_sockets: bool,
}

/// Why this process has no io_uring at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// The kernel has no such system call.
    #[error("this kernel has no io_uring; uringbench needs Linux 5.19 or newer")]
    NoSystemCall,
    /// The administrator switched it off.
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
    /// Each ability with whether it is there and the kernel version that brought it.
    pub fn rows(&self) -> Vec<(&'static str, bool, &'static str)> {
        vec![
            ("deferred task work", self.deferred_work, "6.1"),
            ("submit all", self.submit_all, "5.18"),
            ("no index array", self.no_index_array, "6.6"),
            ("multishot receive", self.multishot_receive, "6.0"),
            ("registered ring descriptor", self.registered_ring, "5.18"),
            ("sockets made within the ring", self.ring_sockets, "6.7"),
        ]
    }
}

impl fmt::Display for Features {
    /// The names of those that are there, for a result's host section.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let there = self.rows().into_iter().filter(|row| row.1).map(|row| row.0);
        f.write_str(&there.collect::<Vec<_>>().join(", "))
    }
}

/// Try what this kernel offers. Makes and drops a few small rings.
pub fn probe() -> Result<Features, Unavailable> {
    let plain: IoUring = IoUring::builder().build(8).map_err(|error| unavailable(&error))?;
    let mut known = io_uring::Probe::new();
    plain.submitter().register_probe(&mut known).map_err(|error| unavailable(&error))?;
    if !known.is_supported(opcode::AsyncCancel2::CODE) {
        return Err(Unavailable::TooOld { ability: "cancellation" });
    }
    // MSG_RING to a table slot and provided-buffer rings came with 5.19; SOCKET did as well and
    // is what the probe can see.
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
    })
}

fn set_deferred_work(builder: &mut Builder) {
    builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag();
}

/// A builder with everything the kernel has.
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

fn unavailable(error: &io::Error) -> Unavailable {
    match error.raw_os_error() {
        Some(libc::ENOSYS) => Unavailable::NoSystemCall,
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
        assert!(of(libc::ENOSYS).contains("Linux 5.19"));
        let forbidden = of(libc::EPERM);
        assert!(forbidden.contains("seccomp") || forbidden.contains("sysctl"), "{forbidden}");
        assert!(of(libc::EINVAL).contains("cannot be set up"));
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
        };
        assert!(builder(&none).build(8).is_ok());
        assert_eq!(none.to_string(), "");
    }
}
