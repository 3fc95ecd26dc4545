//! An answer whose bytes are needed, assembled from the bytes that arrive.
//!
//! Most answers arrive in one piece and are read in place. Others are copied.

use std::ops::Range;

use super::answer::Answer;
use crate::http::header_cache::HeaderCache;
use crate::http::response::{Malformed, Progress, Response, ResponseParser};

/// Longest body that is kept; a longer one fails checks on its bytes.
pub const BODY_MAX: usize = 64 << 20;

/// Largest capacity kept for the next answer: there may be thousands of connections.
const ROOM_MAX: usize = 1 << 20;

/// A reader of payload as it arrives.
type Lend<'a> = dyn FnMut(&[u8]) + 'a;

/// The part of an answer that has arrived.
#[derive(Debug, Default)]
pub struct ResponseBuffer {
    head: Vec<u8>,
    body: Vec<u8>,
    /// Part of it came with earlier bytes.
    is_begun: bool,
    /// Part of its payload did.
    has_payload: bool,
    /// Header length and body range in the bytes fed last, if they hold all of it.
    whole: Option<(usize, Range<usize>)>,
}

impl ResponseBuffer {
    /// Pass bytes through the parser, as [`ResponseParser::feed`] does, and keep those of the
    /// answer.
    ///
    /// # Errors
    /// Those of the parser.
    pub fn feed(
        &mut self,
        parser: &mut ResponseParser,
        bytes: &[u8],
        header_cache: &mut HeaderCache,
        is_head: bool,
    ) -> Result<Progress, Malformed> {
        self.feed_and_lend(parser, bytes, header_cache, is_head, None)
    }

    /// The same for an answer whose payload is not kept but lent, piece by piece.
    ///
    /// # Errors
    /// Those of the parser.
    pub fn feed_into(
        &mut self,
        parser: &mut ResponseParser,
        bytes: &[u8],
        header_cache: &mut HeaderCache,
        is_head: bool,
        payload: &mut dyn FnMut(&[u8]),
    ) -> Result<Progress, Malformed> {
        self.feed_and_lend(parser, bytes, header_cache, is_head, Some(payload))
    }

    fn feed_and_lend(
        &mut self,
        parser: &mut ResponseParser,
        bytes: &[u8],
        header_cache: &mut HeaderCache,
        is_head: bool,
        mut payload: Option<&mut Lend<'_>>,
    ) -> Result<Progress, Malformed> {
        let base = bytes.as_ptr().addr();
        let mut first: Option<Range<usize>> = None;
        let mut pieces = 0;
        let body = &mut self.body;
        let has_payload = self.has_payload;
        let is_lent = payload.is_some();
        let progress = parser.feed_into(bytes, header_cache, is_head, &mut |piece| {
            pieces += 1;
            if let Some(payload) = &mut payload {
                let begin = piece.as_ptr().addr() - base;
                first.get_or_insert(begin..begin);
                return payload(piece);
            }
            if pieces == 1 {
                // Pieces are parts of the fed bytes: the header ends where the first begins.
                let begin = piece.as_ptr().addr() - base;
                first = Some(begin..begin + piece.len());
                if has_payload {
                    keep(body, piece);
                }
            } else {
                if pieces == 2
                    && !has_payload
                    && let Some(range) = &first
                {
                    keep(body, &bytes[range.clone()]);
                }
                keep(body, piece);
            }
        })?;
        let consumed = match progress {
            Progress::Complete { consumed, .. } => {
                if !self.is_begun && pieces <= 1 {
                    let payload = first.unwrap_or(consumed..consumed);
                    self.whole = Some((payload.start, payload));
                    return Ok(progress);
                }
                consumed
            }
            Progress::Continue { consumed } => consumed,
            // No byte belongs to an answer.
            Progress::Dropped { .. } => return Ok(progress),
            Progress::NeedMore => bytes.len(),
        };
        self.is_begun = true;
        if !has_payload {
            let end = first.as_ref().map_or(consumed, |range| range.start);
            self.head.extend_from_slice(&bytes[..end]);
            self.has_payload = pieces > 0;
            if pieces == 1
                && !is_lent
                && let Some(range) = first
            {
                keep(&mut self.body, &bytes[range]);
            }
        }
        Ok(progress)
    }

    /// The complete answer. `bytes` are those that were fed last.
    pub fn answer<'a>(&'a self, bytes: &'a [u8], response: &Response) -> Answer<'a> {
        let (head, body) = match &self.whole {
            Some((end, body)) => (&bytes[..*end], &bytes[body.clone()]),
            None => (self.head.as_slice(), self.body.as_slice()),
        };
        let head = without_interim(head, response.status);
        Answer { status: response.status, head, body, body_bytes: response.body_bytes }
    }

    /// Header and body, to be exchanged for those of an answer that another protocol has read.
    pub const fn buffers(&mut self) -> (&mut Vec<u8>, &mut Vec<u8>) {
        (&mut self.head, &mut self.body)
    }

    /// Remove the answer; its capacity stays, up to a limit.
    pub fn clear(&mut self) {
        self.head.clear();
        self.body.clear();
        self.body.shrink_to(ROOM_MAX);
        (self.is_begun, self.has_payload, self.whole) = (false, false, None);
    }
}

/// The header of the answer itself, after those of interim ones (RFC 9110 section 15.2).
fn without_interim(mut head: &[u8], status: u16) -> &[u8] {
    // `HTTP/1.1 1`: the first digit of a status.
    while status >= 200 && head.get(9) == Some(&b'1') {
        let is_end = |at: &usize| {
            let rest = &head[*at..];
            rest.starts_with(b"\n\r\n") || rest.starts_with(b"\n\n")
        };
        let Some(end) = (0..head.len()).find(is_end) else { break };
        let rest = &head[end + 1..];
        head = rest.strip_prefix(b"\r").unwrap_or(rest);
        head = &head[1..];
    }
    head
}

fn keep(body: &mut Vec<u8>, piece: &[u8]) {
    let room = BODY_MAX - body.len().min(BODY_MAX);
    body.extend_from_slice(&piece[..piece.len().min(room)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer that checks see, fed in these pieces.
    fn seen(pieces: &[&[u8]], is_head: bool) -> (u16, Vec<u8>, Vec<u8>, u64) {
        let mut parser = ResponseParser::new();
        let mut header_cache = HeaderCache::default();
        let mut gathering = ResponseBuffer::default();
        for piece in pieces {
            let fed = gathering.feed(&mut parser, piece, &mut header_cache, is_head);
            if let Ok(Progress::Complete { response, .. }) = fed {
                let answer = gathering.answer(piece, &response);
                let (head, body) = (answer.head.to_vec(), answer.body.to_vec());
                return (answer.status, head, body, answer.body_bytes);
            }
        }
        panic!("the answer is complete");
    }

    #[test]
    fn an_answer_is_the_same_at_every_split() {
        let answers: [(&[u8], &[u8], bool); 5] = [
            (
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-A: 0\r\n\r\n\
                  HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 1\r\n\r\na",
                b"a",
                false,
            ),
            (
                b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 11\r\n\r\nhello world",
                b"hello world",
                false,
            ),
            (
                b"HTTP/1.1 201 Created\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n\
                  6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n",
                b"hello world",
                false,
            ),
            (b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", b"", false),
            (b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 11\r\n\r\n", b"", true),
        ];
        for (text, body, is_head) in answers {
            let whole = seen(&[text], is_head);
            assert_eq!((whole.2.as_slice(), whole.3), (body, body.len() as u64));
            let answer = Answer { status: 200, head: &whole.1, body: b"", body_bytes: 0 };
            assert_eq!(answer.headers("x-a").collect::<Vec<_>>(), [b"1"]);
            for first in 1..text.len() {
                let (a, rest) = text.split_at(first);
                for second in 1..=rest.len() {
                    let (b, c) = rest.split_at(second);
                    let pieces = if c.is_empty() { vec![a, b] } else { vec![a, b, c] };
                    let split = seen(&pieces, is_head);
                    assert_eq!((split.0, &split.2, split.3), (whole.0, &whole.2, whole.3));
                    let answer = Answer { status: 200, head: &split.1, body: b"", body_bytes: 0 };
                    assert_eq!(answer.headers("x-a").collect::<Vec<_>>(), [b"1"], "{pieces:?}");
                }
            }
        }
    }

    #[test]
    fn answers_behind_each_other_are_told_apart() {
        let one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
        let two = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb";
        let both = [one.as_slice(), two.as_slice()].concat();
        let (mut parser, mut header_cache) = (ResponseParser::new(), HeaderCache::default());
        let mut gathering = ResponseBuffer::default();
        let mut bytes = both.as_slice();
        for expected in [b"a", b"b"] {
            let fed = gathering.feed(&mut parser, bytes, &mut header_cache, false);
            let Ok(Progress::Complete { consumed, response }) = fed else { panic!("{fed:?}") };
            assert_eq!(gathering.answer(bytes, &response).body, expected);
            gathering.clear();
            bytes = &bytes[consumed..];
        }
        assert!(bytes.is_empty());
    }
}
