//! Records as parsed by another crate.

use linux_perf_event_reader::{
    BranchSampleFormat, ContextSwitchRecord, Endianness, EventRecord, RawData, RawEventRecord,
    ReadFormat, RecordIdParseInfo, RecordParseInfo, RecordType, SampleFormat,
};

use crate::event_attr::{PerfEventKind, REGISTERS, SamplingConfig};
use crate::session::Session;

/// A record as parsed by the oracle.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) id: u64,
    pub(super) kind: Option<PerfEventKind>,
    pub(super) time: u64,
    pub(super) pid: u32,
    pub(super) tid: u32,
    pub(super) content: Content,
}

#[derive(Debug, PartialEq)]
pub(super) enum Content {
    Sample { address: u64, period: u64, ip: u64, registers: usize, stack: usize },
    SwitchedIn,
    SwitchedOut,
    Lost(u64),
    Throttled,
    Other,
}

fn layout() -> RecordParseInfo {
    let format = SamplingConfig::default().attr(PerfEventKind::Cpu, false, true).sample_type;
    RecordParseInfo {
        endian: Endianness::LittleEndian,
        sample_format: SampleFormat::from_bits(format).unwrap(),
        branch_sample_format: BranchSampleFormat::empty(),
        read_format: ReadFormat::empty(),
        common_data_offset_from_end: Some(32),
        sample_regs_user: REGISTERS,
        user_regs_count: REGISTERS.count_ones() as u8,
        sample_regs_intr: 0,
        intr_regs_count: 0,
        id_parse_info: RecordIdParseInfo {
            nonsample_record_id_offset_from_end: Some(8),
            sample_record_id_offset_from_start: Some(0),
        },
        nonsample_record_time_offset_from_end: Some(24),
        sample_record_time_offset_from_start: Some(24),
    }
}

/// All available records, each parsed, and from the CPU of its ring.
pub(super) fn drained(session: &mut Session) -> Vec<Seen> {
    let mut raw = Vec::new();
    session.drain(&mut |cpu, record| raw.push((cpu, record.to_vec())));
    raw.iter().map(|(cpu, record)| parsed(session, *cpu, record)).collect()
}

pub(super) fn parsed(session: &Session, cpu: u32, record: &[u8]) -> Seen {
    let kind = RecordType(u32::from_ne_bytes(record[..4].try_into().unwrap()));
    let misc = u16::from_ne_bytes(record[4..6].try_into().unwrap());
    let size = u16::from_ne_bytes(record[6..8].try_into().unwrap());
    assert_eq!(usize::from(size), record.len());
    let record = RawEventRecord::new(kind, misc, RawData::Single(&record[8..]), layout());
    let stated = record.common_data().unwrap();
    assert_eq!(stated.cpu, Some(cpu), "{kind:?}");
    let content = match record.parse().unwrap() {
        EventRecord::Sample(sample) => Content::Sample {
            address: sample.addr.unwrap(),
            period: sample.period.unwrap(),
            ip: sample.ip.unwrap(),
            registers: sample.user_regs.map_or(0, |_| REGISTERS.count_ones() as usize),
            stack: sample.user_stack.map_or(0, |(_, copied)| copied as usize),
        },
        EventRecord::ContextSwitch(ContextSwitchRecord::In { .. }) => Content::SwitchedIn,
        EventRecord::ContextSwitch(ContextSwitchRecord::Out { .. }) => Content::SwitchedOut,
        EventRecord::Lost(lost) => Content::Lost(lost.count),
        EventRecord::Throttle(_) => Content::Throttled,
        _ => Content::Other,
    };
    let id = stated.id.unwrap();
    Seen {
        id,
        kind: session.kind_of(id),
        time: stated.timestamp.unwrap(),
        pid: stated.pid.unwrap().cast_unsigned(),
        tid: stated.tid.unwrap().cast_unsigned(),
        content,
    }
}
