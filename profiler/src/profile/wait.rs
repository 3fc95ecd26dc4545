//! Waiting for work or blocked: the purpose of a wait, read from its stack. Pure.
//!
//! A server that waits in `epoll_wait` has nothing to do; one that waits for a lock, a disk or a
//! database is blocked. The innermost frames decide: the kernel's show the object of the wait, and
//! if that may be either (a futex, `poll`), the first user function that is not a waiting primitive
//! decides. Undecided waits are `Blocked`: better shown than hidden. Whether requests were in
//! flight is left to the windows of a view.

use super::Profile;
use crate::stack::{FrameKind, FrameName, StackId};

/// The purpose of a wait off the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OffCpuWait {
    /// The next connection, request, job or time: the thread had nothing to do.
    ForWork,
    /// Something that it needs to continue: a lock, a disk, an answer.
    Blocked,
}

/// The object of a wait, as far as one frame shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    /// An object that only idle threads wait for: a new connection, a timer, a signal, a child.
    Work,
    /// One of several files: an event loop, or a client library that waits for one answer.
    Files,
    /// A word in memory: a pool's queue or a lock.
    Word,
}

/// Frames of the scheduler and general waits, below the frame that decides.
const SCHEDULER: [&str; 5] = [
    "wait_woken",
    "finish_task_switch",
    "skb_recv_datagram",
    "freezer_do_not_count",
    "io_schedule",
];
const SCHEDULER_BEGINS: [&str; 6] = [
    "schedule",
    "__schedule",
    "preempt_schedule",
    "__skb_wait_for_more_packets",
    "__skb_recv_datagram",
    "perf_",
];

/// Kernel functions of Linux 5.10 to 6.18, which differ in what they inline.
const KERNEL: [(&str, On); 38] = [
    ("ep_poll", On::Files),
    ("ep_schedule_timeout", On::Files),
    ("do_epoll_wait", On::Files),
    ("do_epoll_pwait", On::Files),
    ("poll_schedule_timeout", On::Files),
    ("do_poll", On::Files),
    ("do_sys_poll", On::Files),
    ("do_select", On::Files),
    ("core_sys_select", On::Files),
    ("io_cqring_wait", On::Files),
    ("io_cqring_wait_schedule", On::Files),
    ("__io_cqring_wait_schedule", On::Files),
    ("io_cqring_schedule_timeout", On::Files),
    ("__skb_recv_udp", On::Files),
    ("inet_csk_accept", On::Work),
    ("inet_csk_wait_for_connect", On::Work),
    ("unix_accept", On::Work),
    ("vsock_accept", On::Work),
    ("do_nanosleep", On::Work),
    ("hrtimer_nanosleep", On::Work),
    ("do_sigtimedwait", On::Work),
    ("sigsuspend", On::Work),
    ("__x64_sys_rt_sigsuspend", On::Work),
    ("__x64_sys_pause", On::Work),
    ("__arm64_sys_rt_sigsuspend", On::Work),
    ("signalfd_dequeue", On::Work),
    ("do_wait", On::Work),
    ("kernel_waitid", On::Work),
    ("eventfd_read", On::Work),
    ("timerfd_read", On::Work),
    ("inotify_read", On::Work),
    ("io_sq_thread", On::Work),
    ("io_wq_worker", On::Work),
    ("futex_wait_queue", On::Word),
    ("futex_wait_queue_me", On::Word),
    ("futex_do_wait", On::Word),
    ("__futex_wait", On::Word),
    ("futex_wait", On::Word),
];

/// Functions of C libraries without leading underscores, for stacks without kernel frames.
const LIBRARY: [(&str, On); 29] = [
    ("epoll_wait", On::Files),
    ("epoll_pwait", On::Files),
    ("epoll_pwait2", On::Files),
    ("poll", On::Files),
    ("ppoll", On::Files),
    ("select", On::Files),
    ("pselect", On::Files),
    ("io_uring_enter", On::Files),
    ("io_uring_enter2", On::Files),
    ("io_uring_get_cqe", On::Files),
    ("io_uring_wait_cqe", On::Files),
    ("io_uring_wait_cqes", On::Files),
    ("io_uring_submit_and_wait", On::Files),
    ("io_uring::submit::Submitter::enter", On::Files),
    ("io_uring::submit::Submitter>::enter", On::Files),
    ("accept", On::Work),
    ("accept4", On::Work),
    ("nanosleep", On::Work),
    ("clock_nanosleep", On::Work),
    ("usleep", On::Work),
    ("sleep", On::Work),
    ("sigsuspend", On::Work),
    ("sigtimedwait", On::Work),
    ("sigwait", On::Work),
    ("sigwaitinfo", On::Work),
    ("pause", On::Work),
    ("wait4", On::Work),
    ("waitpid", On::Work),
    ("waitid", On::Work),
];

/// Largest distance of one of `LIBRARY` from the innermost user frame: cancellation wrappers.
const LIBRARY_DEPTH: usize = 6;

/// Prefixes of functions that wait for a lock, or for the end of another thread.
const LOCKS: [&str; 19] = [
    "lll_lock_wait",
    "pthread_mutex_",
    "pthread_rwlock_",
    "pthread_clockjoin",
    "pthread_join",
    "take_gil",
    "drop_gil",
    "lock_PyThread_acquire_lock",
    "uv_mutex_lock",
    "uv_thread_join",
    "std::sys::sync::mutex",
    "std::sys::sync::rwlock",
    "std::sys::sync::once",
    "std::sys::locks::",
    "std::thread::JoinHandle",
    "std::thread::join_handle",
    "parking_lot::raw_mutex",
    "parking_lot::raw_rwlock",
    "runtime.lock2",
];

/// Prefixes of functions that wait on behalf of their caller.
const PRIMITIVES: [&str; 29] = [
    "futex",
    "syscall",
    "timedwait",
    "cnd_",
    "pthread_cond_",
    "sem_",
    "new_sem_",
    "old_sem_",
    "PyCOND_",
    "PyThread_acquire_lock",
    "acquire_timed",
    "uv_cond_",
    "uv_sem_",
    "ngx_thread_cond_wait",
    "node::ConditionVariableBase",
    "node::LibuvMutexTraits::cond_",
    "std::",
    "core::",
    "alloc::",
    "parking_lot",
    "lock_api::",
    "tokio::loom::",
    "crossbeam_utils::sync::",
    "v8::base::ConditionVariable",
    "v8::base::Semaphore",
    "runtime.futex",
    "runtime.note",
    "runtime.mPark",
    "[",
];
/// Files whose functions without a name may be such primitives.
const PRIMITIVE_FILES: [&str; 6] =
    ["libc.so", "libc-", "libpthread", "ld-musl", "libc.musl", "libstdc++"];

/// Prefixes of functions that wait on a word for a job.
const POOLS: [&str; 27] = [
    "tokio::runtime::scheduler::",
    "tokio::runtime::park::",
    "tokio::runtime::blocking::pool::",
    "tokio::runtime::thread_pool::",
    "tokio::runtime::basic_scheduler::",
    "tokio::park::",
    "async_std::",
    "async_io::driver::",
    "async_executor::",
    "smol::",
    "blocking::Executor::",
    "rayon_core::sleep::",
    "rayon_core::registry::WorkerThread",
    "ngx_thread_pool_cycle",
    "node::(anonymous namespace)::PlatformWorkerThread",
    "node::(anonymous namespace)::WorkerThread",
    "node::TaskQueue<v8::Task>::BlockingPop",
    "node::TaskQueue<node::TaskQueueEntry>::BlockingPop",
    "node::WorkerThreadsTaskRunner",
    "node::inspector::",
    "v8::platform::DefaultWorkerThreadsTaskRunner",
    "v8::platform::DelayedTaskQueue",
    "queue_SimpleQueue_get",
    "runtime.stop",
    "runtime.find",
    "runtime.sysmon",
    "runtime.templateThread",
];
/// libuv's thread pool; too short a name for a prefix.
const POOL_OF_LIBUV: &str = "worker";

/// Prefixes of functions that wait on a file for an answer.
const CLIENTS: [&str; 22] = [
    "pqSocket",
    "pqWait",
    "PQ",
    "mysql_",
    "vio_",
    "redisBufferRead",
    "redisGetReply",
    "mongoc_",
    "curl_easy_",
    "curl_multi_",
    "Curl_",
    "res_context_",
    "res_nsend",
    "res_send",
    "getaddrinfo",
    "gethostbyname",
    "sock_recv",
    "sock_send",
    "sock_connect",
    "internal_connect",
    "rd_kafka_",
    "std::net::tcp::TcpStream::connect",
];

impl Profile {
    /// The purpose of the wait that ended with this stack.
    pub fn wait(&self, stack: StackId) -> OffCpuWait {
        let names: Vec<_> = self.stacks.leaf_first(stack).map(|frame| self.name(frame)).collect();
        classify(&names)
    }
}

/// The purpose of a wait, from the names of its stack, innermost first.
pub fn classify(leaf_first: &[&FrameName]) -> OffCpuWait {
    let is_kernel = |name: &&FrameName| name.kind == FrameKind::Kernel;
    let kernel_depth = leaf_first.iter().take_while(|name| is_kernel(name)).count();
    let (kernel, user) = leaf_first.split_at(kernel_depth);
    let on = if kernel.is_empty() {
        user.iter().take(LIBRARY_DEPTH).find_map(|name| told_by(&LIBRARY, plain(&name.function)))
    } else {
        told_by_kernel(kernel)
    };
    let asked_by_kernel_alone = !kernel.is_empty() && on.is_none();
    match on {
        _ if asked_by_kernel_alone => OffCpuWait::Blocked,
        Some(On::Work) => OffCpuWait::ForWork,
        Some(On::Files) => of_files(user),
        Some(On::Word) | None => of_word(user),
    }
}

/// The first frame outside of the scheduler decides, or none: a page fault inside of `epoll_wait`
/// is not a wait for events.
fn told_by_kernel(leaf_first: &[&FrameName]) -> Option<On> {
    leaf_first
        .iter()
        .map(|name| name.function.split('.').next().unwrap_or_default())
        .find(|name| !SCHEDULER.contains(name) && !begins_with(&SCHEDULER_BEGINS, name))
        .and_then(|name| told_by(&KERNEL, name))
}

fn of_files(user: &[&FrameName]) -> OffCpuWait {
    let is_client = |name: &&&FrameName| begins_with(&CLIENTS, plain(&name.function));
    if user.iter().any(|name| is_client(&name)) { OffCpuWait::Blocked } else { OffCpuWait::ForWork }
}

fn of_word(user: &[&FrameName]) -> OffCpuWait {
    for name in user {
        let function = plain(&name.function);
        if begins_with(&LOCKS, function) {
            return OffCpuWait::Blocked;
        }
        let is_primitive = begins_with(&PRIMITIVES, function)
            || function.contains("+fn@") && begins_with(&PRIMITIVE_FILES, &name.module);
        if !is_primitive {
            let is_pool = function == POOL_OF_LIBUV || begins_with(&POOLS, function);
            return if is_pool { OffCpuWait::ForWork } else { OffCpuWait::Blocked };
        }
    }
    OffCpuWait::Blocked
}

fn told_by(table: &[(&str, On)], name: &str) -> Option<On> {
    table.iter().find(|(known, _)| *known == name).map(|&(_, on)| on)
}

fn begins_with(table: &[&str], name: &str) -> bool {
    table.iter().any(|beginning| name.starts_with(beginning))
}

/// A user function's name without the differences between builds of a library: leading underscores,
/// glibc's `__GI_` and `__libc_`, Rust's `<` before a type, symbol versions.
fn plain(function: &str) -> &str {
    let name = function.trim_start_matches(['_', '<']);
    let name = name.strip_prefix("GI_").or_else(|| name.strip_prefix("libc_")).unwrap_or(name);
    let name = name.trim_start_matches('_');
    let name = name.split("@GLIBC").next().unwrap_or(name).trim_end_matches('@');
    name.strip_suffix("_nocancel").unwrap_or(name)
}

#[cfg(test)]
mod tests;
