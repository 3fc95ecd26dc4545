//! One direction of a connection through a proxy: bytes in, bytes out, later or never. Time is an
//! argument; nothing is lost, reordered or early.

use std::collections::VecDeque;

use uringbench_core::chaos::Toxic;
use uringbench_core::statistics::random::Random;

/// Bytes that wait at most; then nothing more is taken, and TCP pushes back.
const WAITING_MAX: usize = 256 << 10;
/// A limited rate passes this part of a second at a time.
const PARTS: u64 = 100;

/// The bytes that wait to go on.
#[derive(Debug)]
pub(crate) struct Pipe {
    chunks: VecDeque<Chunk>,
    waiting: usize,
    /// Bytes that went on.
    passed: u64,
    /// Nothing goes on before, in nanoseconds.
    not_before: u64,
    /// When the last chunk goes on.
    last: u64,
    /// When its end goes on.
    end: Option<u64>,
    random: Random,
}

#[derive(Debug)]
struct Chunk {
    at: u64,
    bytes: Vec<u8>,
    from: usize,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Send these bytes, as far as they go.
    Release(&'a [u8]),
    /// Nothing until this time.
    Wait(u64),
    /// Nothing until more arrives, or the toxic changes.
    Idle,
    /// Its end.
    Close,
    /// End the connection at once.
    Reset,
}

impl Pipe {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            chunks: VecDeque::new(),
            waiting: 0,
            passed: 0,
            not_before: 0,
            last: 0,
            end: None,
            random: Random::new(seed),
        }
    }

    /// Whether it takes more bytes.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting < WAITING_MAX && self.end.is_none()
    }

    /// Bytes arrived.
    pub(crate) fn feed(&mut self, now: u64, bytes: &[u8], toxic: Option<Toxic>) {
        let at = match toxic {
            Some(Toxic::Delay { delay, jitter }) => {
                let offset = (2.0 * self.random.unit() - 1.0) * jitter.0 as f64;
                now + delay.0.saturating_add_signed(offset as i64)
            }
            _ => now,
        };
        // Bytes keep their order, whatever the jitter.
        self.last = self.last.max(at);
        self.waiting += bytes.len();
        self.chunks.push_back(Chunk { at: self.last, bytes: bytes.to_vec(), from: 0 });
    }

    /// The end arrived.
    pub(crate) fn finish(&mut self, now: u64, toxic: Option<Toxic>) {
        let delay = match toxic {
            Some(Toxic::SlowClose { delay }) => delay.0,
            _ => 0,
        };
        self.end.get_or_insert_with(|| self.last.max(now + delay));
    }

    /// What to do at this time.
    pub(crate) fn poll(&self, now: u64, toxic: Option<Toxic>) -> Step<'_> {
        match toxic {
            Some(Toxic::Timeout) => return Step::Idle,
            Some(Toxic::ResetPeer) if self.waiting > 0 => return Step::Reset,
            Some(Toxic::LimitData { bytes }) if self.passed >= bytes => return Step::Close,
            _ => {}
        }
        let Some(chunk) = self.chunks.front() else {
            return match self.end {
                Some(end) if end <= now => Step::Close,
                Some(end) => Step::Wait(end),
                None => Step::Idle,
            };
        };
        let at = chunk.at.max(self.not_before);
        if at > now {
            return Step::Wait(at);
        }
        let bytes = &chunk.bytes[chunk.from..];
        let most = match toxic {
            Some(Toxic::Bandwidth { rate }) => (rate / PARTS).max(1),
            Some(Toxic::Slicer { size, .. }) => u64::from(size).max(1),
            Some(Toxic::LimitData { bytes }) => bytes - self.passed,
            _ => u64::MAX,
        };
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(bytes.len());
        Step::Release(&bytes[..length])
    }

    /// So many of the released bytes were sent.
    pub(crate) fn sent(&mut self, count: usize, now: u64, toxic: Option<Toxic>) {
        self.passed += count as u64;
        self.waiting -= count;
        if let Some(chunk) = self.chunks.front_mut() {
            chunk.from += count;
            if chunk.from == chunk.bytes.len() {
                self.chunks.pop_front();
            }
        }
        self.not_before = match toxic {
            Some(Toxic::Bandwidth { rate }) => {
                let span = u128::from(count as u64) * 1_000_000_000 / u128::from(rate.max(1));
                self.not_before.max(now.saturating_sub(1_000_000_000 / PARTS)) + span as u64
            }
            Some(Toxic::Slicer { delay, .. }) => now + delay.0,
            _ => 0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uringbench_core::time::Nanos;

    const MS: u64 = 1_000_000;

    /// Runs a pipe to its end: what came out, with the time of each piece.
    fn run(input: &[(u64, &[u8])], toxic: Option<Toxic>) -> Vec<(u64, Vec<u8>)> {
        let (mut pipe, mut out, mut now, mut input) = (Pipe::new(7), Vec::new(), 0, input.iter());
        let mut next = input.next();
        loop {
            while let Some((_, bytes)) = next.filter(|(at, _)| *at <= now) {
                pipe.feed(now, bytes, toxic);
                next = input.next();
                if next.is_none() {
                    pipe.finish(now, toxic);
                }
            }
            let arrival = next.map_or(u64::MAX, |(at, _)| *at);
            match pipe.poll(now, toxic) {
                Step::Release(bytes) => {
                    let bytes = bytes.to_vec();
                    pipe.sent(bytes.len(), now, toxic);
                    out.push((now, bytes));
                }
                Step::Wait(until) => now = until.min(arrival),
                Step::Idle if next.is_some() => now = arrival,
                Step::Idle | Step::Close | Step::Reset => return out,
            }
        }
    }

    fn joined(out: &[(u64, Vec<u8>)]) -> Vec<u8> {
        out.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    #[test]
    fn nothing_is_lost_reordered_or_early() {
        let input: Vec<(u64, Vec<u8>)> =
            (0..50_u8).map(|n| (u64::from(n) * MS, vec![n; 1 + usize::from(n) * 7])).collect();
        let borrowed: Vec<_> = input.iter().map(|(at, bytes)| (*at, bytes.as_slice())).collect();
        let all = joined(&input);
        let span = Nanos::from_millis;
        let toxics = [
            None,
            Some(Toxic::Delay { delay: span(20), jitter: span(5) }),
            Some(Toxic::Bandwidth { rate: 10_000 }),
            Some(Toxic::Slicer { size: 3, delay: Nanos(1_000) }),
            Some(Toxic::SlowClose { delay: span(9) }),
        ];
        for toxic in toxics {
            let out = run(&borrowed, toxic);
            assert_eq!(joined(&out), all, "{toxic:?}");
            assert!(out.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{toxic:?}");
        }
        let late = run(&borrowed, Some(Toxic::Delay { delay: span(20), jitter: span(5) }));
        let of_input = borrowed.iter().map(|(at, _)| at);
        assert!(late.iter().zip(of_input).all(|((at, _), fed)| *at >= fed + 15 * MS));
    }

    #[test]
    fn a_rate_is_kept_within_two_percent() {
        let bytes = vec![1; 200_000];
        let out = run(&[(0, &bytes)], Some(Toxic::Bandwidth { rate: 100_000 }));
        let end = out.last().expect("it all came").0 as f64 / 1e9;
        assert!((end - 2.0).abs() < 0.04, "{end}");
    }

    #[test]
    fn limits_and_resets_end_a_connection() {
        let out = run(&[(0, b"abcdef")], Some(Toxic::LimitData { bytes: 4 }));
        assert_eq!(joined(&out), b"abcd");
        assert!(run(&[(0, b"abcdef")], Some(Toxic::ResetPeer)).is_empty());
        assert!(run(&[(0, b"abcdef")], Some(Toxic::Timeout)).is_empty());
        let mut pipe = Pipe::new(1);
        pipe.feed(0, b"a", Some(Toxic::Timeout));
        assert_eq!(pipe.poll(5, Some(Toxic::ResetPeer)), Step::Reset);
        assert_eq!(pipe.poll(5, None), Step::Release(b"a"), "a black hole keeps what it has");
        pipe.feed(0, &vec![0; WAITING_MAX], None);
        assert!(!pipe.has_room());
    }
}
