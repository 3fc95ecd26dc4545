//! A kernel that refuses submissions, as it does without memory: here because the ring is not
//! enabled yet.

use super::*;

fn refusing() -> Kernel {
    let mut builder = IoUring::builder();
    builder.setup_r_disabled().setup_cqsize(4_096);
    let ring = builder.build(8).expect("this machine has io_uring");
    let four = BufferSizes { count: 4, size: 64 };
    let kernel =
        Kernel::new(ring, false, [four, BufferSizes::NONE]).expect("buffers can be registered");
    kernel.submitter.register_files_sparse(1).expect("a table of one file");
    kernel
}

#[test]
fn submissions_wait_in_order_for_a_kernel_that_refuses_them_and_none_is_lost() {
    let mut kernel = refusing();
    // Far more than the queue holds. Closing an empty slot fails, and completes.
    for number in 0..1_000 {
        kernel.close(number, 0);
    }
    let enters = kernel.enters();
    assert!(enters <= 2, "the kernel is not called repeatedly: {enters} calls");
    let refused = kernel.enter(1, None, 0).expect_err("the ring is not enabled");
    assert_eq!(refused.raw_os_error(), Some(libc::EBADFD), "the cause is not lost");
    assert!(kernel.next_posted().is_none());
    kernel.submitter.register_enable_rings().expect("the ring is ours");
    kernel.enter(1, None, 0).expect("it is enabled now");
    for number in 0..1_000 {
        let posted = kernel.next_posted().expect("everything was submitted");
        assert_eq!((posted.user_data, posted.result), (number, -libc::EBADF));
    }
    assert!(kernel.next_posted().is_none());
    assert_eq!((kernel.overflows(), kernel.dropped()), (0, 0));
}
