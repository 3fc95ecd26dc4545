//! The attributes of events: their kinds, the content of a sample, the frequency.
//!
//! Pure: it returns attributes as values. All events of a ring use the same sample format, because
//! a reader of the ring must know the layout before it knows the event; if one differs
//! ([`EventKind::is_counted`]), `cpu_ring` patches the record before it passes it on.

use perf_event_open_sys::bindings as sys;
use sys::perf_event_attr;

/// The user registers of every sample, as a mask of the kernel's register numbers, in bit order: ax
/// bx cx dx si di bp sp ip flags cs ss r8 … r15.
#[cfg(target_arch = "x86_64")]
pub const REGISTERS: u64 = 0x00ff_0fff;
/// The user registers of every sample, as a mask of the kernel's register numbers, in bit order: x0
/// … x30, sp, pc.
#[cfg(target_arch = "aarch64")]
pub const REGISTERS: u64 = (1 << 33) - 1;

/// The content of every sample.
const SAMPLE: u32 = sys::PERF_SAMPLE_IDENTIFIER
    | sys::PERF_SAMPLE_IP
    | sys::PERF_SAMPLE_TID
    | sys::PERF_SAMPLE_TIME
    | sys::PERF_SAMPLE_ADDR
    | sys::PERF_SAMPLE_CPU
    | sys::PERF_SAMPLE_PERIOD
    | sys::PERF_SAMPLE_CALLCHAIN
    | sys::PERF_SAMPLE_REGS_USER
    | sys::PERF_SAMPLE_STACK_USER;

/// The offset of the period in a sample: after the header and six words.
pub(crate) const PERIOD_OFFSET: usize = 8 + 6 * 8;

/// A record's size has 16 bits, and it may need an additional word for the period.
const COUNTED_STACK_MAX: u32 = 62 * 1024;

/// A sample without its stack: header, fixed words, registers, and the deepest chain of callers
/// (127 frames of kernel and user code by default) with its context markers.
const SAMPLE_BYTES: u64 = 8 + 7 * 8 + (2 + 33) * 8 + (1 + 127 + 8) * 8 + 16;

/// The number of stacks per second and CPU that is assumed for waits and first touches.
const COUNTED_HZ: u64 = 250;

/// Space for one second of context switches and other events without stacks.
const SIDEBAND_BYTES: u64 = 1 << 20;

/// The largest ring: half a second of 997 samples with 16 KiB of stack, a quarter with the 32 KiB
/// to which copies may grow then; rings are read ten times a second, and their memory counts as
/// ours.
const RING_MAX: u64 = 8 << 20;

/// The clock for CPU time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuClock {
    /// Cycles counted by the processor; a sample's period is in cycles.
    Cycles,
    /// The kernel's timer; a sample's period is in nanoseconds.
    CpuClock,
}

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PerfEventKind {
    /// Mappings, names, starts and ends of tasks; no samples.
    Sideband,
    /// Context switches; no samples.
    Switches,
    /// A sample after each period of CPU time.
    Cpu,
    /// A sample of a thread that leaves its CPU.
    OffCpu,
    /// A sample of a page fault, with its address.
    FirstTouch,
}

impl PerfEventKind {
    /// Whether one of a number of events is sampled, rather than a number per second.
    ///
    /// The kernel ignores the period of such a software event if samples contain the period, and
    /// samples every event (`perf_swevent_event`). So these samples are requested without it, and
    /// `cpu_ring` adds the word.
    pub(crate) const fn is_counted(self) -> bool {
        matches!(self, Self::OffCpu | Self::FirstTouch)
    }
}

/// The settings of sampling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamplingConfig {
    /// The clock for CPU time, if the machine has it.
    pub clock: CpuClock,
    /// Samples per second of CPU time: 1 to 10,000, at most the kernel's limit
    /// (`kernel.perf_event_max_sample_rate`).
    pub hz: u32,
    /// Bytes of user stack to copy with each sample: a multiple of 8, at most 65,528, of which the
    /// kernel takes the space that the rest of a sample needs.
    pub stack_bytes: u32,
    /// Excludes the kernel: an ordinary user may only sample user code of his own tasks.
    pub user_only: bool,
    /// Records every context switch.
    pub switches: bool,
    /// Samples one of this many switches away from a CPU. They happen in the kernel, so with
    /// `user_only` no such event is opened.
    pub off_cpu_period: Option<u64>,
    /// Whether CPU time is sampled, and mappings, names, starts and ends are recorded. If not, the
    /// session only adds to another session of the same target.
    pub samples_cpu: bool,
    /// Samples one of this many page faults, with the address; with `user_only` only those of user
    /// code.
    pub first_touch_period: Option<u64>,
}

impl Default for SamplingConfig {
    /// 99 samples per second with 16 KiB of stack, and context switches.
    fn default() -> Self {
        Self {
            clock: CpuClock::Cycles,
            hz: 99,
            stack_bytes: 16 * 1024,
            user_only: false,
            switches: true,
            off_cpu_period: None,
            samples_cpu: true,
            first_touch_period: None,
        }
    }
}

impl SamplingConfig {
    /// The error in the settings, if there is one.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let periods = [self.off_cpu_period, self.first_touch_period];
        if !(1..=10_000).contains(&self.hz) {
            Some("take 1 to 10,000 samples a second")
        } else if !self.stack_bytes.is_multiple_of(8) || self.stack_bytes > 65_528 {
            Some("copy a multiple of 8 bytes of stack, at most 65,528")
        } else if self.stack_bytes == 0 {
            Some("copy at least 8 bytes of stack")
        } else if periods.iter().flatten().any(|&n| n == 0 || n > i64::MAX as u64) {
            Some("sample one of at least 1 and at most 2^63 - 1")
        } else {
            None
        }
    }

    /// The events to open for each CPU (and task), in order.
    pub(crate) fn kinds(&self) -> Vec<PerfEventKind> {
        let mut kinds = Vec::new();
        if self.samples_cpu {
            kinds.push(PerfEventKind::Sideband);
        }
        if self.switches {
            kinds.push(PerfEventKind::Switches);
        }
        if self.samples_cpu {
            kinds.push(PerfEventKind::Cpu);
        }
        if self.off_cpu_period.is_some() && !self.user_only {
            kinds.push(PerfEventKind::OffCpu);
        }
        if self.first_touch_period.is_some() {
            kinds.push(PerfEventKind::FirstTouch);
        }
        kinds
    }

    /// The space that a second may need in a CPU's ring: a power of two bytes, at most 8 MiB.
    pub(crate) fn ring_bytes(&self) -> u64 {
        let counted = self.kinds().iter().filter(|kind| kind.is_counted()).count() as u64;
        let cpu = if self.samples_cpu { u64::from(self.hz) } else { 0 };
        let samples = cpu + counted * COUNTED_HZ;
        let sideband = if self.switches { SIDEBAND_BYTES } else { SIDEBAND_BYTES / 8 };
        let second = samples * (SAMPLE_BYTES + u64::from(self.stack_bytes)) + sideband;
        second.next_power_of_two().min(RING_MAX)
    }

    /// The attributes for the kernel.
    pub(crate) fn attr(
        &self,
        kind: PerfEventKind,
        inherit: bool,
        counts_lost: bool,
    ) -> perf_event_attr {
        let mut attr = blank(counts_lost);
        attr.set_inherit(inherit.into());
        attr.set_sample_id_all(1);
        attr.sample_type = SAMPLE.into();
        attr.sample_regs_user = REGISTERS;
        attr.sample_stack_user = self.stack_bytes;
        // Callers that a stack's copy may not reach.
        let has_callers = matches!(kind, PerfEventKind::Cpu | PerfEventKind::OffCpu);
        attr.set_exclude_callchain_user((!has_callers).into());
        // Changes of mappings and names can be recorded without observing the kernel.
        let is_without_samples = matches!(kind, PerfEventKind::Sideband | PerfEventKind::Switches);
        let user_only = self.user_only || is_without_samples;
        attr.set_exclude_kernel(user_only.into());
        attr.set_exclude_callchain_kernel(user_only.into());
        if kind.is_counted() {
            attr.sample_type &= !u64::from(sys::PERF_SAMPLE_PERIOD);
            attr.sample_stack_user = self.stack_bytes.min(COUNTED_STACK_MAX);
        }
        match kind {
            PerfEventKind::Sideband => ask_sideband(&mut attr),
            PerfEventKind::Switches => attr.set_context_switch(1),
            PerfEventKind::Cpu => self.ask_cpu(&mut attr),
            PerfEventKind::OffCpu => {
                attr.config = sys::PERF_COUNT_SW_CONTEXT_SWITCHES.into();
                attr.__bindgen_anon_1.sample_period = self.off_cpu_period.unwrap_or(1);
            }
            PerfEventKind::FirstTouch => {
                attr.config = sys::PERF_COUNT_SW_PAGE_FAULTS.into();
                attr.__bindgen_anon_1.sample_period = self.first_touch_period.unwrap_or(1);
            }
        }
        attr
    }

    fn ask_cpu(&self, attr: &mut perf_event_attr) {
        attr.set_freq(1);
        attr.__bindgen_anon_1.sample_freq = self.hz.into();
        match self.clock {
            CpuClock::Cycles => {
                attr.type_ = sys::PERF_TYPE_HARDWARE;
                attr.config = sys::PERF_COUNT_HW_CPU_CYCLES.into();
            }
            CpuClock::CpuClock => {
                attr.config = sys::PERF_COUNT_SW_CPU_CLOCK.into();
                // Not for cycles: ARM's driver rejects it, and an idle CPU stops its counter.
                attr.set_exclude_idle(1);
            }
        }
    }
}

fn ask_sideband(attr: &mut perf_event_attr) {
    attr.set_mmap(1);
    attr.set_mmap2(1);
    attr.set_comm(1);
    attr.set_comm_exec(1);
    attr.set_task(1);
}

/// The event that owns a ring: it never runs, and wakes the reader when a quarter is full.
pub(crate) fn owner(ring_bytes: u64, counts_lost: bool) -> perf_event_attr {
    let mut attr = blank(counts_lost);
    attr.set_exclude_kernel(1);
    attr.set_watermark(1);
    let quarter = u32::try_from(ring_bytes / 4).unwrap_or(u32::MAX);
    attr.__bindgen_anon_2.wakeup_watermark = quarter;
    attr
}

/// The attributes that all events of a ring have in common: they start disabled, and use one clock.
fn blank(counts_lost: bool) -> perf_event_attr {
    let lost = if counts_lost { sys::PERF_FORMAT_LOST } else { 0 };
    let mut attr = perf_event_attr {
        type_: sys::PERF_TYPE_SOFTWARE,
        config: sys::PERF_COUNT_SW_DUMMY.into(),
        read_format: (sys::PERF_FORMAT_ID | lost).into(),
        clockid: libc::CLOCK_MONOTONIC,
        ..Default::default()
    };
    attr.set_disabled(1);
    attr.set_use_clockid(1);
    attr.set_exclude_hv(1);
    attr
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [PerfEventKind; 5] = [
        PerfEventKind::Sideband,
        PerfEventKind::Switches,
        PerfEventKind::Cpu,
        PerfEventKind::OffCpu,
        PerfEventKind::FirstTouch,
    ];

    fn full() -> SamplingConfig {
        SamplingConfig {
            off_cpu_period: Some(7),
            first_touch_period: Some(3),
            ..SamplingConfig::default()
        }
    }

    #[test]
    fn a_recipe_out_of_range_is_refused() {
        let good = full();
        assert_eq!(good.fault(), None);
        let bad = [
            SamplingConfig { hz: 0, ..full() },
            SamplingConfig { hz: 10_001, ..full() },
            SamplingConfig { stack_bytes: 0, ..full() },
            SamplingConfig { stack_bytes: 1_001, ..full() },
            SamplingConfig { stack_bytes: 65_536, ..full() },
            SamplingConfig { off_cpu_period: Some(0), ..full() },
            SamplingConfig { first_touch_period: Some(u64::MAX), ..full() },
        ];
        for config in bad {
            assert!(config.fault().is_some(), "{config:?}");
        }
        assert_eq!(SamplingConfig { hz: 10_000, stack_bytes: 65_528, ..full() }.fault(), None);
    }

    #[test]
    fn all_events_share_clock_layout_and_registers() {
        for config in [full(), SamplingConfig { user_only: true, ..full() }] {
            for kind in ALL {
                let attr = config.attr(kind, true, true);
                let period = u64::from(sys::PERF_SAMPLE_PERIOD);
                assert_eq!(attr.sample_type | period, SAMPLE.into(), "{kind:?}");
                assert_eq!(attr.sample_type & period == 0, kind.is_counted(), "{kind:?}");
                assert_eq!((attr.use_clockid(), attr.clockid), (1, libc::CLOCK_MONOTONIC));
                assert_eq!((attr.disabled(), attr.sample_id_all(), attr.inherit()), (1, 1, 1));
                assert_eq!(attr.sample_regs_user, REGISTERS);
                let has_callers = matches!(kind, PerfEventKind::Cpu | PerfEventKind::OffCpu);
                assert_eq!(attr.exclude_callchain_user() == 0, has_callers, "{kind:?}");
                let has_samples =
                    !matches!(kind, PerfEventKind::Sideband | PerfEventKind::Switches);
                let is_user_only = config.user_only || !has_samples;
                assert_eq!(attr.exclude_kernel(), u64::from(is_user_only), "{kind:?}");
                let sideband = [attr.mmap(), attr.mmap2(), attr.comm(), attr.task()];
                assert_eq!(sideband == [1; 4], kind == PerfEventKind::Sideband, "{kind:?}");
                assert_eq!(attr.context_switch() == 1, kind == PerfEventKind::Switches);
            }
        }
    }

    #[test]
    fn waits_need_sight_of_the_kernel() {
        assert_eq!(full().kinds(), ALL);
        let user_only = SamplingConfig { user_only: true, ..full() };
        let seen = [ALL[0], ALL[1], ALL[2], PerfEventKind::FirstTouch];
        assert_eq!(user_only.kinds(), seen);
        assert_eq!(SamplingConfig::default().kinds(), ALL[..3]);
        let without = SamplingConfig { switches: false, ..SamplingConfig::default() };
        assert_eq!(without.kinds(), [PerfEventKind::Sideband, PerfEventKind::Cpu]);
        let addition =
            SamplingConfig { samples_cpu: false, first_touch_period: Some(1), ..without };
        assert_eq!(addition.kinds(), [PerfEventKind::FirstTouch]);
    }

    #[test]
    fn a_ring_holds_a_second_of_samples_or_as_much_as_is_sensible() {
        let mib = |config: SamplingConfig| config.ring_bytes() >> 20;
        assert_eq!(mib(SamplingConfig::default()), 4);
        assert_eq!(mib(SamplingConfig { switches: false, ..SamplingConfig::default() }), 2);
        assert_eq!(mib(SamplingConfig { off_cpu_period: Some(1), ..SamplingConfig::default() }), 8);
        assert_eq!(mib(SamplingConfig { hz: 997, ..SamplingConfig::default() }), 8);
        assert_eq!(
            mib(SamplingConfig { hz: 10_000, stack_bytes: 65_528, ..SamplingConfig::default() }),
            8
        );
        for hz in [1, 99, 200, 300] {
            let config = SamplingConfig { hz, ..SamplingConfig::default() };
            assert!(config.ring_bytes().is_power_of_two());
            assert!(config.ring_bytes() >= u64::from(hz) * (16 * 1024 + 1_500), "{hz}");
        }
    }

    #[test]
    fn a_counted_sample_leaves_room_for_its_period() {
        let config = SamplingConfig { stack_bytes: 65_528, ..full() };
        for kind in ALL {
            let attr = config.attr(kind, false, true);
            let whole = u64::from(attr.sample_stack_user) + SAMPLE_BYTES;
            assert_eq!(whole <= u64::from(u16::MAX), kind.is_counted(), "{kind:?}");
        }
    }
}
