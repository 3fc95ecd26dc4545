//! The written file, parsed by the rules of `profile.proto`.

use std::io::Read;

use flate2::read::GzDecoder;
use proptest::prelude::*;

use super::*;
use crate::export::fixture::{Full, PERIOD, recording, sample, unreadable};

fn written(samples: &[Sample]) -> Vec<u8> {
    let recording = recording();
    let mut file = Vec::new();
    let samples = samples.iter().copied().map(Ok);
    write_pprof(&recording.source(), samples, &mut file).unwrap();
    file
}

fn read(file: &[u8]) -> Profile {
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    Profile::decode(&bytes[..]).unwrap()
}

impl Profile {
    fn text(&self, number: i64) -> &str {
        &self.string_table[number as usize]
    }

    /// A stack as `file!function`, from the outermost frame to the innermost.
    fn folded(&self, sample: &SampleMessage) -> String {
        let frame = |id: &u64| {
            let place = self.location.iter().find(|place| place.id == *id).unwrap();
            assert_eq!(place.line.len(), 1);
            let id = place.line[0].function_id;
            let function = self.function.iter().find(|function| function.id == id).unwrap();
            let mapping = self.mapping.iter().find(|file| file.id == place.mapping_id);
            assert_eq!(mapping.is_none(), place.mapping_id == 0);
            let file = mapping.map_or("", |mapping| self.text(mapping.filename));
            let source = self.text(function.filename);
            format!("{file}{source}!{}", self.text(function.name))
        };
        let frames: Vec<_> = sample.location_id.iter().rev().map(frame).collect();
        frames.join(";")
    }

    fn labels(&self, sample: &SampleMessage) -> Vec<String> {
        let label = |label: &Label| {
            let (key, text) = (self.text(label.key), self.text(label.text));
            if label.text == 0 {
                format!("{key}={}", label.number)
            } else {
                format!("{key}={text}")
            }
        };
        sample.label.iter().map(label).collect()
    }
}

#[test]
fn samples_are_added_up_by_stack_and_thread() {
    let [handle, read_call, handler, unnamed] = recording().known;
    let cpu = (SampleKind::Cpu, PERIOD);
    let file = written(&[
        sample(1, (10, 11), cpu, handle),
        sample(2, (10, 10), cpu, handle),
        sample(3, (10, 11), cpu, handle),
        sample(4, (10, 11), (SampleKind::Blocked, 7), read_call),
        sample(5, (10, 11), (SampleKind::Preempted, 8), read_call),
        sample(6, (10, 11), (SampleKind::FirstTouch, 4096), handler),
        sample(7, (12, 13), cpu, unnamed),
        sample(8, (12, 13), cpu, StackId::EMPTY),
    ]);
    let profile = read(&file);
    let reported: Vec<_> = profile
        .sample
        .iter()
        .map(|sample| {
            let text = format!("{} {}", profile.folded(sample), profile.labels(sample).join(" "));
            (text, sample.value.clone())
        })
        .collect();
    let expect = |stack: &str, labels: &str, values: [i64; 4]| {
        (format!("{stack} {labels}"), values.to_vec())
    };
    let worker = "process=server thread=worker pid=10 tid=11";
    let other = "process=process 12 thread=thread 13 pid=12 tid=13";
    let period = PERIOD as i64;
    let mut expected = vec![
        expect(
            "server!main;server!handle",
            "process=server thread=server pid=10 tid=10",
            [period, 0, 0, 0],
        ),
        expect("server!main;server!handle", worker, [2 * period, 0, 0, 0]),
        expect("server!main;server!handle;!read", worker, [0, 7, 8, 0]),
        expect("server!main;app.py!handler", worker, [0, 0, 0, 4096]),
        expect("", other, [period, 0, 0, 0]),
        expect("![unknown]", other, [period, 0, 0, 0]),
    ];
    expected.sort();
    let mut sorted = reported;
    sorted.sort();
    assert_eq!(sorted, expected);
}

#[test]
fn the_head_says_what_the_values_are() {
    let profile = read(&written(&[]));
    let types: Vec<_> = profile
        .sample_type
        .iter()
        .map(|of| [profile.text(of.name), profile.text(of.unit)])
        .collect();
    let expected = [
        ["cpu", "nanoseconds"],
        ["blocked", "nanoseconds"],
        ["preempted", "nanoseconds"],
        ["first_touch", "bytes"],
    ];
    assert_eq!(types, expected);
    assert_eq!(profile.text(profile.default_sample_type), "cpu");
    assert_eq!(profile.period_type, Some(profile.sample_type[0]));
    assert_eq!(profile.period, 10_000_000);
    assert_eq!(profile.time_nanos, 1_700_000_000_000_000_000);
    assert_eq!(profile.duration_nanos, 3_000_000_000);
    assert_eq!(profile.text(0), "");
    // pprof itself refuses a location id that is 0 or duplicate.
    let mut ids: Vec<_> = profile.location.iter().map(|place| place.id).collect();
    ids.dedup();
    assert_eq!(ids, (1..=profile.location.len() as u64).collect::<Vec<_>>());
    assert_eq!((profile.location.len(), profile.function.len()), (5, 5));
    assert!(profile.mapping.iter().all(|mapping| mapping.has_functions));
    assert_eq!(profile.mapping.len(), 1);
}

/// A message parsed by hand: fields by number, in the order of `profile.proto`, with the bytes of
/// those that have a length. Independent of `prost`.
#[test]
fn the_bytes_are_those_of_the_format() {
    let [handle, ..] = recording().known;
    let file = written(&[sample(1, (10, 11), (SampleKind::Cpu, 300), handle)]);
    let mut bytes = Vec::new();
    GzDecoder::new(&file[..]).read_to_end(&mut bytes).unwrap();
    // Field 6, of a length of 0: the first string is empty; field 6 again, "cpu".
    assert_eq!(bytes[..7], [0x32, 0, 0x32, 3, b'c', b'p', b'u']);
    // The sample: packed locations 2 and 1 from the leaf on, packed values 300, 0, 0, 0.
    let message = [0x0a, 2, 2, 1, 0x12, 5, 0xac, 2, 0, 0, 0];
    let at = bytes.windows(message.len()).position(|part| part == message).unwrap();
    assert_eq!(bytes[at - 2], 0x12, "field 2 of the profile");
}

#[test]
fn a_file_is_the_same_whenever_it_is_written() {
    let [handle, read_call, ..] = recording().known;
    let cpu = (SampleKind::Cpu, PERIOD);
    let mut samples: Vec<_> = (0..50)
        .map(|at| sample(at, (10, 11 + at as u32 % 7), cpu, [handle, read_call][at as usize % 2]))
        .collect();
    let file = written(&samples);
    samples.reverse();
    assert_eq!(written(&samples), file);
}

#[test]
fn what_fails_is_reported() {
    let recording = recording();
    let failed = write_pprof(&recording.source(), [unreadable()], &mut Vec::new());
    assert_eq!(failed.unwrap_err().to_string(), "the disk is gone");
    let failed = write_pprof(&recording.source(), [], &mut Full);
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
}

proptest! {
    #[test]
    fn nothing_is_lost_in_adding_up(
        samples in proptest::collection::vec((0..4usize, 0..4usize, 10..13u32, 0..1_000u64), 0..60)
    ) {
        let known = recording().known;
        let samples: Vec<_> = samples
            .iter()
            .map(|&(stack, kind, tid, weight)| {
                sample(1, (10, tid), (TYPES[kind].0, weight), known[stack])
            })
            .collect();
        let profile = read(&written(&samples));
        for (at, (kind, ..)) in TYPES.into_iter().enumerate() {
            let of_kind = samples.iter().filter(|sample| sample.kind == kind);
            let expected: u64 = of_kind.map(|sample| sample.weight).sum();
            let reported: i64 = profile.sample.iter().map(|sample| sample.value[at]).sum();
            prop_assert_eq!(reported as u64, expected);
        }
    }
}
