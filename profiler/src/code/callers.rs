//! The callers that the kernel found along frame pointers, joined with a stack that was unwound by
//! rules.
//!
//! The kernel follows frame pointers when it takes a sample, over any memory: it is right where all
//! code keeps them, goes across switches of stacks, and misleads where code uses the register for
//! something else. So its callers only complete a stack that could not be unwound to its end, from
//! a frame on which both agree. Pure.

/// The place where two lists of callers meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joint {
    /// The number of own frames that are kept.
    pub(super) kept: usize,
    /// The index of the kernel's first caller after them.
    pub(super) next: usize,
}

/// Join own frames with the kernel's, both from the innermost to the outermost: instruction, then
/// return addresses. The kernel's chain may lack frames that keep no frame pointer. `None` if the
/// lists do not meet.
pub(super) fn join(own: &[u64], kernel: &[u64]) -> Option<Joint> {
    let outermost = own.len().checked_sub(1)?;
    for at in (own.len().saturating_sub(DEPTH_MAX).max(1)..=outermost).rev() {
        let meetings = (1..kernel.len()).filter(|&index| kernel[index] == own[at]);
        let is_only = meetings.clone().count() == 1;
        let agreed = |index: usize| common(&own[..at], &kernel[..index]);
        // Of equals the innermost: a recursion that goes on deeper is not cut short.
        let best =
            meetings.rev().map(|index| (agreed(index), index)).max_by_key(|(agreed, _)| *agreed);
        if let Some((agreed, index)) = best
            && (agreed >= 2 || agreed == 1 && is_only)
        {
            return Some(Joint { kept: at + 1, next: index + 1 });
        }
    }
    None
}

/// How many addresses of `kernel` occur in `own` in the same order, from the outermost inwards.
fn common(own: &[u64], kernel: &[u64]) -> usize {
    let mut rest = own;
    let mut agreed = 0;
    for address in kernel.iter().rev() {
        if let Some(at) = rest.iter().rposition(|own| own == address) {
            rest = &rest[..at];
            agreed += 1;
        }
    }
    agreed
}

/// Whether code ends with a call: before a return address stands one.
#[cfg(target_arch = "x86_64")]
pub(super) fn ends_with_call(code: [u8; 7]) -> bool {
    // Direct, or `ff /2` with the operand in a register or in memory, by its length.
    let is_indirect = |at: usize, mode: u8, base: Option<u8>| {
        let operand = code[at + 1];
        let is_base = match base {
            Some(base) => operand & 7 == base,
            None => operand & 7 != 4 || mode == 3,
        };
        code[at] == 0xff && operand >> 3 & 7 == 2 && operand >> 6 == mode && is_base
    };
    code[2] == 0xe8
        || is_indirect(5, 3, None)
        || is_indirect(5, 0, None) && code[6] & 7 != 5
        || is_indirect(4, 0, Some(4))
        || is_indirect(4, 1, None)
        || is_indirect(3, 1, Some(4))
        || is_indirect(1, 0, Some(5))
        || is_indirect(1, 2, None)
        || is_indirect(0, 0, Some(4))
        || is_indirect(0, 2, Some(4))
}

/// Whether code ends with a call: before a return address stands one.
#[cfg(target_arch = "aarch64")]
pub(super) fn ends_with_call(code: [u8; 7]) -> bool {
    let instruction = u32::from_le_bytes([code[3], code[4], code[5], code[6]]);
    instruction >> 26 == 0b10_0101 || instruction & 0xffff_fc1f == 0xd63f_0000
}

/// How many of the outermost frames are tried as the place to join.
const DEPTH_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_goes_on_where_both_agree() {
        let joint = |kept, next| Some(Joint { kept, next });
        // The kernel lacks the caller without a frame pointer.
        assert_eq!(join(&[9, 1, 2, 3], &[9, 1, 3, 4, 5]), joint(4, 3));
        // The last own frame is wrong.
        assert_eq!(join(&[9, 1, 2, 77], &[9, 1, 2, 3]), joint(3, 3));
        // A recursion: the most agreement counts.
        assert_eq!(join(&[9, 1, 1, 1], &[9, 1, 1, 1, 1, 8]), joint(4, 4));
        // The instruction alone and a single meeting.
        assert_eq!(join(&[9, 3], &[9, 3, 4]), joint(2, 2));
        assert_eq!(join(&[9, 3], &[9, 3, 3, 4]), None, "one of two");
        assert_eq!(join(&[9, 3], &[8, 3, 4]), None, "nothing else agrees");
        assert_eq!(join(&[9], &[9, 3, 4]), None, "no caller");
        assert_eq!(join(&[], &[9]), None);
        assert_eq!(join(&[9, 1], &[]), None);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_return_address_follows_a_call() {
        let calls: [&[u8]; 11] = [
            &[0xe8, 1, 2, 3, 4],             // call symbol
            &[0xff, 0xd0],                   // call *%rax
            &[0x41, 0xff, 0xd4],             // call *%r12
            &[0xff, 0x10],                   // call *(%rax)
            &[0xff, 0x50, 0x18],             // call *0x18(%rax)
            &[0xff, 0x90, 1, 2, 0, 0],       // call *0x201(%rax)
            &[0xff, 0x15, 1, 2, 3, 4],       // call *symbol(%rip)
            &[0xff, 0x14, 0xc1],             // call *(%rcx,%rax,8)
            &[0xff, 0x54, 0x24, 0x08],       // call *0x8(%rsp)
            &[0xff, 0x94, 0xc1, 1, 2, 0, 0], // call *0x201(%rcx,%rax,8)
            &[0x41, 0xff, 0x55, 0x00],       // call *0x0(%r13)
        ];
        let code = |end: &[u8]| {
            let mut code = [0x90; 7];
            code[7 - end.len()..].copy_from_slice(end);
            code
        };
        for call in calls {
            assert!(ends_with_call(code(call)), "{call:x?}");
        }
        let others: [&[u8]; 5] = [
            &[0xc3],
            &[0xff, 0xe0],       // jmp *%rax
            &[0xff, 0xc0],       // inc %eax
            &[0xe9, 1, 2, 3, 4], // jmp symbol
            &[0x48, 0x89, 0xe5],
        ];
        for other in others {
            assert!(!ends_with_call(code(other)), "{other:x?}");
        }
    }
}
