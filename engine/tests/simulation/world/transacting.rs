//! The server's side of PostgreSQL: it reads messages, however they are sent, and answers in order.

use rand_core::Rng;

use super::World;
use crate::server::{Answer, Manners};

impl World {
    /// The server receives bytes of a login, or of transactions.
    pub(super) fn take_messages(&mut self, connection: u32, generation: u32, bytes: &[u8]) {
        let simulated = self.current(connection, generation);
        simulated.inbox.extend_from_slice(bytes);
        let mut inbox = std::mem::take(&mut simulated.inbox);
        let mut rest = inbox.as_slice();
        // What is sent together comes together, with Sync as its end.
        let mut executes = false;
        while let Some((tag, message)) = first_message(rest) {
            let is_answered = match tag {
                Some(b'S') => {
                    let prepares = !std::mem::take(&mut executes);
                    Some(if prepares { Given::Prepared } else { Given::Answer })
                }
                Some(b'E') => {
                    executes = true;
                    None
                }
                Some(b'Q') if message.ends_with(b"ROLLBACK\0") => Some(Given::RolledBack),
                Some(b'Q') => Some(Given::Answer),
                Some(b'p') => Some(Given::LoggedIn),
                None => Some(Given::Asked),
                Some(_) => None,
            };
            rest = &rest[message.len()..];
            match is_answered {
                None => {}
                Some(Given::Answer) => self.serve(connection, generation),
                Some(given) => {
                    let answer = self.opened_by(given);
                    self.give(connection, generation, answer);
                }
            }
        }
        let left = rest.len();
        inbox.drain(..inbox.len() - left);
        self.current(connection, generation).inbox = inbox;
    }

    /// The answer to a transaction.
    pub(super) fn answer_transaction(&mut self) -> Answer {
        let Manners { fault_share, large_share } = self.climate.manners;
        let length = if self.below(1_000) < large_share { 50_000 } else { 3 };
        let notice = message(b'N', b"SNOTICE\0C00000\0Mhello\0\0");
        let row = message(b'D', &[&[0, 1, 0, 0, 0, 3][..], &vec![b'x'; length]].concat());
        let done = [message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat();
        let failed = |status: u8| [error("ERROR", "40001"), message(b'Z', &[status])].concat();
        let bound = message(b'2', b"");
        let answer = match self.below(10) {
            0 => failed(b'I'),
            1 => [bound, failed(b'E')].concat(),
            2 => [notice.clone(), bound, notice, row, done].concat(),
            3 => [message(b'I', b""), message(b'Z', b"I")].concat(),
            _ => [bound, row.clone(), row, done].concat(),
        };
        if self.below(1_000) >= fault_share {
            return Answer::Bytes(answer);
        }
        let part = answer[..self.random.next_u64() as usize % answer.len()].to_vec();
        match self.below(8) {
            0 => Answer::Silence,
            1 => Answer::ThenClose(part),
            2 => Answer::ThenReset(part),
            3 => Answer::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
            4 => Answer::Bytes([answer.clone(), answer].concat()),
            5 => Answer::ThenClose(error("FATAL", "57P01")),
            6 => Answer::ThenClose([answer, error("FATAL", "57P01")].concat()),
            _ => Answer::ThenClose(answer),
        }
    }

    /// What a server says besides its answers to transactions.
    fn opened_by(&mut self, given: Given) -> Answer {
        let ready = message(b'Z', b"I");
        let authenticated = message(b'R', &[0, 0, 0, 0]);
        let parameter = message(b'S', b"server_version\x0015.0\0");
        let logged_in = [authenticated, parameter, ready.clone()].concat();
        let good = match given {
            Given::Asked if self.below(4) == 0 => message(b'R', &[0, 0, 0, 3]),
            Given::Asked | Given::LoggedIn => logged_in,
            Given::RolledBack => [message(b'C', b"ROLLBACK\0"), ready].concat(),
            Given::Prepared | Given::Answer => [message(b'1', b""), ready].concat(),
        };
        if self.below(1_000) >= self.climate.manners.fault_share {
            return Answer::Bytes(good);
        }
        match self.below(6) {
            0 => Answer::Silence,
            1 => Answer::ThenClose(error("FATAL", "53300")),
            2 => Answer::Bytes([error("ERROR", "42P01"), message(b'Z', b"I")].concat()),
            3 => Answer::Bytes(b"\x15\x03\x03\x00\x02".to_vec()),
            4 => Answer::Bytes(good.repeat(3)),
            _ => Answer::ThenReset(Vec::new()),
        }
    }
}

/// What the server answers.
#[derive(Clone, Copy)]
enum Given {
    Asked,
    LoggedIn,
    Prepared,
    RolledBack,
    Answer,
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() as u32 + 4;
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

fn error(severity: &str, code: &str) -> Vec<u8> {
    message(b'E', format!("S{severity}\0V{severity}\0C{code}\0Mwhy\0\0").as_bytes())
}

/// The first message and its tag, which the first of a connection does not have, if it is complete.
fn first_message(bytes: &[u8]) -> Option<(Option<u8>, &[u8])> {
    let tag = bytes.first().copied().filter(|tag| *tag != 0);
    let begin = usize::from(tag.is_some());
    let length = bytes.get(begin..)?.first_chunk::<4>()?;
    let end = begin + u32::from_be_bytes(*length) as usize;
    Some((tag, bytes.get(..end)?))
}
