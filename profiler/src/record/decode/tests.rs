//! The decoder compared with records built by hand, with another decoder, and with records that a
//! kernel wrote.

use linux_perf_event_reader::{
    BranchSampleFormat, ContextSwitchRecord, CpuMode, Endianness, EventRecord, RawData,
    RawEventRecord, ReadFormat, RecordIdParseInfo, RecordParseInfo, RecordType, SampleFormat,
    SampleRecord as ReaderSample, TaskWasPreempted,
};

use super::*;
use crate::record::fixture::{
    MARKER_KERNEL, MARKER_USER, Origin, REGISTER_COUNT, SampleParts, one_of_each, sample,
};

const ORIGIN: Origin = Origin { pid: 70, tid: 71, time: 123_456_789, cpu: 3, event: 42 };

/// The content of the records of [`one_of_each`].
fn contents() -> Vec<Content<'static>> {
    let place = |is_executable, path| {
        let (start, length, file_offset) = (0x7f00_0000, 0x2000, 0x1000);
        Content::Mapping(Mapping { pid: 70, start, length, file_offset, is_executable, path })
    };
    vec![
        place(true, b"//anon"),
        place(false, b"/data"),
        place(true, b"/usr/lib/libc.so.6"),
        place(true, b"/usr/lib/libc.so.6"),
        Content::Name { name: b"worker", is_exec: false },
        Content::Name { name: b"fifteen letters", is_exec: true },
        Content::Fork { pid: 71, tid: 72, parent: 70, parent_tid: 71 },
        Content::Exit { pid: 71, tid: 72 },
        Content::SwitchedIn,
        Content::SwitchedOut { is_preempted: false },
        Content::SwitchedOut { is_preempted: true },
        Content::SwitchedIn,
        Content::Lost(17),
        Content::LostSamples(18),
        Content::Throttled,
        Content::Unthrottled,
        Content::Other(17),
        Content::Other(4_000),
    ]
}

#[test]
fn every_kind_of_record_is_read() {
    let records = one_of_each(ORIGIN);
    let expected = contents();
    assert_eq!(records.len(), expected.len() + 2);
    for (bytes, content) in records[2..].iter().zip(expected) {
        // An exit is a record of the thread that ends.
        let (pid, tid) = match content {
            Content::Exit { pid, tid } => (pid, tid),
            _ => (70, 71),
        };
        let time = Timestamp(123_456_789);
        assert_eq!(decode(bytes), Ok(Record { event: 42, time, cpu: 3, pid, tid, content }));
    }
}

#[test]
fn a_sample_of_user_code_has_registers_and_the_filled_part_of_the_stack() {
    let records = one_of_each(ORIGIN);
    let record = decode(&records[0]).unwrap();
    let Content::Sample(read) = record.content else { panic!("{record:?}") };
    assert_eq!((record.event, record.time.0, record.cpu), (42, 123_456_789, 3));
    assert_eq!((record.pid, record.tid), (70, 71));
    assert_eq!((read.ip, read.address, read.period), (0x40_1234, 0xadd4, 10_101_010));
    assert!(!read.is_kernel && read.kernel.is_empty());
    let user = read.user.unwrap();
    assert_eq!(user.stack, (0..40).collect::<Vec<u8>>());
    assert!(!user.is_full);
    assert_eq!(user.callers.iter().collect::<Vec<_>>(), [0x40_1234, 0x40_2345]);
    let registers: Vec<u64> = (1_000..).take(REGISTER_COUNT).collect();
    assert_eq!(user.registers.iter().collect::<Vec<_>>(), registers);
}

#[test]
fn a_sample_of_a_kernel_thread_has_kernel_frames_alone() {
    let records = one_of_each(ORIGIN);
    let Content::Sample(read) = decode(&records[1]).unwrap().content else { panic!() };
    let frames: Vec<u64> = read.kernel.iter().collect();
    assert_eq!(frames, [0xffff_ffff_8100_0000, 0xffff_ffff_8100_0010]);
    assert!(read.is_kernel);
    assert_eq!(read.user, None);
}

fn kernel_of(chain: &[u64]) -> Vec<u64> {
    let chain = chain.to_vec();
    let parts = SampleParts { is_kernel: true, chain, abi: 0, stack: vec![], filled: 0 };
    let bytes = sample(&parts, ORIGIN);
    let Content::Sample(read) = decode(&bytes).unwrap().content else { panic!() };
    read.kernel.iter().collect()
}

#[test]
fn context_markers_are_no_addresses() {
    let kernel = 0xffff_ffff_8100_0000;
    assert!(kernel_of(&[]).is_empty());
    assert!(kernel_of(&[MARKER_KERNEL]).is_empty());
    assert_eq!(kernel_of(&[MARKER_KERNEL, kernel, MARKER_USER, 0x40]), [kernel]);
    assert_eq!(kernel_of(&[MARKER_USER, 0x40, MARKER_KERNEL, kernel]), [kernel]);
    assert!(kernel_of(&[MARKER_USER, 0x40]).is_empty());
    let last_address = -4096_i64 as u64;
    assert_eq!(kernel_of(&[MARKER_KERNEL, last_address, last_address + 1, 5]), [last_address]);
}

#[test]
fn what_the_kernel_did_not_copy_is_not_there() {
    let parts = |abi, filled| SampleParts {
        is_kernel: false,
        chain: vec![],
        abi,
        stack: vec![7; 128],
        filled,
    };
    let user = |parts| {
        let bytes = sample(&parts, ORIGIN);
        let record = decode(&bytes)?;
        let Content::Sample(read) = record.content else { panic!() };
        Ok(read.user.map(|user| (user.stack.len(), user.is_full)))
    };
    assert_eq!(user(parts(2, 128)), Ok(Some((128, true))));
    assert_eq!(user(parts(2, 120)), Ok(Some((120, false))));
    assert_eq!(user(parts(2, 0)), Ok(Some((0, false))));
    assert_eq!(user(parts(2, 129)), Err(DecodeError::Layout(9)));
    assert_eq!(user(parts(2, u64::MAX)), Err(DecodeError::Layout(9)));
    assert_eq!(user(parts(1, 128)), Ok(None), "a 32-bit program");
    assert_eq!(user(parts(0, 0)), Ok(None));
}

#[test]
fn sizes_that_lie_are_refused() {
    for whole in one_of_each(ORIGIN) {
        for len in 0..whole.len() {
            assert!(decode(&whole[..len]).is_err());
            let mut shortened = whole[..len].to_vec();
            if len >= 8 {
                shortened[6..8].copy_from_slice(&(len as u16).to_ne_bytes());
                // A shortened text is still a text; nothing else may be missing.
                let is_text = matches!(whole[0], 1 | 3 | 10);
                let is_open =
                    matches!(whole[0], 5 | 6 | 14..=17) || whole[..2] == 4_000u16.to_ne_bytes();
                let is_read = decode(&shortened).is_ok();
                assert!(!is_read || is_text || is_open || len + 8 >= whole.len());
            }
        }
        let mut longer = whole.clone();
        longer.extend([0; 8]);
        let (stated, found) = (whole.len(), whole.len() + 8);
        assert_eq!(decode(&longer), Err(DecodeError::Size { stated, found }));
        assert_eq!(peek_time(&longer), None);
    }
    assert_eq!(decode(&[]), Err(DecodeError::Size { stated: 0, found: 0 }));
    let mut counts_too_many_frames = one_of_each(ORIGIN).swap_remove(1);
    for lie in [6, 1 << 32, u64::MAX / 8 + 1, u64::MAX] {
        counts_too_many_frames[64..72].copy_from_slice(&u64::to_ne_bytes(lie));
        assert_eq!(decode(&counts_too_many_frames), Err(DecodeError::Layout(9)));
    }
}

#[test]
fn the_time_is_found_without_reading_the_rest() {
    for bytes in one_of_each(ORIGIN) {
        assert_eq!(peek_time(&bytes), Some(Timestamp(123_456_789)));
        assert_eq!(peek_time(&bytes[..bytes.len() - 1]), None);
    }
}

/// Records that Linux 6.18 wrote to the rings of two CPUs while a shell ran `ls /etc | wc -l` and a
/// loop, one ring after the other; 256 bytes of stack per sample, set to zero afterwards.
const RINGS_OF_A_SHELL: &[u8] = include_bytes!("../../../tests/rings/shell-x86_64.ring");
/// Their content, a line for each record; checked by hand.
const RINGS_TOLD: &str = include_str!("../../../tests/rings/shell-x86_64.txt");

fn records(mut dump: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    while !dump.is_empty() {
        let size = u16::from_ne_bytes([dump[6], dump[7]]);
        let (bytes, rest) = dump.split_at(size.into());
        records.push(bytes);
        dump = rest;
    }
    records
}

#[test]
#[cfg(target_arch = "x86_64")]
fn what_a_kernel_wrote_is_read() {
    let reported: String = records(RINGS_OF_A_SHELL).into_iter().map(line).collect();
    for (read, expected) in reported.lines().zip(RINGS_TOLD.lines()) {
        assert_eq!(read, expected);
    }
    assert_eq!(reported.len(), RINGS_TOLD.len());
}

/// A record in a line: CPU, microseconds, thread, and content.
fn line(bytes: &[u8]) -> String {
    let record = decode(bytes).unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let what = match record.content {
        Content::Sample(sample) => {
            let user = sample.user.map(|user| (user.registers.at(8), user.stack.len()));
            let kernel = sample.kernel.len();
            let SampleRecord { ip, address, period, is_kernel, .. } = sample;
            format!("sample {is_kernel} {ip:x} {address:x} {period} {kernel} {user:x?}")
        }
        Content::Mapping(it) => {
            let (start, end, path) = (it.start, it.start + it.length, text(it.path));
            format!("map {start:x}-{end:x} {:x} {} {path}", it.file_offset, it.is_executable)
        }
        Content::Name { name, is_exec } => format!("name {} {is_exec}", text(name)),
        other => format!("{other:?}"),
    };
    let micros = record.time.0 / 1_000 % 1_000_000;
    format!("{} {micros:06} {}/{} {what}\n", record.cpu, record.pid, record.tid)
}

#[test]
#[cfg(target_arch = "x86_64")]
fn another_decoder_reads_the_same() {
    let by_hand = one_of_each(ORIGIN);
    let by_hand = by_hand.iter().map(Vec::as_slice);
    let mut compared = 0;
    for bytes in records(RINGS_OF_A_SHELL).into_iter().chain(by_hand) {
        let record = decode(bytes).unwrap();
        let (kind, misc) = header(bytes).unwrap();
        if kind >= 64 {
            // Not the kernel's; the other decoder has no layout for it.
            continue;
        }
        let raw = RawEventRecord::new(RecordType(kind), misc, RawData::from(&bytes[8..]), INFO);
        assert_eq!((raw.timestamp(), raw.id()), (Some(record.time.0), Some(record.event)));
        compared += usize::from(is_same(&record, &raw.parse().unwrap()));
    }
    assert!(compared >= 80, "only {compared} records were of a kind that both read");
}

/// The format that `uringbench_perf` requests from the kernel, for the other decoder.
const INFO: RecordParseInfo = RecordParseInfo {
    endian: Endianness::LittleEndian,
    // ip, tid, time, addr, callchain, cpu, period, regs_user, stack_user, identifier.
    sample_format: SampleFormat::from_bits_truncate(0x1_31af),
    branch_sample_format: BranchSampleFormat::empty(),
    read_format: ReadFormat::empty(),
    common_data_offset_from_end: Some(32),
    sample_regs_user: uringbench_perf::REGISTERS,
    user_regs_count: REGISTER_COUNT as u8,
    sample_regs_intr: 0,
    intr_regs_count: 0,
    id_parse_info: RecordIdParseInfo {
        nonsample_record_id_offset_from_end: Some(8),
        sample_record_id_offset_from_start: Some(0),
    },
    nonsample_record_time_offset_from_end: Some(24),
    sample_record_time_offset_from_start: Some(24),
};

/// False if the other decoder does not read the kind; panics if the two differ.
fn is_same(record: &Record<'_>, theirs: &EventRecord<'_>) -> bool {
    let text = |raw: &RawData<'_>| raw.as_slice().into_owned();
    match (record.content, theirs) {
        (Content::Sample(ours), EventRecord::Sample(theirs)) => same_sample(&ours, theirs),
        (Content::Mapping(ours), EventRecord::Mmap2(theirs)) => {
            let place = (ours.start, ours.length, ours.file_offset);
            assert_eq!(place, (theirs.address, theirs.length, theirs.page_offset));
            assert_eq!((ours.pid, record.tid), (theirs.pid as u32, theirs.tid as u32));
            assert_eq!(ours.is_executable, theirs.protection & 4 != 0);
            assert_eq!(ours.path, text(&theirs.path));
        }
        (Content::Mapping(ours), EventRecord::Mmap(theirs)) => {
            assert_eq!((ours.path, ours.start), (&text(&theirs.path)[..], theirs.address));
            assert_eq!(ours.is_executable, theirs.is_executable);
        }
        (Content::Name { name, is_exec }, EventRecord::Comm(theirs)) => {
            assert_eq!((name, is_exec), (&text(&theirs.name)[..], theirs.is_execve));
        }
        (Content::Fork { pid, tid, parent, parent_tid }, EventRecord::Fork(theirs)) => {
            let theirs = [theirs.pid, theirs.tid, theirs.ppid, theirs.ptid];
            assert_eq!([pid, tid, parent, parent_tid].map(u32::cast_signed), theirs);
        }
        (Content::Exit { pid, tid }, EventRecord::Exit(theirs)) => {
            assert_eq!([pid, tid].map(u32::cast_signed), [theirs.pid, theirs.tid]);
        }
        (Content::SwitchedIn, EventRecord::ContextSwitch(theirs)) => {
            assert!(matches!(theirs, ContextSwitchRecord::In { .. }));
        }
        (Content::SwitchedOut { is_preempted }, EventRecord::ContextSwitch(theirs)) => {
            let ContextSwitchRecord::Out { preempted, .. } = theirs else { panic!() };
            assert_eq!(is_preempted, matches!(preempted, TaskWasPreempted::Yes));
        }
        (Content::Lost(count), EventRecord::Lost(theirs)) => assert_eq!(count, theirs.count),
        (Content::Throttled, EventRecord::Throttle(_)) => {}
        (Content::Unthrottled, EventRecord::Unthrottle(_)) => {}
        (Content::LostSamples(_) | Content::Other(_), EventRecord::Raw(_)) => return false,
        (ours, theirs) => panic!("{ours:?} is read as {theirs:?}"),
    }
    true
}

fn same_sample(ours: &SampleRecord<'_>, theirs: &ReaderSample<'_>) {
    let whole = (ours.ip, ours.address, ours.period);
    assert_eq!(Some(whole), theirs.ip.zip(theirs.addr).zip(theirs.period).map(flat));
    assert_eq!(ours.is_kernel, theirs.cpu_mode == CpuMode::Kernel);
    let chain = theirs.callchain.as_ref().unwrap();
    let words: Vec<u64> = (0..chain.len()).filter_map(|at| chain.get(at)).collect();
    let addresses = |mode| {
        let marker = words.iter().position(|&word| word == mode);
        let after = marker.map_or(&[][..], |marker| &words[marker + 1..]);
        after.iter().copied().take_while(|&word| word < CONTEXT_MAX).collect::<Vec<_>>()
    };
    assert_eq!(ours.kernel.iter().collect::<Vec<_>>(), addresses(MARKER_KERNEL));
    assert_eq!(ours.user.is_some(), theirs.user_regs.is_some());
    let (Some(ours), Some(theirs_registers)) = (ours.user, &theirs.user_regs) else { return };
    assert_eq!(ours.callers.iter().collect::<Vec<_>>(), addresses(MARKER_USER));
    let bits = (0..64).filter(|bit| uringbench_perf::REGISTERS >> bit & 1 == 1);
    for (index, bit) in bits.enumerate() {
        assert_eq!(ours.registers.at(index), theirs_registers.get(bit));
    }
    let (room, filled) = theirs.user_stack.unwrap_or_else(|| (RawData::empty(), 0));
    let filled = filled.min(room.len() as u64) as usize;
    assert_eq!(ours.stack, &room.as_slice()[..filled]);
}

const fn flat(((a, b), c): ((u64, u64), u64)) -> (u64, u64, u64) {
    (a, b, c)
}
