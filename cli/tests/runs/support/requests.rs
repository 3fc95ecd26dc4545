//! Reads requests from a stream one by one, however they were split or joined.
//!
//! It supports only what a test server needs: a header that an empty line ends, and a body with a
//! Content-Length.

use std::io::{self, Read};

/// A stream, and the bytes read beyond the last request.
pub(crate) struct Requests<R> {
    stream: R,
    pending: Vec<u8>,
}

impl<R: Read> Requests<R> {
    /// The requests that arrive on `stream`.
    pub(crate) const fn new(stream: R) -> Self {
        Self { stream, pending: Vec::new() }
    }

    /// The next complete request, header and body; `None` if the stream ends before it is complete.
    pub(crate) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(len) = request_len(&self.pending) {
                let rest = self.pending.split_off(len);
                return Ok(Some(std::mem::replace(&mut self.pending, rest)));
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk)? {
                0 => return Ok(None),
                n => self.pending.extend_from_slice(&chunk[..n]),
            }
        }
    }
}

/// The length of the first request, if it is complete.
fn request_len(bytes: &[u8]) -> Option<usize> {
    let header = bytes.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let body = String::from_utf8_lossy(&bytes[..header])
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, value)| value.trim().parse().expect("the client states a length"));
    (bytes.len() >= header + body).then_some(header + body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_out_alike_however_they_were_split() {
        let first = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello".to_vec();
        let second = b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n".to_vec();
        let joined = [first.clone(), second.clone()].concat();
        for cut in 0..=joined.len() {
            let (head, tail) = joined.split_at(cut);
            let mut requests = Requests::new(head.chain(tail));
            assert_eq!(requests.next().unwrap(), Some(first.clone()), "cut at {cut}");
            assert_eq!(requests.next().unwrap(), Some(second.clone()), "cut at {cut}");
            assert_eq!(requests.next().unwrap(), None, "cut at {cut}");
        }
    }
}
