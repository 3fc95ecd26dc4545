//! What must hold of every reader of replies that come in order.

use std::fmt::Debug;

use uringbench_core::reply::{ReplyProgress, WholeReply};

use super::Choices;

/// A reader of replies.
pub trait Replies: Default {
    type Fault: Debug + PartialEq;

    fn feed(&mut self, bytes: &[u8]) -> Result<ReplyProgress, Self::Fault>;
    fn opaque(&self) -> u64;
    fn skip(&mut self, count: u64);
    /// Of the latest reply.
    fn rows(&self) -> u64;
}

/// Bytes are the same replies however they are split, with payload read or discarded. Returns how
/// many replies ended.
pub fn read_alike<R: Replies>(input: &[u8]) -> usize {
    let Some((mut choices, stream)) = Choices::take(input) else { return 0 };
    let whole = listen::<R>(stream, false, |left| left);
    let split = listen::<R>(stream, false, |left| choices.up_to(left.min(16)));
    assert_eq!(whole, split);
    let skipped = listen::<R>(stream, true, |left| choices.up_to(left.min(16)));
    assert_eq!(whole, skipped);
    whole.replies.len()
}

#[derive(Debug, PartialEq)]
struct Heard<F> {
    /// With their rows; `None` for what answers nothing.
    replies: Vec<Option<(WholeReply, u64)>>,
    end: Result<(), F>,
}

fn listen<R: Replies>(
    stream: &[u8],
    skips: bool,
    mut piece: impl FnMut(usize) -> usize,
) -> Heard<R::Fault> {
    let mut reader = R::default();
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
                    heard.replies.push(Some((reply, reader.rows())));
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
