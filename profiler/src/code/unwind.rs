//! From registers and a copied stack to the chain of callers.
//!
//! Each step follows the rules of the code that was reached (`unwind_rules`, `go_program`). A stack
//! is complete if its outermost frame has no return address: undefined by its unwind rules
//! (`_start`, `clone`), a zero word, or a zero frame pointer (psABI). One that is not is completed
//! by the kernel's callers (`callers`), or by memory beyond its copy (`copied_stack`).

use framehop::{Error, FrameAddress, UnwindRegsNative};
use rustc_hash::{FxHashMap, FxHashSet};

use super::callers::{ends_with_call, join};
use super::code_lookup::{CodeKind, CodeLookup};
use super::copied_stack::CopiedStack;
use super::go_program::{GoRule, caller};
use super::hotspot_program::JavaFrame;
use super::module::Modules;
use super::python_program::LoopRun;
use super::unwind_rules::UnwindRules;
use crate::record::{UserState, Words};
use crate::stack::{Location, Marker, ModuleId};

/// How unwinding of user stacks ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnwindCounts {
    /// At the thread's start.
    pub complete: u64,
    /// Of these, by callers that the kernel found along frame pointers.
    pub by_callers: u64,
    /// Of these, by memory beyond the copied stack, read a moment later.
    pub by_memory: u64,
    /// At the end of the copied stack, although the thread's continues: a larger copy would help.
    pub out_of_copy: u64,
    /// At memory that was not copied and that a larger copy may not contain either.
    pub unreadable: u64,
    /// At an address without code.
    pub lost: u64,
    /// At a frame that would be its own caller.
    pub stuck: u64,
    /// After [`FRAMES_MAX`] frames.
    pub too_deep: u64,
}

impl UnwindCounts {
    /// Stacks without their outermost frames.
    pub const fn truncated(&self) -> u64 {
        self.out_of_copy + self.unreadable + self.lost + self.stuck + self.too_deep
    }

    /// All stacks.
    pub const fn total(&self) -> u64 {
        self.complete + self.truncated()
    }

    /// Stacks that went on after their copies.
    pub(crate) const fn longer_than_copy(&self) -> u64 {
        self.out_of_copy + self.by_memory
    }
}

/// Longest chain of user frames.
pub const FRAMES_MAX: usize = 1024;

/// The unwinder.
#[derive(Default)]
pub(super) struct Unwinder {
    rules: UnwindRules,
    /// Addresses in Go programs that were looked up.
    go: FxHashMap<(ModuleId, u64), GoFrame>,
    /// The outermost frames of complete stacks, by the address of the frame before them.
    roots: FxHashMap<(ModuleId, u64), Box<[Location]>>,
    /// The very outermost ones.
    outermost: FxHashSet<Location>,
    /// The steps of the current stack.
    path: Vec<Step>,
    /// The runs of Python's interpreter loop in the current stack, if they are asked for.
    loops: Option<Vec<LoopRun>>,
    /// Results so far.
    pub(super) counts: UnwindCounts,
}

/// A frame of the current stack.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// The instruction or the return address.
    address: u64,
    /// The address that was looked up.
    looked_up: u64,
    /// The number of locations up to this frame.
    locations: usize,
}

/// A frame that was found.
#[derive(Clone, Copy, Debug)]
struct Found {
    kind: CodeKind,
    /// The address to look up.
    address: u64,
    /// The instruction or the return address.
    found: u64,
    /// The frame pointer, if it is known.
    pointer: Option<u64>,
}

/// A frame of a Go program.
#[derive(Clone, Copy, Debug, Default)]
struct GoFrame {
    /// How its caller is found; `None` for code in another language.
    rule: Option<GoRule>,
    /// The number of functions inlined there.
    inlined: u8,
}

/// The frame that was reached.
struct Reached {
    frame: FrameAddress,
    kind: CodeKind,
    rule: Option<GoRule>,
    registers: UnwindRegsNative,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Root,
    OutOfCopy,
    Unreadable,
    Lost,
    Stuck,
    TooDeep,
}

impl Unwinder {
    /// Append a thread's user frames to `out`, innermost first, and a marker after the outermost if
    /// callers are missing.
    pub(super) fn user_stack(
        &mut self,
        state: &UserState<'_>,
        lookup: &mut CodeLookup<'_>,
        out: &mut Vec<Location>,
    ) {
        self.loops = None;
        self.stack_of(state, lookup, out);
    }

    /// The same with the Python functions that run, as far as the stack names them.
    pub(super) fn user_stack_with_python(
        &mut self,
        state: &UserState<'_>,
        lookup: &mut CodeLookup<'_>,
        out: &mut Vec<Location>,
    ) {
        self.loops = Some(Vec::new());
        self.stack_of(state, lookup, out);
        if let Some((_, registers)) = registers(state) {
            let stack = CopiedStack::new(registers.sp(), state.stack, state.is_full);
            self.name_loops(&stack, lookup, out);
        }
    }

    fn stack_of(
        &mut self,
        state: &UserState<'_>,
        lookup: &mut CodeLookup<'_>,
        out: &mut Vec<Location>,
    ) {
        let Some((ip, registers)) = registers(state) else { return };
        let mut stack = CopiedStack::new(registers.sp(), state.stack, state.is_full);
        let kind = lookup.kind(ip);
        self.path.clear();
        let pointer = Some(frame_pointer(&registers));
        let rule = self.enter(Found { kind, address: ip, found: ip, pointer }, &stack, lookup, out);
        let frame = FrameAddress::from_instruction_pointer(ip);
        let mut at = Reached { frame, kind, rule, registers };
        let mut end = self.walk(&mut at, &stack, lookup, out);
        if end == End::Root {
            self.learn_root(out);
        } else if end != End::TooDeep && self.complete(state.callers, &stack, lookup, out) {
            self.counts.by_callers += 1;
            end = End::Root;
        } else if end == End::OutOfCopy && stack.extend(lookup) {
            let frames = out.len();
            end = match self.walk(&mut at, &stack, lookup, out) {
                // Memory may have changed, and a zero in it is no proof of a root.
                End::Root if self.is_root(&at, out, lookup.modules) => {
                    self.counts.by_memory += 1;
                    End::Root
                }
                End::TooDeep => End::TooDeep,
                _ => {
                    out.truncate(frames);
                    End::OutOfCopy
                }
            };
        }
        let count = match end {
            End::Root => {
                self.counts.complete += 1;
                return;
            }
            End::OutOfCopy => &mut self.counts.out_of_copy,
            End::Unreadable => &mut self.counts.unreadable,
            End::Lost => &mut self.counts.lost,
            End::Stuck => &mut self.counts.stuck,
            End::TooDeep => &mut self.counts.too_deep,
        };
        *count += 1;
        out.push(Location::Marker(Marker::Truncated));
    }

    /// Go on from the frame that was reached, as far as possible.
    fn walk(
        &mut self,
        at: &mut Reached,
        stack: &CopiedStack<'_>,
        lookup: &mut CodeLookup<'_>,
        out: &mut Vec<Location>,
    ) -> End {
        while self.path.len() < FRAMES_MAX {
            let (reached, begin) = (at.kind, at.registers.sp());
            if is_start(at.kind, lookup.modules) || at.rule == Some(GoRule::Root) {
                return End::Root;
            }
            let before = at.registers;
            let to = match self.next(at, stack, lookup) {
                Ok(Some(to)) => to,
                // JIT code without rules does not end a stack: its caller is in a file.
                Ok(None) if matches!(at.kind, CodeKind::File { .. }) => return End::Root,
                Ok(None) => return End::Lost,
                Err(error) => {
                    at.registers = before;
                    return ended(error, stack);
                }
            };
            self.note_loop(reached, (begin, at.registers.sp()), lookup.modules, out.len());
            let Some(frame) = FrameAddress::from_return_address(to) else { return End::Root };
            let kind = lookup.kind(to - 1);
            if kind == CodeKind::Unmapped || stack.is_extended() && !may_call(to, at.kind, lookup) {
                return End::Lost;
            }
            let pointer = Some(frame_pointer(&at.registers));
            let entered = Found { kind, address: to - 1, found: to, pointer };
            let rule = self.enter(entered, stack, lookup, out);
            (at.frame, at.kind, at.rule) = (frame, kind, rule);
        }
        End::TooDeep
    }

    /// Note a frame of Python's loop, the last that was entered, and its place on the stack.
    fn note_loop(&mut self, kind: CodeKind, frame: (u64, u64), modules: &Modules, frames: usize) {
        let CodeKind::File { module, address: in_file } = kind else { return };
        let (Some(loops), Some(step)) = (&mut self.loops, self.path.last()) else { return };
        if modules.module(module).is_python_loop(in_file) {
            let (location, address) = (frames.saturating_sub(1), step.looked_up);
            let above = loops.last().map_or(0, |run| run.frame.1);
            loops.push(LoopRun { location, address, kind, frame, above });
        }
    }

    /// Put the Python functions in the place of the loops that run them.
    fn name_loops(
        &mut self,
        stack: &CopiedStack<'_>,
        lookup: &mut CodeLookup<'_>,
        out: &mut [Location],
    ) {
        for run in self.loops.take().unwrap_or_default() {
            // Frames found along another way may have taken its place.
            let own = lookup.location(run.kind, run.address);
            if let Some(location) = out.get_mut(run.location).filter(|location| **location == own)
                && let Some(name) = lookup.python_function(&run, stack)
            {
                *location = Location::Named(name);
            }
        }
    }

    /// The return address of a frame; its registers become those of its caller.
    fn next(
        &mut self,
        at: &mut Reached,
        stack: &CopiedStack<'_>,
        lookup: &mut CodeLookup<'_>,
    ) -> Result<Option<u64>, Error> {
        if at.kind == CodeKind::Anonymous
            && let Some((to, above)) = java_step(at, stack, lookup)
        {
            at.registers = above;
            return Ok(Some(to));
        }
        if let Some((to, above)) = trampoline(at.frame, at.kind, &at.registers, stack, lookup) {
            at.registers = above;
            return Ok(Some(to));
        }
        self.rules.admit(lookup.modules);
        let before = at.registers;
        let next = match at.rule {
            Some(rule) => go_step(rule, &mut at.registers, stack),
            None => self.rules.step(at.frame, at.kind, &mut at.registers, stack),
        };
        if let (false, Ok(Some(to))) = (at.frame.is_return_address(), next)
            && lookup.kind(to.saturating_sub(1)) == CodeKind::Unmapped
        {
            // Without a rule for the innermost frame framehop guesses that it has none; the return
            // address it then reads may be wrong.
            at.registers = before;
            return self.rules.step(at.frame, CodeKind::Unmapped, &mut at.registers, stack);
        }
        next
    }

    /// Complete a stack with the kernel's callers, if both agree and those lead to a root.
    fn complete(
        &mut self,
        callers: Words<'_>,
        stack: &CopiedStack<'_>,
        lookup: &mut CodeLookup<'_>,
        out: &mut Vec<Location>,
    ) -> bool {
        let callers: Vec<u64> = callers.iter().collect();
        let own: Vec<u64> = self.path.iter().map(|step| step.address).collect();
        let Some(joint) = join(&own, &callers) else { return false };
        let (steps, kept) = (self.path.len(), self.path[joint.kept - 1].locations);
        let replaced = out.split_off(kept);
        for &to in &callers[joint.next..] {
            let Some(address) = to.checked_sub(1) else { break };
            let kind = lookup.kind(address);
            if kind == CodeKind::Unmapped || !follows_call(to, lookup) {
                break;
            }
            let entered = Found { kind, address, found: to, pointer: None };
            let rule = self.enter(entered, stack, lookup, out);
            if rule == Some(GoRule::Root) || is_start(kind, lookup.modules) {
                return true;
            }
            if let CodeKind::File { module, address } = kind
                && let Some(rest) = self.roots.get(&(module, address))
            {
                out.extend(rest);
                return true;
            }
        }
        self.path.truncate(steps);
        out.truncate(kept);
        out.extend(replaced);
        false
    }

    /// Whether a frame begins a thread: of all programs, or as seen in complete stacks.
    fn is_root(&self, at: &Reached, out: &[Location], modules: &Modules) -> bool {
        let is_known = || out.last().is_some_and(|frame| self.outermost.contains(frame));
        is_start(at.kind, modules) || at.rule == Some(GoRule::Root) || is_known()
    }

    /// Keep the outermost frames of a complete stack: code without frame pointers at the start of a
    /// thread is not found along them.
    fn learn_root(&mut self, out: &[Location]) {
        if self.outermost.len() < ROOTS_MAX {
            self.outermost.extend(out.last());
        }
        for outer in 1..=ROOT_FRAMES.min(out.len().saturating_sub(1)) {
            let (inner, root) = out.split_at(out.len() - outer);
            if let Some(&Location::Code { module, address }) = inner.last()
                && self.roots.len() < ROOTS_MAX
            {
                self.roots.entry((module, address)).or_insert_with(|| root.into());
            }
        }
    }

    /// Append a frame, and before it the functions inlined there; returns the rule for its caller
    /// if it is part of a Go program.
    fn enter(
        &mut self,
        entered: Found,
        stack: &CopiedStack<'_>,
        lookup: &mut CodeLookup<'_>,
        out: &mut Vec<Location>,
    ) -> Option<GoRule> {
        let Found { kind, address, found, pointer } = entered;
        let go = self.go_frame(kind, lookup.modules);
        if let CodeKind::File { module, address } = kind {
            out.extend((0..go.inlined).map(|nth| Location::Inlined { module, address, nth }));
        }
        // Compiled code is known by its functions, interpreted JavaScript also by its handler.
        if kind == CodeKind::Anonymous {
            let before = out.len();
            lookup.append_managed(kind, address, pointer, stack, out);
            if out.len() == before {
                out.push(lookup.location(kind, address));
            }
        } else {
            out.push(lookup.location(kind, address));
            lookup.append_managed(kind, address, pointer, stack, out);
        }
        self.path.push(Step { address: found, looked_up: address, locations: out.len() });
        go.rule
    }

    fn go_frame(&mut self, kind: CodeKind, modules: &Modules) -> GoFrame {
        let CodeKind::File { module, address } = kind else { return GoFrame::default() };
        let Ok(content) = &modules.module(module).content else { return GoFrame::default() };
        let Some(program) = content.go() else { return GoFrame::default() };
        if self.go.len() >= GO_FRAMES_MAX {
            self.go.clear();
        }
        *self.go.entry((module, address)).or_insert_with(|| {
            let inlined = program.inlined(&content.image, &content.file, address).len();
            GoFrame { rule: program.rule(address), inlined: inlined.try_into().unwrap_or(0) }
        })
    }
}

impl std::fmt::Debug for Unwinder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unwinder").field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// How a stack ends at an error.
fn ended(error: Error, stack: &CopiedStack<'_>) -> End {
    match error {
        Error::CouldNotReadStack(address) if stack.may_continue_at(address) => End::OutOfCopy,
        Error::CouldNotReadStack(_) => End::Unreadable,
        Error::ReturnAddressIsNull => End::Root,
        Error::DidNotAdvance
        | Error::FramepointerUnwindingMovedBackwards
        | Error::IntegerOverflow => End::Stuck,
    }
}

/// Whether code that returns to `to` may have been called from there: a call stands before it, and
/// if it names its target, that is no other function.
fn may_call(to: u64, called: CodeKind, lookup: &mut CodeLookup<'_>) -> bool {
    if !follows_call(to, lookup) {
        return false;
    }
    let (Some(target), CodeKind::File { module, address }) = (lookup.call_target(to), called)
    else {
        return true;
    };
    let CodeKind::File { module: other, address: target } = lookup.kind(target) else {
        return true;
    };
    let Ok(content) = &lookup.modules.module(module).content else { return true };
    let range = content.function(target).filter(|range| range.start == target);
    module != other || range.is_none_or(|range| range.contains(&address))
}

fn follows_call(to: u64, lookup: &mut CodeLookup<'_>) -> bool {
    let code = to.checked_sub(7).and_then(|at| lookup.code_at(at));
    code.is_some_and(ends_with_call)
}

/// Go on to the caller of a frame of a Go program.
fn go_step(
    rule: GoRule,
    registers: &mut UnwindRegsNative,
    stack: &CopiedStack<'_>,
) -> Result<Option<u64>, Error> {
    let read = |address| stack.word(address).ok_or(Error::CouldNotReadStack(address));
    let (to, above) = caller(rule, registers, read)?;
    *registers = above;
    Ok(Some(to))
}

/// The caller of a frame of Java, and its registers.
#[cfg(target_arch = "x86_64")]
fn java_step(
    at: &Reached,
    stack: &CopiedStack<'_>,
    lookup: &mut CodeLookup<'_>,
) -> Option<(u64, UnwindRegsNative)> {
    let (pc, is_innermost) = match at.frame {
        FrameAddress::InstructionPointer(pc) => (pc, true),
        FrameAddress::ReturnAddress(pc) => (pc.get(), false),
    };
    let frame = JavaFrame { pc, sp: at.registers.sp(), fp: at.registers.bp() };
    let JavaFrame { pc, sp, fp } = lookup.java_caller(frame, is_innermost, stack)?;
    // Only known code can be the caller.
    (lookup.kind(pc.checked_sub(1)?) != CodeKind::Unmapped)
        .then(|| (pc, UnwindRegsNative::new(pc, sp, fp)))
}

/// Frames of Java have another form on other processors.
#[cfg(not(target_arch = "x86_64"))]
fn java_step(
    _: &Reached,
    _: &CopiedStack<'_>,
    _: &mut CodeLookup<'_>,
) -> Option<(u64, UnwindRegsNative)> {
    None
}

/// The caller of one of CPython's trampolines (`-X perf`, 3.12), and its registers. They have no
/// unwind rules and keep no frame pointer, but all have the same code: after the call into the
/// interpreter's loop they drop a word and return.
#[cfg(target_arch = "x86_64")]
fn trampoline(
    frame: FrameAddress,
    kind: CodeKind,
    registers: &UnwindRegsNative,
    stack: &CopiedStack<'_>,
    lookup: &mut CodeLookup<'_>,
) -> Option<(u64, UnwindRegsNative)> {
    /// `call *%rcx`, which returns here; `add $8, %rsp`; `ret` (Python/asm_trampoline.S).
    const CODE: [u8; 7] = [0xff, 0xd1, 0x48, 0x83, 0xc4, 0x08, 0xc3];
    let FrameAddress::ReturnAddress(here) = frame else { return None };
    let call = here.get().checked_sub(2)?;
    if kind != CodeKind::Anonymous || lookup.code_at(call)? != CODE {
        return None;
    }
    let at = registers.sp().checked_add(8)?;
    let to = stack.word(at)?;
    // Only known code can be the caller.
    (lookup.kind(to.checked_sub(1)?) != CodeKind::Unmapped)
        .then(|| (to, UnwindRegsNative::new(to, at + 8, registers.bp())))
}

/// CPython's trampolines keep the frame pointer on other processors.
#[cfg(not(target_arch = "x86_64"))]
fn trampoline(
    _: FrameAddress,
    _: CodeKind,
    _: &UnwindRegsNative,
    _: &CopiedStack<'_>,
    _: &mut CodeLookup<'_>,
) -> Option<(u64, UnwindRegsNative)> {
    None
}

fn is_start(kind: CodeKind, modules: &Modules) -> bool {
    let CodeKind::File { module, address } = kind else { return false };
    let content = modules.module(module).content.as_ref();
    content.is_ok_and(|content| content.image.is_entry(address))
}

#[cfg(target_arch = "x86_64")]
fn frame_pointer(registers: &UnwindRegsNative) -> u64 {
    registers.bp()
}

#[cfg(target_arch = "aarch64")]
fn frame_pointer(registers: &UnwindRegsNative) -> u64 {
    registers.fp()
}

/// The registers that framehop uses. It takes all sixteen, but its unwinding by DWARF rules reads
/// these alone.
#[cfg(target_arch = "x86_64")]
fn registers(state: &UserState<'_>) -> Option<(u64, UnwindRegsNative)> {
    let at = |bit| state.registers.at(bit);
    let (bp, sp, ip) = (at(6)?, at(7)?, at(8)?);
    Some((ip, UnwindRegsNative::new(ip, sp, bp)))
}

/// The registers that framehop uses; signatures are removed from return addresses (user space has
/// 48 bits unless a program asks for more).
#[cfg(target_arch = "aarch64")]
fn registers(state: &UserState<'_>) -> Option<(u64, UnwindRegsNative)> {
    let at = |bit| state.registers.at(bit);
    let (fp, lr, sp, pc) = (at(29)?, at(30)?, at(31)?, at(32)?);
    let mask = framehop::aarch64::PtrAuthMask(u64::MAX >> 16);
    Some((pc, UnwindRegsNative::new_with_ptr_auth_mask(mask, lr, sp, fp)))
}

/// Addresses in Go programs that are kept; beyond, all are looked up again.
const GO_FRAMES_MAX: usize = 1 << 16;
/// How many of the outermost frames are kept, and of how many stacks.
const ROOT_FRAMES: usize = 3;
const ROOTS_MAX: usize = 1_024;

#[cfg(all(test, target_arch = "x86_64"))]
mod tests;
