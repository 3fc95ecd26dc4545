//! pprof's format: a gzipped protocol buffer, `profile.proto` of github.com/google/pprof.
//!
//! Samples are added up per stack and thread; memory follows their number, some 60 bytes each. The
//! message is written in parts: concatenated protocol buffers are one message with joined repeated
//! fields.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use rustc_hash::FxHashMap;

use super::{Called, ExportSource};
use crate::sample::{Sample, SampleKind};
use crate::stack::{FrameId, FrameKind, Location as Place, StackId};

/// The values of a sample, in order.
const TYPES: [(SampleKind, &str, &str); 4] = [
    (SampleKind::Cpu, "cpu", "nanoseconds"),
    (SampleKind::Blocked, "blocked", "nanoseconds"),
    (SampleKind::Preempted, "preempted", "nanoseconds"),
    (SampleKind::FirstTouch, "first_touch", "bytes"),
];

/// Write a profile with the values `cpu`, `blocked`, `preempted` (nanoseconds) and `first_touch`
/// (bytes), and the labels `process`, `thread`, `pid` and `tid`.
///
/// # Errors
/// If a sample is an error, or `out` cannot be written.
pub fn write_pprof(
    source: &ExportSource<'_>,
    samples: impl IntoIterator<Item = io::Result<Sample>>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut sums: FxHashMap<Key, [u64; TYPES.len()]> = FxHashMap::default();
    for sample in samples {
        let Sample { pid, tid, stack, kind, weight, .. } = sample?;
        let at = TYPES.iter().position(|&(of, ..)| of == kind).expect("TYPES has every kind");
        let sum = &mut sums.entry((pid, tid, stack)).or_default()[at];
        *sum = sum.saturating_add(weight);
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_unstable();
    let mut file = File::new(out);
    file.put_head(source)?;
    file.put_frames(source)?;
    let called = Called::new(source);
    for (key, values) in sums {
        file.put_sample(source, &called, key, values)?;
    }
    file.gzip.finish()?.flush()
}

/// Process, thread and stack: samples with equal keys are added up.
type Key = (u32, u32, StackId);

/// The file being written.
struct File<'a> {
    gzip: GzEncoder<&'a mut dyn Write>,
    part: Vec<u8>,
    strings: FxHashMap<String, i64>,
}

impl<'a> File<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        let gzip = GzEncoder::new(out, Compression::default());
        Self { gzip, part: Vec::new(), strings: FxHashMap::default() }
    }

    fn put(&mut self, part: &Profile) -> io::Result<()> {
        self.part.clear();
        part.encode(&mut self.part).map_err(io::Error::other)?;
        self.gzip.write_all(&self.part)
    }

    /// The index of a string, which is written if it is new.
    fn string(&mut self, text: &str) -> io::Result<i64> {
        if let Some(&known) = self.strings.get(text) {
            return Ok(known);
        }
        let number = self.strings.len() as i64;
        self.strings.insert(text.to_owned(), number);
        self.put(&Profile { string_table: vec![text.to_owned()], ..Profile::default() })?;
        Ok(number)
    }

    fn put_head(&mut self, source: &ExportSource<'_>) -> io::Result<()> {
        self.string("")?;
        let mut head = Profile {
            time_nanos: signed(source.unix_start.0),
            duration_nanos: signed(source.length.0),
            period: signed(source.period_ns),
            default_sample_type: self.string(TYPES[0].1)?,
            ..Profile::default()
        };
        for (_, name, unit) in TYPES {
            let of = ValueType { name: self.string(name)?, unit: self.string(unit)? };
            head.sample_type.push(of);
        }
        head.period_type = Some(head.sample_type[0]);
        self.put(&head)
    }

    /// A location for each frame, numbered from 1, with its function and its file.
    fn put_frames(&mut self, source: &ExportSource<'_>) -> io::Result<()> {
        let mut functions: FxHashMap<[i64; 2], u64> = FxHashMap::default();
        let mut mappings: FxHashMap<i64, u64> = FxHashMap::default();
        for (index, place) in source.stacks.locations().iter().enumerate() {
            let name = source.name(FrameId(index as u32));
            let function = if name.function.is_empty() { "[unknown]" } else { &name.function };
            let function = self.string(function)?;
            let module = self.string(&name.module)?;
            // An interpreter's file is the source of the function, not a mapped file.
            let is_source = name.kind == FrameKind::Interpreted;
            let filename = if is_source { module } else { 0 };
            let function_id = match functions.get(&[function, filename]) {
                Some(&known) => known,
                None => {
                    let id = functions.len() as u64 + 1;
                    functions.insert([function, filename], id);
                    let function = Function { id, name: function, system_name: function, filename };
                    self.put(&Profile { function: vec![function], ..Profile::default() })?;
                    id
                }
            };
            let mapping_id = match mappings.get(&module) {
                Some(&known) => known,
                None if module == 0 || is_source => 0,
                None => {
                    let id = mappings.len() as u64 + 1;
                    mappings.insert(module, id);
                    let mapping = Mapping { id, filename: module, has_functions: true };
                    self.put(&Profile { mapping: vec![mapping], ..Profile::default() })?;
                    id
                }
            };
            let line = vec![Line { function_id }];
            let location = Location {
                id: location_id(index as u32),
                mapping_id,
                address: address(place),
                line,
            };
            self.put(&Profile { location: vec![location], ..Profile::default() })?;
        }
        Ok(())
    }

    fn put_sample(
        &mut self,
        source: &ExportSource<'_>,
        called: &Called<'_>,
        (pid, tid, stack): Key,
        values: [u64; TYPES.len()],
    ) -> io::Result<()> {
        let texts = [("process", called.process(pid)), ("thread", called.thread(pid, tid))];
        let mut label = Vec::with_capacity(4);
        for (key, text) in texts {
            label.push(Label { key: self.string(key)?, text: self.string(&text)?, number: 0 });
        }
        for (key, number) in [("pid", pid), ("tid", tid)] {
            label.push(Label { key: self.string(key)?, text: 0, number: number.into() });
        }
        let frames = source.stacks.leaf_first(stack);
        let location_id = frames.map(|frame| location_id(frame.0)).collect();
        let sample = SampleMessage { location_id, value: values.map(signed).to_vec(), label };
        self.put(&Profile { sample: vec![sample], ..Profile::default() })
    }
}

/// Numbers begin with 1.
fn location_id(frame: u32) -> u64 {
    u64::from(frame) + 1
}

const fn address(place: &Place) -> u64 {
    match *place {
        Place::Kernel(address)
        | Place::Code { address, .. }
        | Place::Inlined { address, .. }
        | Place::Anonymous { address, .. } => address,
        Place::Named(_) | Place::Marker(_) => 0,
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

// The messages of `profile.proto`, with the fields that are used. The index of a string is its
// place in `string_table`, whose first entry is empty.

#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<SampleMessage>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    name: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct SampleMessage {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    text: i64,
    #[prost(int64, tag = "3")]
    number: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "5")]
    filename: i64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping_id: u64,
    #[prost(uint64, tag = "3")]
    address: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

#[cfg(test)]
mod tests;
