//! Messages in bodies: each has five bytes in front of it, a flag and its length.
//!
//! Messages are counted, never kept: their length is the peer's word, and takes no memory.

/// Bytes in front of each message: whether it is compressed, and its length.
pub const PREFIX_BYTES: usize = 5;

/// Add a message to a body. It has less than 4 GiB.
pub fn append(message: &[u8], body: &mut Vec<u8>) {
    body.push(0);
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(message);
}

/// What some bytes of a body brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageProgress {
    /// How many of them have been read.
    pub consumed: usize,
    /// Whether they end with the end of a message.
    pub is_whole: bool,
}

/// Why bytes are no messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadMessage {
    /// How many of them have been read until that was seen.
    pub consumed: usize,
    /// What is wrong.
    pub fault: &'static str,
}

/// Counts the messages of one body, which arrives in pieces of any size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageReader {
    prefix: [u8; PREFIX_BYTES],
    /// Bytes of the prefix that are there; all of them while a message is under way.
    have: u8,
    /// Bytes of the message that are still to come.
    left: u32,
    messages: u32,
}

impl MessageReader {
    /// Read bytes up to the end of the first message.
    ///
    /// # Errors
    /// If they are no messages, or compressed ones, which nobody asked for.
    #[inline]
    pub fn feed(&mut self, bytes: &[u8]) -> Result<MessageProgress, BadMessage> {
        let mut consumed = 0;
        let have = usize::from(self.have);
        if have < PREFIX_BYTES {
            consumed = bytes.len().min(PREFIX_BYTES - have);
            self.prefix[have..have + consumed].copy_from_slice(&bytes[..consumed]);
            self.have += consumed as u8;
            if have + consumed < PREFIX_BYTES {
                return Ok(MessageProgress { consumed, is_whole: false });
            }
            let [flag, length @ ..] = self.prefix;
            let fault = match flag {
                0 => None,
                1 => Some("a message is compressed, although this side offers no coding"),
                _ => Some("a message begins with neither 0 nor 1: it is not of gRPC"),
            };
            if let Some(fault) = fault {
                return Err(BadMessage { consumed, fault });
            }
            self.left = u32::from_be_bytes(length);
        }
        let taken = (bytes.len() - consumed).min(self.left as usize);
        self.left -= taken as u32;
        let is_whole = self.left == 0;
        if is_whole {
            self.have = 0;
            self.messages = self.messages.saturating_add(1);
        }
        Ok(MessageProgress { consumed: consumed + taken, is_whole })
    }

    /// Complete messages so far.
    pub const fn messages(&self) -> u32 {
        self.messages
    }

    /// Whether no message is under way.
    pub const fn is_between(&self) -> bool {
        self.have == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages that end in these pieces, and whether the last piece ends between messages.
    fn read(pieces: &[&[u8]]) -> Result<(u32, bool), &'static str> {
        let mut reader = MessageReader::default();
        let mut ends = 0;
        for piece in pieces {
            let mut rest = *piece;
            while !rest.is_empty() {
                let progress = reader.feed(rest).map_err(|bad| bad.fault)?;
                let MessageProgress { consumed, is_whole } = progress;
                assert!(consumed > 0, "it goes on");
                rest = &rest[consumed..];
                ends += u32::from(is_whole);
            }
        }
        assert_eq!(ends, reader.messages());
        Ok((ends, reader.is_between()))
    }

    fn three() -> Vec<u8> {
        let mut body = Vec::new();
        for message in [&b"hello"[..], b"", &[1; 300]] {
            append(message, &mut body);
        }
        body
    }

    #[test]
    fn messages_are_counted_at_every_split() {
        let body = three();
        assert_eq!(body.len(), 3 * PREFIX_BYTES + 305);
        for first in 0..=body.len() {
            for second in (first..=body.len()).step_by(7) {
                let pieces = [&body[..first], &body[first..second], &body[second..]];
                assert_eq!(read(&pieces), Ok((3, true)), "{first} {second}");
            }
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(read(&bytes), Ok((3, true)));
    }

    #[test]
    fn an_end_within_a_message_is_seen_wherever_it_is() {
        let body = three();
        let ends = [0, 10, 15, body.len()];
        for end in 0..=body.len() {
            let (_, is_between) = read(&[&body[..end]]).expect("it is well-formed");
            assert_eq!(is_between, ends.contains(&end), "{end}");
        }
    }

    #[test]
    fn what_is_no_message_is_named_and_a_length_takes_no_memory() {
        for (bytes, part) in [(&[1, 0, 0, 0, 0][..], "compressed"), (b"HTTP/1.1", "not of gRPC")] {
            assert!(read(&[bytes]).is_err_and(|why| why.contains(part)), "{part}");
        }
        assert_eq!(read(&[b"\0\xff\xff\xff\xffxyz"]), Ok((0, false)));
    }
}
