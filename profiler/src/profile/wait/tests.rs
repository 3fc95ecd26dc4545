//! Stacks as they were sampled when threads left their CPUs (Linux 6.18, glibc 2.36), innermost
//! first, shortened at their roots: nginx 1.22, Node 18, CPython 3.11, Rust 1.9x. Those of tokio
//! and Go are written from their sources.

use super::*;
use crate::profile::fixture;

/// The way from a system call to the user's frames.
const ENTRY: &str = "do_syscall_64_[k] < entry_SYSCALL_64_after_hwframe_[k]";
const FUTEX: &str = "schedule_[k] < futex_do_wait_[k] < __futex_wait_[k] < futex_wait_[k] < \
                     do_futex_[k] < __x64_sys_futex_[k]";
const EPOLL: &str = "schedule_[k] < schedule_hrtimeout_range_clock_[k] < do_epoll_wait_[k]";
const POLL: &str = "schedule_[k] < schedule_hrtimeout_range_clock_[k] < \
                    poll_schedule_timeout.constprop.0_[k] < do_sys_poll_[k] < __x64_sys_poll_[k]";

fn classified(parts: &[&str]) -> OffCpuWait {
    let names: Vec<_> =
        parts.iter().flat_map(|part| part.split(" < ")).map(fixture::frame_name).collect();
    classify(&names.iter().collect::<Vec<_>>())
}

fn all_are(expected: OffCpuWait, stacks: &[&[&str]]) {
    for stack in stacks {
        assert_eq!(classified(stack), expected, "{}", stack.join(" < "));
    }
}

#[test]
fn event_loops_wait_for_work() {
    all_are(
        OffCpuWait::ForWork,
        &[
            &[
                EPOLL,
                "__x64_sys_epoll_wait_[k]",
                ENTRY,
                "epoll_wait!libc.so.6",
                "nginx+fn@53f80",
                "ngx_process_events_and_timers!nginx",
                "ngx_master_process_cycle!nginx",
            ],
            &[
                EPOLL,
                "do_epoll_pwait.part.0_[k] < __x64_sys_epoll_pwait_[k]",
                ENTRY,
                "epoll_pwait!libc.so.6 < uv__io_poll < uv_run < node::SpinEventLoopInternal",
            ],
            &[
                "schedule_[k] < schedule_hrtimeout_range_[k] < ep_poll_[k] < do_epoll_wait_[k]",
                ENTRY,
                "epoll_wait!libc.so.6 < select_epoll_poll < _PyEval_EvalFrameDefault",
                "select (selectors.py)_[i] < _run_once_[i]!base_events.py",
            ],
            &[
                POLL,
                ENTRY,
                "__GI___poll!libc.so.6 < select_poll_poll < _PyEval_EvalFrameDefault",
                "serve_forever_[i]!socketserver.py",
            ],
            &[
                "__schedule_[k] < schedule_[k] < io_cqring_wait_[k] < __do_sys_io_uring_enter_[k]",
                ENTRY,
                "syscall!libc.so.6 < io_uring::submit::Submitter::enter",
            ],
            &[
                EPOLL,
                ENTRY,
                "epoll_wait!libc.so.6 < mio::poll::Poll::poll",
                "tokio::runtime::io::driver::Driver::turn",
            ],
            &["schedule_[k] < do_select_[k] < core_sys_select_[k]", ENTRY, "[truncated]"],
        ],
    );
}

#[test]
fn those_that_accept_sleep_or_mind_children_wait_for_work() {
    all_are(
        OffCpuWait::ForWork,
        &[
            &[
                "schedule_[k] < schedule_timeout_[k] < inet_csk_accept_[k] < inet_accept_[k]",
                ENTRY,
                "accept4!libc.so.6 < <std::net::tcp::TcpListener>::accept",
            ],
            &[
                "schedule_timeout_[k] < __skb_wait_for_more_packets_[k] < __skb_recv_datagram_[k]",
                "skb_recv_datagram_[k] < unix_accept_[k] < do_accept_[k]",
                ENTRY,
            ],
            &[
                "schedule_[k] < do_nanosleep_[k] < hrtimer_nanosleep_[k]",
                ENTRY,
                "clock_nanosleep!libc.so.6 < time_sleep",
            ],
            &[
                "schedule_[k] < sigsuspend_[k] < __x64_sys_rt_sigsuspend_[k]",
                ENTRY,
                "__sigsuspend!libc.so.6 < ngx_master_process_cycle!nginx",
            ],
            &["schedule_[k] < do_wait_[k] < kernel_wait4_[k]", ENTRY, "__GI___wait4 < os_waitpid"],
        ],
    );
}

#[test]
fn threads_of_a_pool_wait_for_work() {
    all_are(
        OffCpuWait::ForWork,
        &[
            &[
                FUTEX,
                ENTRY,
                "__futex_abstimed_wait_common!libc.so.6 < uv_cond_wait < worker",
                "start_thread!libc.so.6 < clone3!libc.so.6",
            ],
            &[
                FUTEX,
                ENTRY,
                "libc.so.6+fn@89d40!libc.so.6 < pthread_cond_wait!libc.so.6",
                "uv_cond_wait < node::(anonymous namespace)::PlatformWorkerThread(void*)",
            ],
            &[
                FUTEX,
                ENTRY,
                "__futex_abstimed_wait_common!libc.so.6 < __new_sem_wait_slow64.c",
                "PyThread_acquire_lock_timed < _queue_SimpleQueue_get_impl < _worker_[i]",
            ],
            &[
                FUTEX,
                ENTRY,
                "syscall!libc.so.6 < std::sys::pal::unix::futex::futex_wait",
                "<std::sys::sync::condvar::futex::Condvar>::wait < tokio::loom::std::wait",
                "<tokio::runtime::scheduler::multi_thread::park::Inner>::park_condvar",
            ],
            &[
                FUTEX,
                ENTRY,
                "syscall!libc.so.6 < parking_lot::condvar::Condvar::wait_until_slow",
                "tokio::runtime::blocking::pool::Inner::run",
            ],
            &[
                "schedule_[k] < futex_wait_queue_me_[k] < futex_wait_[k] < do_futex_[k]",
                ENTRY,
                "runtime.futex < runtime.futexsleep < runtime.notesleep < runtime.mPark",
                "runtime.stopm < runtime.findRunnable < runtime.schedule",
            ],
            &[
                FUTEX,
                ENTRY,
                "pthread_cond_wait!libc.so.6 < ngx_thread_cond_wait",
                "ngx_thread_pool_cycle < start_thread!libc.so.6",
            ],
        ],
    );
}

#[test]
fn locks_and_results_of_other_threads_block() {
    all_are(
        OffCpuWait::Blocked,
        &[
            // The pool's own lock, not its queue.
            &[
                FUTEX,
                ENTRY,
                "__GI___lll_lock_wait!libc.so.6 < __pthread_mutex_cond_lock!libc.so.6",
                "pthread_cond_wait!libc.so.6 < uv_cond_wait < worker",
            ],
            &[
                FUTEX,
                ENTRY,
                "__futex_abstimed_wait_common!libc.so.6 < take_gil",
                "PyEval_RestoreThread < time_sleep < _PyEval_EvalFrameDefault",
            ],
            &[
                FUTEX,
                ENTRY,
                "__new_sem_wait_slow64!libc.so.6 < PyThread_acquire_lock_timed",
                "acquire_timed < lock_PyThread_acquire_lock < cfunction_call",
            ],
            &[
                FUTEX,
                ENTRY,
                "syscall!libc.so.6 < <std::sys::sync::mutex::futex::Mutex>::lock",
                "app::handler < tokio::runtime::scheduler::multi_thread::worker::run",
            ],
            // A task that waits for another thread, on a runtime's thread.
            &[
                FUTEX,
                ENTRY,
                "syscall!libc.so.6 < <std::thread::thread::Thread>::park",
                "std::sync::mpmc::list::Channel<T>::recv < app::handler",
                "tokio::runtime::task::core::Core<T,S>::poll",
                "tokio::runtime::scheduler::multi_thread::worker::Context::run_task",
            ],
            &[FUTEX, ENTRY, "runtime.futex < runtime.futexsleep < runtime.lock2"],
            &[FUTEX, ENTRY],
        ],
    );
}

#[test]
fn disks_sockets_and_client_libraries_block() {
    all_are(
        OffCpuWait::Blocked,
        &[
            &[
                "schedule_[k] < schedule_timeout_[k] < io_schedule_timeout_[k]",
                "wait_for_completion_io_timeout_[k] < submit_bio_wait_[k] < ext4_sync_file_[k]",
                ENTRY,
                "fsync!libc.so.6 < os_fsync",
            ],
            &[
                "schedule_[k] < schedule_timeout_[k] < wait_woken_[k] < sk_wait_data_[k]",
                "tcp_recvmsg_locked_[k] < tcp_recvmsg_[k]",
                ENTRY,
                "__libc_recv!libc.so.6",
            ],
            // A page fault inside of epoll_wait.
            &[
                "schedule_[k] < io_schedule_[k] < folio_wait_bit_common_[k] < filemap_fault_[k]",
                "asm_exc_page_fault_[k] < ep_send_events_[k] < do_epoll_wait_[k]",
                ENTRY,
            ],
            &[POLL, ENTRY, "__GI___poll!libc.so.6 < pqSocketPoll!libpq.so.5 < PQgetResult"],
            &[POLL, ENTRY, "poll!libc.so.6 < send_dg!libc.so.6 < __res_context_send!libc.so.6"],
            &[POLL, ENTRY, "poll!libc.so.6 < sock_call_ex < sock_recv_guts < sock_recv"],
            &["schedule_[k] < do_syscall_64_[k]"],
            &[],
        ],
    );
}

#[test]
fn user_frames_tell_where_the_kernels_cannot_be_seen() {
    all_are(
        OffCpuWait::ForWork,
        &[
            &["epoll_wait!libc.so.6 < nginx+fn@53f80 < ngx_process_events_and_timers"],
            &[
                "__syscall_cancel_arch!libc.so.6 < __internal_syscall_cancel!libc.so.6",
                "__GI___poll!libc.so.6 < select_poll_poll",
            ],
            &["__libc_accept!libc.so.6 < serve"],
            &["clock_nanosleep@@GLIBC_2.17!libc.so.6 < sleep_ms"],
            &["pthread_cond_wait!libc.so.6 < uv_cond_wait < worker"],
            &["syscall!libc.so.6 < <io_uring::submit::Submitter>::enter < run"],
        ],
    );
    all_are(
        OffCpuWait::Blocked,
        &[
            &["__libc_recv!libc.so.6 < pq_recvbuf"],
            &["poll!libc.so.6 < pqSocketPoll"],
            &["___pthread_mutex_lock!libc.so.6 < uv_mutex_lock < worker"],
            &["fsync!libc.so.6 < worker"],
        ],
    );
}
