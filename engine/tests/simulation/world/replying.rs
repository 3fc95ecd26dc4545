//! The server's side of Redis: it reads commands, however they are sent, and replies in order.

use rand_core::Rng;

use super::World;
use crate::server::{Answer, redis_opened, redis_reply};

impl World {
    /// The server receives bytes of commands.
    pub(super) fn take_commands(&mut self, connection: u32, generation: u32, bytes: &[u8]) {
        let simulated = self.current(connection, generation);
        simulated.inbox.extend_from_slice(bytes);
        let mut inbox = std::mem::take(&mut simulated.inbox);
        let mut rest = inbox.as_slice();
        while let Some((name, length)) = first_command(rest) {
            if matches!(name, b"AUTH" | b"HELLO" | b"SELECT" | b"CLIENT") {
                let answer = redis_opened(&mut self.random, self.climate.manners);
                self.give(connection, generation, answer);
            } else {
                self.serve(connection, generation);
            }
            rest = &rest[length..];
        }
        let left = rest.len();
        inbox.drain(..inbox.len() - left);
        self.current(connection, generation).inbox = inbox;
    }

    /// The reply to a command.
    pub(super) fn reply_to_command(&mut self) -> Answer {
        let pushes = self.random.next_u64().is_multiple_of(6);
        redis_reply(&mut self.random, self.climate.manners, pushes)
    }
}

/// The name of the first command, and its length, if it is complete.
fn first_command(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let line = |from: usize| {
        let end = from + bytes[from..].windows(2).position(|two| two == b"\r\n")?;
        let number = std::str::from_utf8(&bytes[from + 1..end]).ok()?.parse::<usize>().ok()?;
        Some((number, end + 2))
    };
    let (count, mut at) = line(0)?;
    let mut name = None;
    for _ in 0..count {
        let (length, begin) = line(at)?;
        let word = bytes.get(begin..begin + length)?;
        bytes.get(begin + length..begin + length + 2)?;
        name.get_or_insert(word);
        at = begin + length + 2;
    }
    Some((name?, at))
}
