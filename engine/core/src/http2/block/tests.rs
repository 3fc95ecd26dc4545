//! The memo changes nothing but the work: whatever blocks come, they mean the same with it.

use proptest::prelude::*;

use super::*;
use crate::http2::hpack::encode::{Form, field};

/// One step of a server's encoder.
#[derive(Clone, Debug)]
enum Step {
    /// A field of a small set, in a form.
    Field(u8, u8, bool),
    /// A reference to an entry of this age.
    Refer(u8),
    /// A block ends; it is sent so often, on one of two connections.
    End(u8, bool),
    /// The next block begins with this size.
    Resize(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6u8, 0..4u8, any::<bool>()).prop_map(|(n, v, f)| Step::Field(n, v, f)),
        2 => (0..6u8).prop_map(Step::Refer),
        4 => (1..6u8, any::<bool>()).prop_map(|(times, which)| Step::End(times, which)),
        1 => (0..4_096u16).prop_map(Step::Resize),
    ];
    proptest::collection::vec(step, 1..120)
}

/// The blocks, each with the connection it is sent on; some cannot be decoded.
fn blocks_of(steps: &[Step]) -> Vec<(Vec<u8>, bool)> {
    let mut made = Vec::new();
    let mut block = vec![0x88];
    for step in steps {
        match *step {
            Step::Field(name, value, is_inserted) => {
                let form = if is_inserted { Form::Inserted } else { Form::Literal };
                let name = ["date", "x-a", "server", "content-length", "x-long", ":status"]
                    [usize::from(name)];
                let value = ["1", "404", "", &"v".repeat(1_500)][usize::from(value)].to_owned();
                field((name.as_bytes(), value.as_bytes()), form, &mut block);
            }
            Step::Refer(age) => block.push(0x80 | (62 + age)),
            Step::End(times, which) => {
                made.extend((0..times).map(|_| (block.clone(), which)));
                block = vec![0x88];
            }
            Step::Resize(size) => {
                block.clear();
                block.push(0x3f);
                let left = size.saturating_sub(31);
                block.extend_from_slice(&[0x80 | (left & 0x7f) as u8, (left >> 7) as u8]);
            }
        }
    }
    made
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn heads_are_the_same_with_and_without_it(steps in steps()) {
        let (mut on, mut off) = (Blocks::default(), Blocks::disabled());
        let mut pairs = [(); 2].map(|()| (BlockReader::new(4_096), BlockReader::new(4_096)));
        let sent = blocks_of(&steps);
        let mut is_dead = [false; 2];
        for (block, which) in &sent {
            let which = usize::from(*which);
            let (with, without) = &mut pairs[which];
            if is_dead[which] {
                continue;
            }
            let (found, expected) = (with.read(block, &mut on), without.read(block, &mut off));
            prop_assert_eq!(&found, &expected, "{:x?}", block);
            is_dead[which] = found.is_err();
        }
        for (mut with, without) in pairs {
            prop_assert!(with.pay().is_ok());
            let tables = (with.table().entries(), without.table().entries());
            if is_dead == [false; 2] {
                prop_assert_eq!(tables.0, tables.1);
            }
        }
        prop_assert_eq!(off.hits(), 0);
    }
}

/// A block as nginx sends it: `server`, `date` and `content-type` inserted each time.
fn like_nginx(date: &str) -> Vec<u8> {
    let mut block = vec![0x88];
    for (name, value) in [("server", "nginx"), ("date", date), ("content-type", "text/plain")] {
        field((name.as_bytes(), value.as_bytes()), Form::Inserted, &mut block);
    }
    block
}

#[test]
fn blocks_that_insert_are_decoded_once_and_paid_when_needed() {
    let mut blocks = Blocks::default();
    let mut reader = BlockReader::new(4_096);
    let block = like_nginx("Mon");
    for _ in 0..1_000 {
        assert_eq!(reader.read(&block, &mut blocks).map(|head| head.status), Ok(Some(200)));
    }
    assert_eq!((blocks.hits(), blocks.misses()), (999, 1));
    assert_eq!(reader.table().entries().len(), 3, "the other insertions are owed");
    // Its newest entry is `content-type`; the table is full of repetitions.
    assert!(reader.read(&[0x88, 0xbe], &mut blocks).is_ok());
    assert!(reader.table().size() > 4_000);
    // Another connection knows the block too.
    assert!(BlockReader::new(4_096).read(&block, &mut blocks).is_ok());
    assert_eq!(blocks.misses(), 2);
}

#[test]
fn blocks_that_refer_are_compared_until_the_table_changes() {
    let mut blocks = Blocks::default();
    let mut reader = BlockReader::new(4_096);
    assert!(reader.read(&like_nginx("Mon"), &mut blocks).is_ok());
    let block = [0x88, 0xbe, 0xbf];
    for _ in 0..10 {
        assert!(reader.read(&block, &mut blocks).is_ok());
    }
    assert_eq!((blocks.hits(), blocks.misses()), (9, 2));
    assert!(reader.read(&like_nginx("Tue"), &mut blocks).is_ok());
    assert!(reader.read(&block, &mut blocks).is_ok());
    assert_eq!(blocks.misses(), 4, "the entries are others now");
}

#[test]
fn only_so_many_blocks_are_known() {
    let mut blocks = Blocks::default();
    let mut reader = BlockReader::new(4_096);
    for round in 0..3 * KNOWN_MAX {
        assert!(reader.read(&like_nginx(&round.to_string()), &mut blocks).is_ok());
    }
    assert_eq!((blocks.known.len(), blocks.misses()), (KNOWN_MAX, 24));
    assert!(reader.read(&like_nginx("23"), &mut blocks).is_ok());
    assert!(reader.read(&like_nginx("0"), &mut blocks).is_ok());
    assert_eq!(blocks.misses(), 25);
}
