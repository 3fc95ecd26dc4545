//! Unwind rules of files, followed with framehop.
//!
//! One framehop unwinder serves all processes: each module gets a range of artificial addresses,
//! and an address is translated to its module's range before a step. So rules found in one process
//! apply in all, forks cost nothing, and framehop's 16-bit count of changes grows with distinct
//! files alone.

use std::sync::Arc;

use framehop::{
    CacheNative, Error, ExplicitModuleSectionInfo, FrameAddress, Module as Placed,
    UnwindRegsNative, Unwinder as _, UnwinderNative,
};

use super::code_lookup::CodeKind;
use super::copied_stack::CopiedStack;
use super::image::{Image, Section};
use super::module::Modules;
use crate::stack::ModuleId;

/// The rules of all files.
pub(super) struct UnwindRules {
    framehop: UnwinderNative<Arc<[u8]>, framehop::MayAllocateDuringUnwind>,
    cache: CacheNative<framehop::MayAllocateDuringUnwind>,
    /// Per module: the offset from an address to its range; `None` without rules.
    shifts: Vec<Option<u64>>,
}

impl Default for UnwindRules {
    fn default() -> Self {
        let (framehop, cache) = (UnwinderNative::new(), CacheNative::default());
        Self { framehop, cache, shifts: Vec::new() }
    }
}

impl UnwindRules {
    /// The return address of a frame; the registers become those of its caller. Without rules for
    /// the code, frame pointers are followed.
    pub(super) fn step(
        &mut self,
        frame: FrameAddress,
        kind: CodeKind,
        registers: &mut UnwindRegsNative,
        stack: &CopiedStack<'_>,
    ) -> Result<Option<u64>, Error> {
        let shifted = match kind {
            CodeKind::File { module, address } => {
                self.shifts[module.0 as usize].map(|shift| address.wrapping_add(shift))
            }
            CodeKind::Anonymous | CodeKind::Unmapped => None,
        };
        let lookup = shifted.unwrap_or(NOWHERE);
        let frame = match frame {
            FrameAddress::InstructionPointer(_) => FrameAddress::from_instruction_pointer(lookup),
            FrameAddress::ReturnAddress(_) => {
                FrameAddress::from_return_address(lookup.wrapping_add(1))
                    .unwrap_or(FrameAddress::InstructionPointer(lookup))
            }
        };
        let mut read = |address: u64| stack.word(address).ok_or(());
        self.framehop.unwind_frame(frame, registers, &mut self.cache, &mut read)
    }

    /// Add the modules that are new.
    pub(super) fn admit(&mut self, modules: &Modules) {
        while self.shifts.len() < modules.len() {
            let id = ModuleId(self.shifts.len() as u32);
            let content = modules.module(id).content.as_ref().ok();
            let shift = content.and_then(|content| {
                let (module, shift) = placed(id, &content.image)?;
                self.framehop.add_module(module);
                Some(shift)
            });
            self.shifts.push(shift);
        }
    }
}

/// A module in its range of artificial addresses, and the distance from its own.
fn placed(id: ModuleId, image: &Image) -> Option<(Placed<Arc<[u8]>>, u64)> {
    if image.eh_frame.is_none() && image.debug_frame.is_none() {
        return None;
    }
    let extent = image.extent();
    // framehop counts in 32 bits from this address.
    let base = if extent.end < RANGE { 0 } else { extent.start };
    if extent.end - base > u64::from(u32::MAX) {
        return None;
    }
    let kind = (u64::from(id.0) + 1) * RANGE;
    let addresses =
        |section: &Option<Section>| section.as_ref().map(|section| section.addresses.clone());
    let bytes = |section: &Option<Section>| section.as_ref().map(|section| section.bytes.clone());
    let sections = ExplicitModuleSectionInfo {
        base_svma: base,
        text_svma: image.text.clone(),
        got_svma: image.got.clone(),
        eh_frame_svma: addresses(&image.eh_frame),
        eh_frame: bytes(&image.eh_frame),
        eh_frame_hdr_svma: addresses(&image.eh_frame_hdr),
        eh_frame_hdr: bytes(&image.eh_frame_hdr),
        debug_frame: bytes(&image.debug_frame),
        ..ExplicitModuleSectionInfo::default()
    };
    let module = Placed::new(String::new(), kind..kind + (extent.end - base), kind, sections);
    Some((module, kind.wrapping_sub(base)))
}

/// The size of a module's range: the limit of 32 bits.
const RANGE: u64 = 1 << 32;
/// An address in no module's range: framehop then follows frame pointers.
const NOWHERE: u64 = 1;
