//! Records as the kernel writes them, built by hand for tests.
//!
//! Layouts after `include/uapi/linux/perf_event.h`, written independently of the decoder, so that a
//! mistake in one is found by the other.

/// The fields that every record has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) pid: u32,
    pub(crate) tid: u32,
    pub(crate) time: u64,
    pub(crate) cpu: u32,
    pub(crate) event: u64,
}

/// The optional parts of a sample.
#[derive(Clone, Debug)]
pub(crate) struct SampleParts {
    pub(crate) is_kernel: bool,
    /// With context markers.
    pub(crate) chain: Vec<u64>,
    /// 0 is none, 1 of a 32-bit program, 2 of a 64-bit one.
    pub(crate) abi: u64,
    /// The buffer of the stack; empty if none was requested.
    pub(crate) stack: Vec<u8>,
    /// The length that is filled.
    pub(crate) filled: u64,
}

pub(crate) const MARKER_KERNEL: u64 = -128_i64 as u64;
pub(crate) const MARKER_USER: u64 = -512_i64 as u64;
#[cfg(target_arch = "x86_64")]
pub(crate) const REGISTER_COUNT: usize = 20;
#[cfg(target_arch = "aarch64")]
pub(crate) const REGISTER_COUNT: usize = 33;

/// A record other than a sample.
pub(crate) fn record(kind: u32, misc: u16, body: &[u8], origin: Origin) -> Vec<u8> {
    let trailer = Body::default()
        .u32s(&[origin.pid, origin.tid])
        .u64s(&[origin.time])
        .u32s(&[origin.cpu, 0])
        .u64s(&[origin.event]);
    whole(kind, misc, &[body, &trailer.0].concat())
}

/// A sample; its registers are 1000, 1001 and so on.
pub(crate) fn sample(parts: &SampleParts, origin: Origin) -> Vec<u8> {
    let mut body = Body::default()
        .u64s(&[origin.event, 0x40_1234])
        .u32s(&[origin.pid, origin.tid])
        .u64s(&[origin.time, 0xadd4])
        .u32s(&[origin.cpu, 0])
        .u64s(&[10_101_010, parts.chain.len() as u64])
        .u64s(&parts.chain)
        .u64s(&[parts.abi]);
    if parts.abi != 0 {
        let registers: Vec<u64> = (1_000..).take(REGISTER_COUNT).collect();
        body = body.u64s(&registers);
    }
    body = body.u64s(&[parts.stack.len() as u64]);
    if !parts.stack.is_empty() {
        body = body.bytes(&parts.stack).u64s(&[parts.filled]);
    }
    whole(9, if parts.is_kernel { 1 } else { 2 }, &body.0)
}

fn whole(kind: u32, misc: u16, body: &[u8]) -> Vec<u8> {
    let size = u16::try_from(8 + body.len()).expect("a record is shorter than 64 KiB");
    let header = Body::default().u32s(&[kind]);
    [&header.0[..], &misc.to_ne_bytes(), &size.to_ne_bytes(), body].concat()
}

/// Fields in the order they are added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body(pub(crate) Vec<u8>);

impl Body {
    pub(crate) fn u32s(mut self, fields: &[u32]) -> Self {
        fields.iter().for_each(|field| self.0.extend(field.to_ne_bytes()));
        self
    }

    pub(crate) fn u64s(mut self, fields: &[u64]) -> Self {
        fields.iter().for_each(|field| self.0.extend(field.to_ne_bytes()));
        self
    }

    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// A text, ended by a zero and padded with zeros to a multiple of 8 bytes.
    pub(crate) fn text(mut self, text: &str) -> Self {
        self.0.extend(text.bytes());
        self.0.resize((self.0.len() + 8) / 8 * 8, 0);
        self
    }
}

/// One record of every kind, and some of unknown kinds.
pub(crate) fn one_of_each(origin: Origin) -> Vec<Vec<u8>> {
    let Origin { pid, tid, time, .. } = origin;
    let ids = Body::default().u32s(&[pid, tid]);
    let place = ids.clone().u64s(&[0x7f00_0000, 0x2000, 0x1000]);
    let task = Body::default().u32s(&[pid + 1, pid, tid + 1, tid]).u64s(&[time]);
    let empty = Body::default();
    let of_user = SampleParts {
        is_kernel: false,
        chain: vec![MARKER_USER, 0x40_1234, 0x40_2345],
        abi: 2,
        stack: (0..64).collect(),
        filled: 40,
    };
    let of_kernel = SampleParts {
        is_kernel: true,
        chain: vec![MARKER_KERNEL, 0xffff_ffff_8100_0000, 0xffff_ffff_8100_0010, MARKER_USER, 8],
        abi: 0,
        stack: Vec::new(),
        filled: 0,
    };
    let mmap2 = |file: Body| {
        let body = place.clone().bytes(&file.0).u32s(&[5, 2]).text("/usr/lib/libc.so.6");
        body.0
    };
    let inode = Body::default().u32s(&[8, 1]).u64s(&[4711, 1]);
    let build_id = Body::default().bytes(&[20, 0, 0, 0]).bytes(&[0xab; 20]);
    vec![
        sample(&of_user, origin),
        sample(&of_kernel, origin),
        record(1, 2, &place.clone().text("//anon").0, origin),
        record(1, 2 | 1 << 13, &place.clone().text("/data").0, origin),
        record(10, 2, &mmap2(inode), origin),
        record(10, 2 | 1 << 14, &mmap2(build_id), origin),
        record(3, 0, &ids.clone().text("worker").0, origin),
        record(3, 1 << 13, &ids.text("fifteen letters").0, origin),
        record(7, 0, &task.0, origin),
        record(4, 0, &task.0, origin),
        record(14, 0, &[], origin),
        record(14, 1 << 13, &[], origin),
        record(15, 1 << 13 | 1 << 14, &empty.clone().u32s(&[7, 7]).0, origin),
        record(15, 0, &empty.clone().u32s(&[7, 7]).0, origin),
        record(2, 0, &empty.clone().u64s(&[origin.event, 17]).0, origin),
        record(13, 0, &empty.clone().u64s(&[18]).0, origin),
        record(5, 0, &empty.clone().u64s(&[time, origin.event, 1]).0, origin),
        record(6, 0, &empty.clone().u64s(&[time, origin.event, 1]).0, origin),
        record(17, 0, &empty.u64s(&[1, 2, 3]).0, origin),
        record(4_000, 0, &[], origin),
    ]
}
