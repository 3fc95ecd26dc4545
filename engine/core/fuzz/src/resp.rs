//! Redis: replies are read alike however their bytes are split, and payload may be skipped.

use uringbench_core::resp::reader::{ReplyFault, ReplyProgress, ReplyReader, WholeReply};

use super::Choices;

/// Bytes are the same replies however they are split, with payload read or discarded. Returns how
/// many replies ended.
pub fn resp(input: &[u8]) -> usize {
    let Some((mut choices, stream)) = Choices::take(input) else { return 0 };
    let whole = listen(stream, false, |left| left);
    let split = listen(stream, false, |left| choices.up_to(left.min(16)));
    assert_eq!(whole, split);
    let skipped = listen(stream, true, |left| choices.up_to(left.min(16)));
    assert_eq!(whole, skipped);
    whole.replies.len()
}

#[derive(Debug, PartialEq)]
struct Heard {
    /// `None` for pushes.
    replies: Vec<Option<WholeReply>>,
    end: Result<(), ReplyFault>,
}

fn listen(stream: &[u8], skips: bool, mut piece: impl FnMut(usize) -> usize) -> Heard {
    let mut reader = ReplyReader::default();
    let mut heard = Heard { replies: Vec::new(), end: Ok(()) };
    let mut rest = stream;
    while !rest.is_empty() {
        let opaque = reader.opaque().min(rest.len() as u64) as usize;
        if skips && opaque > 0 {
            reader.skip(opaque as u64);
            rest = &rest[opaque..];
            continue;
        }
        let (mut now, later) = rest.split_at(piece(rest.len()).max(1));
        rest = later;
        while !now.is_empty() {
            match reader.feed(now) {
                Ok(ReplyProgress::NeedMore) => break,
                Ok(ReplyProgress::Reply { consumed, reply }) => {
                    heard.replies.push(Some(reply));
                    now = &now[consumed..];
                }
                Ok(ReplyProgress::Aside { consumed }) => {
                    heard.replies.push(None);
                    now = &now[consumed..];
                }
                Err(fault) => {
                    heard.end = Err(fault);
                    return heard;
                }
            }
        }
    }
    heard
}
