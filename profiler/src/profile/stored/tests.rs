//! Written profiles are read back, and anything else is an error of one line.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;
use uringbench_core::window::{NamedWindow, Phase};

use super::*;
use crate::profile::{Selection, fixture};
use crate::sample::SampleKind::{Blocked, Cpu, FirstTouch, Preempted};

fn about() -> About {
    let span = |phase, start, end| NamedWindow::of(phase, Timestamp(start), Timestamp(end));
    About {
        title: "GET / “quoted”".to_owned(),
        mode: "system_wide".to_owned(),
        is_user_only: true,
        load: Some(StoredLoad {
            start: Timestamp(100),
            windows: [span(Phase::Warmup, 100, 200), span(Phase::Measure, 200, 900)]
                .into_iter()
                .collect(),
            steps: vec![
                LoadStep {
                    start_ns: 0,
                    length_ns: 100,
                    completed: 7,
                    response_p99_ns: Some(5),
                    in_flight: 3,
                },
                LoadStep {
                    start_ns: 100,
                    length_ns: 50,
                    completed: 0,
                    response_p99_ns: None,
                    in_flight: 0,
                },
            ],
            spikes: Windows::covering([Timestamp(300)..Timestamp(400)]),
        }),
    }
}

fn profile() -> Profile {
    let mut profile = fixture::profile(&[
        (150, Cpu, "main;parse!app#1;memcpy!libc.so.6", 10),
        (250, Cpu, "main;parse!app#2;memcpy!libc.so.6", 20),
        (350, Blocked, "main;epoll_wait;schedule_[k]", 30),
        (400, Preempted, "main;handler!app.py_[i]", 40),
        (500, FirstTouch, "[truncated];grow;jitted_[j]", 4096),
        (600, Cpu, "", 1),
    ]);
    profile.facts.coverage = Some(0.975);
    profile.facts.unwound = None;
    profile.facts.lost = 9;
    profile.facts.notes = vec!["a note".to_owned()];
    profile
}

fn folded(profile: &Profile) -> Vec<Vec<String>> {
    let kinds = [Cpu, Blocked, Preempted, FirstTouch];
    let views = profile.cut_all(&kinds.map(|kind| Selection::of([kind]))).unwrap();
    views.iter().map(|view| view.flame_lines(profile)).collect()
}

/// A folder with the file of `profile`.
fn written() -> (TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = write_stored(&profile(), &about(), folder.path()).unwrap();
    (folder, fs::read(path).unwrap())
}

/// The error for these bytes.
fn complaint(folder: &TempDir, bytes: &[u8]) -> String {
    fs::write(folder.path().join(FILE), bytes).unwrap();
    let why = read_stored(folder.path()).unwrap_err().to_string();
    assert!(!why.contains('\n') && why.contains(FILE), "{why}");
    why
}

#[test]
fn a_profile_comes_back_whole_and_can_be_stored_again() {
    let (folder, bytes) = written();
    let stored = read_stored(folder.path()).unwrap();
    assert_eq!(stored.about, about());
    let original = profile();
    assert_eq!(stored.profile.facts, original.facts);
    assert_eq!(folded(&stored.profile), folded(&original));
    let samples = |profile: &Profile| -> Vec<_> {
        let samples = profile.samples.samples().map(Result::unwrap);
        samples.map(|s| (s.time, s.cpu, s.pid, s.tid, s.kind, s.weight)).collect()
    };
    assert_eq!(samples(&stored.profile), samples(&original));
    // Two places in `parse` are one frame now.
    assert!(stored.profile.stacks.len() < original.stacks.len());
    let again = tempfile::tempdir().unwrap();
    let path = write_stored(&stored.profile, &stored.about, again.path()).unwrap();
    assert!(fs::read(path).unwrap() == bytes, "the second copy is another");
}

#[test]
fn a_profile_without_samples_and_load_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    write_stored(&fixture::profile(&[]), &About::default(), folder.path()).unwrap();
    let stored = read_stored(folder.path()).unwrap();
    assert_eq!(stored.about, About::default());
    assert!(stored.profile.samples.is_empty() && stored.profile.stacks.is_empty());
}

#[test]
fn what_was_read_back_takes_no_more_samples() {
    let (folder, bytes) = written();
    let mut stored = read_stored(folder.path()).unwrap();
    let sample = stored.profile.samples.samples().next().unwrap().unwrap();
    let before = stored.profile.samples.len();
    stored.profile.samples.push(&sample).unwrap();
    stored.profile.samples.flush().unwrap();
    assert_eq!(stored.profile.samples.len(), before);
    assert!(fs::read(folder.path().join(FILE)).unwrap() == bytes);
}

#[test]
fn each_defect_has_its_line() {
    let (folder, bytes) = written();
    let nowhere = tempfile::tempdir().unwrap();
    let missing = read_stored(nowhere.path()).unwrap_err().to_string();
    assert!(missing.contains("is not there"), "{missing}");
    let mut newer = bytes.clone();
    newer[8] = 2;
    let mut flipped = bytes.clone();
    flipped[bytes.len() - 20] ^= 1;
    let mut long = bytes.clone();
    long.extend_from_slice(b"more");
    let cases: [(&[u8], &str); 7] = [
        (b"", "is not a stored profile"),
        (b"{\"schema\":1}", "is not a stored profile"),
        (&newer, "is of version 2, this uringbench reads 1"),
        (&bytes[..20], "is cut off (20 of"),
        (&bytes[..bytes.len() - 1], "is cut off"),
        (&flipped, "its checksum is another"),
        (&long, "4 bytes too many"),
    ];
    for (bytes, expected) in cases {
        let why = complaint(&folder, bytes);
        assert!(why.contains(expected), "{why}");
    }
}

/// A complete file with an invalid header.
#[test]
fn a_header_that_makes_no_sense_is_said_to() {
    let (folder, bytes) = written();
    let length = u64::from_le_bytes(bytes[12..20].try_into().unwrap()) as usize;
    let header = String::from_utf8(bytes[28..28 + length].to_vec()).unwrap();
    let cases = [
        ("\"cpu-clock\"", "\"sundial\"", "no clock `sundial`"),
        ("\"warmup\",100", "\"warmup\",300", "window `warmup`"),
        ("\"stacks\":[[0,0]", "\"stacks\":[[1,0]", "stack 1 is of nothing known"),
        ("\"stacks\":[[0,0]", "\"stacks\":[[0,99]", "stack 1 is of nothing known"),
        ("\"stacks\":[[0,0]", "\"stacks\":[[0,0],[0,0]", "stack 2 stands there twice"),
        ("\"k\"", "\"q\"", "no kind of frame `q`"),
        ("\"hz\":99", "\"hz\":-1", "its header"),
    ];
    for (from, to, expected) in cases {
        let changed = header.replace(from, to);
        assert_ne!(changed, header, "{from}");
        let mut file = bytes[..12].to_vec();
        file.extend_from_slice(&(changed.len() as u64).to_le_bytes());
        file.extend_from_slice(&bytes[20..28]);
        file.extend_from_slice(changed.as_bytes());
        file.extend_from_slice(&bytes[28 + length..bytes.len() - 4]);
        let mut sum = Crc::new();
        sum.update(&file);
        file.extend_from_slice(&sum.sum().to_le_bytes());
        let why = complaint(&folder, &file);
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn a_sample_of_no_known_stack_is_an_error_and_no_panic() {
    let (folder, mut bytes) = written();
    // The stack of the last sample: 8 bytes before its end.
    let at = bytes.len() - 4 - 8;
    bytes[at..at + 4].copy_from_slice(&77u32.to_le_bytes());
    let end = bytes.len() - 4;
    let mut sum = Crc::new();
    sum.update(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.sum().to_le_bytes());
    fs::write(folder.path().join(FILE), bytes).unwrap();
    let stored = read_stored(folder.path()).unwrap();
    let why = stored.profile.cut(&Selection::of([Cpu])).unwrap_err();
    assert!(why.to_string().contains("no stack 77"), "{why}");
}

proptest! {
    #[test]
    fn no_cut_and_no_change_of_a_byte_is_taken_for_a_profile(cut: prop::sample::Index, to: u8) {
        let (folder, bytes) = written();
        let at = cut.index(bytes.len());
        complaint(&folder, &bytes[..at]);
        let mut changed = bytes.clone();
        changed[at] = changed[at].wrapping_add(to.max(1));
        complaint(&folder, &changed);
    }

    #[test]
    fn garbage_never_panics(garbage in prop::collection::vec(any::<u8>(), 0..300)) {
        let (folder, bytes) = written();
        complaint(&folder, &garbage);
        let mut begun = bytes[..12].to_vec();
        begun.extend_from_slice(&garbage);
        complaint(&folder, &begun);
    }
}
